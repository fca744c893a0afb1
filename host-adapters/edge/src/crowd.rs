//! Who is connected: so many at once, so many of one client, and who has to go where there is no place for another one.
//!
//! Easily got wrong: who asks for nothing goes, and whoever asked longest ago goes first; that includes those that never sent a byte. A connection without
//! an address, as through a Unix socket, is nobody's in particular and on nobody's count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugwork_core::capacity::DESCRIPTORS_RESERVE_PART;
use rustix::process::{Resource, getrlimit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::rate::network;

/// Descriptors that are left for databases, files and listeners.
const OTHERS: u64 = 256;
/// Where next to none are left it is still tried with so many.
const CONNECTIONS_MIN: u64 = 16;
/// How long whoever was told to go may take before the next one is told.
const LEAVING: Duration = Duration::from_millis(50);

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Crowd {
    places: Arc<Semaphore>,
    client_max: usize,
    began: Instant,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    clients: HashMap<IpAddr, usize>,
    present: HashMap<u64, Arc<Presence>>,
    next: u64,
}

/// One connection, as long as it is there.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    client: Option<IpAddr>,
    pub(crate) presence: Arc<Presence>,
    _place: OwnedSemaphorePermit,
}

/// What a connection is doing.
#[derive(Debug)]
pub(crate) struct Presence {
    began: AtomicU64,
    over: AtomicU64,
    /// Since when it has no request. Milliseconds since the crowd began.
    idle_since_ms: AtomicU64,
    crowd_began: Instant,
    leave: Notify,
}

/// A request that is not over: until its answer was handed over, or broken off.
pub(crate) struct Busy(Arc<Presence>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since_ms.store(since(self.0.crowd_began), Ordering::Relaxed);
        self.0.over.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many connections there can be: as many as are wanted, and as many as the system has descriptors for beside a part that is left for plugins.
pub(crate) fn possible(wanted: usize) -> usize {
    left(wanted, getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// Plugins leave as large a part for connections: what lies between goes to who comes first.
fn left(wanted: usize, descriptors: u64) -> usize {
    let left = (descriptors - descriptors.div_ceil(DESCRIPTORS_RESERVE_PART)).saturating_sub(OTHERS).max(CONNECTIONS_MIN);
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX)).min(Semaphore::MAX_PERMITS)
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Presence {
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.began.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.began.load(Ordering::Relaxed)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.over.load(Ordering::Relaxed) == self.began.load(Ordering::Relaxed)
    }

    /// Resolves when its place is needed, if it is idle then.
    pub(crate) async fn told_to_leave(&self) {
        loop {
            self.leave.notified().await;
            if self.is_idle() {
                return;
            }
        }
    }
}

impl Crowd {
    pub(crate) fn new(places_max: usize, client_max: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(places_max)), client_max, began: Instant::now(), known: Mutex::default() })
    }

    /// Whether a client may have one more.
    pub(crate) fn admits(&self, client: Option<IpAddr>) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        client.is_none_or(|client| known.clients.get(&network(client)).is_none_or(|count| *count < self.client_max))
    }

    /// A place, once there is one: whoever is idle the longest makes room. May be dropped and asked again.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return Some(place);
            }
            let longest = {
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                let idle = known.present.values().filter(|presence| presence.is_idle());
                idle.min_by_key(|presence| presence.idle_since_ms.load(Ordering::Relaxed)).cloned()
            };
            longest.iter().for_each(|presence| presence.leave.notify_one());
            if let Ok(place) = tokio::time::timeout(LEAVING, self.places.clone().acquire_owned()).await {
                return place.ok();
            }
        }
    }

    /// Takes the place for a client.
    pub(crate) fn seat(self: &Arc<Self>, client: Option<IpAddr>, place: OwnedSemaphorePermit) -> Seat {
        let client = client.map(network);
        let presence = Arc::new(Presence {
            began: AtomicU64::new(0),
            over: AtomicU64::new(0),
            idle_since_ms: AtomicU64::new(since(self.began)),
            crowd_began: self.began,
            leave: Notify::new(),
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.next += 1;
        let number = known.next;
        known.present.insert(number, presence.clone());
        if let Some(client) = client {
            *known.clients.entry(client).or_default() += 1;
        }
        Seat { crowd: self.clone(), number, client, presence, _place: place }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut known = self.crowd.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.present.remove(&self.number);
        let Some(client) = self.client else { return };
        if let Some(count) = known.clients.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                known.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_connections_than_descriptors() {
        assert_eq!(left(10_000, 1_048_576), 10_000);
        assert_eq!(left(10_000, 4_096), 3_072 - OTHERS as usize);
        assert_eq!(left(10_000, 64), CONNECTIONS_MIN as usize);
        assert_eq!(left(usize::MAX, u64::MAX), Semaphore::MAX_PERMITS);
    }

    #[tokio::test]
    async fn a_client_has_so_many_and_its_network_with_it() {
        let crowd = Crowd::new(10, 2);
        let client = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let mut seats = Vec::new();
        for _ in 0..2 {
            assert!(crowd.admits(client("2001:db8::1")));
            seats.push(crowd.seat(client("2001:db8::1"), crowd.place().await.unwrap()));
        }
        assert!(!crowd.admits(client("2001:db8::2")) && crowd.admits(client("2001:db8:0:1::1")) && crowd.admits(None));
        seats.pop();
        assert!(crowd.admits(client("2001:db8::2")));
        seats.clear();
        let known = crowd.known.lock().unwrap();
        assert!(known.clients.is_empty() && known.present.is_empty());
    }

    #[tokio::test]
    async fn whoever_is_idle_the_longest_makes_room_and_never_who_asks() {
        let crowd = Crowd::new(3, 10);
        let mut seats = Vec::new();
        for idle_since_ms in [5, 1, 3] {
            let seat = crowd.seat(None, crowd.place().await.unwrap());
            seat.presence.idle_since_ms.store(idle_since_ms, Ordering::Relaxed);
            seats.push(seat);
        }
        let busy = seats[1].presence.begin();
        let leaver = seats.remove(2);
        let leaving = tokio::spawn(async move { leaver.presence.told_to_leave().await });
        assert!(crowd.place().await.is_some(), "the second one was idle longer, and asks for something");
        leaving.await.unwrap();
        drop(busy);
        assert_eq!(seats.len(), 2);
    }
}
