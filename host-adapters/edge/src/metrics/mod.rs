//! What the server counts while it serves, and how that is told to Prometheus.
//!
//! Counting is adding to a number that was made when its route was deployed: nothing is looked up by name for a request. Labels are what operators wrote
//! (tenant, application, route, plugin), never what a client sent, and there are at most [`SERIES_MAX`] of them; what comes after shares one,
//! labelled `other`. Easily got wrong: counts begin at 0 with the process, and those of a plugin go on through its versions.

mod rejections;
mod series;
mod text;
mod totals;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use plugwork_core::deployment::ApplicationKey;

pub(crate) use rejections::Rejections;
pub(crate) use series::{Class, Series};
pub(crate) use totals::Totals;

use crate::node::Node;

/// Routes with counts of their own; of plugins as many.
pub const SERIES_MAX: usize = 1_000;

/// Whose a count is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labels {
    pub(crate) tenant: String,
    pub(crate) application: String,
    pub(crate) route: String,
    pub(crate) plugin: String,
}

/// All counts of one server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections_open: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    deployed: AtomicU64,
    not_deployed: AtomicU64,
    pub(crate) rejections: Rejections,
    /// Requests that met no route.
    pub(crate) unrouted: Series,
    /// Requests of routes past the most that have their own.
    other: Arc<Series>,
    routes: Mutex<BTreeMap<Labels, Arc<Series>>>,
    /// What plugins used.
    pub(crate) totals: Totals,
}

/// Adds one for as long as it lives.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a AtomicU64);

impl<'a> Held<'a> {
    pub(crate) fn new(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// The counts of a route, the same ones for as long as something is served there. Those of routes that are gone make room once there is none.
    pub(crate) fn of_route(&self, key: &ApplicationKey, route: &str, plugin: &str) -> Arc<Series> {
        let ApplicationKey { tenant, application } = key.clone();
        let labels = Labels { tenant, application, route: route.to_owned(), plugin: plugin.to_owned() };
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.get(&labels) {
            return known.clone();
        }
        if routes.len() >= SERIES_MAX {
            routes.retain(|_, series| Arc::strong_count(series) > 1);
        }
        if routes.len() >= SERIES_MAX {
            return self.other.clone();
        }
        routes.entry(labels).or_default().clone()
    }

    /// What is served was changed, or was not.
    pub(crate) fn changed(&self, is_done: bool) {
        let counter = if is_done { &self.deployed } else { &self.not_deployed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn routes(&self) -> Vec<(Labels, Arc<Series>)> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.iter().map(|(labels, series)| (labels.clone(), series.clone())).collect()
    }
}

/// Everything that a node counts, in the text format of Prometheus (0.0.4).
pub fn text(node: &Node) -> String {
    text::of(node)
}

/// The media type of [`text`].
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`, for the listener of operators. Whoever mounts it decides who may ask.
pub fn router(node: &Node) -> axum::Router {
    let node = node.clone();
    let told = move || {
        let body = text(&node);
        async move { ([(http::header::CONTENT_TYPE, MEDIA_TYPE)], body) }
    };
    axum::Router::new().route("/metrics", axum::routing::get(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_most_there_are_routes_share_one_series_and_those_that_are_gone_make_room() {
        let metrics = Metrics::default();
        let key = ApplicationKey { tenant: "default".to_owned(), application: "shop".to_owned() };
        let served: Vec<_> = (0..SERIES_MAX).map(|number| metrics.of_route(&key, &format!("/{number}"), "p")).collect();
        let (one, two) = (metrics.of_route(&key, "/one", "p"), metrics.of_route(&key, "/two", "p"));
        assert!(Arc::ptr_eq(&one, &two) && Arc::ptr_eq(&one, &metrics.other));
        assert!(Arc::ptr_eq(&served[7], &metrics.of_route(&key, "/7", "p")), "what is served keeps its own");
        drop(served);
        assert!(!Arc::ptr_eq(&metrics.of_route(&key, "/one", "p"), &metrics.other));
    }
}
