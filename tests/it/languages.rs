//! The same plugin in Rust, JavaScript and Python, failing in every way: what the host is told must not depend on the language more than
//! the table below says.
//!
//! The guests are `tests/guests/*/misbehaving*`. What a reader may get wrong: a `Fault` here is as good an answer as a refusal, as
//! long as it says what happened; what may never come is a bare trap.

use plugwork::core::{Denial, Issue};
use plugwork::log::Level;
use plugwork::{Allocation, Error, Fault, Limits, Plugin, Refusal, Result};
use plugwork_points::{Analyzer, Batch, Column, DataSource};
use serde_json::json;

use crate::world::{ALLOCATIONS, LIMITS, guest, runtime, said};

const LANGUAGES: [&str; 3] = ["rust", "javascript", "python"];
const PLACES: [&str; 3] = ["start", "push", "next"];

/// How an ending must look, in one word where that is enough.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The typed refusal of that case, exactly as the author made it.
    Invalid,
    Denied,
    Unavailable,
    /// `other`, with this in its message, and a stack that names the author's file.
    Other(&'static str),
    /// A panic's last words, with this in the message, and the author's file.
    Panic(&'static str),
    Deadline,
    Memory,
    Stack,
    /// A trap with this message and this function in its backtrace.
    Trap(&'static str, &'static str),
    /// A trap that says no more than `unreachable`: only where the table says why.
    BareTrap,
}

use Expected::{BareTrap, Deadline, Denied, Invalid, Memory, Other, Panic, Stack, Trap, Unavailable};

/// What each language makes of each failure: Rust, JavaScript, Python.
const TABLE: [(&str, [Expected; 3]); 11] = [
    ("invalid", [Invalid; 3]),
    ("denied", [Denied; 3]),
    ("unavailable", [Unavailable; 3]),
    // A panic cannot be caught in a WebAssembly guest, so it is a fault, with message and place.
    ("throw", [Panic("the test asked for it"), Other("Error: the test asked for it"), Other("ValueError: the test asked for it")]),
    // QuickJS does not notice the end of the engine's stack before it is there; CPython counts.
    ("recurse", [Stack, Stack, Other("RecursionError")]),
    // What a Rust function has the address of lies on a stack in its linear memory, which ends first: the engine sees a bad address. The
    // fault's backtrace shows the function that calls itself.
    ("recurse-frames", [Trap("out of bounds memory access", "descend_with_frame"), Stack, Other("RecursionError")]),
    // The interpreters make an exception of it, and the author may catch it. Rust aborts.
    ("allocate", [Memory, Other("out of memory"), Other("MemoryError")]),
    ("loop", [Deadline; 3]),
    ("clock", [Panic("time not implemented on this platform"), Other("needs a clock"), Other("needs a clock")]),
    // `std::process::exit` has nothing to call without WASI: the standard library aborts without a word, and runs no hook of ours.
    ("exit", [BareTrap, Other("process"), Other("SystemExit")]),
    ("no such way", [Invalid, Invalid, Other("no such way")]),
];

async fn plugin(language: &str, instance: &str, allocation: Allocation, limits: Limits) -> Plugin {
    let source = guest(&format!("misbehaving-{language}"));
    let offer = runtime(allocation).await.offer(&source).await.unwrap();
    offer.instance(instance).limits(limits).accept().await.unwrap()
}

fn numbers() -> Batch {
    let values = [1_i64, 2, 3].iter().flat_map(|value| value.to_le_bytes()).collect();
    Batch::new(3, vec![Column { name: "n".into(), format: "l".into(), validity: None, offsets: None, values }]).unwrap()
}

/// A whole analysis: how many rows were counted.
async fn analyse(plugin: &Plugin, options: serde_json::Value) -> Result<i64> {
    let mut analysis = Analyzer::start(plugin, &options.to_string()).await?;
    analysis.push(&numbers()).await?;
    analysis.push(&numbers()).await?;
    let finding = analysis.next().await?.expect("one table");
    assert_eq!(finding.table, "count");
    assert!(analysis.next().await?.is_none());
    analysis.end().await;
    let values: [u8; 8] = finding.batch.columns()[0].values.as_slice().try_into().unwrap();
    Ok(i64::from_le_bytes(values))
}

/// What is wrong with an ending, if anything.
fn complaint(error: &Error, expected: Expected, what: &str) -> Option<String> {
    let own_file = |stack: &str| ["plugin.js:", "plugin.py:", "src/lib.rs:"].iter().any(|file| stack.contains(file));
    let good = match expected {
        Invalid => matches!(error.refusal(), Some(Refusal::Invalid(issue)) if what.contains("no such") || *issue == Issue {
            what: "not a number".into(), at: "row 12".into(), expected: "a number".into() }),
        Denied => matches!(error.refusal(), Some(Refusal::Denied(denial)) if *denial == Denial {
            code: "E-TEST".into(), permission: "plugwork-tests:none".into(), rule: "the test says no".into(), hint: "there is none".into() }),
        Unavailable => matches!(error.refusal(), Some(Refusal::Unavailable { reason }) if reason == "the test is closed"),
        Other(part) => {
            matches!(error.refusal(), Some(Refusal::Other(problem)) if problem.message.contains(part) && own_file(&problem.stack))
        }
        Panic(part) => matches!(error.fault(), Some(Fault::Panic { message, stack }) if message.contains(part)
            && (own_file(stack) || stack.contains("library/std"))),
        Deadline => matches!(error.fault(), Some(Fault::Deadline { .. })),
        Memory => matches!(error.fault(), Some(Fault::Memory { .. })),
        Stack => matches!(error.fault(), Some(Fault::Stack)),
        Trap(part, function) => matches!(error.fault(), Some(Fault::Trap { message, backtrace }) if message.contains(part)
            && backtrace.iter().any(|frame| frame.contains(function))),
        BareTrap => matches!(error.fault(), Some(Fault::Trap { .. })),
    };
    (!good).then(|| format!("{what}: expected {expected:?}, got {error:?}"))
}

async fn every_failure(language: &str, column: usize) {
    let mut complaints = Vec::new();
    for allocation in ALLOCATIONS {
        let neighbour = plugin(language, "neighbour", allocation, LIMITS).await;
        let mut session = Analyzer::start(&neighbour, "{}").await.unwrap();
        for (fail, expected) in TABLE {
            // The way to fail decides the limit: a busy machine must not end what should end otherwise.
            let limits = if fail == "loop" { Limits { deadline_ms: 150, ..LIMITS } } else { LIMITS };
            let bad = plugin(language, "bad", allocation, limits).await;
            for place in PLACES {
                let what = format!("{fail} in {place}, {language}, {allocation:?}");
                match analyse(&bad, json!({ "fail": fail, "when": place })).await {
                    Ok(_) => panic!("{what}: it did not fail"),
                    Err(error) => {
                        assert_eq!(error.subject(), Some(bad.subject()), "{what}");
                        complaints.extend(complaint(&error, expected[column], &what));
                    }
                }
                session.push(&numbers()).await.unwrap_or_else(|error| panic!("the neighbour suffers from {what}: {error}"));
            }
            assert_eq!(analyse(&bad, json!({})).await.unwrap(), 6, "another instance of the plugin that failed by {fail}");
        }
        assert!(session.next().await.unwrap().is_some());
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn every_failure_of_a_rust_plugin_is_named() {
    every_failure("rust", 0).await;
}

#[tokio::test]
async fn every_failure_of_a_javascript_plugin_is_named() {
    every_failure("javascript", 1).await;
}

#[tokio::test]
async fn every_failure_of_a_python_plugin_is_named() {
    every_failure("python", 2).await;
}

#[tokio::test]
async fn what_a_plugin_prints_reaches_the_log_with_its_level() {
    for language in LANGUAGES {
        let instance = format!("printing-{language}");
        let plugin = plugin(language, &instance, Allocation::OnDemand, LIMITS).await;
        assert_eq!(analyse(&plugin, json!({ "fail": "print", "when": "start" })).await.unwrap(), 6);
        let mut said = said(&instance);
        // `console.trace` adds where it was called, as it does everywhere.
        said[0].1 = said[0].1.lines().next().unwrap().to_owned();
        let expected = [
            (Level::Trace, "a trace"),
            (Level::Debug, "a detail"),
            (Level::Info, "a line"),
            (Level::Warn, "a warning"),
            (Level::Error, "an error"),
        ];
        assert_eq!(said, expected.map(|(level, message)| (level, message.to_owned())), "{language}");
    }
}

/// How a batch can lie, and what the host says of it.
const LIES: [(&str, &str); 13] = [
    ("values-short", "column `lied`: `values` holds 15 bytes"),
    ("values-long", "column `lied`: `values` holds 17 bytes"),
    ("validity-short", "column `lied`: `validity` holds 0 bytes"),
    ("offsets-missing", "column `lied`: `offsets` is missing"),
    ("offsets-short", "column `lied`: `offsets` holds 8 bytes"),
    ("offsets-fall", "column `lied`: the offsets fall from 3 to 1"),
    ("offsets-past-end", "column `lied`: row 1 ends at byte 1000000"),
    ("offsets-negative", "column `lied`: the offsets fall from 0 to -1"),
    ("not-utf8", "column `lied`: `values` is not UTF-8 at byte 0"),
    ("text-cut", "column `lied`: row 0 ends within a character"),
    ("format-unknown", "column `lied`: the format `+l` is not known"),
    ("name-twice", "column `true`: the name is also that of column 0"),
    ("rows-many", "batch: has 8193 rows"),
];

#[tokio::test]
async fn a_batch_that_lies_is_refused_as_its_plugins_fault() {
    for language in LANGUAGES {
        let plugin = plugin(language, "liar", Allocation::OnDemand, LIMITS).await;
        for (lie, expected) in LIES {
            let expected = match (language, lie) {
                // Here the SDK looks at the number of rows itself, and an author has no way around it.
                ("python", "rows-many") => "a batch is larger than a batch may be",
                _ => expected,
            };
            let mut cursor = DataSource::open(&plugin, &json!({ "lie": lie }).to_string()).await.unwrap();
            let error = cursor.next().await.expect_err(lie);
            assert_eq!(error.subject(), Some(plugin.subject()));
            assert!(error.refusal().is_some_and(|refusal| refusal.to_string().contains(expected)), "{lie}, {language}: {error}");
        }
        let mut cursor = DataSource::open(&plugin, r#"{"lie":"none"}"#).await.unwrap();
        assert_eq!(cursor.next().await.unwrap().unwrap().columns().len(), 2, "{language}: the truth is taken");
    }
}

#[tokio::test]
async fn a_batch_with_other_columns_than_the_one_before_is_refused() {
    for language in LANGUAGES {
        let plugin = plugin(language, "liar", Allocation::OnDemand, LIMITS).await;
        let mut cursor = DataSource::open(&plugin, r#"{"lie":"columns-change"}"#).await.unwrap();
        cursor.next().await.unwrap();
        let error = cursor.next().await.unwrap_err();
        // Here too the SDK for Python looks for itself.
        let expected = if language == "python" { "every part has the same" } else { "column `lied`: the format is `g`" };
        assert!(matches!(error.refusal(), Some(Refusal::Other(problem)) if problem.message.contains(expected)), "{language}: {error}");
    }
}

#[tokio::test]
async fn a_plugin_that_needs_nothing_imports_types_and_the_log() {
    for language in LANGUAGES {
        let report = plugwork_component::read(&std::fs::read(guest(&format!("misbehaving-{language}")).path().unwrap()).unwrap()).unwrap();
        let called: Vec<_> = report.imports.iter().filter(|import| !import.types_only).map(|import| import.name.as_str()).collect();
        assert_eq!(called, ["plugwork:host/log@0.1.0"], "{language}");
        assert!(!report.needs_full, "{language}");
    }
}
