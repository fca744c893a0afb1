//! Where operators connect: a socket in the state folder, and a port where one is wanted.
//!
//! Easily got wrong: between binding a socket and giving it its mode there is a moment. It is bound in a folder that only its owner enters, and then moved to
//! its place.

use std::fs::{self, File, Permissions};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use plugwork::observer::through;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::connection;
use super::document::router;
use super::seam::Admin;
use super::who::Peer;

/// The socket's name in the state folder.
pub const SOCKET: &str = "admin.sock";

/// Connections at once; who comes after waits.
const CONNECTIONS_MAX: usize = 128;

/// A listener of an admin API.
pub struct AdminServer {
    admin: Admin,
    listener: Listener,
}

enum Listener {
    Socket(UnixListener, #[allow(dead_code, reason = "held for its drop")] Bound),
    Port(TcpListener),
}

/// A socket's file, removed when it is dropped, unless another one is in its place.
struct Bound {
    path: PathBuf,
    inode: u64,
}

impl Drop for Bound {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            // A file that stays is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl AdminServer {
    /// Listens on [`SOCKET`] in this folder, for its owner. What a server that is gone left there is replaced.
    ///
    /// # Errors
    /// [`ErrorKind::AddrInUse`]: a server answers there. Or the folder cannot be written.
    pub fn on_socket(admin: &Admin, folder: &Path) -> io::Result<Self> {
        let (socket, bound) = bind(folder)?;
        socket.set_nonblocking(true)?;
        Ok(Self { admin: admin.clone(), listener: Listener::Socket(UnixListener::from_std(socket)?, bound) })
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
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (tell, told) = watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            let taken = tokio::select! {
                () = stop.as_mut() => break,
                // So that what has ended is not kept.
                Some(_) = connections.join_next() => continue,
                taken = take(&self.listener, &places) => taken,
            };
            let (router, told) = (router.clone(), told.clone());
            match taken {
                Some((Stream::Local(stream), peer, place)) => drop(connections.spawn(async move {
                    connection::serve(router, stream, peer, told).await;
                    drop(place);
                })),
                Some((Stream::Remote(stream), peer, place)) => drop(connections.spawn(async move {
                    connection::serve(router, stream, peer, told).await;
                    drop(place);
                })),
                None => {}
            }
        }
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

async fn take(listener: &Listener, places: &Arc<Semaphore>) -> Option<(Stream, Peer, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    let taken = match listener {
        Listener::Socket(listener, _) => listener.accept().await.map(|(stream, _)| {
            let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
            (Stream::Local(stream), Peer::Local(user), place)
        }),
        Listener::Port(listener) => listener.accept().await.map(|(stream, client)| {
            // A socket that is gone shows itself when it is read.
            drop(stream.set_nodelay(true));
            (Stream::Remote(stream), Peer::Remote(client.ip()), place)
        }),
    };
    if taken.is_err() {
        // Mostly: no descriptors are left. Asking again at once would only keep a processor busy until there are.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    taken.ok()
}

fn bind(folder: &Path) -> io::Result<(StdUnixListener, Bound)> {
    let path = folder.join(SOCKET);
    // Through the folder: a socket's path may have 108 bytes only.
    let opened = File::open(folder)?;
    match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, format!("`{}` is no socket", path.display())));
        }
        Ok(_) => match StdUnixStream::connect(through(&opened, SOCKET)) {
            Ok(_) => return Err(io::Error::new(ErrorKind::AddrInUse, format!("a server answers on `{}`", path.display()))),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Nobody else enters it: temporary folders are made with mode 0700.
    let private = tempfile::Builder::new().prefix(".admin-").tempdir_in(folder)?;
    let made = private.path().join("socket");
    let socket = StdUnixListener::bind(through(&File::open(private.path())?, "socket"))?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    let inode = fs::symlink_metadata(&made)?.ino();
    fs::rename(&made, &path)?;
    Ok((socket, Bound { path, inode }))
}
