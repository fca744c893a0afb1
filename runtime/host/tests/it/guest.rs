//! Guests written as component text: a heap, some code, and by default one export, `test:point/number@0.1.0` with `run: func(u32) -> u32`.
//!
//! The code is the inside of a core module that imports the heap's `memory` and what `host` lowered. What a reader may get wrong: the heap's
//! memory is a second module's, so it counts for the limits although the code does not define it.

use plugwork::Source;
use plugwork::component::{Embedded, embed};

/// `plugwork:plugin/refusal`, as every plugin imports it. Types only.
pub(crate) const REFUSAL: &str = r#"
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

/// `plugwork:host/log`.
pub(crate) const LOG: &str = r#"
  (import "plugwork:host/log@0.1.0" (instance $log
    (type $l (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (export "write" (func (param "level" $level) (param "message" string)))
    (export "last-words" (func (param "message" string) (param "stack" string)))))
"#;

/// The test capability's interface: see `world::Calls`.
pub(crate) const CALLS: &str = r#"
  (import "test:host/calls@0.1.0" (instance $calls
    (export "next" (func (result u32)))
    (export "block" (func))
    (export "panic" (func))))
"#;

/// The point `number`, as the code's function `run`.
pub(crate) const NUMBER: &str = r#"
  (func $run (param "input" u32) (result u32) (canon lift (core func $code "run")))
  (instance $number (export "run" (func $run)))
  (export "test:point/number@0.1.0" (instance $number))
"#;

/// `run` that gives its input back.
pub(crate) const ECHO: &str = r#"(func (export "run") (param i32) (result i32) local.get 0)"#;

/// A component under construction.
#[derive(Clone)]
pub(crate) struct Guest {
    imports: String,
    lowered: String,
    host: String,
    code: String,
    exports: String,
    manifest: Option<String>,
}

impl Guest {
    /// The inside of the core module; it must export `run` unless `exporting` says otherwise.
    pub(crate) fn new(code: &str) -> Self {
        Self {
            imports: String::new(),
            lowered: String::new(),
            host: String::new(),
            code: code.to_owned(),
            exports: NUMBER.to_owned(),
            manifest: None,
        }
    }

    /// Component level imports.
    pub(crate) fn import(mut self, text: &str) -> Self {
        self.imports.push_str(text);
        self
    }

    /// Lowers a function of an imported instance; the code imports it as `"host" "name"`.
    pub(crate) fn host(mut self, name: &str, instance: &str) -> Self {
        let id = self.lowered.lines().count();
        self.lowered
            .push_str(&format!("(core func $h{id} (canon lower (func {instance} \"{name}\") (memory $memory) (realloc $realloc)))\n"));
        self.host.push_str(&format!("(export \"{name}\" (func $h{id}))"));
        self
    }

    /// More of what the code imports as `"host"`.
    pub(crate) fn hosting(mut self, text: &str) -> Self {
        self.host.push_str(text);
        self
    }

    /// Other exports than `number`, after the code is instantiated as `$code`.
    pub(crate) fn exporting(mut self, text: &str) -> Self {
        text.clone_into(&mut self.exports);
        self
    }

    /// More exports beside those there are.
    pub(crate) fn also_exporting(mut self, text: &str) -> Self {
        self.exports.push_str(text);
        self
    }

    /// The log and its two functions, as the code imports them: `"host" "write"`, `"host" "last-words"`.
    pub(crate) fn with_log(self) -> Self {
        self.import(LOG).host("write", "$log").host("last-words", "$log")
    }

    /// A lifecycle whose `init` is the code's function `init`: configuration in (address, length), address of its answer out.
    pub(crate) fn with_lifecycle(self) -> Self {
        self.import(REFUSAL).also_exporting(
            r#"
  (func $descriptor (result string) (canon lift (core func $code "descriptor") (memory $memory)))
  (func $init (param "config" string) (result (result (error $refusal)))
    (canon lift (core func $code "init") (memory $memory) (realloc $realloc)))
  (func $shutdown (result (result (error $refusal))) (canon lift (core func $code "shutdown") (memory $memory)))
  (func $health (result (result string (error $refusal))) (canon lift (core func $code "health") (memory $memory)))
  (func $migrate (param "from-version" string) (result (result (error $refusal)))
    (canon lift (core func $code "migrate") (memory $memory) (realloc $realloc)))
  (instance $lifecycle
    (export "descriptor" (func $descriptor)) (export "init" (func $init))
    (export "shutdown" (func $shutdown)) (export "health" (func $health))
    (export "migrate" (func $migrate)))
  (export "plugwork:plugin/lifecycle@0.1.0" (instance $lifecycle))
"#,
        )
    }

    /// A handover beside the lifecycle: the code's functions `snapshot`, which answers the address of a result with (address, length), and
    /// `restore`, which takes the state and the version before, each as (address, length).
    pub(crate) fn with_handover(self) -> Self {
        self.with_lifecycle().also_exporting(
            r#"
  (func $snapshot (result (result (list u8) (error $refusal))) (canon lift (core func $code "snapshot") (memory $memory)))
  (func $restore (param "state" (list u8)) (param "from-version" string) (result (result (error $refusal)))
    (canon lift (core func $code "restore") (memory $memory) (realloc $realloc)))
  (instance $handover (export "snapshot" (func $snapshot)) (export "restore" (func $restore)))
  (export "plugwork:plugin/handover@0.1.0" (instance $handover))
"#,
        )
    }

    /// Embeds a manifest named `test:guest` with these further lines.
    pub(crate) fn manifest(self, lines: &str) -> Self {
        self.manifest_of("1.0.0", lines)
    }

    /// As [`Guest::manifest`], of another version.
    pub(crate) fn manifest_of(mut self, version: &str, lines: &str) -> Self {
        self.manifest = Some(format!("name = \"test:guest\"\nversion = \"{version}\"\n{lines}"));
        self
    }

    /// As [`Guest::manifest`], of another name.
    pub(crate) fn named(mut self, name: &str, lines: &str) -> Self {
        self.manifest = Some(format!("name = \"{name}\"\nversion = \"1.0.0\"\n{lines}"));
        self
    }

    /// As a component file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { imports, lowered, host, code, exports, .. } = self;
        let text = format!(
            r#"(component
  {imports}
  (core module $heap-module
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 32768))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      global.get $next
      (global.set $next (i32.add (global.get $next) (local.get 3)))))
  (core instance $heap (instantiate $heap-module))
  (alias core export $heap "memory" (core memory $memory))
  (alias core export $heap "realloc" (core func $realloc))
  {lowered}
  (core module $code-module {code})
  (core instance $code (instantiate $code-module
    (with "heap" (instance (export "memory" (memory $memory))))
    (with "host" (instance {host}))))
  {exports})"#
        );
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        match &self.manifest {
            Some(manifest) => embed(&bytes, &Embedded { manifest: Some(manifest), ..Embedded::default() }).unwrap(),
            None => bytes,
        }
    }

    /// As a source.
    pub(crate) fn source(&self) -> Source {
        Source::bytes(self.bytes())
    }
}

/// The rest of a lifecycle for code that brings `init` itself. Answers lie at 16 (ok) and 32 (`unavailable: "closed"`).
pub(crate) const LIFECYCLE_CODE: &str = r#"
  (import "heap" "memory" (memory 1))
  (data (i32.const 32) "\01\00\00\00\02\00\00\00\40\00\00\00\06\00\00\00")
  (data (i32.const 64) "closed")
  (func (export "descriptor") (result i32) i32.const 16)
  (func (export "shutdown") (result i32) i32.const 16)
  (func (export "health") (result i32) i32.const 16)
  (func (export "migrate") (param i32 i32) (result i32) i32.const 16)
"#;

/// A handover for code that has [`LIFECYCLE_CODE`] too: the state is what was restored, at first nothing. The result lies at 128.
pub(crate) const HANDOVER_CODE: &str = r#"
  (global $state (mut i32) (i32.const 0))
  (global $state-bytes (mut i32) (i32.const 0))
  (func (export "snapshot") (result i32)
    (i32.store (i32.const 132) (global.get $state))
    (i32.store (i32.const 136) (global.get $state-bytes))
    i32.const 128)
  (func (export "restore") (param i32 i32 i32 i32) (result i32)
    (global.set $state (local.get 0))
    (global.set $state-bytes (local.get 1))
    i32.const 16)
"#;
