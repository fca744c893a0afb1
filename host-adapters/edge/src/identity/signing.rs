//! Signs tokens for tests: of this module, and (by its path) of `tests/it`. No server signs anything.
//!
//! Easily got wrong: the RSA key stands here for everybody to read. It is nobody's.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use serde_json::{Value, json};

const RSA: &str = "MIIEpAIBAAKCAQEAo/kftoa/NzSo74rPGcLaF1ZTsxL3K6sXaJoYBi7QduiuSNEJJGyDTnJgbPhdKxz4byruEJ+IxyZuGAiSQNDQjZs8JrsRhgAC/iSRPUhh\
LVhGe38rsz/e8gQnyGbr8BFmCdUKumtp2FaPICn51mwX8PP87T7vsYSIXUpUiuVMCv2vtIRnbWOs73Cfw5ZVfaee0vRBPvtxFymVZ5Unjh5ZfDl10hSqPSS+\
3aqANxGizVpcSwCD0Fo5/K5/uL55xzA8UamZzPbjDWpA88lGSoQ13W044N+x4hLDysSEGmRVZjnHdj05fOQlyA2z2yFXIsLlhfkeUVDCJShxYmjtTuQ+kwID\
AQABAoIBAExMCqAVQdsvsx3G8oeznWQ3hHmyLPWSRjGjZeNWnCSALzxtm7npjg2N9eUuibeaYtTjXmO4v92euaKQNnFXWHtTjKEe8U/vKHVV0Yj46VK+nQkw\
ysY8xYHKQjKjBUyu49JWYYgNm/IQkMdwELLfmCJDfWBtJP3uQ79Y60630/LWij5/ZTs28txI5X5wI+diRNWApcWOV6OBAsJah9457q9XRECUbHeVfHlh8GU6\
HzC37a/LmVzyQXMu5INBR78dqQDtUwxyy19HDl3KZfs01KO+YHteezl5hncUO58u5nrlKPFfEVcZhgvEwsUGlQEJYUermfOckomUhThTblDKxhECgYEA1Skb\
5bNObEIhNAppdFGF1ZNfgTG/5sfIrYHU/Cfg+dLCBEf66Lhh+RAsHIjyP711w0M3UWArN6tBxcgDsKfbBzCbLNVCEgFgRUbZMFIEFzJKY2td2Us19RpUic9F\
e90BNdO/R0fnViy7FTFPIV5TvQZN3N41hvXe2Kur5WrS8aMCgYEAxO1fO4tL4ddmgBlrDLzhbKMaebEdH6uUP0gdur24l2XjOKxeCkTr+YEQA6yOioP5JS2a\
UXlXboAMJAWgXMyHrD1/+d3DVT3mxO3ak16WwyVkRUcbzOU/kxWKWDZ0xVB1EYksNgdHNLJDeZa9mrc2j5nXW4fuC0k4Ec3Qm08DrlECgYEApyQA1+/tAj4o\
QuIXJjn2My3HqUoVKyRkWoh/NOkgI0P7FdhLCcfqKp1fuVA4g3pPqLg/2/MIcDI89JSNMCuuNskKI/FkSTIDBs8y5gypYHbylVpO0F+FA5eNyjFYTnNQy6Ap\
T/81igCxAUEUxxlrl8AltZYXaqfIASU7ODy3AvkCgYBuez4SifPooJBBDgGhA9b0vAz+eP995SUm267SNd56Eg+InCumV0SMlnwFk6nkzGXbFdqeGxWSSQSG\
sSFm7tivKVHDPUd5a2Es2sTmKQssMK4wr9RI/9TLECqtkt+wU5NaYzsKlMq+JcT1UjzNsDxMFGNeVsSWUF3En1OJzqqiAQKBgQCUu1a4HLjfcfojCDTkoLiD\
/6P66CLlYFwoJqERswbQBlOPBX8ix1c9f3dAUiSrFrIBvBB8U6smsksxicnFVS07S+sPqJDsetxYEWWgx3yahw4cazo1TIi4HYz44QmpyVeMbnuJ6jTrtr7V\
eg7X5Q5lu1S/YjcYFUOX7FdaOgqH2A==";

/// An issuer's key.
pub(crate) struct Signer {
    pub(crate) id: Option<&'static str>,
    key: Kind,
}

enum Kind {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Secret(hmac::Key),
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn ed25519(id: &'static str, seed: u8) -> Self {
        Self { id: Some(id), key: Kind::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()) }
    }

    pub(crate) fn p256(id: &'static str) -> Self {
        let (kind, random) = (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let made = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self { id: Some(id), key: Kind::P256(EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).unwrap()) }
    }

    pub(crate) fn rsa(id: &'static str) -> Self {
        Self { id: Some(id), key: Kind::Rsa(RsaKeyPair::from_der(&STANDARD.decode(RSA).unwrap()).unwrap()) }
    }

    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self { id: None, key: Kind::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)) }
    }

    #[allow(dead_code, reason = "the other tests have no use for it")]
    pub(crate) fn without_id(mut self) -> Self {
        self.id = None;
        self
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self.key {
            Kind::Ed25519(_) => "EdDSA",
            Kind::P256(_) => "ES256",
            Kind::Rsa(_) => "RS256",
            Kind::Secret(_) => "HS256",
        }
    }

    /// Its public half; of a secret nothing.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            Kind::Ed25519(key) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_key()) }),
            Kind::P256(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..]) })
            }
            Kind::Rsa(key) => {
                let public = signature::RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "n": encoded(public.n), "e": encoded(public.e) })
            }
            Kind::Secret(_) => json!({ "kty": "oct" }),
        };
        if let Some(id) = self.id {
            jwk["kid"] = id.into();
        }
        jwk
    }

    /// A token that says this, with the head that it should have.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut head = json!({ "alg": self.algorithm(), "typ": "JWT" });
        if let Some(id) = self.id {
            head["kid"] = id.into();
        }
        self.token_with(&head.to_string(), &claims.to_string())
    }

    /// A token of any head and payload, signed.
    pub(crate) fn token_with(&self, head: &str, payload: &str) -> String {
        let message = format!("{}.{}", encoded(head), encoded(payload));
        let random = SystemRandom::new();
        let made = match &self.key {
            Kind::Ed25519(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
            Kind::P256(key) => key.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Kind::Rsa(key) => {
                let mut made = vec![0; key.public().modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut made).unwrap();
                made
            }
            Kind::Secret(key) => hmac::sign(key, message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encoded(made))
    }
}
