//! Where operators connect: a socket in the state folder, and a port where one is wanted.
//!
//! Where there are too many, who asks for nothing makes room ([`Crowd`]). Easily got wrong: when it stops nobody comes any more before those who are here are
//! told, so that who asks again finds nobody.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection;
use super::document::router;
use super::seam::Admin;
use super::who::Peer;
use crate::crowd::Crowd;
use crate::socket::{self, SocketFile};

/// The socket's name in the state folder.
pub const SOCKET: &str = "admin.sock";

/// Who may connect: its owner.
const MODE: u32 = 0o600;
/// Connections at once; for who comes after, whoever was idle the longest makes room.
const CONNECTIONS_MAX: usize = 128;
/// Of one address at the port; one too many is closed.
const CLIENT_CONNECTIONS_MAX: usize = 64;

/// A listener of an admin API.
pub struct AdminServer {
    admin: Admin,
    listener: Listener,
}

enum Listener {
    Socket(UnixListener, #[allow(dead_code, reason = "held for its drop")] SocketFile),
    Port(TcpListener),
}

impl AdminServer {
    /// Listens on [`SOCKET`] in this folder, for its owner. What a server that is gone left there is replaced.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`]: a server answers there. Or the folder cannot be written.
    pub fn on_socket(admin: &Admin, folder: &Path) -> io::Result<Self> {
        let (socket, file) = socket::bind(&folder.join(SOCKET), MODE)?;
        Ok(Self { admin: admin.clone(), listener: Listener::Socket(UnixListener::from_std(socket)?, file) })
    }

    /// Listens on a port, where everybody needs a token.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn on_port(admin: &Admin, address: SocketAddr) -> io::Result<Self> {
        Ok(Self { admin: admin.clone(), listener: Listener::Port(TcpListener::bind(address).await?) })
    }

    /// The port it listens on; none: it is a socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Socket(..) => None,
            Listener::Port(listener) => listener.local_addr().ok(),
        }
    }

    /// Answers until `stop` is there; then no more requests, and those that began have some seconds to end.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        self.until(Box::pin(stop)).await;
    }

    /// Made in this crate: the engine's types are deeper than the compiler of whoever uses it goes.
    #[inline(never)]
    fn until(self, stop: Pin<Box<dyn Future<Output = ()> + Send>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.run_until(stop))
    }

    async fn run_until(self, mut stop: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let router = router(&self.admin);
        let crowd = Crowd::new(CONNECTIONS_MAX, CLIENT_CONNECTIONS_MAX);
        let (tell, told) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut next = None;
        loop {
            let place = tokio::select! {
                () = stop.as_mut() => break,
                // So that what has ended is not kept.
                Some(_) = connections.join_next() => continue,
                taken = take(&self.listener), if next.is_none() => {
                    // One too many of a client is closed: waiting, it would hold up the others behind it.
                    next = taken.filter(|(_, peer)| crowd.admits(peer.address()));
                    continue;
                }
                place = crowd.place(), if next.is_some() => place,
            };
            let (Some((stream, peer)), Some(place)) = (next.take(), place) else { continue };
            let seat = crowd.seat(peer.address(), place);
            let (router, told) = (router.clone(), told.clone());
            match stream {
                Stream::Local(stream) => connections.spawn(connection::serve(router, stream, peer, seat, told)),
                Stream::Remote(stream) => connections.spawn(connection::serve(router, stream, peer, seat, told)),
            };
        }
        drop(next);
        // First nobody comes any more: who is told that it stops, and asks again, finds nobody.
        drop(self.listener);
        self.admin.stopping();
        tell.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        // What is cut off here is an answer: the change itself comes to its end.
        drop(tokio::time::timeout(Duration::from_secs(5), ended).await);
        connections.shutdown().await;
    }
}

enum Stream {
    Local(tokio::net::UnixStream),
    Remote(tokio::net::TcpStream),
}

async fn take(listener: &Listener) -> Option<(Stream, Peer)> {
    let taken = match listener {
        Listener::Socket(listener, _) => listener.accept().await.map(|(stream, _)| {
            let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
            (Stream::Local(stream), Peer::Local(user))
        }),
        Listener::Port(listener) => listener.accept().await.map(|(stream, client)| {
            // A socket that is gone shows itself when it is read.
            drop(stream.set_nodelay(true));
            (Stream::Remote(stream), Peer::Remote(client.ip()))
        }),
    };
    if taken.is_err() {
        // Mostly: no descriptors are left. Asking again at once would only keep a processor busy until there are.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    taken.ok()
}
