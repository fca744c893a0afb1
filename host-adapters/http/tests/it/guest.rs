//! A guest of the point `http-function` in component text. The letter after the first `/` of the path says what it does.
//!
//! Easily got wrong: records lie in memory as the component model lays them out; the numbers below are offsets in the one record of arguments
//! (`request`, then `context`) and in the answer, which lies at 16.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The answer: tag at 16, status at 20, headers at 24 and 28, body at 32 and 36; a refusal has its case at 20 and its first text at 24.
const CODE: &str = r#"
(module
  (memory (export "memory") 2)
  (global $mark (mut i32) (i32.const 4096))
  (global $calls (mut i32) (i32.const 48))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $length i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $mark) (i32.const 15)) (i32.const -16)))
    (global.set $mark (i32.add (local.get $at) (local.get $length)))
    (loop $more
      (if (i32.gt_u (global.get $mark) (i32.mul (memory.size) (i32.const 65536))) (then
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (br $more))))
    (local.get $at))
  (data (i32.const 512) "oksecretnone")
  (data (i32.const 1024) "a")
  (func $say (param $at i32) (param $length i32)
    (i32.store (i32.const 32) (local.get $at))
    (i32.store (i32.const 36) (local.get $length)))
  (func $say-at (param $at i32)
    (call $say (i32.load (local.get $at)) (i32.load (i32.add (local.get $at) (i32.const 4)))))
  ;; One header, which lies at 640: name and value, each address and length.
  (func $header (param $name i32) (param $name-length i32) (param $value i32) (param $length i32)
    (i32.store (i32.const 640) (local.get $name))
    (i32.store (i32.const 644) (local.get $name-length))
    (i32.store (i32.const 648) (local.get $value))
    (i32.store (i32.const 652) (local.get $length))
    (i32.store (i32.const 24) (i32.const 640))
    (i32.store (i32.const 28) (i32.const 1)))
  (func $digit (param $path i32) (param $at i32) (result i32)
    (i32.sub (i32.load8_u (i32.add (local.get $path) (local.get $at))) (i32.const 48)))
  (func (export "plugwork:points/http-function@0.1.0#handle") (param $in i32) (result i32)
    (local $path i32) (local $what i32)
    (memory.fill (i32.const 16) (i32.const 0) (i32.const 64))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (local.set $path (i32.load offset=8 (local.get $in)))
    (local.set $what (i32.load8_u offset=1 (local.get $path)))
    (if (i32.lt_u (i32.load offset=12 (local.get $in)) (i32.const 2)) (then (local.set $what (i32.const 0))))
    (i32.store16 (i32.const 20) (i32.const 200))
    (call $say (i32.const 512) (i32.const 2))
    ;; t: traps. l: never answers. m: asks for more memory than there is.
    (if (i32.eq (local.get $what) (i32.const 0x74)) (then unreachable))
    (if (i32.eq (local.get $what) (i32.const 0x6c)) (then (loop $again (br $again))))
    (if (i32.eq (local.get $what) (i32.const 0x6d)) (then
      (if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable))))
    ;; s123: that status. b204: that status, with a body.
    (if (i32.or (i32.eq (local.get $what) (i32.const 0x73)) (i32.eq (local.get $what) (i32.const 0x62))) (then
      (i32.store16 (i32.const 20) (i32.add (i32.add
        (i32.mul (call $digit (local.get $path) (i32.const 2)) (i32.const 100))
        (i32.mul (call $digit (local.get $path) (i32.const 3)) (i32.const 10)))
        (call $digit (local.get $path) (i32.const 4))))))
    (if (i32.eq (local.get $what) (i32.const 0x73)) (then (call $say (i32.const 0) (i32.const 0))))
    ;; n: the body is the name of a header; v: its value; g: the request's headers, given back.
    (if (i32.eq (local.get $what) (i32.const 0x6e)) (then
      (call $header (i32.load offset=36 (local.get $in)) (i32.load offset=40 (local.get $in)) (i32.const 1024) (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 0x76)) (then
      (call $header (i32.const 1024) (i32.const 1) (i32.load offset=36 (local.get $in)) (i32.load offset=40 (local.get $in)))))
    (if (i32.eq (local.get $what) (i32.const 0x67)) (then
      (i64.store (i32.const 24) (i64.load offset=28 (local.get $in)))))
    ;; e: the body back. c: how many calls this instance has had. The rest is from the context:
    ;; y: scheme. a: authority. i: client address. p: principal. q: request id. w: the first route parameter.
    (if (i32.eq (local.get $what) (i32.const 0x65)) (then (call $say-at (i32.add (local.get $in) (i32.const 36)))))
    (if (i32.eq (local.get $what) (i32.const 0x63)) (then
      (i32.store8 (i32.const 700) (global.get $calls))
      (call $say (i32.const 700) (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 0x79)) (then (call $say-at (i32.add (local.get $in) (i32.const 44)))))
    (if (i32.eq (local.get $what) (i32.const 0x61)) (then (call $say-at (i32.add (local.get $in) (i32.const 52)))))
    (if (i32.eq (local.get $what) (i32.const 0x69)) (then (call $say-at (i32.add (local.get $in) (i32.const 60)))))
    (if (i32.eq (local.get $what) (i32.const 0x70)) (then
      (if (i32.load8_u offset=68 (local.get $in))
        (then (call $say-at (i32.add (local.get $in) (i32.const 72))))
        (else (call $say (i32.const 520) (i32.const 4))))))
    (if (i32.eq (local.get $what) (i32.const 0x71)) (then (call $say-at (i32.add (local.get $in) (i32.const 88)))))
    (if (i32.eq (local.get $what) (i32.const 0x77)) (then
      (if (i32.load offset=100 (local.get $in))
        (then (call $say-at (i32.add (i32.load offset=96 (local.get $in)) (i32.const 8))))
        (else (call $say (i32.const 520) (i32.const 4))))))
    ;; r0 to r3: refuses with that case; every text is `secret`.
    (if (i32.eq (local.get $what) (i32.const 0x72)) (then
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (call $digit (local.get $path) (i32.const 2)))
      (i32.store (i32.const 24) (i32.const 514)) (i32.store (i32.const 28) (i32.const 6))
      (i32.store (i32.const 32) (i32.const 514)) (i32.store (i32.const 36) (i32.const 6))
      (i32.store (i32.const 40) (i32.const 514)) (i32.store (i32.const 44) (i32.const 6))
      (i32.store (i32.const 48) (i32.const 514)) (i32.store (i32.const 52) (i32.const 6))))
    (i32.const 16))
  (func (export "cabi_post_plugwork:points/http-function@0.1.0#handle") (param i32) (global.set $mark (i32.const 4096)))
)"#;

/// The component.
pub(crate) fn function() -> Vec<u8> {
    let mut resolve = Resolve::new();
    for package in ["table", "plugin", "host", "points"] {
        resolve.push_dir(format!("{}/../../wit/{package}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    }
    let world = "package test:function; world guest { export plugwork:points/http-function@0.1.0; }";
    let package = resolve.push_str("guest.wit", world).unwrap();
    let mut module = wat::parse_str(CODE).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}
