//! Group C, first half: lies in values. Lists, allocators, text in every encoding, cases that do not exist.
//!
//! Each is a few bytes of component text, because what matters is the exact number that crosses. Easily got wrong: some lies are allowed (a
//! truth value of 2, flags nobody named); the specification says what they mean, and nothing else may happen.

use plugwork::Limits;
use plugwork_core::Grants;

use super::processor::probe;
use crate::guest::{Guest, PROBE};
use crate::row::{Expected, Row, SMALL, Variant};
use crate::world::{Bits, Bytes, Choice, Colour, Letter, Maybe, Number, Outcome, Text, Truth, Wide};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("C1", "lists and results that are not where they are said to be", lists),
        Row::new("C2", "an allocator that lies", allocators),
        Row::new("C3", "text that is none, in each encoding (CVE-2026-35195, -34941, -34942)", texts),
        Row::new("C4", "cases, flags, truths and characters that do not exist (CVE-2026-34943)", cases),
    ]
}

/// `run(u32)` that answers the address of a pair of numbers.
fn pair(first: u32, second: u32) -> String {
    format!(
        r#"(import "heap" "memory" (memory 1))
        (func (export "run") (param i32) (result i32)
          (i32.store (i32.const 128) (i32.const {first})) (i32.store (i32.const 132) (i32.const {second})) i32.const 128)"#
    )
}

fn lists() -> Vec<Variant> {
    let wide = |code: &str| Guest::new(code).point("wide", "(param \"input\" u32) (result (list u64))", "", "");
    let bytes = |pointer: u32, length: u32| {
        // Takes a list as well; what it gets does not matter.
        let code = pair(pointer, length).replace("(param i32)", "(param i32 i32)");
        Guest::new(&code).point("bytes", "(param \"input\" (list u8)) (result (list u8))", "", "")
    };
    let returns = |at: u32| format!(r#"(func (export "run") (param i32) (result i32) (i32.const {at}))"#);
    let outside = || Expected::trap("list pointer/length out of bounds");
    let mut variants: Vec<_> = [
        ("2^32 - 1 bytes", 0, u32::MAX),
        ("a pointer near the end", 65_530, 100),
        ("a pointer at the end", 65_536, 1),
        ("a pointer beyond it", u32::MAX, 1),
    ]
    .into_iter()
    .map(|(name, pointer, length)| Variant::call::<Bytes>(name, bytes(pointer, length), SMALL, vec![1, 2, 3], outside()))
    .collect();
    variants.extend([
        Variant::call::<Wide>("an unaligned pointer", wide(&pair(4, 1)), SMALL, 0, Expected::trap("list pointer is not aligned")),
        Variant::call::<Wide>("a length that overflows", wide(&pair(0, 0x2000_0001)), SMALL, 0, outside()),
        Variant::call::<Wide>("an unaligned result", wide(&returns(2)), SMALL, 0, Expected::trap("not aligned")),
        Variant::call::<Wide>("a result near the end", wide(&returns(65_532)), SMALL, 0, Expected::trap("out of bounds")),
        Variant::call::<Wide>("a result beyond the end", wide(&returns(0xffff_fff8)), SMALL, 0, Expected::trap("out of bounds")),
    ]);
    variants
}

/// Gives its text back: `(address, length)` at 128.
const GIVES_BACK: &str = r#"(import "heap" "memory" (memory 1))
    (func (export "run") (param i32 i32) (result i32)
      (i32.store (i32.const 128) (local.get 0)) (i32.store (i32.const 132) (local.get 1)) i32.const 128)"#;

const TEXT: &str = "(param \"input\" string) (result string)";

fn allocators() -> Vec<Variant> {
    let with = |module: &str, body: &str, options: &str| Guest::new(GIVES_BACK).realloc(module, body).point("text", TEXT, "", options);
    let text =
        |name: &'static str, guest: Guest, expected: Expected| Variant::call::<Text>(name, guest, SMALL, "hello".to_owned(), expected);
    let beyond = || Expected::trap("realloc return: beyond end of memory");
    let host = with("", "(call $early)", "").import(PROBE).early("next", "$probe");
    vec![
        text("0 is an address like any other", with("", "i32.const 0", ""), Expected::answer("hello")),
        text("out of bounds", with("", "i32.const 65534", ""), beyond()),
        text("far out of bounds", with("", "i32.const -1", ""), beyond()),
        text("unaligned", with("", "i32.const 1025", "string-encoding=utf16"), Expected::trap("realloc return: result not aligned")),
        text("overlapping: always the same", with("", "i32.const 128", ""), Expected::answer("\u{80}\0\0\0\u{5}").or_trap("utf-8")),
        text("moves the memory", with("", "(drop (memory.grow (i32.const 20))) i32.const 600000", ""), Expected::answer("hello")),
        text("traps", with("", "unreachable", ""), Expected::trap("unreachable")),
        Variant::granted::<Text>(
            "calls the host (GHSA-7v24-42x9-pxf7)",
            host,
            SMALL,
            probe(),
            "hello".to_owned(),
            Expected::trap("cannot leave component instance"),
        ),
    ]
}

/// Bytes at 1024, told as text of so many code units.
fn told(data: &str, pointer: u32, units: u32) -> String {
    let pair = pair(pointer, units).replace("(param i32)", "(param i32 i32)");
    format!("{pair} (data (i32.const 1024) \"{data}\")")
}

const UTF16: &str = "string-encoding=utf16";
const LATIN1_UTF16: &str = "string-encoding=latin1+utf16";
const TAG: u32 = 1 << 31;

/// Lies about text: name, encoding, bytes, pointer, code units, words of the trap.
const LIES: [(&str, &str, &str, u32, u32, &str); 19] = [
    ("utf-8: not a start", "", "\\ff\\fe", 1024, 2, "utf-8"),
    ("utf-8: overlong", "", "\\c0\\80", 1024, 2, "utf-8"),
    ("utf-8: a surrogate", "", "\\ed\\a0\\80", 1024, 3, "utf-8"),
    ("utf-8: cut", "", "\\e2\\82", 1024, 2, "utf-8"),
    ("utf-8: beyond Unicode", "", "\\f4\\90\\80\\80", 1024, 4, "utf-8"),
    ("utf-8: 2^31 units", "", "", 1024, TAG, "out of bounds"),
    ("utf-8: 2^32 - 1 units", "", "", 1024, u32::MAX, "out of bounds"),
    ("utf-16: a high surrogate alone", UTF16, "\\00\\d8", 1024, 1, "surrogate"),
    ("utf-16: a low surrogate alone", UTF16, "\\00\\dc\\41\\00", 1024, 2, "surrogate"),
    ("utf-16: surrogates the wrong way round", UTF16, "\\00\\dc\\00\\d8", 1024, 2, "surrogate"),
    ("utf-16: unaligned", UTF16, "", 1025, 1, "aligned"),
    ("utf-16: 2^31 units", UTF16, "", 1024, TAG, "out of bounds"),
    ("utf-16: 2^31 - 1 units", UTF16, "", 1024, TAG - 1, "out of bounds"),
    ("latin1+utf16: tagged, a surrogate alone", LATIN1_UTF16, "\\00\\d8", 1024, TAG | 1, "surrogate"),
    ("latin1+utf16: tagged, unaligned", LATIN1_UTF16, "", 1025, TAG | 1, "aligned"),
    ("latin1+utf16: tagged, 2^31 - 1 units", LATIN1_UTF16, "", 1024, u32::MAX, "out of bounds"),
    ("latin1+utf16: untagged, unaligned", LATIN1_UTF16, "", 1025, 1, "aligned"),
    ("latin1+utf16: untagged, 2^31 - 1 units", LATIN1_UTF16, "", 1024, TAG - 1, "out of bounds"),
    ("latin1+utf16: tagged, past the end", LATIN1_UTF16, "", 65_534, TAG | 2, "out of bounds"),
];

fn texts() -> Vec<Variant> {
    let mut variants = Vec::new();
    for (name, encoding, data, pointer, units, words) in LIES {
        let answer = Guest::new(&told(data, pointer, units)).point("text", TEXT, "", encoding);
        variants.push(Variant::call::<Text>(format!("{name}, as an answer"), answer, SMALL, String::new(), Expected::trap(words)));
        let hear = format!(
            r#"(import "heap" "memory" (memory 1)) (import "host" "hear" (func $hear (param i32 i32) (result i32)))
            (data (i32.const 1024) "{data}")
            (func (export "run") (param i32) (result i32) (call $hear (i32.const {pointer}) (i32.const {units})))"#
        );
        let hear = Guest::new(&hear).import(PROBE).host_with("hear", "$probe", encoding);
        variants.push(Variant::granted::<Number>(format!("{name}, to the host"), hear, SMALL, probe(), 0, Expected::trap(words)));
    }
    // The host writes text that must be re-encoded in steps; the allocator answers the second step with a lie.
    for (encoding, lie) in [(UTF16, "-1"), (LATIN1_UTF16, "-1"), (LATIN1_UTF16, "65535")] {
        let module = "(global $calls (mut i32) (i32.const 0))";
        let body = format!(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (if (i32.gt_u (global.get $calls) (i32.const 1)) (then (return (i32.const {lie})))) i32.const 2048"
        );
        let guest = Guest::new(GIVES_BACK).realloc(module, &body).point("text", TEXT, "", encoding);
        let input = format!("{}\u{6f22}", "\u{e9}".repeat(40));
        let expected = Expected::trap("realloc return");
        variants.push(Variant::call::<Text>(format!("{encoding}: the second allocation is {lie}"), guest, SMALL, input, expected));
    }
    variants.extend(between());
    variants
}

/// Text from one guest component to another: adapters that the engine compiles, each pair of encodings with each lie.
fn between() -> Vec<Variant> {
    const ENCODINGS: [&str; 3] = ["string-encoding=utf8", UTF16, LATIN1_UTF16];
    const HONEST: &str = "(i32.const 2048)";
    let mut variants = Vec::new();
    for from in ENCODINGS {
        for to in ENCODINGS {
            let tagged = from == LATIN1_UTF16;
            let lies = [
                ("2^31 - 1 units", 1024, TAG - 1, HONEST),
                ("2^32 - 1 units", 1024, u32::MAX, HONEST),
                ("near the end", 65_534, if tagged { TAG | 100 } else { 100 }, HONEST),
                ("an allocator out of bounds", 1024, if tagged { TAG | 4 } else { 4 }, "(i32.const -1)"),
                ("an allocator near the end", 1024, if tagged { TAG | 4 } else { 4 }, "(i32.const 65535)"),
            ];
            for (name, pointer, units, allocates) in lies {
                let guest = Guest::whole(pipe(from, to, pointer, units, allocates));
                let name = format!("{} to {}: {name}", &from[16..], &to[16..]);
                variants.push(Variant::call::<Number>(name, guest, SMALL, 0, Expected::Fault("trap", "")));
            }
        }
    }
    variants
}

fn pipe(from: &str, to: &str, pointer: u32, units: u32, allocates: &str) -> String {
    format!(
        r#"(component
  (component $b
    (core module $m (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) {allocates})
      (func (export "take") (param i32 i32) (result i32) local.get 1))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))
    (func (export "take") (param "text" string) (result u32)
      (canon lift (core func $i "take") (memory $memory) (realloc $realloc) {to})))
  (component $a
    (import "take" (func $take (param "text" string) (result u32)))
    (core module $heap (memory (export "memory") 1) (data (i32.const 1024) "a\00b\00c\00d\00"))
    (core instance $heap (instantiate $heap))
    (alias core export $heap "memory" (core memory $memory))
    (core func $take' (canon lower (func $take) (memory $memory) {from}))
    (core module $m
      (import "b" "take" (func $take (param i32 i32) (result i32)))
      (func (export "run") (param i32) (result i32) (call $take (i32.const {pointer}) (i32.const {units}))))
    (core instance $i (instantiate $m (with "b" (instance (export "take" (func $take'))))))
    (func (export "run") (param "input" u32) (result u32) (canon lift (core func $i "run"))))
  (instance $b (instantiate $b))
  (instance $a (instantiate $a (with "take" (func $b "take"))))
  (instance $point (export "run" (func $a "run")))
  (export "attack:point/number@0.1.0" (instance $point)))"#
    )
}

/// A point whose result has a named type.
fn named(point: &str, name: &str, ty: &str, code: &str) -> Guest {
    Guest::new(code).exporting(format!(
        r#"(type $named {ty})
  (func $lifted (param "input" u32) (result $named) (canon lift (core func $code "run") (memory $memory)))
  (component $shape
    (type $t {ty})
    (import "t" (type $i (eq $t)))
    (import "run" (func $r (param "input" u32) (result $i)))
    (export $o "{name}" (type $i))
    (export "run" (func $r) (func (param "input" u32) (result $o))))
  (instance $point (instantiate $shape (with "t" (type $named)) (with "run" (func $lifted))))
  (export "attack:point/{point}@0.1.0" (instance $point))"#
    ))
}

fn cases() -> Vec<Variant> {
    const GIVES: &str = r#"(func (export "run") (param i32) (result i32) local.get 0)"#;
    let gives = |point: &str, result: &str| Guest::new(GIVES).point(point, &format!("(param \"input\" u32) (result {result})"), "", "");
    // The first byte at 128 is the case.
    let stores = r#"(import "heap" "memory" (memory 1))
        (func (export "run") (param i32) (result i32) (i32.store (i32.const 128) (local.get 0)) i32.const 128)"#;
    let from_memory =
        |point: &str, result: &str| Guest::new(stores).point(point, &format!("(param \"input\" u32) (result {result})"), "", "");
    let letter = || gives("letter", "char");
    let shape = || named("choice", "shape", "(variant (case \"none\") (case \"number\" u32) (case \"text\" string))", stores);
    let shade = || named("colour", "shade", "(enum \"red\" \"green\" \"blue\")", GIVES);
    let marks = || named("bits", "marks", "(flags \"a\" \"b\" \"c\")", GIVES);
    let all = "(A|B|C)";
    let mut variants = vec![
        Variant::call::<Truth>("a truth of 2 is true", gives("truth", "bool"), SMALL, 2, Expected::answer(true)),
        Variant::call::<Truth>("a truth of 2^31 is true", gives("truth", "bool"), SMALL, TAG, Expected::answer(true)),
        Variant::call::<Bits>("flags nobody named are dropped", marks(), SMALL, u32::MAX, Expected::Answer(all.to_owned())),
    ];
    for character in [0xd800, 0xdfff, 0x11_0000, u32::MAX] {
        variants.push(Variant::call::<Letter>(format!("character {character:x}"), letter(), SMALL, character, Expected::Fault("trap", "")));
    }
    for case in [3, 255] {
        let expected = || Expected::Fault("trap", "discriminant");
        variants.push(Variant::call::<Choice>(format!("case {case} of 3"), shape(), SMALL, case, expected()));
        variants.push(Variant::call::<Colour>(format!("word {case} of 3"), shade(), SMALL, case, expected()));
        variants.push(Variant::call::<Maybe>(format!("option {case}"), from_memory("maybe", "(option u32)"), SMALL, case, expected()));
        let outcome = from_memory("outcome", "(result u32 (error u32))");
        variants.push(Variant::call::<Outcome>(format!("result {case}"), outcome, SMALL, case, expected()));
    }
    let word = |case: u32| {
        let code = format!(
            r#"(import "host" "write" (func $write (param i32 i32 i32)))
            (func (export "run") (param i32) (result i32) (call $write (i32.const {case}) (i32.const 0) (i32.const 0)) i32.const 0)"#
        );
        Guest::new(&code).import(crate::guest::LOG).host("write", "$log")
    };
    for case in [5, u32::MAX] {
        let expected = Expected::Fault("trap", "discriminant");
        variants.push(Variant::call::<Number>(format!("level {case} of 5 to the host"), word(case), SMALL, 0, expected));
    }
    let limits = Limits { memory_bytes: 4 << 20, ..SMALL };
    variants.push(Variant::granted::<Letter>("the greatest character is one", letter(), limits, Grants::none(), 0x10_ffff, {
        Expected::answer('\u{10ffff}')
    }));
    variants
}
