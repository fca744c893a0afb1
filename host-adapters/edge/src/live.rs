//! What is served now: all routes of all applications in one table, each with its plugin and its limits. Made anew by each change and put in the
//! place of the old one, so that a request reads one deployment from its head to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plugwork_core::Issue;
use plugwork_core::application::{Application, RouteDeclaration};
use plugwork_core::deployment::{ApplicationKey, Current};
use plugwork_core::route::{HostRule, Route, RouteTable};
use plugwork_http::{HttpLimits, HttpService};
use tokio::sync::watch;

use crate::finding::issue;
use crate::metrics::{Metrics, Series};
use crate::mount::Mount;
use crate::rate::Limiter;
use crate::settings::Settings;

/// Whose routes may answer for any host, which are those that nobody has named.
const ANY_HOST_TENANT: &str = "default";

/// An application that is served.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    pub(crate) key: ApplicationKey,
    pub(crate) application: Arc<Application>,
    /// The plugins by the name that routes use. None where it could not be brought up: its routes are its own all the same.
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
    /// What answers; none where it could not be brought up.
    pub(crate) behind: Option<Behind>,
    /// Its counts.
    pub(crate) series: Arc<Series>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Everything by which a route of the next deployment is known to be the same.
    same: String,
}

/// What answers for a route.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) mount: Arc<Mount>,
    pub(crate) service: HttpService,
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
    /// Routes that another application answers, and hosts of another tenant.
    pub(crate) fn with(&self, serving: Serving, settings: &Settings, metrics: &Metrics) -> Result<Self, Vec<Issue>> {
        let mut all = self.serving.clone();
        let key = serving.key.clone();
        all.insert(key.clone(), serving);
        let declared: Vec<(&Serving, usize, &RouteDeclaration)> =
            all.values().flat_map(|one| one.application.routes.iter().enumerate().map(move |(index, route)| (one, index, route))).collect();
        let foreign = hosts_of_others(&key, &all);
        if !foreign.is_empty() {
            return Err(foreign);
        }
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
        let table = table.shut(&routes, |route| declared[route].0.key.tenant != ANY_HOST_TENANT);
        let before: BTreeMap<(&ApplicationKey, &str), &Entry> =
            self.entries.iter().map(|entry| ((&entry.application, entry.same.as_str()), entry)).collect();
        let entries = declared.iter().map(|(serving, _, declared)| entry(serving, declared, &before, settings, metrics)).collect();
        Ok(Self { table, entries, serving: all, over: watch::Sender::default() })
    }
}

fn entry(
    serving: &Serving,
    declared: &RouteDeclaration,
    before: &BTreeMap<(&ApplicationKey, &str), &Entry>,
    settings: &Settings,
    metrics: &Metrics,
) -> Entry {
    let RouteDeclaration { route, plugin, limits, .. } = declared;
    let path = route.path.to_string();
    let same = format!("{} {} {path}", route.host, route.methods.join(","));
    let before = before.get(&(&serving.key, same.as_str()));
    let limiter = limits.client_rate.map(|rate| {
        let known = before.and_then(|entry| entry.limiter.clone()).filter(|limiter| limiter.rate == rate);
        known.unwrap_or_else(|| Arc::new(Limiter::new(rate, settings.rate_clients_max)))
    });
    let mut http = HttpLimits::default();
    if let Some(bytes) = limits.body_bytes {
        http.body_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    Entry {
        application: serving.key.clone(),
        deployment: serving.current.as_ref().map_or(0, |current| current.deployment.number),
        series: metrics.of_route(&serving.key, &path, plugin),
        path,
        plugin: plugin.clone(),
        behind: serving
            .mounts
            .get(plugin)
            .map(|mount| Behind { mount: mount.clone(), service: HttpService::with_limits(&mount.installation, http) }),
        deadline: limits.deadline_ms.map(Duration::from_millis),
        limiter,
        same,
    }
}

/// What is wrong with the hosts of an application: each belongs to one tenant, and only one tenant answers for any. Nothing is told of whose they are.
fn hosts_of_others(key: &ApplicationKey, all: &BTreeMap<ApplicationKey, Serving>) -> Vec<Issue> {
    let own = all.get(key).into_iter().flat_map(|own| own.application.routes.iter().enumerate());
    let others: BTreeSet<&HostRule> = all
        .values()
        .filter(|other| other.key.tenant != key.tenant)
        .flat_map(|other| other.application.routes.iter().map(|declared| &declared.route.host))
        .collect();
    let found = own.filter_map(|(index, declared)| {
        let host = &declared.route.host;
        let at = format!("route[{index}].host");
        if *host == HostRule::Any {
            let told = || issue(at, "any host", format!("a host: only the tenant `{ANY_HOST_TENANT}` answers for any"));
            return (key.tenant != ANY_HOST_TENANT).then(told);
        }
        let is_anothers = others.iter().any(|other| other.overlaps(host));
        is_anothers.then(|| issue(at, format!("`{host}` is a host of another tenant, or has one"), "a host that is this tenant's"))
    });
    found.collect()
}

/// A client as it stands in a log.
pub(crate) fn shown(client: Option<SocketAddr>) -> String {
    client.map(|client| client.to_string()).unwrap_or_default()
}
