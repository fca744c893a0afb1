//! Values, objects and secrets of a real guest, through `wasi:keyvalue`, `wasi:blobstore` and `plugwork:host/secrets`, with what the command keeps
//! them in: a database, a folder, a file. Each thing that works stands beside the same thing without the right to it.
//!
//! Rules of a back end are in its contract (`host-adapters/capabilities/tests`); here it is what crosses to a guest. Easy to get wrong: errors of
//! `wasi:keyvalue` have no room for a reason, which is in the plugin's log instead.

mod secrets;

use std::sync::Arc;

use plugwork::core::record::Records;
use plugwork::log::Level;
use plugwork::{Allocation, Grants, Limits, Offer, Plugin, Runtime};
use plugwork_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{ALLOCATIONS, LIMITS, grant, guest, probe, runtime_keeping, said};

/// One host with a folder of its own.
struct Host {
    folder: TempDir,
    store: Arc<Store>,
    runtime: Runtime,
}

impl Host {
    async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), Allocation::OnDemand).await
    }

    async fn open_in(folder: TempDir, allocation: Allocation) -> Self {
        let store = Arc::new(Store::open(&folder.path().join("store")).await.unwrap());
        let runtime = runtime_keeping(allocation, &store, folder.path()).await;
        Self { folder, store, runtime }
    }

    /// The process ends; another begins with the same folder.
    async fn again(self) -> Self {
        let Self { folder, store, runtime } = self;
        runtime.close().await.unwrap();
        store.close().await;
        Self::open_in(folder, Allocation::OnDemand).await
    }

    async fn offer(&self, tenant: &str, instance: &str) -> Offer {
        self.runtime.offer(&guest("stores")).await.unwrap().tenant(tenant).instance(instance)
    }

    async fn plugin(&self, instance: &str, grants: Grants) -> Plugin {
        self.offer("default", instance).await.accept_only(grants).await.unwrap()
    }

    /// The text of every record so far, with what still waited to be written.
    async fn recorded(&self) -> String {
        self.runtime.audited().await.unwrap();
        let records = Records::read(&*self.store, 0, 1_000).await.unwrap();
        records.into_iter().map(|record| record.body).collect::<Vec<_>>().join("\n")
    }
}

fn values(access: &str) -> Grants {
    grant("keyvalue", json!({ "stores": ["main"], "access": access }))
}

fn objects(access: &str) -> Grants {
    grant("blob", json!({ "containers": ["main"], "access": access }))
}

/// What it answers; panics where the guest was told no.
async fn done(plugin: &Plugin, line: &str) -> String {
    told(plugin, line).await.unwrap_or_else(|told| panic!("`{line}`: {told}"))
}

/// What it answers or was told. Words are separated by blanks.
async fn told(plugin: &Plugin, line: &str) -> Result<String, String> {
    probe(plugin, &line.split(' ').collect::<Vec<_>>()).await
}

/// The guest is denied; code, plugin and the line that would allow it are in its log, once more than before.
async fn is_logged_denial(plugin: &Plugin, line: &str, code: &str, hint: &str) {
    let records = |instance: &str| said(instance).into_iter().filter(|(level, text)| *level == Level::Warn && text.contains(code)).count();
    let instance = &plugin.subject().instance;
    let before = records(instance);
    let error = told(plugin, line).await.unwrap_err();
    assert!(error.ends_with("access denied"), "`{line}`: {error}");
    let records = said(instance);
    let denials: Vec<_> = records.iter().filter(|(level, text)| *level == Level::Warn && text.contains(code)).collect();
    assert_eq!(denials.len(), before + 1, "`{line}`: {records:?}");
    let text = &denials[before].1;
    assert!(text.contains("plugwork-tests:stores") && text.contains(hint), "`{line}`: {text}");
}

/// The guest is told the code and the line that would allow it.
async fn is_told_denial(plugin: &Plugin, line: &str, code: &str, hint: &str) {
    let error = told(plugin, line).await.unwrap_err();
    assert!(error.contains(code) && error.contains(hint), "`{line}`: {error}");
}

fn storage(plugin: &Plugin, kind: &str) -> (u64, u64) {
    let usage = plugin.account().snapshot().storage[kind];
    (usage.bytes, usage.keys)
}

#[tokio::test]
async fn values_are_kept_for_the_next_instance_and_the_next_process() {
    for allocation in ALLOCATIONS {
        let host = Host::open_in(tempfile::tempdir().unwrap(), allocation).await;
        let plugin = host.plugin("values-kept", values("write")).await;
        assert_eq!(done(&plugin, "values get main key").await, "none");
        done(&plugin, "values set main key one").await;
        done(&plugin, "values set main key two").await;
        assert_eq!(done(&plugin, "values get main key").await, "two");
        assert_eq!(done(&plugin, "values exists main key").await, "true");
        assert_eq!(done(&plugin, "values increment main count 5").await, "5");
        assert_eq!(done(&plugin, "values increment main count 37").await, "42");
        assert_eq!(
            told(&plugin, "values increment main key 1").await.unwrap_err(),
            "value: not a number; expected a decimal number of 64 bits"
        );
        done(&plugin, "values set-many main a 1 b 2").await;
        assert_eq!(done(&plugin, "values get-many main b none a").await, "b=2 none a=1");
        done(&plugin, "values delete-many main a b").await;
        assert_eq!(done(&plugin, "values list main").await, "1: count key");
        assert_eq!(storage(&plugin, "keyvalue"), (3 + 3 + 5 + 2, 2));

        let host = host.again().await;
        let plugin = host.plugin("values-kept", values("read")).await;
        assert_eq!(done(&plugin, "values get main key").await, "two");
        let plugin = host.plugin("values-kept", values("write")).await;
        done(&plugin, "values delete main key").await;
        assert_eq!(done(&plugin, "values exists main key").await, "false");
    }
}

#[tokio::test]
async fn without_the_grant_no_store_is_opened() {
    let host = Host::open().await;
    let plugin = host.plugin("values-none", Grants::none()).await;
    assert_eq!(told(&plugin, "values open main").await.unwrap_err(), "open: access denied");
    assert_eq!(plugin.account().snapshot().denials, 1);
    let recorded = host.recorded().await;
    assert!(recorded.contains("E-CAP-NOT-GRANTED") && recorded.contains("#values-none"), "{recorded}");
}

#[tokio::test]
async fn another_store_and_a_write_without_the_right_are_denied() {
    let host = Host::open().await;
    done(&host.plugin("values-denied", values("write")).await, "values set main key kept").await;
    let plugin = host.plugin("values-denied", values("read")).await;
    is_logged_denial(&plugin, "values open side", "E-CAP-KV-STORE", "stores = [\"side\"]").await;
    for line in [
        "values set main key x",
        "values delete main key",
        "values increment main key 1",
        "values set-many main key x",
        "values delete-many main key",
    ] {
        is_logged_denial(&plugin, line, "E-CAP-KV-ACCESS", "access = \"write\"").await;
    }
    is_logged_denial(&plugin, "values get main a\0b", "E-CAP-KV-KEY", "").await;
    assert_eq!(done(&plugin, "values get main key").await, "kept");
    let recorded = host.recorded().await;
    assert!(recorded.contains("E-CAP-KV-STORE") && recorded.contains("E-CAP-KV-ACCESS"), "{recorded}");
}

#[tokio::test]
async fn keys_come_in_pages_and_each_once() {
    let host = Host::open().await;
    let plugin = host.plugin("values-pages", values("write")).await;
    let keys: Vec<String> = (0..1_500).map(|number| format!("{number:04}")).collect();
    for part in keys.chunks(500) {
        done(&plugin, &format!("values set-many main {}", part.iter().map(|key| format!("{key} v")).collect::<Vec<_>>().join(" "))).await;
    }
    assert_eq!(done(&plugin, "values list main").await, format!("2: {}", keys.join(" ")));
}

#[tokio::test]
async fn two_tenants_do_not_see_each_other() {
    let host = Host::open().await;
    let grants = || values("write").with("blob", json!({ "containers": ["main"], "access": "write" }).as_object().unwrap().clone());
    let everybody = [("default", "tenants-a"), ("default", "tenants-b"), ("other", "tenants-a")];
    let mut plugins = Vec::new();
    for (tenant, instance) in everybody {
        plugins.push(host.offer(tenant, instance).await.accept_only(grants()).await.unwrap());
    }
    for (number, plugin) in plugins.iter().enumerate() {
        assert_eq!(done(plugin, "values list main").await, "1: ");
        assert_eq!(done(plugin, "objects there main").await, "false");
        done(plugin, &format!("values set main key of-{number}")).await;
        done(plugin, "objects create main").await;
        done(plugin, &format!("objects write main object of-{number}")).await;
    }
    done(&plugins[0], "values delete main key").await;
    done(&plugins[0], "objects remove main").await;
    for (number, plugin) in plugins.iter().enumerate().skip(1) {
        assert_eq!(done(plugin, "values get main key").await, format!("of-{number}"));
        assert_eq!(done(plugin, "objects read main object").await, format!("of-{number}"));
    }
}

#[tokio::test]
async fn a_quota_of_values_can_be_filled_and_not_passed() {
    let host = Host::open().await;
    let limits = Limits { storage_bytes: 1_000, storage_keys: 3, ..LIMITS };
    let plugin = host.offer("default", "values-quota").await.limits(limits).accept_only(values("write")).await.unwrap();
    done(&plugin, "values fill main a 999").await;
    is_told_denial(&plugin, "values set main b x", "E-CAP-KV-QUOTA", "hint: add to the plugin's `keyvalue` grant: bytes = 1002").await;
    is_told_denial(&plugin, "values fill main a 1000", "E-CAP-KV-QUOTA", "bytes = 1001").await;
    done(&plugin, "values fill main a 10").await;
    done(&plugin, "values set-many main b x c x").await;
    is_told_denial(&plugin, "values set main d x", "E-CAP-KV-QUOTA", "keys = 4").await;
    assert_eq!(storage(&plugin, "keyvalue"), (11 + 2 + 2, 3));

    let own = json!({ "stores": ["main"], "access": "write", "bytes": 20 });
    let plugin = host.plugin("values-quota-own", grant("keyvalue", own)).await;
    done(&plugin, "values fill main a 19").await;
    is_told_denial(&plugin, "values fill main a 20", "E-CAP-KV-QUOTA", "bytes = 21").await;
}

#[tokio::test]
async fn a_value_beyond_a_mebibyte_is_refused() {
    let host = Host::open().await;
    let plugin = host.plugin("values-large", values("write")).await;
    done(&plugin, "values fill main a 1048576").await;
    assert_eq!(done(&plugin, "values get main a").await.len(), 1 << 20);
    let error = told(&plugin, "values fill main a 1048577").await.unwrap_err();
    assert!(error.contains("1048577 bytes") && error.contains("at most 1048576"), "{error}");
}

#[tokio::test]
async fn objects_are_kept_for_the_next_instance_and_the_next_process() {
    for allocation in ALLOCATIONS {
        let host = Host::open_in(tempfile::tempdir().unwrap(), allocation).await;
        let plugin = host.plugin("objects-kept", objects("write")).await;
        assert_eq!(told(&plugin, "objects read main object").await.unwrap_err(), "there is no container `main`");
        done(&plugin, "objects create main").await;
        done(&plugin, "objects write main object first").await;
        done(&plugin, "objects write main object 0123456789").await;
        done(&plugin, "objects fill main large 300000").await;
        assert_eq!(done(&plugin, "objects read main object").await, "0123456789");
        assert_eq!(done(&plugin, "objects read main object 2 4").await, "234");
        assert_eq!(done(&plugin, "objects stream main large").await, "300000");
        assert_eq!(done(&plugin, "objects size main large").await, "300000");
        done(&plugin, "objects copy main object main copied").await;
        done(&plugin, "objects move main copied main moved").await;
        done(&plugin, "objects abandon main half 01234").await;
        assert_eq!(done(&plugin, "objects list main").await, "large moved object");
        done(&plugin, "objects delete main large").await;
        assert_eq!(done(&plugin, "objects has main large").await, "false");
        assert_eq!(storage(&plugin, "blob"), (6 + 10 + 5 + 10, 2));

        let host = host.again().await;
        let plugin = host.plugin("objects-kept", objects("read")).await;
        assert_eq!(done(&plugin, "objects read main moved").await, "0123456789");
        let plugin = host.plugin("objects-kept", objects("write")).await;
        done(&plugin, "objects clear main").await;
        assert_eq!(done(&plugin, "objects list main").await, "");
        done(&plugin, "objects remove main").await;
        assert_eq!(done(&plugin, "objects there main").await, "false");
    }
}

#[tokio::test]
async fn without_the_grant_no_container_is_seen() {
    let host = Host::open().await;
    let plugin = host.plugin("objects-none", Grants::none()).await;
    for line in ["objects create main", "objects there main", "objects read main object", "objects remove main"] {
        let error = told(&plugin, line).await.unwrap_err();
        assert!(error.contains("blob") && !error.contains("there is no"), "`{line}`: {error}");
    }
    assert_eq!(plugin.account().snapshot().denials, 4);
}

#[tokio::test]
async fn another_container_and_a_change_without_the_right_are_denied() {
    let host = Host::open().await;
    let writer = host.plugin("objects-denied", objects("write")).await;
    done(&writer, "objects create main").await;
    done(&writer, "objects write main object kept").await;
    let plugin = host.plugin("objects-denied", objects("read")).await;
    for line in ["objects create side", "objects there side", "objects read side object", "objects remove side"] {
        is_told_denial(&plugin, line, "E-CAP-BLOB-CONTAINER", "containers = [\"side\"]").await;
    }
    for line in [
        "objects create main",
        "objects write main object x",
        "objects delete main object",
        "objects clear main",
        "objects remove main",
        "objects copy main object main other",
        "objects move main object main other",
    ] {
        is_told_denial(&plugin, line, "E-CAP-BLOB-ACCESS", "access = \"write\"").await;
    }
    is_told_denial(&plugin, "objects read main a\0b", "E-CAP-BLOB-NAME", "").await;
    assert_eq!(done(&plugin, "objects read main object").await, "kept");
    let folder = host.folder.path().to_string_lossy().into_owned();
    assert!(!told(&plugin, "objects read main absent").await.unwrap_err().contains(&folder), "no path of the host is told");
}

#[tokio::test]
async fn a_quota_of_objects_can_be_filled_and_not_passed() {
    let host = Host::open().await;
    let bounds =
        |bytes: u64, objects: u64| -> Value { json!({ "containers": ["main"], "access": "write", "bytes": bytes, "objects": objects }) };
    let plugin = host.plugin("objects-quota", grant("blob", bounds(10_001, 2))).await;
    done(&plugin, "objects create main").await;
    done(&plugin, "objects fill main a 10000").await;
    let error = told(&plugin, "objects write main b x").await.unwrap_err();
    assert!(error.contains("E-CAP-BLOB-QUOTA") && error.contains("hint: add to the plugin's `blob` grant: bytes = "), "{error}");
    done(&plugin, "objects delete main a").await;
    done(&plugin, "objects write main a x").await;
    done(&plugin, "objects write main b x").await;
    is_told_denial(&plugin, "objects write main c x", "E-CAP-BLOB-QUOTA", "objects = 3").await;
    assert_eq!((done(&plugin, "objects list main").await, storage(&plugin, "blob")), ("a b".to_owned(), (4, 2)));
}
