//! What a file is, from its first bytes.
//!
//! Nothing is sniffed beyond the header and a guess at text: a file is a component or it is refused. What may
//! surprise is that precompiled code is recognised only to refuse it, whatever is inside.

use crate::error::{ReadError, ReadErrorKind};

const MAGIC: &[u8; 4] = b"\0asm";
const LAYER_CORE: u16 = 0;
const LAYER_COMPONENT: u16 = 1;
const VERSION_CORE: u16 = 1;
const VERSION_COMPONENT: u16 = 13;

/// Bytes of magic, version and layer.
pub(crate) const HEADER_BYTES: usize = 8;

/// Refuses everything that does not start as a component of the known version.
pub(crate) fn component(bytes: &[u8]) -> Result<(), ReadError> {
    let refuse = |kind| Err(ReadError::new(kind));
    if bytes.is_empty() {
        return refuse(ReadErrorKind::Empty);
    }
    let Some((&[a, b, c, d, version @ .., layer_low, layer_high], _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return refuse(foreign(bytes));
    };
    if [a, b, c, d] != *MAGIC {
        return refuse(foreign(bytes));
    }
    match (u16::from_le_bytes(version), u16::from_le_bytes([layer_low, layer_high])) {
        (VERSION_COMPONENT, LAYER_COMPONENT) => Ok(()),
        (VERSION_CORE, LAYER_CORE) => refuse(ReadErrorKind::CoreModule),
        (version, layer) => refuse(ReadErrorKind::OtherVersion { version, layer }),
    }
}

fn foreign(bytes: &[u8]) -> ReadErrorKind {
    const MACHINE_CODE: [&[u8]; 6] = [b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xca\xfe\xba\xbe", b"!<arch>\n", b"MZ"];
    const KNOWN: [(&[u8], &str); 9] = [
        (MAGIC, "the first bytes of a WebAssembly file that was cut off"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\xfd7zXZ", "an xz archive"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"{", "JSON text"),
        (b"<", "HTML or XML text"),
    ];
    if MACHINE_CODE.iter().any(|start| bytes.starts_with(start)) {
        return ReadErrorKind::Precompiled;
    }
    if is_text_format(bytes) {
        return ReadErrorKind::Text;
    }
    let known = KNOWN.iter().find(|(start, _)| bytes.starts_with(start));
    ReadErrorKind::NotWasm { looks_like: known.map(|(_, what)| *what) }
}

/// `(module` or `(component` after white space and comments.
fn is_text_format(bytes: &[u8]) -> bool {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    loop {
        rest = rest.trim_ascii_start();
        if let Some(comment) = rest.strip_prefix(b";;") {
            let end = comment.iter().position(|byte| *byte == b'\n').unwrap_or(comment.len());
            rest = &comment[end..];
        } else if let Some(comment) = rest.strip_prefix(b"(;") {
            let Some(end) = comment.windows(2).position(|pair| pair == b";)") else { return false };
            rest = &comment[end + 2..];
        } else {
            let Some(list) = rest.strip_prefix(b"(") else { return false };
            let word = list.trim_ascii_start();
            return word.starts_with(b"module") || word.starts_with(b"component");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> ReadErrorKind {
        component(bytes).expect_err("must be refused").kind().clone()
    }

    #[test]
    fn the_header_of_a_component_is_accepted() {
        assert_eq!(component(b"\0asm\x0d\0\x01\0"), Ok(()));
    }

    #[test]
    fn an_empty_file_is_called_empty() {
        assert_eq!(kind(b""), ReadErrorKind::Empty);
    }

    #[test]
    fn a_core_module_is_called_a_core_module() {
        assert_eq!(kind(b"\0asm\x01\0\0\0"), ReadErrorKind::CoreModule);
    }

    #[test]
    fn another_version_or_layer_is_named() {
        assert_eq!(kind(b"\0asm\x0e\0\x01\0"), ReadErrorKind::OtherVersion { version: 14, layer: 1 });
        assert_eq!(kind(b"\0asm\x0d\0\x02\0"), ReadErrorKind::OtherVersion { version: 13, layer: 2 });
        assert_eq!(kind(b"\0asm\x0d\0\0\0"), ReadErrorKind::OtherVersion { version: 13, layer: 0 });
    }

    #[test]
    fn machine_code_is_refused_as_precompiled() {
        assert_eq!(kind(b"\x7fELF\x02\x01\x01\0and more"), ReadErrorKind::Precompiled);
        assert_eq!(kind(b"\xcf\xfa\xed\xfe\0\0\0\0"), ReadErrorKind::Precompiled);
    }

    #[test]
    fn text_format_is_recognised_behind_comments() {
        for text in ["(component)", " \n(module)", ";; a\n;; b\n(component)", "(; x ;) ( component)", "\u{feff}(module)"] {
            assert_eq!(kind(text.as_bytes()), ReadErrorKind::Text, "{text}");
        }
        assert!(matches!(kind(b"(; never closed"), ReadErrorKind::NotWasm { .. }));
        assert!(matches!(kind(b"(defun module)"), ReadErrorKind::NotWasm { .. }));
    }

    #[test]
    fn an_archive_is_named() {
        let message = component(b"\x1f\x8b\x08\0\0\0\0\0").expect_err("must be refused").to_string();
        assert!(message.starts_with("not WebAssembly but a gzip archive\nhint: "), "{message}");
    }

    #[test]
    fn a_header_that_was_cut_off_is_not_wasm() {
        assert!(matches!(kind(b"\0asm\x0d\0\x01"), ReadErrorKind::NotWasm { looks_like: Some(_) }));
    }
}
