//! Where packages come from, as a seam: which versions of a name there are, and the bytes of a digest.
//!
//! Pure words. A package folder is in `plugwork-component`; registries and image layouts come with their own crates. Easily got wrong: bytes are
//! fetched by digest and never by name, so that what was looked at is what is fetched.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use semver::Version;

use crate::{Digest, PackageName};

/// An answer that may take its time.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// The packages of a source, and what looks like one and is none, with its place.
pub type Listing = (Vec<Package>, Vec<(String, SourceError)>);

/// One version of a package. What it is called is read from the component, never from where it lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// `namespace:name`.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// The component's digest.
    pub digest: Digest,
    /// Where it lies, for people.
    pub place: String,
}

/// A place that packages come from.
pub trait PackageSource: Send + Sync {
    /// Every version of a package, or of all packages, sorted by name and version.
    fn versions<'a>(&'a self, name: Option<&'a PackageName>) -> Pending<'a, Vec<Package>>;

    /// What looks like a package and is none: each with its place and what is wrong with it. None of them is among the versions.
    fn broken(&self) -> Pending<'_, Vec<(String, SourceError)>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Both in one look: all versions of all packages, and what is none.
    fn listing(&self) -> Pending<'_, Listing> {
        Box::pin(async move { Ok((self.versions(None).await?, self.broken().await?)) })
    }

    /// The component with this digest. What is given has been hashed: other bytes are an error.
    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>>;
}

/// Why a source has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// It has no component with this digest.
    Unknown(Digest),
    /// The bytes are not those that the digest names: they changed, or somebody lies.
    Changed {
        /// Where.
        place: String,
    },
    /// One version of one package, in two files that differ: nobody can say which was meant.
    Twins(Box<(Package, Package)>),
    /// More than it may have, or larger.
    TooMuch {
        /// What, and how much is allowed.
        what: String,
    },
    /// It could not be read, or is not what it should be.
    Unreadable {
        /// Where.
        place: String,
        /// What the system said.
        why: String,
    },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(digest) => write!(f, "there is no component {digest}"),
            Self::Changed { place } => write!(f, "`{place}` changed while it was read\nhint: try again"),
            Self::Twins(twins) => {
                let (one, other) = &**twins;
                let (first, second) = (&one.place, &other.place);
                write!(f, "`{first}` and `{second}` are both `{}` {} and differ\nhint: give the file that is meant", one.name, one.version)
            }
            Self::TooMuch { what } => write!(f, "{what}\nhint: give the file itself"),
            Self::Unreadable { place, why } => write!(f, "cannot read `{place}`: {why}"),
        }
    }
}

impl std::error::Error for SourceError {}

/// The newest version among those that fit, or `None`. Two different files of that version are an error.
pub fn newest<'a>(packages: &'a [Package], version: Option<&Version>) -> Result<Option<&'a Package>, SourceError> {
    let fitting = packages.iter().filter(|package| version.is_none_or(|version| package.version == *version));
    let Some(newest) = fitting.clone().max_by(|a, b| a.version.cmp(&b.version)) else { return Ok(None) };
    let twin =
        fitting.into_iter().find(|other| (&other.name, &other.version) == (&newest.name, &newest.version) && other.digest != newest.digest);
    match twin {
        Some(twin) => Err(SourceError::Twins(Box::new((newest.clone(), twin.clone())))),
        None => Ok(Some(newest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(version: &str, content: &[u8]) -> Package {
        let digest = Digest::of(content);
        Package {
            name: "acme:reader".parse().unwrap(),
            version: Version::parse(version).unwrap(),
            digest,
            place: digest.short().to_string(),
        }
    }

    #[test]
    fn the_newest_is_taken_and_two_that_differ_are_refused() {
        let packages = [package("1.9.0", b"a"), package("1.10.0", b"b"), package("1.10.0", b"b")];
        assert_eq!(newest(&packages, None).unwrap(), Some(&packages[2]));
        assert_eq!(newest(&packages, Some(&Version::new(1, 9, 0))).unwrap(), Some(&packages[0]));
        assert_eq!(newest(&packages, Some(&Version::new(2, 0, 0))).unwrap(), None);
        let twins = [package("1.0.0", b"a"), package("1.0.0", b"b")];
        assert!(matches!(newest(&twins, None), Err(SourceError::Twins(_))));
    }
}
