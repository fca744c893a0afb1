//! Group B: memory and tables. Growing past the limit in every way, many memories, slots that remember, instances that are kept.
//!
//! Easily got wrong: a refused growth is no trap by itself; the guest sees -1 and may live on within its limit.

use plugwork::{ErrorKind, Limits};
use plugwork_core::Grants;
use plugwork_core::capacity::Resource;

use crate::arena::{RESIDENT_SLACK_BYTES, resident_bytes};
use crate::guest::{ECHO, Guest};
use crate::row::{Contained, Expected, Row, SMALL, Variant, faulted};
use crate::world::Number;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("B1", "memory grown page by page, and all at once", growing),
        Row::new("B2", "many memories, each within the limit", many),
        Row::new("B3", "tables grown to ten million, of 2^32 - 1 entries, of 64 bits", tables),
        Row::new("B4", "pages touched and dropped, over and over", touching),
        Row::new("B5", "what an earlier guest left in a slot", leftovers),
        Row::new("B6", "instances that are made and kept", kept),
    ]
}

const RUN: &str = r#"(func (export "run") (param i32) (result i32)"#;

fn growing() -> Vec<Variant> {
    // Grows until it may not, and answers how far it came.
    let pages = format!(
        "(memory $own 0) {RUN} (loop $again (br_if $again (i32.ne (memory.grow $own (i32.const 1)) (i32.const -1)))) (memory.size $own))"
    );
    let once = format!("(memory $own 0) {RUN} (memory.grow $own (local.get 0)))");
    let insists =
        format!("(memory $own 0) {RUN} (if (i32.eq (memory.grow $own (local.get 0)) (i32.const -1)) (then unreachable)) i32.const 0)");
    let memory = || Expected::Fault("memory", "its limit is 4194304");
    vec![
        Variant::call::<Number>("page by page: 63 and the heap's one", Guest::new(&pages), SMALL, 0, Expected::answer(63)),
        Variant::call::<Number>("all at once: -1", Guest::new(&once), SMALL, 64, Expected::answer(u32::MAX)),
        Variant::call::<Number>("4 GiB at once: -1", Guest::new(&once), SMALL, 65_536, Expected::answer(u32::MAX)),
        Variant::call::<Number>("more pages than there are: -1", Guest::new(&once), SMALL, u32::MAX, Expected::answer(u32::MAX)),
        Variant::call::<Number>("a trap on -1 is named after its cause", Guest::new(&insists), SMALL, 64, memory()),
        Variant::call::<Number>("too large from the start", Guest::new(&format!("(memory 64) {ECHO}")), SMALL, 0, memory()),
    ]
}

fn many() -> Vec<Variant> {
    let mut summed = String::from(RUN);
    // Four memories, each grown by 60 pages if it may: one may.
    for index in 0..4 {
        summed.insert_str(0, &format!("(memory $m{index} 0)"));
    }
    for index in 0..4 {
        summed += &format!("(drop (memory.grow $m{index} (i32.const 60)))");
    }
    summed += "(i32.const 0)";
    for index in 0..4 {
        summed += &format!("(memory.size $m{index}) i32.add");
    }
    summed += ")";
    let hundred = format!("{} {ECHO}", "(memory 1)".repeat(100));
    let instances: String = (0..20).map(|index| format!("(core instance $x{index} (instantiate $x))")).collect();
    let repeated = Guest::new(ECHO).import(&format!("(core module $x (memory 1)) {instances}"));
    let nested = "(component (core module $m (memory 1)) (core instance (instantiate $m)))".repeat(1_000);
    let nested_instances: String = (0..300).map(|_| "(instance (instantiate $x))").collect();
    let instantiated = format!("(component $x (core module $m (memory 1)) (core instance (instantiate $m))) {nested_instances}");
    vec![
        Variant::call::<Number>("four within the limit: the sum is limited", Guest::new(&summed), SMALL, 0, Expected::answer(60)),
        Variant::call::<Number>("a hundred", Guest::new(&hundred), SMALL, 0, Expected::Refused("memories_count")),
        Variant::call::<Number>("one module twenty times", repeated, SMALL, 0, Expected::Refused("memories")),
        Variant::call::<Number>("a thousand nested components", Guest::new(ECHO).import(&nested), SMALL, 0, Expected::Refused("_count")),
        Variant::call::<Number>(
            "one nested component three hundred times",
            Guest::new(ECHO).import(&instantiated),
            SMALL,
            0,
            Expected::Refused("component_instances_count"),
        ),
    ]
}

fn tables() -> Vec<Variant> {
    let grow = format!("(table $own 0 funcref) {RUN} (table.grow $own (ref.null func) (local.get 0)))");
    let insists = format!(
        "(table $own 0 funcref) {RUN} (if (i32.eq (table.grow $own (ref.null func) (local.get 0)) (i32.const -1)) (then unreachable)) i32.const 0)"
    );
    let start = |entries: &str| Guest::new(&format!("(table {entries} funcref) {ECHO}"));
    vec![
        Variant::call::<Number>("ten million: -1", Guest::new(&grow), SMALL, 10_000_000, Expected::answer(u32::MAX)),
        Variant::call::<Number>("4 G: -1", Guest::new(&grow), SMALL, u32::MAX, Expected::answer(u32::MAX)),
        Variant::call::<Number>(
            "a trap on -1 is named after its cause",
            Guest::new(&insists),
            SMALL,
            10_000_000,
            Expected::Fault("memory", "its limit is 4194304"),
        ),
        Variant::call::<Number>("2^32 - 1 from the start", start("0xffffffff"), SMALL, 0, Expected::Refused("table_entries_count")),
        Variant::call::<Number>("of 64 bits", start("i64 10"), SMALL, 0, Expected::Refused("memory64")),
    ]
}

/// Grows by 60 pages and writes to every one of them.
const TOUCHES: &str = r#"(memory $own 0) (func (export "run") (param i32) (result i32)
    (drop (memory.grow $own (i32.const 60)))
    (memory.fill $own (i32.const 0) (local.get 0) (i32.const 3932160)) i32.const 0)"#;

fn touching() -> Vec<Variant> {
    vec![Variant::new("300 instances, 3.75 MiB each", |arena| {
        Box::pin(async move {
            let said = |error: plugwork::Error| format!("{error:?}");
            let plugin = arena.accept(&Guest::new(TOUCHES), SMALL, Grants::none()).await.map_err(said)?;
            plugin.call::<Number>(&170).await.map_err(said)?;
            let before = resident_bytes();
            for _ in 0..300 {
                plugin.call::<Number>(&170).await.map_err(said)?;
                let grown = resident_bytes().saturating_sub(before);
                if grown > RESIDENT_SLACK_BYTES {
                    return Err(format!("{} KiB more resident", grown >> 10));
                }
            }
            Ok(Contained::harmless("flat"))
        })
    })]
}

/// Leaves a secret in all memory, and functions in all of a table.
const LEAVES: &str = r#"(memory $own 0) (table $t 10000 funcref) (func $f) (elem declare func $f)
    (func (export "run") (param i32) (result i32)
      (drop (memory.grow $own (i32.const 55)))
      (memory.fill $own (i32.const 0) (i32.const 170) (i32.const 3604480))
      (table.fill $t (i32.const 0) (ref.func $f) (i32.const 10000)) i32.const 0)"#;

/// Answers how many words of fresh memory are not 0, and how many entries of a fresh table are not null.
const LOOKS: &str = r#"(memory $own 0) (table $t 10000 funcref)
    (func (export "run") (param i32) (result i32) (local $at i32) (local $found i32)
      (drop (memory.grow $own (i32.const 55)))
      (loop $words
        (if (i64.ne (i64.load $own (local.get $at)) (i64.const 0)) (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $words (i32.lt_u (local.get $at) (i32.const 3604480))))
      (local.set $at (i32.const 0))
      (loop $entries
        (if (i32.eqz (ref.is_null (table.get $t (local.get $at)))) (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $entries (i32.lt_u (local.get $at) (i32.const 10000))))
      local.get $found)"#;

fn leftovers() -> Vec<Variant> {
    // A slot must be clean after a trap too.
    let dies = format!("{} unreachable)", LEAVES.strip_suffix("i32.const 0)").unwrap());
    let looked = |name: &'static str, leaves: String| {
        Variant::new(name, move |arena| {
            let leaves = Guest::new(&leaves);
            Box::pin(async move {
                let said = |error: plugwork::Error| format!("{error:?}");
                let attacker = arena.accept(&leaves, SMALL, Grants::none()).await.map_err(said)?;
                let curious = arena.accept(&Guest::new(LOOKS), SMALL, Grants::none()).await.map_err(said)?;
                for round in 0..20 {
                    // A trap is part of one variant.
                    drop(attacker.call::<Number>(&0).await);
                    match curious.call::<Number>(&0).await.map_err(said)? {
                        0 => {}
                        found => return Err(format!("round {round}: {found} words and entries of another guest")),
                    }
                }
                Ok(Contained::harmless("zeroes"))
            })
        })
    };
    vec![looked("after a call that ended well", LEAVES.to_owned()), looked("after a trap", dies)]
}

fn kept() -> Vec<Variant> {
    vec![
        Variant::new("until the pool is full", |arena| {
            Box::pin(async move {
                let plugin = arena.accept(&Guest::new(ECHO), SMALL, Grants::none()).await.map_err(|error| format!("{error:?}"))?;
                let mut sessions = Vec::new();
                let error = loop {
                    match plugin.session::<Number>().await {
                        Ok(session) => sessions.push(session),
                        Err(error) => break error,
                    }
                    if sessions.len() > 100 {
                        return Err("a pool of 6 made 100 instances".to_owned());
                    }
                };
                // It waited in line for as long as a call may run.
                match (error.kind(), error.scarcity()) {
                    (ErrorKind::Unavailable, Some(scarce)) if scarce.what == Resource::Instances => {
                        Ok(Contained::harmless("unavailable: no slot of the pool is free"))
                    }
                    (kind, _) => Err(format!("{kind:?}: {error}")),
                }
            })
        }),
        Variant::new("until the plugin's memory is full", |arena| {
            Box::pin(async move {
                let limits = Limits { plugin_memory_bytes: 3 * (64 << 10), ..SMALL };
                let plugin = arena.accept(&Guest::new(ECHO).import("(type $other u8)"), limits, Grants::none()).await;
                let plugin = plugin.map_err(|error| format!("{error:?}"))?;
                let mut sessions = Vec::new();
                loop {
                    match plugin.session::<Number>().await {
                        Ok(session) => sessions.push(session),
                        Err(error) if error.fault().is_some_and(|fault| fault.code() == "plugin-memory") && sessions.len() == 3 => {
                            return faulted(&plugin, &error);
                        }
                        Err(error) => return Err(format!("after {} instances: {error:?}", sessions.len())),
                    }
                }
            })
        }),
    ]
}
