//! The text of a pipeline: TOML, read into plain data. Whether its parts fit together is decided in `plan`.

use std::path::{Path, PathBuf};

use plugwork_core::Limits;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

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
    /// Plugins that this one calls.
    #[serde(default)]
    pub(crate) calls: Vec<RawCall>,
    /// Those of a batch where none is written.
    #[serde(default = "Limits::batch", deserialize_with = "limits")]
    pub(crate) limits: Limits,
}

/// A plugin that the plugin of a step calls, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RawCall {
    /// The component, relative to the pipeline file.
    pub(crate) plugin: PathBuf,
    #[serde(default)]
    pub(crate) wiring: Wiring,
    #[serde(default)]
    pub(crate) grants: toml::Table,
}

/// How two plugins are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wiring {
    /// Through the host, each in a store of its own.
    #[default]
    Brokered,
    /// As one component.
    Fused,
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

/// Limits of a batch, but for those that are written. Whether each lies in its range is checked when the step is loaded.
fn limits<'de, D: Deserializer<'de>>(written: D) -> Result<Limits, D::Error> {
    let written = Map::<String, Value>::deserialize(written)?;
    let Ok(Value::Object(mut all)) = serde_json::to_value(Limits::batch()) else { return Err(D::Error::custom("limits are no table")) };
    all.extend(written);
    serde_json::from_value(Value::Object(all)).map_err(D::Error::custom)
}

/// Reads a pipeline file.
pub(crate) fn read(path: &Path) -> Result<File, Failure> {
    let doing = format!("cannot read pipeline `{}`", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| Failure::from(error).while_doing(&doing))?;
    toml::from_str(&text).map_err(|error| Failure::usage(error.to_string().trim_end()).while_doing(&doing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> Result<Limits, String> {
        let step = toml::from_str::<RawStep>(&format!("name = 'a'\nplugin = 'x'\n{text}"));
        step.map(|step| step.limits).map_err(|error| error.to_string())
    }

    #[test]
    fn every_limit_may_be_written_and_the_others_are_those_of_a_batch() {
        assert_eq!(limits("").unwrap(), Limits::batch());
        assert_eq!(limits("limits = {}").unwrap(), Limits::batch());
        let Ok(Value::Object(all)) = serde_json::to_value(Limits::batch()) else { panic!("a table") };
        for name in all.keys() {
            let mut expected = all.clone();
            expected.insert(name.clone(), Value::from(7));
            let expected: Limits = serde_json::from_value(Value::Object(expected)).unwrap();
            assert_eq!(limits(&format!("limits.{name} = 7")).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for (text, said) in [
            ("limits = { request = 1 }", "unknown field `request`"),
            ("limits = { requests = -1 }", "-1"),
            ("limits = { requests = '16' }", "expected u32"),
            ("limits = 1", "expected a map"),
        ] {
            let message = limits(text).unwrap_err();
            assert!(message.contains(said), "{text}: {message}");
        }
    }
}
