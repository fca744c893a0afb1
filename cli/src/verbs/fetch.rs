//! Where a plugin that is to be added comes from: a `.wasm` file, or a folder of them with the name and version of the one that is meant.
//!
//! Easy to get wrong: in a folder, what a component is called is read from the component, never from the name of its file.

use std::path::{Path, PathBuf};

use plugwork_core::{Digest, Manifest, PackageName};
use semver::Version;

use super::component;
use crate::exit::Failure;

/// Files of a folder that are looked at.
const FILES_MAX: usize = 1_000;

/// A component to be offered.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    /// The file, for people.
    pub(super) from: String,
}

/// One component of a folder.
struct Found {
    manifest: Manifest,
    digest: Digest,
    path: PathBuf,
}

/// Reads `FILE`, `FOLDER`, `FOLDER:namespace:name` or `FOLDER:namespace:name@version`. `only` is the name it must have.
pub(super) fn fetch(text: &str, only: Option<&PackageName>) -> Result<Fetched, Failure> {
    let whole = Path::new(text);
    if whole.is_dir() {
        return from_folder(whole, only, None);
    }
    for (colon, _) in text.match_indices(':').filter(|_| !whole.exists()) {
        let (folder, wanted) = (Path::new(&text[..colon]), &text[colon + 1..]);
        if folder.is_dir() {
            let (name, version) = wanted.split_once('@').map_or((wanted, None), |(name, version)| (name, Some(version)));
            let name: PackageName = name.parse().map_err(Failure::usage)?;
            let version = version.map(|text| {
                Version::parse(text)
                    .map_err(|error| Failure::usage(format_args!("`{text}` is no version: {error}; expected such as `1.2.3`")))
            });
            return from_folder(folder, Some(&name), version.transpose()?.as_ref());
        }
    }
    Ok(Fetched { bytes: component::bytes(whole)?, from: text.to_owned() })
}

fn from_folder(folder: &Path, name: Option<&PackageName>, version: Option<&Version>) -> Result<Fetched, Failure> {
    let shown = folder.display();
    let found = components(folder)?;
    let fits =
        |found: &&Found| name.is_none_or(|name| found.manifest.name == *name) && version.is_none_or(|v| found.manifest.version == *v);
    let mut fitting: Vec<&Found> = found.iter().filter(fits).collect();
    let names: std::collections::BTreeSet<&PackageName> = fitting.iter().map(|found| &found.manifest.name).collect();
    if names.len() > 1 {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        return Err(Failure::usage(format_args!("`{shown}` has more than one plugin: {}\nhint: write `{shown}:NAME`", names.join(", "))));
    }
    fitting.sort_by(|a, b| a.manifest.version.cmp(&b.manifest.version));
    let Some(newest) = fitting.last() else {
        let wanted = name.map_or("a plugin".to_owned(), |name| format!("`{name}`"));
        let version = version.map(|version| format!(" {version}")).unwrap_or_default();
        let there: Vec<_> = found.iter().map(|found| format!("`{}` {}", found.manifest.name, found.manifest.version)).collect();
        let there =
            if there.is_empty() { "it has no component with a `plugin.toml`".to_owned() } else { format!("it has {}", there.join(", ")) };
        return Err(Failure::not_found(format_args!(
            "there is no {wanted}{version} in `{shown}`: {there}\nhint: build it with `plugwork build`"
        )));
    };
    let twin = fitting.iter().find(|other| other.manifest.version == newest.manifest.version && other.digest != newest.digest);
    if let Some(twin) = twin {
        return Err(Failure::failed(format_args!(
            "`{}` and `{}` are both `{}` {} and differ\nhint: give the file that is meant",
            twin.path.display(),
            newest.path.display(),
            newest.manifest.name,
            newest.manifest.version
        )));
    }
    let bytes = component::bytes(&newest.path)?;
    match Digest::of(&bytes) == newest.digest {
        true => Ok(Fetched { bytes, from: newest.path.display().to_string() }),
        false => Err(Failure::failed(format_args!("`{}` changed while it was read\nhint: try again", newest.path.display()))),
    }
}

/// Every component with a good manifest in the folder and one level below. Links are not followed: they could lead anywhere.
fn components(folder: &Path) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        let doing = format!("cannot read `{}`", folder.display());
        let entries = std::fs::read_dir(&folder).map_err(|error| Failure::from(error).while_doing(&doing))?;
        for entry in entries {
            let entry = entry.map_err(|error| Failure::from(error).while_doing(&doing))?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() && depth == 0 {
                folders.push((path, 1));
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "wasm") {
                seen += 1;
                if seen > FILES_MAX {
                    return Err(Failure::failed(format_args!(
                        "`{}` has more than {FILES_MAX} components\nhint: give the file itself",
                        folder.display()
                    )));
                }
                let bytes = component::bytes(&path)?;
                // What is no component, or has no name, is not what was meant.
                let manifest = plugwork_component::read(&bytes).ok().and_then(|report| Manifest::parse(report.manifest.as_deref()?).ok());
                found.extend(manifest.map(|manifest| Found { manifest, digest: Digest::of(&bytes), path }));
            }
        }
    }
    Ok(found)
}
