//! Writes `plugin.toml` and the standard metadata into a component, as custom sections at its top level.
//!
//! Every other byte stays as it was, so that digests of nested modules and their signatures survive. wasm-metadata's
//! own rewriter is used only to check licences: it re-encodes nested sections, and appends a second `version` or
//! `description` where one is already there, so a second run would change the file again.

use std::borrow::Cow;
use std::fmt;

use plugwork_core::limits::MANIFEST_BYTES_MAX;
use wasm_encoder::{ComponentSection as _, CustomSection, Encode as _, ProducersField, ProducersSection};
use wasmparser::{BinaryReader, CustomSectionReader, ProducersSectionReader};

use crate::detect::{self, HEADER_BYTES};
use crate::error::ReadError;
use crate::metadata::MANIFEST_SECTION;

const CUSTOM_SECTION: u8 = 0;
const NAME_OF_COMPONENT: u8 = 0;
const TEXT_BYTES_MAX: usize = 4 << 10;

/// What to write. `None` leaves what the component has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Embedded<'a> {
    /// The text of `plugin.toml`, at most 64 KiB. Not parsed here: check it with `plugwork_core::Manifest` first.
    pub manifest: Option<&'a str>,
    /// For `component-name`, shown in backtraces; at most 4 KiB, as every text below.
    pub name: Option<&'a str>,
    /// For `version`.
    pub version: Option<&'a str>,
    /// For `description`: one line.
    pub description: Option<&'a str>,
    /// For `licenses`: an SPDX expression, such as `Apache-2.0 WITH LLVM-exception`.
    pub license: Option<&'a str>,
    /// For `producers`, field `processed-by`: the tool that writes this, and its version.
    pub processed_by: Option<(&'a str, &'a str)>,
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbedError {
    /// The bytes are no component, or are damaged.
    Read(ReadError),
    /// A text is longer than its section may be.
    TooLong {
        /// Name of the section.
        section: &'static str,
        /// How long the text is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// Not an SPDX expression.
    License {
        /// What was given.
        license: String,
    },
}

/// Writes, or replaces, the manifest and the metadata of a component. Doing it twice is doing it once.
///
/// ```
/// use plugwork_component::{Embedded, embed, read};
///
/// let component = wat::parse_str("(component)").unwrap();
/// let manifest = "name = \"acme:shout\"\nversion = \"1.0.0\"\n";
/// let plugin = embed(&component, &Embedded { manifest: Some(manifest), ..Embedded::default() }).unwrap();
/// assert_eq!(read(&plugin).unwrap().manifest.as_deref(), Some(manifest));
/// ```
///
/// # Errors
/// When the bytes are no component, a text is too long, or the licence is no SPDX expression.
pub fn embed(component: &[u8], embedded: &Embedded<'_>) -> Result<Vec<u8>, EmbedError> {
    detect::component(component).map_err(EmbedError::Read)?;
    check(embedded)?;
    rewrite(component, embedded).map_err(|error| EmbedError::Read(ReadError::malformed(&error)))
}

fn check(embedded: &Embedded<'_>) -> Result<(), EmbedError> {
    let (tool, tool_version) = embedded.processed_by.unzip();
    let texts = [
        (MANIFEST_SECTION, embedded.manifest, MANIFEST_BYTES_MAX),
        ("component-name", embedded.name, TEXT_BYTES_MAX),
        ("version", embedded.version, TEXT_BYTES_MAX),
        ("description", embedded.description, TEXT_BYTES_MAX),
        ("licenses", embedded.license, TEXT_BYTES_MAX),
        ("producers", tool, TEXT_BYTES_MAX),
        ("producers", tool_version, TEXT_BYTES_MAX),
    ];
    for (section, text, bytes_max) in texts {
        let bytes = text.map_or(0, str::len);
        if bytes > bytes_max {
            return Err(EmbedError::TooLong { section, bytes, bytes_max });
        }
    }
    match embedded.license {
        Some(license) if wasm_metadata::Licenses::new(license).is_err() => Err(EmbedError::License { license: license.to_owned() }),
        _ => Ok(()),
    }
}

fn rewrite(component: &[u8], embedded: &Embedded<'_>) -> wasmparser::Result<Vec<u8>> {
    let texts = [
        ("version", embedded.version),
        ("description", embedded.description),
        ("licenses", embedded.license),
        (MANIFEST_SECTION, embedded.manifest),
    ];
    let mut names = Vec::new();
    let mut producers = Vec::new();
    let mut output = component[..HEADER_BYTES].to_vec();
    let mut reader = BinaryReader::new(&component[HEADER_BYTES..], HEADER_BYTES);
    while !reader.eof() {
        let start = reader.original_position();
        let id = reader.read_u8()?;
        let contents = reader.read_reader()?;
        if id == CUSTOM_SECTION {
            let custom = CustomSectionReader::new(contents)?;
            match custom.name() {
                "component-name" if embedded.name.is_some() => {
                    other_names(&custom, &mut names)?;
                    continue;
                }
                "producers" if embedded.processed_by.is_some() => {
                    collect_producers(&custom, &mut producers)?;
                    continue;
                }
                name if texts.iter().any(|(section, text)| *section == name && text.is_some()) => continue,
                _ => {}
            }
        }
        output.extend_from_slice(&component[start..reader.original_position()]);
    }
    if let Some(name) = embedded.name {
        append(&mut output, "component-name", &with_name(name, &names));
    }
    if let Some((tool, version)) = embedded.processed_by {
        set_producer(&mut producers, tool, version);
        encode_producers(&producers).append_to_component(&mut output);
    }
    for (section, text) in texts {
        if let Some(text) = text {
            append(&mut output, section, text.as_bytes());
        }
    }
    Ok(output)
}

fn append(output: &mut Vec<u8>, name: &str, data: &[u8]) {
    CustomSection { name: Cow::Borrowed(name), data: Cow::Borrowed(data) }.append_to_component(output);
}

/// Collects the names of functions, instances and types, byte for byte, without that of the component.
fn other_names(custom: &CustomSectionReader<'_>, names: &mut Vec<u8>) -> wasmparser::Result<()> {
    let mut reader = custom.data_reader();
    while !reader.eof() {
        let start = reader.original_position() - custom.data_offset();
        let id = reader.read_u8()?;
        reader.read_reader()?;
        if id != NAME_OF_COMPONENT {
            names.extend_from_slice(&custom.data()[start..reader.original_position() - custom.data_offset()]);
        }
    }
    Ok(())
}

fn with_name(name: &str, others: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    name.encode(&mut text);
    let mut section = vec![NAME_OF_COMPONENT];
    text.encode(&mut section);
    section.extend_from_slice(others);
    section
}

type Producers = Vec<(String, Vec<(String, String)>)>;

fn collect_producers(custom: &CustomSectionReader<'_>, producers: &mut Producers) -> wasmparser::Result<()> {
    for field in ProducersSectionReader::new(custom.data_reader())? {
        let field = field?;
        let mut values = Vec::new();
        for value in field.values {
            let value = value?;
            values.push((value.name.to_owned(), value.version.to_owned()));
        }
        producers.push((field.name.to_owned(), values));
    }
    Ok(())
}

fn set_producer(producers: &mut Producers, tool: &str, version: &str) {
    const FIELD: &str = "processed-by";
    if !producers.iter().any(|(field, _)| field == FIELD) {
        producers.push((FIELD.to_owned(), Vec::new()));
    }
    for (_, values) in producers.iter_mut().filter(|(field, _)| field == FIELD) {
        values.retain(|(name, _)| name != tool);
        values.push((tool.to_owned(), version.to_owned()));
    }
}

fn encode_producers(producers: &Producers) -> ProducersSection {
    let mut section = ProducersSection::new();
    for (name, values) in producers {
        let mut field = ProducersField::new();
        for (name, version) in values {
            field.value(name, version);
        }
        section.field(name, &field);
    }
    section
}

impl fmt::Display for EmbedError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(out),
            Self::TooLong { section, bytes, bytes_max } => {
                write!(
                    out,
                    "the text for `{section}` has {bytes} bytes, but at most {bytes_max} are allowed\n\
                    hint: shorten it"
                )
            }
            Self::License { license } => {
                write!(out, "`{}` is not an SPDX expression\nhint: write one such as `MIT OR Apache-2.0`", license.escape_debug())
            }
        }
    }
}

impl std::error::Error for EmbedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
}
