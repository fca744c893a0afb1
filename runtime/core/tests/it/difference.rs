//! The difference between grants: fewer rights never need consent, more always do, and what it says agrees with how a grant narrows.

use std::sync::atomic::{AtomicUsize, Ordering};

use plugwork_core::difference::Change;
use plugwork_core::{Difference, Grants};
use serde_json::{Map, Value, json};

use crate::PATIENCE;
use crate::grants::{Drawn, can_do, keeps_limits, manifest};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn what_passes_without_consent_can_do_no_more() {
    let (passed, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    bolero::check!().with_iterations(150).with_test_time(PATIENCE).with_type::<[(Drawn, Drawn, u8); 2]>().for_each(|drawn| {
        let from: Vec<Drawn> = drawn.iter().filter(|(.., side)| side % 8 != 0).map(|(from, ..)| from.clone()).collect();
        let to: Vec<Drawn> = drawn
            .iter()
            .filter(|(.., side)| side % 8 > 1)
            .map(|(from, to, side)| if side % 8 == 2 { from.clone() } else { to.like(from) })
            .collect();
        let (from, to) = (Drawn::grants(&from), Drawn::grants(&to));
        let difference = Difference::between(&from, &to);
        if difference.needs_consent() {
            asked.fetch_add(1, Ordering::Relaxed);
            return;
        }
        passed.fetch_add(1, Ordering::Relaxed);
        assert!(can_do(&from).iter().zip(can_do(&to)).all(|(before, after)| *before || !after), "{from:?}\n{to:?}\n{difference}");
        for grant in to.iter() {
            let before = from.get(&grant.capability).unwrap();
            assert!(keeps_limits(&grant.capability, before, &grant.bounds), "{before:?}\n{grant}\n{difference}");
        }
    });
    let (passed, asked) = (passed.into_inner(), asked.into_inner());
    assert!(passed > 5 && asked > 5, "{passed} passed, {asked} asked");
}

#[test]
fn consent_is_needed_exactly_where_the_new_is_no_narrower_grant_of_the_old() {
    bolero::check!().with_iterations(3000).with_test_time(PATIENCE).with_type::<(Drawn, Drawn)>().for_each(|(from, to)| {
        let to = to.like(from);
        let (capability, from, to) = (from.capability(), from.bounds(), to.bounds());
        // Complete on both sides: what a grant leaves out it takes over from what was asked, what a later one leaves out is gone.
        // Reuse is no limit: without that bound there is none of it.
        let limit_lost = from.keys().any(|key| !to.contains_key(key) && !matches!(key.as_str(), "reuse-calls" | "calls-at-once"));
        let grants = |bounds: &Map<String, Value>| Grants::none().with(capability, bounds.clone());
        let narrows = !limit_lost && grants(&to).narrowing(Some(&manifest(&grants(&from)))).is_ok();
        let difference = Difference::between(&grants(&from), &grants(&to));
        assert_eq!(difference.needs_consent(), !narrows, "{from:?}\n{to:?}\n{difference}");
    });
}

#[test]
fn the_same_grants_are_the_same_and_the_way_back_is_the_mirror() {
    bolero::check!().with_iterations(300).with_test_time(PATIENCE).with_type::<([Drawn; 3], [Drawn; 3])>().for_each(|(from, to)| {
        let (from, to) = (Drawn::grants(from), Drawn::grants(to));
        let same = Difference::between(&from, &from);
        assert!(same.is_empty() && !same.needs_consent() && same.to_string().is_empty());
        assert_eq!(same.lines.len(), from.iter().count());
        let (there, back) = (Difference::between(&from, &to), Difference::between(&to, &from));
        assert_eq!(there.is_empty(), !there.needs_consent() && !back.needs_consent(), "{there}\n{back}");
        let count =
            |difference: &Difference, wanted: fn(&Change) -> bool| difference.lines.iter().filter(|line| wanted(&line.change)).count();
        assert_eq!(
            count(&there, |change| matches!(change, Change::Added { .. })),
            count(&back, |change| matches!(change, Change::Removed { .. }))
        );
        // Narrower there is wider back; two that neither holds are wider both ways.
        assert!(
            count(&there, |change| matches!(change, Change::Narrowed { .. }))
                <= count(&back, |change| matches!(change, Change::Widened { .. }))
        );
    });
}

#[test]
fn a_person_reads_each_change_on_a_line_of_its_own() {
    let from = Grants::none()
        .with("filesystem", object(json!({"root": "/srv", "bytes": 5})))
        .with("http", object(json!({"hosts": ["a.example"], "methods": ["GET"]})))
        .with("random", object(json!({"call-bytes": 5})))
        .with("clock", object(json!({"resolution-ns": 5})));
    let to = Grants::none()
        .with("filesystem", object(json!({"root": "/srv", "files": 5})))
        .with("http", object(json!({"hosts": ["https://a.example"], "methods": ["GET", "POST"], "concurrency": 2})))
        .with("keyvalue", object(json!({"stores": ["cache"]})))
        .with("clock", object(json!({"resolution-ns": 5})));
    let difference = Difference::between(&from, &to);
    let expected = "~ filesystem.bytes: 5 -> no limit (more)\n\
        ~ filesystem.files: no limit -> 5 (less)\n\
        ~ http.concurrency: no limit -> 2 (less)\n\
        ~ http.methods: [\"GET\"] -> [\"GET\",\"POST\"] (more)\n\
        + keyvalue { stores = [\"cache\"] }\n\
        - random { call-bytes = 5 }\n";
    assert_eq!(difference.to_string(), expected);
    assert!(difference.needs_consent() && !difference.is_empty());
    let first = serde_json::to_value(&difference).unwrap()[0].clone();
    assert_eq!(first, json!({"capability": "clock", "change": "same"}));
    let second = serde_json::to_value(&difference).unwrap()[1].clone();
    assert_eq!(second, json!({"capability": "filesystem", "bound": "bytes", "change": "widened", "from": 5, "to": null}));
    assert_eq!(difference.lines[0].to_string(), "= clock");
}

#[test]
fn each_kind_of_change_alone_needs_consent_or_does_not() {
    let http = |bounds: Value| Grants::none().with("http", object(bounds));
    let one = || http(json!({"hosts": ["a.example"]}));
    for (from, to, consent) in [
        (Grants::none(), one(), true),
        (one(), Grants::none(), false),
        (one(), one(), false),
        (one(), http(json!({"hosts": ["a.example"], "methods": ["HEAD", "GET"], "redirects": false})), false),
        (one(), http(json!({"hosts": ["https://a.example"]})), false),
        (one(), http(json!({"hosts": ["http://a.example"]})), true),
        (http(json!({"hosts": ["*"]})), http(json!({"hosts": ["http://a.example"]})), true),
        (http(json!({"hosts": ["*"]})), http(json!({"hosts": ["b.example:8080"]})), true),
        (one(), http(json!({"hosts": ["a.example"], "redirects": true})), true),
        (one(), http(json!({"hosts": ["a.example"], "networks": ["127.0.0.1"]})), true),
        (http(json!({"hosts": ["*"], "networks": ["10.0.0.0/8"]})), http(json!({"hosts": ["*"], "networks": ["10.1.0.0/16"]})), false),
        (http(json!({"hosts": ["*"], "networks": ["10.1.0.0/16"]})), http(json!({"hosts": ["*"], "networks": ["10.0.0.0/8"]})), true),
        // What cannot be read cannot be called less.
        (one(), http(json!({"hosts": 5})), true),
        (http(json!({"hosts": 5})), one(), true),
        (http(json!({"hosts": 5})), http(json!({"hosts": 5})), false),
    ] {
        assert_eq!(Difference::between(&from, &to).needs_consent(), consent, "{from:?}\n{to:?}");
    }
    for (capability, bounds) in [
        ("clock", json!({"resolution-ns": 5})),
        ("random", json!({"call-bytes": 5})),
        ("environment", json!({"variables": ["LANG"]})),
        ("config", json!({"keys": []})),
        ("engine", json!({})),
    ] {
        let mut unknown = object(bounds.clone());
        unknown.insert("unknown".to_owned(), json!(1));
        let (from, to) = (Grants::none().with(capability, object(bounds)), Grants::none().with(capability, unknown));
        assert!(Difference::between(&from, &to).needs_consent(), "{capability}: a bound that nobody knows is no limit");
    }
    // Not to be granted reuse is the least, so that it appears is more and that it goes is less.
    let engine = |bounds: Value| Grants::none().with("engine", object(bounds));
    assert!(Difference::between(&engine(json!({})), &engine(json!({"reuse-calls": 2}))).needs_consent());
    assert!(Difference::between(&engine(json!({})), &engine(json!({"reuse-calls": 1}))).is_empty());
    let less = Difference::between(&engine(json!({"reuse-calls": 9})), &engine(json!({})));
    assert_eq!((less.needs_consent(), less.to_string().as_str()), (false, "~ engine.reuse-calls: 9 -> 1 (less)\n"));
    // What an application's own bound means by being there, only the application knows.
    let own = |bounds: Value| Grants::none().with("own", object(bounds));
    assert!(Difference::between(&own(json!({})), &own(json!({"level": "admin"}))).needs_consent());
    assert!(Difference::between(&own(json!({"depth": 5})), &own(json!({}))).needs_consent());
    assert!(!Difference::between(&own(json!({"depth": 5})), &own(json!({"depth": 4}))).needs_consent());
}

#[test]
fn an_update_that_asks_for_the_same_or_less_needs_no_consent() {
    let in_force = Grants::none()
        .with("http", object(json!({"hosts": ["a.example"], "networks": ["127.0.0.1"], "concurrency": 2})))
        .with("filesystem", object(json!({"root": "/srv", "access": "write"})))
        .with("random", object(json!({"call-bytes": 5})));
    let asks = |text: &str| plugwork_core::Manifest::parse(&format!("name='a:b'\nversion='1.1.0'\n{text}")).unwrap();
    let same = asks("[permissions.http]\nhosts=['a.example']\n[permissions.filesystem]\naccess='read'");
    let carried = in_force.carried(&same);
    assert_eq!(carried.get("http").unwrap()["networks"], json!(["127.0.0.1"]), "the host's own part stays");
    assert_eq!(carried.get("http").unwrap()["concurrency"], 2, "a limit on top stays");
    assert_eq!(carried.get("filesystem").unwrap()["root"], "/srv");
    let difference = Difference::between(&in_force, &carried);
    assert_eq!(difference.to_string(), "~ filesystem.access: \"write\" -> \"read\" (less)\n- random { call-bytes = 5 }\n");
    assert!(!difference.needs_consent());
    let more = asks("[permissions.http]\nhosts=['a.example']\nmethods=['GET','POST']\nnetworks=['10.0.0.0/8']");
    let carried = in_force.carried(&more);
    assert_eq!(carried.get("http").unwrap()["networks"], json!(["127.0.0.1"]), "asking for a network brings nothing about");
    assert!(Difference::between(&in_force, &carried).needs_consent());
}
