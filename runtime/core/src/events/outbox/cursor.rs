//! Where one subscriber is in its tenant's events, what it may have of them, and how that changes.
//!
//! Easily got wrong: what a pattern is granted from is a sequence and belongs to the pattern. A grant that becomes wider brings nothing from before it
//! did, and one that stays as it was loses nothing of what waits.

use serde::{Deserialize, Serialize};

use crate::limits::{EVENT_EXTENTS_MAX, EVENT_PARKED_NAMED_MAX, EVENT_PARKED_REASON_BYTES_MAX};
use crate::policy::topic::TopicPattern;

/// Topics, and from where on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Which topics.
    pub pattern: TopicPattern,
    /// Only events after this sequence.
    pub since: u64,
}

impl Extent {
    /// Whether one of them wants an event.
    pub fn any(wanted: &[Self], sequence: u64, topic: &str) -> bool {
        wanted.iter().any(|extent| extent.since < sequence && extent.pattern.matches(topic))
    }
}

/// Where a subscriber is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cursor {
    /// It is done with everything up to this sequence.
    pub after: u64,
    /// What it may have.
    pub extents: Vec<Extent>,
    /// The record that its consent rests on; 0 where that is on none.
    #[serde(default)]
    pub consent: u64,
    /// The event right behind `after` that it was handed and did not handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// The newest of those that it was not handed any more, at most [`EVENT_PARKED_NAMED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<Parked>,
    /// How many there were.
    #[serde(default)]
    pub parked_count: u64,
    /// Events of its tenant, on whatever topic, that were gone before it came to them.
    #[serde(default)]
    pub missed: u64,
}

/// An event that was handed over and not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Which.
    pub sequence: u64,
    /// How many calls with it alone have failed.
    pub attempts: u32,
}

/// An event that was not handled so often that it is not handed over any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parked {
    /// Which. It can be read for as long as the outbox keeps it.
    pub sequence: u64,
    /// On which topic.
    pub topic: String,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// How many calls failed.
    pub attempts: u32,
    /// What the last of them said, cut to 256 bytes: the plugin chose it.
    pub reason: String,
}

/// A change of one cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It may have this from here on; what it has already is not granted anew.
    Begin {
        /// The patterns that it was granted.
        granted: Vec<TopicPattern>,
        /// The record that the consent rests on.
        consent: u64,
        /// The sequence that is the newest now: what was not granted before begins behind it.
        end: u64,
    },
    /// It is done with everything up to a sequence. Never leads back.
    Done(u64),
    /// Everything up to a sequence is gone.
    Gone(u64),
    /// A call with one event failed.
    Failed(Failing),
    /// And was the last.
    Park(Parked),
    /// Back to a sequence, to be told again of what follows. Never leads on.
    Rewind(u64),
    /// It is no subscriber any more.
    Forget,
}

impl Change {
    /// What a cursor becomes. One that is not there is only ever made by [`Change::Begin`]: what comes too late brings none back.
    pub fn apply(self, cursor: Option<Cursor>) -> Option<Cursor> {
        let (granted, consent, end) = match self {
            Self::Begin { granted, consent, end } => (granted, consent, end),
            Self::Forget => return None,
            other => {
                let mut cursor = cursor?;
                other.follow(&mut cursor);
                return Some(cursor);
            }
        };
        let mut cursor = match cursor {
            Some(cursor) => cursor,
            None if granted.is_empty() => return None,
            None => Cursor { after: end, ..Cursor::default() },
        };
        let since = |pattern: &TopicPattern| {
            let before = cursor.extents.iter().filter(|extent| extent.pattern.covers(pattern));
            before.map(|extent| extent.since).min().unwrap_or(end)
        };
        let mut extents: Vec<Extent> = granted.into_iter().map(|pattern| Extent { since: since(&pattern), pattern }).collect();
        // What it had is not lost where it may have more of it now: that begins earlier than the rest.
        let earlier = |had: &&Extent, now: &[Extent]| {
            let mut covering = now.iter().filter(|extent| extent.pattern.covers(&had.pattern)).peekable();
            covering.peek().is_some() && covering.all(|extent| had.since < extent.since)
        };
        for had in &cursor.extents {
            if extents.len() < EVENT_EXTENTS_MAX && earlier(&had, &extents) {
                extents.push(had.clone());
            }
        }
        (cursor.extents, cursor.consent) = (extents, consent);
        Some(cursor)
    }

    fn follow(self, cursor: &mut Cursor) {
        match self {
            Self::Begin { .. } | Self::Forget => {}
            Self::Done(up_to) => cursor.move_to(up_to),
            Self::Gone(up_to) => {
                cursor.missed += up_to.saturating_sub(cursor.after);
                cursor.move_to(up_to);
            }
            Self::Failed(failing) => {
                if failing.sequence > cursor.after {
                    cursor.failing = Some(failing);
                }
            }
            Self::Park(mut parked) => {
                parked.reason.truncate(parked.reason.floor_char_boundary(EVENT_PARKED_REASON_BYTES_MAX));
                cursor.move_to(parked.sequence);
                cursor.parked_count += 1;
                if cursor.parked.len() >= EVENT_PARKED_NAMED_MAX {
                    cursor.parked.remove(0);
                }
                cursor.parked.push(parked);
            }
            Self::Rewind(after) => {
                if after < cursor.after {
                    (cursor.after, cursor.failing) = (after, None);
                }
            }
        }
    }
}

impl Cursor {
    fn move_to(&mut self, up_to: u64) {
        self.after = self.after.max(up_to);
        if self.failing.is_some_and(|failing| failing.sequence <= self.after) {
            self.failing = None;
        }
    }

    /// From where on it may have anything at all; what was asked for where that is later.
    pub fn no_earlier(&self, after: u64) -> u64 {
        self.extents.iter().map(|extent| extent.since).min().unwrap_or(self.after).max(after)
    }

    /// How many calls with this event alone have failed.
    pub fn attempts(&self, sequence: u64) -> u32 {
        self.failing.filter(|failing| failing.sequence == sequence).map_or(0, |failing| failing.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<TopicPattern> {
        texts.iter().map(|text| TopicPattern::try_from((*text).to_owned()).unwrap()).collect()
    }

    fn begun(cursor: Option<Cursor>, granted: &[&str], end: u64) -> Cursor {
        Change::Begin { granted: patterns(granted), consent: 0, end }.apply(cursor).unwrap()
    }

    fn parked(sequence: u64) -> Change {
        Change::Park(Parked { sequence, topic: "a".to_owned(), at_ms: 0, attempts: 8, reason: "é".repeat(1_000) })
    }

    #[test]
    fn who_begins_has_nothing_from_before() {
        let cursor = begun(None, &["a/*"], 7);
        assert_eq!(cursor.after, 7);
        assert!(!Extent::any(&cursor.extents, 7, "a/b") && Extent::any(&cursor.extents, 8, "a/b"));
        assert!(!Extent::any(&cursor.extents, 8, "b/b"));
    }

    #[test]
    fn who_begins_again_keeps_its_place_and_what_it_may_have() {
        let cursor = begun(Some(begun(None, &["a/**"], 7)), &["a/*"], 20);
        assert_eq!((cursor.after, cursor.extents[0].since), (7, 7), "narrower, and from where the wider one was");
    }

    #[test]
    fn a_wider_grant_brings_nothing_from_before_it_was_given() {
        let cursor = begun(Some(begun(None, &["a/b"], 7)), &["a/b", "a/*", "c"], 20);
        assert_eq!(cursor.extents.iter().map(|extent| extent.since).collect::<Vec<_>>(), [7, 20, 20]);
        assert!(Extent::any(&cursor.extents, 8, "a/b") && !Extent::any(&cursor.extents, 8, "a/c"));
        assert!(!Extent::any(&cursor.extents, 20, "c") && Extent::any(&cursor.extents, 21, "c"));
    }

    #[test]
    fn what_waits_of_a_narrower_grant_stays_with_a_wider_one() {
        let wider = begun(Some(begun(None, &["a/b"], 7)), &["a/*"], 20);
        assert!(Extent::any(&wider.extents, 8, "a/b") && !Extent::any(&wider.extents, 8, "a/c") && Extent::any(&wider.extents, 21, "a/c"));
        assert_eq!(begun(Some(wider.clone()), &["a/*"], 30), wider, "and again changes nothing");
        let other = begun(Some(wider), &["a/c"], 40);
        assert_eq!((other.extents.len(), other.extents[0].since), (1, 20), "what is not granted any more is not kept");
        let many = (0..3 * EVENT_EXTENTS_MAX).map(|number| format!("a/x{number}")).collect::<Vec<_>>();
        let many = begun(None, &many.iter().map(String::as_str).collect::<Vec<_>>(), 1);
        assert_eq!(begun(Some(many), &["a/*"], 2).extents.len(), EVENT_EXTENTS_MAX);
    }

    #[test]
    fn what_was_narrowed_and_widened_again_begins_where_it_was_widened() {
        let narrowed = begun(Some(begun(None, &["a/*"], 7)), &["a/b"], 20);
        let widened = begun(Some(narrowed), &["a/*"], 30);
        assert_eq!(widened.extents[0].since, 30);
    }

    #[test]
    fn who_may_have_nothing_gets_no_cursor_and_keeps_the_one_it_has() {
        let nothing = Change::Begin { granted: Vec::new(), consent: 0, end: 30 };
        assert_eq!(nothing.clone().apply(None), None);
        let narrowed = nothing.apply(Some(begun(None, &["a"], 7))).unwrap();
        assert_eq!((narrowed.after, narrowed.extents.len(), begun(Some(narrowed), &["a"], 40).extents[0].since), (7, 0, 40));
    }

    #[test]
    fn being_done_never_leads_back_and_rewinding_never_leads_on() {
        let cursor = Change::Done(12).apply(Some(begun(None, &["a"], 7)));
        let cursor = Change::Done(9).apply(cursor);
        assert_eq!(cursor.as_ref().unwrap().after, 12);
        let cursor = Change::Rewind(13).apply(cursor);
        assert_eq!(cursor.as_ref().unwrap().after, 12);
        assert_eq!(Change::Rewind(8).apply(cursor).unwrap().after, 8);
    }

    #[test]
    fn what_comes_too_late_makes_no_cursor() {
        for late in [Change::Done(1), Change::Gone(1), Change::Failed(Failing { sequence: 1, attempts: 1 }), parked(1), Change::Rewind(0)] {
            assert_eq!(late.apply(None), None);
        }
        assert_eq!(Change::Forget.apply(Some(Cursor::default())), None);
    }

    #[test]
    fn failures_are_of_one_event_and_end_with_it() {
        let cursor = Change::Failed(Failing { sequence: 8, attempts: 3 }).apply(Some(begun(None, &["a"], 7))).unwrap();
        assert_eq!((cursor.attempts(8), cursor.attempts(9)), (3, 0));
        let done = Change::Done(8).apply(Some(cursor)).unwrap();
        assert_eq!((done.failing, Change::Failed(Failing { sequence: 8, attempts: 4 }).apply(Some(done.clone()))), (None, Some(done)));
    }

    #[test]
    fn all_that_are_parked_are_counted_and_the_newest_named() {
        let many = EVENT_PARKED_NAMED_MAX as u64 + 3;
        let cursor = (1..=many).fold(begun(None, &["a"], 0), |cursor, sequence| parked(sequence).apply(Some(cursor)).unwrap());
        assert_eq!((cursor.parked_count, cursor.parked.len(), cursor.after), (many, EVENT_PARKED_NAMED_MAX, many));
        assert_eq!((cursor.parked[0].sequence, cursor.parked[0].reason.len()), (4, 256));
    }

    #[test]
    fn what_is_gone_is_counted_once() {
        let cursor = Change::Gone(10).apply(Some(begun(None, &["a"], 7)));
        let cursor = Change::Gone(9).apply(cursor).unwrap();
        assert_eq!((cursor.after, cursor.missed), (10, 3));
    }

    #[test]
    fn nobody_goes_back_to_before_its_grant() {
        let cursor = begun(Some(begun(None, &["a"], 7)), &["a", "b"], 20);
        assert_eq!((cursor.no_earlier(0), cursor.no_earlier(9)), (7, 9));
    }

    #[test]
    fn a_cursor_is_kept_as_json_and_what_it_lacks_is_nothing() {
        let cursor = parked(9).apply(Some(begun(None, &["a/**"], 7))).unwrap();
        let text = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        assert_eq!(serde_json::from_str::<Cursor>(r#"{"after":7,"extents":[]}"#).unwrap().after, 7);
    }
}
