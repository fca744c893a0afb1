//! Guests in component text: one of the point `http-function`, and one of WASI's world that answers twice. Of the first the letter after the first `/` of the path says what it does.
//!
//! Easily got wrong: records lie in memory as the component model lays them out; the numbers below are offsets in the one record of arguments
//! (`request`, then `context`) and in the answer, which lies at 16.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// The answer: tag at 16, status at 20, headers at 24 and 28, body at 32 and 36; a refusal has its case at 20 and its first text at 24.
const CODE: &str = r#"
(module
  (import "plugwork:host/log@0.1.0" "write" (func $log (param i32 i32 i32)))
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
    ;; k: says `ok` in its log.
    (if (i32.eq (local.get $what) (i32.const 0x6b)) (then (call $log (i32.const 2) (i32.const 512) (i32.const 2))))
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
    ;; y: scheme. a: authority. i: client address. p: principal. j: its claims. q: request id. w: the first route parameter.
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
    (if (i32.eq (local.get $what) (i32.const 0x6a)) (then
      (if (i32.load8_u offset=68 (local.get $in))
        (then (call $say-at (i32.add (local.get $in) (i32.const 80))))
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

/// As much of `wasi:http` 0.2 as a component needs that answers.
const WASI_HTTP: &str = r#"
package wasi:http@0.2.0;
interface types {
    record DNS-error-payload { rcode: option<string>, info-code: option<u16> }
    record TLS-alert-received-payload { alert-id: option<u8>, alert-message: option<string> }
    record field-size-payload { field-name: option<string>, field-size: option<u32> }
    variant error-code {
        DNS-timeout, DNS-error(DNS-error-payload), destination-not-found, destination-unavailable, destination-IP-prohibited,
        destination-IP-unroutable, connection-refused, connection-terminated, connection-timeout, connection-read-timeout,
        connection-write-timeout, connection-limit-reached, TLS-protocol-error, TLS-certificate-error,
        TLS-alert-received(TLS-alert-received-payload), HTTP-request-denied, HTTP-request-length-required,
        HTTP-request-body-size(option<u64>), HTTP-request-method-invalid, HTTP-request-URI-invalid, HTTP-request-URI-too-long,
        HTTP-request-header-section-size(option<u32>), HTTP-request-header-size(option<field-size-payload>),
        HTTP-request-trailer-section-size(option<u32>), HTTP-request-trailer-size(field-size-payload), HTTP-response-incomplete,
        HTTP-response-header-section-size(option<u32>), HTTP-response-header-size(field-size-payload),
        HTTP-response-body-size(option<u64>), HTTP-response-trailer-section-size(option<u32>),
        HTTP-response-trailer-size(field-size-payload), HTTP-response-transfer-coding(option<string>),
        HTTP-response-content-coding(option<string>), HTTP-response-timeout, HTTP-upgrade-failed, HTTP-protocol-error, loop-detected,
        configuration-error, internal-error(option<string>),
    }
    resource fields { constructor(); }
    resource incoming-request;
    resource outgoing-response { constructor(headers: fields); }
    resource response-outparam { set: static func(param: response-outparam, response: result<outgoing-response, error-code>); }
}
interface incoming-handler {
    use types.{incoming-request, response-outparam};
    handle: func(request: incoming-request, response-out: response-outparam);
}
world guest { import types; export incoming-handler; }
"#;

/// Answers, and then answers once more with the handle that it has used already: no language would let it.
const TWICE: &str = r#"
(module
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (func $answer (param $handle i32)
    (call $set (local.get $handle) (i32.const 0) (call $response (call $fields))
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "wasi:http/incoming-handler@0.2.0#handle") (param $request i32) (param $handle i32)
    (call $answer (local.get $handle))
    (call $answer (local.get $handle)))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
)"#;

/// A component of WASI's world that answers twice.
pub(crate) fn twice() -> Vec<u8> {
    let mut resolve = Resolve::new();
    let package = resolve.push_str("http.wit", WASI_HTTP).unwrap();
    encoded(&resolve, package, TWICE)
}

/// The component of the simple point.
pub(crate) fn function() -> Vec<u8> {
    let mut resolve = Resolve::new();
    for package in ["table", "plugin", "host", "points"] {
        resolve.push_dir(format!("{}/../../wit/{package}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    }
    let world = "package test:function; world guest { import plugwork:host/log@0.1.0; export plugwork:points/http-function@0.1.0; }";
    let package = resolve.push_str("guest.wit", world).unwrap();
    encoded(&resolve, package, CODE)
}

fn encoded(resolve: &Resolve, package: PackageId, code: &str) -> Vec<u8> {
    let mut module = wat::parse_str(code).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}
