//! Tokens that nobody thought of: noise, changed ones, and well signed ones that say anything. None panics, and what is taken is held to a second writing of the rules.
//!
//! An ordinary test tries some thousands; `cargo bolero test` as many as somebody waits for. Easily got wrong: a change that changes nothing leaves a token that
//! is good.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bolero::TypeGenerator;
use serde_json::json;

use super::*;
use crate::identity::key::Key;
use crate::identity::signing::{Signer, encoded};

/// How long one may take. Its inputs are counted, not timed.
const PATIENCE: Duration = Duration::from_secs(60);
const NOW_S: u64 = 1_900_000_000;
const LEEWAY_S: u64 = 60;
const ISSUER: &str = "https://id.example";
const SECRET: [u8; 32] = [7; 32];

fn wanted() -> Wanted {
    let algorithms = vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256];
    let [audiences, scopes, claims] =
        [vec!["shop", "till"], vec!["read"], vec!["email", "sub"]].map(|all| all.into_iter().map(str::to_owned).collect());
    Wanted { issuer: ISSUER.to_owned(), audiences, algorithms, leeway_seconds: LEEWAY_S, scopes, claims }
}

/// One of each kind, all known to the server.
fn signers() -> [Signer; 4] {
    [Signer::ed25519("a", 1), Signer::p256("b"), Signer::rsa("c"), Signer::secret(&SECRET)]
}

fn keys(signers: &[Signer]) -> Keys {
    let public = signers.iter().filter_map(|signer| Key::public(signer.jwk().as_object()?).ok()?);
    Keys::new(public.chain([Key::secret(&SECRET)]).collect())
}

fn verified(text: &str, keys: &Keys) -> Result<Principal, Unidentified> {
    let wanted = wanted();
    Token::read(text, &wanted)?.verify(keys, &wanted, NOW_S)
}

#[test]
fn noise_is_nobody() {
    let keys = keys(&signers());
    bolero::check!().with_iterations(5_000).with_test_time(PATIENCE).with_type::<(String, [Vec<u8>; 3], bool)>().for_each(
        |(text, parts, is_head)| {
            assert!(verified(text, &keys).is_err());
            let [head, payload, signature] = parts.each_ref().map(encoded);
            assert!(verified(&format!("{head}.{payload}.{signature}"), &keys).is_err());
            let algorithm = ["EdDSA", "ES256", "RS256", "HS256"][text.len() % 4];
            let claims = json!({ "iss": ISSUER, "aud": "shop", "sub": "ada", "scope": "read", "exp": NOW_S + 300 });
            let payload = if *is_head { payload } else { encoded(claims.to_string()) };
            // A head and claims as they should be, and a signature that nobody made.
            let head = encoded(json!({ "alg": algorithm }).to_string());
            assert!(verified(&format!("{head}.{payload}.{signature}"), &keys).is_err());
        },
    );
}

#[test]
fn a_token_that_was_changed_is_nobodys() {
    let signers = signers();
    let keys = keys(&signers);
    let claims = json!({ "iss": ISSUER, "aud": "shop", "sub": "ada", "scope": "read", "exp": NOW_S + 300 });
    let tokens = signers.each_ref().map(|signer| signer.token(&claims));
    for token in &tokens {
        assert_eq!(verified(token, &keys).unwrap().name, "ada");
    }
    bolero::check!()
        .with_iterations(5_000)
        .with_test_time(PATIENCE)
        .with_type::<(u8, Vec<(u16, u8)>, Option<u16>, Option<(u16, u8)>)>()
        .for_each(|(which, changes, cut, more)| {
            let good = &tokens[usize::from(*which) % tokens.len()];
            let mut bytes = good.clone().into_bytes();
            for (at, to) in changes {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *to;
            }
            if let Some((at, byte)) = more {
                bytes.insert(usize::from(*at) % bytes.len(), *byte);
            }
            if let Some(cut) = cut {
                bytes.truncate(usize::from(*cut) % (bytes.len() + 1));
            }
            // A server reads it from a header, which is text.
            let Ok(text) = String::from_utf8(bytes) else { return };
            assert!(text == *good || verified(&text, &keys).is_err(), "{text}");
        });
}

/// What a claim may be, most often something near what it should be.
#[derive(Debug, TypeGenerator)]
enum Said {
    Nothing,
    Right,
    Text(String),
    Number(i64),
    Near(i8),
    List(Vec<Option<bool>>),
}

/// A claim whose right text, or second, is known. `false` in a list is the right text, `true` another one.
fn value(said: &Said, right: &Value) -> Option<Value> {
    Some(match said {
        Said::Nothing => return None,
        Said::Right => right.clone(),
        Said::Text(text) => json!(text),
        Said::Number(number) => json!(number),
        Said::Near(by) => right.as_f64().map_or_else(|| json!(by), |right| json!(right + f64::from(*by) / 2.0)),
        Said::List(list) => Value::Array(
            list.iter().map(|one| one.map_or(Value::Null, |is_other| if is_other { json!("other") } else { right.clone() })).collect(),
        ),
    })
}

#[derive(Debug, TypeGenerator)]
struct Saying {
    signer: u8,
    /// Which claims are said as below, a bit each; the others are right.
    odd: u8,
    iss: Said,
    aud: Said,
    sub: Said,
    exp: Said,
    nbf: Said,
    scope: Said,
    email: Said,
    /// Lengthens the claim that a plugin is told.
    times: u8,
}

impl Saying {
    fn claims(&self) -> Map<String, Value> {
        let all = [
            ("iss", &self.iss, json!(ISSUER)),
            ("aud", &self.aud, json!("till")),
            ("sub", &self.sub, json!("ada")),
            // The last second of it, and the first.
            ("exp", &self.exp, json!(NOW_S - LEEWAY_S + 1)),
            ("nbf", &self.nbf, json!(NOW_S + LEEWAY_S)),
            ("scope", &self.scope, json!("write read")),
            ("email", &self.email, json!("a@\u{e4}\u{1f600}".repeat(self.times.into()))),
        ];
        let said = all.into_iter().enumerate().filter_map(|(at, (name, said, right))| {
            let value = if self.odd >> at & 1 == 1 { value(said, &right)? } else { right };
            Some((name.to_owned(), value))
        });
        said.collect()
    }
}

/// The rules in other words: whose it is, where it is somebody's.
fn expected(claims: &Map<String, Value>) -> Option<&str> {
    let holds = |name: &str, right: &dyn Fn(&str) -> bool| match claims.get(name) {
        Some(Value::String(text)) => right(text),
        Some(Value::Array(all)) => all.iter().any(|one| matches!(one, Value::String(text) if right(text))),
        _ => false,
    };
    let is_from = claims.get("iss") == Some(&json!(ISSUER));
    let is_for = holds("aud", &|text| text == "shop" || text == "till");
    let may = holds("scope", &|text| text.split(' ').any(|word| word == "read"));
    let has_not_ended = matches!(claims.get("exp"), Some(Value::Number(until)) if until.as_f64()? > (NOW_S - LEEWAY_S) as f64);
    let has_begun = match claims.get("nbf") {
        None => true,
        Some(Value::Number(from)) => from.as_f64()? <= (NOW_S + LEEWAY_S) as f64,
        Some(_) => false,
    };
    let Some(Value::String(subject)) = claims.get("sub") else { return None };
    let is_name = (1..=256).contains(&subject.len()) && subject.chars().all(|letter| !letter.is_control());
    (is_from && is_for && may && has_not_ended && has_begun && is_name).then_some(subject)
}

#[test]
fn what_is_well_signed_is_held_to_every_rule() {
    let signers = signers();
    let keys = keys(&signers);
    let taken = AtomicUsize::new(0);
    bolero::check!().with_iterations(5_000).with_test_time(PATIENCE).with_type::<Saying>().for_each(|saying| {
        let claims = saying.claims();
        let signer = &signers[usize::from(saying.signer) % signers.len()];
        let payload = Value::Object(claims.clone());
        let told = verified(&signer.token(&payload), &keys);
        let Ok(told) = told else {
            let is_long = signer.token(&payload).len() > TOKEN_BYTES_MAX || told_claims(&claims).len() > CLAIMS_BYTES_MAX;
            assert!(is_long || expected(&claims).is_none(), "{payload} was refused: {told:?}");
            return;
        };
        taken.fetch_add(1, Ordering::Relaxed);
        assert_eq!(Some(told.name.as_str()), expected(&claims), "{payload}");
        assert!(told.claims.len() <= CLAIMS_BYTES_MAX && told.claims.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{payload}");
        let said: Map<String, Value> = serde_json::from_str(&told.claims).unwrap();
        assert!(said.iter().all(|(name, value)| matches!(name.as_str(), "email" | "sub") && claims.get(name) == Some(value)), "{payload}");
        assert_eq!(said.len(), ["email", "sub"].iter().filter(|name| claims.contains_key(**name)).count(), "{payload}");
    });
    assert!(taken.into_inner() >= 20, "of so many some are taken");
}

/// The claims that a plugin would be told, each letter past ASCII as it is escaped.
fn told_claims(claims: &Map<String, Value>) -> String {
    let told: Map<String, Value> = claims
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "email" | "sub"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let json = Value::Object(told).to_string();
    json.chars()
        .map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter.to_string() } else { "\\u0000".repeat(letter.len_utf16()) })
        .collect()
}
