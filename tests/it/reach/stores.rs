//! Proof of reach for values, objects and secrets: every subset of what can be granted of them, and a hundred seeded random grants.
//!
//! The oracle is what another plugin finds in the stores afterwards, and a canary in each. Easily got wrong: all rounds are one instance of one
//! package, so that all of them look at the same stores.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use plugwork::{Grants, Plugin};
use plugwork_store::Store;
use serde_json::json;

use super::{CANARY, Seeded};
use crate::world::{ALLOCATIONS, guest, object, probe, runtime_keeping};

const NAMES: [&str; 2] = ["main", "side"];

/// What is given in one round: names, and whether they may be changed.
#[derive(Debug, Clone, Default)]
struct Given {
    values: BTreeSet<&'static str>,
    objects: BTreeSet<&'static str>,
    write: bool,
    secret: bool,
    reveal: bool,
}

impl Given {
    fn subset(bits: u32) -> Self {
        let all = || NAMES.into_iter().collect();
        let (mut values, mut objects) = (BTreeSet::new(), BTreeSet::new());
        if bits & 1 != 0 {
            values = all();
        }
        if bits & 2 != 0 {
            objects = all();
        }
        Self { values, objects, secret: bits & 4 != 0, write: bits & 8 != 0, reveal: bits & 16 != 0 }
    }

    fn random(seeded: &mut Seeded) -> Self {
        let mut some = || NAMES.into_iter().filter(|_| seeded.flip()).collect();
        let (values, objects) = (some(), some());
        Self { values, objects, write: seeded.flip(), secret: seeded.flip(), reveal: seeded.flip() }
    }

    fn grants(&self) -> Grants {
        let access = if self.write { "write" } else { "read" };
        let mut grants = Grants::none();
        if !self.values.is_empty() {
            grants = grants.with("keyvalue", object(json!({ "stores": self.values, "access": access })));
        }
        if !self.objects.is_empty() {
            grants = grants.with("blob", object(json!({ "containers": self.objects, "access": access })));
        }
        if self.secret {
            grants = grants.with("secrets", object(json!({ "names": ["api-token"], "reveal": self.reveal, "hosts": ["a.example"] })));
        }
        grants
    }
}

async fn told(plugin: &Plugin, words: &[&str]) -> Result<String, String> {
    probe(plugin, words).await
}

/// Tries everything; `witness` has every right and says what became of it.
async fn observe(plugin: &Plugin, given: &Given, witness: &Plugin) {
    let context = format!("{given:?}");
    for name in NAMES {
        let (value, object) = (given.values.contains(name), given.objects.contains(name));
        assert_eq!(told(plugin, &["values", "get", name, "key"]).await.as_deref() == Ok(CANARY), value, "get {name}, {context}");
        assert_eq!(told(plugin, &["objects", "read", name, "object"]).await.as_deref() == Ok(CANARY), object, "read {name}, {context}");
        let _ = told(plugin, &["values", "set", name, "new", "x"]).await;
        let _ = told(plugin, &["objects", "write", name, "new", "x"]).await;
        let _ = told(plugin, &["values", "delete", name, "absent"]).await;
        let changed = told(witness, &["values", "exists", name, "new"]).await.unwrap() == "true";
        assert_eq!(changed, value && given.write, "set {name}, {context}");
        let changed = told(witness, &["objects", "has", name, "new"]).await.unwrap() == "true";
        assert_eq!(changed, object && given.write, "write {name}, {context}");
        told(witness, &["values", "delete", name, "new"]).await.unwrap();
        if changed {
            told(witness, &["objects", "delete", name, "new"]).await.unwrap();
        }
    }
    let revealed = told(plugin, &["secrets", "reveal", "api-token"]).await;
    assert_eq!(revealed.as_deref() == Ok(CANARY), given.secret && given.reveal, "reveal, {context}: {revealed:?}");
    assert_eq!(told(plugin, &["secrets", "get", "api-token"]).await.is_ok(), given.secret, "get, {context}");
}

#[tokio::test]
async fn no_value_object_or_secret_is_reached_that_was_not_granted() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets.toml");
    std::fs::write(&secrets, format!("[default]\napi-token = \"{CANARY}\"\n")).unwrap();
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
    let store = Arc::new(Store::open(&folder.path().join("store")).await.unwrap());
    let runtime = runtime_keeping(ALLOCATIONS[0], &store, folder.path()).await;
    let accept = async |given: &Given| {
        let offer = runtime.offer(&guest("stores")).await.unwrap().instance("reach-stores").unrecorded();
        offer.accept_only(given.grants()).await.unwrap()
    };
    let witness = accept(&Given::subset(0b1011)).await;
    for name in NAMES {
        told(&witness, &["values", "set", name, "key", CANARY]).await.unwrap();
        told(&witness, &["objects", "create", name]).await.unwrap();
        told(&witness, &["objects", "write", name, "object", CANARY]).await.unwrap();
    }
    let mut seeded = Seeded(11);
    let random: Vec<Given> = (0..100).map(|_| Given::random(&mut seeded)).collect();
    for given in (0..32).map(Given::subset).chain(random) {
        observe(&accept(&given).await, &given, &witness).await;
    }
}
