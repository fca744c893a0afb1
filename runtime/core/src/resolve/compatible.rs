//! Whether what one plugin exports fits what another imports: a pure decision, by version and by the types of functions.
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

/// One track, the exporter at least as new, and each function and resource that is imported is exported, with the same types where both sides are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Structural;

impl Compatibility for Structural {
    fn judge(&self, import: &Interface, export: &Interface) -> Result<(), String> {
        if !import.name.is_satisfied_by(&export.name) {
            return Err(format!("it is `{}`, on another track", export.name));
        }
        if let (Some(asked), Some(has)) = (import.name.version(), export.name.version())
            && has < asked
        {
            return Err(format!("it is `{}`, which is older", export.name));
        }
        let (Some(asked), Some(has)) = (&import.functions, &export.functions) else { return Ok(()) };
        // What is exported beside it may have been added since.
        for (function, types) in asked {
            match (types, has.get(function)) {
                (_, None) => return Err(format!("its `{}` has no `{function}`", export.name)),
                (Some(types), Some(Some(other))) if other != types => {
                    return Err(format!("`{function}` of its `{}` has other types", export.name));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What has to be equal for two versions to be exchangeable: the major number, or the minor one below 1.0, or the patch below 0.1.
pub fn track(version: &Version) -> Version {
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

    fn interface(name: &str, functions: &[(&str, &str)]) -> Interface {
        let functions = functions.iter().map(|(name, types)| ((*name).to_owned(), (*types != "?").then(|| Digest::of(types.as_bytes()))));
        Interface { functions: Some(functions.collect()), ..Interface::new(name.parse().unwrap()) }
    }

    #[test]
    fn an_exporter_is_on_the_same_track_and_as_new() {
        let asked = interface("a:b/c@1.2.0", &[]);
        for (has, fits) in [("1.2.0", true), ("1.9.0", true), ("1.1.9", false), ("2.0.0", false), ("0.1.0", false), ("1.3.0-rc.1", false)] {
            assert_eq!(Structural.judge(&asked, &interface(&format!("a:b/c@{has}"), &[])).is_ok(), fits, "{has}");
        }
        assert!(Structural.judge(&asked, &interface("a:b/d@1.2.0", &[])).is_err());
    }

    #[test]
    fn each_function_that_is_imported_is_there_with_the_same_types() {
        let asked = interface("a:b/c@1.2.0", &[("find", "one")]);
        let judge = |has: &[(&str, &str)]| Structural.judge(&asked, &interface("a:b/c@1.3.0", has));
        assert!(judge(&[("find", "one")]).is_ok() && judge(&[("find", "one"), ("more", "x")]).is_ok());
        assert!(judge(&[("find", "other")]).unwrap_err().contains("other types"));
        assert!(judge(&[("more", "x")]).unwrap_err().contains("has no `find`"));
        assert!(judge(&[("find", "?")]).is_ok(), "it is there, and nobody can tell");
        let unknown = Interface::new("a:b/c@1.2.0".parse().unwrap());
        assert!(Structural.judge(&asked, &unknown).is_ok() && Structural.judge(&unknown, &asked).is_ok(), "by version alone");
    }
}
