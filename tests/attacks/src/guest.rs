//! Attackers written as component text: a heap, some code, and by default one export, `attack:point/number@0.1.0` with `run: func(u32) -> u32`.
//!
//! Not here: the attacks. Easily got wrong: the heap is a module of its own, because lowering needs a memory and an allocator before the code
//! that calls what was lowered exists; so the heap's one page counts for the limits too.

use plugwork::Source;
use plugwork::component::{Embedded, embed};

/// `attack:host/probe`: see [`crate::world::Probe`].
pub const PROBE: &str = r#"
  (import "attack:host/probe@0.1.0" (instance $probe
    (export "thing" (type $thing' (sub resource)))
    (export "next" (func (result u32)))
    (export "block" (func))
    (export "panic" (func))
    (export "hear" (func (param "text" string) (result u32)))
    (export "make" (func (result (own $thing'))))
    (export "look" (func (param "thing" (borrow $thing')) (result u32)))
    (export "take" (func (param "thing" (own $thing')) (result u32)))
    (export "again" (func (param "input" u32) (result u32)))))
  (alias export $probe "thing" (type $thing))
"#;

/// `plugwork:host/log`.
pub const LOG: &str = r#"
  (import "plugwork:host/log@0.1.0" (instance $log
    (type $l (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (export "write" (func (param "level" $level) (param "message" string)))
    (export "last-words" (func (param "message" string) (param "stack" string)))))
"#;

/// `run` that gives its input back.
pub const ECHO: &str = r#"(func (export "run") (param i32) (result i32) local.get 0)"#;

/// An allocator that only ever moves on.
const BUMP: &str = r"
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      global.get $next
      (global.set $next (i32.add (global.get $next) (local.get 3)))";

/// A component under construction.
#[derive(Clone)]
pub struct Guest {
    imports: String,
    heap: String,
    early: String,
    realloc: String,
    lowered: String,
    host: String,
    code: String,
    exports: String,
    whole: Option<String>,
    manifest: Option<String>,
}

/// What the lifted function of a point needs beside its type.
const MEMORY: &str = "(memory $memory) (realloc $realloc)";

impl Guest {
    /// The inside of the core module; it must export `run`. It may import `"heap" "memory"` and what was lowered from `"host"`.
    pub fn new(code: &str) -> Self {
        Self {
            imports: String::new(),
            heap: String::new(),
            early: String::new(),
            realloc: BUMP.to_owned(),
            lowered: String::new(),
            host: String::new(),
            code: code.to_owned(),
            exports: lifted("number", "(param \"input\" u32) (result u32)", "", ""),
            whole: None,
            manifest: None,
        }
    }

    /// A component written out as a whole.
    pub fn whole(text: impl Into<String>) -> Self {
        Self { whole: Some(text.into()), ..Self::new("") }
    }

    /// Component level imports, or types.
    pub fn import(mut self, text: &str) -> Self {
        self.imports.push_str(text);
        self
    }

    /// Whether it needs the grant of `probe`.
    pub fn imports_probe(&self) -> bool {
        self.imports.contains("attack:host/probe")
    }

    /// Lowers a function of an imported instance; the code imports it as `"host" "name"`.
    pub fn host(self, name: &str, instance: &str) -> Self {
        self.host_with(name, instance, "")
    }

    /// As [`Guest::host`], with further canonical options such as `string-encoding=utf16`.
    pub fn host_with(self, name: &str, instance: &str, options: &str) -> Self {
        let canon = format!("(canon lower (func {instance} \"{name}\") {MEMORY} {options})");
        self.canon(name, &canon)
    }

    /// Any canonical function; the code imports it as `"host" "name"`.
    pub fn canon(mut self, name: &str, canon: &str) -> Self {
        let id = self.lowered.lines().count();
        self.lowered.push_str(&format!("(core func $h{id} {canon})\n"));
        self.host.push_str(&format!("(export \"{name}\" (func $h{id}))"));
        self
    }

    /// Another allocator: its body, with `(param i32 i32 i32 i32)` (address, length, alignment, new length), a global `$next`, and `module`
    /// level text beside it.
    pub fn realloc(mut self, module: &str, body: &str) -> Self {
        module.clone_into(&mut self.heap);
        body.clone_into(&mut self.realloc);
        self
    }

    /// A host function without memory that the allocator imports as `"early" "name"`.
    pub fn early(mut self, name: &str, instance: &str) -> Self {
        self.early = format!("(core func $early (canon lower (func {instance} \"{name}\")))");
        self.heap.insert_str(0, &format!("(import \"early\" \"{name}\" (func $early (result i32)))"));
        self
    }

    /// Other exports than `number`, after the code is instantiated as `$code`.
    pub fn exporting(mut self, text: impl Into<String>) -> Self {
        self.exports = text.into();
        self
    }

    /// Exports `attack:point/NAME` instead, whose `run` has this type; `types` come before it, `options` are added to the lift.
    pub fn point(self, name: &str, signature: &str, types: &str, options: &str) -> Self {
        let exports = lifted(name, signature, types, options);
        self.exporting(exports)
    }

    /// Embeds a manifest named `attack:guest` with these further lines.
    pub fn manifest(mut self, lines: &str) -> Self {
        self.manifest = Some(format!("name = \"attack:guest\"\nversion = \"1.0.0\"\n{lines}"));
        self
    }

    /// As a component file.
    pub fn bytes(&self) -> Vec<u8> {
        let text = self.text();
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        match &self.manifest {
            Some(manifest) => embed(&bytes, &Embedded { manifest: Some(manifest), ..Embedded::default() }).unwrap(),
            None => bytes,
        }
    }

    fn text(&self) -> String {
        let Self { imports, heap, early, realloc, lowered, host, code, exports, whole, .. } = self;
        if let Some(whole) = whole {
            return whole.clone();
        }
        let with_early = match early.split('"').nth(1) {
            Some(name) => format!("(with \"early\" (instance (export \"{name}\" (func $early))))"),
            None => String::new(),
        };
        format!(
            r#"(component
  {imports}
  {early}
  (core module $heap-module {heap}
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 32768))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc}))
  (core instance $heap (instantiate $heap-module {with_early}))
  (alias core export $heap "memory" (core memory $memory))
  (alias core export $heap "realloc" (core func $realloc))
  {lowered}
  (core module $code-module {code})
  (core instance $code (instantiate $code-module
    (with "heap" (instance (export "memory" (memory $memory)) (export "realloc" (func $realloc))))
    (with "host" (instance {host}))))
  {exports})"#
        )
    }

    /// As a source.
    pub fn source(&self) -> Source {
        Source::bytes(self.bytes())
    }
}

/// The export `attack:point/NAME` with one function `run`.
pub fn lifted(name: &str, signature: &str, types: &str, options: &str) -> String {
    // A named type must be exported by the instance that uses it.
    let (types, named) = match types.split_once("=>") {
        Some((types, named)) => (types, format!("(export \"{}\" (type ${}))", named.trim(), named.trim())),
        None => (types, String::new()),
    };
    format!(
        r#"{types}
  (func $lifted {signature} (canon lift (core func $code "run") {MEMORY} {options}))
  (instance $point {named} (export "run" (func $lifted)))
  (export "attack:point/{name}@0.1.0" (instance $point))"#
    )
}
