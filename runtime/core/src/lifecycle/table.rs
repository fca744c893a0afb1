//! The table of moves, and the one function that reads it. Nothing else decides about states.
//!
//! Easily got wrong: a move that is in no row is denied. There is no row that leaves a state unchanged but `update`.

use std::fmt;

use super::{Actor, Move, Stage};
use crate::Denial;

/// One legal move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// From where.
    pub from: Stage,
    /// By what.
    pub by_move: Move,
    /// To where.
    pub to: Stage,
    /// Who may cause it; never empty.
    pub who: &'static [Actor],
}

const fn row(from: Stage, by_move: Move, to: Stage, who: &'static [Actor]) -> Row {
    Row { from, by_move, to, who }
}

const OPERATOR: &[Actor] = &[Actor::Operator];
const HOST: &[Actor] = &[Actor::Host];
const ASKED: &[Actor] = &[Actor::Operator, Actor::Host];
const SEEN: &[Actor] = &[Actor::Host, Actor::Watch];
const CHOSEN: &[Actor] = &[Actor::Operator, Actor::Watch];
const ANYBODY: &[Actor] = &[Actor::Operator, Actor::Host, Actor::Watch];

/// Every legal move, in the order of states; for one state and one move there is at most one row.
pub const TABLE: &[Row] = &[
    // Consent is a person's: no host installs by itself what it found.
    row(Stage::Discovered, Move::Install, Stage::Installed, OPERATOR),
    // The file is no longer there, or nobody wants to see it.
    row(Stage::Discovered, Move::Remove, Stage::Removed, ASKED),
    row(Stage::Installed, Move::Enable, Stage::Enabling, ASKED),
    row(Stage::Installed, Move::Update, Stage::Installed, OPERATOR),
    row(Stage::Installed, Move::Remove, Stage::Removed, OPERATOR),
    row(Stage::Enabling, Move::Activate, Stage::Active, HOST),
    // Consent taken back while it compiled.
    row(Stage::Enabling, Move::Suspend, Stage::Suspended, SEEN),
    row(Stage::Enabling, Move::Disable, Stage::Disabling, ASKED),
    row(Stage::Enabling, Move::Fail, Stage::Failed, SEEN),
    row(Stage::Active, Move::Suspend, Stage::Suspended, SEEN),
    // By the watch: a version that rolls itself back.
    row(Stage::Active, Move::Update, Stage::Active, CHOSEN),
    row(Stage::Active, Move::Disable, Stage::Disabling, ASKED),
    row(Stage::Active, Move::Fail, Stage::Failed, SEEN),
    row(Stage::Suspended, Move::Update, Stage::Suspended, CHOSEN),
    row(Stage::Suspended, Move::Disable, Stage::Disabling, ASKED),
    row(Stage::Suspended, Move::Fail, Stage::Failed, SEEN),
    // The only way out, and only by the host, who knows when the last call has ended.
    row(Stage::Disabling, Move::Settle, Stage::Installed, HOST),
    row(Stage::Failed, Move::Recover, Stage::Enabling, ANYBODY),
    // Another version is tried at once: a failed plugin is one that should run.
    row(Stage::Failed, Move::Update, Stage::Enabling, CHOSEN),
    row(Stage::Failed, Move::Disable, Stage::Disabling, ASKED),
    row(Stage::Failed, Move::Remove, Stage::Removed, OPERATOR),
];

/// The rows that lead away from a state; none from `removed`.
pub fn rows_from(from: Stage) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(move |row| row.from == from)
}

/// Where the move leads.
///
/// # Errors
/// `E-LIFECYCLE-MOVE` where the state has no such move, `E-LIFECYCLE-WHO` where it has, and this actor may not cause it. The hint names what
/// is legal.
pub fn next(from: Stage, wanted: Move, who: Actor) -> Result<Stage, Denial> {
    let deny =
        |code: &str, rule: String, hint: String| Err(Denial { code: code.to_owned(), permission: "lifecycle".to_owned(), rule, hint });
    match rows_from(from).find(|row| row.by_move == wanted) {
        Some(row) if row.who.contains(&who) => Ok(row.to),
        Some(row) => deny(
            "E-LIFECYCLE-WHO",
            format!("`{wanted}` from `{from}` is not for the {who} to cause"),
            format!("`{wanted}` is for: {}", Listed(row.who)),
        ),
        None if rows_from(from).next().is_none() => deny(
            "E-LIFECYCLE-MOVE",
            format!("`{from}` is final: there is no `{wanted}` from it"),
            "install it again: that is another life".to_owned(),
        ),
        None => {
            let legal: Vec<String> = rows_from(from).map(|row| format!("`{}` ({})", row.by_move, Listed(row.who))).collect();
            deny("E-LIFECYCLE-MOVE", format!("there is no `{wanted}` from `{from}`"), format!("from `{from}`: {}", legal.join(", ")))
        }
    }
}

struct Listed(&'static [Actor]);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (last, rest) = self.0.split_last().ok_or(fmt::Error)?;
        rest.iter().try_for_each(|actor| write!(f, "{actor}, "))?;
        last.fmt(f)
    }
}
