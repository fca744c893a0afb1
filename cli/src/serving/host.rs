//! A runtime that serves: like the one of the other verbs, but for what stays with a plugin from one deployment to the next.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use plugwork::{Allocation, ChildCompiler, Compiler, Limits, Runtime};
use plugwork_capabilities::{Clock, Config, Environment, EnvironmentSecrets, FileSecrets, Http, KeyValue, Random, Secrets};
use plugwork_core::{Permission, Subject};
use plugwork_edge::{Components, DeclaredSecrets, Node, Settings, Stable};
use plugwork_store::Store;

use super::log::Log;
use crate::exit::Failure;
use crate::host::{self, Place, SECRET_PREFIX};

/// A node, and the lock that keeps a second server from the same folder.
pub(crate) struct Serving {
    pub(crate) runtime: Runtime,
    pub(crate) node: Node,
    _lock: File,
}

/// Opens a node on the state folder. `filesystem` is not offered: a deployment that is brought up again must not depend on where that is done.
pub(crate) async fn open(place: &Place, store: &Arc<Store>, log: &Log, settings: Settings) -> Result<Serving, Failure> {
    let state = place.state()?;
    let folder = state.join("edge");
    let lock = lock(&state)?;
    let environment = EnvironmentSecrets::new(SECRET_PREFIX).map_err(|issue| Failure::failed(format_args!("{issue}")))?;
    let secrets = DeclaredSecrets::new(environment, FileSecrets::at(state.join("secrets.toml")));
    let hint = |_: &Subject, permission: &Permission| {
        let bounds = serde_json::Value::Object(permission.bounds.clone());
        format!("in `plugwork.toml`: `[plugin.NAME.grants.{}]` with {bounds}", permission.capability)
    };
    let runtime = Runtime::builder(&state)
        .records(store.clone())
        .compiler(Compiler::Child(ChildCompiler::default()))
        .limits(Limits::interactive())
        .allocation(Allocation::Pooling { instances: settings.instances_max })
        .provide(Http::default())
        .provide(Config)
        .provide(Environment)
        .provide(Clock)
        .provide(Random)
        .provide(Stable(KeyValue::in_store(store.clone())))
        .provide(Stable(host::blob(&state)))
        .provide(Secrets::new(secrets.clone()))
        .log(log.clone())
        .hint(hint)
        .open()
        .await?;
    let node = Node::new(&runtime, store.clone(), Components::at(folder.join("components")), secrets, settings);
    Ok(Serving { runtime, node, _lock: lock })
}

/// Keeps every other server away from a state folder, until it is dropped.
pub(crate) fn lock(state: &Path) -> Result<File, Failure> {
    let folder = state.join("edge");
    std::fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    if lock.try_lock().is_err() {
        let hint = "stop it, or name another folder: `--state FOLDER`";
        return Err(Failure::refused(format_args!("another `plugwork serve` has the state folder `{}`\nhint: {hint}", state.display())));
    }
    Ok(lock)
}
