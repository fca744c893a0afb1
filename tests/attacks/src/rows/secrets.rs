//! H7: what one plugin was given and another looks for: values of its configuration, a variable of the host, in answers, logs, faults and figures.
//!
//! A canary is searched for in everything that comes out. Easily got wrong: a record of consent does hold the values of a grant, since it says what
//! was consented to; configuration is no place for what must stay secret.

use std::sync::Mutex;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use plugwork_core::Grants;
use plugwork_core::record::Event;
use serde_json::{Value, json};

use super::answered::answers;
use crate::arena::Arena;
use crate::guest::Guest;
use crate::row::{Contained, Ended, Row, SMALL, Variant, faulted};
use crate::world::{Number, Text};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![Row::new("H7", "canaries of one plugin in everything that comes out", canaries)]
}

/// What may come out nowhere but where it was granted. The program has it as a variable too.
pub const CANARY: &str = "canary-7f3a9c51";

const CONFIG: &str = r#"(import "wasi:config/store@0.2.0-rc.1" (instance $config
    (type $e (variant (case "upstream" string) (case "io" string))) (export "error" (type $error (eq $e)))
    (export "get" (func (param "key" string) (result (result (option string) (error $error)))))))"#;

/// Answers the value of a key, `none` without one; with `trap` it reads the value and dies with it in its memory.
fn reading(then: &str) -> Guest {
    let code = format!(
        r#"(import "heap" "memory" (memory 1)) (import "host" "get" (func $get (param i32 i32 i32)))
        (data (i32.const 16) "none")
        (func (export "run") (param $p i32) (param $n i32) (result i32)
          (call $get (local.get $p) (local.get $n) (i32.const 64))
          {then}
          (if (i32.eqz (i32.load8_u (i32.const 68))) (then
            (i32.store (i32.const 72) (i32.const 16)) (i32.store (i32.const 76) (i32.const 4))))
          i32.const 72)"#
    );
    Guest::new(&code).import(CONFIG).host("get", "$config").point("text", "(param \"input\" string) (result string)", "", "")
}

fn grant(capability: &str, bounds: Value) -> Grants {
    Grants::none().with(capability, bounds.as_object().unwrap().clone())
}

fn config(key: &str, value: &str) -> Grants {
    grant("config", json!({"keys": ["*"], "values": {key: value}}))
}

const KEYS: [&str; 10] = [
    "secret",
    "Secret",
    "",
    "*",
    "../secret",
    "secret\0",
    "attack:guest/secret",
    "local:secret",
    "other/../secret",
    "PLUGWORK_ATTACKS_CANARY",
];

fn keys() -> Vec<String> {
    KEYS.map(str::to_owned).to_vec()
}

fn canaries() -> Vec<Variant> {
    let mut variants = configured();
    variants.extend(super::stores::prying());
    variants
}

fn configured() -> Vec<Variant> {
    vec![
        Variant::new("configuration of another plugin", |arena| {
            Box::pin(async move {
                let owner = answers(arena, &reading("nop"), SMALL, config("secret", CANARY), &["secret".to_owned()]).await?;
                if owner != [CANARY] {
                    return Err(format!("its owner reads {owner:?}"));
                }
                let mut heard = answers(arena, &reading("nop nop"), SMALL, config("other", "harmless"), &keys()).await?;
                heard.extend(answers(arena, &reading("nop nop nop"), SMALL, Grants::none(), &keys()).await?);
                is_silent(arena, &heard).await
            })
        }),
        Variant::new("configuration of another tenant's instance of the same plugin", |arena| {
            Box::pin(async move {
                let said = |error: plugwork::Error| format!("{error:?}");
                let guest = reading("nop nop nop nop");
                let mut heard = Vec::new();
                for (tenant, grants) in [("one", config("secret", CANARY)), ("two", config("secret", "theirs"))] {
                    let offer = arena.offer(&guest, SMALL).await.map_err(said)?.tenant(tenant);
                    let plugin = offer.accept_only(arena.grants(grants)).await.map_err(said)?;
                    heard.push(plugin.call::<Text>(&"secret".to_owned()).await.map_err(said)?);
                }
                if heard != [CANARY, "theirs"] {
                    return Err(format!("{heard:?}"));
                }
                is_silent(arena, &heard[1..]).await
            })
        }),
        Variant::new("a fault with the secret in its memory", |arena| {
            Box::pin(async move {
                let said = |error: plugwork::Error| format!("{error:?}");
                let plugin = arena.accept(&reading("unreachable"), SMALL, config("secret", CANARY)).await.map_err(said)?;
                let error = plugin.call::<Text>(&"secret".to_owned()).await.err().ok_or("no trap")?;
                is_silent(arena, &[format!("{error} {error:?} {:?}", error.fault())]).await?;
                faulted(&plugin, &error)
            })
        }),
        Variant::new("a variable of the host that another was granted", |arena| {
            Box::pin(async move {
                let said = |error: plugwork::Error| format!("{error:?}");
                let mut counts = Vec::new();
                for (names, input) in [(json!(["PLUGWORK_ATTACKS_CANARY"]), 1), (json!(["PLUGWORK_ATTACKS_OTHER"]), 2)] {
                    let code = format!(
                        r#"(import "heap" "memory" (memory 1)) (import "host" "get-environment" (func $it (param i32)))
                        (func (export "run") (param i32) (result i32) (call $it (i32.const 64)) (i32.load (i32.const 68)))
                        (func (export "n{input}"))"#
                    );
                    let import = r#"(import "wasi:cli/environment@0.2.6" (instance $environment
                        (export "get-environment" (func (result (list (tuple string string)))))))"#;
                    let guest = Guest::new(&code).import(import).host("get-environment", "$environment");
                    let plugin = arena.accept(&guest, SMALL, grant("environment", json!({"variables": names}))).await.map_err(said)?;
                    counts.push(plugin.call::<Number>(&0).await.map_err(said)?);
                }
                if counts == [1, 0] { is_silent(arena, &[]).await } else { Err(format!("{counts:?} variables")) }
            })
        }),
    ]
}

/// Whether the canary is in none of these, nor in any log, figure, published metric, or record of a fault or a refusal.
pub(super) async fn is_silent(arena: &Arena, heard: &[String]) -> Ended {
    let log = format!("{:?}", arena.log.said());
    let usage = arena.runtime.usage();
    let published = Published::default();
    metrics::with_local_recorder(&published, || usage.iter().for_each(plugwork::Usage::publish));
    let published = published.0.into_inner().unwrap();
    if !published.contains("plugwork_calls_total") {
        return Err(format!("nothing was published: {published}"));
    }
    let events = arena.recorded(0).await?;
    let noted = events.iter().filter(|event| matches!(event, Event::Faulted { .. } | Event::Refused { .. }));
    let places = [
        ("an answer or error", heard.join("\n")),
        ("the log", log),
        ("the figures", format!("{usage:?}")),
        ("the published metrics", published),
        ("the records of faults and refusals", format!("{:?}", noted.collect::<Vec<_>>())),
    ];
    match places.iter().find(|(_, text)| text.contains(CANARY)) {
        Some((place, text)) => Err(format!("the canary is in {place}: {text}")),
        None => Ok(Contained::harmless("silent")),
    }
}

/// A recorder of metrics that keeps their names and labels, a line each.
#[derive(Default)]
struct Published(Mutex<String>);

impl Published {
    fn keep(&self, key: &Key) {
        let mut text = self.0.lock().unwrap();
        text.push_str(key.name());
        key.labels().for_each(|label| text.push_str(&format!(" {}={}", label.key(), label.value())));
        text.push('\n');
    }
}

impl Recorder for Published {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.keep(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.keep(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.keep(key);
        Histogram::noop()
    }
}
