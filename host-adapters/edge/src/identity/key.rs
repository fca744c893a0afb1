//! Keys that verify signatures: JSON Web Keys (RFC 7517, 7518, 8037), and what each may be used for.
//!
//! Easily got wrong: the algorithm is the key's and the configuration's to say, never the token's. A public key is never the secret of an HMAC,
//! because a secret is another kind of key here and comes from no set of keys.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde_json::{Map, Value};

/// Keys in one set.
pub(super) const KEYS_MAX: usize = 64;
/// Bytes of the modulus of an RSA key: 2,048 to 8,192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;
/// Bytes of a secret.
pub(super) const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=4_096;

/// How a token may be signed. Not at all is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub(super) const KNOWN: &str = "`RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`, `HS256`";
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "HS256" => Self::Hs256,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // The second is its name since RFC 9864; the curve is the same, as Ed448 is not known here.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return Err(()),
        })
    }
}

/// A key.
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm that it says it is for.
    only: Option<Algorithm>,
    material: Material,
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(hmac::Key),
}

impl Key {
    /// A secret that issuer and server share.
    pub(super) fn secret(bytes: &[u8]) -> Self {
        Self { id: None, only: None, material: Material::Secret(hmac::Key::new(hmac::HMAC_SHA256, bytes)) }
    }

    /// A public key. None: it is for something else, or of a kind that is not known here.
    ///
    /// # Errors
    /// Why it is no key, or none that should be here.
    pub(super) fn public(jwk: &Map<String, Value>) -> Result<Option<Self>, &'static str> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if jwk.contains_key("d") {
            return Err("it is a private key");
        }
        let has_other_use = text("use").is_some_and(|its| its != "sig");
        let verifies = |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
        if has_other_use || jwk.get("key_ops").is_some_and(|operations| !verifies(operations)) {
            return Ok(None);
        }
        let only = match text("alg").map(str::parse::<Algorithm>) {
            None => None,
            Some(Ok(algorithm)) => Some(algorithm),
            Some(Err(())) => return Ok(None),
        };
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let point = |length: usize| {
            let (x, y) = (bytes("x").filter(|x| x.len() == length)?, bytes("y").filter(|y| y.len() == length)?);
            Some([&[4][..], &x, &y].concat())
        };
        let material = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => rsa(bytes("n"), bytes("e"))?,
            (Some("EC"), Some("P-256")) => Material::P256(point(32).ok_or("`x` and `y` are no point of the curve")?),
            (Some("EC"), Some("P-384")) => Material::P384(point(48).ok_or("`x` and `y` are no point of the curve")?),
            (Some("OKP"), Some("Ed25519")) => {
                Material::Ed25519(bytes("x").filter(|x| x.len() == 32).ok_or("`x` is not 32 bytes in base64url")?)
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { id: text("kid").map(str::to_owned), only, material }))
    }

    /// What a token may name it by.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether signatures of this kind are its.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Hs256, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let is_its = match self.material {
            Material::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Material::P256(_) => algorithm == Es256,
            Material::P384(_) => algorithm == Es384,
            Material::Ed25519(_) => algorithm == EdDsa,
            Material::Secret(_) => algorithm == Hs256,
        };
        is_its && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether it made the signature, with this algorithm.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], made: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let verified = match &self.material {
            Material::Secret(key) => return hmac::verify(key, message, made).is_ok(),
            Material::Rsa { n, e } => {
                let Some(parameters) = rsa_parameters(algorithm) else { return false };
                signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, made)
            }
            Material::P256(point) => signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, made),
            Material::P384(point) => signature::UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).verify(message, made),
            Material::Ed25519(point) => signature::UnparsedPublicKey::new(&signature::ED25519, point).verify(message, made),
        };
        verified.is_ok()
    }
}

/// Without what it is made of.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("only", &self.only).finish_non_exhaustive()
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn rsa(n: Option<Vec<u8>>, e: Option<Vec<u8>>) -> Result<Material, &'static str> {
    let significant = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    let n = n.map(significant).filter(|n| MODULUS_BYTES.contains(&n.len())).ok_or("`n` has not 2,048 to 8,192 bits in base64url")?;
    let e = e.map(significant).filter(|e| (1..=4).contains(&e.len())).ok_or("`e` is no exponent in base64url")?;
    Ok(Material::Rsa { n, e })
}

/// Keys of one source.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// Reads a set as somebody else publishes it: keys that are of no use here are left out.
    ///
    /// # Errors
    /// It is no set.
    pub(super) fn published(bytes: &[u8]) -> Result<Self, String> {
        let written = written(bytes)?;
        Ok(Self(written.iter().filter_map(|jwk| Key::public(jwk.as_object()?).ok().flatten()).collect()))
    }

    /// Whether there is none.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that a token of this algorithm and name may be signed with: by its name. Where it names none, or the key has no name, the only one that
    /// there is.
    pub(super) fn named(&self, algorithm: Algorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        let fitting = self.0.iter().filter(move |key| key.fits(algorithm));
        let is_alone = fitting.clone().count() == 1;
        fitting.filter(move |key| (id.is_some() && key.id() == id) || (is_alone && (id.is_none() || key.id().is_none())))
    }
}

/// The members of `keys`.
pub(super) fn written(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let set: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let Some(Value::Array(keys)) = set.get("keys") else { return Err("it is no set of keys: there is no list `keys`".to_owned()) };
    if keys.len() > KEYS_MAX {
        return Err(format!("it has {} keys, at most {KEYS_MAX} are taken", keys.len()));
    }
    Ok(keys.clone())
}
