//! The check of bearer tokens that are JSON Web Tokens: its header, its keys, and what a token says.
//!
//! Easily got wrong: two `authorization` headers are none. Which of them a server behind this one would read, nobody knows.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use plugwork_http::Principal;

use super::jwks::Jwks;
use super::key::Keys;
use super::token::{Token, Wanted};
use super::{Identify, Identifying, Preparing, Unidentified};

/// Where keys come from.
pub(super) enum Source {
    Fixed(Arc<Keys>),
    Fetched(Jwks),
}

/// The check.
pub(super) struct Jwt {
    pub(super) wanted: Wanted,
    pub(super) source: Source,
}

impl Jwt {
    async fn check(&self, headers: &HeaderMap) -> Result<Principal, Unidentified> {
        let text = bearer(headers)?;
        let token = Token::read(text, &self.wanted)?;
        let keys = match &self.source {
            Source::Fixed(keys) => keys.clone(),
            Source::Fetched(jwks) => {
                let keys = jwks.keys().await.map_err(Unidentified::Unavailable)?;
                // A new key of its issuer, or a name that somebody made up.
                if token.names_key() && !token.has_key(&keys) { jwks.keys_anew().await.map_err(Unidentified::Unavailable)? } else { keys }
            }
        };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
        token.verify(&keys, &self.wanted, now_s)
    }
}

impl Identify for Jwt {
    fn identify<'a>(&'a self, headers: &'a HeaderMap) -> Identifying<'a> {
        Box::pin(self.check(headers))
    }

    fn prepare(&self) -> Preparing<'_> {
        Box::pin(async {
            match &self.source {
                Source::Fixed(_) => Ok(()),
                Source::Fetched(jwks) => jwks.keys().await.map(drop),
            }
        })
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Unidentified> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Unidentified::Missing)?;
    if values.next().is_some() {
        return Err(Unidentified::Invalid("there is more than one header `authorization`"));
    }
    let value = value.to_str().map_err(|_| Unidentified::Invalid("the header `authorization` is no text"))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unidentified::Missing);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() { Err(Unidentified::Invalid("there is nothing behind `Bearer`")) } else { Ok(token) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::fetch::{Fetch, Fetched, Fetching};
    use super::super::key::Algorithm;
    use super::super::signing::Signer;
    use super::*;
    use serde_json::json;

    /// A set of keys that somebody publishes; none: it is down.
    type Published = Arc<Mutex<Option<String>>>;

    struct Publishes(Published);

    impl Fetch for Publishes {
        fn fetch(&self) -> Fetching<'_> {
            let set = self.0.lock().unwrap().clone();
            Box::pin(async { Ok(Fetched { bytes: set.ok_or("it is down".to_owned())?.into_bytes(), max_age_s: Some(600) }) })
        }
    }

    fn publish(published: &Published, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        *published.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }

    fn jwt() -> (Published, Arc<AtomicU64>, Jwt) {
        let (published, now_ms) = (Published::default(), Arc::new(AtomicU64::new(0)));
        let clock = now_ms.clone();
        let jwks = Jwks::new(Box::new(Publishes(published.clone())), Arc::new(move || clock.load(Ordering::SeqCst)), 60_000);
        let (issuer, audiences, algorithms) = ("i".to_owned(), vec!["a".to_owned()], vec![Algorithm::EdDsa]);
        let wanted = Wanted { issuer, audiences, algorithms, leeway_seconds: 0, scopes: Vec::new(), claims: Vec::new() };
        (published, now_ms, Jwt { wanted, source: Source::Fetched(jwks) })
    }

    async fn code(jwt: &Jwt, signer: &Signer) -> &'static str {
        let token = signer.token(&json!({ "iss": "i", "aud": "a", "sub": "ada", "exp": 9_000_000_000_u64 }));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        jwt.identify(&headers).await.map_or_else(|why| why.code(), |_| "ok")
    }

    #[tokio::test]
    async fn a_key_that_its_issuer_changes_is_followed() {
        let (published, now_ms, jwt) = jwt();
        let (old, new, forged) = (Signer::ed25519("1", 1), Signer::ed25519("2", 2), Signer::ed25519("2", 3));
        publish(&published, &[&old]);
        assert_eq!((code(&jwt, &old).await, code(&jwt, &new).await), ("ok", "E-HTTP-IDENTITY-TOKEN"));
        publish(&published, &[&new]);
        assert_eq!(code(&jwt, &new).await, "E-HTTP-IDENTITY-TOKEN", "no more often than once a minute");
        now_ms.fetch_add(60_000, Ordering::SeqCst);
        assert_eq!((code(&jwt, &new).await, code(&jwt, &forged).await), ("ok", "E-HTTP-IDENTITY-TOKEN"));
        assert_eq!(code(&jwt, &old).await, "E-HTTP-IDENTITY-TOKEN", "what its issuer took back counts no more");
    }

    #[tokio::test]
    async fn without_its_keys_nobody_is_known_and_with_old_ones_for_a_while() {
        let (published, now_ms, jwt) = jwt();
        let signer = Signer::ed25519("1", 1);
        assert_eq!(jwt.prepare().await.unwrap_err(), "it is down");
        assert_eq!(code(&jwt, &signer).await, "E-HTTP-IDENTITY-UNAVAILABLE");
        publish(&published, &[&signer]);
        now_ms.fetch_add(5_000, Ordering::SeqCst);
        assert_eq!(code(&jwt, &signer).await, "ok");
        *published.lock().unwrap() = None;
        now_ms.fetch_add(600_000 + 60_000 - 1, Ordering::SeqCst);
        assert_eq!(code(&jwt, &signer).await, "ok");
        now_ms.fetch_add(5_000, Ordering::SeqCst);
        assert_eq!(code(&jwt, &signer).await, "E-HTTP-IDENTITY-UNAVAILABLE");
    }
}
