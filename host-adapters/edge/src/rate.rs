//! How many requests one client may send to one route: the generic cell rate algorithm, one number for each client.
//!
//! Time is the time since the server began, which no change of the system's clock moves. Easily got wrong: a client of IPv6 is its network of 64 bits, since it may choose the rest itself; and what is remembered is bounded, so that
//! many addresses cannot fill the memory. Whoever finds no room shares one number with all others that found none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use plugwork_core::application::ClientRate;

/// The clients of one route.
#[derive(Debug)]
pub(crate) struct Limiter {
    pub(crate) rate: ClientRate,
    clients_max: usize,
    known: Mutex<Known>,
}

/// When each client has its whole quota again. Microseconds since the server began.
#[derive(Debug, Default)]
struct Known {
    clients: HashMap<Option<IpAddr>, u64>,
    /// Of those that found no room.
    others: u64,
    swept_us: u64,
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) is_allowed: bool,
    /// Requests that are left now.
    pub(crate) remaining: u64,
    /// When one more is allowed where none is left, else when all are again. Seconds, rounded up.
    pub(crate) reset_s: u64,
}

impl Limiter {
    pub(crate) fn new(rate: ClientRate, clients_max: usize) -> Self {
        Self { rate, clients_max, known: Mutex::default() }
    }

    /// Counts a request of a client at a time.
    pub(crate) fn decide(&self, client: Option<IpAddr>, now_us: u64) -> Decision {
        let window_us = u64::from(self.rate.window_seconds) * 1_000_000;
        let each_us = (window_us / u64::from(self.rate.requests)).max(1);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.map(network);
        if known.clients.len() >= self.clients_max && !known.clients.contains_key(&client) {
            // At most four times a second: an attacker must not make every request a walk through all of them.
            if now_us >= known.swept_us + 250_000 {
                known.swept_us = now_us;
                known.clients.retain(|_, full_us| *full_us > now_us);
            }
            if known.clients.len() >= self.clients_max {
                return spend(&mut known.others, now_us, each_us, window_us);
            }
        }
        spend(known.clients.entry(client).or_insert(0), now_us, each_us, window_us)
    }
}

fn spend(full_us: &mut u64, now_us: u64, each_us: u64, window_us: u64) -> Decision {
    let end_us = now_us + window_us;
    // Never later than a quota that is spent: a clock that steps back locks nobody out for longer than a window.
    *full_us = (*full_us).min(end_us);
    let before_us = (*full_us).max(now_us);
    let after_us = before_us + each_us;
    if after_us > end_us.max(now_us + each_us) {
        return Decision { is_allowed: false, remaining: 0, reset_s: (after_us - end_us).div_ceil(1_000_000).max(1) };
    }
    *full_us = after_us;
    let remaining = end_us.saturating_sub(after_us) / each_us;
    let wait_us = if remaining == 0 { (after_us + each_us).saturating_sub(end_us) } else { after_us - now_us };
    Decision { is_allowed: true, remaining, reset_s: wait_us.div_ceil(1_000_000) }
}

/// Whom a number belongs to.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(requests: u32, window_seconds: u32, clients_max: usize) -> Limiter {
        Limiter::new(ClientRate { requests, window_seconds }, clients_max)
    }

    fn client(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn all_may_come_at_once_and_then_one_at_a_time() {
        let limiter = limiter(3, 6, 10);
        let me = client("192.0.2.1");
        let remaining: Vec<_> = (0..3).map(|_| limiter.decide(me, 0)).map(|d| (d.is_allowed, d.remaining)).collect();
        assert_eq!(remaining, [(true, 2), (true, 1), (true, 0)]);
        assert_eq!(limiter.decide(me, 0), Decision { is_allowed: false, remaining: 0, reset_s: 2 });
        assert!(!limiter.decide(me, 1_999_999).is_allowed, "refused requests cost nothing and gain nothing");
        assert!(limiter.decide(me, 2_000_000).is_allowed);
        assert!(!limiter.decide(me, 2_000_000).is_allowed);
        assert!(limiter.decide(client("192.0.2.2"), 0).is_allowed, "another client has its own");
        assert_eq!(limiter.decide(me, 60_000_000).remaining, 2, "never more than the quota");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_a_mapped_address_is_itself() {
        let limiter = limiter(1, 60, 10);
        assert!(limiter.decide(client("2001:db8::1"), 0).is_allowed);
        assert!(!limiter.decide(client("2001:db8::ffff:1"), 0).is_allowed);
        assert!(limiter.decide(client("2001:db8:0:1::1"), 0).is_allowed);
        assert!(limiter.decide(client("192.0.2.1"), 0).is_allowed);
        assert!(!limiter.decide(client("::ffff:192.0.2.1"), 0).is_allowed);
    }

    #[test]
    fn a_clock_that_jumps_gives_no_more_than_a_quota_and_locks_out_for_no_more_than_a_window() {
        let limiter = limiter(3, 6, 10);
        let me = client("192.0.2.1");
        let hour_us = 3_600_000_000;
        let spend = |at_us| (0..10).filter(|_| limiter.decide(me, at_us).is_allowed).count();
        assert_eq!(spend(hour_us), 3);
        assert_eq!(spend(0), 0, "back by an hour: what was spent is spent");
        assert_eq!(spend(6_000_000), 3, "and a window later all is there again");
        assert_eq!(spend(24 * hour_us), 3, "forward by a day: one quota, not one for each window");
    }

    #[test]
    fn a_million_addresses_take_no_more_room_than_allowed() {
        let limiter = limiter(1, 60, 100);
        let allowed = (0..1_000_000_u32).filter(|number| limiter.decide(Some(IpAddr::from(number.to_be_bytes())), 0).is_allowed).count();
        assert_eq!((allowed, limiter.known.lock().unwrap().clients.len()), (101, 100));
        assert!(limiter.decide(client("192.0.2.1"), 61_000_000).is_allowed, "those whose time is over make room");
    }
}
