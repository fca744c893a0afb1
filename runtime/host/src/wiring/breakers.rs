//! The breakers between one version of a plugin and those that it calls: one for each of these.
//!
//! A caller has a hand in how its callee fares: it says with what it is called and, by what it lacks itself, what it may do. Whoever makes another one fail shuts out
//! itself and nobody else. Easily got wrong: the version that comes after a callee has failed nobody yet.

use std::sync::{Arc, Mutex, Weak};

use plugwork_core::breaker::Settings;

use crate::breaker::Guarded;
use crate::generation::Generation;

/// See the module.
#[derive(Default)]
pub(crate) struct Breakers(Mutex<Vec<(Weak<Generation>, Arc<Guarded>)>>);

impl Breakers {
    /// The one between these two.
    pub(super) fn of(&self, callee: &Arc<Generation>, settings: Settings) -> Arc<Guarded> {
        let mut all = self.0.lock().expect("no panic happens under this lock");
        if let Some((_, breaker)) = all.iter().find(|(known, _)| known.as_ptr() == Arc::as_ptr(callee)) {
            return breaker.clone();
        }
        let breaker = Arc::new(Guarded::new(settings));
        all.retain(|(known, _)| known.strong_count() > 0);
        all.push((Arc::downgrade(callee), breaker.clone()));
        breaker
    }
}
