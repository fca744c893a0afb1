//! The reader of components and the engine draw the same line: what a profile leaves out, both refuse, and what it keeps, both take.
//!
//! The two lists are written apart (`plugwork_component::hardened_features`, `plugwork::engine_config`), in different words. If the reader took
//! more, a plugin would fail only when it is compiled; if the engine took more, a feature would be one bug away from use.

use plugwork::wasmtime::Engine;
use plugwork::wasmtime::component::Component;
use plugwork::{Allocation, Profile, engine_config};

/// Which profiles take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    ByBoth,
    ByFull,
    ByNone,
}

use Taken::{ByBoth, ByFull, ByNone};

/// A feature, who takes it, and the least code that uses it: the inside of a core module.
const CORE: &[(&str, Taken, &str)] = &[
    ("mutable globals and multiple values", ByBoth, "(global (export \"g\") (mut i32) (i32.const 0)) (func (result i32 i32) i32.const 1 i32.const 2)"),
    ("bulk memory", ByBoth, "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))"),
    ("reference types", ByBoth, "(table 1 externref) (func (param externref) (table.set (i32.const 0) (local.get 0)))"),
    ("simd", ByBoth, "(func (param v128) (result v128) (i8x16.neg (local.get 0)))"),
    ("multiple memories", ByBoth, "(memory 1) (memory 1)"),
    ("tail calls", ByBoth, "(func $f (return_call $f))"),
    ("extended constants", ByBoth, "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
    ("gc structs", ByNone, "(type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1))))"),
    ("gc references", ByNone, "(func (drop (ref.i31 (i32.const 1))))"),
    ("exceptions", ByNone, "(tag $t) (func (throw $t))"),
    ("exception tables", ByNone, "(func (try_table))"),
    ("shared memories", ByNone, "(memory 1 1 shared)"),
    ("atomic instructions", ByNone, "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
    ("shared globals", ByNone, "(global (shared mut i32) (i32.const 0))"),
    ("64 bit memories", ByNone, "(memory i64 1)"),
    ("64 bit tables", ByNone, "(table i64 1 funcref)"),
    ("relaxed simd", ByNone, "(func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))"),
    ("typed function references", ByNone, "(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))"),
    ("stack switching", ByNone, "(type $f (func)) (type $c (cont $f)) (func $g) (elem declare func $g) (func (drop (cont.new $c (ref.func $g))))"),
    ("custom page sizes", ByNone, "(memory 1 (pagesize 1))"),
    (
        "wide arithmetic",
        ByNone,
        "(func (param i64 i64 i64 i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
    ),
];

/// The same for component level features: the inside of a component.
const COMPONENT: &[(&str, Taken, &str)] = &[
    ("resources", ByBoth, "(type (resource (rep i32)))"),
    ("async: returning from a task", ByFull, "(core func (canon task.return (result u32)))"),
    ("async: streams", ByFull, "(type (stream u8))"),
    ("async: futures", ByFull, "(type (future u8))"),
    ("async functions", ByFull, "(import \"f\" (func async))"),
    ("async builtins not in the first set", ByNone, "(core func (canon subtask.cancel async))"),
    ("stackful async", ByNone, "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) (func (canon lift (core func $i \"f\") async))"),
    ("error contexts", ByNone, "(type error-context)"),
    ("threads of the component model", ByNone, "(core func (canon thread.index))"),
    ("values", ByNone, "(import \"v\" (value string))"),
    ("lists of fixed length", ByNone, "(type (list u8 4))"),
    ("maps", ByNone, "(type (map string u8))"),
];

/// `(func (try (do) (catch_all)))`: the text format has no words for it any more, the engine has still to refuse it.
const LEGACY_EXCEPTIONS: &[u8] = b"\0asm\x0d\0\x01\0\x01\x1c\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x08\x01\x06\0\x06\x40\x19\x0b\x0b";

fn components() -> impl Iterator<Item = (&'static str, Taken, Vec<u8>)> {
    let core = CORE.iter().map(|(name, taken, inside)| (*name, *taken, format!("(component (core module {inside}))")));
    let component = COMPONENT.iter().map(|(name, taken, inside)| (*name, *taken, format!("(component {inside})")));
    let parse = |(name, taken, text): (_, _, String)| (name, taken, wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")));
    core.chain(component).map(parse).chain([("legacy exceptions", ByNone, LEGACY_EXCEPTIONS.to_vec())])
}

fn engine(profile: Profile) -> Engine {
    Engine::new(&engine_config(profile, Allocation::OnDemand)).unwrap()
}

#[test]
fn the_reader_takes_what_the_table_says() {
    let mut wrong = Vec::new();
    for (name, taken, bytes) in components() {
        let found = match plugwork_component::read(&bytes) {
            Ok(report) if report.needs_full => ByFull,
            Ok(_) => ByBoth,
            Err(_) => ByNone,
        };
        if found != taken {
            wrong.push(format!("{name}: {found:?} instead of {taken:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_engine_takes_what_the_table_says() {
    let (hardened, full) = (engine(Profile::Hardened), engine(Profile::Full));
    let mut wrong = Vec::new();
    for (name, taken, bytes) in components() {
        let [in_hardened, in_full] = [&hardened, &full].map(|engine| Component::from_binary(engine, &bytes));
        let found = match (&in_hardened, &in_full) {
            (Ok(_), Ok(_)) => ByBoth,
            (Err(_), Ok(_)) => ByFull,
            (Err(_), Err(_)) => ByNone,
            (Ok(_), Err(error)) => panic!("{name}: the full profile has less than the hardened one: {error:#}"),
        };
        if found != taken {
            let why = [in_hardened.err(), in_full.err()].into_iter().flatten().map(|error| format!(" {error:#}")).collect::<String>();
            wrong.push(format!("{name}: {found:?} instead of {taken:?}{why}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_full_profile_adds_to_the_hardened_one_and_takes_nothing_away() {
    assert!(plugwork_component::full_features().contains(plugwork_component::hardened_features()));
}
