//! Group A: time and stack. A guest that never ends, in every place where guest code runs; one long instruction; recursion; a host call that
//! never answers.
//!
//! Not here: how late it is stopped, which `--measure` prints. Easily got wrong: a deadline that strikes while the instance is being made is
//! the same fault as one that strikes in the call.

use std::fmt::Write as _;

use futures::future::join_all;
use plugwork::Fault;
use plugwork_core::Grants;
use serde_json::Map;
use wasmtime::AsContextMut as _;

use super::handles::ended_by_reentrance;
use crate::guest::{ECHO, Guest, PROBE};
use crate::row::{Contained, Expected, Row, SHORT, SMALL, Variant, faulted};
use crate::world::{Again, Counting, Number, Text};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("A1", "loop in export, start, destructor, realloc, post-return, callback", endless),
        Row::new("A2", "bulk memory and table operations, calls without a loop", bulk),
        Row::new("A3", "recursion: deep, through components, through the host, 64 at once", recursion).instances(72),
        Row::new("A4", "a host call that never ends", blocked),
        Row::new("A7", "fuel dodged by calls, bulk operations and places that are not the export", fuel),
    ]
}

const LOOP: &str = "(loop $again (br $again))";

/// The grant of `probe`.
pub(super) fn probe() -> Grants {
    Grants::none().with("probe", Map::new())
}

const TEXT: &str = "(param \"input\" string) (result string)";

/// A resource of the guest's own, whose destructor runs `body`; `run` makes one and, where the input is not 0, drops it itself.
pub(super) fn counter(body: &str) -> Guest {
    let code = r#"
        (import "host" "new" (func $new (param i32) (result i32)))
        (import "host" "drop" (func $drop (param i32)))
        (func (export "next") (param i32) (result i32) local.get 0)
        (func (export "run") (param i32) (result i32)
          (if (local.get 0) (then (call $drop (call $new (i32.const 1)))))
          (call $new (i32.const 1)))"#;
    Guest::new(code)
        .import(&format!(
            r#"(core module $end-module (func (export "end") (param i32) {body}))
            (core instance $end (instantiate $end-module))
            (type $counter (resource (rep i32) (dtor (func $end "end"))))"#
        ))
        .canon("new", "(canon resource.new $counter)")
        .canon("drop", "(canon resource.drop $counter)")
        .exporting(
            r#"
  (func $next (param "self" (borrow $counter)) (result u32) (canon lift (core func $code "next")))
  (func $run (param "at" u32) (result (own $counter)) (canon lift (core func $code "run")))
  (component $shape
    (import "counter" (type $c (sub resource)))
    (import "next" (func $n (param "self" (borrow $c)) (result u32)))
    (import "run" (func $r (param "at" u32) (result (own $c))))
    (export $C "counter" (type $c))
    (export "[method]counter.next" (func $n) (func (param "self" (borrow $C)) (result u32)))
    (export "run" (func $r) (func (param "at" u32) (result (own $C)))))
  (instance $point (instantiate $shape
    (with "counter" (type $counter)) (with "next" (func $next)) (with "run" (func $run))))
  (export "attack:point/counting@0.1.0" (instance $point))"#,
        )
}

/// The host lets go of a resource that the guest gave it.
pub(super) fn dropped_by_the_host(name: &'static str, body: &'static str, expected: Expected, limits: plugwork::Limits) -> Variant {
    Variant::new(name, move |arena| {
        let expected = expected.clone();
        Box::pin(async move {
            let said = |error: plugwork::Error| format!("{error:?}");
            let plugin = arena.accept(&counter(body), limits, Grants::none()).await.map_err(said)?;
            let mut session = plugin.session::<Counting>().await.map_err(said)?;
            let ended = session.call(|guest, mut store| {
                Box::pin(async move {
                    let counter = guest.call_run(store.as_context_mut(), 0).await?;
                    counter.resource_drop_async(store).await
                })
            });
            let ended = ended.await.map(|()| "dropped".to_owned());
            expected.check(&plugin, ended)
        })
    })
}

fn endless() -> Vec<Variant> {
    let text = |guest: Guest, options: &str| guest.point("text", TEXT, "", options);
    let give_text = r#"
        (import "heap" "memory" (memory 1))
        (func (export "post") (param i32) (loop $again (br $again)))
        (func (export "run") (param i32 i32) (result i32)
          (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) i32.const 0)"#;
    let hello = || "hello".to_owned();
    vec![
        Variant::call::<Number>(
            "export",
            Guest::new(&format!(r#"(func (export "run") (param i32) (result i32) {LOOP} i32.const 0)"#)),
            SHORT,
            0,
            Expected::deadline(),
        ),
        Variant::call::<Number>(
            "start",
            Guest::new(&format!("{ECHO} (func $start {LOOP}) (start $start)")),
            SHORT,
            0,
            Expected::deadline(),
        ),
        Variant::call::<Counting>("destructor, by the guest", counter(LOOP), SHORT, 1, Expected::deadline()),
        dropped_by_the_host("destructor, by the host", LOOP, Expected::deadline(), SHORT),
        Variant::call::<Text>(
            "realloc",
            text(Guest::new(give_text).realloc("", &format!("{LOOP} i32.const 0")), ""),
            SHORT,
            hello(),
            Expected::deadline(),
        ),
        Variant::call::<Text>(
            "post-return",
            text(Guest::new(give_text), "(post-return (func $code \"post\"))"),
            SHORT,
            hello(),
            Expected::deadline(),
        ),
        super::waiting::called("callback of component async", Guest::whole(CALLBACK), SHORT, 1, Expected::deadline()),
    ]
}

/// An asynchronous export that yields once and then loops in its callback.
const CALLBACK: &str = r#"(component
  (core module $code-module
    (import "" "task.return" (func $return (param i32)))
    (func (export "run") (param i32) (result i32) i32.const 1)
    (func (export "callback") (param i32 i32 i32) (result i32) (loop $again (br $again)) i32.const 0))
  (core func $return (canon task.return (result u32)))
  (core instance $code (instantiate $code-module (with "" (instance (export "task.return" (func $return))))))
  (func $run async (param "input" u32) (result u32)
    (canon lift (core func $code "run") async (callback (func $code "callback"))))
  (instance $later (export "run" (func $run)))
  (export "attack:point/later@0.1.0" (instance $later)))"#;

fn bulk() -> Vec<Variant> {
    let run = |body: &str| format!(r#"(func (export "run") (param i32) (result i32) {body} i32.const 0)"#);
    let memory = "(memory $own 60)";
    let fill = "(memory.fill $own (i32.const 0) (i32.const 170) (i32.const 3932160))";
    let copy = "(memory.copy $own $own (i32.const 0) (i32.const 1966080) (i32.const 1966080))";
    let table = "(table $own 20000 funcref)";
    let refill = "(table.fill $own (i32.const 0) (ref.null func) (i32.const 20000))";
    let recopy = "(table.copy $own $own (i32.const 0) (i32.const 10000) (i32.const 10000))";
    let mut variants = Vec::new();
    for (name, place, operation) in
        [("memory.fill", memory, fill), ("memory.copy", memory, copy), ("table.fill", table, refill), ("table.copy", table, recopy)]
    {
        let looped = format!("{place} {}", run(&format!("(loop $again {operation} (br $again))")));
        variants.push(Variant::call::<Number>(format!("{name} in a loop"), Guest::new(&looped), SHORT, 0, Expected::deadline()));
        // A hundred in a row, and twice that in each function that calls the one before it twice.
        let straight = format!("{place} {}", tree(&operation.repeat(100), 16));
        variants.push(Variant::call::<Number>(format!("{name} without a loop"), Guest::new(&straight), SHORT, 0, Expected::deadline()));
    }
    variants.push(Variant::call::<Number>("a tree of calls", Guest::new(&tree("", 48)), SHORT, 0, Expected::deadline()));
    let arithmetic = run(&"(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 7)) (i32.const 3)))".repeat(4_000));
    variants.push(Variant::call::<Number>("long straight code", Guest::new(&arithmetic), SMALL, 1, Expected::answer(0)));
    variants
}

/// `run` is the root of a tree of calls: each function calls the one below it twice, so there are 2^levels calls without a loop or depth.
fn tree(leaf: &str, levels: u32) -> String {
    let mut tree = format!("(func $f0 {leaf})");
    for level in 1..=levels {
        write!(tree, "(func $f{level} (call $f{0}) (call $f{0}))", level - 1).unwrap();
    }
    format!(r#"{tree} (func (export "run") (param i32) (result i32) (call $f{levels}) i32.const 0)"#)
}

/// Recursion without end.
const DEEP: &str = r#"(func $again (export "run") (param i32) (result i32) (i32.add (call $again (local.get 0)) (i32.const 1)))"#;

fn recursion() -> Vec<Variant> {
    let stack = || Expected::Fault("stack", "stack");
    let back = r#"(import "host" "again" (func $again (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $again (local.get 0)))"#;
    let back = Guest::new(back).import(PROBE).host("again", "$probe");
    vec![
        Variant::call::<Number>("deep", Guest::new(DEEP), SMALL, 0, stack()),
        Variant::call::<Number>("deep, in wide frames", Guest::new(&wide_frames()), SMALL, 0, stack()),
        Variant::call::<Number>(
            "in a start function",
            Guest::new(&format!("{DEEP} (func $s (drop (call $again (i32.const 0)))) (start $s)")),
            SMALL,
            0,
            stack(),
        ),
        Variant::call::<Number>("through two components", Guest::whole(two_components()), SMALL, 0, stack()),
        Variant::new("through a host callback", move |arena| {
            let back = back.clone();
            Box::pin(async move {
                let plugin = arena.accept(&back, SMALL, probe()).await.map_err(|error| format!("{error:?}"))?;
                let error = plugin.call::<Again>(&0).await.err().ok_or("an answer")?;
                ended_by_reentrance(arena.profile(), &plugin, &error)
            })
        }),
        Variant::new("64 at once", |arena| {
            Box::pin(async move {
                let plugin = arena.accept(&Guest::new(DEEP), SMALL, Grants::none()).await.map_err(|error| format!("{error:?}"))?;
                let calls = (0..64).map(|_| {
                    let plugin = plugin.clone();
                    tokio::spawn(async move { plugin.call::<Number>(&0).await })
                });
                let mut last = Contained::harmless("none");
                for ended in join_all(calls).await {
                    let error = ended.map_err(|error| error.to_string())?.err().ok_or("an answer")?;
                    if error.fault() != Some(&Fault::Stack) {
                        return Err(format!("{error:?}"));
                    }
                    last = faulted(&plugin, &error)?;
                }
                Ok(last)
            })
        }),
    ]
}

/// Recursion whose every frame holds 200 values that are needed after the call.
fn wide_frames() -> String {
    let (mut set, mut sum) = (String::new(), String::from("(local.get 1)"));
    for index in 1..=200 {
        write!(set, "(local.set {index} (i32.add (local.get 0) (i32.const {index})))").unwrap();
        sum = format!("(i32.xor {sum} (local.get {index}))");
    }
    let locals = "i32 ".repeat(200);
    format!(r#"(func $again (export "run") (param i32) (result i32) (local {locals}) {set} (i32.add (call $again (local.get 0)) {sum}))"#)
}

/// One component recurses and at every level calls its sibling, which recurses too.
fn two_components() -> &'static str {
    r#"(component
  (component $inner
    (core module $m (func $down (export "down") (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
        (else (i32.const 0)))))
    (core instance $i (instantiate $m))
    (func (export "down") (param "depth" u32) (result u32) (canon lift (core func $i "down"))))
  (component $outer
    (import "down" (func $down (param "depth" u32) (result u32)))
    (core func $down' (canon lower (func $down)))
    (core module $m
      (import "inner" "down" (func $down (param i32) (result i32)))
      (func $again (export "run") (param i32) (result i32)
        (drop (call $down (i32.const 20)))
        (i32.add (call $again (i32.add (local.get 0) (i32.const 1))) (i32.const 1))))
    (core instance $i (instantiate $m (with "inner" (instance (export "down" (func $down'))))))
    (func (export "run") (param "input" u32) (result u32) (canon lift (core func $i "run"))))
  (instance $inner (instantiate $inner))
  (instance $outer (instantiate $outer (with "down" (func $inner "down"))))
  (instance $point (export "run" (func $outer "run")))
  (export "attack:point/number@0.1.0" (instance $point)))"#
}

fn blocked() -> Vec<Variant> {
    let block = r#"(import "host" "block" (func $block)) (func (export "run") (param i32) (result i32) call $block i32.const 0)"#;
    let poll = r#"
        (import "host" "subscribe-duration" (func $subscribe (param i64) (result i32)))
        (import "host" "[method]pollable.block" (func $block (param i32)))
        (func (export "run") (param i32) (result i32) (call $block (call $subscribe (i64.const -1))) i32.const 0)"#;
    let poll = Guest::new(poll).import(POLL).host("subscribe-duration", "$clock").host("[method]pollable.block", "$poll");
    vec![
        Variant::granted::<Number>(
            "a function of the application",
            Guest::new(block).import(PROBE).host("block", "$probe"),
            SHORT,
            probe(),
            0,
            Expected::deadline(),
        ),
        Variant::call::<Number>("a clock that never comes round", poll, SHORT, 0, Expected::deadline()),
        super::http::tarpit(),
    ]
}

fn fuel() -> Vec<Variant> {
    let limits = plugwork::Limits { fuel: Some(2_000), ..SMALL };
    let spent = || Expected::Fault("fuel", "2000");
    let run = |body: &str| format!(r#"(func (export "run") (param i32) (result i32) {body} i32.const 0)"#);
    let fill = "(memory.fill $own (i32.const 0) (i32.const 170) (i32.const 65536))";
    let indirect = r#"(table 1 funcref) (elem (i32.const 0) $again) (type $t (func (param i32) (result i32)))
        (func $again (export "run") (param i32) (result i32)
          (if (i32.ge_u (local.get 0) (i32.const 2000)) (then (return (i32.const 0))))
          (call_indirect (type $t) (i32.add (local.get 0) (i32.const 1)) (i32.const 0)))"#;
    let next = format!(r#"(import "host" "next" (func $next (result i32))) {}"#, run("(loop $again (drop (call $next)) (br $again))"));
    let start = format!("{ECHO} (func $start {LOOP}) (start $start)");
    vec![
        Variant::call::<Number>("a loop", Guest::new(&run(LOOP)), limits, 0, spent()),
        Variant::call::<Number>("a tree of calls", Guest::new(&tree("", 48)), limits, 0, spent()),
        Variant::call::<Number>("calls through a table", Guest::new(indirect), limits, 0, spent()),
        Variant::call::<Number>(
            "bulk operations",
            Guest::new(&format!("(memory $own 1) {}", run(&format!("(loop $again {fill} (br $again))")))),
            limits,
            0,
            spent(),
        ),
        Variant::call::<Number>("a start function", Guest::new(&start), limits, 0, spent()),
        Variant::call::<Counting>("a destructor", counter(LOOP), limits, 1, spent()),
        Variant::granted::<Number>(
            "the host, again and again",
            Guest::new(&next).import(PROBE).host("next", "$probe"),
            limits,
            probe(),
            0,
            spent(),
        ),
        Variant::call::<Number>("within its budget", Guest::new(ECHO), limits, 7, Expected::answer(7)),
    ]
}

/// `wasi:io/poll` and the clock that makes its pollables.
pub(super) const POLL: &str = r#"
  (import "wasi:io/poll@0.2.6" (instance $poll
    (export "pollable" (type $pollable' (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable'))))
    (export "[method]pollable.ready" (func (param "self" (borrow $pollable')) (result bool)))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
    (alias outer 1 $pollable (type $p))
    (export "pollable" (type $pollable'' (eq $p)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable''))))))
"#;
