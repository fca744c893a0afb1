//! What a plugin hands from the version that goes to the version that comes.
//!
//! Only memory is meant; stores and files are moved by [`Lifecycle::migrate`](super::Lifecycle::migrate). One thing to know: a host makes
//! as many instances as it needs, and the snapshot is one instance's, so what is handed over must not matter to the others.

use std::marker::PhantomData;

use crate::bindings::handover::exports::plugwork::plugin::handover::Guest;
use crate::refusal::{Refusal, Result};

/// The most bytes a snapshot may have: 16 MiB.
pub const SNAPSHOT_BYTES_MAX: usize = 16 << 20;

/// Keeps memory over a replacement. Name the type as `handover` in `plugin!` or `export!`, and list
/// `plugwork:plugin/handover@0.1.0` in `exports` of `plugin.toml`.
pub trait Handover: 'static {
    /// What the next version is to know, in a form of the plugin's own; at most [`SNAPSHOT_BYTES_MAX`] bytes.
    fn snapshot() -> Result<Vec<u8>>;

    /// Takes in what `snapshot` of the version `from_version` answered, after `init` and before any call. A refusal means that
    /// the version before goes on.
    fn restore(state: Vec<u8>, from_version: &str) -> Result<()>;
}

/// Exports a handover.
pub struct HandoverExport<T>(PhantomData<T>);

impl<T: Handover> Guest for HandoverExport<T> {
    fn snapshot() -> Result<Vec<u8>, Refusal> {
        let state = T::snapshot()?;
        if state.len() > SNAPSHOT_BYTES_MAX {
            let message = format!("`snapshot` answered {} bytes; at most {SNAPSHOT_BYTES_MAX}", state.len());
            return Err(Refusal::other(message));
        }
        Ok(state)
    }

    fn restore(state: Vec<u8>, from_version: String) -> Result<(), Refusal> {
        T::restore(state, &from_version)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static STATE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    struct Kept;

    impl Handover for Kept {
        fn snapshot() -> Result<Vec<u8>> {
            Ok(STATE.take())
        }

        fn restore(state: Vec<u8>, from_version: &str) -> Result<()> {
            if from_version != "1.0.0" {
                return Err(Refusal::invalid("another version's state", "", "1.0.0"));
            }
            STATE.set(state);
            Ok(())
        }
    }

    #[test]
    fn what_was_snapshot_is_restored() {
        HandoverExport::<Kept>::restore(vec![1, 2], "1.0.0".into()).unwrap();
        assert_eq!(HandoverExport::<Kept>::snapshot(), Ok(vec![1, 2]));
        assert!(matches!(HandoverExport::<Kept>::restore(Vec::new(), "0.1.0".into()), Err(Refusal::Invalid(_))));
    }

    #[test]
    fn a_snapshot_past_the_limit_is_refused_and_one_at_it_is_not() {
        STATE.set(vec![0; SNAPSHOT_BYTES_MAX]);
        assert!(HandoverExport::<Kept>::snapshot().is_ok());
        STATE.set(vec![0; SNAPSHOT_BYTES_MAX + 1]);
        let refused = HandoverExport::<Kept>::snapshot().unwrap_err();
        assert!(refused.to_string().contains("16777217 bytes"), "{refused}");
    }
}
