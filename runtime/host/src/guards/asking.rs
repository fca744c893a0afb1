//! Which guards are being asked on this thread, for guards and capabilities in Rust that call plugins without saying on whose behalf.
//!
//! A guard's own calls are polled within the question, on the same thread, so whoever is asked again there is asked because it is asked. Easily got wrong: a name is here
//! only while its question is polled, and not while it waits.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    static HERE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Taken back also where the question panics.
struct Here;

impl Here {
    fn enter(name: &str) -> Self {
        HERE.with_borrow_mut(|here| here.push(name.to_owned()));
        Self
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.with_borrow_mut(Vec::pop);
    }
}

/// Whether this guard is being asked on this thread.
pub(super) fn is_here(name: &str) -> bool {
    HERE.with_borrow(|here| here.iter().any(|other| other == name))
}

/// A question to this guard.
pub(super) async fn here<T>(name: &str, question: impl Future<Output = T>) -> T {
    let mut question = pin!(question);
    poll_fn(|context| {
        let _here = Here::enter(name);
        question.as_mut().poll(context)
    })
    .await
}
