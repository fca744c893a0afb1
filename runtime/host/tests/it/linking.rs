//! The three moments of a capability, and what stands behind the WASI interfaces that nobody granted.

use plugwork::core::reach::Kind;
use plugwork::{ErrorKind, Grants};
use serde_json::json;

use crate::guest::{CALLS, ECHO, Guest};
use crate::world::{self, Number, grant, plugin};

fn counting() -> Guest {
    Guest::new(r#"(import "host" "next" (func $next (result i32))) (func (export "run") (param i32) (result i32) call $next)"#)
        .import(CALLS)
        .host("next", "$calls")
}

#[tokio::test]
async fn a_capability_refuses_bounds_that_make_no_sense() {
    let offer = world::runtime().await.offer(&counting().source()).await.unwrap();
    let error = offer.accept_only(grant("calls", json!({"start": "high"}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((error.issues()[0].at.as_str(), error.issues()[0].what.as_str()), ("grants.calls.start", "\"high\""));
}

#[tokio::test]
async fn a_capability_is_linked_only_where_it_was_granted() {
    let source = counting().manifest("[permissions.calls]\noptional = true\n").source();
    let runtime = world::runtime().await;
    let without = runtime.offer(&source).await.unwrap().accept_only(Grants::none()).await.unwrap();
    assert_eq!(without.reach()[0].kind, Kind::Denied);
    let error = without.call::<Number>(&0).await.unwrap_err();
    assert!(error.to_string().contains("`test:host/calls@0.1.0#next` is denied"), "{error}");
    let with = runtime.offer(&source).await.unwrap().accept().await.unwrap();
    assert_eq!(with.reach()[0].kind, Kind::Granted);
    assert_eq!(with.call::<Number>(&0).await.unwrap(), 1);
}

#[tokio::test]
async fn each_instance_is_prepared_with_a_value_of_its_own() {
    let offer = world::runtime().await.offer(&counting().source()).await.unwrap();
    let plugin = offer.accept_only(grant("calls", json!({"start": 40}))).await.unwrap();
    let mut one = plugin.session::<Number>().await.unwrap();
    let mut other = plugin.session::<Number>().await.unwrap();
    assert_eq!((one.call_input(&0).await.unwrap(), one.call_input(&0).await.unwrap()), (41, 42));
    assert_eq!(other.call_input(&0).await.unwrap(), 41);
    assert_eq!((one.spend().host_calls, other.spend().host_calls), (2, 1));
}

/// The parts of wasi:sockets that every Python component imports first.
const SOCKETS: &str = r#"
  (import "wasi:sockets/network@0.2.6" (instance $network
    (export "network" (type (sub resource)))
    (type $e (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout" "concurrency-conflict"))
    (export "error-code" (type (eq $e)))
    (type $f (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type (eq $f)))))
  (alias export $network "network" (type $network-handle))
  (alias export $network "error-code" (type $error-code))
  (alias export $network "ip-address-family" (type $family))
  (import "wasi:sockets/instance-network@0.2.6" (instance $instance-network
    (export "network" (type $n (eq $network-handle)))
    (export "instance-network" (func (result (own $n))))))
  (import "wasi:sockets/tcp@0.2.6" (instance $tcp (export "tcp-socket" (type (sub resource)))))
  (alias export $tcp "tcp-socket" (type $tcp-socket))
  (import "wasi:sockets/tcp-create-socket@0.2.6" (instance $create
    (export "error-code" (type $e (eq $error-code)))
    (export "ip-address-family" (type $f (eq $family)))
    (export "tcp-socket" (type $s (eq $tcp-socket)))
    (export "create-tcp-socket" (func (param "address-family" $f) (result (result (own $s) (error $e)))))))
  (import "wasi:sockets/ip-name-lookup@0.2.6" (instance $lookup
    (export "network" (type $n (eq $network-handle)))
    (export "error-code" (type $e (eq $error-code)))
    (export "resolve-address-stream" (type $stream (sub resource)))
    (export "resolve-addresses"
      (func (param "network" (borrow $n)) (param "name" string) (result (result (own $stream) (error $e)))))))
"#;

#[tokio::test]
async fn sockets_without_a_grant_answer_access_denied() {
    // Gives 100 × (creating failed) + 10 × the error of creating + (looking up failed) × the error of looking up.
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "instance-network" (func $network (result i32)))
        (import "host" "create-tcp-socket" (func $create (param i32 i32)))
        (import "host" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
        (data (i32.const 0) "example.com")
        (func (export "run") (param i32) (result i32)
          (call $create (i32.const 0) (i32.const 64))
          (call $resolve (call $network) (i32.const 0) (i32.const 11) (i32.const 96))
          (i32.add
            (i32.add (i32.mul (i32.load8_u (i32.const 64)) (i32.const 100)) (i32.mul (i32.load8_u (i32.const 68)) (i32.const 10)))
            (i32.mul (i32.load8_u (i32.const 96)) (i32.load8_u (i32.const 100)))))"#;
    let guest = Guest::new(code)
        .import(SOCKETS)
        .host("instance-network", "$instance-network")
        .host("create-tcp-socket", "$create")
        .host("resolve-addresses", "$lookup");
    let plugin = plugin(&guest.source()).await;
    assert!(plugin.reach().iter().all(|reach| reach.kind == Kind::Inert), "{:?}", plugin.reach());
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 111);
}

/// A list that a WASI function gives: its length.
fn length_of(function: &str, instance: &str, import: &str) -> Guest {
    let code = format!(
        r#"(import "heap" "memory" (memory 1))
        (import "host" "{function}" (func $list (param i32)))
        (data (i32.const 0) "\ff\ff\ff\ff\ff\ff\ff\ff")
        (func (export "run") (param i32) (result i32) (call $list (i32.const 0)) (i32.load (i32.const 4)))"#
    );
    Guest::new(&code).import(import).host(function, instance)
}

#[tokio::test]
async fn the_environment_without_a_grant_is_empty() {
    let import = r#"(import "wasi:cli/environment@0.2.6" (instance $cli
        (export "get-environment" (func (result (list (tuple string string)))))
        (export "get-arguments" (func (result (list string))))))"#;
    for function in ["get-environment", "get-arguments"] {
        let plugin = plugin(&length_of(function, "$cli", import).source()).await;
        assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 0, "{function}");
    }
}

#[tokio::test]
async fn without_a_grant_there_is_no_folder_to_open() {
    let import = r#"
        (import "wasi:filesystem/types@0.2.6" (instance $types (export "descriptor" (type (sub resource)))))
        (alias export $types "descriptor" (type $descriptor))
        (import "wasi:filesystem/preopens@0.2.6" (instance $preopens
          (export "descriptor" (type $d (eq $descriptor)))
          (export "get-directories" (func (result (list (tuple (own $d) string)))))))"#;
    let plugin = plugin(&length_of("get-directories", "$preopens", import).source()).await;
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 0);
}

#[tokio::test]
async fn configuration_without_a_grant_is_empty() {
    let import = r#"(import "wasi:config/store@0.2.0-rc.1" (instance $store
        (type $e (variant (case "upstream" string) (case "io" string)))
        (export "error" (type $error (eq $e)))
        (export "get-all" (func (result (result (list (tuple string string)) (error $error)))))))"#;
    // result<list>: the length stands at 8, where `length_of` looks at 4; so it looks from 4 on.
    let code = r#"(import "heap" "memory" (memory 1)) (import "host" "get-all" (func $all (param i32)))
        (func (export "run") (param i32) (result i32) (call $all (i32.const 0))
          (i32.add (i32.load8_u (i32.const 0)) (i32.load (i32.const 8))))"#;
    let plugin = plugin(&Guest::new(code).import(import).host("get-all", "$store").source()).await;
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 0);
}

#[tokio::test]
async fn clocks_without_a_grant_tell_whole_milliseconds() {
    let code = r#"(import "host" "now" (func $now (result i64))) (import "host" "resolution" (func $resolution (result i64)))
        (func (export "run") (param i32) (result i32)
          (i32.wrap_i64 (i64.add (i64.rem_u (call $now) (i64.const 1000000)) (call $resolution))))"#;
    let import = r#"(import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
        (export "now" (func (result u64))) (export "resolution" (func (result u64)))))"#;
    let guest = Guest::new(code).import(import).host("now", "$clock").host("resolution", "$clock");
    assert_eq!(plugin(&guest.source()).await.call::<Number>(&0).await.unwrap(), 1_000_000);
}

#[tokio::test]
async fn two_versions_of_one_interface_on_one_track_load() {
    let import = |id: &str, version: &str, function: &str| {
        format!(r#"(import "wasi:cli/environment@{version}" (instance ${id} (export "{function}" (func (result (list string))))))"#)
    };
    let guest = Guest::new(ECHO).import(&import("old", "0.2.0", "get-arguments")).import(&import("new", "0.2.6", "get-arguments"));
    assert_eq!(plugin(&guest.source()).await.call::<Number>(&3).await.unwrap(), 3);
}

#[tokio::test]
async fn stubs_serve_both_versions_of_an_interface_that_was_not_granted() {
    let import = |version: &str, function: &str| format!(r#"(import "test:host/calls@{version}" (instance (export "{function}" (func))))"#);
    let guest = Guest::new(ECHO).import(&import("0.1.0", "block")).import(&import("0.1.1", "panic"));
    let source = guest.manifest("[permissions.calls]\noptional = true\n").source();
    let plugin = world::runtime().await.offer(&source).await.unwrap().accept_only(Grants::none()).await.unwrap();
    assert_eq!(plugin.call::<Number>(&3).await.unwrap(), 3);
}
