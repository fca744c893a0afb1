//! Rules about Rust files, guests' included: the header, the length, and the few words that may stand only in few places.
//!
//! Easily got wrong: generated code is not seen here, only what macros are called; the lists name the places, so a new place is a decision.

use super::Finding;
use super::code::{lines_with, without_words};
use crate::tree::File;

const LINES_WARN: usize = 400;
const LINES_MAX: usize = 600;

/// The one block of unsafe code of the house: loading a cache entry whose MAC was just checked.
const UNSAFE_HOME: &str = "runtime/host/src/cache/load.rs";

/// What an allocator is made of, which Rust has no safe words for. It runs in a guest, within the sandbox, and in no host.
const UNSAFE_IN_THE_SANDBOX: &str = "guest-sdk/rust/src/memory.rs";

/// A linker section for the guest's panic hook; no unsafe operation, but the attribute must be written so.
const UNSAFE_ATTRIBUTE_HOME: &str = "guest-sdk/rust/src/panic.rs";

/// Where text may go to a terminal: one module of the command, programs for developers, and the guest SDK's log where there is no host.
const PRINT_HOMES: [&str; 6] = ["cli/src/print.rs", "xtask/", "examples/", "bench/", "tests/attacks/", "guest-sdk/rust/src/log.rs"];

const BINDGEN_HOMES: [&str; 6] = ["runtime/host/", "runtime/points/", "examples/", "tests/", "bench/", "guest-sdk/rust/"];

/// `core` cannot tell the time, open a file, spawn, or draw randomness: two hosts must decide alike.
const CORE: &str = "runtime/core/src/";
const CORE_LACKS: [&str; 12] =
    ["fs", "process", "thread", "env", "SystemTime", "Instant", "TcpStream", "UdpSocket", "ToSocketAddrs", "getrandom", "rand", "tokio"];

/// Checks every `.rs` file.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unsafe_blocks = 0;
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let code = without_words(&file.text);
        header(file, &mut findings);
        length(file, &mut findings);
        printing(file, &code, &mut findings);
        bindings(file, &code, &mut findings);
        purity(file, &code, &mut findings);
        unsafe_blocks += unsafety(file, &code, &mut findings);
    }
    if unsafe_blocks != 1 {
        let advice = "keep exactly one, with its reason beside it";
        findings.push(Finding::error(UNSAFE_HOME, format_args!("has {unsafe_blocks} unsafe blocks"), advice));
    }
    findings
}

fn header(file: &File, findings: &mut Vec<Finding>) {
    if !file.text.starts_with("//! ") {
        findings.push(Finding::error(
            &file.path,
            "does not open with `//!`",
            "say what lives here, what does not, and the one thing a reader may get wrong",
        ));
    }
}

fn length(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    let explained = || file.text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("one thing"));
    if lines > LINES_MAX && !explained() {
        let complaint = format!("has {lines} lines and no reason");
        findings.push(Finding::error(&file.path, complaint, "split it, or say in its header why it is `one thing`"));
    } else if lines > LINES_WARN && lines <= LINES_MAX {
        findings.push(Finding::warning(&file.path, format_args!("has {lines} lines"), "look for the second room in it"));
    }
}

fn printing(file: &File, code: &str, findings: &mut Vec<Finding>) {
    let path = file.path.as_str();
    let may = PRINT_HOMES.iter().any(|home| path.starts_with(home))
        || path.contains("/examples/")
        || path.ends_with("/build.rs") && !path.contains("/src/");
    if may {
        return;
    }
    for word in ["println!", "eprintln!", "print!", "eprint!"] {
        for line in lines_with(code, word) {
            let advice = "give the text to `cli/src/print.rs`, or answer it to the caller";
            findings.push(Finding::error(format_args!("{path}:{line}"), format_args!("calls `{word}`"), advice));
        }
    }
}

fn bindings(file: &File, code: &str, findings: &mut Vec<Finding>) {
    if BINDGEN_HOMES.iter().any(|home| file.path.starts_with(home)) {
        return;
    }
    for line in lines_with(code, "bindgen!") {
        let advice = "bind in `runtime/host` (lifecycle, host interfaces), `runtime/points`, or an application's own crate";
        findings.push(Finding::error(format_args!("{}:{line}", file.path), "calls `bindgen!`", advice));
    }
}

fn purity(file: &File, code: &str, findings: &mut Vec<Finding>) {
    let Some(inside) = file.path.strip_prefix(CORE) else { return };
    // Tests may; they are compiled for this machine only.
    if inside.contains("tests") || inside.ends_with("fuzz.rs") {
        return;
    }
    for word in CORE_LACKS {
        let written = format!("{word}::");
        for line in lines_with(code, word) {
            if code.lines().nth(line - 1).is_some_and(|text| text.contains(&written) || text.contains("use std::")) {
                let advice = "put a trait in `core` and the deed behind it, in the host";
                findings.push(Finding::error(format_args!("{}:{line}", file.path), format_args!("names `{word}`"), advice));
            }
        }
    }
}

/// Answers how many unsafe blocks the file has, if it may have any.
fn unsafety(file: &File, code: &str, findings: &mut Vec<Finding>) -> usize {
    let mut blocks = 0;
    for line in lines_with(code, "unsafe") {
        let text = code.lines().nth(line - 1).unwrap_or_default();
        let attribute = text.contains("#[unsafe(");
        if file.path == UNSAFE_HOME && !attribute {
            blocks += 1;
        } else if !(attribute && file.path == UNSAFE_ATTRIBUTE_HOME || file.path == UNSAFE_IN_THE_SANDBOX) {
            let advice = format!("write it safely; the only place in a host is `{UNSAFE_HOME}`");
            findings.push(Finding::error(format_args!("{}:{line}", file.path), "says `unsafe`", advice));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let home = file(UNSAFE_HOME, "//! x\nfn f() { unsafe { g() } }\n");
        check(&[home, file(path, text)]).iter().map(|finding| format!("{}: {}", finding.place, finding.complaint)).collect()
    }

    #[test]
    fn a_plain_file_is_fine() {
        assert!(complaints("runtime/host/src/x.rs", "//! What lives here.\n\n// unsafe println!\nfn f() {}\n").is_empty());
    }

    #[test]
    fn a_file_without_header_is_found() {
        assert_eq!(complaints("a/b.rs", "// no\n"), ["a/b.rs: does not open with `//!`"]);
    }

    #[test]
    fn a_long_file_needs_its_reason() {
        let long = |header: &str| format!("//! {header}\n{}", "//\n".repeat(LINES_MAX));
        assert_eq!(complaints("a.rs", &long("x")), ["a.rs: has 601 lines and no reason"]);
        assert!(complaints("a.rs", &long("One file, because a state machine is one thing.")).is_empty());
        assert_eq!(complaints("a.rs", &format!("//! x\n{}", "//\n".repeat(LINES_WARN))), ["a.rs: has 401 lines"]);
        assert!(complaints("a.rs", &format!("//! x\n{}", "//\n".repeat(LINES_WARN - 1))).is_empty());
    }

    #[test]
    fn printing_has_its_places() {
        let text = "//! x\nfn f() { eprintln!(\"x\") }\n";
        assert_eq!(complaints("cli/src/verbs/run.rs", text), ["cli/src/verbs/run.rs:2: calls `eprintln!`"]);
        for path in
            ["cli/src/print.rs", "xtask/src/main.rs", "examples/hosts/readme/main.rs", "guest-sdk/build/examples/x.rs", "cli/build.rs"]
        {
            assert!(complaints(path, text).is_empty(), "{path}");
        }
    }

    #[test]
    fn bindings_have_their_places() {
        let text = "//! x\nplugwork::wasmtime::component::bindgen!();\n";
        assert_eq!(complaints("cli/src/x.rs", text), ["cli/src/x.rs:2: calls `bindgen!`"]);
        assert!(complaints("examples/hosts/text-filter/main.rs", text).is_empty());
    }

    #[test]
    fn unsafe_stands_in_one_place() {
        assert_eq!(complaints("a.rs", "//! x\nunsafe fn f() {}\n"), ["a.rs:2: says `unsafe`"]);
        assert_eq!(complaints("a.rs", "//! x\n#[unsafe(no_mangle)]\n"), ["a.rs:2: says `unsafe`"]);
        assert!(complaints(UNSAFE_ATTRIBUTE_HOME, "//! x\n#[unsafe(link_section = \"x\")]\n").is_empty());
        assert!(complaints("a.rs", "//! x\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(complaints(UNSAFE_IN_THE_SANDBOX, "//! x\nunsafe impl Source for X {}\n").is_empty());
        let none = check(&[File { path: UNSAFE_HOME.to_owned(), text: "//! x\n".to_owned() }]);
        assert_eq!(none[0].complaint, "has 0 unsafe blocks");
    }

    #[test]
    fn core_has_no_clock_and_no_disk() {
        let found = complaints("runtime/core/src/x.rs", "//! x\nuse std::time::{Duration, Instant};\nfn f() { std::fs::read(\"x\") }\n");
        assert_eq!(found, ["runtime/core/src/x.rs:3: names `fs`", "runtime/core/src/x.rs:2: names `Instant`"]);
        assert!(complaints("runtime/core/src/x.rs", "//! x\nlet process = 1; struct Instant;\n").is_empty());
    }
}
