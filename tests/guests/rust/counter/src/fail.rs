//! The failures that a test asks for: `{"fail": "restore", "by": "throw", "version": "1.1.0"}` as configuration.
//!
//! `fail` is a function of the lifecycle or the handover, or `next`; `by` is `refuse`, `throw` or `loop`; with `version` only that version
//! fails. `next` has no error to refuse with, so there `refuse` is a throw.

use std::cell::RefCell;

use plugwork_guest::{Options, Refusal, Result};
use serde::Deserialize;

use crate::VERSION;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    fail: String,
    by: String,
    version: Option<String>,
}

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::default();
}

pub(crate) fn configure(config: &Options) -> Result<()> {
    ASKED.set(config.parse()?);
    Ok(())
}

pub(crate) fn at(place: &str) -> Result<()> {
    let asked = ASKED.with_borrow(Asked::clone);
    if asked.fail != place || asked.version.is_some_and(|version| version != VERSION) {
        return Ok(());
    }
    match asked.by.as_str() {
        "refuse" => Err(Refusal::unavailable(format!("`{place}` was asked to refuse"))),
        "throw" => panic!("`{place}` was asked to throw"),
        "loop" => loop {
            std::hint::black_box(());
        },
        other => Err(Refusal::invalid(format!("`{other}` is no way to fail"), "/by", "refuse, throw or loop")),
    }
}

pub(crate) fn at_next() {
    if let Err(refusal) = at("next") {
        panic!("{refusal}");
    }
}
