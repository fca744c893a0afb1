//! What is told of each request once its answer was sent, or was not: one record for the operator's log.
//!
//! Easily got wrong: a record holds no query and no header, which may carry what is nobody's business; and its texts are a client's or a guest's,
//! to be escaped by whoever shows them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plugwork_core::trace::TraceId;
use plugwork_http::{RequestId, Served};
use serde::Serialize;

use crate::gate::Place;
use crate::live::Live;
use crate::metrics::Class;
use crate::node::Node;
use crate::text::Text;
use crate::trace::{self, Recorded, Timeline};

/// One request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Access {
    /// When it came. Unix milliseconds.
    pub at_ms: u64,
    /// What it is known by.
    pub request_id: RequestId,
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// The client's address; empty where it has none.
    pub client: Text,
    /// Its method.
    pub method: Cow<'static, str>,
    /// The host that it asked for; empty where it named none.
    pub host: String,
    /// Its path, as sent, without the query.
    pub path: String,
    /// The status that it was answered with.
    pub status: u16,
    /// The code of the problem that the server itself answered with; empty where a plugin was asked.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub code: &'static str,
    /// Whose application; empty where there was none.
    #[serde(skip_serializing_if = "is_nobody_else")]
    pub tenant: Text,
    /// The application whose route it met; empty where there was none.
    pub application: Text,
    /// Its deployment.
    pub deployment: u64,
    /// The route's path.
    pub route: Text,
    /// The plugin, by the application's name for it.
    pub plugin: Text,
    /// From its head to the end of its answer. Microseconds.
    pub duration_us: u64,
    /// How long of it it waited for a place with its plugin. Microseconds.
    pub queued_us: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Whether the answer was sent whole.
    pub complete: bool,
    /// Why the plugin gave no answer, or none that was passed on; or why it is not known who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// More of that, for the operator of the server alone: it may name what is the server's own, such as where it fetches keys. Tenants are not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Access {
    /// Of a request of which nothing more is known.
    pub fn new(at_ms: u64, request_id: RequestId) -> Self {
        Self {
            at_ms,
            request_id,
            trace_id: TraceId::default(),
            client: Text::default(),
            method: Cow::default(),
            host: String::new(),
            path: String::new(),
            status: 0,
            code: "",
            tenant: Text::default(),
            application: Text::default(),
            deployment: 0,
            route: Text::default(),
            plugin: Text::default(),
            duration_us: 0,
            queued_us: 0,
            response_bytes: 0,
            complete: false,
            error: None,
            reason: None,
        }
    }
}

/// Where there is one tenant, nobody wants to hear of tenants.
fn is_nobody_else(tenant: &str) -> bool {
    tenant.is_empty() || tenant == "default"
}

/// Takes a record of each request. Called on threads that serve: it must not block.
pub trait AccessLog: Send + Sync + 'static {
    /// One request is over.
    fn answered(&self, access: &Access);
}

impl<F: Fn(&Access) + Send + Sync + 'static> AccessLog for F {
    fn answered(&self, access: &Access) {
        self(access);
    }
}

/// A request from its head to the end of its answer. Dropped, it is over: also where nobody was there to be answered.
pub(crate) struct Watching {
    pub(crate) access: Access,
    pub(crate) began: Instant,
    pub(crate) log: Arc<dyn AccessLog>,
    pub(crate) served: Option<Served>,
    /// Why the server refused it, where there is more to say than its code.
    pub(crate) refused: Option<String>,
    /// Its place with its plugin.
    pub(crate) place: Option<Place>,
    /// The deployment that it belongs to, which stays until it is over.
    pub(crate) live: Arc<Live>,
    /// Its route, by its place among the entries of that.
    pub(crate) route: Option<usize>,
    pub(crate) timeline: Timeline,
    /// Its place in its trace, once its head was read.
    pub(crate) traced: Option<trace::Place>,
    tls: bool,
    pub(crate) version: http::Version,
    node: Node,
}

impl Watching {
    pub(crate) fn begin(log: &Arc<dyn AccessLog>, node: &Node, id: RequestId, tls: bool, version: http::Version) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        node.metrics().in_flight.fetch_add(1, Ordering::Relaxed);
        let began_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Self {
            access: Access::new(began_ns / 1_000_000, id),
            began: Instant::now(),
            log: log.clone(),
            served: None,
            refused: None,
            place: None,
            live: node.live(),
            route: None,
            timeline: Timeline { began_ns, ..Timeline::default() },
            traced: None,
            tls,
            version,
            node: node.clone(),
        }
    }

    /// It waited for its plugin from then on.
    pub(crate) fn waited(&mut self, from: Duration, time: Duration) {
        self.access.queued_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.timeline.wait = Some((from, time));
    }

    /// Adds it to the counts.
    fn count(&self) {
        let metrics = self.node.metrics();
        metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        let entry = self.route.map(|route| &self.live.entries[route]);
        let series = entry.map_or(&metrics.unrouted, |entry| &entry.series);
        series.answered(Class::of(self.access.status), self.access.duration_us, self.access.response_bytes);
        if let Some((_, time)) = self.timeline.wait {
            series.waited(time);
        }
        if let (Some(behind), Some(_)) = (entry.and_then(|entry| entry.behind.as_ref()), &self.place) {
            behind.mount.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands it to whoever records spans.
    fn record(&mut self) {
        let Some(place) = self.traced.take().filter(|place| place.recorded.is_some()) else { return };
        if let Some(tracing) = self.node.tracing() {
            let nothing = Access::new(0, self.access.request_id);
            let access = std::mem::replace(&mut self.access, nothing);
            tracing.put(Box::new(Recorded { access, place, timeline: self.timeline, tls: self.tls, version: self.version }));
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.access.duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.access.error = self.refused.take();
        if let Some(served) = &self.served {
            let illegal = served.illegal().map(|illegal| format!("its answer is illegal: {}", illegal.0));
            let failed = || served.outcome().and_then(|outcome| outcome.error.as_ref()).map(ToString::to_string);
            self.access.error = illegal.or_else(failed);
        }
        self.log.answered(&self.access);
        self.count();
        self.record();
    }
}
