//! The public listeners: take connections, so many at once, and stop within their time.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use plugwork_core::Issue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::access::AccessLog;
use crate::connection;
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
        let places_max = self.shared.node.settings().connections_max.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places_max));
        let shared = self.shared.clone();
        let looking = tokio::spawn(async move { shared.sendings.look_after(|| shared.node.settings()).await });
        let (tell, told) = watch::channel(false);
        let mut connections = tokio::task::JoinSet::new();
        let mut turn = 0;
        loop {
            let taken = tokio::select! {
                () = stop.as_mut() => break,
                // So that what has ended is not kept.
                Some(_) = connections.join_next() => continue,
                taken = take(&self.listeners, turn, &places) => taken,
            };
            turn = turn.wrapping_add(1);
            let Some((accepted, place)) = taken else { continue };
            let (shared, told) = (self.shared.clone(), told.clone());
            connections.spawn(async move {
                connection::serve(shared, accepted, told).await;
                drop(place);
            });
        }
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

/// The next connection of any listener, once there is a place for it. Whose turn it is is asked first, so that a busy one starves no other.
async fn take(listeners: &[Listener], turn: usize, places: &Arc<Semaphore>) -> Option<(Accepted, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    let accepted = poll_fn(|context| {
        let polled = (0..listeners.len()).map(|step| &listeners[(turn.wrapping_add(step)) % listeners.len()]);
        polled.map(|listener| listener.poll_accept(context)).find(Poll::is_ready).unwrap_or(Poll::Pending)
    });
    match accepted.await {
        Ok(accepted) => Some((accepted, place)),
        Err(_) => {
            // Mostly: no descriptors are left. Asking again at once would only keep a processor busy until there are.
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}
