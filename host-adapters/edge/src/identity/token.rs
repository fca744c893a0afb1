//! One token: read, its signature verified, and what it says held to what the server wants. Pure.
//!
//! The order matters: nothing that a token says is believed, and nothing but its head is read, before its signature holds. Easily got wrong: what a
//! head says beside `alg`, `kid` and `typ` (a key of its own, the address of one) is not looked at; `crit`, which asks for more, refuses the token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plugwork_http::Principal;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Unidentified;
use super::key::{Algorithm, Keys};

/// Bytes of a token.
pub(super) const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Bytes of the name of a key.
const KEY_ID_BYTES_MAX: usize = 256;
/// Bytes of the subject: the name that a plugin is told.
const SUBJECT_BYTES_MAX: usize = 256;
/// Bytes of the claims that a plugin is told, as JSON.
const CLAIMS_BYTES_MAX: usize = 4 << 10;

/// What a token has to say.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) issuer: String,
    /// One of them.
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) leeway_seconds: u64,
    /// All of them.
    pub(super) scopes: Vec<String>,
    /// What of it a plugin is told.
    pub(super) claims: Vec<String>,
}

/// A token in its parts; nothing of it is believed.
#[derive(Debug)]
pub(super) struct Token<'t> {
    message: &'t [u8],
    payload: &'t str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

fn is_there<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(value).map(|_| true)
}

impl<'t> Token<'t> {
    /// Reads the parts.
    pub(super) fn read(text: &'t str, wanted: &Wanted) -> Result<Self, Unidentified> {
        let wrong = Unidentified::Invalid;
        if text.len() > TOKEN_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let parts: Vec<&str> = text.splitn(5, '.').collect();
        let [head, payload, signature] = parts[..] else { return Err(wrong("it has not three parts")) };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let signature = decoded(signature).filter(|signature| !signature.is_empty()).ok_or(wrong("its signature is none"))?;
        let message = &text.as_bytes()[..head.len() + 1 + payload.len()];
        let head = decoded(head).and_then(|head| serde_json::from_slice::<Head>(&head).ok()).ok_or(wrong("its head is none"))?;
        if head.crit || head.b64 {
            return Err(wrong("its head asks for what is not known here"));
        }
        // Tokens of other kinds (of a logout, of an event) are signed with the same keys and are nobody's identity (RFC 8725, section 3.11).
        let kind = head.typ.map(|kind| kind.to_ascii_lowercase());
        if kind.as_deref().is_some_and(|kind| !matches!(kind.trim_start_matches("application/"), "jwt" | "at+jwt")) {
            return Err(wrong("it is a token of another kind"));
        }
        if head.kid.as_ref().is_some_and(|id| id.len() > KEY_ID_BYTES_MAX) {
            return Err(wrong("the name of its key is too long"));
        }
        let algorithm = head.alg.parse().ok().filter(|algorithm| wanted.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(wrong("its algorithm is not among those of the check"))?;
        Ok(Self { message, payload, signature, algorithm, key_id: head.kid })
    }

    /// Whether there is a key that it may be signed with.
    pub(super) fn has_key(&self, keys: &Keys) -> bool {
        keys.named(self.algorithm, self.key_id.as_deref()).next().is_some()
    }

    /// Whether it names its key.
    pub(super) fn names_key(&self) -> bool {
        self.key_id.is_some()
    }

    /// Who it is from. `now_s` in Unix seconds.
    pub(super) fn verify(&self, keys: &Keys, wanted: &Wanted, now_s: u64) -> Result<Principal, Unidentified> {
        let wrong = Unidentified::Invalid;
        let mut keys = keys.named(self.algorithm, self.key_id.as_deref()).peekable();
        if keys.peek().is_none() {
            return Err(wrong("there is no key for it"));
        }
        if !keys.any(|key| key.verifies(self.algorithm, self.message, &self.signature)) {
            return Err(wrong("its signature does not hold"));
        }
        let payload = URL_SAFE_NO_PAD.decode(self.payload).ok();
        let claims: Map<String, Value> =
            payload.and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or(wrong("its claims are no JSON object"))?;
        if claims.get("iss").and_then(Value::as_str) != Some(&wanted.issuer) {
            return Err(wrong("it is from another issuer"));
        }
        if !texts(claims.get("aud")).any(|audience| wanted.audiences.iter().any(|wanted| wanted == audience)) {
            return Err(wrong("it is for another audience"));
        }
        in_time(&claims, wanted.leeway_seconds, now_s)?;
        let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| is_name(subject));
        let name = subject.ok_or(wrong("its subject is none, or too long"))?.to_owned();
        let has = |scope: &String| {
            ["scope", "scp"].iter().any(|claim| texts(claims.get(*claim)).any(|all| all.split(' ').any(|one| one == scope)))
        };
        if !wanted.scopes.iter().all(has) {
            return Err(Unidentified::Scope(wanted.scopes.join(" ")));
        }
        let told: Map<String, Value> = wanted.claims.iter().filter_map(|name| Some((name.clone(), claims.get(name)?.clone()))).collect();
        let claims = ascii(&Value::Object(told).to_string());
        if claims.len() > CLAIMS_BYTES_MAX {
            return Err(wrong("its claims are too long to be passed on"));
        }
        Ok(Principal { name, claims })
    }
}

fn in_time(claims: &Map<String, Value>, leeway_seconds: u64, now_s: u64) -> Result<(), Unidentified> {
    let wrong = Unidentified::Invalid;
    // Times may have a fraction; whole seconds are exact in this type for as long as anybody cares.
    let (now, leeway) = (now_s as f64, leeway_seconds as f64);
    let until = claims.get("exp").and_then(Value::as_f64).ok_or(wrong("it does not say when it ends"))?;
    if let Some(from) = claims.get("nbf") {
        let from = from.as_f64().ok_or(wrong("it does not say when it begins"))?;
        if now + leeway < from {
            return Err(wrong("it does not hold yet"));
        }
    }
    if now - leeway >= until { Err(Unidentified::Expired) } else { Ok(()) }
}

/// A text, or a list of texts.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

fn is_name(subject: &str) -> bool {
    !subject.is_empty() && subject.len() <= SUBJECT_BYTES_MAX && !subject.chars().any(char::is_control)
}

/// The same JSON in printable ASCII: a plugin of `wasi:http` is told it in a header.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            out.push(letter);
        } else {
            letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
