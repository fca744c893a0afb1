//! The connector: every connection of a client begins here, and none goes to an address that was not decided on a line before.
//!
//! Literal addresses take the same way as resolved ones. There is no other place in this crate that opens a socket.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use plugwork_core::policy::Decision;
use plugwork_core::policy::Target;
use plugwork_core::policy::http::HttpBounds;
use plugwork_core::{Denial, Subject};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use super::resolve::Resolve;

/// Connections of one grant, in use or idle. Idle ones close by themselves, so a plugin that visits many hosts gets room again.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// Names of one grant that are looked up at once. The system's lookup takes a thread and cannot be ended before its time: a plugin that
/// makes up names must not have more of them than this.
const LOOKUPS_MAX: usize = 8;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Time for one address.
const DIAL_TIMEOUT: Duration = Duration::from_secs(4);

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Turns decisions of the policy into denials with a subject and a hint.
pub(super) struct Decider {
    pub(super) bounds: HttpBounds,
    plugin: String,
}

impl Decider {
    pub(super) fn new(bounds: HttpBounds, subject: &Subject) -> Self {
        Self { bounds, plugin: subject.to_string() }
    }

    /// For requests that are no plugin's.
    pub(super) fn of_host(bounds: HttpBounds, who: &str) -> Self {
        Self { bounds, plugin: who.to_owned() }
    }

    pub(super) fn obey(&self, decision: Decision) -> Result<(), Denial> {
        match decision {
            Decision::Allow => Ok(()),
            Decision::Deny { code, rule, hint } => Err(self.denial(code, &rule, &hint)),
        }
    }

    /// A denial by a bound of this grant.
    pub(super) fn denial(&self, code: &str, rule: &str, hint: &str) -> Denial {
        Denial {
            code: code.to_owned(),
            permission: "http".to_owned(),
            rule: format!("{rule} (plugin `{}`)", self.plugin),
            hint: match hint {
                "" => "nothing in a grant allows it: ask for something else".to_owned(),
                hint => format!("add to the plugin's `http` grant: {hint}"),
            },
        }
    }

    /// Reads a URL and decides on it: what comes out is what must be dialled.
    pub(super) fn target(&self, read: Result<Target, Decision>, method: &http::Method) -> Result<Target, Denial> {
        let target = match read {
            Ok(target) => target,
            Err(decision) => {
                return Err(self.obey(decision).err().unwrap_or_else(|| self.denial("E-CAP-HTTP-URL", "the URL is refused", "")));
            }
        };
        self.obey(self.bounds.decide_target(method.as_str(), &target)).map(|()| target)
    }

    fn address(&self, address: IpAddr) -> Result<(), Denial> {
        self.obey(self.bounds.decide_address(address))
    }
}

/// A denial on its way through the client's errors.
#[derive(Debug)]
pub(super) struct AddressDenied(pub(super) Denial);

impl std::fmt::Display for AddressDenied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for AddressDenied {}

/// Dials for one grant.
#[derive(Clone)]
pub(super) struct Dialler {
    decider: Arc<Decider>,
    resolver: Arc<dyn Resolve>,
    connections: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

impl Dialler {
    pub(super) fn new(decider: Arc<Decider>, resolver: Arc<dyn Resolve>) -> Self {
        let (connections, lookups) = (Semaphore::new(CONNECTIONS_MAX), Semaphore::new(LOOKUPS_MAX));
        Self { decider, resolver, connections: Arc::new(connections), lookups: Arc::new(lookups) }
    }

    async fn dial(self, uri: Uri) -> Result<TokioIo<Dialled>, BoxError> {
        let permit = self.connections.clone().try_acquire_owned().map_err(|_| format!("more than {CONNECTIONS_MAX} connections"))?;
        let host = uri.host().ok_or("no host")?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let mut denied = None;
        let mut failed = None;
        for address in self.addresses(host).await?.into_iter().take(ADDRESSES_MAX) {
            if let Err(denial) = self.decider.address(address) {
                denied = Some(denial);
                continue;
            }
            match tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect(SocketAddr::new(address, port))).await {
                Ok(Ok(stream)) => {
                    // Small requests must not wait for the acknowledgement of the one before.
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(Dialled { stream, _permit: permit }));
                }
                Ok(Err(error)) => failed = Some(error),
                Err(_) => failed = Some(io::Error::new(io::ErrorKind::TimedOut, format!("{address} did not answer"))),
            }
        }
        Err(match (failed, denied) {
            (Some(error), _) => error.into(),
            (None, Some(denial)) => AddressDenied(denial).into(),
            (None, None) => format!("`{host}` has no address").into(),
        })
    }

    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match literal.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.resolved(host).await,
        }
    }

    /// In a task of its own, which keeps its place until the lookup has really ended, whoever stopped waiting for it.
    async fn resolved(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let place = self.lookups.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (resolver, host) = (self.resolver.clone(), host.to_owned());
        let lookup = tokio::spawn(async move {
            let _place = place;
            resolver.resolve(&host).await
        });
        lookup.await.map_err(io::Error::other)?
    }
}

impl Service<Uri> for Dialler {
    type Response = TokioIo<Dialled>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A connection to an address that was allowed.
pub(super) struct Dialled {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Dialled {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

/// A connector with a time limit over all of it: a handshake that never ends must not keep its place.
#[derive(Clone)]
pub(super) struct Limited<C>(pub(super) C, pub(super) Duration);

impl<C> Service<Uri> for Limited<C>
where
    C: Service<Uri, Error = BoxError, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.1, self.0.call(uri));
        Box::pin(async move { connecting.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long"))? })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::http::resolve::Resolved;

    /// Counts what it is asked and answers when it is let.
    struct Slow {
        asked: AtomicUsize,
        answers: Semaphore,
    }

    impl Resolve for Arc<Slow> {
        fn resolve<'a>(&'a self, _: &'a str) -> Resolved<'a> {
            Box::pin(async move {
                self.asked.fetch_add(1, Ordering::SeqCst);
                self.answers.acquire().await.unwrap().forget();
                Err(io::ErrorKind::NotFound.into())
            })
        }
    }

    #[tokio::test]
    async fn callers_that_gave_up_leave_no_more_lookups_behind_than_there_are_places() {
        let slow = Arc::new(Slow { asked: AtomicUsize::new(0), answers: Semaphore::new(0) });
        let subject = Subject {
            tenant: "default".to_owned(),
            instance: String::new(),
            package: "test:plugin".parse().unwrap(),
            digest: plugwork_core::Digest::of(b"x"),
        };
        let bounds = serde_json::from_str(r#"{"hosts":["*.evil.example"]}"#).unwrap();
        let dialler = Dialler::new(Arc::new(Decider::new(bounds, &subject)), Arc::new(slow.clone()));
        for number in 0..3 * LOOKUPS_MAX {
            let uri = format!("http://x{number}.evil.example/").parse().unwrap();
            assert!(tokio::time::timeout(Duration::from_millis(10), dialler.clone().dial(uri)).await.is_err());
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), LOOKUPS_MAX);
        // Those that end make room.
        slow.answers.add_permits(LOOKUPS_MAX + 1);
        assert!(dialler.dial("http://last.evil.example/".parse().unwrap()).await.is_err());
        assert!(slow.asked.load(Ordering::SeqCst) > LOOKUPS_MAX);
    }
}
