//! An application on this machine: its file, and the components that it names.
//!
//! Easy to get wrong: a component is read here and hashed before anything is deployed, so what is served is what was read, whatever happens to the
//! file later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugwork_core::Digest;
use plugwork_core::application::{APPLICATION_BYTES_MAX, Application, Source};
use plugwork_store::Store;

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which};
use crate::packages::Packages;

/// The name of the file in an application's folder.
pub(crate) const FILE: &str = "plugwork.toml";

/// What was read.
pub(crate) struct Read {
    pub(crate) text: String,
    pub(crate) application: Application,
    pub(crate) plugins: BTreeMap<String, Digest>,
    /// What is to be kept or sent, each once.
    pub(crate) components: BTreeMap<Digest, Vec<u8>>,
}

/// The file of an application that is given as that or as its folder.
pub(crate) fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(FILE) } else { path.to_owned() }
}

/// Reads an application, given as its file or its folder, with its components. Everything that is wrong is told at once. `store`, where it is open
/// already, is asked for packages that were added; else it is opened where that is needed.
pub(crate) async fn read(path: &Path, place: &Place, store: Option<&Arc<Store>>) -> Result<Read, Failure> {
    let file = file(path);
    let doing = format!("cannot read the application `{}`", file.display());
    let bytes = std::fs::metadata(&file).map_err(|error| Failure::from(error).while_doing(&doing))?.len();
    if bytes > APPLICATION_BYTES_MAX as u64 {
        return Err(Failure::usage(format_args!("{doing}: it has {bytes} bytes, at most {APPLICATION_BYTES_MAX} are allowed")));
    }
    let text = std::fs::read_to_string(&file).map_err(|error| Failure::from(error).while_doing(&doing))?;
    let application = Application::parse(&text).map_err(|error| Failure::usage(format_args!("`{}`: {error}", file.display())))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let (mut plugins, mut components) = (BTreeMap::new(), BTreeMap::new());
    let mut failures = Vec::new();
    for (name, declared) in &application.plugins {
        let bytes = match &declared.source {
            Source::File(relative) => {
                let path = folder.join(relative);
                std::fs::read(&path)
                    .map_err(|error| Failure::from(error).while_doing(format_args!("plugin.{name}.source: `{}`", path.display())))
            }
            Source::Package(package) => package_bytes(package, place, store).await,
        };
        match bytes {
            Ok(bytes) => {
                let digest = Digest::of(&bytes);
                plugins.insert(name.clone(), digest);
                components.insert(digest, bytes);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(Read { text, application, plugins, components }) } else { Err(Failure::worst(&failures)) }
}

/// The component of a plugin that was added, as its consent names it.
async fn package_bytes(package: &plugwork_core::PackageName, place: &Place, store: Option<&Arc<Store>>) -> Result<Vec<u8>, Failure> {
    let store = match store {
        Some(store) => store.clone(),
        None => host::store(place).await?,
    };
    let (packages, records) = (Packages::of(&place.state()?), store.as_ref());
    let latest = installed::latest(records, Some((package, &Which::default()))).await?;
    let own = latest.into_iter().filter(|latest| latest.is_there()).find(|latest| latest.event.subject().instance.is_empty());
    let Some(own) = own else { return Err(installed::unknown(records, package).await) };
    let digest = own.event.subject().digest;
    packages.open(digest)?;
    Ok(std::fs::read(packages.path(digest))?)
}
