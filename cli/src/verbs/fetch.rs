//! Where a plugin that is to be added comes from: a `.wasm` file, or a folder of them with the name and version of the one that is meant.
//!
//! Easy to get wrong: in a folder, what a component is called is read from the component, never from the name of its file.

use std::collections::BTreeSet;
use std::path::Path;

use plugwork_component::PackageFolder;
use plugwork_core::PackageName;
use plugwork_core::sources::{self, PackageSource, SourceError};
use semver::Version;

use super::component;
use crate::exit::Failure;
use crate::host;

/// A component to be offered.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    /// The file, for people.
    pub(super) from: String,
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
    let source = PackageFolder::new(folder);
    let answers = host::io_runtime()?;
    let failed = |error: SourceError| match error {
        SourceError::Unknown(_) => Failure::not_found(error),
        other => Failure::failed(other),
    };
    let found = answers.block_on(source.versions(name)).map_err(failed)?;
    let names: BTreeSet<&PackageName> = found.iter().map(|package| &package.name).collect();
    if names.len() > 1 {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        return Err(Failure::usage(format_args!("`{shown}` has more than one plugin: {}\nhint: write `{shown}:NAME`", names.join(", "))));
    }
    let Some(package) = sources::newest(&found, version).map_err(failed)? else {
        let wanted = name.map_or("a plugin".to_owned(), |name| format!("`{name}`"));
        let version = version.map(|version| format!(" {version}")).unwrap_or_default();
        let all = answers.block_on(source.versions(None)).map_err(failed)?;
        let there: Vec<_> = all.iter().map(|package| format!("`{}` {}", package.name, package.version)).collect();
        let there =
            if there.is_empty() { "it has no component with a `plugin.toml`".to_owned() } else { format!("it has {}", there.join(", ")) };
        return Err(Failure::not_found(format_args!(
            "there is no {wanted}{version} in `{shown}`: {there}\nhint: build it with `plugwork build`"
        )));
    };
    let bytes = answers.block_on(source.fetch(package.digest)).map_err(failed)?;
    Ok(Fetched { bytes, from: package.place.clone() })
}
