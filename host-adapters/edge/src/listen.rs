//! Where a server listens: addresses and Unix sockets, each with TLS or without.
//!
//! Not here: the file of a socket ([`crate::socket`]). Easily got wrong: the address that is kept is the one that was bound, with the port that the system chose
//! where none was named.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use plugwork_core::Issue;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::finding::issue;
use crate::socket::{self, SocketFile};
use crate::tls::{Tls, TlsFiles};

/// The bytes of a connection, whatever carries them: behind a pointer, so that there is one server for all of them.
pub(crate) type Stream = Box<dyn Carries>;

pub(crate) trait Carries: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Carries for S {}

/// One place to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// The files of its certificate; none: without TLS.
    pub tls: Option<TlsFiles>,
}

/// An address, or a socket in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port; port 0: any that is free.
    Tcp(SocketAddr),
    /// A Unix socket. Its clients have no address: plugins are told none, and for rates they are one client.
    Unix {
        /// Its file; removed when the server ends.
        path: PathBuf,
        /// Who may connect: the file's permissions, such as `0o660`. Connecting needs the permission to write.
        mode: u32,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// What a client would be told to go to.
    pub fn url(&self) -> String {
        match (&self.address, &self.tls) {
            (Address::Tcp(address), None) => format!("http://{address}"),
            (Address::Tcp(address), Some(_)) => format!("https://{address}"),
            (unix, None) => unix.to_string(),
            (unix, Some(_)) => format!("{unix} (TLS)"),
        }
    }
}

/// A place that is listened on.
pub(crate) struct Listener {
    bound: Bound,
    pub(crate) listen: Listen,
    pub(crate) tls: Option<Tls>,
}

enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, #[allow(dead_code, reason = "held for its drop")] SocketFile),
}

/// A connection as it was taken.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) client: Option<SocketAddr>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Listens on one place; `at` is where it stands in a configuration.
    pub(crate) async fn bind(listen: &Listen, at: &str) -> Result<Self, Vec<Issue>> {
        let tls = listen.tls.as_ref().map(Tls::load).transpose().map_err(|issues| under(at, issues))?;
        let (bound, address) = match &listen.address {
            Address::Tcp(address) => tcp(*address).await,
            Address::Unix { path, mode } => unix(path, *mode).map(|bound| (bound, listen.address.clone())),
        }
        .map_err(|error| vec![issue(at, format!("cannot listen on `{}`: {error}", listen.address), "")])?;
        Ok(Self { bound, listen: Listen { address, tls: listen.tls.clone() }, tls })
    }

    pub(crate) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let (stream, client): (Stream, _) = match &self.bound {
            Bound::Tcp(listener) => {
                let (stream, client) = ready!(listener.poll_accept(context))?;
                // Without it an answer that follows its head waits for the client's acknowledgement. A socket that is gone shows itself when it is read.
                drop(stream.set_nodelay(true));
                (Box::new(stream), Some(client))
            }
            Bound::Unix(listener, _) => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                (Box::new(stream), None)
            }
        };
        Poll::Ready(Ok(Accepted { stream, client, tls: self.tls.as_ref().map(Tls::config) }))
    }
}

async fn tcp(address: SocketAddr) -> io::Result<(Bound, Address)> {
    let listener = TcpListener::bind(address).await?;
    let address = Address::Tcp(listener.local_addr()?);
    Ok((Bound::Tcp(listener), address))
}

fn unix(path: &Path, mode: u32) -> io::Result<Bound> {
    let (listener, file) = socket::bind(path, mode)?;
    Ok(Bound::Unix(UnixListener::from_std(listener)?, file))
}

fn under(at: &str, issues: Vec<Issue>) -> Vec<Issue> {
    issues.into_iter().map(|issue| Issue { at: format!("{at}.{}", issue.at), ..issue }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    async fn bind(path: &Path) -> Result<Listener, Vec<Issue>> {
        Listener::bind(&Listen { address: Address::Unix { path: path.to_owned(), mode: 0o660 }, tls: None }, "listen[0]").await
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_and_goes_with_its_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.sock");
        let listener = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        UnixStream::connect(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_answers_behind_is_replaced_and_any_other_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = bind(&path).await.unwrap();
        let refused = bind(&path).await.err().unwrap();
        assert!(refused[0].what.contains("another server answers"), "{refused:?}");
        UnixStream::connect(&path).expect("the first one serves on");
        let file = folder.path().join("notes");
        fs::write(&file, "mine").unwrap();
        let refused = bind(&file).await.err().unwrap();
        assert!(refused[0].what.contains("no socket"), "{refused:?}");
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        // Its name was given to another server meanwhile: that one keeps it.
        fs::remove_file(&path).unwrap();
        let second = bind(&path).await.unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
        drop(second);
        assert!(!path.exists());
    }
}
