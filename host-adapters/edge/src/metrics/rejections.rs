//! How often a request ended with which code of a problem.
//!
//! Easily got wrong: some codes are chosen by plugins. Counted by name are only those that are in this program's text and those of faults; the
//! rest is `other`, so that no plugin fills the table.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use plugwork_http::ProblemCode;

/// Codes with a count of their own: twice as many as there are.
const CODES_MAX: usize = 96;

/// The table. Places are taken in the order in which codes are first seen, and never given back.
#[derive(Debug)]
pub(crate) struct Rejections {
    places: [(OnceLock<Cow<'static, str>>, AtomicU64); CODES_MAX],
    other: AtomicU64,
}

impl Default for Rejections {
    fn default() -> Self {
        Self { places: std::array::from_fn(|_| (OnceLock::new(), AtomicU64::new(0))), other: AtomicU64::new(0) }
    }
}

impl Rejections {
    /// Counts one.
    pub(crate) fn add(&self, ProblemCode(code): ProblemCode) {
        let is_ours = matches!(code, Cow::Borrowed(_)) || code.starts_with("E-FAULT-");
        let counter = if is_ours { self.place(code) } else { None };
        counter.unwrap_or(&self.other).fetch_add(1, Ordering::Relaxed);
    }

    fn place(&self, code: Cow<'static, str>) -> Option<&AtomicU64> {
        let found = self.places.iter().find(|(name, _)| *name.get_or_init(|| code.clone()) == code);
        found.map(|(_, count)| count)
    }

    /// Each code and how often; `other` last.
    pub(crate) fn read(&self) -> Vec<(&str, u64)> {
        let known = self.places.iter().map_while(|(name, count)| Some((&**name.get()?, count.load(Ordering::Relaxed))));
        known.chain([("other", self.other.load(Ordering::Relaxed))]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_chose_is_counted_with_the_rest() {
        let rejections = Rejections::default();
        for code in [
            Cow::Borrowed("E-HTTP-RATE"),
            Cow::Owned("E-FAULT-TRAP".to_owned()),
            Cow::Owned("E-SHOP-1".to_owned()),
            Cow::Borrowed("E-HTTP-RATE"),
        ] {
            rejections.add(ProblemCode(code));
        }
        assert_eq!(rejections.read(), [("E-HTTP-RATE", 2), ("E-FAULT-TRAP", 1), ("other", 1)]);
        (0..200).for_each(|number| rejections.add(ProblemCode(Cow::Owned(format!("E-FAULT-{number}")))));
        assert_eq!(rejections.read().len(), CODES_MAX + 1);
        assert_eq!(rejections.read().last(), Some(&("other", 1 + 200 - (CODES_MAX as u64 - 2))));
    }
}
