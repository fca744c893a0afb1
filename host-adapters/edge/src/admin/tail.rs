//! The access log as it happens, for whoever follows it. Never more than a bounded number of lines is kept, and nobody who serves waits for a reader.
//!
//! Easily got wrong: where nobody follows, a request costs one look at a number. Lines that a slow reader missed are counted and told, never sent late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use crate::access::{Access, AccessLog};

/// Lines that wait for a reader.
pub(crate) const LINES_MAX: usize = 1_024;
/// Readers at once.
const READERS_MAX: usize = 16;

/// The log. Clones are one.
#[derive(Debug, Clone)]
pub struct Tail {
    lines: Sender<Arc<Access>>,
    readers: Arc<AtomicUsize>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { lines: Sender::new(LINES_MAX), readers: Arc::default() }
    }
}

impl Tail {
    /// A log that shows its requests to whoever follows, and tells another one.
    pub fn over<L: AccessLog>(&self, log: L) -> Tailing<L> {
        Tailing { tail: self.clone(), log }
    }

    /// One more reader; none where there are too many.
    pub(crate) fn follow(&self) -> Option<Following> {
        let readers = self.readers.fetch_add(1, Ordering::Relaxed);
        let following = Following { lines: self.lines.subscribe(), readers: self.readers.clone() };
        (readers < READERS_MAX).then_some(following)
    }
}

/// What [`Tail::over`] gives.
#[derive(Debug)]
pub struct Tailing<L> {
    tail: Tail,
    log: L,
}

impl<L: AccessLog> AccessLog for Tailing<L> {
    fn answered(&self, access: &Access) {
        if self.tail.readers.load(Ordering::Relaxed) > 0 {
            // Nobody follows any more: then nobody is told.
            let _ = self.tail.lines.send(Arc::new(access.clone()));
        }
        self.log.answered(access);
    }
}

/// One reader.
#[derive(Debug)]
pub(crate) struct Following {
    lines: Receiver<Arc<Access>>,
    readers: Arc<AtomicUsize>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    Request(Arc<Access>),
    /// So many were missed.
    Lost(u64),
}

impl Following {
    /// Waits for it; none: there will be nothing more.
    pub(crate) async fn next(&mut self) -> Option<Next> {
        match self.lines.recv().await {
            Ok(access) => Some(Next::Request(access)),
            Err(RecvError::Lagged(lost)) => Some(Next::Lost(lost)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_lines_it_lost_and_nothing_waits_for_it() {
        let tail = Tail::default();
        let log = tail.over(|_: &Access| {});
        let tell = |number: usize| log.answered(&Access { path: format!("/{number}"), ..Access::default() });
        tell(0);
        let mut following = tail.follow().unwrap();
        for number in 1..=LINES_MAX + 7 {
            tell(number);
        }
        assert!(matches!(following.next().await, Some(Next::Lost(7))));
        let Some(Next::Request(access)) = following.next().await else { panic!("the oldest that is left") };
        assert_eq!(access.path, "/8");
    }

    #[test]
    fn there_are_so_many_readers_and_not_one_more() {
        let tail = Tail::default();
        let mut readers: Vec<_> = std::iter::from_fn(|| tail.follow()).collect();
        assert_eq!(readers.len(), READERS_MAX);
        readers.pop();
        assert!(tail.follow().is_some());
    }
}
