//! Where a guest's words go: cut, counted, and with their level.

use plugwork::core::limits::{LAST_WORDS_BYTES_MAX, LOG_RECORD_BYTES_MAX, LOG_RECORDS_MAX};
use plugwork::log::Level;
use plugwork::{Fault, Limits, Plugin};

use crate::guest::Guest;
use crate::world::{self, Number, Recorder, fault};

/// A rate that no test here comes near.
const UNHURRIED: Limits =
    Limits { log_records_per_second: 1_000_000, log_bytes_per_second: 1 << 30, deadline_ms: 20_000, ..Limits::interactive() };

async fn logged(guest: &Guest) -> (Plugin, Recorder) {
    logged_within(guest, UNHURRIED).await
}

async fn logged_within(guest: &Guest, limits: Limits) -> (Plugin, Recorder) {
    let log = Recorder::default();
    let runtime = world::builder().log(log.clone()).limits(limits).open().await.unwrap();
    (runtime.offer(&guest.source()).await.unwrap().accept().await.unwrap(), log)
}

/// Fills memory from 1,024 on with as many `x` as the input says, and writes them at the level `info`.
const WRITES: &str = r#"
    (import "heap" "memory" (memory 1))
    (import "host" "write" (func $write (param i32 i32 i32)))
    (func (export "run") (param i32) (result i32)
      (memory.fill (i32.const 1024) (i32.const 120) (local.get 0))
      (call $write (i32.const 2) (i32.const 1024) (local.get 0)) i32.const 0)"#;

#[tokio::test]
async fn a_record_is_cut_after_its_limit() {
    let (plugin, log) = logged(&Guest::new(WRITES).with_log()).await;
    for (written, cut) in [(1, 0), (8192, 0), (8193, 1), (30_000, 30_000 - 8192)] {
        plugin.call::<Number>(&written).await.unwrap();
        let kept = "x".repeat(LOG_RECORD_BYTES_MAX.min(written as usize));
        let note = if cut == 0 { String::new() } else { format!(" [{cut} bytes more were cut]") };
        assert_eq!(log.records().pop().unwrap(), (Level::Info, format!("{kept}{note}")));
    }
}

#[tokio::test]
async fn levels_arrive_as_they_were_given() {
    let code = r#"(import "host" "write" (func $write (param i32 i32 i32)))
        (func (export "run") (param i32) (result i32) (call $write (local.get 0) (i32.const 0) (i32.const 0)) i32.const 0)"#;
    let (plugin, log) = logged(&Guest::new(code).with_log()).await;
    for level in 0..5 {
        plugin.call::<Number>(&level).await.unwrap();
    }
    let levels: Vec<_> = log.records().into_iter().map(|(level, _)| level).collect();
    assert_eq!(levels, [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error]);
}

/// Writes an empty record as often as the input says.
const CHATTERS: &str = r#"
    (import "host" "write" (func $write (param i32 i32 i32)))
    (func (export "run") (param i32) (result i32)
      (loop $again
        (call $write (i32.const 1) (i32.const 0) (i32.const 0))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      i32.const 0)"#;

#[tokio::test]
async fn past_the_record_limit_records_are_dropped_and_their_number_is_told() {
    let (plugin, log) = logged(&Guest::new(CHATTERS).with_log()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    session.call_input(&u32::try_from(LOG_RECORDS_MAX).unwrap()).await.unwrap();
    assert_eq!(log.records().len() as u64, LOG_RECORDS_MAX);
    session.call_input(&7).await.unwrap();
    assert_eq!(log.records().len() as u64, LOG_RECORDS_MAX);
    assert_eq!(session.spend().log_records, LOG_RECORDS_MAX + 7);
    drop(session);
    let (level, message) = log.records().pop().unwrap();
    assert_eq!(level, Level::Warn);
    assert!(message.starts_with("7 log records were dropped"), "{message}");
}

#[tokio::test]
async fn past_the_byte_limit_records_are_dropped_and_their_number_is_told() {
    let (plugin, log) = logged(&Guest::new(WRITES).with_log()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    // 128 records of 8 KiB are the megabyte.
    for _ in 0..130 {
        session.call_input(&8192).await.unwrap();
    }
    drop(session);
    let records = log.records();
    assert_eq!(records.len(), 129);
    assert!(records[128].1.starts_with("2 log records were dropped"), "{}", records[128].1);
}

#[tokio::test]
async fn every_instance_has_a_budget_of_its_own() {
    let (plugin, log) = logged(&Guest::new(CHATTERS).with_log()).await;
    for _ in 0..2 {
        plugin.call::<Number>(&u32::try_from(LOG_RECORDS_MAX).unwrap()).await.unwrap();
    }
    assert_eq!(log.records().len() as u64, 2 * LOG_RECORDS_MAX);
}

#[tokio::test]
async fn a_flood_of_bytes_is_dropped_before_one_of_records_is() {
    let limits = Limits { log_bytes_per_second: 4 << 10, ..UNHURRIED };
    let (plugin, log) = logged_within(&Guest::new(WRITES).with_log(), limits).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    for _ in 0..20 {
        session.call_input(&4_000).await.unwrap();
    }
    assert!((4..=6).contains(&log.records().len()), "{}", log.records().len());
}

#[tokio::test]
async fn last_words_are_cut_after_their_limit() {
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "last-words" (func $last (param i32 i32 i32 i32)))
        (func (export "run") (param i32) (result i32)
          (memory.fill (i32.const 1024) (i32.const 120) (local.get 0))
          (call $last (i32.const 1024) (local.get 0) (i32.const 1024) (local.get 0)) unreachable)"#;
    let (plugin, _) = logged(&Guest::new(code).with_log()).await;
    for (said, kept) in [(16_384, LAST_WORDS_BYTES_MAX), (16_385, LAST_WORDS_BYTES_MAX)] {
        let Fault::Panic { message, stack } = fault(plugin.call::<Number>(&said).await) else { panic!("expected a panic") };
        assert_eq!((message.len(), stack.len()), (kept, kept));
    }
}

/// A guest that writes the bytes at 0 to standard output or error; the input is how many.
fn printing(stream: &str, text: &str) -> Guest {
    let import = format!(
        r#"
        (import "wasi:io/error@0.2.6" (instance $error (export "error" (type (sub resource)))))
        (alias export $error "error" (type $io-error))
        (import "wasi:io/streams@0.2.6" (instance $streams
          (export "output-stream" (type $o (sub resource)))
          (export "error" (type $e (eq $io-error)))
          (type $s (variant (case "last-operation-failed" (own $e)) (case "closed")))
          (export "stream-error" (type $stream-error (eq $s)))
          (export "[method]output-stream.blocking-write-and-flush"
            (func (param "self" (borrow $o)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
        (alias export $streams "output-stream" (type $output-stream))
        (import "wasi:cli/{stream}@0.2.6" (instance $cli
          (export "output-stream" (type $o (eq $output-stream)))
          (export "get-{stream}" (func (result (own $o))))))"#
    );
    let code = format!(
        r#"
        (import "heap" "memory" (memory 1))
        (import "host" "get-{stream}" (func $get (result i32)))
        (import "host" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
        (data (i32.const 0) "{text}")
        (func (export "run") (param i32) (result i32)
          (call $write (call $get) (i32.const 0) (local.get 0) (i32.const 8192)) (i32.load8_u (i32.const 8192)))"#
    );
    Guest::new(&code)
        .import(&import)
        .host(&format!("get-{stream}"), "$cli")
        .host("[method]output-stream.blocking-write-and-flush", "$streams")
}

#[tokio::test]
async fn standard_output_becomes_records_line_by_line() {
    let (plugin, log) = logged(&printing("stdout", "one\\r\\n\\ntwo\\nrest")).await;
    assert_eq!(plugin.call::<Number>(&14).await.unwrap(), 0);
    let expected: Vec<_> = ["one", "two", "rest"].map(|line| (Level::Info, line.to_owned())).into();
    assert_eq!(log.records(), expected, "what has no newline is written when the instance is dropped");
}

#[tokio::test]
async fn standard_error_becomes_warnings() {
    let (plugin, log) = logged(&printing("stderr", "careful\\n")).await;
    plugin.call::<Number>(&8).await.unwrap();
    assert_eq!(log.records(), [(Level::Warn, "careful".to_owned())]);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_shown_as_such() {
    let (plugin, log) = logged(&printing("stdout", "a\\ffb\\n")).await;
    plugin.call::<Number>(&4).await.unwrap();
    assert_eq!(log.records(), [(Level::Info, "a\u{fffd}b".to_owned())]);
}

#[tokio::test]
async fn a_line_without_end_is_split_and_nothing_of_it_is_lost() {
    let (plugin, log) = logged(&printing("stdout", &"y".repeat(4096))).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    for length in [4096, 4000, 4096, 4096, 100] {
        session.call_input(&length).await.unwrap();
    }
    drop(session);
    let written: Vec<_> = log.records().into_iter().map(|(_, message)| message.len()).collect();
    assert!(written.iter().all(|length| *length <= LOG_RECORD_BYTES_MAX), "{written:?}");
    assert_eq!(written.iter().sum::<usize>(), 4096 * 3 + 4100, "{written:?}");
}

#[tokio::test]
async fn a_line_without_end_is_split_between_characters() {
    let (plugin, log) = logged(&printing("stdout", &format!("x{}", "é".repeat(2047)))).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    for _ in 0..3 {
        session.call_input(&4095).await.unwrap();
    }
    drop(session);
    let text: String = log.records().into_iter().map(|(_, message)| message).collect();
    assert_eq!(text, format!("x{}", "é".repeat(2047)).repeat(3));
}

#[tokio::test]
async fn what_a_guest_writes_reaches_the_sink_raw_and_is_shown_escaped() {
    let code = r#"(import "heap" "memory" (memory 1)) (import "host" "write" (func $write (param i32 i32 i32)))
        (data (i32.const 0) "\1b[2J\e2\80\aeevil")
        (func (export "run") (param i32) (result i32) (call $write (i32.const 2) (i32.const 0) (i32.const 11)) i32.const 0)"#;
    let (plugin, log) = logged(&Guest::new(code).with_log()).await;
    plugin.call::<Number>(&0).await.unwrap();
    let (_, message) = log.records().remove(0);
    assert_eq!(message, "\u{1b}[2J\u{202e}evil");
    assert_eq!(plugwork::log::escape(&message), "\\u{1b}[2J\\u{202e}evil");
}

#[tokio::test]
async fn a_sink_that_panics_loses_its_record_and_harms_nobody() {
    let sink = |_: &plugwork::Subject, _: Level, _: &str| panic!("the sink broke");
    let runtime = crate::world::builder().log(sink).open().await.unwrap();
    let code = r#"(import "host" "write" (func $write (param i32 i32 i32)))
        (func (export "run") (param i32) (result i32) (call $write (i32.const 0) (i32.const 0) (i32.const 4)) i32.const 7)"#;
    let guest = Guest::new(code).with_log();
    let plugin = runtime.offer(&guest.source()).await.unwrap().accept().await.unwrap();
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 7);
}

#[tokio::test]
async fn a_plugin_that_floods_from_many_instances_is_held_to_its_rate() {
    let log = Recorder::default();
    let limits = Limits { log_records_per_second: 10, ..Limits::interactive() };
    let runtime = world::builder().log(log.clone()).limits(limits).open().await.unwrap();
    let plugin = runtime.offer(&Guest::new(CHATTERS).with_log().source()).await.unwrap().accept().await.unwrap();
    for _ in 0..50 {
        plugin.call::<Number>(&100).await.unwrap();
    }
    // Four seconds' worth at once, and what came in while the test ran: not even the notes of what was dropped are more.
    let written = log.records().len();
    assert!((40..80).contains(&written), "{written}");
    assert_eq!(plugin.account().snapshot().log_records as usize, 5_000);
}
