//! What the tests of events share: a plugin that publishes on one topic and handles what it is told, of which every part can be replaced, and a host that
//! offers events.
//!
//! The guest is a core module against the WIT as it is, made a component by the same tools that plugins are made with. Its handler goes through the list
//! it was given and runs `each` for each event, whose record lies at `$event`: topic, payload and source as (address, length), the chain at 24, the
//! hops at 32, the sequence at 48 where the byte at 40 is one.

use std::path::Path;

use plugwork::component::{Embedded, embed};
use plugwork::core::record::Settings;
use plugwork::events::{EventsSettings, SubscriberStatus};
use plugwork::{Installation, Limits, Runtime, Source};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::living::{House, all_asked};

/// What `run` and `each` answer of a call that published or subscribed.
pub(crate) const DONE: u32 = 0;
pub(crate) const DENIED: u32 = 1;
pub(crate) const INVALID: u32 = 2;
pub(crate) const UNAVAILABLE: u32 = 3;

/// Notes the first byte of the payload.
pub(crate) const NOTES: &str = "(call $note (call $byte (local.get $event)))";
/// Publishes the payload of the event that it handles, on its own topic.
pub(crate) const ANSWERS: &str = "(drop (call $publish (call $byte (local.get $event))))";

/// A plugin under construction.
#[derive(Clone)]
pub(crate) struct Teller {
    pub(crate) name: &'static str,
    /// More lines of the manifest: its permissions, usually.
    pub(crate) asks: String,
    /// What `$publish` publishes on, and `$subscribe` and `$once` subscribe to.
    pub(crate) topic: &'static str,
    /// For each event.
    pub(crate) each: &'static str,
    /// Before the first event of a call.
    pub(crate) first: &'static str,
    /// The input is `(local.get 0)`. Publishes it as one byte by default.
    pub(crate) run: &'static str,
    /// What it does as it ends; with it, it has a lifecycle.
    pub(crate) goodbye: &'static str,
    /// What another plugin has by calling its `acme:geo/lookup`; with it, it exports that.
    pub(crate) finds: &'static str,
    /// Whether it imports `events`, and exports `event-handler`.
    pub(crate) publishes: bool,
    pub(crate) handles: bool,
}

impl Default for Teller {
    fn default() -> Self {
        Self {
            name: "test:teller",
            asks: String::new(),
            topic: "a/one",
            each: NOTES,
            first: "",
            run: "(call $publish (local.get 0))",
            goodbye: "",
            finds: "",
            publishes: true,
            handles: true,
        }
    }
}

impl Teller {
    /// With these topics in and out, and whatever else its grant has.
    pub(crate) fn granted(name: &'static str, incoming: &str, outgoing: &str, more: &str) -> Self {
        let list = |topics: &str| {
            topics.split(' ').filter(|topic| !topic.is_empty()).map(|topic| format!("{topic:?}")).collect::<Vec<_>>().join(",")
        };
        let asks = format!("[permissions.events]\nin = [{}]\nout = [{}]\n{more}\n", list(incoming), list(outgoing));
        Self { name, asks, ..Self::default() }
    }

    pub(crate) fn source(&self) -> Source {
        Source::bytes(self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        for folder in ["table", "plugin", "host", "points"] {
            resolve.push_dir(Path::new("../../wit").join(folder)).unwrap();
        }
        let (imports, exports) = (
            if self.publishes { "import plugwork:host/events@0.1.0;" } else { "" },
            if self.handles { "export plugwork:points/event-handler@0.1.0;" } else { "" },
        );
        let finds = if self.finds.is_empty() { "" } else { "export acme:geo/lookup@1.2.3;" };
        let lives = if self.goodbye.is_empty() { "" } else { "export plugwork:plugin/lifecycle@0.1.0;" };
        let wit = format!(
            "package test:teller;
            world teller {{ {imports} {lives} {finds} import test:host/stage@0.1.0; export test:point/number@0.1.0; {exports} }}
            package test:host@0.1.0 {{ interface stage {{ mood: func() -> u32; note: func(what: u32); hold: func(); }} }}
            package acme:geo@1.2.3 {{ interface lookup {{ find: func(input: u32) -> u32; }} }}
            package test:point@0.1.0 {{ interface number {{ run: func(input: u32) -> u32; }} }}"
        );
        let package = resolve.push_str("teller.wit", &wit).unwrap();
        let world = resolve.select_world(&[package], Some("teller")).unwrap();
        let text = self.text();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let component = ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap();
        let manifest = format!("name = \"{}\"\nversion = \"1.0.0\"\n[permissions.stage]\n{}", self.name, self.asks);
        embed(&component, &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap()
    }

    fn text(&self) -> String {
        let Self { topic, each, first, run, goodbye, finds, .. } = self;
        let length = topic.len();
        let functions = match self.publishes {
            true => format!(
                r#"(import "plugwork:host/events@0.1.0" "emit" (func $emit (param i32 i32 i32 i32 i32)))
                (import "plugwork:host/events@0.1.0" "subscribe" (func $subscribes (param i32 i32 i32)))
                (import "plugwork:host/events@0.1.0" "once" (func $onces (param i32 i32 i32)))
                (import "plugwork:host/events@0.1.0" "unsubscribe" (func $unsubscribes (param i32 i32)))
                (import "plugwork:host/events@0.1.0" "replay" (func $replays (param i64 i32)))
                (func $publish (param $payload i32) (result i32)
                  (i32.store8 (i32.const 500) (local.get $payload))
                  (call $emit (i32.const 512) (i32.const {length}) (i32.const 500) (i32.const 1) (i32.const 400))
                  (call $said))
                (func $subscribe (result i32) (call $subscribes (i32.const 512) (i32.const {length}) (i32.const 400)) (call $said))
                (func $once (result i32) (call $onces (i32.const 512) (i32.const {length}) (i32.const 400)) (call $said))
                (func $replay (param i32) (result i32)
                  (call $replays (i64.extend_i32_u (local.get 0)) (i32.const 400))
                  (if (result i32) (i32.load8_u (i32.const 400))
                    (then (i32.add (i32.const 1) (i32.load8_u (i32.const 408)))) (else (i32.const 0))))
                (func $unsubscribe (param i32) (result i32) (call $unsubscribes (local.get 0) (i32.const 400)) (call $said))"#
            ),
            false => "(func $publish (param i32) (result i32) i32.const 9)".to_owned(),
        };
        format!(
            r#"(module
            {imports}
            (import "test:host/stage@0.1.0" "mood" (func $mood (result i32)))
            (import "test:host/stage@0.1.0" "note" (func $note (param i32)))
            (import "test:host/stage@0.1.0" "hold" (func $hold))
            (memory (export "memory") 16)
            (global $next (mut i32) (i32.const 4096))
            (data (i32.const 512) "{topic}")
            {functions}
            ;; 0, or 1 and which case of a refusal.
            (func $said (result i32)
              (if (result i32) (i32.load8_u (i32.const 400))
                (then (i32.add (i32.const 1) (i32.load8_u (i32.const 404)))) (else (i32.const 0))))
            (func $byte (param $event i32) (result i32) (i32.load8_u (i32.load (i32.add (local.get $event) (i32.const 8)))))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
              (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
              global.get $next
              (global.set $next (i32.add (global.get $next) (local.get 3))))
            (func (export "test:point/number@0.1.0#run") (param i32) (result i32) (local $at i32) {run})
            {found}
            {lives}
            {handle})"#,
            found = if finds.is_empty() {
                String::new()
            } else {
                format!(r#"(func (export "acme:geo/lookup@1.2.3#find") (param i32) (result i32) {finds})"#)
            },
            lives = if goodbye.is_empty() {
                String::new()
            } else {
                // 300: `ok`, with nothing in it.
                format!(
                    r#"(func (export "plugwork:plugin/lifecycle@0.1.0#descriptor") (result i32) i32.const 300)
                    (func (export "plugwork:plugin/lifecycle@0.1.0#init") (param i32 i32) (result i32) i32.const 300)
                    (func (export "plugwork:plugin/lifecycle@0.1.0#shutdown") (result i32) {goodbye} i32.const 300)
                    (func (export "plugwork:plugin/lifecycle@0.1.0#health") (result i32) i32.const 300)
                    (func (export "plugwork:plugin/lifecycle@0.1.0#migrate") (param i32 i32) (result i32) i32.const 300)"#
                )
            },
            imports = functions.lines().filter(|line| line.trim_start().starts_with("(import")).collect::<Vec<_>>().join("\n"),
            functions = functions.lines().filter(|line| !line.trim_start().starts_with("(import")).collect::<Vec<_>>().join("\n"),
            handle = if self.handles {
                format!(
                    r#"(func (export "plugwork:points/event-handler@0.1.0#handle") (param $event i32) (param $count i32) (result i32)
                      {first}
                      (loop $more
                        {each}
                        (local.set $event (i32.add (local.get $event) (i32.const 56)))
                        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                        (br_if $more (local.get $count)))
                      ;; `ok`
                      (i32.store8 (i32.const 300) (i32.const 0))
                      i32.const 300)"#
                )
            } else {
                String::new()
            },
        )
    }
}

/// A host that offers events, with records.
pub(crate) async fn host() -> (House, Runtime) {
    host_with(EventsSettings::default()).await
}

pub(crate) async fn host_with(settings: EventsSettings) -> (House, Runtime) {
    let house = House::new();
    let runtime = house.builder_without_files().events(settings).open().await.unwrap();
    (house, runtime)
}

/// Installs a plugin with everything that it asks for.
pub(crate) async fn installed(runtime: &Runtime, teller: &Teller) -> Installation {
    let offer = runtime.offer(&teller.source()).await.unwrap();
    let grants = all_asked(&offer);
    runtime.install(offer, grants, Settings::default()).await.unwrap()
}

/// And enables it.
pub(crate) async fn enabled(runtime: &Runtime, teller: &Teller) -> Installation {
    let installation = installed(runtime, teller).await;
    installation.enable("ada").await.unwrap();
    installation
}

/// With limits of its own.
pub(crate) async fn enabled_with(runtime: &Runtime, teller: &Teller, limits: Limits) -> Installation {
    let offer = runtime.offer(&teller.source()).await.unwrap().limits(limits);
    let grants = all_asked(&offer);
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    installation
}

/// How a plugin is doing as a subscriber.
pub(crate) fn status(runtime: &Runtime, installation: &Installation) -> SubscriberStatus {
    runtime.events().subscriber(&installation.subject()).unwrap()
}

/// How often a plugin was denied something.
pub(crate) fn denials(runtime: &Runtime, installation: &Installation) -> u64 {
    runtime.usage().iter().filter(|usage| usage.subject == *installation.subject()).map(|usage| usage.denials).sum()
}
