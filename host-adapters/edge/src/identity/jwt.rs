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
