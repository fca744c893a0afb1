//! Guests that belong to the benchmark alone: `calls`, whose functions do nothing or only compute, and `empty`, an analyzer that takes
//! every batch and looks at none. The one that reads a key-value store is in `containment/keyvalue.rs`.
//!
//! They are core modules as text, made into components here, so that the benchmark needs no second toolchain and no work of a guest
//! language's runtime is in its numbers. Not here: the example plugins, which are read from `target/plugins`. May be misread: memory is
//! handed out by moving a mark and taken back all at once, so the guests hold one call's data at a time.

use anyhow::{Context, Result};
use plugwork::component::{Embedded, embed};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// 33 pages: 1 MiB of input, its frame, and room to align.
pub(crate) const HEAP: &str = r#"
  (memory (export "memory") 33)
  (global $mark (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $length i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $mark) (i32.const 15)) (i32.const -16)))
    (global.set $mark (i32.add (local.get $at) (local.get $length)))
    (local.get $at))
"#;

const CALLS: &str = r#"
  (func (export "bench:calls/calls@0.1.0#add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "bench:calls/calls@0.1.0#echo") (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $length))
    (i32.const 16))
  (func (export "cabi_post_bench:calls/calls@0.1.0#echo") (param i32) (global.set $mark (i32.const 1024)))
  (func (export "bench:calls/work@0.1.0#mix") (param $rounds i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.xor (local.get $rounds) (i32.shr_u (local.get $rounds) (i32.const 7)))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (i32.gt_u (local.get $rounds) (i32.const 0))))
    (local.get $sum))
  (data (i32.const 512) "listvolume")
  (func (export "bench:calls/prices@0.1.0#quote") (param $sku i32) (param $length i32) (param $quantity i32) (param $unit i32) (result i32)
    (local $total i64)
    (local.set $total (i64.mul (i64.extend_i32_u (local.get $quantity)) (i64.extend_i32_u (local.get $unit))))
    (if (i64.gt_u (local.get $total) (i64.const 0xffffffff)) (then (local.set $total (i64.const 0xffffffff))))
    (i32.store (i32.const 48) (i32.wrap_i64 (local.get $total)))
    (i32.store (i32.const 52) (i32.const 512))
    (i32.store (i32.const 56) (i32.const 4))
    (if (i32.ge_u (local.get $quantity) (i32.const 100)) (then
      (i32.store (i32.const 48) (i32.wrap_i64 (i64.sub (local.get $total) (i64.div_u (local.get $total) (i64.const 10)))))
      (i32.store (i32.const 52) (i32.const 516))
      (i32.store (i32.const 56) (i32.const 6))))
    (i32.const 48))
  (func (export "cabi_post_bench:calls/prices@0.1.0#quote") (param i32) (global.set $mark (i32.const 1024)))
"#;

/// Answers lie at 16: the handle, then zeros, which are `ok` and `none`.
const EMPTY: &str = r#"
  (import "[export]plugwork:points/analyzer@0.1.0" "[resource-new]analysis" (func $new (param i32) (result i32)))
  (func (export "plugwork:points/analyzer@0.1.0#start") (param i32 i32) (result i32)
    (i32.store (i32.const 20) (call $new (i32.const 1)))
    (i32.const 16))
  (func (export "plugwork:points/analyzer@0.1.0#[method]analysis.push") (param i32 i32 i32 i32) (result i32)
    (global.set $mark (i32.const 1024))
    (i32.const 32))
  (func (export "plugwork:points/analyzer@0.1.0#[method]analysis.next") (param i32) (result i32) (i32.const 32))
"#;

/// `bench:calls/calls`: see `wit/calls.wit`.
pub(crate) fn calls() -> Result<Vec<u8>> {
    let mut resolve = Resolve::new();
    let package = resolve.push_str("calls.wit", include_str!("../wit/calls.wit"))?;
    component(&resolve, package, "guest", &format!("(module {HEAP} {CALLS})"))
}

/// The same, asking to be used again for as many calls as may be asked for.
pub(crate) fn reusable() -> Result<Vec<u8>> {
    let manifest = "name = \"bench:reusable\"\nversion = \"1.0.0\"\n[permissions.engine]\nreuse-calls = 1000000";
    Ok(embed(&calls()?, &Embedded { manifest: Some(manifest), ..Embedded::default() })?)
}

/// An analyzer without an analysis: what is left is the boundary.
pub(crate) fn empty() -> Result<Vec<u8>> {
    let mut resolve = contract(&["table", "plugin", "host", "points"])?;
    let world = "package bench:empty; world guest { export plugwork:points/analyzer@0.1.0; }";
    let package = resolve.push_str("empty.wit", world)?;
    // Imports come before everything else in a module.
    component(&resolve, package, "guest", &format!("(module {EMPTY} {HEAP})"))
}

/// These packages of the contract; each after those that it uses.
pub(crate) fn contract(packages: &[&str]) -> Result<Resolve> {
    let mut resolve = Resolve::new();
    for package in packages {
        let folder = format!("{}/../wit/{package}", env!("CARGO_MANIFEST_DIR"));
        resolve.push_dir(&folder).with_context(|| format!("cannot read the contract in `{folder}`"))?;
    }
    Ok(resolve)
}

/// Makes a core module a component of this world.
pub(crate) fn component(resolve: &Resolve, package: PackageId, world: &str, text: &str) -> Result<Vec<u8>> {
    let mut module = wat::parse_str(text)?;
    let world = resolve.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_is_a_component() {
        calls().unwrap();
        reusable().unwrap();
        empty().unwrap();
    }
}
