//! One version as a resolution looks at it: what a [`Release`] has, pointed at where the index holds it, so that looking copies nothing.
//!
//! What a reader may get wrong: this is no other truth. `Considered::of` a release is what an index has to say of that release, word for word.

use std::fmt;

use semver::VersionReq;

use super::{Advisory, Interface, Release};
use crate::{Dependency, Digest, InterfaceName, PackageName, Target};

/// One version, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered<'a> {
    /// The component.
    pub digest: Digest,
    /// What its manifest says that it builds on.
    pub dependencies: Vec<Wanted<'a>>,
    /// What the component imports.
    pub imports: Vec<&'a Interface>,
    /// What it exports.
    pub exports: Vec<&'a Interface>,
    /// Why it was taken back, if it was.
    pub yanked: Option<&'a str>,
    /// What is known against it.
    pub advisories: &'a [Advisory],
    /// Whether somebody with the right to do so has approved it.
    pub approved: bool,
}

/// A [`Dependency`] that somebody else holds. Written as that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// On what.
    pub aim: Aim<'a>,
    /// Which versions of it.
    pub versions: &'a VersionReq,
    /// Whether the plugin works without.
    pub optional: bool,
    /// Whether it is for the application to bring.
    pub peer: bool,
}

/// A [`Target`] that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aim<'a> {
    /// One plugin by its name.
    Plugin(&'a PackageName),
    /// An interface by its path.
    Interface(&'a InterfaceName),
}

impl<'a> Considered<'a> {
    /// What a release has.
    pub fn of(release: &'a Release) -> Self {
        Self {
            digest: release.digest,
            dependencies: release.dependencies.iter().map(Wanted::of).collect(),
            imports: release.imports.iter().collect(),
            exports: release.exports.iter().collect(),
            yanked: release.yanked.as_deref(),
            advisories: &release.advisories,
            approved: release.approved,
        }
    }
}

impl<'a> Wanted<'a> {
    /// What a dependency says.
    pub fn of(dependency: &'a Dependency) -> Self {
        let Dependency { target, versions, optional, peer } = dependency;
        Self { aim: Aim::of(target), versions, optional: *optional, peer: *peer }
    }

    /// The same, held by itself.
    pub fn dependency(&self) -> Dependency {
        let target = match self.aim {
            Aim::Plugin(name) => Target::Plugin(name.clone()),
            Aim::Interface(name) => Target::Interface(name.clone()),
        };
        Dependency { target, versions: self.versions.clone(), optional: self.optional, peer: self.peer }
    }

    /// Whether it says what this dependency says.
    pub fn is(&self, dependency: &Dependency) -> bool {
        *self == Wanted::of(dependency)
    }
}

impl<'a> Aim<'a> {
    /// What a target says.
    pub fn of(target: &'a Target) -> Self {
        match target {
            Target::Plugin(name) => Self::Plugin(name),
            Target::Interface(name) => Self::Interface(name),
        }
    }
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.aim {
            Aim::Plugin(name) => write!(f, "{name}@{}", self.versions),
            Aim::Interface(name) => write!(f, "{name}@{}", self.versions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_and_compared_as_the_dependency_is() {
        for text in ["a:geo@^1.2", "a:geo/lookup@>=1, <3"] {
            let dependency: Dependency = text.parse().unwrap();
            let optional = Dependency { optional: true, ..dependency.clone() };
            let wanted = Wanted::of(&dependency);
            assert_eq!((wanted.to_string(), wanted.dependency()), (dependency.to_string(), dependency.clone()));
            assert!(wanted.is(&dependency) && !wanted.is(&optional));
        }
    }
}
