//! `plugwork dev`: a folder that changes while it is watched. JavaScript where the language is not the point, because it builds in seconds.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, home, plugin};
use crate::terminal::converse;

const INPUT: &str = "{body: \"hello\", media-type: \"text/plain\"}";

/// A plugin in JavaScript for the text filter of the examples, in the folder `js`.
fn project(place: &Place, permissions: &str, body: &str) {
    let wit = home().join("examples/hosts/text-filter/wit").canonicalize().unwrap();
    place.write(
        "js/plugin.toml",
        format!(
            "name = \"test:shout\"\nversion = \"0.1.0\"\n[build]\nlanguage = \"javascript\"\nsource = \"plugin.js\"\n\
             exports = [\"example:text/text-filter@0.1.0\", \"plugwork:plugin/lifecycle@0.1.0\"]\nwit = \"{}\"\n{permissions}",
            wit.display()
        ),
    );
    source(place, body);
}

/// Its source, with the new text in the place of `body`.
fn source(place: &Place, body: &str) {
    let text = format!(
        "import {{ definePlugin }} from \"@plugwork/guest\";\n\
         export default definePlugin({{ textFilter: {{ apply(input) {{ return {{ ...input, body: {body} }}; }} }} }});\n"
    );
    place.write("js/plugin.js", text);
}

/// `plugwork dev --json`, and what it told so far. It ends with the test.
struct Dev {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Dev {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(&[&["dev", "js", "apply", INPUT, "--json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next thing told.
    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("it ended").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    /// The next thing told, which must be of this kind.
    #[track_caller]
    fn told(&mut self, event: &str) -> Value {
        let told = self.next();
        assert_eq!(told["event"], event, "{told}");
        told
    }

    /// Presses Ctrl-C; gives the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_change_is_built_swapped_and_called_and_what_does_not_build_changes_nothing() {
    let place = Place::new();
    project(&place, "", "input.body.toUpperCase()");
    let mut dev = Dev::start(&place, &[]);
    assert_eq!(dev.told("watching")["folder"], "js");
    let first = dev.told("swapped");
    assert_eq!((&first["generation"], &first["version"]), (&json!(1), &json!("0.1.0")));
    assert_eq!(dev.told("answered")["value"]["ok"]["body"], "HELLO");

    source(&place, "nowhere(");
    assert_eq!(dev.told("changed")["files"], json!(["plugin.js"]));
    let failed = dev.told("not-built");
    assert_eq!(failed["running"], 1);
    assert!(failed["error"].as_str().unwrap().contains("plugin.js"), "{failed}");

    // The same as what runs: there is nothing to swap.
    source(&place, "input.body.toUpperCase()");
    dev.told("changed");
    dev.told("unchanged");

    // It builds, and fails when it is called: it runs all the same, as any program with a fault in it.
    source(&place, "nowhere()");
    dev.told("changed");
    assert_eq!(dev.told("swapped")["generation"], 2);
    let failed = dev.told("failed");
    assert!(failed["error"].as_str().unwrap().contains("nowhere"), "{failed}");

    source(&place, "`${input.body}, mended`");
    dev.told("changed");
    assert_eq!(dev.told("swapped")["generation"], 3);
    assert_eq!(dev.told("answered")["value"]["ok"]["body"], "hello, mended");
    assert_eq!(dev.interrupt(), Some(130));
}

/// What makes the project ask for more.
const ASKS: &str = "[permissions.http]\nhosts = [\"a.example\"]\noptional = true\n";

#[test]
fn a_version_that_asks_for_more_waits_for_consent_and_one_that_was_consented_to_in_advance_does_not() {
    let place = Place::new();
    project(&place, "", "input.body.toUpperCase()");
    let mut dev = Dev::start(&place, &[]);
    assert_eq!(dev.told("watching")["folder"], "js");
    let _ = (dev.told("swapped"), dev.told("answered"));
    project(&place, ASKS, "input.body.toUpperCase()");
    dev.told("changed");
    let offered = dev.told("offered");
    assert_eq!((&offered["capabilities"], &offered["running"]), (&json!(["http"]), &json!(1)));
    assert_eq!(offered["allow"], json!(["--grant 'http = { hosts = [\"a.example\"] }'"]));
    let listed = place.run(&["ps", "--json"]).exits(0).json();
    assert_eq!((&listed[0]["plugin"], &listed[0]["added"]), (&json!("test:shout"), &json!(false)));
    assert_eq!((&listed[0]["hosts"][0]["generation"], &listed[0]["hosts"][0]["verb"]), (&json!(1), &json!("dev")));
    place.run(&["ps"]).exits(0).says(&["test:shout  0.1.0    active  ", " dev  1 ", "not added: it runs on the word of its process"]);
    let top = place.run(&["top", "--once", "--json"]).exits(0).json();
    assert_eq!(top["hosts"][0]["plugins"][0]["installation"]["state"]["state"], "active");
    place.run(&["top", "--once"]).exits(0).says(&["breaker", "closed"]);
    assert_eq!(dev.interrupt(), Some(130));

    // The grant was given before anything asked for it: it waits, and is enough when something does.
    project(&place, "", "input.body.toUpperCase()");
    let mut dev = Dev::start(&place, &["--grant", "http = { hosts = [\"a.example\"] }"]);
    let _ = (dev.told("watching"), dev.told("swapped"), dev.told("answered"));
    project(&place, ASKS, "input.body.toUpperCase()");
    dev.told("changed");
    assert_eq!(dev.told("swapped")["generation"], 2);
    assert_eq!(dev.told("answered")["value"]["ok"]["body"], "HELLO");
    assert_eq!(dev.interrupt(), Some(130));
    // Nothing of it is on record.
    place.run(&["grants", "--json"]).exits(0).says(&["[]"]);
}

#[test]
fn at_a_terminal_a_version_that_asks_for_more_is_a_question() {
    let place = Place::new();
    project(&place, "", "input.body.toUpperCase()");
    let command = place.command(&["dev", "js", "apply", INPUT, "--once=2"]);
    let said = std::thread::scope(|scope| {
        // Somebody else saves the file when the first version runs.
        scope.spawn(|| {
            let began = Instant::now();
            while place.run(&["ps", "--json"]).exits(0).json()[0]["hosts"][0]["generation"] != 1 {
                assert!(began.elapsed() < Duration::from_secs(100), "it does not run");
            }
            project(&place, ASKS, "`${input.body}, asked`");
        });
        converse(&command, &["y"])
    });
    assert_eq!(said.code, 0, "{said:?}");
    for part in ["the new version asks for more:", "[y/N/each]", "generation 2 runs: 0.1.0", "ok({body: \"hello, asked\""] {
        assert!(said.screen.contains(part), "`{part}` is not in:\n{}", said.screen);
    }
}

#[test]
fn a_version_that_fails_goes_back_by_itself_and_it_is_told_why() {
    let place = Place::new();
    project(&place, "", "input.body.toUpperCase()");
    let mut dev = Dev::start(&place, &["--every-ms", "20", "--deadline-ms", "1000"]);
    let _ = (dev.told("watching"), dev.told("swapped"), dev.told("answered"));
    source(&place, "(() => { for (;;); })()");
    dev.told("changed");
    assert_eq!(dev.told("swapped")["generation"], 2);
    let mut told = dev.told("failed");
    assert!(told["error"].as_str().unwrap().contains("ran past its deadline"), "{told}");
    while told["event"] == "failed" {
        told = dev.next();
    }
    assert_eq!((&told["event"], &told["generation"]), (&json!("rolled-back"), &json!(3)));
    assert!(told["why"].as_str().unwrap().contains("calls failed (100 %)"), "{told}");
    let answered = dev.told("answered");
    assert_eq!((&answered["generation"], &answered["value"]["ok"]["body"]), (&json!(3), &json!("HELLO")));
    place.run(&["ps"]).exits(0).says(&["was rolled back to "]);
    assert_eq!(dev.interrupt(), Some(130));
}

#[test]
fn what_is_no_project_or_no_argument_is_told_before_anything_is_watched() {
    let place = Place::new();
    place.run(&["dev", "nowhere"]).exits(4).complains(&["there is no `nowhere/plugin.toml`"]);
    place.run(&["dev", ".", "apply", "x", "--json-args"]).exits(2).complains(&["argument 1 is not JSON"]);
    place.run(&["dev", ".", "--every-ms", "5"]).exits(2);
    place.run(&["dev", ".", "--grant", "http ="]).exits(2).complains(&["is not a grant"]);
}

/// Runs an example once, with what `cargo xtask guests` built.
fn once(name: &str, input: &str) -> crate::place::Ran {
    plugin(name);
    let folder = home().join("examples/hosts/text-filter/plugins").join(name);
    let target = std::env::var_os("PLUGWORK_PLUGINS").map_or_else(|| home().join("target"), |folder| PathBuf::from(folder).join(".."));
    let (folder, target) = (folder.to_str().unwrap().to_owned(), target.to_str().unwrap().to_owned());
    // One cache for these: a component of 20 MB is compiled once.
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("state");
    Place::new()
        .run_with(&["dev", &folder, "apply", input, "--once", "--target-dir", &target, "-o", "a.wasm"], &[("PLUGWORK_STATE", &state)])
}

#[test]
fn an_example_in_rust_and_one_in_python_run() {
    let rust = once("shout", INPUT).exits(0);
    assert_eq!(rust.out, "ok({body: \"HELLO\", media-type: \"text/plain\"})\n");
    rust.complains(&["watching `", "generation 1 runs: 0.1.0 sha256:", "plugwork:shout debug: shouting 5 bytes"]);
    let python = once("wrap-lines", INPUT).exits(0);
    assert_eq!(python.out, "ok({body: \"hello\", media-type: \"text/plain\"})\n");
    // Without its grants it would not run: that is told as `call` tells it, and nothing runs.
    once("glossary-links", INPUT).exits(3).complains(&["E-LINK-UNKNOWN", "nothing runs yet"]);
}
