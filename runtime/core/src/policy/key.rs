//! Keys of key-value stores and names of objects: one grammar for both.
//!
//! Slashes and dots mean nothing here. A back end that makes paths of keys must encode them.

/// Bytes of a key or of an object's name.
pub const KEY_BYTES_MAX: usize = 1024;

/// Why the text cannot be a key: `None` where it can.
pub(super) fn complaint(key: &str) -> Option<String> {
    match key.len() {
        0 => Some("is empty".to_owned()),
        1..=KEY_BYTES_MAX if !key.chars().any(char::is_control) => None,
        1..=KEY_BYTES_MAX => Some("has control characters".to_owned()),
        bytes => Some(format!("has {bytes} bytes, more than {KEY_BYTES_MAX}")),
    }
}
