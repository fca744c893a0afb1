//! What is served now: all routes of all applications in one table, each with its plugin and its limits. Made anew by each change and put in the
//! place of the old one, so that a request reads one deployment from its head to its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugwork_core::Issue;
use plugwork_core::application::{Application, RouteDeclaration};
use plugwork_core::deployment::{ApplicationKey, Current};
use plugwork_core::route::{Route, RouteTable};
use plugwork_http::{HttpLimits, HttpService};
use tokio::sync::watch;

use crate::finding::issue;
use crate::mount::Mount;
use crate::rate::Limiter;
use crate::settings::Settings;

/// An application that is served.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    pub(crate) key: ApplicationKey,
    pub(crate) application: Arc<Application>,
    /// The plugins by the name that routes use.
    pub(crate) mounts: BTreeMap<String, Arc<Mount>>,
    /// Its deployment; none before it is on record.
    pub(crate) current: Option<Arc<Current>>,
}

/// One route of one application.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) application: ApplicationKey,
    pub(crate) deployment: u64,
    /// What identifies it in logs and metrics: its path.
    pub(crate) path: String,
    pub(crate) plugin: String,
    pub(crate) mount: Arc<Mount>,
    pub(crate) service: HttpService,
    pub(crate) deadline: Option<Duration>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Everything by which a route of the next deployment is known to be the same.
    same: String,
}

/// What is served.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) table: RouteTable,
    pub(crate) entries: Vec<Entry>,
    pub(crate) serving: BTreeMap<ApplicationKey, Serving>,
    /// Whether its time is over: what of it is still answered is broken off.
    over: watch::Sender<bool>,
}

impl Live {
    /// From now on nothing is waited for that holds it.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Resolves when its time is over.
    pub(crate) async fn ended(&self) {
        let mut over = self.over.subscribe();
        // The sender is its own, so it is there.
        drop(over.wait_for(|over| *over).await);
    }

    /// The same with this application instead of the one of its name. What its routes limited goes on.
    ///
    /// # Errors
    /// Routes that another application answers.
    pub(crate) fn with(&self, serving: Serving, settings: &Settings) -> Result<Self, Vec<Issue>> {
        let mut all = self.serving.clone();
        let key = serving.key.clone();
        all.insert(key.clone(), serving);
        let declared: Vec<(&Serving, usize, &RouteDeclaration)> =
            all.values().flat_map(|one| one.application.routes.iter().enumerate().map(move |(index, route)| (one, index, route))).collect();
        let routes: Vec<Route> = declared.iter().map(|(_, _, declared)| declared.route.clone()).collect();
        let table = RouteTable::new(&routes).map_err(|conflicts| {
            let told = conflicts.iter().map(|conflict| {
                let (first, second) = (declared[conflict.first], declared[conflict.second]);
                let (own, other) = if second.0.key == key { (second, first) } else { (first, second) };
                let what = format!("`route[{}]` of the application `{}` already answers the same requests", other.1, other.0.key);
                issue(format!("route[{}]", own.1), what, "routes that differ in host, path or method")
            });
            told.collect::<Vec<_>>()
        })?;
        let before: BTreeMap<(&ApplicationKey, &str), &Entry> =
            self.entries.iter().map(|entry| ((&entry.application, entry.same.as_str()), entry)).collect();
        let entries = declared.iter().map(|(serving, _, declared)| entry(serving, declared, &before, settings)).collect();
        Ok(Self { table, entries, serving: all, over: watch::Sender::default() })
    }
}

fn entry(serving: &Serving, declared: &RouteDeclaration, before: &BTreeMap<(&ApplicationKey, &str), &Entry>, settings: &Settings) -> Entry {
    let RouteDeclaration { route, plugin, limits, .. } = declared;
    let path = route.path.to_string();
    let same = format!("{} {} {path}", route.host, route.methods.join(","));
    let before = before.get(&(&serving.key, same.as_str()));
    let limiter = limits.client_rate.map(|rate| {
        let known = before.and_then(|entry| entry.limiter.clone()).filter(|limiter| limiter.rate == rate);
        known.unwrap_or_else(|| Arc::new(Limiter::new(rate, settings.rate_clients_max)))
    });
    let mount = serving.mounts[plugin].clone();
    let mut http = HttpLimits::default();
    if let Some(bytes) = limits.body_bytes {
        http.body_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    Entry {
        application: serving.key.clone(),
        deployment: serving.current.as_ref().map_or(0, |current| current.deployment.number),
        path,
        plugin: plugin.clone(),
        service: HttpService::with_limits(&mount.installation, http),
        mount,
        deadline: limits.deadline_ms.map(Duration::from_millis),
        limiter,
        same,
    }
}

/// A client as it stands in a log.
pub(crate) fn shown(client: Option<SocketAddr>) -> String {
    client.map(|client| client.to_string()).unwrap_or_default()
}
