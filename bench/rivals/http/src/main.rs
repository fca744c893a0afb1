//! `native-http bare|whole`: what a native program answers that a plugin would: `hello, NAME` at `/hello/{name}`, with axum.
//!
//! `bare` is axum and nothing else. `whole` does for each request what `plugwork serve` does beside calling a plugin: a limit of bodies and of time, counts and a
//! histogram, a request id, a trace id, and a line of an access log on standard error, written by a thread of its own from a bounded queue, many at once and the way
//! `plugwork serve` does it. May be misread: neither has isolation of any kind.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

const BODY_BYTES_MAX: usize = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(10);
const LOG_BYTES_MAX: usize = 4 << 20;
/// How long the first line waits for others.
const GATHERING: Duration = Duration::from_millis(10);
/// Upper ends of the histogram's classes. Microseconds.
const CLASSES_US: [u64; 12] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, u64::MAX];

/// What is counted, and where lines go.
struct Seen {
    requests: AtomicU64,
    times: [AtomicU64; CLASSES_US.len()],
    log: Arc<Log>,
}

/// The lines that wait to be written.
#[derive(Default)]
struct Log {
    lines: Mutex<String>,
    came: Condvar,
    lost: AtomicU64,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let whole = match std::env::args().nth(1).as_deref() {
        Some("whole") => true,
        Some("bare") => false,
        _ => return Err(std::io::Error::other("takes one argument: `bare` or `whole`")),
    };
    let mut router = Router::new().route("/hello/{name}", get(hello));
    if whole {
        let log = Arc::new(Log::default());
        let written = log.clone();
        std::thread::spawn(move || written.write());
        let seen = Seen { requests: AtomicU64::new(0), times: Default::default(), log };
        router = router.layer(from_fn_with_state(Arc::new(seen), watched)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stderr(), "serving on http://{}", listener.local_addr()?)?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    axum::serve(listener, service).with_graceful_shutdown(async move { drop(stop.recv().await) }).await
}

async fn hello(Path(name): Path<String>) -> String {
    format!("hello, {name}\n")
}

async fn watched(State(seen): State<Arc<Seen>>, ConnectInfo(client): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let number = seen.requests.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:016x}{number:08x}", seed());
    let trace = format!("{:016x}{:016x}", seed().rotate_left(17) ^ number, seed().wrapping_mul(number | 1));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let answered = tokio::time::timeout(DEADLINE, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| StatusCode::GATEWAY_TIMEOUT.into_response());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    if let Some(class) = CLASSES_US.iter().position(|end| us <= *end) {
        seen.times[class].fetch_add(1, Ordering::Relaxed);
    }
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let line = serde_json::json!({
        "kind": "request", "at-ms": at_ms, "request-id": id, "trace-id": trace, "client": client.to_string(), "method": method.as_str(),
        "host": host, "path": path, "status": response.status().as_u16(), "route": "/hello/{name}", "duration-us": us, "complete": true,
    });
    seen.log.put(&line.to_string());
    response
}

fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64) | 1)
}

impl Log {
    fn put(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= LOG_BYTES_MAX {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_first = lines.is_empty();
        lines.push_str(line);
        lines.push('\n');
        drop(lines);
        if is_first {
            self.came.notify_one();
        }
    }

    fn write(&self) {
        loop {
            let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.came.wait_while(lines, |lines| lines.is_empty()));
            std::thread::sleep(GATHERING);
            let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
            let _ = std::io::stderr().write_all(lines.as_bytes());
        }
    }
}
