//! The node's Ed25519 key, its public half, and signatures. No randomness: whoever makes a key brings its 32 bytes.
//!
//! Signatures are checked strictly (no weak keys, no second encoding of one signature), so a record has exactly one valid form.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::Digest;

/// Keeps a signature of a record from being taken for one of anything else.
const DOMAIN: &[u8] = b"plugwork record signature 1\0";

/// The key that signs. Shown nowhere; wiped from memory when dropped.
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// The key of these 32 random bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// What checks its signatures.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    pub(super) fn sign_digest(&self, digest: &Digest) -> Signature {
        self.sign(&message(digest))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(secret of {})", self.public())
    }
}

/// The public half of a [`Key`]; written `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    pub(super) fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
    }

    pub(super) fn signed_digest(&self, digest: &Digest, signature: &Signature) -> bool {
        self.signed(&message(digest), signature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || NotAKey { what: "a public key", expected: "`ed25519:` and 64 lower case hexadecimal digits" };
        let bytes = text.strip_prefix("ed25519:").and_then(unhex).ok_or_else(refused)?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| refused())
    }
}

/// A signature; in text, 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature with these bytes; whether it is valid is known only with a key and a record.
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl Default for Signature {
    /// Zeroes, which no key signs with.
    fn default() -> Self {
        Self([0; 64])
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signature {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text).map(Self).ok_or(NotAKey { what: "a signature", expected: "128 lower case hexadecimal digits" })
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.to_string()
    }
}

impl TryFrom<String> for Signature {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The text was no key, or no signature. It does not repeat the text: that might be a secret put in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAKey {
    what: &'static str,
    expected: &'static str,
}

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text is not {}: expected {}", self.what, self.expected)
    }
}

impl std::error::Error for NotAKey {}

fn message(digest: &Digest) -> [u8; DOMAIN.len() + 32] {
    let mut message = [0; DOMAIN.len() + 32];
    let (domain, rest) = message.split_at_mut(DOMAIN.len());
    domain.copy_from_slice(DOMAIN);
    rest.copy_from_slice(digest.as_bytes());
    message
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lower case only, so that a signature has one text.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}
