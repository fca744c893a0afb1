//! What one subscriber wants of what it may have.
//!
//! Easily got wrong: without subscriptions of its own a plugin receives everything that its grant names; with the first of them only those, and also
//! after the last of them ended.

use std::sync::Arc;

use plugwork_core::limits::EVENT_SUBSCRIPTIONS_MAX;
use plugwork_core::policy::topic::TopicPattern;
use plugwork_core::{Denial, Issue, Refusal};

/// One of its own.
struct Subscription {
    number: u32,
    pattern: TopicPattern,
    once: bool,
}

/// What a subscriber wants.
pub(super) struct Filter {
    granted: Arc<[TopicPattern]>,
    own: Option<Vec<Subscription>>,
    next: u32,
}

/// Whether a topic is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    No,
    Yes,
    /// And a subscription that ends with it is among those that want it.
    Once,
}

impl Filter {
    pub(super) fn of(granted: Arc<[TopicPattern]>) -> Self {
        Self { granted, own: None, next: 1 }
    }

    /// It may have something else from now on; whether that leaves out anything that it might have had. Subscriptions that reach beyond it stay, and bring nothing beyond
    /// it.
    pub(super) fn grant(&mut self, granted: Arc<[TopicPattern]>) -> bool {
        let before = std::mem::replace(&mut self.granted, granted);
        before.iter().any(|before| !self.granted.iter().any(|granted| granted.covers(before)))
    }

    pub(super) fn wants(&self, topic: &str) -> Wanted {
        if !self.granted.iter().any(|pattern| pattern.matches(topic)) {
            return Wanted::No;
        }
        let Some(own) = &self.own else { return Wanted::Yes };
        let mut matching = own.iter().filter(|subscription| subscription.pattern.matches(topic)).peekable();
        match (matching.peek().is_some(), matching.any(|subscription| subscription.once)) {
            (false, _) => Wanted::No,
            (true, false) => Wanted::Yes,
            (true, true) => Wanted::Once,
        }
    }

    /// Ends the subscriptions that this topic ends.
    pub(super) fn received(&mut self, topic: &str) {
        if let Some(own) = &mut self.own {
            own.retain(|subscription| !(subscription.once && subscription.pattern.matches(topic)));
        }
    }

    /// The number of this very subscription, where it has it.
    pub(super) fn number_of(&self, pattern: &str, once: bool) -> Option<u32> {
        let is_it = |subscription: &&Subscription| subscription.once == once && subscription.pattern.to_string() == pattern;
        self.own.iter().flatten().find(is_it).map(|subscription| subscription.number)
    }

    /// Subscribes; gives the number of the one there is where it is there already.
    pub(super) fn subscribe(&mut self, pattern: &str, once: bool) -> Result<u32, Refusal> {
        let invalid = |what: String, at: &str, expected: String| Refusal::Invalid(Issue { what, at: at.to_owned(), expected });
        let pattern = TopicPattern::try_from(pattern.to_owned()).map_err(|what| {
            invalid(what, "pattern", "words joined by `/`, with `*` for one and `/**` at the end for all below".to_owned())
        })?;
        if !self.granted.iter().any(|granted| granted.covers(&pattern)) {
            return Err(Refusal::Denied(Denial {
                code: "E-CAP-EVENTS-IN".to_owned(),
                permission: "events".to_owned(),
                rule: format!("topics `{pattern}` are not granted"),
                hint: format!("in = [\"{pattern}\"]"),
            }));
        }
        let own = self.own.get_or_insert_default();
        if let Some(there) = own.iter().find(|subscription| subscription.pattern == pattern && subscription.once == once) {
            return Ok(there.number);
        }
        if own.len() >= EVENT_SUBSCRIPTIONS_MAX {
            return Err(invalid(format!("{} subscriptions", own.len() + 1), "", format!("at most {EVENT_SUBSCRIPTIONS_MAX}")));
        }
        let number = self.next;
        self.next += 1;
        own.push(Subscription { number, pattern, once });
        Ok(number)
    }

    /// Ends one of its own; says whether there was one.
    pub(super) fn unsubscribe(&mut self, number: u32) -> bool {
        let own = self.own.as_mut().map_or(&mut [][..], |own| own.as_mut_slice());
        let Some(at) = own.iter().position(|subscription| subscription.number == number) else { return false };
        self.own.as_mut().is_some_and(|own| own.remove(at).number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(granted: &[&str]) -> Filter {
        Filter::of(granted.iter().map(|text| TopicPattern::try_from((*text).to_owned()).unwrap()).collect())
    }

    #[test]
    fn without_subscriptions_everything_granted_is_wanted_and_with_one_only_that() {
        let mut filter = filter(&["orders/**"]);
        assert_eq!((filter.wants("orders/new"), filter.wants("other/new")), (Wanted::Yes, Wanted::No));
        let number = filter.subscribe("orders/new", false).unwrap();
        assert_eq!(filter.subscribe("orders/new", false).unwrap(), number, "again is the same");
        assert_eq!((filter.wants("orders/new"), filter.wants("orders/old")), (Wanted::Yes, Wanted::No));
        assert!(filter.unsubscribe(number) && !filter.unsubscribe(number));
        assert_eq!(filter.wants("orders/new"), Wanted::No, "not everything again");
    }

    #[test]
    fn once_ends_with_the_first_and_leaves_the_others() {
        let mut filter = filter(&["a/*"]);
        filter.subscribe("a/b", true).unwrap();
        assert_eq!((filter.wants("a/b"), filter.wants("a/c")), (Wanted::Once, Wanted::No));
        filter.received("a/b");
        assert_eq!(filter.wants("a/b"), Wanted::No);
        filter.subscribe("a/b", true).unwrap();
        filter.subscribe("a/*", false).unwrap();
        filter.received("a/b");
        assert_eq!(filter.wants("a/b"), Wanted::Yes);
    }

    #[test]
    fn a_pattern_beyond_the_grant_is_denied_and_one_that_was_narrowed_since_brings_nothing() {
        let mut filter = filter(&["a/*", "b"]);
        assert!(matches!(filter.subscribe("**", false), Err(Refusal::Denied(_))));
        assert!(matches!(filter.subscribe("a//", false), Err(Refusal::Invalid(_))));
        filter.subscribe("a/*", false).unwrap();
        let patterns = |texts: &[&str]| texts.iter().map(|text| TopicPattern::try_from((*text).to_owned()).unwrap()).collect();
        assert!(filter.grant(patterns(&["b"])) && !filter.grant(patterns(&["b", "c"])));
        assert_eq!((filter.wants("a/x"), filter.wants("b")), (Wanted::No, Wanted::No));
    }

    #[test]
    fn there_are_as_many_subscriptions_as_may_be_and_no_more() {
        let mut filter = filter(&["**"]);
        for number in 0..EVENT_SUBSCRIPTIONS_MAX {
            filter.subscribe(&format!("t{number}"), false).unwrap();
        }
        assert!(matches!(filter.subscribe("one-more", false), Err(Refusal::Invalid(_))));
        assert!(filter.subscribe("t0", false).is_ok(), "what is there is no more");
    }
}
