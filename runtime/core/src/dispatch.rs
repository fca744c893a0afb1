//! How one point calls its plugins: in which order, how many at once, and what a pipeline does at a fault. Data and the order; calling is the host's.
//!
//! What a reader may get wrong: a lower weight comes first, and names that are written out come before every weight.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Issue;

/// Names that may stand in [`Dispatching::order`].
pub const ORDER_NAMES_MAX: usize = 1_000;
/// Bytes of each of them.
pub const ORDER_NAME_BYTES_MAX: usize = 256;

/// What a pipeline does at a plugin that gives no value: one that refuses, faults or is not available.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFault {
    /// It ends there, and the fault is its answer.
    #[default]
    Stop,
    /// The value goes on to the next plugin as it was before.
    Skip,
    /// The value that the application gives for this case (`Dispatch::or_else` of the host) stands for this plugin's, and the pipeline goes on. An
    /// application that gives none stops.
    Default,
}

/// How one point calls its plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Dispatching {
    /// What a pipeline does at a fault; stop.
    pub on_fault: OnFault,
    /// How many plugins are called at once where all are called, 1 to 256; 8.
    pub concurrency: u32,
    /// Plugins by name, in the order in which they are called. Those that are not named come after them, by weight, then by name. A name that no
    /// plugin has is no mistake: the plugin may come later.
    pub order: Vec<String>,
}

impl Default for Dispatching {
    fn default() -> Self {
        Self { on_fault: OnFault::default(), concurrency: 8, order: Vec::new() }
    }
}

impl Dispatching {
    /// Whether the numbers lie in their ranges and the order is one.
    ///
    /// # Errors
    /// Names the first that does not.
    pub fn check(&self) -> Result<(), Issue> {
        let issue = |what: String, at: &str, expected: String| Err(Issue { what, at: at.to_owned(), expected });
        if !(1..=256).contains(&self.concurrency) {
            return issue(self.concurrency.to_string(), "concurrency", "1 to 256 plugins at once".to_owned());
        }
        if self.order.len() > ORDER_NAMES_MAX {
            return issue(format!("{} names", self.order.len()), "order", format!("at most {ORDER_NAMES_MAX}"));
        }
        let mut seen = BTreeSet::new();
        for name in &self.order {
            if name.is_empty() || name.len() > ORDER_NAME_BYTES_MAX {
                return issue(format!("a name of {} bytes", name.len()), "order", format!("1 to {ORDER_NAME_BYTES_MAX} bytes"));
            }
            if !seen.insert(name) {
                return issue(format!("`{}` twice", name.escape_debug()), "order", "each name once".to_owned());
            }
        }
        Ok(())
    }
}

/// Sorts plugins into the order in which they are called. `key` gives a plugin's weight and name; where both are equal they stay as they were.
pub fn order<T>(dispatching: &Dispatching, plugins: &mut [T], key: impl Fn(&T) -> (i32, &str)) {
    // The first place counts, should an unchecked order name one twice.
    let places: BTreeMap<&str, usize> = dispatching.order.iter().enumerate().rev().map(|(place, name)| (name.as_str(), place)).collect();
    plugins.sort_by(|one, other| {
        let rank = |plugin: &T| places.get(key(plugin).1).copied().unwrap_or(usize::MAX);
        rank(one).cmp(&rank(other)).then_with(|| key(one).cmp(&key(other)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(names: &[&str], mut plugins: Vec<(i32, &'static str)>) -> Vec<(i32, &'static str)> {
        let order = names.iter().map(|&name| name.to_owned()).collect();
        super::order(&Dispatching { order, ..Dispatching::default() }, &mut plugins, |(weight, name)| (*weight, name));
        plugins
    }

    #[test]
    fn a_lower_weight_comes_first_and_names_decide_between_equal_ones() {
        assert_eq!(
            ordered(&[], vec![(1, "a"), (0, "c"), (-5, "z"), (0, "b"), (i32::MIN, "y"), (i32::MAX, "x")]),
            [(i32::MIN, "y"), (-5, "z"), (0, "b"), (0, "c"), (1, "a"), (i32::MAX, "x")]
        );
    }

    #[test]
    fn names_that_are_written_out_come_first_in_their_order_whatever_they_weigh() {
        assert_eq!(
            ordered(&["c", "nobody", "a"], vec![(-9, "b"), (0, "a"), (5, "c"), (-9, "A")]),
            [(5, "c"), (0, "a"), (-9, "A"), (-9, "b")]
        );
    }

    #[test]
    fn two_instances_with_one_name_stay_as_they_were() {
        let mut plugins = [(0, "a", 1), (0, "a", 2), (-1, "a", 3)];
        order(&Dispatching::default(), &mut plugins, |(weight, name, _)| (*weight, name));
        assert_eq!(plugins.map(|(.., which)| which), [3, 1, 2]);
    }

    #[test]
    fn the_order_does_not_depend_on_how_they_come() {
        let letters = ["a", "b", "c", "d", "e", "f"];
        bolero::check!()
            .with_iterations(500)
            .with_test_time(std::time::Duration::from_secs(60))
            .with_type::<(Vec<(i8, u8)>, [u8; 3])>()
            .for_each(|(drawn, named)| {
                let letter = |index: &u8| letters[usize::from(*index) % letters.len()];
                let plugins: Vec<(i32, &str)> = drawn.iter().map(|(weight, name)| (i32::from(weight % 3), letter(name))).collect();
                let names: Vec<&str> = named.iter().map(letter).collect();
                let sorted = ordered(&names, plugins.clone());
                let mut backwards = plugins.clone();
                backwards.reverse();
                assert_eq!(sorted, ordered(&names, backwards));
                // The slow obvious answer: pick the named ones one by one, then the rest by weight and name.
                let mut rest = plugins;
                rest.sort_unstable();
                let mut expected = Vec::new();
                for name in names {
                    expected.extend(rest.extract_if(.., |plugin| plugin.1 == name));
                }
                expected.extend(rest);
                assert_eq!(sorted, expected);
            });
    }

    #[test]
    fn both_ends_of_each_range_are_allowed_and_one_past_them_is_not() {
        let with = |concurrency| Dispatching { concurrency, ..Dispatching::default() }.check();
        assert!(with(1).is_ok() && with(256).is_ok());
        assert_eq!((with(0).unwrap_err().at, with(257).unwrap_err().at), ("concurrency".to_owned(), "concurrency".to_owned()));
        let named = |order: Vec<String>| Dispatching { order, ..Dispatching::default() }.check();
        let names = |count: usize| (0..count).map(|index| format!("p{index}")).collect();
        assert!(named(names(ORDER_NAMES_MAX)).is_ok() && named(names(ORDER_NAMES_MAX + 1)).is_err());
        assert!(named(vec!["n".repeat(ORDER_NAME_BYTES_MAX)]).is_ok() && named(vec!["n".repeat(ORDER_NAME_BYTES_MAX + 1)]).is_err());
        assert!(named(vec![String::new()]).is_err());
        assert_eq!(named(vec!["a".to_owned(), "b".to_owned(), "a".to_owned()]).unwrap_err().what, "`a` twice");
    }

    #[test]
    fn it_is_read_with_its_defaults_and_no_unknown_word() {
        let read = serde_json::from_str::<Dispatching>;
        assert_eq!(read("{}").unwrap(), Dispatching { on_fault: OnFault::Stop, concurrency: 8, order: vec![] });
        let given = read(r#"{"on-fault":"default","concurrency":2,"order":["a"]}"#).unwrap();
        assert_eq!(given, Dispatching { on_fault: OnFault::Default, concurrency: 2, order: vec!["a".to_owned()] });
        assert!(read(r#"{"on-fault":"retry"}"#).is_err() && read(r#"{"onfault":"skip"}"#).is_err());
    }
}
