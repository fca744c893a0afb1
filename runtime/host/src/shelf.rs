//! The shelf of a pool: instances between two calls, bounded in number, age and uses.
//!
//! Not here: instances, clocks, who may have which; a shelf belongs to one generation. May be misread: nothing is ever dropped in here. What does
//! not fit comes back to the caller, because dropping an instance takes a while and must not happen under the lock.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use crate::sync::Mutex;

/// A value with its history, as it comes from the shelf and goes back to it.
#[derive(Debug)]
pub(crate) struct Shelved<T> {
    value: T,
    born_ms: u64,
    last_used_ms: u64,
    uses: u32,
    /// Uses that [`put`](Shelf::put) is to count.
    coming: u32,
}

/// What waits for the next call.
pub(crate) struct Shelf<T> {
    count_max: usize,
    age_ms_max: u64,
    uses_max: u32,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// The one that was used last is at the back.
    waiting: VecDeque<Shelved<T>>,
    closed: bool,
}

impl<T> Shelved<T> {
    /// Born now, not yet used.
    pub(crate) fn new(value: T, now_ms: u64) -> Self {
        Self { value, born_ms: now_ms, last_used_ms: now_ms, uses: 0, coming: 1 }
    }

    /// The value, and its history to be joined to it again by [`with`](Self::with).
    pub(crate) fn split(self) -> (T, Shelved<()>) {
        let Self { value, born_ms, last_used_ms, uses, coming } = self;
        (value, Shelved { value: (), born_ms, last_used_ms, uses, coming })
    }

    /// This history with another value.
    pub(crate) fn with<U>(self, value: U) -> Shelved<U> {
        let Self { born_ms, last_used_ms, uses, coming, .. } = self;
        Shelved { value, born_ms, last_used_ms, uses, coming }
    }

    /// Whether it came from the shelf at least once.
    pub(crate) fn is_used(&self) -> bool {
        self.uses > 0
    }

    /// How often it was used.
    pub(crate) fn uses(&self) -> u32 {
        self.uses
    }

    /// The same after so many uses instead of one; there may have been none. [`put`](Shelf::put) counts them.
    pub(crate) fn after(self, uses: u32) -> Self {
        Self { coming: uses, ..self }
    }

    pub(crate) fn into_value(self) -> T {
        self.value
    }
}

impl<T> Shelf<T> {
    /// At most `count_max` values, each for at most `age_ms_max` and `uses_max` uses.
    pub(crate) fn new(count_max: usize, age_ms_max: u64, uses_max: NonZeroU32) -> Self {
        let state = State { waiting: VecDeque::new(), closed: false };
        Self { count_max, age_ms_max, uses_max: uses_max.get(), state: Mutex::new(state) }
    }

    /// The value that was used last: its memory is the warmest, and those that nobody needs grow old. An error is one that is too old by now, for
    /// the caller to drop.
    pub(crate) fn take(&self, now_ms: u64) -> Option<Result<Shelved<T>, T>> {
        let shelved = self.locked(|state| state.waiting.pop_back())?;
        Some(if self.is_too_old(&shelved, now_ms) { Err(shelved.value) } else { Ok(shelved) })
    }

    /// Gives back a value after a use, or as many as it says itself, which are counted by this. What does not fit comes back: this one where it is used up or too old or the shelf
    /// is closed, and where the shelf is full the one that was not used for the longest time.
    pub(crate) fn put(&self, mut shelved: Shelved<T>, now_ms: u64) -> Option<T> {
        shelved.uses = shelved.uses.saturating_add(std::mem::replace(&mut shelved.coming, 1));
        shelved.last_used_ms = now_ms;
        if shelved.uses >= self.uses_max || self.is_too_old(&shelved, now_ms) {
            return Some(shelved.value);
        }
        self.locked(|state| {
            if state.closed {
                return Some(shelved);
            }
            state.waiting.push_back(shelved);
            if state.waiting.len() > self.count_max { state.waiting.pop_front() } else { None }
        })
        .map(Shelved::into_value)
    }

    /// Takes out what was not used for `idle_ms`, and what is too old.
    pub(crate) fn sweep(&self, now_ms: u64, idle_ms: u64) -> Vec<T> {
        let keep = |shelved: &Shelved<T>| now_ms.saturating_sub(shelved.last_used_ms) < idle_ms && !self.is_too_old(shelved, now_ms);
        let swept = self.locked(|state| {
            let (kept, swept): (VecDeque<_>, VecDeque<_>) = state.waiting.drain(..).partition(keep);
            state.waiting = kept;
            swept
        });
        swept.into_iter().map(Shelved::into_value).collect()
    }

    /// Takes out everything; whatever is put later comes straight back.
    pub(crate) fn close(&self) -> Vec<T> {
        let all = self.locked(|state| {
            state.closed = true;
            std::mem::take(&mut state.waiting)
        });
        all.into_iter().map(Shelved::into_value).collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.locked(|state| state.waiting.len())
    }

    fn is_too_old(&self, shelved: &Shelved<T>, now_ms: u64) -> bool {
        now_ms.saturating_sub(shelved.born_ms) >= self.age_ms_max
    }

    fn locked<R>(&self, act: impl FnOnce(&mut State<T>) -> R) -> R {
        act(&mut self.state.lock().expect("no panic happens under this lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::check;

    fn shelf(count_max: usize, age_ms_max: u64, uses_max: u32) -> Shelf<&'static str> {
        Shelf::new(count_max, age_ms_max, NonZeroU32::new(uses_max).unwrap())
    }

    fn take(shelf: &Shelf<&'static str>, now_ms: u64) -> Option<Result<&'static str, &'static str>> {
        shelf.take(now_ms).map(|taken| taken.map(Shelved::into_value))
    }

    #[test]
    fn gives_what_was_used_last() {
        check(|| {
            let shelf = shelf(2, 1_000, 9);
            assert_eq!(shelf.put(Shelved::new("a", 0), 0), None);
            assert_eq!(shelf.put(Shelved::new("b", 1), 1), None);
            assert_eq!(shelf.len(), 2);
            assert_eq!((take(&shelf, 2), take(&shelf, 2), take(&shelf, 2)), (Some(Ok("b")), Some(Ok("a")), None));
        });
    }

    #[test]
    fn one_past_the_count_gives_back_what_was_not_used_the_longest() {
        check(|| {
            let shelf = shelf(2, 1_000, 9);
            assert_eq!(shelf.put(Shelved::new("a", 0), 0), None);
            assert_eq!(shelf.put(Shelved::new("b", 0), 1), None);
            assert_eq!(shelf.put(Shelved::new("c", 0), 2), Some("a"));
            assert_eq!(shelf.len(), 2);
        });
    }

    #[test]
    fn a_value_serves_as_often_as_it_may_and_no_more() {
        check(|| {
            let shelf = shelf(2, 1_000, 2);
            assert_eq!(shelf.put(Shelved::new("a", 0), 0), None, "one use");
            let (value, history) = shelf.take(0).unwrap().unwrap().split();
            assert!(history.is_used() && !Shelved::new("b", 0).is_used());
            assert_eq!(shelf.put(history.with(value), 0), Some("a"), "the second was its last");
            let once = Shelf::new(2, 1_000, NonZeroU32::MIN);
            assert_eq!(once.put(Shelved::new("b", 0), 0), Some("b"));
        });
    }

    #[test]
    fn uses_are_counted_as_they_were_many_one_or_none() {
        check(|| {
            let shelf = shelf(2, 1_000, 3);
            assert_eq!(shelf.put(Shelved::new("a", 0).after(0), 0), None);
            for (uses, all) in [(0, 0), (2, 2), (0, 2)] {
                let (value, history) = shelf.take(0).unwrap().unwrap().split();
                assert_eq!(shelf.put(history.after(uses).with(value), 0), None);
                let shelved = shelf.take(0).unwrap().unwrap();
                assert_eq!(shelved.uses(), all);
                assert_eq!(shelf.put(shelved.after(0), 0), None);
            }
            assert_eq!(shelf.put(shelf.take(0).unwrap().unwrap(), 0), Some("a"), "the third was its last");
        });
    }

    #[test]
    fn a_value_lives_as_long_as_it_may_and_no_longer() {
        check(|| {
            let shelf = shelf(2, 1_000, 9);
            assert_eq!(shelf.put(Shelved::new("a", 5), 1_004), None);
            assert_eq!(take(&shelf, 1_004), Some(Ok("a")));
            assert_eq!(shelf.put(Shelved::new("a", 5), 1_004), None);
            assert_eq!(take(&shelf, 1_005), Some(Err("a")));
            assert_eq!(shelf.put(Shelved::new("b", 5), 1_005), Some("b"));
        });
    }

    #[test]
    fn sweeps_what_is_idle_or_old_and_keeps_the_rest_in_order() {
        check(|| {
            let shelf = shelf(9, 1_000, 9);
            for (value, born_ms, used_ms) in [("idle", 900, 900), ("old", 0, 960), ("kept", 950, 960), ("newer", 950, 970)] {
                assert_eq!(shelf.put(Shelved::new(value, born_ms), used_ms), None);
            }
            assert_eq!(shelf.sweep(1_000, 100), ["idle", "old"]);
            assert_eq!((take(&shelf, 1_000), take(&shelf, 1_000)), (Some(Ok("newer")), Some(Ok("kept"))));
        });
    }

    #[test]
    fn keeps_nothing_once_closed() {
        check(|| {
            let shelf = shelf(2, 1_000, 9);
            assert_eq!(shelf.put(Shelved::new("a", 0), 0), None);
            let taken = shelf.take(0).unwrap().unwrap();
            assert_eq!(shelf.put(Shelved::new("b", 0), 0), None);
            assert_eq!(shelf.close(), ["b"]);
            assert_eq!(shelf.put(taken, 0), Some("a"));
            assert_eq!((take(&shelf, 0), shelf.len()), (None, 0));
        });
    }

    #[test]
    fn a_clock_that_went_back_makes_nothing_old() {
        check(|| {
            let shelf = shelf(2, 1_000, 9);
            assert_eq!(shelf.put(Shelved::new("a", 5_000), 5_000), None);
            assert_eq!(shelf.sweep(0, 1), [""; 0]);
            assert_eq!(take(&shelf, 0), Some(Ok("a")));
        });
    }
}
