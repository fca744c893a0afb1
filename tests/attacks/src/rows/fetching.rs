//! A guest that requests what it is told, and the types of refusals that guests of `plugwork:host` import.
//!
//! Not here: what it is told to request (`http.rs`). Easily got wrong: headers are written behind its first pages by itself, so its allocator has to
//! stay clear of them.

use crate::guest::Guest;

/// The types of a refusal: imported before what uses them.
pub(super) const REFUSAL: &str = r#"
  (import "plugwork:plugin/refusal@0.1.0" (instance $refusals
    (type $d (record (field "code" string) (field "permission" string) (field "rule" string) (field "hint" string)))
    (export "denial" (type $denial (eq $d)))
    (type $i (record (field "what" string) (field "at" string) (field "expected" string)))
    (export "issue" (type $issue (eq $i)))
    (type $p (record (field "message" string) (field "stack" string)))
    (export "problem" (type $problem (eq $p)))
    (type $r (variant (case "denied" $denial) (case "invalid" $issue) (case "unavailable" string) (case "other" $problem)))
    (export "refusal" (type $refusal (eq $r)))))
  (alias export $refusals "refusal" (type $refusal))
"#;

/// `plugwork:host/fetch`.
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
    (export "send" (func (param "request" $request) (result (result $response (error $refusal')))))))
"#;

/// A guest that requests the URL it is given: the answer is the body, or the first text of the refusal (of a denial: its code).
pub(super) fn fetching(method: &str, headers: &[(String, String)], copies: usize) -> Guest {
    let bytes = |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let mut data = format!("(data (i32.const 2048) \"{}\")", bytes(method));
    let mut stores = String::new();
    let mut at = 8_192;
    for (index, (name, value)) in headers.iter().enumerate() {
        data += &format!("(data (i32.const {at}) \"{}{}\")", bytes(name), bytes(value));
        for (word, number) in [at, name.len(), at + name.len(), value.len()].into_iter().enumerate() {
            stores += &format!("(i32.store (i32.const {}) (i32.const {number}))", 600_000 + index * 16 + word * 4);
        }
        at += name.len() + value.len();
    }
    let count = headers.len() * copies;
    let code = format!(
        r#"(import "heap" "memory" (memory 1))
        (import "host" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        {data}
        (func (export "run") (param $p i32) (param $n i32) (result i32) (local $copy i32)
          {stores}
          (local.set $copy (i32.const 1))
          (block $copied (loop $again
            (br_if $copied (i32.ge_u (local.get $copy) (i32.const {copies})))
            (memory.copy (i32.add (i32.const 600000) (i32.mul (local.get $copy) (i32.const {}))) (i32.const 600000) (i32.const {0}))
            (local.set $copy (i32.add (local.get $copy) (i32.const 1)))
            (br $again)))
          (call $send (i32.const 2048) (i32.const {}) (local.get $p) (local.get $n) (i32.const 600000) (i32.const {count})
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 3000) (i32.const 64))
          (select (i32.const 72) (i32.const 80) (i32.load8_u (i32.const 64))))"#,
        headers.len() * 16,
        method.len()
    );
    Guest::new(&code)
        .import(REFUSAL)
        .import(FETCH)
        .host("send", "$fetch")
        .point("text", "(param \"input\" string) (result string)", "", "")
        .realloc(
            "",
            "(if (i32.lt_u (memory.size) (i32.const 32)) (then (drop (memory.grow (i32.const 31)))))
         (if (i32.or (i32.lt_u (global.get $next) (i32.const 1000000)) (i32.gt_u (global.get $next) (i32.const 1800000)))
           (then (global.set $next (i32.const 1000000))))
         (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
         global.get $next
         (global.set $next (i32.add (global.get $next) (local.get 3)))",
        )
}
