//! The public listener: takes connections, so many at once, and stops within its time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::access::AccessLog;
use crate::connection;
use crate::node::Node;
use crate::request::Shared;

/// A listener and what it serves.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections whose requests had not ended when the time was over.
    pub broken: usize,
}

impl Server {
    /// Listens. Nothing is taken before [`Server::run`].
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(node: &Node, address: SocketAddr, log: impl AccessLog) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let shared = Shared { node: node.clone(), log: Arc::new(log), began: Instant::now() };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
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
        let settings = *self.shared.node.settings();
        let places_max = settings.connections_max.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places_max));
        let (tell, told) = watch::channel(false);
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let taken = tokio::select! {
                () = stop.as_mut() => break,
                // So that what has ended is not kept.
                Some(_) = connections.join_next() => continue,
                taken = take(&self.listener, &places) => taken,
            };
            let Some((stream, client, place)) = taken else { continue };
            let (shared, told) = (self.shared.clone(), told.clone());
            connections.spawn(async move {
                connection::serve(shared, stream, client, told).await;
                drop(place);
            });
        }
        drop(self.listener);
        drop(told);
        tell.send_replace(true);
        let ended = tokio::time::timeout(settings.drain(), async { while connections.join_next().await.is_some() {} }).await;
        let broken = if ended.is_ok() { 0 } else { connections.len() };
        connections.shutdown().await;
        Stopped { broken }
    }
}

type Taken = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is a place for it.
async fn take(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Taken> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, client)) => Some((stream, client, place)),
        Err(_) => {
            // Mostly: no descriptors are left. Asking again at once would only keep a processor busy until there are.
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}
