//! The text of a pipeline: TOML, read into plain data. Whether its parts fit together is decided in `plan`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exit::Failure;

/// A pipeline file as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct File {
    /// A label: lower case words joined by `-`.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) source: Vec<RawStep>,
    #[serde(default)]
    pub(crate) transformer: Vec<RawStep>,
    #[serde(default)]
    pub(crate) analyzer: Vec<RawStep>,
    #[serde(default)]
    pub(crate) exporter: Vec<RawStep>,
    #[serde(default)]
    pub(crate) chart: Vec<RawStep>,
}

/// One step as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RawStep {
    pub(crate) name: String,
    /// The component, relative to the pipeline file.
    pub(crate) plugin: PathBuf,
    /// Where its tables come from: `STEP`, or `STEP.TABLE` for a table of an analyzer.
    #[serde(default)]
    pub(crate) from: From,
    /// Exporters only: the file to write, relative to the output folder.
    #[serde(default)]
    pub(crate) file: Option<String>,
    #[serde(default)]
    pub(crate) options: toml::Table,
    #[serde(default)]
    pub(crate) grants: toml::Table,
    #[serde(default)]
    pub(crate) limits: RawLimits,
}

/// One name or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum From {
    One(String),
    Many(Vec<String>),
}

impl Default for From {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl From {
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// Limits that differ from those of a batch.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RawLimits {
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) memory_bytes: Option<u64>,
}

/// Reads a pipeline file.
pub(crate) fn read(path: &Path) -> Result<File, Failure> {
    let doing = format!("cannot read pipeline `{}`", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| Failure::from(error).while_doing(&doing))?;
    toml::from_str(&text).map_err(|error| Failure::usage(error.to_string().trim_end()).while_doing(&doing))
}
