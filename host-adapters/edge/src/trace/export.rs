//! Sending spans to a collector: OTLP over HTTP, from a bounded queue, by a task of its own. No request ever waits for it.
//!
//! Easily got wrong: what finds the queue full, or reaches no collector after three attempts, is counted as lost and forgotten. A redirect is not followed, and what
//! the collector answers beside its status is not believed beyond a count.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Recorded, SEND_DEADLINE, otlp};

/// Requests whose spans wait to be sent.
const QUEUE_MAX: usize = 2_048;
/// Requests in one batch.
const BATCH_MAX: usize = 512;
/// How long a batch may fill.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// How often one batch is tried.
const ATTEMPTS: u32 = 3;
/// The longest that a collector may make us wait before the next attempt.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// As much of a collector's answer as is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

type Wire = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where spans go, and which.
#[derive(Clone)]
pub struct Destination {
    /// The whole address that batches are sent to, such as `http://127.0.0.1:4318/v1/traces`.
    pub url: String,
    /// Sent along, such as a key of the collector's. Never shown.
    pub headers: HeaderMap,
    /// The share of new traces that are recorded: 0 to 1.
    pub ratio: f64,
    /// What this server is called (`service.name`).
    pub service: String,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("url", &self.url).field("ratio", &self.ratio).finish_non_exhaustive()
    }
}

/// Why nothing can be sent there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracingError(String);

impl fmt::Display for TracingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TracingError {}

/// What records spans and sends them. Cheap to clone; its clones are one.
#[derive(Clone)]
pub struct Tracing(Arc<Inner>);

struct Inner {
    queue: mpsc::Sender<Box<Recorded>>,
    /// New traces whose lower half is below it are recorded.
    threshold: u128,
    counts: Arc<Counts>,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Tracing {
    /// Begins to send. Nothing is reached before there is something to send.
    ///
    /// # Errors
    /// The address is none, or the ratio is not between 0 and 1.
    pub fn start(destination: Destination) -> Result<Self, TracingError> {
        let Destination { url, headers, ratio, service } = destination;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(TracingError(format!("`{ratio}` is no share of traces: give 0 to 1")));
        }
        let uri: Uri = url.parse().map_err(|error| TracingError(format!("`{url}` is no address of a collector: {error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            let what = "give `http://HOST:PORT/v1/traces` or `https://…`, without a name and password";
            return Err(TracingError(format!("the collector's address cannot be used: {what}")));
        }
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let (stop, stopping) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let sender = Sender { wire: wire()?, uri, headers, service, counts: counts.clone() };
        let running = tokio::spawn(sender.run(waiting, stopping));
        // Exact at both ends, and as fine as a float is between.
        let threshold = (ratio * 18_446_744_073_709_551_616.0) as u128;
        Ok(Self(Arc::new(Inner { queue, threshold, counts, running: Mutex::new(Some((stop, running))) })))
    }

    /// Whether a new trace is recorded: decided by its number, so that everybody with this ratio decides the same.
    pub(super) fn samples(&self, trace_id: u128) -> bool {
        trace_id & u128::from(u64::MAX) < self.0.threshold
    }

    /// One recorded request is over.
    pub(crate) fn put(&self, recorded: Box<Recorded>) {
        if let Err(refused) = self.0.queue.try_send(recorded) {
            let (mpsc::error::TrySendError::Full(recorded) | mpsc::error::TrySendError::Closed(recorded)) = refused;
            self.0.counts.lost.fetch_add(recorded.spans().len() as u64, Ordering::Relaxed);
        }
    }

    /// How many spans a collector took, and how many were lost.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.counts.sent.load(Ordering::Relaxed), self.0.counts.lost.load(Ordering::Relaxed))
    }

    /// Sends what waits, within this time, and ends. The answer: how many spans were lost since it began.
    pub async fn close(&self, within: Duration) -> u64 {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, mut running)) = running {
            let _ = stop.send(());
            if tokio::time::timeout(within, &mut running).await.is_err() {
                // What is on its way is dropped with the task, and counted there.
                running.abort();
                drop(running.await);
            }
        }
        self.counts().1
    }
}

fn wire() -> Result<Wire, TracingError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: rustls::Error| TracingError(format!("no usable certificates: {error}"));
    let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(failed)?;
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(SEND_DEADLINE));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().enable_http2().wrap_connector(tcp);
    let mut builder = Client::builder(TokioExecutor::new());
    Ok(builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_max_idle_per_host(1).build(https))
}

/// Counts spans as lost unless they are said to be sent: also where the task ends in the middle.
struct OnItsWay<'a> {
    spans: u64,
    counts: &'a Counts,
}

impl OnItsWay<'_> {
    fn sent(mut self, rejected: u64) {
        let lost = rejected.min(self.spans);
        self.counts.sent.fetch_add(self.spans - lost, Ordering::Relaxed);
        self.spans = lost;
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.counts.lost.fetch_add(self.spans, Ordering::Relaxed);
    }
}

/// What waits when the task ends is lost.
struct Waiting<'a>(mpsc::Receiver<Box<Recorded>>, &'a Counts);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(recorded) = self.0.try_recv() {
            self.1.lost.fetch_add(recorded.spans().len() as u64, Ordering::Relaxed);
        }
    }
}

/// What one attempt came to.
enum Attempt {
    /// Taken, but for so many.
    Taken(u64),
    /// To be tried again, not before this.
    Later(Option<Duration>),
    Refused,
}

struct Sender {
    wire: Wire,
    uri: Uri,
    headers: HeaderMap,
    service: String,
    counts: Arc<Counts>,
}

impl Sender {
    async fn run(self, waiting: mpsc::Receiver<Box<Recorded>>, mut stopping: oneshot::Receiver<()>) {
        let mut waiting = Waiting(waiting, &self.counts);
        let mut is_stopping = false;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                taken = waiting.0.recv_many(&mut batch, BATCH_MAX) => if taken == 0 { return },
                _ = &mut stopping, if !is_stopping => {
                    is_stopping = true;
                    // Takes what is there; whoever comes now finds it closed, and counts.
                    waiting.0.close();
                    continue;
                }
            }
            if !is_stopping && batch.len() < BATCH_MAX {
                let full = async { while batch.len() < BATCH_MAX && waiting.0.recv_many(&mut batch, BATCH_MAX).await > 0 {} };
                tokio::select! {
                    () = full => {}
                    () = tokio::time::sleep(BATCH_TIME) => {}
                    _ = &mut stopping => {
                        is_stopping = true;
                        waiting.0.close();
                    }
                }
            }
            self.send(&batch).await;
        }
    }

    async fn send(&self, batch: &[Box<Recorded>]) {
        let (body, spans) = otlp::request(&self.service, batch);
        let on_its_way = OnItsWay { spans, counts: &self.counts };
        let body = Bytes::from(body);
        for attempt in 1..=ATTEMPTS {
            let sent = tokio::time::timeout(SEND_DEADLINE, self.attempt(body.clone())).await;
            match sent.unwrap_or(Attempt::Later(None)) {
                Attempt::Taken(rejected) => return on_its_way.sent(rejected),
                Attempt::Refused => return,
                Attempt::Later(pause) if attempt < ATTEMPTS => {
                    tokio::time::sleep(pause.unwrap_or(Duration::from_secs(attempt.into())).min(PAUSE_MAX)).await;
                }
                Attempt::Later(_) => {}
            }
        }
    }

    async fn attempt(&self, body: Bytes) -> Attempt {
        let mut request = Request::post(self.uri.clone()).body(Full::new(body)).expect("an address that was parsed makes a request");
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/x-protobuf"));
        let Ok(response) = self.wire.request(request).await else { return Attempt::Later(None) };
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
                Attempt::Later(after.map(Duration::from_secs))
            }
            status if status.is_success() => {
                let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
                Attempt::Taken(answer.map_or(0, |answer| otlp::rejected(&answer.to_bytes())))
            }
            _ => Attempt::Refused,
        }
    }
}
