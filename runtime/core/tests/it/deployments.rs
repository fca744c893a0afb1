//! The decisions about deployments: what may not be deployed, who loses a race, where nobody can roll back to.

use std::collections::BTreeMap;

use plugwork_core::Digest;
use plugwork_core::application::Application;
use plugwork_core::deployment::{
    ApplicationKey, BY_BYTES_MAX, Conflict, Current, Deployment, Draft, Expected, Move, Moved, NOTE_BYTES_MAX, Rollback, RollbackRefused,
    next_number,
};

const TEXT: &str = "name = 'a'\nroute = [{ path = '/', plugin = 'p' }]\n[plugin.p]\nsource = 'p.wasm'\n[split]\npercent = 10";

fn draft() -> Draft {
    let plugins = BTreeMap::from([("p".to_owned(), Digest::of(b"p"))]);
    Draft::new("default", &Application::parse(TEXT).unwrap(), plugins, "ana", "first").unwrap()
}

fn key() -> ApplicationKey {
    ApplicationKey { tenant: "default".to_owned(), application: "a".to_owned() }
}

fn places(draft: &Draft) -> Vec<String> {
    draft.issues().into_iter().map(|issue| issue.at).collect()
}

#[test]
fn a_draft_that_does_not_fit_together_is_refused_with_all_of_it() {
    let good = draft();
    assert_eq!(places(&good), <[&str; 0]>::default());
    let mut bad = good.clone();
    bad.key = ApplicationKey { tenant: "Other Tenant".to_owned(), application: "b".to_owned() };
    bad.plugins = BTreeMap::from([("q".to_owned(), Digest::of(b"q"))]);
    bad.by = "  ".to_owned();
    bad.note = "a\u{202e}b".to_owned();
    assert_eq!(places(&bad), ["tenant", "name", "plugin.p", "plugin.q", "by", "note"]);
    assert_eq!(places(&Draft { text: "name = 'a'".to_owned(), ..good.clone() }), ["route"]);
    for (by, note, wrong) in
        [("x".repeat(BY_BYTES_MAX), "n".repeat(NOTE_BYTES_MAX), 0), ("x".repeat(BY_BYTES_MAX + 1), "n".repeat(NOTE_BYTES_MAX + 1), 2)]
    {
        assert_eq!(places(&Draft { by, note, ..good.clone() }).len(), wrong);
    }
    assert_eq!(places(&Draft { by: "ana\nbob".to_owned(), note: "two\nlines".to_owned(), ..good }), ["by"]);
}

#[test]
fn a_digest_names_every_part_of_a_deployment() {
    let good = draft().numbered(3, 5);
    assert!(good.is_intact());
    let edits: [fn(&mut Deployment); 9] = [
        |one| one.key.tenant.push('x'),
        |one| one.key.application.push('x'),
        |one| one.number = 4,
        |one| one.text.push(' '),
        |one| one.plugins = BTreeMap::from([("p".to_owned(), Digest::of(b"q"))]),
        |one| one.plugins.extend([("q".to_owned(), Digest::of(b"p"))]),
        |one| one.created_ms = 6,
        |one| one.by.push('x'),
        // What moves from one field to its neighbour is another content.
        |one| {
            let last = one.by.pop().unwrap();
            one.note.insert(0, last);
        },
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let mut edited = good.clone();
        edit(&mut edited);
        assert!(!edited.is_intact(), "edit {index}");
    }
    assert_eq!(good.application().unwrap().name, "a");
}

#[test]
fn who_expects_another_number_loses() {
    for (expected, current, holds) in [
        (Expected::Anything, None, true),
        (Expected::Anything, Some(3), true),
        (Expected::Nothing, None, true),
        (Expected::Nothing, Some(1), false),
        (Expected::Number(1), None, false),
        (Expected::Number(2), Some(3), false),
        (Expected::Number(3), Some(3), true),
    ] {
        let outcome = if holds { Ok(()) } else { Err(Conflict { expected, current }) };
        assert_eq!(expected.check(current), outcome);
    }
    let told = Conflict { expected: Expected::Number(2), current: Some(3) }.to_string();
    assert!(told.starts_with("deployment 3 is current, not 2\nhint: "), "{told}");
    assert_eq!((next_number(None), next_number(Some(7))), (1, 8));
}

#[test]
fn nobody_rolls_back_to_nothing_to_the_current_or_to_what_never_was() {
    let rollback = |to| Rollback { key: key(), to, by: "ana".to_owned(), reason: "worse".to_owned() };
    assert_eq!(rollback(1).decide(None, false), Err(RollbackRefused::NothingDeployed));
    assert_eq!(rollback(2).decide(Some(2), true), Err(RollbackRefused::AlreadyCurrent { number: 2 }));
    assert_eq!(rollback(9).decide(Some(2), false), Err(RollbackRefused::Unknown { number: 9 }));
    assert_eq!(rollback(1).decide(Some(2), true), Ok(()));
    // Forward again, to what was left.
    assert_eq!(rollback(3).decide(Some(2), true), Ok(()));
    assert_eq!(Rollback { by: String::new(), reason: "\0".to_owned(), ..rollback(1) }.issues().len(), 2);
}

#[test]
fn requests_are_shared_with_the_one_before_and_never_after_a_rollback() {
    let following = |last: Option<&Move>, to, moved| Move::following(last, key(), to, moved, 5, "ana".to_owned(), String::new());
    let first = following(None, 1, Moved::Deployed);
    let second = following(Some(&first), 2, Moved::Deployed);
    let back = following(Some(&second), 1, Moved::RolledBack);
    let third = following(Some(&back), 3, Moved::Deployed);
    assert_eq!((first.sequence, third.sequence, third.from), (1, 4, Some(1)));
    let application = Application::parse(TEXT).unwrap();
    for (moved, partner) in [(first, None), (second, Some(1)), (back, None), (third, Some(1))] {
        let current = Current { deployment: draft().numbered(moved.to, 5), moved };
        assert_eq!(current.split(&application).map(|(number, _)| number), partner);
        assert_eq!(current.split(&Application { split: None, ..application.clone() }), None);
    }
}
