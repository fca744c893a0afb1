//! How many requests one client may send to one route: the generic cell rate algorithm, one number for each client.
//!
//! Time is the time since the server began, which no change of the system's clock moves. Easily got wrong: a client of IPv6 is its network of 64 bits,
//! since it may choose the rest itself, and whoever has many of those is held to a multiple for all of them; and what is remembered is bounded, so that
//! many addresses cannot fill the memory. Whoever finds no room shares a number with its neighbours, and with few others.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use plugwork_core::application::ClientRate;

/// Numbers of those that found no room.
const SHARED: usize = 4_096;
/// How often all networks of 64 bits in one of 48, which is what a site is given, may send what one of them may.
const SITE_QUOTAS: u64 = 16;
const SECOND_NS: u64 = 1_000_000_000;

/// The clients of one route.
#[derive(Debug)]
pub(crate) struct Limiter {
    pub(crate) rate: ClientRate,
    clients_max: usize,
    known: Mutex<Known>,
    /// Keyed anew in each process: nobody can choose with whom to share.
    hash: RandomState,
}

/// When each client has its whole quota again. Nanoseconds since the server began.
#[derive(Debug, Default)]
struct Known {
    clients: HashMap<Whose, u64>,
    /// Of those that found no room; made when there is one.
    shared: Vec<u64>,
    swept_ns: u64,
}

/// Whom a number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Client(Option<IpAddr>),
    Site(IpAddr),
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
        Self { rate, clients_max, known: Mutex::default(), hash: RandomState::new() }
    }

    /// Whether nothing is left for a client at a time, without counting anything: in how many seconds there is something again.
    pub(crate) fn spent(&self, client: Option<IpAddr>, now_ns: u64) -> Option<u64> {
        let window_ns = u64::from(self.rate.window_seconds) * SECOND_NS;
        let each_ns = (window_ns / u64::from(self.rate.requests)).max(1);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.map(network);
        let mut full_ns = match known.clients.get(&Whose::Client(client)) {
            Some(full_ns) => *full_ns,
            None if known.clients.len() >= self.clients_max => known.shared.get(self.place(Whose::Client(client))).copied().unwrap_or(0),
            None => 0,
        };
        let decision = spend(&mut full_ns, now_ns, each_ns, window_ns);
        (!decision.is_allowed).then_some(decision.reset_s)
    }

    /// Counts a request of a client at a time.
    pub(crate) fn decide(&self, client: Option<IpAddr>, now_ns: u64) -> Decision {
        let window_ns = u64::from(self.rate.window_seconds) * SECOND_NS;
        let each_ns = (window_ns / u64::from(self.rate.requests)).max(1);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.map(network);
        let own = spend(self.number(&mut known, Whose::Client(client), now_ns), now_ns, each_ns, window_ns);
        let Some(site) = client.filter(|client| client.is_ipv6() && own.is_allowed).map(site) else { return own };
        let all = spend(self.number(&mut known, Whose::Site(site), now_ns), now_ns, (each_ns / SITE_QUOTAS).max(1), window_ns);
        if all.is_allowed && all.remaining >= own.remaining { own } else { all }
    }

    /// The number of a client or a site: its own where there is room.
    fn number<'k>(&self, known: &'k mut Known, whose: Whose, now_ns: u64) -> &'k mut u64 {
        if known.clients.len() >= self.clients_max && !known.clients.contains_key(&whose) {
            // At most four times a second: an attacker must not make every request a walk through all of them.
            if now_ns >= known.swept_ns + SECOND_NS / 4 {
                known.swept_ns = now_ns;
                known.clients.retain(|_, full_ns| *full_ns > now_ns);
            }
            if known.clients.len() >= self.clients_max {
                known.shared.resize(SHARED, 0);
                return &mut known.shared[self.place(whose)];
            }
        }
        known.clients.entry(whose).or_insert(0)
    }

    /// Which of the shared numbers belongs to who finds no room: one for all neighbours.
    fn place(&self, whose: Whose) -> usize {
        let neighbours = match whose {
            Whose::Client(client) => Whose::Client(client.map(site)),
            site @ Whose::Site(_) => site,
        };
        self.hash.hash_one(neighbours) as usize % SHARED
    }
}

fn spend(full_ns: &mut u64, now_ns: u64, each_ns: u64, window_ns: u64) -> Decision {
    let end_ns = now_ns + window_ns;
    // Never later than a quota that is spent: a clock that steps back locks nobody out for longer than a window.
    *full_ns = (*full_ns).min(end_ns);
    let before_ns = (*full_ns).max(now_ns);
    let after_ns = before_ns + each_ns;
    if after_ns > end_ns.max(now_ns + each_ns) {
        return Decision { is_allowed: false, remaining: 0, reset_s: (after_ns - end_ns).div_ceil(SECOND_NS).max(1) };
    }
    *full_ns = after_ns;
    let remaining = end_ns.saturating_sub(after_ns) / each_ns;
    let wait_ns = if remaining == 0 { (after_ns + each_ns).saturating_sub(end_ns) } else { after_ns - now_ns };
    Decision { is_allowed: true, remaining, reset_s: wait_ns.div_ceil(SECOND_NS) }
}

/// Whom a client is taken for.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What belongs to one owner in all likelihood: 48 bits of an address of IPv6, 24 of one of IPv4.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 80 << 80)),
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() >> 8 << 8).into()),
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
        assert!(!limiter.decide(me, 1_999_999_999).is_allowed, "refused requests cost nothing and gain nothing");
        assert!(limiter.decide(me, 2_000_000_000).is_allowed);
        assert!(!limiter.decide(me, 2_000_000_000).is_allowed);
        assert!(limiter.decide(client("192.0.2.2"), 0).is_allowed, "another client has its own");
        assert_eq!(limiter.decide(me, 60_000_000_000).remaining, 2, "never more than the quota");
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
        let hour_ns = 3_600_000_000_000;
        let spend = |at_ns| (0..10).filter(|_| limiter.decide(me, at_ns).is_allowed).count();
        assert_eq!(spend(hour_ns), 3);
        assert_eq!(spend(0), 0, "back by an hour: what was spent is spent");
        assert_eq!(spend(6_000_000_000), 3, "and a window later all is there again");
        assert_eq!(spend(24 * hour_ns), 3, "forward by a day: one quota, not one for each window");
    }

    #[test]
    fn a_million_addresses_take_no_more_room_than_allowed() {
        let limiter = limiter(1, 60, 100);
        let allowed = (0..1_000_000_u32).filter(|number| limiter.decide(Some(IpAddr::from(number.to_be_bytes())), 0).is_allowed).count();
        assert_eq!(limiter.known.lock().unwrap().clients.len(), 100);
        assert!((101..=100 + SHARED).contains(&allowed), "{allowed}");
        assert!(limiter.decide(client("192.0.2.1"), 61_000_000_000).is_allowed, "those whose time is over make room");
    }

    #[test]
    fn a_crowd_that_fills_the_room_locks_out_few_who_come_after() {
        let limiter = limiter(10, 60, 100);
        for number in 0..100_u8 {
            limiter.decide(Some(IpAddr::from([192, 0, 2, number])), 0);
        }
        // Neighbours in one network of 24 bits share one number, however often they ask.
        let crowd = (0..1_000_u32).filter(|number| limiter.decide(Some(IpAddr::from([198, 51, 100, *number as u8])), 0).is_allowed).count();
        assert_eq!(crowd, 10);
        let others =
            (0..1_000_u32).filter(|number| limiter.decide(Some(IpAddr::from((0x0a00_0000 | number << 8).to_be_bytes())), 0).is_allowed);
        assert!(others.count() > 950, "nearly everybody else is still let in");
    }

    #[test]
    fn all_networks_of_one_site_together_have_a_multiple() {
        let limiter = limiter(10, 60, 100_000);
        let all = (0..65_536_u32).flat_map(|number| (0..2).map(move |_| number));
        let allowed = all.filter(|number| limiter.decide(client(&format!("2001:db8:7:{number:x}::1")), 0).is_allowed).count();
        assert_eq!(allowed as u64, 10 * SITE_QUOTAS);
        assert!(limiter.decide(client("2001:db8:8::1"), 0).is_allowed, "another site has its own");
    }

    #[test]
    fn a_quota_is_not_rounded_up_by_much() {
        for requests in [500_001_u32, 999_999] {
            let limiter = limiter(requests, 1, 10);
            let allowed = (0..1_200_000).filter(|_| limiter.decide(client("192.0.2.1"), 0).is_allowed).count() as u32;
            assert!((requests..=requests + requests / 500).contains(&allowed), "{requests}: {allowed}");
        }
    }
}
