//! Requests to a server's admin API, one connection for each.
//!
//! Easy to get wrong: how a server that does not answer is told. No socket is no server; one that refuses is one that died.

use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use plugwork::observer::through;
use plugwork_edge::admin::words::{Page, ProblemWords};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::exit::Failure;

/// The largest answer that is read whole.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The longest line of a log.
const LINE_BYTES_MAX: usize = 1 << 20;
/// How long a server may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a server is.
pub(crate) enum At {
    Socket(PathBuf),
    Port(SocketAddr),
}

/// Asks one server.
pub(crate) struct Client {
    at: At,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(at: At, token: Option<String>) -> Self {
        Self { at, token }
    }

    /// What is under a path.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// What is under a path, if anything is.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        let response = self.send(Method::GET, path, None).await?;
        if response.status() == StatusCode::NOT_FOUND { Ok(None) } else { answer(response).await.map(Some) }
    }

    /// Whether a path answers that all is well; what it says besides is not read.
    pub(crate) async fn is_well(&self, path: &str) -> Result<(), Failure> {
        let response = self.send(Method::GET, path, None).await?;
        if response.status().is_success() { Ok(()) } else { Err(failure(response).await) }
    }

    /// Everything of a list. The path may have a query.
    pub(crate) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        self.pages(path, |page| all.extend(page)).await?;
        Ok(all)
    }

    /// The same, page by page.
    pub(crate) async fn pages<T: DeserializeOwned>(&self, path: &str, mut take: impl FnMut(Vec<T>)) -> Result<(), Failure> {
        let join = if path.contains('?') { '&' } else { '?' };
        let mut cursor = String::new();
        loop {
            let Page { items, next } = self.get::<Page<T>>(&format!("{path}{join}limit=100{cursor}")).await?;
            take(items);
            match next {
                // Numbers, names and ids, which need no escaping but for `/`.
                Some(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
                None => return Ok(()),
            }
        }
    }

    /// Wishes something.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, wish: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(wish).map_err(Failure::failed)?;
        self.ask(Method::POST, path, Some(("application/json", body.into()))).await
    }

    /// Gives a component.
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &str, component: Bytes) -> Result<T, Failure> {
        self.ask(Method::PUT, path, Some(("application/wasm", component))).await
    }

    /// Takes something back.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::DELETE, path, None).await
    }

    /// Lines without an end.
    pub(crate) async fn follow(&self, path: &str) -> Result<Lines, Failure> {
        let response = self.send(Method::GET, path, None).await?;
        if response.status() != StatusCode::OK {
            return Err(failure(response).await);
        }
        Ok(Lines { body: response.into_body(), rest: BytesMut::new() })
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<(&str, Bytes)>) -> Result<T, Failure> {
        answer(self.send(method, path, body).await?).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, Bytes)>) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "plugwork");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let (kind, body) = body.unwrap_or_default();
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.body(Full::new(body)).map_err(Failure::failed)?;
        let connecting = async {
            match &self.at {
                At::Socket(path) => {
                    let (folder, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
                    // Through the folder: a socket's path may have 108 bytes only.
                    let folder = File::open(folder)?;
                    let socket = through(&folder, &name.to_string_lossy());
                    let owner = std::fs::symlink_metadata(&socket)?.uid();
                    // Somebody else's would be told what only ours may know.
                    if owner != rustix::process::getuid().as_raw() {
                        return Err(std::io::Error::new(ErrorKind::PermissionDenied, format!("it is the socket of the user {owner}")));
                    }
                    let stream = UnixStream::connect(socket).await?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }
                At::Port(address) => Ok(Box::new(TcpStream::connect(address).await?) as Box<dyn Stream>),
            }
        };
        let stream = tokio::time::timeout(PATIENCE, connecting).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        let stream = stream.map_err(|error| self.not_there(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the answer.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    fn not_there(&self, error: &std::io::Error) -> Failure {
        let hint = "`plugwork serve` starts one";
        match (&self.at, error.kind()) {
            (At::Socket(path), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                let folder = path.parent().unwrap_or(path).display();
                Failure::unreachable(format_args!(
                    "no server runs on the state folder `{folder}`\nhint: {hint}; `--state FOLDER` names another"
                ))
            }
            (At::Socket(path), ErrorKind::PermissionDenied) => {
                let (path, hint) = (path.display(), "ask as that user, or with a token by `--server URL --token-file FILE`");
                Failure::refused(format_args!("you may not use `{path}`: {error}\nhint: {hint}"))
            }
            (At::Socket(path), _) => Failure::unreachable(format_args!("`{}` does not answer: {error}", path.display())),
            (At::Port(address), _) => Failure::unreachable(format_args!(
                "no server answers on `{address}`: {error}\nhint: `plugwork serve --admin {address}` does"
            )),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

fn broken(error: hyper::Error) -> Failure {
    Failure::unreachable(format_args!("the server broke off: {error}\nhint: `plugwork status` says what is current"))
}

async fn answer<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, Failure> {
    if !response.status().is_success() {
        return Err(failure(response).await);
    }
    let bytes = whole(response).await?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::failed(format_args!("the server's answer is not what was expected: {error}")))
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let collected = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let collected = collected.map_err(|error| Failure::unreachable(format_args!("the server's answer broke off: {error}")))?;
    Ok(collected.to_bytes())
}

async fn failure(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let problem = match whole(response).await {
        Ok(bytes) => serde_json::from_slice::<ProblemWords>(&bytes).ok(),
        Err(failure) => return failure,
    };
    let Some(problem) = problem else { return Failure::failed(format_args!("the server answered with {status} and no reason")) };
    let mut message = format!("{} ({})", problem.detail, problem.code);
    for finding in &problem.findings {
        let at = if finding.at.is_empty() { String::new() } else { format!("{}: ", finding.at) };
        let expected = if finding.expected.is_empty() { String::new() } else { format!("; expected {}", finding.expected) };
        message += &format!("\n  {at}{}{expected}", finding.what);
    }
    if !problem.hint.is_empty() {
        message += &format!("\nhint: {}", problem.hint);
    }
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY => Failure::refused(message),
        StatusCode::NOT_FOUND => Failure::not_found(message),
        StatusCode::BAD_REQUEST => Failure::usage(message),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Failure::unreachable(message),
        _ => Failure::failed(message),
    }
}

/// Lines of an answer.
pub(crate) struct Lines {
    body: Incoming,
    rest: BytesMut,
}

impl Lines {
    /// The next one that is not empty; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(end + 1).freeze().slice(..end);
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.rest.len() > LINE_BYTES_MAX {
                return Err(Failure::failed("the server sent a line without an end"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => self.rest.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    }
}
