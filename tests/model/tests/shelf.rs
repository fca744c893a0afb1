//! The shelf of a pool, in every order: a value is never with two takers, none is lost, nothing is kept after closing.
//!
//! May be misread: `shelf` below is the host's own file. Its bounds in age and uses need no second thread: its own tests check them.

#[path = "../../../runtime/host/src/shelf.rs"]
#[allow(dead_code, reason = "what only the rooms of the host use is not part of this model")]
mod shelf;

mod sync {
    pub(crate) use loom::model as check;
    pub(crate) use loom::sync::Mutex;
}

use std::num::NonZeroU32;
// `std`'s where a test keeps its books: they are no part of what is checked, and each of loom's would multiply the orders.
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use loom::sync::Arc;
use loom::thread;
use shelf::{Shelf, Shelved};

/// Every order with at most three forced switches: without a bound some of these take minutes, and a race needs one or two.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

/// An instance that knows whether it is in use, and counts when it is ended.
#[derive(Debug)]
struct Instance {
    used: Arc<AtomicBool>,
    ended: Arc<AtomicU32>,
}

impl Instance {
    fn new(ended: &Arc<AtomicU32>) -> Self {
        Self { used: Arc::new(AtomicBool::new(false)), ended: ended.clone() }
    }

    fn begin(&self) {
        assert!(!self.used.swap(true, Ordering::SeqCst), "with two at once");
    }

    fn finish(&self) {
        self.used.store(false, Ordering::SeqCst);
    }

    fn end(self) {
        assert!(!self.used.load(Ordering::SeqCst), "ended in the middle of a call");
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn shelf(count_max: usize) -> Arc<Shelf<Instance>> {
    Arc::new(Shelf::new(count_max, 1_000, NonZeroU32::new(9).expect("not zero")))
}

/// One call as the host makes it: from the shelf or new, and back or ended. How many it made.
fn call(shelf: &Shelf<Instance>, ended: &Arc<AtomicU32>) -> u32 {
    let (shelved, made) = match shelf.take(0) {
        Some(taken) => (taken.expect("it is young"), 0),
        None => (Shelved::new(Instance::new(ended), 0), 1),
    };
    let (instance, history) = shelved.split();
    instance.begin();
    // The call: others run meanwhile.
    thread::yield_now();
    instance.finish();
    if let Some(rest) = shelf.put(history.with(instance), 0) {
        rest.end();
    }
    made
}

#[test]
fn none_is_lost_and_none_is_with_two() {
    model(|| {
        let (shelf, ended) = (shelf(1), Arc::new(AtomicU32::new(0)));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (shelf, ended) = (shelf.clone(), ended.clone());
                thread::spawn(move || call(&shelf, &ended))
            })
            .collect();
        let mut made = call(&shelf, &ended);
        assert!(shelf.len() <= 1, "more than its bound");
        for caller in callers {
            made += caller.join().unwrap();
        }
        assert_eq!(shelf.len(), 1);
        assert_eq!(ended.load(Ordering::SeqCst) + 1, made);
    });
}

#[test]
fn nothing_is_kept_after_it_closed() {
    model(|| {
        let (shelf, ended) = (shelf(2), Arc::new(AtomicU32::new(0)));
        let first = call(&shelf, &ended);
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (shelf, ended) = (shelf.clone(), ended.clone());
                thread::spawn(move || call(&shelf, &ended))
            })
            .collect();
        shelf.close().into_iter().for_each(Instance::end);
        assert_eq!(shelf.len(), 0);
        let made: u32 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        assert_eq!((shelf.len(), shelf.take(0).is_none()), (0, true));
        assert_eq!(ended.load(Ordering::SeqCst), first + made, "every one of them was ended, once");
    });
}

#[test]
fn what_is_swept_is_with_nobody_else() {
    model(|| {
        let (shelf, ended) = (shelf(2), Arc::new(AtomicU32::new(0)));
        let mut made = call(&shelf, &ended);
        let (theirs, theirs_ended) = (shelf.clone(), ended.clone());
        let caller = thread::spawn(move || call(&theirs, &theirs_ended));
        for idle in shelf.sweep(0, 0) {
            idle.end();
        }
        made += caller.join().unwrap();
        assert_eq!(ended.load(Ordering::SeqCst) + u32::try_from(shelf.len()).unwrap(), made);
    });
}
