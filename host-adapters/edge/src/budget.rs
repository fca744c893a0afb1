//! So many bytes that may be held at once, for everybody together, and so many of them for one client.
//!
//! Easily got wrong: a client is its address, or its network of 64 bits, as for rates. Where all come through a proxy they are one client: then its share
//! is to be all there is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rate::network;

/// The budget. What is taken of it is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: usize,
    holders_max: usize,
    share_percent: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: Sum,
    /// Only of those that hold something: never more than the holders are many.
    clients: HashMap<Option<IpAddr>, Sum>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    bytes: usize,
    holders: usize,
}

/// Bytes that somebody holds.
#[derive(Debug)]
pub(crate) struct Taken {
    budget: Arc<Budget>,
    client: Option<IpAddr>,
    bytes: usize,
}

impl Budget {
    /// Of each client at most so many hundredths, of the bytes and of those who hold some.
    pub(crate) fn new(bytes_max: usize, holders_max: usize, share_percent: u32) -> Arc<Self> {
        Arc::new(Self { bytes_max, holders_max, share_percent: share_percent as usize, held: Mutex::default() })
    }

    /// Takes none yet, as one more holder; none where there are too many.
    pub(crate) fn enter(self: &Arc<Self>, client: Option<IpAddr>) -> Option<Taken> {
        let client = client.map(network);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.clients.get(&client).copied().unwrap_or_default();
        if held.all.holders >= self.holders_max || own.holders >= self.share(self.holders_max) {
            return None;
        }
        held.all.holders += 1;
        held.clients.entry(client).or_default().holders += 1;
        Some(Taken { budget: self.clone(), client, bytes: 0 })
    }

    fn share(&self, all: usize) -> usize {
        (all.saturating_mul(self.share_percent) / 100).max(1)
    }
}

impl Taken {
    /// Takes so many more; nothing where that is too many.
    pub(crate) fn more(&mut self, bytes: usize) -> bool {
        let budget = &self.budget;
        let mut held = budget.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.clients.get(&self.client).copied().unwrap_or_default();
        if bytes > budget.bytes_max.saturating_sub(held.all.bytes) || bytes > budget.share(budget.bytes_max).saturating_sub(own.bytes) {
            return false;
        }
        held.all.bytes += bytes;
        held.clients.entry(self.client).or_default().bytes += bytes;
        self.bytes += bytes;
        true
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut held = self.budget.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all.holders -= 1;
        held.all.bytes -= self.bytes;
        if let Some(own) = held.clients.get_mut(&self.client) {
            own.holders -= 1;
            own.bytes -= self.bytes;
            if own.holders == 0 {
                held.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_client_takes_its_share_and_all_take_what_there_is() {
        let budget = Budget::new(100, 8, 50);
        let mut first = budget.enter(client("2001:db8::1")).unwrap();
        assert!(first.more(50) && !first.more(1), "its share");
        let mut second = budget.enter(client("2001:db8::2")).unwrap();
        assert!(!second.more(1), "the same network");
        let mut other = budget.enter(client("192.0.2.1")).unwrap();
        assert!(other.more(49) && !budget.enter(client("192.0.2.2")).unwrap().more(2) && other.more(1));
        drop(first);
        assert!(second.more(50), "what is dropped is there again");
        drop((second, other));
        assert!(budget.held.lock().unwrap().clients.is_empty());
        assert_eq!(budget.held.lock().unwrap().all.bytes, 0);
    }

    #[test]
    fn holders_are_counted_too() {
        let budget = Budget::new(100, 4, 50);
        let own: Vec<_> = (0..3).map(|_| budget.enter(None)).collect();
        assert_eq!(own.iter().filter(|one| one.is_some()).count(), 2);
        let others: Vec<_> = (1..5).map(|number| budget.enter(client(&format!("192.0.2.{number}")))).collect();
        assert_eq!(others.iter().filter(|one| one.is_some()).count(), 2);
    }
}
