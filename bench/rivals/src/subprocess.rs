//! The jobs as a program of their own that serves HTTP/1.1 over a Unix socket: [`serve`] is the plugin, [`Subprocess`] its host.
//!
//! One connection, opened once and kept; numbers and records are JSON. Both sides are hyper on one thread. May be misread: the socket lies in a
//! folder that only this user can enter; the plugin ends when its standard input does, so it cannot outlive its host.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use plugwork_rivals_job::{Order, Price};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};

use crate::SERVE;
use crate::rival::Caller;

const JSON: &str = "application/json";

/// The line by which the plugin says that it listens.
const READY: &str = "ready";

/// The plugin's process, and the connection to it.
pub(crate) struct Subprocess {
    sender: SendRequest<Full<Bytes>>,
    // Dropped after the sender, and before the process that it talks to.
    runtime: Runtime,
    process: Process,
}

/// Waited for when it is dropped.
struct Process {
    child: Child,
    // Removed with all that is in it.
    _folder: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // By the handle of the child itself; whoever is gone already cannot be killed, and that is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Subprocess {
    /// Starts the plugin and connects to it.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("plugin.sock");
        let program = std::env::current_exe().context("cannot tell which program this is")?;
        let child = Command::new(program).arg(SERVE).arg(&socket).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut process = Process { child, _folder: folder };
        let stdout = process.child.stdout.take().context("the pipe was asked for one line above")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.trim() == READY, "the plugin's process did not start");
        let runtime = single()?;
        let sender = runtime.block_on(async {
            let stream = UnixStream::connect(&socket).await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            anyhow::Ok(sender)
        })?;
        Ok(Self { sender, runtime, process })
    }

    fn call<I: Serialize, O: DeserializeOwned>(&mut self, path: &str, input: &I) -> Result<O> {
        let body = Full::from(serde_json::to_vec(input)?);
        let request = Request::post(path).header(HOST, "plugin").header(CONTENT_TYPE, JSON).body(body)?;
        let answer = self.runtime.block_on(async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            ensure!(response.status() == StatusCode::OK, "the plugin answered {}", response.status());
            Ok(response.into_body().collect().await?.to_bytes())
        });
        match answer {
            Ok(answer) => Ok(serde_json::from_slice(&answer)?),
            Err(error) => match self.process.child.try_wait()? {
                Some(status) => Err(error.context(format!("the plugin's process has ended ({status})"))),
                None => Err(error),
            },
        }
    }
}

impl Caller for Subprocess {
    fn add(&mut self, input: u32) -> Result<u32> {
        self.call("/add", &input)
    }

    fn price(&mut self, order: &Order) -> Result<Price> {
        self.call("/price", order)
    }
}

/// The plugin: serves until its standard input ends.
pub(crate) fn serve(socket: &Path) -> Result<()> {
    single()?.block_on(async {
        let listener = UnixListener::bind(socket).with_context(|| format!("cannot listen on `{}`", socket.display()))?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{READY}")?;
        stdout.flush()?;
        thread::spawn(|| {
            // Nothing is ever written there: it ends when the host closes it, or is gone.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let answered = match body.collect().await {
        Ok(body) => job(head.uri.path(), &body.to_bytes()),
        Err(error) => Err(error.into()),
    };
    Ok(match answered {
        Ok(Some(bytes)) => respond(StatusCode::OK, JSON, bytes),
        Ok(None) => respond(StatusCode::NOT_FOUND, "text/plain", b"there are `/add` and `/price`".to_vec()),
        Err(error) => respond(StatusCode::BAD_REQUEST, "text/plain", error.to_string().into_bytes()),
    })
}

/// Does the job of a path; nothing where there is none.
fn job(path: &str, body: &[u8]) -> Result<Option<Vec<u8>>> {
    Ok(match path {
        "/add" => Some(serde_json::to_vec(&plugwork_rivals_job::add(serde_json::from_slice(body)?))?),
        "/price" => Some(serde_json::to_vec(&plugwork_rivals_job::price(&serde_json::from_slice(body)?))?),
        _ => None,
    })
}

fn respond(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// One thread is the fastest for one connection: nothing is handed from thread to thread.
fn single() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_io().build()?)
}
