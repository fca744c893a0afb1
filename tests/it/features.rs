//! The reader of components and the engine draw the same line: what a profile leaves out, both refuse, and what it keeps, both take.
//!
//! The two lists are written apart (`plugwork_component::hardened_features`, `plugwork::engine_config`), in different words. If the reader took
//! more, a plugin would fail only when it is compiled; if the engine took more, a feature would be one bug away from use.

use plugwork::wasmtime::Engine;
use plugwork::wasmtime::component::Component;
use plugwork::{Allocation, Profile, engine_config};
use wasmparser::{Validator, WasmFeatures};

/// In which profiles it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Everywhere,
    FullOnly,
    Nowhere,
}

use Where::{Everywhere, FullOnly, Nowhere};

/// A feature, who takes it, and the least code that uses it: the inside of a core module.
const CORE: &[(&str, Where, &str)] = &[
    (
        "mutable globals and multiple values",
        Everywhere,
        "(global (export \"g\") (mut i32) (i32.const 0)) (func (result i32 i32) i32.const 1 i32.const 2)",
    ),
    ("bulk memory", Everywhere, "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))"),
    ("reference types", Everywhere, "(table 1 funcref) (func (param funcref) (table.set (i32.const 0) (local.get 0)))"),
    ("simd", Everywhere, "(func (param v128) (result v128) (i8x16.neg (local.get 0)))"),
    ("multiple memories", Everywhere, "(memory 1) (memory 1)"),
    ("tail calls", Everywhere, "(func $f (return_call $f))"),
    ("extended constants", Everywhere, "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
    // They need a collector's heap in the engine, and no toolchain for components makes them.
    ("references to what the host has", Nowhere, "(func (param externref))"),
    ("gc structs", Nowhere, "(type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1))))"),
    ("gc references", Nowhere, "(func (drop (ref.i31 (i32.const 1))))"),
    ("exceptions", Nowhere, "(tag $t) (func (throw $t))"),
    ("exception tables", Nowhere, "(func (try_table))"),
    ("shared memories", Nowhere, "(memory 1 1 shared)"),
    ("atomic instructions", Nowhere, "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
    ("shared globals", Nowhere, "(global (shared mut i32) (i32.const 0))"),
    ("64 bit memories", Nowhere, "(memory i64 1)"),
    ("64 bit tables", Nowhere, "(table i64 1 funcref)"),
    ("relaxed simd", Nowhere, "(func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))"),
    ("typed function references", Nowhere, "(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))"),
    (
        "stack switching",
        Nowhere,
        "(type $f (func)) (type $c (cont $f)) (func $g) (elem declare func $g) (func (drop (cont.new $c (ref.func $g))))",
    ),
    ("custom page sizes", Nowhere, "(memory 1 (pagesize 1))"),
    (
        "wide arithmetic",
        Nowhere,
        "(func (param i64 i64 i64 i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
    ),
];

/// The same for component level features: the inside of a component.
const COMPONENT: &[(&str, Where, &str)] = &[
    ("resources", Everywhere, "(type (resource (rep i32)))"),
    ("async: returning from a task", FullOnly, "(core func (canon task.return (result u32)))"),
    ("async: streams", FullOnly, "(type (stream u8))"),
    ("async: futures", FullOnly, "(type (future u8))"),
    ("async functions", FullOnly, "(import \"f\" (func async))"),
    ("async builtins not in the first set", Nowhere, "(core func (canon subtask.cancel async))"),
    (
        "stackful async",
        Nowhere,
        "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) (func async (canon lift (core func $i \"f\") async))",
    ),
    ("error contexts", Nowhere, "(type error-context)"),
    ("threads of the component model", Nowhere, "(core func (canon thread.index))"),
    ("values", Nowhere, "(import \"v\" (value $v string)) (export \"w\" (value $v))"),
    ("lists of fixed length", Nowhere, "(type (list u8 4))"),
    ("maps", Nowhere, "(type (map string u8))"),
];

/// `(func (try (do) (catch_all)))`: the text format has no words for it any more, the engine has still to refuse it.
const LEGACY_EXCEPTIONS: &[u8] =
    b"\0asm\x0d\0\x01\0\x01\x1c\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x08\x01\x06\0\x06\x40\x19\x0b\x0b";

fn components() -> impl Iterator<Item = (&'static str, Where, Vec<u8>)> {
    let core = CORE.iter().map(|(name, taken, inside)| (*name, *taken, format!("(component (core module {inside}))")));
    let component = COMPONENT.iter().map(|(name, taken, inside)| (*name, *taken, format!("(component {inside})")));
    let parse =
        |(name, taken, text): (_, _, String)| (name, taken, wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")));
    core.chain(component).map(parse).chain([("legacy exceptions", Nowhere, LEGACY_EXCEPTIONS.to_vec())])
}

fn engine(profile: Profile) -> Engine {
    Engine::new(&engine_config(profile, Allocation::OnDemand)).unwrap()
}

#[test]
fn the_reader_takes_what_the_table_says() {
    let mut wrong = Vec::new();
    for (name, taken, bytes) in components() {
        let report = plugwork_component::read(&bytes);
        let found = match &report {
            Ok(report) if report.needs_full => FullOnly,
            Ok(_) => Everywhere,
            Err(_) => Nowhere,
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
            (Ok(_), Ok(_)) => Everywhere,
            (Err(_), Ok(_)) => FullOnly,
            (Err(_), Err(_)) => Nowhere,
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
fn nothing_in_the_table_is_wrong_for_another_reason() {
    for (name, _, bytes) in components() {
        Validator::new_with_features(WasmFeatures::all()).validate_all(&bytes).map(drop).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_full_profile_adds_to_the_hardened_one_and_takes_nothing_away() {
    assert!(plugwork_component::full_features().contains(plugwork_component::hardened_features()));
}
