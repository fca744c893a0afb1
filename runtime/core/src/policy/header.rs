//! Which headers a plugin may set on a request, and what may stand in them.
//!
//! Framing and routing belong to the host: whoever could set `content-length` or `host` could smuggle a second request or reach another
//! site behind the same address. The wire is checked again by the client that writes it.

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
