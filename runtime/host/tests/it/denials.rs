//! An optional permission that was not granted answers the interface's own denial, made from nothing but the function's type.

use plugwork::Grants;
use plugwork::core::reach::Kind;
use plugwork::log::Level;

use crate::guest::{Guest, REFUSAL};
use crate::world::{self, Number, Recorder, fault};

const FETCH: &str = r#"
  (import "plugwork:host/fetch@0.1.0" (instance $fetch
    (export "refusal" (type $refusal' (eq $refusal)))
    (type $h (record (field "name" string) (field "value" string)))
    (export "header" (type $header (eq $h)))
    (type $q (record (field "method" string) (field "url" string) (field "headers" (list $header))
      (field "body" (option (list u8))) (field "timeout-ms" (option u32))))
    (export "request" (type $request (eq $q)))
    (type $a (record (field "status" u16) (field "headers" (list $header)) (field "body" (list u8))))
    (export "response" (type $response (eq $a)))
    (export "send" (func (param "request" $request) (result (result $response (error $refusal')))))
    (export "send-all" (func (param "requests" (list $request)) (result (list (result $response (error $refusal'))))))))
"#;

const OPTIONAL_HTTP: &str = "[permissions.http]\nhosts = [\"api.example.com\"]\noptional = true\n";

async fn denied(guest: &Guest, manifest: &str, log: Recorder) -> plugwork::Plugin {
    let runtime = world::builder().log(log).open().await.unwrap();
    let offer = runtime.offer(&guest.clone().manifest(manifest).source()).await.unwrap();
    offer.accept_only(Grants::none()).await.unwrap()
}

#[tokio::test]
async fn fetch_without_its_optional_grant_answers_denied_with_the_line_that_grants_it() {
    // result<response, refusal> at 64: err at 64, `denied` at 68, then code, permission, rule, hint from 72. It logs the hint.
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        (import "host" "write" (func $write (param i32 i32 i32)))
        (data (i32.const 0) "GEThttp://api.example.com/")
        (func (export "run") (param i32) (result i32)
          (call $send (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 23) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
          (call $write (i32.const 2) (i32.load (i32.const 72)) (i32.load (i32.const 76)))
          (call $write (i32.const 2) (i32.load (i32.const 80)) (i32.load (i32.const 84)))
          (call $write (i32.const 2) (i32.load (i32.const 96)) (i32.load (i32.const 100)))
          (i32.add (i32.mul (i32.load8_u (i32.const 64)) (i32.const 10)) (i32.load8_u (i32.const 68))))"#;
    let guest = Guest::new(code).import(REFUSAL).import(FETCH).host("send", "$fetch").with_log();
    let log = Recorder::default();
    let plugin = denied(&guest, OPTIONAL_HTTP, log.clone()).await;
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 10, "err, and its first case, `denied`");
    let said: Vec<_> = log.records().into_iter().map(|(_, message)| message).collect();
    assert_eq!(said, ["E-CAP-NOT-GRANTED", "plugwork:host/fetch@0.1.0", "grants.http = { hosts = [\"api.example.com\"] }"]);
}

#[tokio::test]
async fn send_all_without_its_optional_grant_answers_denied_for_each_request() {
    // Asks for as many requests as the input says; each is 44 zero bytes. An answer takes 40 bytes; it sums up `err` + `denied` case.
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "send-all" (func $send-all (param i32 i32 i32)))
        (func (export "run") (param $n i32) (result i32) (local $at i32) (local $sum i32)
          (call $send-all (i32.const 1024) (local.get $n) (i32.const 64))
          (if (i32.ne (i32.load (i32.const 68)) (local.get $n)) (then unreachable))
          (local.set $at (i32.load (i32.const 64)))
          (loop $next
            (if (local.get $n) (then
              (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
              (if (i32.load8_u (i32.add (local.get $at) (i32.const 4))) (then unreachable))
              (local.set $at (i32.add (local.get $at) (i32.const 40)))
              (local.set $n (i32.sub (local.get $n) (i32.const 1)))
              (br $next))))
          (local.get $sum))"#;
    let guest = Guest::new(code).import(REFUSAL).import(FETCH).host("send-all", "$fetch");
    let plugin = denied(&guest, OPTIONAL_HTTP, Recorder::default()).await;
    for requests in [0, 1, 3] {
        assert_eq!(plugin.call::<Number>(&requests).await.unwrap(), requests);
    }
}

const OPTIONAL_CALLS: &str = "[permissions.calls]\noptional = true\n";

/// A guest that calls `ask` of an interface of its own (the optional `calls`), whose answer is written to address 64 or given at once.
fn asking(result: &str, types: &str, code: &str) -> Guest {
    let import = format!(r#"(import "test:host/calls@0.1.0" (instance $calls {types} (export "ask" (func (result {result})))))"#);
    Guest::new(code).import(&import).host("ask", "$calls")
}

#[tokio::test]
async fn an_error_of_text_carries_the_denial() {
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "ask" (func $ask (param i32)))
        (import "host" "write" (func $write (param i32 i32 i32)))
        (func (export "run") (param i32) (result i32)
          (call $ask (i32.const 64))
          (call $write (i32.const 3) (i32.load (i32.const 68)) (i32.load (i32.const 72)))
          (i32.load8_u (i32.const 64)))"#;
    let log = Recorder::default();
    let guest = asking("(result (error string))", "", code).with_log();
    assert_eq!(denied(&guest, OPTIONAL_CALLS, log.clone()).await.call::<Number>(&0).await.unwrap(), 1);
    let (level, message) = log.records().remove(0);
    assert_eq!(level, Level::Warn);
    assert!(message.starts_with("denied `test:host/calls@0.1.0` (E-CAP-NOT-GRANTED)"), "{message}");
    assert!(message.ends_with("hint: grants.calls = {}"), "{message}");
}

#[tokio::test]
async fn an_error_of_cases_answers_the_case_that_says_denied() {
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "ask" (func $ask (param i32)))
        (func (export "run") (param i32) (result i32)
          (call $ask (i32.const 64))
          (i32.add (i32.mul (i32.load8_u (i32.const 64)) (i32.const 10)) (i32.load8_u (i32.add (local.get 0) (i32.const 64)))))"#;
    let cases = r#"(type $e (enum "would-block" "not-permitted" "access")) (export "error" (type $error (eq $e)))"#;
    let guest = asking("(result u32 (error $error))", cases, code);
    assert_eq!(denied(&guest, OPTIONAL_CALLS, Recorder::default()).await.call::<Number>(&4).await.unwrap(), 12, "err, `access`");
    let cases = r#"(type $e (variant (case "timeout" u32) (case "denied" (option string)))) (export "error" (type $error (eq $e)))"#;
    let guest = asking("(result u32 (error $error))", cases, code);
    assert_eq!(denied(&guest, OPTIONAL_CALLS, Recorder::default()).await.call::<Number>(&4).await.unwrap(), 11, "err, `denied`");
}

#[tokio::test]
async fn a_result_without_an_error_value_is_still_an_error() {
    let code = r#"(import "host" "ask" (func $ask (result i32))) (func (export "run") (param i32) (result i32) call $ask)"#;
    assert_eq!(denied(&asking("(result)", "", code), OPTIONAL_CALLS, Recorder::default()).await.call::<Number>(&0).await.unwrap(), 1);
}

#[tokio::test]
async fn where_no_error_fits_the_call_traps_with_the_denial_and_never_answers() {
    let code = r#"(import "host" "ask" (func $ask (result i32))) (func (export "run") (param i32) (result i32) call $ask)"#;
    let plugin = denied(&asking("u32", "", code), OPTIONAL_CALLS, Recorder::default()).await;
    let ended = fault(plugin.call::<Number>(&0).await);
    assert!(ended.to_string().contains("`test:host/calls@0.1.0#ask` is denied: optional and not granted"), "{ended}");
}

#[tokio::test]
async fn a_denied_interface_may_use_the_resources_of_an_inert_one() {
    // As wasi:blobstore does with input streams: the alias must stay the stream that wasi:io defines.
    let import = r#"
        (import "wasi:io/error@0.2.6" (instance $error (export "error" (type (sub resource)))))
        (alias export $error "error" (type $io-error))
        (import "test:host/calls@0.1.0" (instance $calls
          (export "problem" (type $problem (eq $io-error)))
          (export "handle" (type $handle (sub resource)))
          (export "ask" (func (param "problem" (option (own $problem))) (result (result (own $handle)))))))
        "#;
    let code = r#"
        (import "heap" "memory" (memory 1))
        (import "host" "ask" (func $ask (param i32 i32 i32)))
        (func (export "run") (param i32) (result i32)
          (call $ask (i32.const 0) (i32.const 0) (i32.const 64)) (i32.load8_u (i32.const 64)))"#;
    let guest = Guest::new(code).import(import).host("ask", "$calls");
    let plugin = denied(&guest, OPTIONAL_CALLS, Recorder::default()).await;
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 1);
}

#[tokio::test]
async fn a_denied_function_lets_go_of_the_handles_it_was_given() {
    // It borrows a pollable of the host's, and keeps nothing of it: the guest may use and drop it afterwards.
    let import = r#"
        (import "wasi:io/poll@0.2.6" (instance $poll
          (export "pollable" (type $p (sub resource)))
          (export "[method]pollable.ready" (func (param "self" (borrow $p)) (result bool)))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
          (export "pollable" (type $p (eq $pollable)))
          (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
        (import "test:host/calls@0.1.0" (instance $calls
          (export "pollable" (type $p (eq $pollable)))
          (export "watch" (func (param "it" (borrow $p)) (result (result))))
          (export "take" (func (param "it" (own $p)) (result (result))))))"#;
    let code = r#"
        (import "host" "subscribe-duration" (func $subscribe (param i64) (result i32)))
        (import "host" "watch" (func $watch (param i32) (result i32)))
        (import "host" "take" (func $take (param i32) (result i32)))
        (import "host" "[method]pollable.ready" (func $ready (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (local $it i32)
          (local.set $it (call $subscribe (i64.const 0)))
          (if (i32.eqz (call $watch (local.get $it))) (then unreachable))
          (drop (call $ready (local.get $it)))
          (call $take (local.get $it)))"#;
    let guest = Guest::new(code)
        .import(import)
        .host("subscribe-duration", "$clock")
        .host("watch", "$calls")
        .host("take", "$calls")
        .host("[method]pollable.ready", "$poll");
    let plugin = denied(&guest, OPTIONAL_CALLS, Recorder::default()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    // More often than the handles an instance may have: what was taken is gone.
    for _ in 0..20_000 {
        assert_eq!(session.call_input(&0).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_denied_import_is_shown_as_denied() {
    let code = r#"(import "host" "ask" (func $ask (result i32))) (func (export "run") (param i32) (result i32) call $ask)"#;
    let plugin = denied(&asking("u32", "", code), OPTIONAL_CALLS, Recorder::default()).await;
    assert_eq!((plugin.reach()[0].kind, plugin.reach()[0].because.as_str()), (Kind::Denied, "optional and not granted"));
}
