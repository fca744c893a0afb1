//! The guests of this benchmark, as core modules made into components: one that calls, one that is called, one that publishes, and two that are told.
//!
//! May be misread: they have no lifecycle, so what is measured is not a guest language's run time.

use anyhow::Result;
use plugwork::Source;
use plugwork::component::{Embedded, embed};

use crate::guests::{HEAP, component, contract};

const WIT: &str = include_str!("../../wit/wiring/wiring.wit");

/// Its heap is taken back with each list.
const PROVIDER: &str = r#"
  (func (export "bench:wiring/work@0.1.0#add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "bench:wiring/work@0.1.0#length") (param i32 i32) (result i32)
    (global.set $mark (i32.const 1024))
    (local.get 1))
"#;

const CALLER: &str = r#"
  (import "bench:wiring/work@0.1.0" "add" (func $add (param i32) (result i32)))
  (import "bench:wiring/work@0.1.0" "length" (func $length (param i32 i32) (result i32)))
  (func (export "bench:wiring/asking@0.1.0#adds") (param $times i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (call $add (local.get $sum)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $again (local.get $times)))
    (local.get $sum))
  (func (export "bench:wiring/asking@0.1.0#lengths") (param $times i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $length (i32.const 65536) (i32.const 65536))))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $again (local.get $times)))
    (local.get $sum))
"#;

const TELLER: &str = r#"
  (import "plugwork:host/events@0.1.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
  (data (i32.const 512) "bench/tick")
  (func (export "bench:wiring/telling@0.1.0#tell") (param $times i32) (result i32)
    (local $lost i32)
    (loop $again
      (call $emit (i32.const 512) (i32.const 10) (i32.const 528) (i32.const 8) (i32.const 600))
      (local.set $lost (i32.add (local.get $lost) (i32.load8_u (i32.const 600))))
      (global.set $mark (i32.const 1024))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $again (local.get $times)))
    (local.get $lost))
"#;

/// Answers `ok`, from zeros at 16, and looks at nothing.
const LISTENER: &str = r#"
  (func (export "plugwork:points/event-handler@0.1.0#handle") (param i32 i32) (result i32)
    (global.set $mark (i32.const 1024))
    (i32.const 16))
"#;

/// The same after a pause.
const SLOW: &str = r#"
  (import "bench:host/pause@0.1.0" "pause" (func $pause))
  (func (export "plugwork:points/event-handler@0.1.0#handle") (param i32 i32) (result i32)
    (call $pause)
    (global.set $mark (i32.const 1024))
    (i32.const 16))
"#;

/// The plugin that is called.
pub(super) fn provider() -> Result<Vec<u8>> {
    named("bench:provider", "[permissions.engine]\nreuse-calls = 1000000\n", &world("provider", PROVIDER, HEAP)?)
}

/// The plugin that calls.
pub(super) fn caller() -> Result<Vec<u8>> {
    let asks = "[permissions.call]\ninterfaces = [\"bench:wiring/work\"]\n[permissions.engine]\nreuse-calls = 1000000\n";
    named("bench:caller", asks, &world("caller", CALLER, HEAP)?)
}

/// The two without names, for wiring them by hand.
pub(super) fn bare() -> Result<(Vec<u8>, Vec<u8>)> {
    Ok((world("caller", CALLER, HEAP)?, world("provider", PROVIDER, HEAP)?))
}

/// One of several that call each other: it exports `bench:wiring<number>/work`, and imports those of others.
pub(super) fn layered(number: usize, others: &[usize]) -> Result<Source> {
    let imports: String = others.iter().map(|other| format!("import bench:wiring{other}/work@0.1.0;")).collect();
    let packages: String = others
        .iter()
        .chain([&number])
        .map(|other| format!("package bench:wiring{other}@0.1.0 {{ interface work {{ add: func(input: u32) -> u32; }} }}\n"))
        .collect();
    let wit = format!("package bench:layered;\nworld plugin {{ {imports} export bench:wiring{number}/work@0.1.0; }}\n{packages}");
    let functions: String = others
        .iter()
        .map(|other| format!("(import \"bench:wiring{other}/work@0.1.0\" \"add\" (func $add{other} (param i32) (result i32)))"))
        .collect();
    let calls: String = others.iter().map(|other| format!("(local.set 0 (call $add{other} (local.get 0)))")).collect();
    let text = format!(
        "(module {functions} {HEAP} (func (export \"bench:wiring{number}/work@0.1.0#add\") (param i32) (result i32) {calls} (i32.add (local.get 0) (i32.const 1))))"
    );
    let mut resolve = contract(&[])?;
    let package = resolve.push_str("layered.wit", &wit)?;
    let bytes = component(&resolve, package, "plugin", &text)?;
    let interfaces: Vec<String> = others.iter().map(|other| format!("\"bench:wiring{other}/work\"")).collect();
    let asks = if others.is_empty() { String::new() } else { format!("[permissions.call]\ninterfaces = [{}]\n", interfaces.join(", ")) };
    Ok(Source::bytes(named(&format!("bench:wiring{number}"), &asks, &bytes)?))
}

/// The plugin that publishes.
pub(super) fn teller() -> Result<Source> {
    let asks = "[permissions.events]\nout = [\"bench/tick\"]\nper-second = 100000000\n[permissions.engine]\nreuse-calls = 1000000\n";
    let wit = "package bench:telling; world plugin { import plugwork:host/events@0.1.0; export bench:wiring/telling@0.1.0; }";
    Ok(Source::bytes(named("bench:teller", asks, &told(wit, TELLER)?)?))
}

/// A plugin that is told, and asks for room for many; `slow` pauses in each call and loses what it has no room for.
pub(super) fn listener(name: &str, is_slow: bool) -> Result<Source> {
    let overflow = if is_slow { "drop-oldest" } else { "block" };
    let pause = if is_slow { "[permissions.pause]\n" } else { "" };
    let asks = format!(
        "{pause}[permissions.events]\nin = [\"bench/tick\"]\nqueue-events = 65536\noverflow = \"{overflow}\"\n[permissions.engine]\nreuse-calls = 1000000\n"
    );
    let import = if is_slow { "import bench:host/pause@0.1.0;" } else { "" };
    let wit = format!(
        "package bench:listening; world plugin {{ {import} export plugwork:points/event-handler@0.1.0; }} package bench:host@0.1.0 {{ interface pause {{ pause: func(); }} }}"
    );
    Ok(Source::bytes(named(name, &asks, &told(&wit, if is_slow { SLOW } else { LISTENER })?)?))
}

fn told(wit: &str, code: &str) -> Result<Vec<u8>> {
    let mut resolve = contract(&["table", "plugin", "host", "points"])?;
    resolve.push_str("wiring.wit", WIT)?;
    let package = resolve.push_str("told.wit", wit)?;
    component(&resolve, package, "plugin", &in_order(code, HEAP))
}

fn world(name: &str, code: &str, heap: &str) -> Result<Vec<u8>> {
    let mut resolve = contract(&[])?;
    let package = resolve.push_str("wiring.wit", WIT)?;
    component(&resolve, package, name, &in_order(code, heap))
}

/// A module's text: its imports come before everything else.
fn in_order(code: &str, heap: &str) -> String {
    let (imports, rest): (Vec<&str>, Vec<&str>) = code.lines().partition(|line| line.trim_start().starts_with("(import"));
    format!("(module {} {heap} {})", imports.join("\n"), rest.join("\n"))
}

fn named(name: &str, asks: &str, component: &[u8]) -> Result<Vec<u8>> {
    let manifest = format!("name = \"{name}\"\nversion = \"1.0.0\"\n{asks}");
    Ok(embed(component, &Embedded { manifest: Some(&manifest), ..Embedded::default() })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_is_a_component() {
        provider().unwrap();
        caller().unwrap();
        bare().unwrap();
        layered(3, &[1, 2]).unwrap();
        teller().unwrap();
        listener("bench:slow", true).unwrap();
        listener("bench:quick", false).unwrap();
    }
}
