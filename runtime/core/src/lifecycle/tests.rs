//! Every state, move and actor against the rules spelled out a second time, by what each move means rather than by rows.

use std::collections::BTreeSet;

use super::*;

/// The same rules told by move: where it may begin, where it leads, who may cause it.
fn oracle(from: Stage, wanted: Move, who: Actor) -> Option<Stage> {
    let attached_or_meant_to_be = matches!(from, Stage::Enabling | Stage::Active | Stage::Suspended | Stage::Failed);
    let (person, host, watch) = (who == Actor::Operator, who == Actor::Host, who == Actor::Watch);
    let to = match wanted {
        Move::Install => (from == Stage::Discovered && person).then_some(Stage::Installed),
        Move::Enable => (from == Stage::Installed && !watch).then_some(Stage::Enabling),
        Move::Activate => (from == Stage::Enabling && host).then_some(Stage::Active),
        Move::Suspend => (matches!(from, Stage::Enabling | Stage::Active) && !person).then_some(Stage::Suspended),
        Move::Update if host => None,
        Move::Update => match from {
            Stage::Installed if person => Some(Stage::Installed),
            Stage::Active | Stage::Suspended => Some(from),
            Stage::Failed => Some(Stage::Enabling),
            _ => None,
        },
        Move::Disable => (attached_or_meant_to_be && !watch).then_some(Stage::Disabling),
        Move::Settle => (from == Stage::Disabling && host).then_some(Stage::Installed),
        Move::Fail => (attached_or_meant_to_be && from != Stage::Failed && !person).then_some(Stage::Failed),
        Move::Recover => (from == Stage::Failed).then_some(Stage::Enabling),
        Move::Remove => match from {
            Stage::Discovered if !watch => Some(Stage::Removed),
            Stage::Installed | Stage::Failed if person => Some(Stage::Removed),
            _ => None,
        },
    };
    to.filter(|_| from != Stage::Removed)
}

#[test]
fn every_state_move_and_actor_is_decided_as_spelled_out() {
    let mut legal = 0;
    for &from in Stage::ALL {
        for &wanted in Move::ALL {
            for &who in Actor::ALL {
                let found = next(from, wanted, who);
                assert_eq!(found.clone().ok(), oracle(from, wanted, who), "{from} {wanted} {who}");
                legal += usize::from(found.is_ok());
                if let Err(denial) = found {
                    let anybody = Actor::ALL.iter().any(|&other| oracle(from, wanted, other).is_some());
                    assert_eq!(denial.code, if anybody { "E-LIFECYCLE-WHO" } else { "E-LIFECYCLE-MOVE" }, "{denial}");
                    assert!(!denial.hint.is_empty() && denial.permission == "lifecycle", "{denial}");
                }
            }
        }
    }
    assert_eq!((Stage::ALL.len() * Move::ALL.len() * Actor::ALL.len(), legal), (240, 37));
}

#[test]
fn a_state_and_a_move_stand_in_at_most_one_row_and_each_row_names_somebody() {
    let rows: BTreeSet<_> = TABLE.iter().map(|row| (row.from, row.by_move)).collect();
    assert_eq!(rows.len(), TABLE.len());
    for row in TABLE {
        let who: BTreeSet<_> = row.who.iter().collect();
        assert!(!who.is_empty() && who.len() == row.who.len(), "{row:?}");
    }
}

/// What can be reached from a state by any moves.
fn reached(from: Stage) -> BTreeSet<Stage> {
    let mut found = BTreeSet::from([from]);
    loop {
        let more: BTreeSet<Stage> = found.iter().flat_map(|&stage| rows_from(stage)).map(|row| row.to).collect();
        if more.is_subset(&found) {
            return found;
        }
        found.extend(more);
    }
}

#[test]
fn every_state_is_reached_from_discovered_and_removed_from_every_state() {
    assert!(reached(Stage::Discovered).into_iter().eq(Stage::ALL.iter().copied()));
    for &stage in Stage::ALL {
        assert!(reached(stage).contains(&Stage::Removed), "{stage}");
    }
}

#[test]
fn removed_is_final_and_nothing_begins_again_at_discovered() {
    assert_eq!(rows_from(Stage::Removed).count(), 0);
    assert!(TABLE.iter().all(|row| row.to != Stage::Discovered));
    let denial = next(Stage::Removed, Move::Enable, Actor::Operator).unwrap_err();
    assert_eq!((denial.code.as_str(), denial.rule.as_str()), ("E-LIFECYCLE-MOVE", "`removed` is final: there is no `enable` from it"));
}

#[test]
fn a_way_is_left_by_the_host_alone_and_never_for_another_way_without_end() {
    for way in [Stage::Enabling, Stage::Disabling] {
        assert!(!way.settled());
        assert!(rows_from(way).any(|row| row.to.settled() && row.who.contains(&Actor::Host)), "{way}");
    }
    assert_eq!(Stage::ALL.iter().filter(|stage| !stage.settled()).count(), 2);
    // Nothing that runs can be removed under its callers: it is disabled first.
    for stage in [Stage::Enabling, Stage::Active, Stage::Suspended, Stage::Disabling] {
        assert!(next(stage, Move::Remove, Actor::Operator).is_err(), "{stage}");
    }
}

#[test]
fn the_watch_never_attaches_what_no_operator_enabled() {
    for from in [Stage::Discovered, Stage::Installed, Stage::Removed, Stage::Disabling] {
        assert!(Move::ALL.iter().all(|&wanted| next(from, wanted, Actor::Watch).is_err()), "{from}");
    }
}

#[test]
fn a_denial_names_the_legal_moves_and_who_may() {
    let denial = next(Stage::Installed, Move::Activate, Actor::Operator).unwrap_err();
    assert_eq!(
        denial.to_string(),
        "denied `lifecycle` (E-LIFECYCLE-MOVE): there is no `activate` from `installed`\n\
         hint: from `installed`: `enable` (operator, host), `update` (operator), `remove` (operator)"
    );
    let denial = next(Stage::Active, Move::Disable, Actor::Watch).unwrap_err();
    assert_eq!((denial.code.as_str(), denial.hint.as_str()), ("E-LIFECYCLE-WHO", "`disable` is for: operator, host"));
}

#[test]
fn states_are_shown_and_written_with_their_reasons() {
    let states = [
        (State::Active, "active", r#"{"state":"active"}"#),
        (State::Suspended { reason: "breaker".to_owned() }, "suspended: breaker", r#"{"state":"suspended","reason":"breaker"}"#),
        (State::Failed { fault: "trapped".to_owned() }, "failed: trapped", r#"{"state":"failed","fault":"trapped"}"#),
        (State::Failed { fault: String::new() }, "failed", r#"{"state":"failed","fault":""}"#),
    ];
    for (state, shown, written) in states {
        assert_eq!(state.to_string(), shown);
        assert_eq!(serde_json::to_string(&state).unwrap(), written);
        assert_eq!(serde_json::from_str::<State>(written).unwrap(), state);
    }
    for &stage in Stage::ALL {
        assert_eq!(serde_json::to_string(&stage).unwrap(), format!("\"{stage}\""));
    }
    for &wanted in Move::ALL {
        assert_eq!(serde_json::to_string(&wanted).unwrap(), format!("\"{wanted}\""));
    }
}
