//! One guest asked many texts, one after the other in one instance: what it answered, and what must be on record of that.
//!
//! Not here: what it is asked (the rows). Easily got wrong: a guest of WASI is told an error's number, so its denials are not among the answers; its
//! row says which must be on record.

use std::collections::BTreeSet;

use plugwork::{Limits, Subject};
use plugwork_core::Grants;

use crate::arena::Arena;
use crate::guest::Guest;
use crate::row::Contained;
use crate::world::Text;

/// What a guest answered to each of many texts, and what was decided about it meanwhile.
pub(super) struct Answered {
    /// The answers; `fault` and its words where there was none.
    pub(super) texts: Vec<String>,
    subject: Subject,
    faults: BTreeSet<&'static str>,
}

impl Answered {
    /// Contained, with every fault on record, and every denial whose code the guest was told.
    pub(super) fn contained(&self, how: impl Into<String>) -> Contained {
        let denied: BTreeSet<_> = self.texts.iter().filter(|text| text.starts_with("E-CAP-") || text.starts_with("E-LIMIT-")).collect();
        let codes = denied.into_iter().cloned().chain(self.faults.iter().map(|code| (*code).to_owned()));
        Contained::harmless(how).on_record(codes.map(|code| (self.subject.clone(), code)))
    }

    /// A denial of its capability, whatever its code, that must be on record.
    pub(super) fn denial(&self, prefix: &str) -> (Subject, String) {
        (self.subject.clone(), prefix.to_owned())
    }
}

/// The text a guest answers to a text, in one instance, for each of many.
pub(super) async fn answers(
    arena: &Arena,
    guest: &Guest,
    limits: Limits,
    grants: Grants,
    inputs: &[String],
) -> Result<Vec<String>, String> {
    Ok(answered(arena, guest, limits, grants, inputs).await?.texts)
}

/// As [`answers`], with what must be on record of it.
pub(super) async fn answered(arena: &Arena, guest: &Guest, limits: Limits, grants: Grants, inputs: &[String]) -> Result<Answered, String> {
    let plugin = arena.accept(guest, limits, grants).await.map_err(|error| format!("{error:?}"))?;
    let mut session = plugin.session::<Text>().await.map_err(|error| format!("{error:?}"))?;
    let mut answered = Answered { texts: Vec::new(), subject: plugin.subject().clone(), faults: BTreeSet::new() };
    for input in inputs {
        let answer = session.call_input(input).await;
        if let Err(error) = &answer {
            answered.faults.extend(error.fault().map(plugwork::Fault::code));
            session = plugin.session::<Text>().await.map_err(|again| format!("{error:?}, then {again:?}"))?;
        }
        answered.texts.push(answer.unwrap_or_else(|error| format!("fault {error}")));
    }
    Ok(answered)
}
