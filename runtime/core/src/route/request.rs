//! The path of a request, cut at `/` first and decoded after, so that an encoded `/` never separates.
//!
//! What a reader may get wrong: nothing is tidied up. A path that two readers could take for two different ones is refused.

use std::borrow::Cow;

use super::BadPath;

/// Bytes of a request's path.
pub const PATH_BYTES_MAX: usize = 8 << 10;
/// Segments of a path.
pub const PATH_SEGMENTS_MAX: usize = 64;

/// One segment, decoded.
pub(super) struct Part<'r> {
    pub(super) text: Cow<'r, str>,
    /// Whether a `/` in it came encoded.
    pub(super) has_separator: bool,
}

/// The segments of a path, without its query.
pub(super) fn parts(path: &str) -> Result<Vec<Part<'_>>, BadPath> {
    if path.len() > PATH_BYTES_MAX {
        return Err(BadPath::TooLong);
    }
    let rest = path.strip_prefix('/').ok_or(BadPath::NotAbsolute)?;
    if rest.bytes().any(|byte| byte <= b' ' || matches!(byte, 0x7f | b'?' | b'#')) {
        return Err(if rest.contains('\0') { BadPath::Nul } else { BadPath::Character });
    }
    let mut parts = Vec::with_capacity(8);
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(BadPath::EmptySegment);
        }
        if parts.len() == PATH_SEGMENTS_MAX {
            return Err(BadPath::TooDeep);
        }
        parts.push(part(segment)?);
    }
    Ok(parts)
}

fn part(segment: &str) -> Result<Part<'_>, BadPath> {
    let text = decode(segment)?;
    if text == "." || text == ".." {
        return Err(BadPath::DotSegment);
    }
    if text.contains('\\') {
        return Err(BadPath::Backslash);
    }
    // There was no `/` in what was cut at `/`.
    let has_separator = matches!(text, Cow::Owned(_)) && text.contains('/');
    // A plugin that takes the value for a path must not be led out of its folder by it, nor to the root.
    if has_separator {
        for step in text.split('/') {
            match step {
                "" => return Err(BadPath::EmptySegment),
                "." | ".." => return Err(BadPath::DotSegment),
                _ => {}
            }
        }
    }
    Ok(Part { text, has_separator })
}

fn decode(segment: &str) -> Result<Cow<'_, str>, BadPath> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(BadPath::Percent);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        match (high << 4 | low) as u8 {
            0 => return Err(BadPath::Nul),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| BadPath::Utf8)
}
