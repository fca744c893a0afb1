//! What a host with many plugins finds at its start: their machine code in the cache, and their consent on record.
//!
//! Not here: any measuring. May be misread: the plugins are compiled here once, in this process, and their files are kept nowhere; a host that is
//! measured later could not compile them, which proves that it did not.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use plugwork::core::record::{Consent, Event, Records, Settings};
use plugwork::core::sources::{Package, PackageSource, Pending, SourceError};
use plugwork::core::{Digest, PackageName, Subject};
use plugwork::{Allocation, Grants, Runtime, Source};
use plugwork_store::Store;
use semver::Version;
use serde_json::{Map, Value};

/// Events that are appended at once.
const EVENTS_AT_ONCE: usize = 2_000;
/// Plugins that are compiled at once.
const COMPILED_AT_ONCE: usize = 4;
/// When all of it was decided.
const AT_MS: u64 = 1_790_000_000_000;

/// A plugin in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) subject: Subject,
    pub(crate) settings: Settings,
}

/// Packages that cannot be had: whatever is needed has to be in the cache.
pub(crate) struct NoPackages;

impl PackageSource for NoPackages {
    fn versions<'a>(&'a self, _name: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        Box::pin(async move { Err(SourceError::Unknown(digest)) })
    }
}

/// Compiles what the cache of this state folder does not have. `component` gives the plugin with a number.
pub(crate) async fn compile(
    state: &Path,
    plugins: u32,
    component: impl Fn(u32) -> Result<Vec<u8>> + Send + Sync + 'static,
) -> Result<Vec<Ready>> {
    // The allocation is part of what code is compiled for.
    let runtime = Runtime::builder(state).allocation(Allocation::Pooling { instances: 1_000 }).open().await?;
    let component = Arc::new(component);
    let jobs = (0..plugins).map(|number| {
        let (runtime, component) = (runtime.clone(), component.clone());
        async move {
            let bytes = tokio::task::spawn_blocking(move || component(number)).await??;
            let offer = runtime.offer(&Source::bytes(bytes)).await?;
            let (subject, points) = (offer.subject().clone(), offer.points().cloned().collect());
            // Accepted for as long as it takes to compile.
            offer.unrecorded().accept_only(Grants::none()).await?;
            anyhow::Ok(Ready { subject, settings: Settings { points, ..Settings::default() } })
        }
    });
    let ready: Vec<Result<Ready>> = futures::stream::iter(jobs).buffered(COMPILED_AT_ONCE).collect().await;
    let ready = ready.into_iter().collect::<Result<Vec<_>>>()?;
    let counts = runtime.cache_counts();
    ensure!(counts.compiled + counts.disk_hits == u64::from(plugins), "some of the plugins are the same: {counts:?}");
    runtime.close().await?;
    Ok(ready)
}

/// The right to serve so many calls with one instance.
pub(crate) fn reuse() -> Grants {
    Grants::none().with("engine", Map::from_iter([("reuse-calls".to_owned(), Value::from(1_000_000))]))
}

/// Puts on record that each was consented to, and that the first `enabled` of them are to run.
pub(crate) async fn record(folder: &Path, plugins: &[Ready], enabled: usize, grants: &Grants) -> Result<()> {
    let store = Store::open(folder).await?;
    let granted = plugins.iter().map(|ready| {
        Event::Granted(Consent {
            subject: ready.subject.clone(),
            version: Some(Version::new(1, 0, 0)),
            grants: grants.clone(),
            approver: "bench".to_owned(),
            reason: String::new(),
            expires_ms: None,
            limits: None,
        })
    });
    let enabled = plugins[..enabled].iter().map(|ready| Event::Enabled {
        subject: ready.subject.clone(),
        by: "bench".to_owned(),
        settings: ready.settings.clone(),
    });
    let events: Vec<_> = granted.chain(enabled).collect();
    for events in events.chunks(EVENTS_AT_ONCE) {
        store.append(AT_MS, events.to_vec()).await.context("cannot put the plugins on record")?;
    }
    store.close().await;
    Ok(())
}
