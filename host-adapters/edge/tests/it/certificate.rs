//! Certificates for tests: a key of P-256, and a certificate that it signs itself. Written out in DER, since nothing here needs a library for more.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// The one name that they are for.
pub(crate) const NAME: &str = "edge.example";

/// A certificate and its key.
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// A new one.
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
        let ecdsa_sha256 = sequence(&[object(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])]);
        let name = sequence(&[value(0x31, &sequence(&[object(&[0x55, 0x04, 0x03]), value(0x0c, NAME.as_bytes())]))]);
        let times = sequence(&[value(0x17, b"200101000000Z"), value(0x17, b"491231235959Z")]);
        let p256 = [object(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]), object(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07])];
        let public = sequence(&[sequence(&p256), bits(pair.public_key().as_ref())]);
        let names = sequence(&[value(0x82, NAME.as_bytes())]);
        let extension = sequence(&[object(&[0x55, 0x1d, 0x11]), value(0x04, &names)]);
        let serial = value(0x02, &[0x01, pair.public_key().as_ref()[1]]);
        let version = value(0xa0, &value(0x02, &[2]));
        let parts = [version, serial, ecdsa_sha256.clone(), name.clone(), times, name, public, value(0xa3, &sequence(&[extension]))];
        let signed = sequence(&parts);
        let signature = pair.sign(&random, &signed).unwrap();
        Self { der: sequence(&[signed, ecdsa_sha256, bits(signature.as_ref())]), key: key.as_ref().to_vec() }
    }

    /// Writes `x.pem` and `x.key`, each put in its place as a whole.
    pub(crate) fn write(&self, folder: &Path) {
        self.write_certificate(folder);
        put(&folder.join("x.key"), &pem("PRIVATE KEY", &self.key), 0o600);
    }

    /// Writes `x.pem` only.
    pub(crate) fn write_certificate(&self, folder: &Path) {
        put(&folder.join("x.pem"), &pem("CERTIFICATE", &self.der), 0o644);
    }
}

fn put(path: &Path, text: &str, mode: u32) {
    let staged = path.with_extension("new");
    fs::write(&staged, text).unwrap();
    fs::set_permissions(&staged, Permissions::from_mode(mode)).unwrap();
    fs::rename(&staged, path).unwrap();
}

fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&head, content].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &parts.concat())
}

fn object(number: &[u8]) -> Vec<u8> {
    value(0x06, number)
}

fn bits(content: &[u8]) -> Vec<u8> {
    value(0x03, &[&[0], content].concat())
}

fn pem(label: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let three = chunk.iter().chain([&0, &0]).take(3).fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let there = chunk.len();
        (0..4).map(move |place| if place > there { '=' } else { DIGITS[(three >> (18 - 6 * place) & 63) as usize].into() })
    });
    let digits: Vec<char> = digits.collect();
    let lines: String = digits.chunks(64).map(|line| line.iter().collect::<String>() + "\n").collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}
