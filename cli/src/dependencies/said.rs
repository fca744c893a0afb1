//! Where something is said to be a root, in words. Pure.
//!
//! What a reader may get wrong: one plugin may be said many times, by arguments and by parts of several files; a sentence tells each file once.

use std::fmt;

use plugwork_core::resolve::PluginId;

/// Where something is said to be a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// As an argument that is a dependency.
    Asked(String),
    /// As an argument that is a component.
    File(String),
    /// As a part of an application or pipeline: `plugin.maps` or `source "quakes"`.
    Part { part: String, of: String },
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(text) | Self::File(text) => f.write_str(text),
            Self::Part { part, of } => write!(f, "{part} of {of}"),
        }
    }
}

impl Said {
    /// All of these as the beginning of a sentence about the plugin that they came to: `you ask for …`, `shop/plugwork.toml names … as plugin.maps`.
    pub(crate) fn sentence(all: &[Self], plugin: &PluginId) -> String {
        let arguments = all.iter().filter_map(|said| match said {
            Self::Asked(text) => Some(format!("you ask for `{text}`")),
            Self::File(path) => Some(format!("you name `{path}`")),
            Self::Part { .. } => None,
        });
        let mut parts: Vec<String> = arguments.collect();
        parts.extend(documents(all).iter().map(|(of, parts)| format!("`{of}` names `{plugin}` as {}", some(parts))));
        parts.join(" and ")
    }

    /// Where files say it, each file once; what was an argument is not said again. `only` is a file that is not named, because everything is of it.
    pub(crate) fn places(all: &[Self], only: Option<&str>) -> String {
        let documents = documents(all);
        let told = documents.iter().map(|(of, parts)| match only == Some(*of) {
            true => some(parts),
            false => format!("{} of {of}", some(parts)),
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

/// Parts by the file that they are of.
fn documents(all: &[Said]) -> Vec<(&str, Vec<&str>)> {
    let mut documents: Vec<(&str, Vec<&str>)> = Vec::new();
    for said in all {
        let Said::Part { part, of } = said else { continue };
        match documents.iter_mut().find(|(other, _)| other == of) {
            Some((_, parts)) => parts.push(part),
            None => documents.push((of, vec![part])),
        }
    }
    documents
}

/// Up to three, and how many more.
fn some(parts: &[&str]) -> String {
    const SHOWN: usize = 3;
    match parts.len().checked_sub(SHOWN) {
        None | Some(0) => parts.join(", "),
        Some(more) => format!("{} and {more} more", parts[..SHOWN].join(", ")),
    }
}

impl serde::Serialize for Said {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_told_once_and_of_many_parts_the_first_three() {
        let part = |part: &str, of: &str| Said::Part { part: part.to_owned(), of: of.to_owned() };
        let all = [part("plugin.a", "x.toml"), Said::Asked("acme:geo".to_owned()), part("plugin.b", "x.toml"), part("plugin.c", "y.toml")];
        let id = PluginId { name: "acme:geo".parse().unwrap(), version: "1.0.0".parse().unwrap() };
        let told = "you ask for `acme:geo` and `x.toml` names `acme:geo@1.0.0` as plugin.a, plugin.b and `y.toml` names `acme:geo@1.0.0` as plugin.c";
        assert_eq!(Said::sentence(&all, &id), told);
        assert_eq!(Said::places(&all, None), "plugin.a, plugin.b of x.toml; plugin.c of y.toml");
        let many = ["a", "b", "c", "d", "e"].map(|name| part(name, "x.toml"));
        assert_eq!(Said::places(&many, Some("x.toml")), "a, b, c and 2 more");
    }
}
