//! What a plugin keeps stays its own from one deployment to the next, though each version of it is an instance of its own in the runtime.
//!
//! An instance's name is the plugin's own part, `-`, and [`VERSION_BYTES`] hexadecimal digits of what it is made of (`mount`). A capability in
//! [`Stable`] sees the plugin's own part only. Easily got wrong: two applications have two own parts for the same plugin, so nothing crosses.

use plugwork::{Capability, Configured, Subject};
use plugwork_core::Issue;
use serde_json::{Map, Value};

/// Hexadecimal digits at the end of an instance's name.
pub(crate) const VERSION_BYTES: usize = 16;

/// A capability that keeps something for a plugin, whatever its version: `keyvalue`, `blob`.
#[derive(Debug, Clone)]
pub struct Stable<C>(pub C);

impl<C: Capability> Capability for Stable<C> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn interfaces(&self) -> &'static [&'static str] {
        self.0.interfaces()
    }

    fn configure(&self, subject: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        self.0.configure(&Subject { instance: own_part(&subject.instance).to_owned(), ..subject.clone() }, bounds)
    }
}

/// The part of an instance's name that stays the same from version to version.
pub(crate) fn own_part(instance: &str) -> &str {
    let cut = instance.len().checked_sub(VERSION_BYTES + 1).and_then(|at| instance.split_at_checked(at));
    match cut {
        Some((own, version)) if version.starts_with('-') && version[1..].bytes().all(|byte| byte.is_ascii_hexdigit()) => own,
        _ => instance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_is_cut_off() {
        assert_eq!(own_part("hello-0011223344556677-8899aabbccddeeff"), "hello-0011223344556677");
        for whole in ["", "hello", "0011223344556677", "-short", "hello-00112233445566zz", "hello_0011223344556677"] {
            assert_eq!(own_part(whole), whole);
        }
    }
}
