//! Group D: component async, misused. Tasks, streams, futures and waitables without end or with nobody at their other end, a guest that takes no more calls,
//! a host that gives up at any moment, operations beyond the memory, callbacks that are none.
//!
//! Not here: what of it comes through `wasi:http`, which the HTTP adapter tests. Easily got wrong: only the full profile has any of it, so in the other one
//! a row must be refused by name before anything runs.

use std::time::{Duration, Instant};

use plugwork::dynamic::Argument;
use plugwork::{Error, Limits, Plugin, Profile};
use plugwork_core::Grants;
use serde_json::json;

use crate::arena::Arena;
use crate::guest::Guest;
use crate::row::{Contained, Ended, Expected, Row, SHORT, SMALL, Variant, refused};
use crate::world::Later;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("D1", "tasks without end, work after the answer", tasks),
        Row::new("D2", "streams and futures with nobody at the other end", deserted),
        Row::new("D3", "backpressure for ever", backpressure),
        Row::new("D4", "waitables without end, dropped and stale ones", waitables),
        Row::new("D5", "the host gives up at every point of waiting", given_up),
        Row::new("D6", "operations of length zero, beyond the memory, on the wrong end", operations),
        Row::new("D7", "callbacks of another type", callbacks),
    ]
}

/// Accepts it in the full profile. In the other one: how it was refused.
pub(super) async fn accepted(arena: &Arena, guest: &Guest, limits: Limits) -> Result<Plugin, Ended> {
    match (arena.profile(), arena.accept(guest, limits, Grants::none()).await) {
        (Profile::Hardened, Err(error)) if error.to_string().contains("E-ENGINE-PROFILE") => Err(refused(&error)),
        (Profile::Full, Ok(plugin)) => Ok(plugin),
        (profile, other) => Err(Err(format!("{profile:?}: {other:?}", other = other.map(|_| "accepted")))),
    }
}

/// A component whose asynchronous `run` is called once, in the one profile that has such.
pub(super) fn called(name: impl Into<String>, guest: Guest, limits: Limits, input: u32, expected: Expected) -> Variant {
    Variant::new(name, move |arena| {
        let (guest, expected) = (guest.clone(), expected.clone());
        Box::pin(async move {
            match accepted(arena, &guest, limits).await {
                Ok(plugin) => expected.check(&plugin, run(&plugin, input).await),
                Err(ended) => ended,
            }
        })
    })
}

/// Calls it by name. A call through a point is for those who need a session, or to be given up.
// In its debug builds the engine's crate asserts, in a call through a point, that the task which ends has answered: a panic, contained, where this is a trap.
async fn run(plugin: &Plugin, input: u32) -> Result<String, Error> {
    let returned = plugin.call_dynamic(&plugin.function("run")?, &[Argument::Json(json!(input))]).await?;
    Ok(returned.to_json()?.to_string())
}

/// What a callback answers: done, once more, or wait for a member of this set.
const DONE: &str = "(i32.const 0)";
const AGAIN: &str = "(i32.const 1)";
const WAIT: &str = "(i32.or (i32.shl (local.get $all) (i32.const 4)) (i32.const 2))";

/// A callback for those that never get so far.
const NEVER: &str = r#"(func (export "callback") (param i32 i32 i32) (result i32) unreachable)"#;

/// A component whose `run: async func(u32) -> u32` is in this code, which has a page of memory, streams of bytes, futures, sets of waitables, and a clock to
/// wait for.
fn later(code: &str) -> Guest {
    let functions = [
        ("return", "task.return (result u32)", "(param i32)"),
        ("more", "backpressure.inc", ""),
        ("new", "stream.new $bytes", "(result i64)"),
        ("read", "stream.read $bytes async (memory $heap \"memory\")", "(param i32 i32 i32) (result i32)"),
        ("write", "stream.write $bytes async (memory $heap \"memory\")", "(param i32 i32 i32) (result i32)"),
        ("drop-reader", "stream.drop-readable $bytes", "(param i32)"),
        ("drop-writer", "stream.drop-writable $bytes", "(param i32)"),
        ("future", "future.new $one", "(result i64)"),
        ("read-future", "future.read $one async (memory $heap \"memory\")", "(param i32 i32) (result i32)"),
        ("drop-future", "future.drop-writable $one", "(param i32)"),
        ("set", "waitable-set.new", "(result i32)"),
        ("join", "waitable.join", "(param i32 i32)"),
        ("drop-set", "waitable-set.drop", "(param i32)"),
        ("drop-task", "subtask.drop", "(param i32)"),
        ("sleep", "lower (func $clock \"wait-for\") async", "(param i64) (result i32)"),
    ];
    let defined: String = functions.iter().map(|(name, canon, _)| format!("(core func ${name} (canon {canon}))")).collect();
    let imported: String = functions.iter().map(|(name, _, core)| format!("(import \"\" \"{name}\" (func ${name} {core}))")).collect();
    let given: String = functions.iter().map(|(name, ..)| format!("(export \"{name}\" (func ${name}))")).collect();
    Guest::whole(format!(
        r#"(component
  (import "wasi:clocks/monotonic-clock@0.3.0" (instance $clock (export "wait-for" (func async (param "how-long" u64)))))
  (core module $heap-module (memory (export "memory") 1))
  (core instance $heap (instantiate $heap-module))
  (type $bytes (stream u8))
  (type $one (future u32))
  {defined}
  (core module $code-module
    (import "heap" "memory" (memory 1))
    {imported}
    (func $reader (param $both i64) (result i32) (i32.wrap_i64 (local.get $both)))
    (func $writer (param $both i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))))
    {code})
  (core instance $code (instantiate $code-module (with "heap" (instance $heap)) (with "" (instance {given}))))
  (func $run async (param "input" u32) (result u32)
    (canon lift (core func $code "run") async (callback (func $code "callback"))))
  (instance $point (export "run" (func $run)))
  (export "attack:point/later@0.1.0" (instance $point)))"#
    ))
}

/// `run` does this and ends, never to be called back.
fn once(deed: &str) -> Guest {
    let code = format!(
        r#"(func (export "run") (param $input i32) (result i32) (local $both i64) (local $all i32) (local $end i32)
            {deed} (call $return (i32.const 7)) {DONE}) {NEVER}"#
    );
    later(&code)
}

/// `run` does this and waits for what is in the set; then it answers 7.
fn waits(deed: &str) -> Guest {
    let code = format!(
        r#"(func (export "run") (param $input i32) (result i32) (local $both i64) (local $all i32)
            (local.set $all (call $set)) {deed} {WAIT})
        (func (export "callback") (param i32 i32 i32) (result i32) (call $return (i32.const 7)) {DONE})"#
    );
    later(&code)
}

/// An asynchronous function that never returns, and another component that calls it again and again without waiting for it.
const SPAWNS: &str = r#"(component
  (component $inner
    (core func $set (canon waitable-set.new))
    (core module $m
      (import "" "set" (func $set (result i32)))
      (func (export "run") (result i32) (i32.or (i32.shl (call $set) (i32.const 4)) (i32.const 2)))
      (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
    (core instance $i (instantiate $m (with "" (instance (export "set" (func $set))))))
    (func (export "wait") async (canon lift (core func $i "run") async (callback (func $i "callback")))))
  (component $outer
    (import "wait" (func $wait async))
    (core func $spawn (canon lower (func $wait) async))
    (core func $return (canon task.return (result u32)))
    (core module $m
      (import "" "spawn" (func $spawn (result i32)))
      (func (export "run") (param i32) (result i32) (loop $more (drop (call $spawn)) (br $more)) unreachable)
      (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
    (core instance $i (instantiate $m (with "" (instance (export "spawn" (func $spawn))))))
    (func (export "run") async (param "input" u32) (result u32) (canon lift (core func $i "run") async (callback (func $i "callback")))))
  (instance $inner (instantiate $inner))
  (instance $outer (instantiate $outer (with "wait" (func $inner "wait"))))
  (instance $point (export "run" (func $outer "run")))
  (export "attack:point/later@0.1.0" (instance $point)))"#;

fn tasks() -> Vec<Variant> {
    let sleeps = "(loop $more (drop (call $sleep (i64.const 3600000000000))) (br $more))";
    let gives_way = format!(
        r#"(func (export "run") (param i32) (result i32) {AGAIN}) (func (export "callback") (param i32 i32 i32) (result i32) {AGAIN})"#
    );
    let after = |deed: &str| format!(r#"(func (export "run") (param i32) (result i32) (call $return (i32.const 7)) {deed} {AGAIN})"#);
    let gives_way_after = format!(r#"{} (func (export "callback") (param i32 i32 i32) (result i32) {AGAIN})"#, after(""));
    let limit = || Expected::trap("handle limit exceeded");
    vec![
        called("of another component", Guest::whole(SPAWNS), SMALL, 0, limit()),
        called("of the host", once(sleeps), SMALL, 0, limit()),
        called("gives way for ever", later(&gives_way), SHORT, 0, Expected::deadline()),
        called("gives way for ever after its answer", later(&gives_way_after), SMALL, 0, Expected::answer(7)),
        called("loops after its answer", later(&format!("{} {NEVER}", after("(loop $again (br $again))"))), SHORT, 0, Expected::deadline()),
    ]
}

fn deserted() -> Vec<Variant> {
    let for_ever = || Expected::trap("deadlock");
    let reader = "(local.set $both (call $new)) (drop (call $read (call $reader (local.get $both)) (i32.const 0) (i32.const 1)))
        (call $join (call $reader (local.get $both)) (local.get $all))";
    let writer = "(local.set $both (call $new)) (drop (call $write (call $writer (local.get $both)) (i32.const 0) (i32.const 1)))
        (call $join (call $writer (local.get $both)) (local.get $all))";
    let future = "(local.set $both (call $future)) (drop (call $read-future (call $reader (local.get $both)) (i32.const 0)))
        (call $join (call $reader (local.get $both)) (local.get $all))";
    vec![
        called("a stream that nobody writes", waits(reader), SMALL, 0, for_ever()),
        called("a stream that nobody reads", waits(writer), SMALL, 0, for_ever()),
        called("a future that nobody resolves", waits(future), SMALL, 0, for_ever()),
        called("nothing at all", waits(""), SMALL, 0, for_ever()),
        called(
            "its writer is dropped",
            waits(&format!("{reader} (call $drop-writer (call $writer (local.get $both)))")),
            SMALL,
            0,
            Expected::answer(7),
        ),
        called(
            "its reader is dropped",
            waits(&format!("{writer} (call $drop-reader (call $reader (local.get $both)))")),
            SMALL,
            0,
            Expected::answer(7),
        ),
        called(
            "a future is dropped unresolved",
            once("(call $drop-future (call $writer (call $future)))"),
            SMALL,
            0,
            Expected::trap("future"),
        ),
    ]
}

fn backpressure() -> Vec<Variant> {
    vec![
        called("raised without end", once("(loop $raise (call $more) (br $raise))"), SMALL, 0, Expected::trap("backpressure")),
        Variant::new("an instance that takes nothing more is called again", |arena| {
            Box::pin(async move {
                let plugin = match accepted(arena, &once("(call $more)"), SMALL).await {
                    Ok(plugin) => plugin,
                    Err(ended) => return ended,
                };
                let mut session = plugin.session::<Later>().await.map_err(|error| format!("{error:?}"))?;
                match session.call_input(&0).await {
                    Ok(7) => {}
                    other => return Err(format!("the first call: {other:?}")),
                }
                let ended = session.call_input(&0).await.map(|answer| format!("{answer:?}"));
                // The engine sees that nobody could ever let it in.
                Expected::trap("deadlock").check(&plugin, ended)
            })
        }),
    ]
}

fn waitables() -> Vec<Variant> {
    let without_end = |name: &str, make: &str| {
        called(
            name,
            once(&format!("(local.set $all (call $set)) (loop $more {make} (br $more))")),
            SMALL,
            0,
            Expected::trap("handle limit exceeded"),
        )
    };
    let stale = |name: &str, deed: &str, words: &'static str| called(name, once(deed), SMALL, 0, Expected::trap(words));
    let joined = "(local.set $all (call $set)) (local.set $end (call $reader (call $new))) (call $join (local.get $end) (local.get $all))";
    vec![
        without_end("sets", "(drop (call $set))"),
        without_end("streams", "(drop (call $new))"),
        without_end("futures", "(drop (call $future))"),
        without_end("members of one set", "(call $join (call $reader (call $new)) (local.get $all))"),
        stale("a set is dropped with a member in it", &format!("{joined} (call $drop-set (local.get $all))"), ""),
        stale(
            "a member is dropped and joins",
            &format!("{joined} (call $drop-reader (local.get $end)) (call $join (local.get $end) (local.get $all))"),
            "",
        ),
        stale("one that never was joins", "(call $join (i32.const 99) (call $set))", ""),
        stale("a set joins itself", "(local.set $all (call $set)) (call $join (local.get $all) (local.get $all))", ""),
    ]
}

/// Sleeps for a millisecond and gives way, by turns, as often as its input says.
const BY_TURNS: &str = r#"
    (global $left (mut i32) (i32.const 0))
    (global $all (mut i32) (i32.const 0))
    (func $next (result i32) (local $task i32)
      (if (i32.eqz (global.get $left)) (then (call $return (i32.const 7)) (return (i32.const 0))))
      (global.set $left (i32.sub (global.get $left) (i32.const 1)))
      (if (i32.and (global.get $left) (i32.const 1)) (then (return (i32.const 1))))
      (local.set $task (i32.shr_u (call $sleep (i64.const 1000000)) (i32.const 4)))
      (if (i32.eqz (local.get $task)) (then (return (i32.const 1))))
      (call $join (local.get $task) (global.get $all))
      (i32.or (i32.shl (global.get $all) (i32.const 4)) (i32.const 2)))
    (func (export "run") (param $input i32) (result i32)
      (global.set $left (local.get $input)) (global.set $all (call $set)) (call $next))
    (func (export "callback") (param $event i32) (param $task i32) (param $state i32) (result i32)
      (if (i32.and (i32.eq (local.get $event) (i32.const 1)) (i32.eq (local.get $state) (i32.const 2))) (then
        (call $join (local.get $task) (i32.const 0)) (call $drop-task (local.get $task))))
      (call $next))"#;

fn given_up() -> Vec<Variant> {
    vec![
        called("whole", later(BY_TURNS), SMALL, 20, Expected::answer(7)),
        Variant::new("after any number of turns", |arena| {
            Box::pin(async move {
                let plugin = match accepted(arena, &later(BY_TURNS), SMALL).await {
                    Ok(plugin) => plugin,
                    Err(ended) => return ended,
                };
                for turns in 0..40 {
                    let mut call = Box::pin(plugin.call::<Later>(&20));
                    for _ in 0..turns {
                        if futures::poll!(&mut call).is_ready() {
                            break;
                        }
                        // Now and then its guest gets further than the next turn.
                        tokio::time::sleep(Duration::from_millis(turns % 3)).await;
                    }
                }
                let patience = Instant::now() + Duration::from_secs(10);
                while plugin.account().snapshot().instances > 0 {
                    if Instant::now() > patience {
                        return Err(format!("instances are left: {:?}", plugin.account().snapshot()));
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let usage = plugin.account().snapshot();
                if (usage.faults, usage.held_bytes, usage.memory_bytes) != (0, 0, 0) {
                    return Err(format!("something is left: {usage:?}"));
                }
                let whole = plugin.call::<Later>(&20).await.map_err(|error| format!("{error:?}"))?;
                if whole == 7 { Ok(Contained::harmless("nothing left")) } else { Err(format!("then it answered {whole}")) }
            })
        }),
    ]
}

fn operations() -> Vec<Variant> {
    let mut variants = Vec::new();
    for (operation, end) in [("read", "reader"), ("write", "writer")] {
        let at = |at: &str, length: &str| {
            once(&format!("(drop (call ${operation} (call ${end} (call $new)) (i32.const {at}) (i32.const {length})))"))
        };
        variants.push(called(format!("{operation} nothing, at the end"), at("65536", "0"), SMALL, 0, Expected::answer(7)));
        for (place, length) in [("65535", "2"), ("-1", "1"), ("0", "65537"), ("1", "268435455")] {
            variants.push(called(format!("{operation} {length} at {place}"), at(place, length), SMALL, 0, Expected::trap("")));
        }
    }
    for wrong in [
        "(drop (call $read (call $writer (call $new)) (i32.const 0) (i32.const 1)))",
        "(drop (call $write (call $reader (call $new)) (i32.const 0) (i32.const 1)))",
        "(drop (call $read (call $set) (i32.const 0) (i32.const 1)))",
        "(drop (call $read-future (call $reader (call $new)) (i32.const 0)))",
        "(drop (call $read (call $reader (call $future)) (i32.const 0) (i32.const 1)))",
        "(call $drop-future (call $writer (call $new)))",
        "(call $drop-reader (i32.const 99))",
        "(call $drop-task (call $reader (call $new)))",
        "(call $drop-set (call $reader (call $new)))",
    ] {
        variants.push(called(wrong, once(wrong), SMALL, 0, Expected::trap("")));
    }
    let busy = "(local.set $end (call $reader (call $new))) (drop (call $read (local.get $end) (i32.const 0) (i32.const 1)))";
    variants.push(called(
        "dropped while it is read",
        once(&format!("{busy} (call $drop-reader (local.get $end))")),
        SMALL,
        0,
        Expected::trap(""),
    ));
    variants.push(called(
        "read twice at once",
        once(&format!("{busy} (drop (call $read (local.get $end) (i32.const 0) (i32.const 1)))")),
        SMALL,
        0,
        Expected::trap(""),
    ));
    variants
}

fn callbacks() -> Vec<Variant> {
    let run = format!(r#"(func (export "run") (param i32) (result i32) {DONE})"#);
    let mut variants: Vec<_> = [
        ("more results", "(param i32 i32 i32) (result i32 i32) (i32.const 0) (i32.const 0)"),
        ("no result", "(param i32 i32 i32)"),
        ("too few parameters", "(param i32 i32) (result i32) (i32.const 0)"),
        ("another parameter", "(param i32 i32 i64) (result i32) (i32.const 0)"),
        ("another result", "(param i32 i32 i32) (result i64) (i64.const 0)"),
    ]
    .into_iter()
    .map(|(name, callback)| {
        let guest = later(&format!(r#"{run} (func (export "callback") {callback})"#));
        Variant::call::<Later>(name, guest, SMALL, 0, Expected::Refused("callback"))
    })
    .collect();
    for code in ["3", "15", "-1", "0x12", "0xffff2"] {
        let guest = later(&format!(r#"(func (export "run") (param i32) (result i32) (i32.const {code})) {NEVER}"#));
        variants.push(called(format!("it answers {code}"), guest, SMALL, 0, Expected::trap("")));
    }
    variants.push(called("two answers", once("(call $return (i32.const 1))"), SMALL, 0, Expected::trap("")));
    variants.push(called("no answer", later(&format!("{run} {NEVER}")), SMALL, 0, Expected::trap("")));
    variants
}
