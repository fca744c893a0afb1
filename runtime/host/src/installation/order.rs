//! In which order a start loads plugins that call each other: each after those that its grant `call` lets it call, as many at once as may be.
//!
//! Who really calls whom stands in the components, and is seen to when each is loaded; here it is taken from what is on record, so that nothing has to be read twice.
//! Easily got wrong: whoever waits for another one holds no place meanwhile, or two that wait would keep out the one that they wait for.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plugwork_core::startup;
use tokio::sync::{Semaphore, watch};

use super::Member;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Level;
use crate::runtime::Runtime;

/// Exporters of one interface, beyond which a grant of it says nothing about who comes first.
const EXPORTERS_MAX: usize = 8;

/// The turns of plugins that are started together.
pub(super) struct Turns {
    members: Vec<Arc<Member>>,
    /// Who comes before whom, by their places.
    needs: Vec<Vec<usize>>,
    /// Whether each is ready; none while nobody knows.
    ready: Vec<watch::Sender<Option<bool>>>,
    places: Semaphore,
}

/// Those that a plugin waited for and that are not ready.
pub(super) struct Missing(Vec<Arc<str>>);

impl Turns {
    /// At most `parallel` are loaded at the same time. Gives the circles too, by names: those in one are started as if they did not need each other, and wiring
    /// refuses what is a circle indeed.
    pub(super) fn of(members: Vec<Arc<Member>>, parallel: usize) -> (Arc<Self>, Vec<Vec<Arc<str>>>) {
        let startup::Levels { needs, circles, .. } = startup::levels(callees(&members));
        let named = |circle: Vec<usize>| circle.into_iter().map(|place| members[place].name.clone()).collect();
        let circles = circles.into_iter().map(named).collect();
        let ready = members.iter().map(|_| watch::Sender::new(None)).collect();
        (Arc::new(Self { members, needs, ready, places: Semaphore::new(parallel.max(1)) }), circles)
    }

    /// The plugins, in their places.
    pub(super) fn members(&self) -> impl Iterator<Item = (usize, &Arc<Member>)> {
        self.members.iter().enumerate()
    }

    /// Begins one when those before it are ready or are known not to be, and a place is free. What it comes to is told to those after it.
    pub(super) async fn take(&self, place: usize, begin: impl Future<Output = Result<bool>>) -> Result<bool> {
        let missing = self.those_before(place).await;
        let Ok(_place) = self.places.acquire().await else { return Err(Error::new(ErrorKind::Engine, "the start was given up")) };
        let began = begin.await;
        self.ready[place].send_replace(Some(began.is_ok()));
        began.map_err(|error| missing.told_with(error))
    }

    /// Waits for them; an event each, and no polling.
    async fn those_before(&self, place: usize) -> Missing {
        let mut missing = Vec::new();
        for &need in &self.needs[place] {
            let is_known = |ready: &Option<bool>| ready.is_some();
            let is_ready = self.ready[need].subscribe().wait_for(is_known).await.is_ok_and(|ready| *ready == Some(true));
            if !is_ready {
                missing.push(self.members[need].name.clone());
            }
        }
        Missing(missing)
    }
}

impl Missing {
    /// The error of one that was started without them. What has reasons of its own in a list keeps them.
    fn told_with(self, error: Error) -> Error {
        if self.0.is_empty() || !error.denials().is_empty() || !error.issues().is_empty() || error.fault().is_some() {
            return error;
        }
        let names: Vec<String> = self.0.iter().map(|name| format!("`{name}`")).collect();
        Error::new(error.kind(), format!("{error}\nit calls {}, which could not be started", names.join(" and ")))
    }
}

/// Those that each may call, by their places.
fn callees(members: &[Arc<Member>]) -> Vec<Vec<usize>> {
    let mut by_name: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut by_interface: HashMap<(String, String), Vec<usize>> = HashMap::new();
    if members.iter().all(|member| member.call_bounds.load().is_none()) {
        return vec![Vec::new(); members.len()];
    }
    for (place, member) in members.iter().enumerate() {
        by_name.entry((&member.key.tenant, member.key.package.as_str())).or_default().push(place);
        for point in &member.settings.load().points {
            by_interface.entry((member.key.tenant.clone(), point.path().to_owned())).or_default().push(place);
        }
    }
    let of = |(place, member): (usize, &Arc<Member>)| {
        let Some(bounds) = member.call_bounds.load_full() else { return Vec::new() };
        let tenant = &member.key.tenant;
        let named = bounds.plugins.iter().filter_map(|plugin| by_name.get(&(tenant.as_str(), plugin.as_str())));
        // Of several that export it nobody can be wired without being named.
        let exporting = bounds.interfaces.iter().filter_map(|interface| by_interface.get(&(tenant.clone(), interface.path().to_owned())));
        let exporting = exporting.filter(|exporters| exporters.len() <= EXPORTERS_MAX);
        let all: BTreeSet<usize> = named.chain(exporting).flatten().copied().filter(|callee| *callee != place).collect();
        all.into_iter().collect()
    };
    members.iter().enumerate().map(of).collect()
}

impl Runtime {
    /// As [`Runtime::begin`], for so long at most. Who is not ready by then goes on being started, and nobody waits for it any more.
    pub(super) async fn begin_within(&self, member: &Arc<Member>, ready_ms: u64) -> Result<bool> {
        let (runtime, its) = (self.clone(), member.clone());
        let late = Arc::new(AtomicBool::new(false));
        let is_late = late.clone();
        let beginning = self.shared().io.spawn(async move {
            let began = runtime.begin(&its).await;
            if let (Err(error), true) = (&began, is_late.load(Ordering::SeqCst)) {
                runtime.shared().complain(Level::Error, &format!("`{}` was not started, late: {error}", its.name));
            }
            began
        });
        match tokio::time::timeout(Duration::from_millis(ready_ms), beginning).await {
            Ok(began) => began.unwrap_or_else(|_| Err(Error::new(ErrorKind::Engine, "it was ended because the host stops"))),
            Err(_) => {
                // Nobody waits for how it ends; whoever runs the host hears of it.
                late.store(true, Ordering::SeqCst);
                let message = format!("`{}` was not ready within {ready_ms} ms, and goes on being started", member.name);
                Err(Error::new(ErrorKind::Unavailable, message).of(&member.subject()))
            }
        }
    }
}
