//! G1, G4, G6: components that cost before they run. One past every structural limit, files that are something else, sections full of lies.
//!
//! Not here: what compiling may cost (`compiling.rs`). Easily got wrong: each of the big ones is refused before it is validated, so nothing of
//! it may stay in memory; the harness checks that over the whole row.

use plugwork::{ErrorKind, Source};
use plugwork_core::Grants;
use wasm_encoder::{Component, ConstExpr, CustomSection, DataSection, MemorySection, MemoryType, Module, ModuleSection, RawSection};

use crate::guest::{ECHO, Guest};
use crate::row::{Contained, Expected, Row, SMALL, Variant};
use crate::world::Number;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("G1", "one past every structural limit", limits),
        Row::new("G4", "machine code, ELF, core modules and text as a component", strangers),
        Row::new("G6", "custom sections: many, large, deceiving, lying", sections),
    ]
}

/// Many of something, inside a core module or a component.
fn many(count: usize, what: impl Fn(usize) -> String) -> String {
    (0..count).map(what).collect()
}

fn module(inside: &str) -> String {
    format!("(component (core module {inside}))")
}

/// Makes a component's bytes when they are needed: some are tens of megabytes.
type Made = Box<dyn Fn() -> Vec<u8> + Send + Sync>;

/// The measure's name, and a component that has one more than it allows.
fn one_past() -> Vec<(&'static str, Made)> {
    fn text(make: impl Fn() -> String + Send + Sync + 'static) -> Made {
        Box::new(move || wat::parse_str(make()).unwrap())
    }
    fn bytes(make: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Made {
        Box::new(make)
    }
    let repeated = |count: usize, what: &'static str| text(move || module(&what.repeat(count)));
    let in_component = |count: usize, what: &'static str| text(move || format!("(component {})", what.repeat(count)));
    vec![
        ("file_bytes", bytes(|| with_custom("x", (50 << 20) + 1))),
        ("modules_count", in_component(129, "(core module)")),
        ("components_count", in_component(129, "(component)")),
        ("component_depth_levels", text(|| format!("{}{}", "(component ".repeat(10), ")".repeat(10)))),
        ("core_instances_count", text(|| format!("(component (core module $m) {})", "(core instance (instantiate $m))".repeat(513)))),
        ("component_instances_count", text(|| format!("(component (component $c) {})", "(instance (instantiate $c))".repeat(257)))),
        ("imports_count", text(|| format!("(component {})", many(257, |index| format!("(import \"i{index}\" (func))"))))),
        ("exports_count", text(|| format!("(component (type $t u8) {})", many(257, |index| format!("(export \"e{index}\" (type $t))"))))),
        (
            "inner_imports_count",
            text(|| {
                format!(
                    "(component (component {}))",
                    many(8_193, |index| format!("(import \"i{index}\" (type (eq 0)))")).replacen("(import", "(type u8) (import", 1)
                )
            }),
        ),
        (
            "inner_exports_count",
            text(|| format!("(component (component (type $t u8) {}))", many(8_193, |index| format!("(export \"e{index}\" (type $t))")))),
        ),
        (
            "aliases_count",
            text(|| {
                let alias = "(alias core export $i \"m\" (core memory))";
                format!(
                    "(component (core module $m (memory (export \"m\") 1)) (core instance $i (instantiate $m)) {})",
                    alias.repeat(16_385)
                )
            }),
        ),
        ("canonicals_count", in_component_with("(type $r (resource (rep i32)))", 8_193, "(core func (canon resource.drop $r))")),
        ("component_types_count", in_component(8_193, "(type u8)")),
        (
            "component_types_bytes",
            text(|| {
                let name = "x".repeat(60_000);
                format!("(component {})", many(80, |index| format!("(type (record (field \"a{index}-{name}\" u8)))")))
            }),
        ),
        ("type_depth_levels", text(|| format!("(component {}{})", "(type (component ".repeat(20), "))".repeat(20)))),
        ("core_types_count", repeated(65_537, "(type (func))")),
        ("core_imports_count", repeated(65_537, "(import \"a\" \"b\" (global i32))")),
        (
            "core_exports_count",
            text(|| {
                module(&format!("(global $g i32 (i32.const 0)) {}", many(65_537, |index| format!("(export \"{index}\" (global $g))"))))
            }),
        ),
        ("functions_count", repeated(131_073, "(func)")),
        ("function_body_bytes", text(|| module(&format!("(func {})", "nop ".repeat((1 << 20) + 1))))),
        ("function_locals_count", text(|| module(&format!("(func (local {}))", "i32 ".repeat(5_001))))),
        ("br_table_targets_count", text(|| module(&format!("(func i32.const 0 br_table {})", "0 ".repeat(16_386))))),
        ("globals_count", repeated(65_537, "(global i32 (i32.const 0))")),
        ("tables_count", repeated(65, "(table 0 funcref)")),
        ("table_entries_count", repeated(1, "(table 1048577 funcref)")),
        ("element_entries_count", text(|| module(&format!("(func $f) (elem func {})", "$f ".repeat((1 << 20) + 1))))),
        ("memories_count", repeated(17, "(memory 0)")),
        ("memory_initial_bytes", repeated(1, "(memory 1025)")),
        ("data_segments_count", text(|| module(&format!("(memory 1) {}", "(data (i32.const 0) \"\")".repeat(65_537))))),
        ("data_bytes", bytes(|| with_data((48 << 20) + 1))),
        (
            "custom_sections_count",
            bytes(|| {
                let mut component = Component::new();
                for _ in 0..1_025 {
                    component.section(&CustomSection { name: "x".into(), data: (&[]).into() });
                }
                component.finish()
            }),
        ),
        ("custom_bytes", bytes(|| with_custom("x", (16 << 20) + 1))),
    ]
}

fn in_component_with(before: &'static str, count: usize, what: &'static str) -> Made {
    Box::new(move || wat::parse_str(format!("(component {before} {})", what.repeat(count))).unwrap())
}

/// A component with one custom section of so many bytes.
fn with_custom(name: &str, bytes: usize) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&CustomSection { name: name.into(), data: vec![b'x'; bytes].into() });
    component.finish()
}

fn with_data(bytes: usize) -> Vec<u8> {
    let mut module = Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), vec![1; bytes]);
    module.section(&memories).section(&data);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}

/// Offered bytes must be refused with these words.
fn refused_with(name: impl Into<String>, words: &'static str, make: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Variant {
    Variant::new(name, move |arena| {
        let source = Source::bytes(make());
        Box::pin(async move {
            match arena.offer_source(&source, SMALL).await {
                Err(error) if error.kind() == ErrorKind::Component && error.to_string().contains(words) => Ok(Contained::unread()),
                other => Err(format!("expected a refusal with `{words}`, not {other:?}")),
            }
        })
    })
}

fn limits() -> Vec<Variant> {
    let mut variants: Vec<_> = one_past().into_iter().map(|(name, make)| refused_with(name, name, make)).collect();
    // Past the validator's own limits on what one thing may be.
    let fields = || wat::parse_str(format!("(component (type (record {})))", many(10_001, |index| format!("(field \"f{index}\" u8)"))));
    let nested = || {
        let chain = many(150, |index| format!("(type $t{} (list $t{index}))", index + 1));
        wat::parse_str(format!("(component (type $t0 u8) {chain})"))
    };
    variants.push(refused_with("a record of 10,001 fields", "", move || fields().unwrap()));
    variants.push(refused_with("a type nested 150 times", "", move || nested().unwrap()));
    variants
}

fn strangers() -> Vec<Variant> {
    let elf = || std::fs::read(std::env::current_exe().unwrap()).unwrap()[..4096].to_vec();
    let compiled = |arena: &crate::arena::Arena| {
        let config = plugwork::engine_config(arena.profile(), plugwork::Allocation::OnDemand);
        wasmtime::Engine::new(&config).unwrap().precompile_component(&Guest::new(ECHO).bytes()).unwrap()
    };
    vec![
        refused_with("nothing", "", Vec::new),
        refused_with("an ELF file", "", elf),
        refused_with("a core module", "module", || wat::parse_str("(module (func (export \"run\")))").unwrap()),
        refused_with("component text", "", || b"(component)".to_vec()),
        refused_with("a script", "", || b"#!/bin/sh\necho owned\n".to_vec()),
        refused_with("a component cut in the middle", "", || {
            let mut bytes = Guest::new(ECHO).bytes();
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        refused_with("a component of a later format", "", || {
            let mut bytes = Guest::new(ECHO).bytes();
            bytes[4] = 0xee;
            bytes
        }),
        refused_with("a section nobody knows", "", || {
            let mut component = Component::new();
            component.section(&RawSection { id: 99, data: &[0; 16] });
            component.finish()
        }),
        Variant::new("machine code of this very engine", move |arena| {
            let source = Source::bytes(compiled(arena));
            Box::pin(async move {
                match arena.offer_source(&source, SMALL).await {
                    Err(error) if error.kind() == ErrorKind::Component => Ok(Contained::unread()),
                    other => Err(format!("expected a refusal, not {other:?}")),
                }
            })
        }),
    ]
}

fn sections() -> Vec<Variant> {
    let honest = || Guest::new(ECHO).bytes();
    // A custom section behind a component that works.
    let appended = move |name: &str, data: &[u8]| {
        let mut component = honest();
        let mut tail = Component::new();
        tail.section(&CustomSection { name: name.into(), data: data.into() });
        component.extend_from_slice(&tail.finish()[8..]);
        component
    };
    let lies = Guest::new(ECHO).manifest("[permissions.probe]\nreason = \"\\u001b[2J harmless\"\n");
    vec![
        refused_with("one of 500 MB, as its header says", "", || {
            let mut bytes = Component::new().finish();
            // Id 0 and a length of 500,000,000 with nothing behind it.
            bytes.extend_from_slice(&[0, 0x80, 0xca, 0xb5, 0xee, 0x01]);
            bytes
        }),
        refused_with("names with escapes that stand in no message", "", || {
            let mut bytes = wat::parse_str("(component)").unwrap();
            bytes.extend_from_slice(&[0, 6, 9, b'\x1b', b'[', b'2', b'J', b'x']);
            bytes
        }),
        Variant::new("producers, names and manifests that are noise change nothing", move |arena| {
            let noise: Vec<u8> = (0..=255).cycle().take(4_096).collect();
            let sources: Vec<_> = ["producers", "name", "component-name", "plugwork:other", "\u{1b}[31m"]
                .into_iter()
                .map(|name| Source::bytes(appended(name, &noise)))
                .collect();
            Box::pin(async move {
                for source in sources {
                    let said = |error: plugwork::Error| format!("{error:?}");
                    let offer = arena.offer_source(&source, SMALL).await.map_err(said)?;
                    drop(offer.report());
                    let plugin = offer.accept_only(arena.grants(Grants::none())).await.map_err(said)?;
                    if plugin.call::<Number>(&3).await.map_err(said)? != 3 {
                        return Err("another answer".to_owned());
                    }
                }
                Ok(Contained::harmless("ignored"))
            })
        }),
        Variant::new("a reason with escapes is shown escaped, or refused", move |arena| {
            let lies = lies.clone();
            Box::pin(async move {
                match arena.offer(&lies, SMALL).await {
                    Ok(offer) => match offer.permissions().to_string() {
                        text if text.contains('\u{1b}') => Err(format!("raw escapes in the consent text: {text:?}")),
                        _ => Ok(Contained::harmless("escaped")),
                    },
                    Err(error) if !error.to_string().contains('\u{1b}') && error.kind() == ErrorKind::Manifest => Ok(Contained::unread()),
                    Err(error) => Err(format!("raw escapes in the refusal: {error:?}")),
                }
            })
        }),
        Variant::call::<Number>(
            "a manifest that promises less than is imported",
            Guest::new(ECHO).import(crate::guest::PROBE).manifest("[permissions.engine]\nprofile = \"full\"\noptional = true\n"),
            SMALL,
            0,
            Expected::Refused("attack:host/probe"),
        ),
    ]
}
