//! Group E without files, and A6: host calls by the million, logs that flood and deceive, randomness, what the environment gives away, clocks,
//! sockets; a processor share used up.
//!
//! Easily got wrong: a limit per second lets one second's worth through at once, so each of these asks for more than that.

use std::io::Write;
use std::sync::{Arc, Mutex};

use plugwork::Limits;
use plugwork::log::{JsonLines, Sink as _, escape};
use plugwork_core::Grants;
use plugwork_core::limits::{LOG_RECORD_BYTES_MAX, RANDOM_BYTES_MAX};

use super::processor::probe;
use crate::arena::Arena;
use crate::guest::{Guest, LOG, PROBE};
use crate::row::{Contained, Expected, Row, SMALL, Variant, faulted};
use crate::world::{Number, Said};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("A6", "more processor time than its share", share),
        Row::new("E1", "ten million cheap host calls", calls),
        Row::new("E2", "a flood of log lines; control, escape and direction characters", logs),
        Row::new("E3", "JSON and format strings in log lines", injection),
        Row::new("E4", "random bytes without end (CVE-2026-27204)", random),
        Row::new("E5", "variables, arguments, working directory", environment),
        Row::new("E6", "a clock as a stopwatch", clocks),
        Row::new("E9", "sockets and name look-up without a grant", sockets),
    ]
}

const ENDLESS: &str = r#"(func (export "run") (param i32) (result i32) (loop $again (br $again)) i32.const 0)"#;

fn share() -> Vec<Variant> {
    vec![Variant::new("a fifth of a core, calls of 100 ms one after the other", |arena| {
        Box::pin(async move {
            let limits = Limits { deadline_ms: 100, cpu_percent: Some(20), ..SMALL };
            let plugin = arena.accept(&Guest::new(ENDLESS), limits, Grants::none()).await.map_err(|error| format!("{error:?}"))?;
            let started = std::time::Instant::now();
            // One second is saved up; then it must wait, and its deadline goes on.
            for _ in 0..100 {
                let error = plugin.call::<Number>(&0).await.err().ok_or("an answer")?;
                if error.fault().is_some_and(|fault| fault.code() == "cpu") {
                    let cpu_ms = plugin.account().snapshot().cpu_ms;
                    let allowed_ms = 1_000 + u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) / 5 + 200;
                    if cpu_ms > allowed_ms {
                        return Err(format!("{cpu_ms} ms of processor time, {allowed_ms} were its share"));
                    }
                    return faulted(&plugin, &error);
                }
            }
            Err("it was never made to wait".to_owned())
        })
    })]
}

/// Calls something for ever.
fn for_ever(import: &str, deed: &str) -> String {
    format!(r#"{import} (func (export "run") (param i32) (result i32) (loop $again {deed} (br $again)) i32.const 0)"#)
}

const CLOCK: &str = r#"(import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock (export "now" (func (result u64)))))"#;

fn calls() -> Vec<Variant> {
    let limits = Limits { host_calls_per_second: Some(5_000), ..SMALL };
    let expected = || Expected::Fault("host-calls", "5000");
    let next = Guest::new(&for_ever(r#"(import "host" "next" (func $next (result i32)))"#, "(drop (call $next))"));
    let now = Guest::new(&for_ever(r#"(import "host" "now" (func $now (result i64)))"#, "(drop (call $now))"));
    let write = Guest::new(&for_ever(
        r#"(import "host" "write" (func $write (param i32 i32 i32)))"#,
        "(call $write (i32.const 0) (i32.const 0) (i32.const 0))",
    ));
    let denied = Guest::new(&for_ever(r#"(import "host" "instance-network" (func $it (result i32)))"#, "(drop (call $it))"));
    vec![
        Variant::granted::<Number>("of the application", next.import(PROBE).host("next", "$probe"), limits, probe(), 0, expected()),
        Variant::call::<Number>("of WASI", now.import(CLOCK).host("now", "$clock"), limits, 0, expected()),
        Variant::call::<Number>("to the log", write.import(LOG).host("write", "$log"), limits, 0, expected()),
        Variant::call::<Number>(
            "to what is denied",
            denied.import(NETWORK).host("instance-network", "$network"),
            limits,
            0,
            // Handles run out first or calls do: both end it.
            Expected::Fault("", ""),
        ),
    ]
}

/// Writes this text once.
fn says(data: &str, bytes: usize) -> Guest {
    let code = format!(
        r#"(import "heap" "memory" (memory 1)) (import "host" "write" (func $write (param i32 i32 i32)))
        (data (i32.const 1024) "{data}")
        (func (export "run") (param i32) (result i32) (call $write (i32.const 2) (i32.const 1024) (i32.const {bytes})) i32.const 0)"#
    );
    Guest::new(&code).import(LOG).host("write", "$log")
}

/// Text as it stands in component text.
fn quoted(text: &str) -> String {
    text.bytes().map(|byte| format!("\\{byte:02x}")).collect()
}

fn logs() -> Vec<Variant> {
    let flood = for_ever(
        r#"(import "heap" "memory" (memory 1)) (import "host" "write" (func $write (param i32 i32 i32)))"#,
        "(call $write (i32.const 2) (i32.const 0) (i32.const 60000))",
    );
    let flood = Guest::new(&flood).import(LOG).host("write", "$log");
    let deceiving = [
        ("clear the screen", "\x1b[2J\x1b[H"),
        ("a link in a terminal", "\x1b]8;;file:///etc/passwd\x07harmless\x1b]8;;\x07"),
        ("a title", "\x1b]0;owned\x07"),
        ("a line over another", "good\rbad"),
        ("NUL", "a\0b"),
        ("C1 controls", "\u{9b}2J\u{85}"),
        ("right to left", "\u{202e}txt.exe\u{2066}"),
        ("tags nobody sees", "\u{e0041}\u{e0042}"),
        ("separators", "a\u{2028}b\u{2029}c"),
    ];
    let mut variants = vec![Variant::new("a flood until the deadline", move |arena| {
        let flood = flood.clone();
        Box::pin(async move {
            let limits = Limits { deadline_ms: 300, host_calls_per_second: None, ..SMALL };
            let plugin = arena.accept(&flood, limits, Grants::none()).await.map_err(|error| format!("{error:?}"))?;
            let error = plugin.call::<Number>(&0).await.err().ok_or("an answer")?;
            let kept = kept_of(&arena.log.said(), &plugin);
            let usage = plugin.account().snapshot();
            // Four seconds of its rate may come at once; a cut record says how much was cut, in less than 64 bytes.
            let most = usize::try_from(limits.log_bytes_per_second).unwrap() * 5;
            if kept.bytes > most || kept.longest > LOG_RECORD_BYTES_MAX + 64 || usage.log_dropped == 0 {
                return Err(format!("{kept:?}, dropped {}", usage.log_dropped));
            }
            faulted(&plugin, &error)
        })
    })];
    variants.extend(deceiving.into_iter().map(|(name, text)| {
        let guest = says(&quoted(text), text.len());
        Variant::new(name, move |arena| {
            let guest = guest.clone();
            Box::pin(async move {
                let said = said_by(arena, &guest).await?;
                let shown = escape(&said.message);
                let json = json_line(&said)?;
                for (place, text) in [("the terminal", shown.as_str()), ("JSON", json.trim_end())] {
                    if let Some(raw) = text.chars().find(|character| is_deceiving(*character)) {
                        return Err(format!("{place} gets {raw:?}"));
                    }
                }
                // A record is one line of JSON, and its reader gets back what was said.
                let read: serde_json::Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
                match read["message"] == text {
                    true => Ok(Contained::harmless("escaped")),
                    false => Err(format!("JSON gives back {read}")),
                }
            })
        })
    }));
    variants
}

/// Raw characters that change how a terminal or a reader sees the rest.
fn is_deceiving(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}')
}

#[derive(Debug)]
struct Kept {
    bytes: usize,
    longest: usize,
}

fn kept_of(said: &[Said], plugin: &plugwork::Plugin) -> Kept {
    let lengths: Vec<_> = said.iter().filter(|said| said.subject == *plugin.subject()).map(|said| said.message.len()).collect();
    Kept { bytes: lengths.iter().sum(), longest: lengths.iter().copied().max().unwrap_or_default() }
}

/// The one record that a guest makes.
async fn said_by(arena: &Arena, guest: &Guest) -> Result<Said, String> {
    let said = |error: plugwork::Error| format!("{error:?}");
    let plugin = arena.accept(guest, SMALL, Grants::none()).await.map_err(said)?;
    plugin.call::<Number>(&0).await.map_err(said)?;
    let mut records: Vec<_> = arena.log.said().into_iter().filter(|said| said.subject == *plugin.subject()).collect();
    match (records.pop(), records.is_empty()) {
        (Some(said), true) => Ok(said),
        (last, _) => Err(format!("{} records and {last:?}", records.len())),
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the shipped JSON sink makes of a record: exactly one line.
fn json_line(said: &Said) -> Result<String, String> {
    let out = Shared::default();
    JsonLines::new(out.clone()).record(&said.subject, said.level, &said.message);
    let text = String::from_utf8(out.0.lock().unwrap().clone()).map_err(|error| error.to_string())?;
    if text.lines().count() == 1 && text.ends_with('\n') { Ok(text) } else { Err(format!("not one line: {text:?}")) }
}

fn injection() -> Vec<Variant> {
    let texts = [
        "\",\"level\":\"error\",\"plugin\":\"somebody:else",
        "x\"}\n{\"plugin\":\"somebody:else\",\"message\":\"forged\"}",
        "{} {0} {message} %s %n %x ${jndi:ldap://x/a}",
        "\\\",\\u0022}\\n",
        "\r\n\r\nHTTP/1.1 200 OK",
    ];
    texts
        .into_iter()
        .map(|text| {
            let guest = says(&quoted(text), text.len());
            Variant::new(text.escape_debug().to_string(), move |arena| {
                let guest = guest.clone();
                Box::pin(async move {
                    let said = said_by(arena, &guest).await?;
                    let json = json_line(&said)?;
                    let read: serde_json::Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
                    let whole = read["message"] == text && read["plugin"] == said.subject.package.to_string() && read["level"] == "info";
                    if whole { Ok(Contained::harmless("one record")) } else { Err(json) }
                })
            })
        })
        .collect()
}

const RANDOM: &str = r#"(import "wasi:random/random@0.2.6" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8)))) (export "get-random-u64" (func (result u64)))))"#;

fn random() -> Vec<Variant> {
    let bytes = |deed: &str| {
        // Always the same place: the host's memory is what is under attack, not the guest's.
        let import = r#"(import "host" "get-random-bytes" (func $random (param i64 i32)))"#;
        Guest::new(&for_ever(import, deed))
            .realloc("", "(if (i32.gt_u (local.get 3) (i32.const 65536)) (then unreachable)) (if (i32.lt_u (memory.size) (i32.const 4)) (then (drop (memory.grow (i32.const 4))))) i32.const 65536")
            .import(RANDOM)
            .host("get-random-bytes", "$random")
    };
    let asks = |count: u64| bytes(&format!("(call $random (i64.const {count}) (i32.const 0))"));
    let word = Guest::new(&for_ever(r#"(import "host" "get-random-u64" (func $random (result i64)))"#, "(drop (call $random))"));
    let word = word.import(RANDOM).host("get-random-u64", "$random");
    let limits = Limits { host_calls_per_second: None, random_bytes_per_second: 1 << 20, ..SMALL };
    vec![
        Variant::call::<Number>("one byte too many in a call", asks(RANDOM_BYTES_MAX + 1), limits, 0, Expected::trap("")),
        Variant::call::<Number>("64 MiB in a call", asks(64 << 20), limits, 0, Expected::trap("")),
        Variant::call::<Number>("2^64 - 1 in a call", bytes("(call $random (i64.const -1) (i32.const 0))"), limits, 0, Expected::trap("")),
        Variant::call::<Number>("64 KiB for ever", asks(RANDOM_BYTES_MAX), limits, 0, Expected::trap("1048576 a second")),
        Variant::call::<Number>("words for ever", word, limits, 0, Expected::trap("1048576 a second")),
    ]
}

fn environment() -> Vec<Variant> {
    let import = r#"(import "wasi:cli/environment@0.2.6" (instance $environment
        (export "get-environment" (func (result (list (tuple string string)))))
        (export "get-arguments" (func (result (list string))))
        (export "initial-cwd" (func (result (option string))))))"#;
    // The length of the list, or whether there is a directory.
    let asks = |name: &str, at: u32| {
        let code = format!(
            r#"(import "heap" "memory" (memory 1)) (import "host" "{name}" (func $it (param i32)))
            (func (export "run") (param i32) (result i32) (call $it (i32.const 64)) (i32.load (i32.const {at})))"#
        );
        Guest::new(&code).import(import).host(name, "$environment")
    };
    // This process has variables and arguments, so nothing is empty by accident.
    assert!(std::env::vars_os().next().is_some() && std::env::args_os().next().is_some());
    vec![
        Variant::call::<Number>("variables", asks("get-environment", 68), SMALL, 0, Expected::answer(0)),
        Variant::call::<Number>("arguments", asks("get-arguments", 68), SMALL, 0, Expected::answer(0)),
        Variant::call::<Number>("working directory", asks("initial-cwd", 64), SMALL, 0, Expected::answer(0)),
    ]
}

fn clocks() -> Vec<Variant> {
    // The smallest step that can be seen in 20 steps, in nanoseconds.
    let code = r#"(import "host" "now" (func $now (result i64)))
        (func (export "run") (param i32) (result i32) (local $was i64) (local $is i64) (local $least i64) (local $steps i32)
          (local.set $least (i64.const 4000000000))
          (local.set $was (call $now))
          (loop $again
            (local.set $is (call $now))
            (if (i64.ne (local.get $is) (local.get $was)) (then
              (if (i64.lt_u (i64.sub (local.get $is) (local.get $was)) (local.get $least))
                (then (local.set $least (i64.sub (local.get $is) (local.get $was)))))
              (local.set $was (local.get $is))
              (local.set $steps (i32.add (local.get $steps) (i32.const 1)))))
            (br_if $again (i32.lt_u (local.get $steps) (i32.const 20))))
          (i32.wrap_i64 (local.get $least)))"#;
    let guest = Guest::new(code).import(CLOCK).host("now", "$clock");
    vec![Variant::new("the smallest step of the monotonic clock", move |arena| {
        let guest = guest.clone();
        Box::pin(async move {
            let said = |error: plugwork::Error| format!("{error:?}");
            let limits = Limits { host_calls_per_second: None, ..SMALL };
            let plugin = arena.accept(&guest, limits, Grants::none()).await.map_err(said)?;
            match plugin.call::<Number>(&0).await.map_err(said)? {
                step_ns if step_ns >= 100_000 => Ok(Contained::harmless("coarse")),
                step_ns => Err(format!("a step of {step_ns} ns can be seen")),
            }
        })
    })]
}

const NETWORK: &str = r#"
  (import "wasi:sockets/network@0.2.6" (instance $network-types (export "network" (type $network' (sub resource)))))
  (alias export $network-types "network" (type $n))
  (import "wasi:sockets/instance-network@0.2.6" (instance $network
    (alias outer 1 $n (type $outer)) (export "network" (type $network'' (eq $outer)))
    (export "instance-network" (func (result (own $network''))))))
"#;

fn sockets() -> Vec<Variant> {
    // `result<own socket, error-code>`: 1 at 64 where it was denied, and then the case at 68.
    let create = |interface: &str, resource: &str, function: &str| {
        let import = format!(
            r#"(import "wasi:sockets/{interface}@0.2.6" (instance $sockets
            (export "{resource}" (type $socket' (sub resource)))
            (type $f (enum "ipv4" "ipv6")) (export "ip-address-family" (type $family (eq $f)))
            (type $e (enum "unknown" "access-denied" "not-supported")) (export "error-code" (type $error (eq $e)))
            (export "{function}" (func (param "address-family" $family) (result (result (own $socket') (error $error)))))))"#
        );
        let code = format!(
            r#"(import "heap" "memory" (memory 1)) (import "host" "{function}" (func $create (param i32 i32)))
            (func (export "run") (param i32) (result i32) (call $create (i32.const 0) (i32.const 64))
              (i32.add (i32.mul (i32.load8_u (i32.const 64)) (i32.const 10)) (i32.load8_u (i32.const 68))))"#
        );
        Guest::new(&code).import(&import).host(function, "$sockets")
    };
    let resolve = r#"(import "heap" "memory" (memory 1))
        (import "host" "instance-network" (func $network (result i32)))
        (import "host" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
        (data (i32.const 0) "localhost")
        (func (export "run") (param i32) (result i32)
          (call $resolve (call $network) (i32.const 0) (i32.const 9) (i32.const 64))
          (i32.add (i32.mul (i32.load8_u (i32.const 64)) (i32.const 10)) (i32.load8_u (i32.const 68))))"#;
    let lookup = r#"(import "wasi:sockets/ip-name-lookup@0.2.6" (instance $lookup
        (alias outer 1 $n (type $outer)) (export "network" (type $network' (eq $outer)))
        (export "resolve-address-stream" (type $stream (sub resource)))
        (type $e (enum "unknown" "access-denied" "not-supported")) (export "error-code" (type $error (eq $e)))
        (export "resolve-addresses" (func (param "network" (borrow $network')) (param "name" string) (result (result (own $stream) (error $error)))))))"#;
    let resolve =
        Guest::new(resolve).import(NETWORK).import(lookup).host("instance-network", "$network").host("resolve-addresses", "$lookup");
    let old = Guest::whole("(component (import \"wasi:snapshot-preview1/fd@0.1.0\" (instance (export \"read\" (func)))))");
    vec![
        Variant::call::<Number>("TCP", create("tcp-create-socket", "tcp-socket", "create-tcp-socket"), SMALL, 0, Expected::answer(11)),
        Variant::call::<Number>("UDP", create("udp-create-socket", "udp-socket", "create-udp-socket"), SMALL, 0, Expected::answer(11)),
        Variant::call::<Number>("name look-up", resolve, SMALL, 0, Expected::answer(11)),
        Variant::new("an interface that is older than the house", move |arena| {
            let old = old.clone();
            Box::pin(async move {
                match arena.accept(&old, SMALL, Grants::none()).await {
                    Err(error) => crate::row::refused(&error),
                    Ok(_) => Err("accepted".to_owned()),
                }
            })
        }),
    ]
}
