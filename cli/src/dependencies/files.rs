//! Reads what arguments name: components, and those that applications and pipelines name.
//!
//! Easy to get wrong: a plugin of an application that was added on this machine has no file beside it; its component is the one that there is consent to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plugwork_component::PackageMemory;
use plugwork_core::application::Source;
use plugwork_core::reach::is_of_hosts;
use plugwork_core::sources::Package;
use plugwork_core::{Digest, Grants, InterfaceName, Issue};

use super::root::{Argument, Named, What, argument};
use super::said::Said;
use super::sources::short;
use crate::exit::Failure;
use crate::grants;
use crate::host::Place;
use crate::pipeline::{file, plan};
use crate::serving::application;
use crate::verbs::component;

/// What was named, read.
#[derive(Default)]
pub(super) struct Files {
    pub(super) named: Vec<Named>,
    /// The components with a name.
    pub(super) packages: PackageMemory,
    /// Applications and pipelines, each of which may have a lock.
    pub(super) documents: Vec<PathBuf>,
    /// The folders in which components lie.
    pub(super) folders: Vec<PathBuf>,
    /// What each was found to be.
    seen: BTreeMap<Digest, Seen>,
}

#[derive(Clone)]
enum Seen {
    Package(Package),
    Nameless(Vec<InterfaceName>),
}

/// Reads all that is named; of several failures all are told.
pub(super) async fn read(roots: &[String], place: &Place) -> Result<Files, Failure> {
    let mut files = Files::default();
    let mut failures = Vec::new();
    let here = [application::FILE.to_owned()];
    let roots = match roots {
        [] if Path::new(application::FILE).is_file() => &here,
        [] => {
            return Err(Failure::usage(
                "nothing is asked for, and there is no `plugwork.toml` here\nhint: name a plugin (`acme:geo@^1`), a `.wasm` file, a pipeline or an application",
            ));
        }
        roots => roots,
    };
    for text in roots {
        if let Err(failure) = files.take(text, place).await {
            failures.push(failure);
        }
    }
    match failures.len() {
        0 => Ok(files),
        1 => Err(failures.remove(0)),
        _ => Err(Failure::worst(&failures)),
    }
}

impl Files {
    async fn take(&mut self, text: &str, place: &Place) -> Result<(), Failure> {
        let path = match argument(text).map_err(|issue| Failure::usage(format_args!("`{}` is not a root: {issue}", text.escape_debug())))? {
            Argument::Dependency(dependency) => {
                self.named.push(Named { what: What::Dependency(dependency), said: Said::Asked(text.to_owned()) });
                return Ok(());
            }
            Argument::Path(path) => path,
        };
        let shown = path.display();
        if path.is_dir() {
            return match application::file(&path) {
                file if file.is_file() => self.application(&file, place).await,
                file => Err(Failure::not_found(format_args!(
                    "there is no `{}`, which makes a folder an application\nhint: a folder to find packages in is `--from {shown}`",
                    file.display()
                ))),
            };
        }
        if !path.exists() {
            let hint = "a plugin is asked for as `namespace:name@^1`; components, pipelines and applications by their path";
            return Err(Failure::not_found(format_args!("there is no file `{shown}`\nhint: {hint}")));
        }
        if path.extension().is_none_or(|extension| extension != "toml") {
            return self.component(&path, None, Said::File(text.to_owned()));
        }
        let doing = format!("cannot read `{shown}`");
        let text = fs::read_to_string(&path).map_err(|error| Failure::from(error).while_doing(&doing))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| Failure::usage(error.to_string().trim_end()).while_doing(&doing))?;
        match kind(&table) {
            Kind::Application => self.application(&path, place).await,
            Kind::Pipeline => self.pipeline(&path),
            Kind::Manifest => Err(Failure::usage(format_args!(
                "`{shown}` is the manifest of a plugin\nhint: give the component that `plugwork build` made with it"
            ))),
        }
    }

    async fn application(&mut self, path: &Path, place: &Place) -> Result<(), Failure> {
        let read = application::read(path, place, None).await?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for (name, declared) in &read.application.plugins {
            let said = Said::Part { part: format!("plugin.{name}"), of: path.display().to_string() };
            let bytes = &read.components[&read.plugins[name]];
            let place = match &declared.source {
                Source::File(relative) => {
                    let path = short(&folder.join(relative));
                    self.folders.extend(path.parent().map(Path::to_owned));
                    path.display().to_string()
                }
                Source::Package(package) => format!("{package}, as it was added"),
            };
            self.found(place, bytes, Some(declared.grants.clone()), said)?;
        }
        self.keep(path);
        Ok(())
    }

    fn pipeline(&mut self, path: &Path) -> Result<(), Failure> {
        let shown = path.display();
        let wrong = |issues: Vec<Issue>| Failure::wrong(format_args!("pipeline `{shown}`"), &issues);
        let steps = plan::plan(file::read(path)?).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for step in steps {
            let said = Said::Part { part: plan::place(step.kind, &step.raw), of: shown.to_string() };
            let grants = grants::from_toml(&step.raw.grants).map_err(wrong)?;
            self.component(&short(&folder.join(&step.raw.plugin)), Some(grants), said)?;
            // Not asked for by themselves: they are there because the step's plugin builds on them.
            let called = step.raw.calls.iter().filter_map(|call| short(&folder.join(&call.plugin)).parent().map(Path::to_owned));
            self.folders.extend(called);
        }
        self.keep(path);
        Ok(())
    }

    /// What is named twice has one lock.
    fn keep(&mut self, document: &Path) {
        if !self.documents.iter().any(|other| other == document) {
            self.documents.push(document.to_owned());
        }
    }

    fn component(&mut self, path: &Path, grants: Option<Grants>, said: Said) -> Result<(), Failure> {
        let bytes = component::bytes(path)?;
        self.folders.extend(path.parent().map(Path::to_owned));
        self.found(path.display().to_string(), &bytes, grants, said)
    }

    /// One component that is named. The same one may be named many times, and is looked at once.
    fn found(&mut self, place: String, bytes: &[u8], grants: Option<Grants>, said: Said) -> Result<(), Failure> {
        let digest = Digest::of(bytes);
        let seen = match self.seen.get(&digest) {
            Some(seen) => seen.clone(),
            None => self.look(&place, bytes)?,
        };
        self.seen.insert(digest, seen.clone());
        let what = match seen {
            Seen::Package(package) => What::Package { package, grants },
            Seen::Nameless(imports) => What::Nameless { place, imports },
        };
        self.named.push(Named { what, said });
        Ok(())
    }

    fn look(&mut self, place: &str, bytes: &[u8]) -> Result<Seen, Failure> {
        // A large component takes a second to read, so one that has a name is read once.
        let error = match self.packages.insert(bytes, place) {
            Ok(package) => return Ok(Seen::Package(package)),
            Err(error) => error,
        };
        let report =
            plugwork_component::read(bytes).map_err(|error| Failure::failed(format_args!("cannot read component `{place}`: {error}")))?;
        if report.manifest.is_some() {
            return Err(Failure::failed(error));
        }
        let linked = report.imports.iter().filter(|import| !import.types_only).filter_map(|import| import.wit.clone());
        Ok(Seen::Nameless(linked.filter(|name| !is_of_hosts(name)).collect()))
    }

    /// Imports that this host has are no trouble to anybody.
    pub(super) fn spare(&mut self, host: &[InterfaceName]) {
        for named in &mut self.named {
            if let What::Nameless { imports, .. } = &mut named.what {
                imports.retain(|import| !host.iter().any(|has| import.is_satisfied_by(has)));
            }
        }
    }
}

/// What a TOML file that is named is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Application,
    Pipeline,
    Manifest,
}

fn kind(table: &toml::Table) -> Kind {
    let has = |key: &str| table.contains_key(key);
    match (has("route") || has("plugin"), has("version")) {
        (true, _) => Kind::Application,
        (false, true) => Kind::Manifest,
        (false, false) => Kind::Pipeline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_a_pipeline_and_a_manifest_are_told_apart() {
        let of = |text: &str| kind(&text.parse().unwrap());
        assert_eq!(of("name = 'a'\n[[route]]\npath = '/'\nplugin = 'a'\n[plugin.a]\nsource = 'a.wasm'"), Kind::Application);
        assert_eq!(of("name = 'a'\n[[source]]\nname = 's'\nplugin = 'a.wasm'"), Kind::Pipeline);
        assert_eq!(of("name = 'acme:a'\nversion = '1.0.0'"), Kind::Manifest);
    }
}
