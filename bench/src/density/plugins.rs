//! Plugins by the thousand, each of about 50 kB and with machine code of its own: one component made here, with its number written into its code and its
//! data, and a manifest with its name.
//!
//! Not here: who installs them. May be misread: most of the 50 kB is data, so that ten thousand of them compile in minutes and not in an hour; in memory a
//! plugin is its code, its data and the manifest, whichever part is the larger.

use crate::guests;
use anyhow::{Result, ensure};
use plugwork::component::{Embedded, embed};
use plugwork::core::record::ConsentKey;

/// Stands in the code and the data where a plugin's number goes. Written as a constant it has five bytes, as has every number from [`BASE`] on.
const MARK: u32 = 0x1357_9bdf;
/// What is added to a number, so that it too has five bytes.
const BASE: u32 = 0x1000_0000;
/// Functions that nothing calls, each a little different.
const FUNCTIONS: u32 = 32;
const DATA_BYTES: usize = 44_000;

/// The component with a hole in it.
pub(crate) struct Template(Vec<u8>);

/// What `add` of the plugin with this number adds.
pub(crate) fn addend(number: u32) -> u32 {
    number + 1
}

/// The name of the plugin with this number.
pub(crate) fn name(number: u32) -> String {
    format!("bench:plugin-{number:06}")
}

/// Its key in a runtime.
pub(crate) fn key(number: u32) -> Result<ConsentKey> {
    Ok(ConsentKey { tenant: "default".to_owned(), instance: String::new(), package: name(number).parse()? })
}

impl Template {
    /// One that exports the point alone.
    pub(crate) fn new() -> Result<Self> {
        Self::of("", "")
    }

    /// One that is initialised, asked how it is, and told to shut down.
    pub(crate) fn with_lifecycle() -> Result<Self> {
        Self::of("export plugwork:plugin/lifecycle@0.1.0;", LIFECYCLE)
    }

    fn of(export: &str, functions: &str) -> Result<Self> {
        let mut resolve = guests::contract(&["plugin"])?;
        resolve.push_str("calls.wit", include_str!("../../wit/calls.wit"))?;
        let world = format!("package bench:many; world guest {{ export bench:calls/calls@0.1.0; {export} }}");
        let package = resolve.push_str("many.wit", &world)?;
        let component = guests::component(&resolve, package, "guest", &text(functions))?;
        ensure!(places(&component, &constant(MARK)).len() == FUNCTIONS as usize + 1, "the mark is not where it was written");
        ensure!(places(&component, &MARK.to_be_bytes()).len() == 1, "the mark is not in the data");
        Ok(Self(component))
    }

    /// The plugin with this number, under this name and version. It asks to be used again for as many calls as may be asked for.
    pub(crate) fn plugin(&self, number: u32, name: &str, version: &str) -> Result<Vec<u8>> {
        let mut component = self.0.clone();
        let its = BASE + addend(number);
        let (code, data) = (constant(its), its.to_be_bytes());
        for place in places(&self.0, &constant(MARK)) {
            component[place..place + code.len()].copy_from_slice(&code);
        }
        for place in places(&self.0, &MARK.to_be_bytes()) {
            component[place..place + data.len()].copy_from_slice(&data);
        }
        let manifest = format!("name = \"{name}\"\nversion = \"{version}\"\n[permissions.engine]\nreuse-calls = 1000000");
        Ok(embed(&component, &Embedded { manifest: Some(&manifest), ..Embedded::default() })?)
    }
}

/// The zeros at 16 are `ok`, and an empty string.
const LIFECYCLE: &str = r#"
  (func (export "plugwork:plugin/lifecycle@0.1.0#descriptor") (result i32) (i32.const 16))
  (func (export "plugwork:plugin/lifecycle@0.1.0#init") (param i32 i32) (result i32)
    (global.set $mark (i32.const 49152))
    (i32.const 16))
  (func (export "plugwork:plugin/lifecycle@0.1.0#shutdown") (result i32) (i32.const 16))
  (func (export "plugwork:plugin/lifecycle@0.1.0#health") (result i32) (i32.const 16))
  (func (export "plugwork:plugin/lifecycle@0.1.0#migrate") (param i32 i32) (result i32) (i32.const 16))
"#;

fn text(more: &str) -> String {
    let mut functions = more.to_owned();
    for number in 0..FUNCTIONS {
        let steps: String = (0..6)
            .map(|step| format!("(local.set 0 (i32.xor (i32.rotl (local.get 0) (i32.const {})) (local.get 1)))", 1 + (number + step) % 31))
            .collect();
        functions += &format!("(func (param i32 i32) (result i32) {steps} (i32.mul (local.get 0) (i32.const {MARK})))");
    }
    // Not all the same, and the same in every run.
    let mut state = 1_u32;
    let mut data = String::new();
    for _ in 0..DATA_BYTES {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        data += &format!("\\{:02x}", state >> 24);
    }
    let mark: String = MARK.to_be_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"(module
  (memory (export "memory") 1)
  (global $mark (mut i32) (i32.const 49152))
  (data (i32.const 1024) "{mark}{data}")
  (func (export "cabi_realloc") (param i32 i32 i32) (param $length i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $mark) (i32.const 15)) (i32.const -16)))
    (global.set $mark (i32.add (local.get $at) (local.get $length)))
    (local.get $at))
  (func (export "bench:calls/calls@0.1.0#add") (param i32) (result i32)
    (i32.add (local.get 0) (i32.sub (i32.const {MARK}) (i32.const {BASE}))))
  (func (export "bench:calls/calls@0.1.0#echo") (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 32) (local.get $at))
    (i32.store (i32.const 36) (local.get $length))
    (i32.const 32))
  (func (export "cabi_post_bench:calls/calls@0.1.0#echo") (param i32) (global.set $mark (i32.const 49152)))
  {functions})"#
    )
}

/// A number as `i32.const` writes it: signed LEB128, here always five bytes.
fn constant(number: u32) -> [u8; 5] {
    let byte = |at: u32| ((number >> (7 * at)) & 0x7f) as u8;
    [byte(0) | 0x80, byte(1) | 0x80, byte(2) | 0x80, byte(3) | 0x80, byte(4)]
}

fn places(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    bytes.windows(wanted.len()).enumerate().filter(|(_, window)| *window == wanted).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_component_of_fifty_kilobytes() {
        let template = Template::with_lifecycle().unwrap();
        let made: Vec<_> = [0, 1, 99_999].iter().map(|number| template.plugin(*number, &name(*number), "1.0.0").unwrap()).collect();
        for plugin in &made {
            assert!((46_000..52_000).contains(&plugin.len()), "{} bytes", plugin.len());
            plugwork::component::read(plugin).unwrap();
        }
        let different = made[0].iter().zip(&made[1]).filter(|(one, other)| one != other).count();
        assert!(different >= FUNCTIONS as usize, "{different} bytes differ");
    }
}
