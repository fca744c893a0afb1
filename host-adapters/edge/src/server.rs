//! The public listeners: take connections, so many at once, and stop within their time.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use plugwork_core::Issue;
use tokio::sync::watch;

use crate::access::AccessLog;
use crate::connection;
use crate::crowd::{self, Crowd};
use crate::listen::{Accepted, Address, Listen, Listener};
use crate::node::Node;
use crate::request::Shared;
use crate::tls::Tls;

/// Listeners and what they serve.
pub struct Server {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
}

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections whose requests had not ended when the time was over.
    pub broken: usize,
}

impl Server {
    /// Listens on one address, without TLS. Nothing is taken before [`Server::run`].
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(node: &Node, address: SocketAddr, log: impl AccessLog) -> io::Result<Self> {
        let listen = Listen { address: Address::Tcp(address), tls: None };
        let bound = Self::listen(node, &[listen], log).await;
        bound.map_err(|issues| io::Error::other(issues.iter().map(|issue| issue.what.as_str()).collect::<Vec<_>>().join("; ")))
    }

    /// Listens on every one of these places. Nothing is taken before [`Server::run`].
    ///
    /// # Errors
    /// Everything that cannot be listened on, and everything that is wrong with certificates; the place of each is `listen[N]`.
    pub async fn listen(node: &Node, listens: &[Listen], log: impl AccessLog) -> Result<Self, Vec<Issue>> {
        let (mut listeners, mut issues) = (Vec::with_capacity(listens.len()), Vec::new());
        for (index, listen) in listens.iter().enumerate() {
            match Listener::bind(listen, &format!("listen[{index}]")).await {
                Ok(listener) => listeners.push(listener),
                Err(found) => issues.extend(found),
            }
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        let shared = Shared::new(node, log);
        Ok(Self { listeners, shared: Arc::new(shared) })
    }

    /// The first address that it listens on; of several see [`Server::listens`].
    ///
    /// # Errors
    /// It listens on Unix sockets only.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let tcp = self.listeners.iter().find_map(|listener| match listener.listen.address {
            Address::Tcp(address) => Some(address),
            Address::Unix { .. } => None,
        });
        tcp.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Where it listens: as it was asked, with the ports that were free.
    pub fn listens(&self) -> Vec<Listen> {
        self.listeners.iter().map(|listener| listener.listen.clone()).collect()
    }

    /// The TLS of its listeners: to be watched, and read again when asked.
    pub fn tls(&self) -> Vec<Tls> {
        self.listeners.iter().filter_map(|listener| listener.tls.clone()).collect()
    }

    /// How many connections it takes at once: what its settings say, or less where the system has too few descriptors.
    pub fn connections_max(&self) -> usize {
        crowd::possible(self.shared.node.settings().connections_max)
    }

    /// Serves until `stop` is there, then takes no more connections and no more requests, and waits for those that began: at most
    /// [`Settings::drain_ms`](crate::Settings::drain_ms).
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Stopped {
        self.until(Box::pin(stop)).await
    }

    /// Made in this crate, for the same reason as the answers of a connection.
    #[inline(never)]
    fn until(self, stop: Pin<Box<dyn Future<Output = ()> + Send>>) -> Pin<Box<dyn Future<Output = Stopped> + Send>> {
        Box::pin(self.run_until(stop))
    }

    async fn run_until(self, mut stop: Pin<Box<dyn Future<Output = ()> + Send>>) -> Stopped {
        let crowd = Crowd::new(self.connections_max(), self.shared.node.settings().client_connections_max);
        let shared = self.shared.clone();
        let looking = tokio::spawn(async move { shared.sendings.look_after(|| shared.node.settings()).await });
        let (tell, told) = watch::channel(false);
        let mut connections = tokio::task::JoinSet::new();
        let (mut turn, mut next) = (0_usize, None::<Accepted>);
        loop {
            let place = tokio::select! {
                () = stop.as_mut() => break,
                // So that what has ended is not kept.
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listeners, turn), if next.is_none() => {
                    turn = turn.wrapping_add(1);
                    // One too many of a client is closed: waiting, it would hold up the others behind it.
                    next = accepted.filter(|accepted| crowd.admits(accepted.client.map(|client| client.ip())));
                    continue;
                }
                place = crowd.place(), if next.is_some() => place,
            };
            let (Some(accepted), Some(place)) = (next.take(), place) else { continue };
            let (shared, told) = (self.shared.clone(), told.clone());
            let seat = crowd.seat(accepted.client.map(|client| client.ip()), place);
            connections.spawn(async move { connection::serve(shared, accepted, seat.presence.clone(), told).await });
        }
        drop(next);
        drop(self.listeners);
        drop(told);
        tell.send_replace(true);
        let ended =
            tokio::time::timeout(self.shared.node.settings().drain(), async { while connections.join_next().await.is_some() {} }).await;
        let broken = if ended.is_ok() { 0 } else { connections.len() };
        connections.shutdown().await;
        looking.abort();
        Stopped { broken }
    }
}

/// The next connection of any listener. Whose turn it is is asked first, so that a busy one starves no other.
async fn accept(listeners: &[Listener], turn: usize) -> Option<Accepted> {
    let accepted = poll_fn(|context| {
        let polled = (0..listeners.len()).map(|step| &listeners[(turn.wrapping_add(step)) % listeners.len()]);
        polled.map(|listener| listener.poll_accept(context)).find(Poll::is_ready).unwrap_or(Poll::Pending)
    });
    match accepted.await {
        Ok(accepted) => Some(accepted),
        Err(_) => {
            // Mostly: no descriptors are left. Asking again at once would only keep a processor busy until there are.
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}
