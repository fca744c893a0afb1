//! `plugwork logs`: what a running plugin said, from another process, and what is on record when nobody runs any more.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::component::{outcomes, talker, with_manifest};
use crate::place::{Place, Ran};

/// A plugin that said two things and spins; it ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn talking(place: &Place) -> Running {
    place.write("t.wasm", with_manifest(&talker(), ""));
    place.run(&["add", "t.wasm", "--yes"]).exits(0);
    let mut command = place.command(&["call", "test:plugin", "talks", "--deadline-ms", "120000"]);
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Asks until something was said.
fn until_said(place: &Place, arguments: &[&str]) -> Ran {
    let began = Instant::now();
    loop {
        let ran = place.run(arguments).exits(0);
        if !ran.out.is_empty() {
            return ran;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{ran:?}");
    }
}

#[test]
fn what_a_running_plugin_said_is_shown_and_cannot_forge_a_line() {
    let place = Place::new();
    let running = talking(&place);
    let said = until_said(&place, &["logs", "test:plugin"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines.len() == 3 && lines[0].ends_with("warn   test:plugin  hello"), "{}", said.out);
    assert_eq!(lines[1], "    | 2020-01-01T00:00:00Z  error  forged\\u{1b}[31m");
    assert!(lines[2].ends_with("debug  test:plugin  hello"), "{}", said.out);
    let json: Vec<Value> =
        place.run(&["logs", "--json", "--level", "warn"]).exits(0).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.len(), 1);
    assert_eq!(json[0]["message"], "hello\n2020-01-01T00:00:00Z  error  forged\u{1b}[31m");
    assert_eq!((&json[0]["plugin"], &json[0]["level"]), (&json!("test:plugin"), &json!("warn")));
    assert_eq!(json[0]["from"], json!({"process": running.0.id(), "number": 1}));
    assert!(place.run(&["logs", "test:plugin", "--instance", "other"]).exits(0).out.is_empty());
    drop(running);
    place.run(&["logs", "test:plugin"]).exits(0).complains(&["nothing yet of `test:plugin`"]);
}

#[test]
fn follow_tells_what_comes_and_tells_it_once() {
    let place = Place::new();
    let mut follow = place.command(&["logs", "--follow", "--json"]);
    let mut follow = Running(follow.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(follow.0.stdout.take().unwrap()).lines();
    let _running = talking(&place);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((next()["from"]["number"].clone(), next()["from"]["number"].clone()), (json!(1), json!(2)));
    // What is on record comes as well, and nothing a second time before it.
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&["call", "a.wasm", "traps"]).exits(1);
    let faulted = next();
    assert_eq!((&faulted["from"]["event"], &faulted["level"]), (&json!("faulted"), &json!("error")));
}

#[test]
fn a_fault_outlives_its_host_and_is_marked_as_such() {
    let place = Place::new();
    place.run(&["logs"]).exits(0).complains(&["nothing yet"]);
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    place.run(&["call", "test:plugin", "spins", "--deadline-ms", "30"]).exits(1);
    let told = place.run(&["logs", "test:plugin", "--level", "error", "--since", "1h"]).exits(0);
    let told = told.says(&["error  test:plugin  [record 2, its host is gone] faulted (deadline): "]);
    assert_eq!(told.out.lines().count(), 1);
    place.run(&["logs", "test:other"]).exits(4).complains(&["there is no plugin `test:other`"]);
    place.run(&["logs", "--level", "loud"]).exits(2).complains(&["warn"]);
}
