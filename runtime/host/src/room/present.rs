//! Who is in a room: whom to tell, and what each of them used.
//!
//! What one guest does for several at once cannot be told apart from outside, so it is divided: what was used while so many were in it is theirs in equal
//! parts. The sums are right, the parts are an estimate. Easily got wrong: a fault of the instance is told to everybody, and counts against the plugin
//! once.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Told, Visit};
use crate::error::{Error, Result};
use crate::interfaces::http::Incoming;
use crate::interfaces::http::client_wait::ClientWait;
use crate::lateness::Lateness;
use crate::ledger::Spend;

/// One who is in it.
struct Visitor {
    id: u64,
    told: oneshot::Sender<Told>,
    began: Instant,
    deadline: Instant,
    cpu: Duration,
    host_calls: u64,
}

/// All who are in it, in the order in which they came.
#[derive(Default)]
pub(super) struct Present {
    visitors: Mutex<Vec<Visitor>>,
    /// When the last of all who ever were in it is late.
    latest: Mutex<Option<Instant>>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    /// The thread's processor time up to which it was divided. Another thread has another clock: set anew at each turn.
    divided: Duration,
    all: Duration,
}

/// What a visit is inside.
pub(super) struct Begun {
    pub(super) incoming: Incoming,
    pub(super) given_up: oneshot::Receiver<()>,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    pub(super) wait: ClientWait,
}

impl Present {
    fn visitors(&self) -> MutexGuard<'_, Vec<Visitor>> {
        self.visitors.lock().expect("no panic happens under this lock")
    }

    pub(super) fn begin(&self, id: u64, visit: Visit) -> Begun {
        let Visit { incoming, began, deadline, told, given_up } = visit;
        let mut latest = self.latest.lock().expect("no panic happens under this lock");
        *latest = latest.max(Some(deadline));
        drop(latest);
        self.visitors().push(Visitor { id, told, began, deadline, cpu: Duration::ZERO, host_calls: 0 });
        Begun { incoming, given_up, began, deadline, wait: ClientWait::default() }
    }

    /// When the first of them is late; where nobody is left, when the last one would have been.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let first = self.visitors().iter().map(|visitor| visitor.deadline).min();
        first.or_else(|| *self.latest.lock().expect("no panic happens under this lock"))
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().expect("no panic happens under this lock")
    }

    /// A turn begins, at this time of its thread.
    pub(super) fn begins_to_work(&self, now: Duration) {
        self.work().divided = now;
    }

    /// The guest worked until now for all who are there: for how long.
    pub(super) fn worked_until(&self, now: Duration) -> Duration {
        let mut work = self.work();
        let spent = now.saturating_sub(std::mem::replace(&mut work.divided, now));
        work.all += spent;
        drop(work);
        let mut visitors = self.visitors();
        let count = u32::try_from(visitors.len()).unwrap_or(u32::MAX).max(1);
        visitors.iter_mut().for_each(|visitor| visitor.cpu += spent / count);
        spent
    }

    /// How long it worked altogether.
    pub(super) fn worked(&self) -> Duration {
        self.work().all
    }

    /// It made so many calls into the host; what cannot be divided is the first one's.
    pub(super) fn share_host_calls(&self, calls: u64) {
        let mut visitors = self.visitors();
        let count = (visitors.len() as u64).max(1);
        visitors.iter_mut().for_each(|visitor| visitor.host_calls += calls / count);
        visitors.iter_mut().take(1).for_each(|visitor| visitor.host_calls += calls % count);
    }

    /// Tells one how its visit ended.
    pub(super) fn end(&self, id: u64, answer: Result<()>, instance: &Spend) {
        let mut visitors = self.visitors();
        let at = visitors.iter().position(|visitor| visitor.id == id);
        let visitor = at.map(|at| visitors.remove(at));
        drop(visitors);
        visitor.into_iter().for_each(|visitor| visitor.tell(answer.clone(), instance));
    }

    /// What one waited for, without what the guest worked for it: that was no wait, whatever its client did meanwhile.
    pub(super) fn without_work(&self, id: u64, lateness: Lateness) -> Lateness {
        let worked = self.visitors().iter().find(|visitor| visitor.id == id).map_or(Duration::ZERO, |visitor| visitor.cpu);
        let rest = lateness.ran.saturating_sub(lateness.queued + worked);
        Lateness { client: lateness.client.min(rest), ..lateness }
    }

    /// Nobody waits for this one any more.
    pub(super) fn forget(&self, id: u64) {
        self.visitors().retain(|visitor| visitor.id != id);
    }

    /// Tells all who are left that their instance came to an end. How many they were.
    pub(super) fn end_all(&self, error: &Error, instance: &Spend) -> usize {
        let visitors = std::mem::take(&mut *self.visitors());
        let count = visitors.len();
        for (number, visitor) in visitors.into_iter().enumerate() {
            let error = if number == 0 { error.clone() } else { error.clone().hurried() };
            visitor.tell(Err(error), instance);
        }
        count
    }
}

impl Visitor {
    fn tell(self, answer: Result<()>, instance: &Spend) {
        let spend = Spend {
            calls: 1,
            time: self.began.elapsed(),
            cpu: self.cpu,
            host_calls: self.host_calls,
            memory_bytes: instance.memory_bytes,
            memory_peak_bytes: instance.memory_peak_bytes,
            log_records: 0,
        };
        // It may have left in this moment.
        drop(self.told.send(Told { answer, spend }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use plugwork_core::Fault;

    use super::*;

    #[test]
    fn what_was_used_is_divided_and_the_sums_are_right() {
        let present = Present::default();
        let mut told = HashMap::new();
        for id in 0..3 {
            let (visit, is_told) = Visit::of_test();
            present.begin(id, visit);
            told.insert(id, is_told);
            present.begins_to_work(Duration::from_millis(id));
            assert_eq!(present.worked_until(Duration::from_millis(id + 6)), Duration::from_millis(6));
            present.share_host_calls(7);
        }
        for id in 0..3 {
            present.end(id, Ok(()), &Spend::default());
        }
        let mut spend = |id: u64| told.get_mut(&id).unwrap().try_recv().unwrap().spend;
        let all = [spend(0), spend(1), spend(2)];
        assert_eq!(all.map(|spend| spend.cpu.as_millis()), [11, 5, 2]);
        assert_eq!(all.map(|spend| spend.host_calls), [7 + 4 + 3, 3 + 2, 2]);
    }

    #[test]
    fn a_guest_that_works_all_the_time_does_not_wait_for_the_client() {
        let ms = Duration::from_millis;
        let present = Present::default();
        for id in 0..2 {
            present.begin(id, Visit::of_test().0);
        }
        // For both, and then for the first alone.
        present.begins_to_work(ms(0));
        present.worked_until(ms(40));
        let lateness = Lateness { ran: ms(100), queued: ms(10), client: ms(100) };
        let client = |present: &Present, id| present.without_work(id, lateness).client;
        assert_eq!((client(&present, 0), client(&present, 1)), (ms(70), ms(70)), "each the half");
        present.forget(1);
        present.worked_until(ms(80));
        let told = present.without_work(0, lateness).tell(Error::from_fault(Fault::Deadline { limit_ms: 100, ran_ms: 100 }));
        assert_eq!((client(&present, 0), told.is_for_the_client()), (ms(30), false));
        assert_eq!(Error::says_of_plugin(Some(&told)), Some(true));
    }

    #[test]
    fn a_fault_is_told_to_all_and_counts_once() {
        let present = Present::default();
        let mut told = Vec::new();
        for id in 0..3 {
            let (visit, is_told) = Visit::of_test();
            present.begin(id, visit);
            told.push(is_told);
        }
        assert_eq!(present.end_all(&Error::from_fault(Fault::Stack), &Spend::default()), 3);
        let counts: Vec<_> = told
            .iter_mut()
            .map(|is_told| {
                let error = is_told.try_recv().unwrap().answer.unwrap_err();
                assert_eq!(error.fault(), Some(&Fault::Stack));
                Error::says_of_plugin(Some(&error))
            })
            .collect();
        assert_eq!(counts, [Some(true), None, None]);
    }
}
