//! Which headers a plugin may set on a request, and what may stand in them.
//!
//! Framing and routing belong to the host: whoever could set `content-length` or `host` could smuggle a second request or reach another
//! site behind the same address. The wire is checked again by the client that writes it.

use super::{Decision, names};

/// Header fields of one request.
pub const FIELDS_MAX: usize = 64;
/// Bytes of one name.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes of one value.
pub const VALUE_BYTES_MAX: usize = 8 << 10;
/// Bytes of all names and values together.
pub const FIELDS_BYTES_MAX: usize = 64 << 10;

/// Whether the text is a header's name: a token of RFC 9110 in lower case, at most 256 bytes.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether only the host sets this header: framing, routing, connection and proxies. In lower case.
pub fn is_owned_by_host(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "transfer-encoding"
            | "te"
            | "trailer"
            | "upgrade"
            | "connection"
            | "keep-alive"
            | "expect"
            | "via"
            | "http2-settings"
            | "forwarded"
    ) || name.starts_with("proxy-")
        || name.starts_with("x-forwarded-")
}

/// Whether a plugin may send these header fields, in any case of letters.
///
/// `content-length` may stand there once, where it is the length of the body; `body_bytes` is none for a body that is not yet known, and then
/// the adapter holds the body to what was said.
pub fn decide(fields: &[(&str, &[u8])], body_bytes: Option<u64>) -> Decision {
    let denied = |rule: String| Decision::Deny { code: "E-CAP-HTTP-HEADER", rule, hint: String::new() };
    if fields.len() > FIELDS_MAX {
        return denied(format!("{} header fields, more than {FIELDS_MAX}", fields.len()));
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > FIELDS_BYTES_MAX {
        return denied(format!("header fields of {bytes} bytes together, more than {FIELDS_BYTES_MAX}"));
    }
    let mut lengths = 0;
    for (name, value) in fields {
        let lower = name.to_ascii_lowercase();
        let shown = names::shown(name);
        if !is_name(&lower) {
            return denied(format!("`{shown}` is not a header's name"));
        }
        if value.len() > VALUE_BYTES_MAX {
            return denied(format!("header `{shown}` has {} bytes, more than {VALUE_BYTES_MAX}", value.len()));
        }
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return denied(format!("header `{shown}` has control characters"));
        }
        if lower == "content-length" {
            lengths += 1;
            let said = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok().filter(|said| said.to_string() == text));
            if lengths > 1 || said.is_none() || (body_bytes.is_some() && said != body_bytes) {
                return denied("`content-length` is not the one length of the body".to_owned());
            }
        } else if is_owned_by_host(&lower) {
            return denied(format!("header `{shown}` is the host's to set"));
        }
    }
    Decision::Allow
}
