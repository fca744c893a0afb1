//! What is served now: all routes of all applications in one table, each with its plugin and its limits. Made anew by each change and put in the
//! place of the old one, so that a request reads one deployment from its head to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
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
use crate::share::{Share, Side};
use crate::text::Text;

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
    /// The deployment that it shares its requests with.
    pub(crate) older: Option<Older>,
}

/// A deployment that is not current and is served.
#[derive(Debug, Clone)]
pub(crate) struct Older {
    pub(crate) number: u64,
    pub(crate) application: Arc<Application>,
    pub(crate) mounts: BTreeMap<String, Arc<Mount>>,
    pub(crate) share: Arc<Share>,
}

impl Serving {
    /// Whether its plugins are there: not where only its routes are kept, because it could not be brought up.
    pub(crate) fn is_up(&self) -> bool {
        self.mounts.len() == self.application.plugins.len()
    }

    /// The plugins of the deployments that it serves, each once, by the instance's name.
    pub(crate) fn all_mounts(&self) -> BTreeMap<&str, Mounted<'_>> {
        let mut all = BTreeMap::new();
        // The name of the current deployment counts, which is the first.
        for Deployed { number, mounts, .. } in self.sides() {
            for (name, mount) in mounts {
                all.entry(mount.label.as_str()).or_insert(Mounted { deployment: number, name, mount });
            }
        }
        all
    }

    /// What it serves, the current deployment first.
    fn sides(&self) -> impl Iterator<Item = Deployed<'_>> {
        let number = self.current.as_ref().map_or(0, |current| current.deployment.number);
        let share = self.older.as_ref().map(|older| &older.share);
        let (key, application, mounts) = (&self.key, &*self.application, &self.mounts);
        let current = Deployed { key, number, application, mounts, side: Side::Current, share };
        let older = self.older.iter().map(move |older| {
            let Older { number, application, mounts, share } = older;
            Deployed { key, number: *number, application, mounts, side: Side::Older, share: Some(share) }
        });
        std::iter::once(current).chain(older)
    }
}

/// A plugin of an application that is served.
#[derive(Clone, Copy)]
pub(crate) struct Mounted<'a> {
    pub(crate) deployment: u64,
    /// The name that routes use.
    pub(crate) name: &'a str,
    pub(crate) mount: &'a Arc<Mount>,
}

/// One deployment that is served.
#[derive(Clone, Copy)]
struct Deployed<'a> {
    key: &'a ApplicationKey,
    number: u64,
    application: &'a Application,
    mounts: &'a BTreeMap<String, Arc<Mount>>,
    side: Side,
    share: Option<&'a Arc<Share>>,
}

/// One route of one application.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) application: ApplicationKey,
    pub(crate) deployment: u64,
    pub(crate) told: Told,
    /// What answers; none where it could not be brought up.
    pub(crate) behind: Option<Behind>,
    /// Its counts.
    pub(crate) series: Arc<Series>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// The check that a request must pass.
    pub(crate) auth: Option<String>,
    /// Which requests of its application it may answer; none: all.
    share: Option<(Arc<Share>, Side)>,
    /// Everything by which a route of another deployment is known to be the same.
    same: String,
}

/// What is told of each request that it answers.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) tenant: Text,
    pub(crate) application: Text,
    /// What identifies it in logs and metrics: its path.
    pub(crate) route: Text,
    pub(crate) plugin: Text,
}

/// What answers for a route.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) mount: Arc<Mount>,
    pub(crate) service: HttpService,
}

impl Entry {
    /// Whether its deployment is the one that the request goes to.
    pub(crate) fn is_for(&self, client: Option<SocketAddr>, headers: &HeaderMap) -> bool {
        self.share.as_ref().is_none_or(|(share, side)| share.side(client.map(|client| client.ip()), headers) == *side)
    }
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
        let declared: Vec<(Deployed<'_>, usize, &RouteDeclaration)> = all
            .values()
            .flat_map(Serving::sides)
            .flat_map(|one| one.application.routes.iter().enumerate().map(move |(index, route)| (one, index, route)))
            .collect();
        let foreign = hosts_of_others(&key, &all);
        if !foreign.is_empty() {
            return Err(foreign);
        }
        let routes: Vec<Route> = declared.iter().map(|(_, _, declared)| declared.route.clone()).collect();
        // No request goes to both sides of one application.
        let are_apart = |one: usize, other: usize| {
            let (one, other) = (declared[one].0, declared[other].0);
            one.key == other.key && one.side != other.side
        };
        let table = RouteTable::with_alternatives(&routes, &are_apart).map_err(|conflicts| {
            let told = conflicts.iter().map(|conflict| {
                let (first, second) = (declared[conflict.first], declared[conflict.second]);
                let (own, other) = if *second.0.key == key { (second, first) } else { (first, second) };
                let sharing = match other.0.side {
                    Side::Current => String::new(),
                    Side::Older => format!(", deployment {} of it, which still has a share of its requests,", other.0.number),
                };
                let what = format!("`route[{}]` of the application `{}`{sharing} already answers the same requests", other.1, other.0.key);
                issue(format!("route[{}]", own.1), what, "routes that differ in host, path or method")
            });
            told.collect::<Vec<_>>()
        })?;
        let table = table.shut(&routes, |route| declared[route].0.key.tenant != ANY_HOST_TENANT);
        let limited = self.entries.iter().filter_map(|entry| Some((entry.application.clone(), entry.same.clone(), entry.limiter.clone()?)));
        let mut limiters: Limiters = limited.map(|(application, same, limiter)| ((application, same), limiter)).collect();
        let entries = declared.iter().map(|(deployed, _, declared)| entry(*deployed, declared, &mut limiters, settings, metrics)).collect();
        Ok(Self { table, entries, serving: all, over: watch::Sender::default() })
    }
}

/// What counts clients, by application and route.
type Limiters = BTreeMap<(ApplicationKey, String), Arc<Limiter>>;

fn entry(deployed: Deployed<'_>, declared: &RouteDeclaration, limiters: &mut Limiters, settings: &Settings, metrics: &Metrics) -> Entry {
    let RouteDeclaration { route, plugin, limits, auth } = declared;
    let path = route.path.to_string();
    let rate = limits.client_rate.map(|rate| format!("{}/{}", rate.requests, rate.window_seconds)).unwrap_or_default();
    let same = format!("{} {} {path} {rate}", route.host, route.methods.join(","));
    // One for both sides: a header that chooses the side must not give a second quota.
    let limiter = limits.client_rate.map(|rate| {
        let known = limiters.entry((deployed.key.clone(), same.clone()));
        known.or_insert_with(|| Arc::new(Limiter::new(rate, settings.rate_clients_max))).clone()
    });
    let mut http = HttpLimits::default();
    if let Some(bytes) = limits.body_bytes {
        http.body_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    Entry {
        application: deployed.key.clone(),
        deployment: deployed.number,
        series: metrics.of_route(deployed.key, &path, plugin),
        told: Told {
            tenant: deployed.key.tenant.as_str().into(),
            application: deployed.key.application.as_str().into(),
            route: path.as_str().into(),
            plugin: plugin.as_str().into(),
        },
        behind: deployed
            .mounts
            .get(plugin)
            .map(|mount| Behind { mount: mount.clone(), service: HttpService::with_limits(&mount.installation, http) }),
        deadline: limits.deadline_ms.map(Duration::from_millis),
        limiter,
        auth: auth.clone(),
        share: deployed.share.map(|share| (share.clone(), deployed.side)),
        same,
    }
}

/// What is wrong with the hosts of an application: each belongs to one tenant, and only one tenant answers for any. Nothing is told of whose they are.
fn hosts_of_others(key: &ApplicationKey, all: &BTreeMap<ApplicationKey, Serving>) -> Vec<Issue> {
    let own = all.get(key).into_iter().flat_map(Serving::sides).flat_map(|own| own.application.routes.iter().enumerate());
    let others: BTreeSet<&HostRule> = all
        .values()
        .filter(|other| other.key.tenant != key.tenant)
        .flat_map(Serving::sides)
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
