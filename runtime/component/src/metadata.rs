//! What custom sections say: names, versions, licences, producers, and the text of `plugin.toml`.
//!
//! All of it is a claim by whoever wrote the file. A broken metadata section is left out and noted, since nothing
//! depends on it; a broken `plugin.toml` is an error, since the plugin's permissions do. Read directly and not with
//! wasm-metadata, which also inflates compressed sections and gives up on everything when one section is odd.

use plugwork_core::limits::MANIFEST_BYTES_MAX;
use serde::Serialize;
use wasmparser::{ComponentName, ComponentNameSectionReader, CustomSectionReader, ProducersSectionReader};

use crate::error::{ManifestProblem, ReadError, ReadErrorKind};
use crate::structure::{Custom, Place};

/// Name of the custom section that holds the text of `plugin.toml`.
pub const MANIFEST_SECTION: &str = "plugwork:plugin.toml";

/// Bytes of one metadata text that are kept, 4 KiB.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Producers that are kept, 256 over all modules.
const PRODUCERS_MAX: usize = 256;
/// Notes that are kept, 32.
const NOTES_MAX: usize = 32;

/// The standard metadata of the component itself. Every text is a claim and untrusted; at most 4 KiB each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// From the `component-name` section.
    pub name: Option<String>,
    /// From the `version` section.
    pub version: Option<String>,
    /// From the `description` section.
    pub description: Option<String>,
    /// From the `licenses` section: an SPDX expression.
    pub licenses: Option<String>,
    /// From the `authors` section.
    pub authors: Option<String>,
    /// From the `homepage` section.
    pub homepage: Option<String>,
    /// From the `source` section.
    pub source: Option<String>,
    /// From the `revision` section.
    pub revision: Option<String>,
}

/// One entry of a producers section: a language, a tool or an SDK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// Whose section it is.
    pub place: Place,
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Such as `Rust`.
    pub name: String,
    /// May be empty.
    pub version: String,
}

/// A custom section of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomSection {
    /// Where it stands.
    pub place: Place,
    /// Name of the section, untrusted.
    pub name: String,
    /// Its contents, without name and header.
    pub bytes: u64,
}

/// All that the custom sections say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) metadata: Metadata,
    pub(crate) producers: Vec<Producer>,
    pub(crate) sections: Vec<CustomSection>,
    pub(crate) manifest: Option<String>,
    pub(crate) notes: Vec<String>,
}

pub(crate) fn read(customs: &[Custom<'_>]) -> Result<Said, ReadError> {
    let mut said = Said::default();
    for Custom { reader, place } in customs {
        let place = *place;
        let name = kept(reader.name());
        said.sections.push(CustomSection { place, name, bytes: reader.data().len() as u64 });
        match (reader.name(), place) {
            (MANIFEST_SECTION, Place::Component) => {
                if said.manifest.is_some() {
                    return Err(refuse(ManifestProblem::MoreThanOne));
                }
                said.manifest = Some(manifest(reader.data()).map_err(refuse)?);
            }
            (MANIFEST_SECTION, _) => said.note("a `plugin.toml` within the component has no effect".into()),
            ("producers", _) => said.producers(place, reader),
            (_, Place::Component) => said.metadata(reader),
            _ => {}
        }
    }
    Ok(said)
}

impl Said {
    fn metadata(&mut self, reader: &CustomSectionReader<'_>) {
        let (field, text) = match reader.name() {
            "component-name" => match component_name(reader) {
                Ok(name) => (&mut self.metadata.name, name),
                Err(_) => return self.note("the section `component-name` is damaged".into()),
            },
            name => {
                let field = match name {
                    "version" => &mut self.metadata.version,
                    "description" => &mut self.metadata.description,
                    "licenses" => &mut self.metadata.licenses,
                    "authors" => &mut self.metadata.authors,
                    "homepage" => &mut self.metadata.homepage,
                    "source" => &mut self.metadata.source,
                    "revision" => &mut self.metadata.revision,
                    _ => return,
                };
                match std::str::from_utf8(reader.data()) {
                    Ok(text) => (field, Some(kept(text))),
                    Err(_) => return self.note(format!("the section `{name}` is not UTF-8")),
                }
            }
        };
        // The last one counts, as in wasm-metadata: tools append.
        if text.is_some() {
            *field = text;
        }
    }

    fn producers(&mut self, place: Place, reader: &CustomSectionReader<'_>) {
        if read_producers(place, reader, &mut self.producers).is_err() {
            self.note("a section `producers` is damaged".into());
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }
}

fn read_producers(place: Place, reader: &CustomSectionReader<'_>, producers: &mut Vec<Producer>) -> wasmparser::Result<()> {
    for field in ProducersSectionReader::new(reader.data_reader())? {
        let field = field?;
        for value in field.values {
            let value = value?;
            if producers.len() == PRODUCERS_MAX {
                return Ok(());
            }
            let [field, name, version] = [field.name, value.name, value.version].map(kept);
            producers.push(Producer { place, field, name, version });
        }
    }
    Ok(())
}

fn component_name(reader: &CustomSectionReader<'_>) -> wasmparser::Result<Option<String>> {
    for name in ComponentNameSectionReader::new(reader.data_reader()) {
        if let ComponentName::Component { name, .. } = name? {
            return Ok(Some(kept(name)));
        }
    }
    Ok(None)
}

fn manifest(data: &[u8]) -> Result<String, ManifestProblem> {
    if data.len() > MANIFEST_BYTES_MAX {
        return Err(ManifestProblem::TooLong { bytes: data.len() });
    }
    let text = std::str::from_utf8(data).map_err(|error| ManifestProblem::NotUtf8 { valid_bytes: error.valid_up_to() })?;
    Ok(text.to_owned())
}

fn refuse(problem: ManifestProblem) -> ReadError {
    ReadError::new(ReadErrorKind::Manifest(problem))
}

fn kept(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
