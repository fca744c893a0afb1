//! Running hosts: `plugwork top` sees them, `plugwork revoke` stops what they run, both from another process.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::component::{outcomes, with_manifest};
use crate::place::Place;

/// Asks until somebody is there.
fn top(place: &Place) -> Value {
    let began = Instant::now();
    loop {
        let top = place.run(&["top", "--once", "--json"]).exits(0).json();
        let plugin = &top["hosts"][0]["plugins"][0];
        if plugin["instances"] == 1 && plugin["rates"]["cpu_percent"].is_number() {
            return top;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{top}");
    }
}

#[test]
fn top_shows_a_running_call_and_a_revocation_stops_it_within_a_second() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    // By its name, and as a file: the one runs with what is on record, the other on its caller's word.
    for target in ["test:plugin", "a.wasm"] {
        let mut command = place.command(&["call", target, "spins", "--deadline-ms", "120000"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let top = top(&place);
        let host = &top["hosts"][0];
        assert_eq!((&host["pid"], &host["verb"]), (&json!(child.id()), &json!("call")));
        let plugin = &host["plugins"][0];
        assert_eq!(plugin["subject"]["package"], "test:plugin");
        assert!(plugin["calls"].as_u64() >= Some(1), "{plugin}");
        assert!(plugin["rates"]["cpu_percent"].as_f64() > Some(5.0) && plugin["memory_bytes"].as_u64() >= Some(65_536), "{plugin}");
        place.run(&["top", "--once"]).exits(0).says(&["test:plugin", "host calls/s"]);
        place.run(&["revoke", "test:plugin"]).exits(0);
        let revoked = Instant::now();
        let ended = child.wait_with_output().unwrap();
        let took = revoked.elapsed();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("revoked") && ended.status.code() != Some(0), "{said}");
        // A second is what is promised; a busy machine may take longer to tell us.
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    let after = place.run(&["top", "--once"]).exits(0);
    after.complains(&["no plugin is running on"]);
    assert_eq!(std::fs::read_dir(place.path("state/run")).unwrap().count(), 0);
}

#[test]
fn nobody_running_is_said_and_is_no_error() {
    let place = Place::new();
    place.run(&["top", "--once"]).exits(0).complains(&["no plugin is running"]);
    assert_eq!(place.run(&["top", "--once", "--json"]).exits(0).json(), json!({"hosts": [], "unreachable": []}));
}
