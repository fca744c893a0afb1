//! What `resolve`, `tree` and `why` are asked: from arguments to a [`Question`] for the resolver of `plugwork_core`, and to its answer.
//!
//! - `arguments`: what is written on the command line, for `#[command(flatten)]`
//! - `root`: what one argument means, and how all of them become roots (pure); `files`: reads the components, applications and pipelines that are named
//! - `sources`: reads the packages of folders and image layouts; `locked`: reads and writes the lock, and says how two differ
//! - `complaint`: why there is no answer, in sentences and as JSON
//! - `said`, `step`: where a root is said, and why one plugin needs another, in words (pure)
//!
//! No verb is here, and nothing is printed but warnings. Easy to get wrong: a file that is named is a root at exactly its version and comes before any other file that
//! says it is the same, so that a question about a file is about that file.

mod arguments;
mod complaint;
mod files;
mod locked;
mod root;
mod said;
mod sources;
mod step;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use plugwork_component::Indexed;
use plugwork_core::lock::Lock;
use plugwork_core::resolve::{Options, PluginId, Provider, Release, Resolution, Strategy, resolve};
use plugwork_core::startup::{Cycle, Order};
use plugwork_core::{Dependency, Digest, Issue, PackageName, Target};

pub(crate) use arguments::{How, Where};
pub(crate) use complaint::Complaint;
pub(crate) use locked::{changes, write};
pub(crate) use root::{Nameless, Roots, is_exactly};
pub(crate) use said::Said;
pub(crate) use step::because;

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::print;
use crate::verbs::words::closest;

/// Of warnings about files that nobody named, how many are told.
const WARNINGS_MAX: usize = 8;

/// Everything that a resolution depends on.
pub(crate) struct Question {
    /// What is asked for.
    pub(crate) roots: Roots,
    /// What there is.
    pub(crate) packages: Indexed,
    /// Where that was looked for.
    pub(crate) looked_in: Vec<String>,
    /// Where its lock is, or would be. None where no file that is named could have one and `--lock` was not given.
    pub(crate) lock_path: Option<PathBuf>,
    /// The lock, if there is one.
    pub(crate) lock: Option<Lock>,
    how: How,
}

impl Question {
    /// Reads everything. Tells on standard error which files of the folders were passed over.
    pub(crate) fn read(inputs: &Where, how: &How, place: &Place) -> Result<Self, Complaint> {
        let io = host::io_runtime()?;
        let mut files = io.block_on(files::read(&inputs.roots, place))?;
        files.spare(&how.host);
        let (roots, issues) = root::roots(std::mem::take(&mut files.named));
        if !issues.is_empty() {
            return Err(Complaint::roots(&issues));
        }
        let looked = io.block_on(sources::look(files.packages, &inputs.from, &files.folders))?;
        for warning in looked.warnings.iter().take(WARNINGS_MAX) {
            print::narrate(format_args!("warning: {warning}"));
        }
        if let Some(more) = looked.warnings.len().checked_sub(WARNINGS_MAX).filter(|more| *more > 0) {
            print::narrate(format_args!("warning: {more} more files were passed over"));
        }
        let lock_path = inputs.lock.clone().or_else(|| locked::beside(&files.documents));
        let lock = match &lock_path {
            None => None,
            // What is there makes no difference to the answer, so neither does it have to be right.
            Some(path) if !how.keeps() => locked::read(path).unwrap_or_else(|failure| {
                print::narrate(format_args!("warning: {failure}"));
                None
            }),
            Some(path) => locked::read(path)?,
        };
        Ok(Self { roots, packages: looked.indexed, looked_in: looked.places, lock_path, lock, how: how.clone() })
    }

    /// The options of the resolver, with what the lock keeps.
    pub(crate) fn options(&self) -> Options<'static> {
        let kept = self.lock.as_ref().filter(|_| self.how.keeps());
        Options {
            strategy: self.how.strategy(),
            duplicates: self.how.duplicates(),
            with: self.how.with.iter().cloned().collect(),
            host: self.how.host.iter().cloned().map(plugwork_core::resolve::Interface::new).collect(),
            kept: kept.map(Lock::kept).unwrap_or_default(),
            wired: kept.map(Lock::wired).unwrap_or_default(),
            ..Options::default()
        }
    }

    /// Asks the resolver. With the strategy `locked` a lock that does not fit is told as that.
    pub(crate) fn resolve(&self) -> Result<Resolution, Complaint> {
        let options = self.options();
        if options.strategy == Strategy::Locked {
            let misfits = self.misfits().map_err(Complaint::from)?;
            if !misfits.is_empty() {
                return Err(Complaint::misfits(self.lock_path.as_deref().unwrap_or(Path::new("")), &misfits));
            }
        }
        let resolution = resolve(&self.packages.index, &self.roots.dependencies(), &options);
        let resolution = resolution.map_err(|error| Complaint::of(&error, self.hints()))?;
        for target in self.idle(&resolution) {
            print::narrate(format_args!("warning: `--with {target}` makes no difference: nothing here has it as an optional dependency"));
        }
        Ok(resolution)
    }

    /// Everything for which the lock does not fit.
    ///
    /// # Errors
    /// When there is no lock, or no place for one.
    pub(crate) fn misfits(&self) -> Result<Vec<Issue>, Failure> {
        let path = self.lock_place()?;
        let Some(lock) = &self.lock else {
            return Err(Failure::not_found(format_args!("there is no `{}`\nhint: `plugwork resolve … --write` writes it", path.display())));
        };
        let roots = self.roots.dependencies();
        let mut misfits = lock.misfits(&self.packages.index, &roots, &self.options(), |id| self.granted(id));
        if misfits.is_empty() {
            let locked = Options { strategy: Strategy::Locked, kept: lock.kept(), wired: lock.wired(), ..self.options() };
            let resolution = resolve(&self.packages.index, &roots, &locked).ok();
            if let Some(cycle) = resolution.and_then(|resolution| Order::of(&resolution).err()) {
                misfits.push(Issue { what: first_line(&cycle.to_string()), at: String::new(), expected: String::new() });
            }
        }
        Ok(misfits)
    }

    /// Where the lock is.
    pub(crate) fn lock_place(&self) -> Result<&Path, Failure> {
        self.lock_path.as_deref().ok_or_else(|| {
            Failure::usage(
                "there is no one place for a lock: that is beside the one application or pipeline that is named\nhint: say `--lock FILE`",
            )
        })
    }

    /// What a lock of this resolution says.
    pub(crate) fn lock_of(&self, resolution: &Resolution) -> Lock {
        Lock::of(resolution, |id| self.granted(id))
    }

    /// What applications and pipelines grant a plugin, if they name it.
    pub(crate) fn granted(&self, id: &PluginId) -> Option<Digest> {
        self.roots.granted(id)
    }

    /// In which order the plugins are started, or the circle for which they cannot be; that is told as a warning.
    pub(crate) fn order(resolution: &Resolution) -> Option<Order> {
        Order::of(resolution).map_err(|cycle: Cycle| print::narrate(format_args!("warning: {cycle}"))).ok()
    }

    /// Where a component lies, for people.
    pub(crate) fn place(&self, digest: Digest) -> &str {
        self.packages.places.get(&digest).map_or("", String::as_str)
    }

    /// Names that were perhaps meant, and where packages are looked for.
    fn hints(&self) -> Vec<String> {
        let index = &self.packages.index;
        let names: Vec<&str> = index.iter().map(|(name, _)| name.as_str()).collect();
        let mut hints = Vec::new();
        for root in self.roots.dependencies() {
            if let Target::Plugin(name) = &root.target
                && !self.has(name)
                && let Some(meant) = closest(name.as_str(), names.iter().copied())
            {
                hints.push(format!("was `{meant}` meant instead of `{name}`?"));
            }
        }
        let places = self.looked_in.join("`, `");
        hints.push(match names.len() {
            0 => format!("there is no package in `{places}`; say with `--from` where they are"),
            _ => format!("packages were looked for in `{places}`; say with `--from` where there are others"),
        });
        hints
    }

    /// Every version that there is of a plugin, be it needed or not.
    fn releases(&self, name: &PackageName) -> &[Release] {
        self.packages.index.iter().find(|(other, _)| *other == name).map_or(&[], |(_, releases)| releases)
    }

    /// Whether there is a package of this name, be it needed or not.
    pub(crate) fn has(&self, name: &PackageName) -> bool {
        !self.releases(name).is_empty()
    }

    /// How many versions there are of all plugins.
    pub(crate) fn versions(&self) -> usize {
        self.packages.index.iter().map(|(_, releases)| releases.len()).sum()
    }

    /// What is known of a plugin that was chosen.
    pub(crate) fn release(&self, id: &PluginId) -> Option<&Release> {
        self.releases(&id.name).iter().find(|release| release.version == id.version)
    }

    /// Of `--with` those that are nobody's optional dependency.
    fn idle(&self, resolution: &Resolution) -> Vec<&Target> {
        let members = resolution.members.iter().filter_map(|member| self.release(&member.id));
        let optional: BTreeSet<&Target> = members
            .flat_map(|release| &release.dependencies)
            .filter(|dependency| dependency.optional)
            .map(|dependency| &dependency.target)
            .collect();
        self.how.with.iter().filter(|target| !optional.contains(target)).collect()
    }
}

/// How a provider is called in JSON and in a lock.
pub(crate) fn provider(provider: &Provider) -> String {
    match provider {
        Provider::Host => "host".to_owned(),
        Provider::Plugin(id) => id.to_string(),
    }
}

/// A dependency, and what is special about it: `acme:theme@^2, optional`.
pub(crate) fn told(dependency: &Dependency) -> String {
    let optional = if dependency.optional { ", optional" } else { "" };
    format!("{dependency}{optional}{}", if dependency.peer { ", peer" } else { "" })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}
