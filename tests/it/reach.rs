//! Proof of reach: whatever is granted, nothing that was not granted can be observed. An oracle counts what happens outside the guest.
//!
//! Every fixture runs under every subset of its permissions (none, all, singles, complements and pairs are among them) and under 500 seeded random
//! grants with random bounds. What a reader may get wrong: each effect is also expected where it *is* granted, or a blind oracle would prove
//! nothing.

mod stores;

use std::collections::BTreeSet;
use std::path::Path;

use plugwork::core::reach::Kind;
use plugwork::{Grants, Plugin};
use serde_json::{Value, json};

use crate::server::Server;
use crate::world::{example, guest, object, offer, probe, try_probe};

const CANARY: &str = "canary-4f1d";
const KEYS: [&str; 3] = ["alpha", "beta", "gamma"];

/// Numbers that look random and are the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// What the host may give the prober in one round.
#[derive(Debug, Clone, Default)]
struct Given {
    files: Option<&'static str>,
    keys: Option<BTreeSet<&'static str>>,
    environment: bool,
    clock: bool,
    random: bool,
}

impl Given {
    /// Each capability by a bit, with everything that it can give.
    fn subset(bits: u32) -> Self {
        Self {
            files: (bits & 1 != 0).then_some("write"),
            keys: (bits & 2 != 0).then(|| KEYS.into_iter().collect()),
            environment: bits & 4 != 0,
            clock: bits & 8 != 0,
            random: bits & 16 != 0,
        }
    }

    fn random(seeded: &mut Seeded) -> Self {
        Self {
            files: [None, Some("read"), Some("write")][seeded.below(3) as usize],
            keys: seeded.flip().then(|| KEYS.into_iter().filter(|_| seeded.flip()).collect()),
            environment: seeded.flip(),
            clock: seeded.flip(),
            random: seeded.flip(),
        }
    }

    fn grants(&self, root: &Path) -> Grants {
        let mut grants = Grants::none();
        let mut give = |capability: &str, bounds: Value| grants = std::mem::take(&mut grants).with(capability, object(bounds));
        if let Some(access) = self.files {
            give("filesystem", json!({ "access": access, "root": root }));
        }
        if let Some(keys) = &self.keys {
            let values: serde_json::Map<_, _> = KEYS.iter().map(|key| ((*key).to_owned(), json!(format!("{CANARY}-{key}")))).collect();
            give("config", json!({ "keys": keys, "values": values }));
        }
        if self.environment {
            give("environment", json!({ "variables": ["PATH"] }));
        }
        if self.clock {
            give("clock", json!({ "resolution-ns": 1 }));
        }
        if self.random {
            give("random", json!({ "call-bytes": 131_072 }));
        }
        grants
    }
}

/// Tries everything with one instance of grants, and compares what was seen with what was given.
async fn observe(plugin: &Plugin, given: &Given, root: &Path) {
    let context = format!("{given:?}");
    // Files: the secret is read only with the folder, and a file appears only with `write`.
    let read = probe(plugin, &["read", "/secret.txt"]).await;
    assert_eq!(read.as_deref() == Ok(CANARY), given.files.is_some(), "read, {context}: {read:?}");
    let listed = probe(plugin, &["list", "/"]).await;
    assert_eq!(listed.is_ok_and(|names| names.contains("secret.txt")), given.files.is_some(), "list, {context}");
    let written = root.join("written.txt");
    let answered = probe(plugin, &["write", "/written.txt", "x"]).await.is_ok();
    let may_write = given.files == Some("write");
    assert_eq!((answered, written.exists()), (may_write, may_write), "write, {context}");
    let _ = std::fs::remove_file(&written);
    assert_eq!(std::fs::read_to_string(root.join("secret.txt")).unwrap(), CANARY, "{context}");
    // Values: each key by itself.
    for key in KEYS {
        let seen = probe(plugin, &["config", key]).await.is_ok_and(|value| value.contains(CANARY));
        assert_eq!(seen, given.keys.as_ref().is_some_and(|keys| keys.contains(key)), "config {key}, {context}");
    }
    let all = probe(plugin, &["config-all"]).await.unwrap_or_default();
    assert_eq!(all.matches(CANARY).count(), given.keys.as_ref().map_or(0, BTreeSet::len), "config-all, {context}: {all}");
    // The host's environment.
    let variables = probe(plugin, &["environment"]).await.unwrap();
    let path = std::env::var("PATH").unwrap();
    assert_eq!(variables, if given.environment { format!("PATH={path}") } else { String::new() }, "{context}");
    // Time finer than a millisecond shows as readings that all differ.
    let readings = probe(plugin, &["monotonic", "40"]).await.unwrap();
    let distinct = readings.lines().collect::<BTreeSet<_>>().len();
    assert_eq!(distinct > 20, given.clock, "{distinct} different readings, {context}");
    // More random bytes at once than every plugin may have.
    let drawn = try_probe(plugin, &["random", "100000"]).await.is_ok_and(|answer| answer == Ok("100000 true".to_owned()));
    assert_eq!(drawn, given.random, "random, {context}");
}

#[tokio::test]
async fn nothing_that_was_not_granted_can_be_observed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::write(root.join("secret.txt"), CANARY).unwrap();
    let mut seeded = Seeded(2026);
    let subsets = (0..32).map(Given::subset).collect::<Vec<_>>();
    let random = (0..500).map(|_| Given::random(&mut seeded)).collect::<Vec<_>>();
    for (round, given) in subsets.iter().chain(&random).enumerate() {
        let offer = offer(&guest("host-reach"), &format!("reach-{round}")).await;
        let plugin = offer.accept_only(given.grants(root)).await.unwrap();
        observe(&plugin, given, root).await;
    }
}

#[tokio::test]
async fn no_request_leaves_that_was_not_granted() {
    let (server, other) = (Server::start().await, Server::start().await);
    let mut seeded = Seeded(7);
    let mut sent = 0;
    for round in 0..200 {
        let hosts: Vec<String> = [server.url(""), other.url("")].into_iter().filter(|_| seeded.flip()).collect();
        // A grant of no host is none.
        let granted = !hosts.is_empty() && seeded.below(5) != 0;
        let methods: Vec<&str> = ["GET", "HEAD", "DELETE"].into_iter().filter(|_| seeded.flip()).collect();
        let network = seeded.flip();
        let networks: &[&str] = if network { &["127.0.0.1"] } else { &[] };
        let grants = match granted {
            true => Grants::none().with("http", object(json!({ "hosts": hosts, "methods": methods, "networks": networks }))),
            false => Grants::none(),
        };
        let accepted = offer(&guest("http-get"), &format!("reach-http-{round}")).await.accept_only(grants).await;
        // It cannot do without: then it does not even load.
        assert_eq!(accepted.is_ok(), granted);
        let Ok(plugin) = accepted else { continue };
        for (asked, to) in [(&server, server.url("")), (&other, other.url(""))] {
            for method in ["GET", "DELETE"] {
                for interface in ["fetch", "wasi"] {
                    let before = asked.asked().len();
                    let _ = try_probe(&plugin, &[interface, method, &format!("{to}/hello")]).await;
                    let happened = asked.asked().len() > before;
                    let allowed = granted && network && hosts.contains(&to) && methods.contains(&method);
                    assert_eq!(happened, allowed, "{interface} {method} {to}, granted {granted} {hosts:?} {methods:?} {network}");
                    sent += usize::from(happened);
                }
            }
        }
    }
    assert!(sent > 50, "the oracle saw only {sent} requests");
}

/// The plugins of the examples, under every single permission, its complement, none and all: the report, the linker and an instance agree.
#[tokio::test]
async fn every_example_plugin_is_linked_with_what_was_granted_and_with_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut accepted = 0;
    for entry in std::fs::read_dir(plugwork_tests::root().join("target/plugins")).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "wasm")) else { continue };
        let source = example(&name.to_string_lossy());
        let asked = offer(&source, "reach-example").await;
        let bounds = |capability: &str| match capability {
            "filesystem" => json!({ "root": folder.path() }),
            _ => json!({}),
        };
        let names: Vec<String> = asked.permissions().iter().map(|permission| permission.capability.clone()).collect();
        for bits in 0..1_u32 << names.len() {
            let given: Vec<&String> = names.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, name)| name).collect();
            let grants = given.iter().fold(Grants::none(), |grants, name| grants.with(name, object(bounds(name))));
            let Ok(plugin) = offer(&source, "reach-example").await.accept_only(grants).await else { continue };
            accepted += 1;
            for reach in plugin.reach() {
                let capability = reach.capability.as_ref();
                let granted = reach.kind == Kind::Granted;
                assert_eq!(granted, capability.is_some_and(|capability| given.contains(&capability)), "{name:?} {reach:?} given {given:?}");
            }
        }
    }
    assert!(accepted >= 19, "only {accepted} pairs of a plugin and its grants were accepted");
}
