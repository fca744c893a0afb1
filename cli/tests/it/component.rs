//! Components in text, and the manifests embedded in them. No claims here.

use plugwork_component::{Embedded, embed};

/// One function of each outcome. Its values lie ready in memory, laid out as the canonical ABI reads them; a text argument is always
/// put at 1024.
pub(crate) const OUTCOMES: &str = r#"
(component
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
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 0) "E-TESTnetnot todayask againvalue/afewer\1b[31m")
    ;; result<_, refusal>: err, denied, four texts
    (data (i32.const 64) "\01\00\00\00\00\00\00\00\00\00\00\00\06\00\00\00\06\00\00\00\03\00\00\00\09\00\00\00\09\00\00\00\12\00\00\00\09\00\00\00")
    ;; result<_, refusal>: err, invalid, three texts
    (data (i32.const 128) "\01\00\00\00\01\00\00\00\1b\00\00\00\05\00\00\00\20\00\00\00\02\00\00\00\22\00\00\00\05\00\00\00")
    ;; result<string, string>: err, one text
    (data (i32.const 192) "\01\00\00\00\09\00\00\00\09\00\00\00")
    ;; a text with a terminal escape in it
    (data (i32.const 224) "\27\00\00\00\05\00\00\00")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "number") (param i32) (result i32) local.get 0)
    (func (export "text") (param i32 i32) (result i32)
      (i32.store (i32.const 256) (local.get 0))
      (i32.store (i32.const 260) (local.get 1))
      i32.const 256)
    (func (export "denies") (result i32) i32.const 64)
    (func (export "refuses") (result i32) i32.const 128)
    (func (export "fails") (result i32) i32.const 192)
    (func (export "colours") (result i32) i32.const 224)
    (func (export "spins") loop br 0 end)
    (func (export "traps") unreachable))
  (core instance $i (instantiate $code))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func $number (param "value" s32) (result s32) (canon lift (core func $i "number")))
  (func $text (param "value" string) (result string)
    (canon lift (core func $i "text") (memory $memory) (realloc $realloc)))
  (func $denies (result (result (error $refusal))) (canon lift (core func $i "denies") (memory $memory)))
  (func $refuses (result (result (error $refusal))) (canon lift (core func $i "refuses") (memory $memory)))
  (func $fails (result (result string (error string))) (canon lift (core func $i "fails") (memory $memory)))
  (func $colours (result string) (canon lift (core func $i "colours") (memory $memory)))
  (func $spins (canon lift (core func $i "spins")))
  (func $traps (canon lift (core func $i "traps")))
  (instance $outcomes
    (export "number" (func $number)) (export "text" (func $text)) (export "denies" (func $denies)) (export "refuses" (func $refuses))
    (export "fails" (func $fails)) (export "colours" (func $colours)) (export "spins" (func $spins)) (export "traps" (func $traps)))
  (export "test:point/outcomes@0.1.0" (instance $outcomes))
  (export "number" (func $number))
)"#;

/// Uses one built-in of component async, and nothing else.
pub(crate) const FULL: &str = "(component (core func (canon task.cancel)))";

/// Imports what is put in, and exports nothing.
pub(crate) fn importing(imports: &[&str]) -> Vec<u8> {
    let imports: String = imports.iter().map(|name| format!("(import \"{name}\" (instance (export \"go\" (func))))\n")).collect();
    wat::parse_str(format!("(component {imports})")).unwrap()
}

pub(crate) fn outcomes() -> Vec<u8> {
    wat::parse_str(OUTCOMES).unwrap()
}

/// The component with a manifest of that name, and the standard metadata.
pub(crate) fn with_manifest(component: &[u8], rest: &str) -> Vec<u8> {
    let text = manifest(rest);
    let embedded = Embedded {
        manifest: Some(&text),
        name: Some("test:plugin"),
        version: Some("0.1.0"),
        description: Some("Tests"),
        license: Some("MIT"),
        processed_by: None,
    };
    embed(component, &embedded).unwrap()
}

/// A whole manifest, with permissions and the like behind it.
pub(crate) fn manifest(rest: &str) -> String {
    format!("name = \"test:plugin\"\nversion = \"0.1.0\"\ndescription = \"Tests\"\nlicense = \"MIT\"\n{rest}")
}

/// The component with a manifest of any text, right or wrong, and nothing else.
pub(crate) fn with_text(component: &[u8], manifest: &str) -> Vec<u8> {
    let embedded = Embedded { manifest: Some(manifest), name: None, version: None, description: None, license: None, processed_by: None };
    embed(component, &embedded).unwrap()
}

/// Writes one record to its log and spins: `talks`. Its record holds what could forge a line or colour a terminal.
pub(crate) const TALKER: &str = r#"
(component
  (import "plugwork:host/log@0.1.0" (instance $log
    (type $l (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (core module $memory (memory (export "memory") 1)
    (data (i32.const 0) "hello\0a2020-01-01T00:00:00Z  error  forged\1b[31m")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias export $log "write" (func $write))
  (core func $lowered (canon lower (func $write) (memory $mem)))
  (core module $code
    (import "log" "write" (func $write (param i32 i32 i32)))
    (func (export "talks")
      (call $write (i32.const 3) (i32.const 0) (i32.const 46))
      (call $write (i32.const 1) (i32.const 0) (i32.const 5))
      (loop br 0)))
  (core instance $i (instantiate $code (with "log" (instance (export "write" (func $lowered))))))
  (func $talks (canon lift (core func $i "talks")))
  (export "talks" (func $talks))
)"#;

pub(crate) fn talker() -> Vec<u8> {
    wat::parse_str(TALKER).unwrap()
}

/// Keeps the configuration that its `init` was given, and gives it back: `configured`.
pub(crate) const CONFIGURED: &str = r#"
(component
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
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "init") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0)) (i32.store (i32.const 12) (local.get 1)) i32.const 16)
    (func (export "well") (result i32) i32.const 16)
    (func (export "migrate") (param i32 i32) (result i32) i32.const 16)
    (func (export "configured") (result i32) i32.const 8))
  (core instance $c (instantiate $m))
  (alias core export $c "memory" (core memory $memory))
  (alias core export $c "realloc" (core func $realloc))
  (func $descriptor (result string) (canon lift (core func $c "well") (memory $memory)))
  (func $init (param "config" string) (result (result (error $refusal)))
    (canon lift (core func $c "init") (memory $memory) (realloc $realloc)))
  (func $shutdown (result (result (error $refusal))) (canon lift (core func $c "well") (memory $memory)))
  (func $health (result (result string (error $refusal))) (canon lift (core func $c "well") (memory $memory)))
  (func $migrate (param "from-version" string) (result (result (error $refusal)))
    (canon lift (core func $c "migrate") (memory $memory) (realloc $realloc)))
  (instance $lifecycle (export "descriptor" (func $descriptor)) (export "init" (func $init)) (export "shutdown" (func $shutdown))
    (export "health" (func $health)) (export "migrate" (func $migrate)))
  (export "plugwork:plugin/lifecycle@0.1.0" (instance $lifecycle))
  (func $configured (result string) (canon lift (core func $c "configured") (memory $memory)))
  (export "configured" (func $configured))
)"#;
