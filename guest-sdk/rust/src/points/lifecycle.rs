//! What every plugin exports beside its points, with defaults for all of it.
//!
//! The descriptor is not part of the trait: it is text, given to `plugin!`, so that a tool can read it from the source.

use std::marker::PhantomData;

use crate::bindings::lifecycle::exports::plugwork::plugin::lifecycle::Guest;
use crate::options::Options;
use crate::refusal::{Refusal, Result};

/// How a plugin begins and ends. Implement it only to change a default, and name the type as `lifecycle` in `plugin!`.
pub trait Lifecycle: 'static {
    /// Called once in a new instance, before anything else; a refusal means that the instance is not used.
    fn init(config: &Options) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Called before an instance is dropped on purpose; not after a fault.
    fn shutdown() -> Result<()> {
        Ok(())
    }

    /// Whether the instance can do its work: one line for people.
    fn health() -> Result<String> {
        Ok("ready".into())
    }

    /// Called once, after `init`, in one instance of a version that replaces another, before that version takes any call.
    /// `from_version` is the semantic version that ran before. Bring stores and files into this version's shape here; a
    /// refusal means that the version before goes on.
    fn migrate(from_version: &str) -> Result<()> {
        let _ = from_version;
        Ok(())
    }
}

/// The defaults and nothing else.
pub struct LifecycleDefault;

impl Lifecycle for LifecycleDefault {}

/// Where `plugin!` puts the descriptor.
pub trait Describe: 'static {
    /// JSON text, at most 64 KiB.
    const DESCRIPTOR: &'static str;
}

/// Exports a lifecycle `L` and a descriptor `D`.
pub struct LifecycleExport<L, D>(PhantomData<(L, D)>);

impl<L: Lifecycle, D: Describe> Guest for LifecycleExport<L, D> {
    fn descriptor() -> String {
        D::DESCRIPTOR.to_owned()
    }

    fn init(config: String) -> Result<(), Refusal> {
        L::init(&Options::new(config))
    }

    fn shutdown() -> Result<(), Refusal> {
        L::shutdown()
    }

    fn health() -> Result<String, Refusal> {
        L::health()
    }

    fn migrate(from_version: String) -> Result<(), Refusal> {
        L::migrate(&from_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Wary;

    impl Lifecycle for Wary {
        fn migrate(from_version: &str) -> Result<()> {
            match from_version {
                "1.0.0" => Ok(()),
                other => Err(Refusal::unavailable(format!("no way from {other}"))),
            }
        }
    }

    struct Nothing;

    impl Describe for Nothing {
        const DESCRIPTOR: &'static str = "{}";
    }

    #[test]
    fn a_lifecycle_that_says_nothing_of_migration_takes_every_version() {
        assert_eq!(LifecycleExport::<LifecycleDefault, Nothing>::migrate("0.9.0".into()), Ok(()));
    }

    #[test]
    fn a_refused_migration_reaches_the_host() {
        assert_eq!(LifecycleExport::<Wary, Nothing>::migrate("1.0.0".into()), Ok(()));
        let refused = LifecycleExport::<Wary, Nothing>::migrate("0.9.0".into());
        assert_eq!(refused, Err(Refusal::unavailable("no way from 0.9.0")));
    }
}
