//! Whether what one plugin exports fits what another imports: a pure decision that an application may replace by a closer look at the WIT.
//!
//! What a reader may get wrong: the linker matches versions on one track in both directions. Here the exporter has to be at least as new, because an
//! older one lacks what was added since.

use semver::Version;

use super::Interface;

/// Judges one import against one export of the same path.
pub trait Compatibility {
    /// `Err` says in a few words why they do not fit.
    fn judge(&self, import: &Interface, export: &Interface) -> Result<(), String>;
}

/// By version and shape: one track, the exporter at least as new, and at the very same version the same shape where both are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByVersion;

impl Compatibility for ByVersion {
    fn judge(&self, import: &Interface, export: &Interface) -> Result<(), String> {
        if !import.name.is_satisfied_by(&export.name) {
            return Err(format!("it is `{}`, on another track", export.name));
        }
        if let (Some(asked), Some(has)) = (import.name.version(), export.name.version())
            && has < asked
        {
            return Err(format!("it is `{}`, which is older", export.name));
        }
        match (import.shape, export.shape) {
            (Some(asked), Some(has)) if import.name.version() == export.name.version() && asked != has => {
                Err(format!("both are called `{}` and differ", export.name))
            }
            _ => Ok(()),
        }
    }
}

/// What has to be equal for two versions to be exchangeable: the major number, or the minor one below 1.0, or the patch below 0.1.
pub(crate) fn track(version: &Version) -> Version {
    let mut track = match (version.major, version.minor) {
        (0, 0) => Version::new(0, 0, version.patch),
        (0, minor) => Version::new(0, minor, 0),
        (major, _) => Version::new(major, 0, 0),
    };
    track.pre = version.pre.clone();
    track
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn interface(name: &str, shape: &[u8]) -> Interface {
        Interface { shape: (!shape.is_empty()).then(|| Digest::of(shape)), ..Interface::new(name.parse().unwrap()) }
    }

    #[test]
    fn an_exporter_is_on_the_same_track_and_as_new() {
        let asked = interface("a:b/c@1.2.0", b"");
        for (has, fits) in [("1.2.0", true), ("1.9.0", true), ("1.1.9", false), ("2.0.0", false), ("0.1.0", false), ("1.3.0-rc.1", false)] {
            assert_eq!(ByVersion.judge(&asked, &interface(&format!("a:b/c@{has}"), b"")).is_ok(), fits, "{has}");
        }
        assert!(ByVersion.judge(&asked, &interface("a:b/d@1.2.0", b"")).is_err());
    }

    #[test]
    fn one_version_with_two_shapes_does_not_fit() {
        let asked = interface("a:b/c@1.2.0", b"one");
        assert!(ByVersion.judge(&asked, &interface("a:b/c@1.2.0", b"one")).is_ok());
        assert!(ByVersion.judge(&asked, &interface("a:b/c@1.2.0", b"other")).unwrap_err().contains("differ"));
        assert!(ByVersion.judge(&asked, &interface("a:b/c@1.3.0", b"other")).is_ok());
    }
}
