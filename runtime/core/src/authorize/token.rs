//! Tokens of operators: 256 random bits that only their bearer has, and the record that knows them by their hash.
//!
//! The text is `plugwork_`, 16 hexadecimal digits of id, `_`, 64 of the secret. What a reader may get wrong: a plain hash is enough, because the secret is
//! random; a password would need a slow one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{Principal, Scope};
use crate::deployment::{Content, who_and_why};
use crate::name::is_label;
use crate::{Digest, Hasher, Issue};

/// The longest life of a token, in milliseconds: 366 days.
pub const TOKEN_LIFETIME_MS_MAX: u64 = 366 * 24 * 3_600 * 1_000;

const PREFIX: &str = "plugwork_";
const SECRET_DOMAIN: &[u8] = b"plugwork token secret 1\0";
const RECORD_DOMAIN: &[u8] = b"plugwork token 1\0";

/// Names a token; not secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TokenId(String);

impl TokenId {
    /// Of eight random bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(hex(&bytes))
    }

    /// 16 lower case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = Issue;

    fn from_str(text: &str) -> Result<Self, Issue> {
        match unhex::<8>(text) {
            Some(bytes) => Ok(Self::from_bytes(bytes)),
            None => Err(Issue {
                what: format!("`{}` is not a token's id", text.chars().take(40).collect::<String>().escape_debug()),
                at: String::new(),
                expected: "16 lower case hexadecimal digits".to_owned(),
            }),
        }
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl TryFrom<String> for TokenId {
    type Error = Issue;

    fn try_from(text: String) -> Result<Self, Issue> {
        text.parse()
    }
}

/// What a new token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What it is good for.
    pub scope: Scope,
    /// When it is made, in Unix milliseconds.
    pub created_ms: u64,
    /// Until when, at most [`TOKEN_LIFETIME_MS_MAX`] later.
    pub expires_ms: u64,
    /// Who makes it.
    pub created_by: String,
    /// What for; may be empty.
    pub note: String,
}

impl Terms {
    /// Everything that is wrong with them.
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let mut issue =
            |at: &str, what: String, expected: &str| issues.push(Issue { what, at: at.to_owned(), expected: expected.to_owned() });
        let Scope { tenant, application, actions } = &self.scope;
        for (at, name) in [("tenant", tenant), ("application", application)] {
            if name.as_deref().is_some_and(|name| !is_label(name)) {
                issue(at, "it is no label".to_owned(), "lower case words joined by `-`");
            }
        }
        if application.is_some() && tenant.is_none() {
            issue("application", "an application of no tenant".to_owned(), "`tenant` beside it");
        }
        if actions.is_empty() {
            issue("actions", "there is none".to_owned(), "at least one, such as `deployments:read`");
        }
        let lifetime_ms = self.expires_ms.saturating_sub(self.created_ms);
        if !(1..=TOKEN_LIFETIME_MS_MAX).contains(&lifetime_ms) {
            issue("expires-ms", format!("a life of {lifetime_ms} ms"), "a time to come, at most 366 days from now");
        }
        issues.extend(who_and_why(&self.created_by, "note", &self.note));
        issues
    }
}

/// A token as it is kept. Its secret is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Which.
    pub id: TokenId,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made, in Unix milliseconds.
    pub created_ms: u64,
    /// Until when.
    pub expires_ms: u64,
    /// Who made it, at most [`crate::deployment::BY_BYTES_MAX`] bytes.
    pub created_by: String,
    /// What for, at most [`crate::deployment::NOTE_BYTES_MAX`] bytes; may be empty.
    pub note: String,
    /// SHA-256 over a domain and the secret.
    pub hash: Digest,
    /// Whether it was taken back.
    pub revoked: Option<Revocation>,
}

/// That a token was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// Who did.
    pub by: String,
}

impl Revocation {
    /// What is wrong with its words.
    pub fn issues(&self) -> Vec<Issue> {
        who_and_why(&self.by, "", "").collect()
    }
}

impl Token {
    /// A new token: its record, and its text to be shown once. The bytes have to be random, all of them; drawing them is the server's.
    ///
    /// # Errors
    /// Everything that is wrong with the terms.
    pub fn issue(terms: Terms, id: [u8; 8], secret: [u8; 32]) -> Result<(Self, TokenText), Vec<Issue>> {
        let issues = terms.issues();
        if !issues.is_empty() {
            return Err(issues);
        }
        let Terms { scope, created_ms, expires_ms, created_by, note } = terms;
        let id = TokenId::from_bytes(id);
        let text = TokenText(format!("{PREFIX}{id}_{}", hex(&secret)));
        Ok((Self { id, scope, created_ms, expires_ms, created_by, note, hash: hash(&secret), revoked: None }, text))
    }

    /// A digest of all of it: what a store stamps, so that nobody without its key adds a token or widens one.
    pub fn content(&self) -> Digest {
        let Scope { tenant, application, actions } = &self.scope;
        let mut content = Content::new(RECORD_DOMAIN);
        content.text(self.id.as_str());
        for name in [tenant, application] {
            content.number(u64::from(name.is_some())).text(name.as_deref().unwrap_or_default());
        }
        content.number(actions.len() as u64);
        for action in actions {
            content.text(action.as_str());
        }
        content.number(self.created_ms).number(self.expires_ms).text(&self.created_by).text(&self.note).field(self.hash.as_bytes());
        if let Some(Revocation { at_ms, by }) = &self.revoked {
            content.number(*at_ms).text(by);
        }
        content.finish()
    }
}

/// The text of a new token. It is shown once and kept nowhere, so it cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    /// To hand it to its bearer.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// What somebody presented as a token, taken apart. Says nothing of whether it is one.
pub struct Presented {
    id: TokenId,
    secret: [u8; 32],
}

impl Presented {
    /// Takes the text of a token apart; none: it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        Some(Self { id: id.parse().ok()?, secret: unhex(secret)? })
    }

    /// Which record to look for.
    pub fn id(&self) -> &TokenId {
        &self.id
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({}, …)", self.id)
    }
}

/// Why a token opens nothing: 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthenticationFailed {
    /// Not of the form of a token, no such id, or another secret: never which of them.
    Unknown,
    /// It is over. Only said to who has the secret.
    Expired,
    /// It was taken back. Only said to who has the secret.
    Revoked,
}

impl AuthenticationFailed {
    /// Stable, for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "E-AUTH-TOKEN",
            Self::Expired => "E-AUTH-EXPIRED",
            Self::Revoked => "E-AUTH-REVOKED",
        }
    }
}

impl fmt::Display for AuthenticationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the token is not known",
            Self::Expired => "the token expired",
            Self::Revoked => "the token was revoked",
        })
    }
}

impl std::error::Error for AuthenticationFailed {}

/// Who presents this token. `found` is the record of [`Presented::id`], if there is one. Compares in constant time, and as long for an id that nobody has.
///
/// # Errors
/// Why it opens nothing.
pub fn authenticate(presented: Option<&Presented>, found: Option<&Token>, at_ms: u64) -> Result<Principal, AuthenticationFailed> {
    let presented = presented.ok_or(AuthenticationFailed::Unknown)?;
    let nothing = Digest::of(b"");
    let expected = found.map_or(&nothing, |token| &token.hash);
    let is_secret = bool::from(hash(&presented.secret).as_bytes().ct_eq(expected.as_bytes()));
    let token = found.filter(|token| is_secret && token.id == presented.id).ok_or(AuthenticationFailed::Unknown)?;
    if token.revoked.is_some() {
        return Err(AuthenticationFailed::Revoked);
    }
    if at_ms >= token.expires_ms {
        return Err(AuthenticationFailed::Expired);
    }
    Ok(Principal { name: Principal::bearer_of(&token.id), scope: token.scope.clone(), expires_ms: Some(token.expires_ms) })
}

fn hash(secret: &[u8; 32]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(SECRET_DOMAIN);
    hasher.update(secret);
    hasher.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}
