//! Which of two deployments of an application a request goes to, and which two those are.
//!
//! The rule is `plugwork-core`'s; here is what it is asked with. Easily got wrong: a client is known by its address and nothing else, so those behind
//! one address fall on one side together; and the number of the deployment is no part of the key, so that a larger share moves nobody back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::HeaderMap;
use plugwork_core::Digest;
use plugwork_core::application::Application;
use plugwork_core::deployment::{ApplicationKey, Current, Deployment, Deployments, DeploymentsError, Moved, Split};

use crate::rate::network;

/// Deployments that differ in nothing but their share are passed over so often; more than anybody makes.
const STEPS_MAX: u32 = 64;

/// How an application's requests are shared.
#[derive(Debug)]
pub(crate) struct Share {
    split: Split,
    /// So that a client is not on the new side of every application, or of none.
    salt: [u8; 8],
}

/// One of two deployments of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Current,
    Older,
}

impl Share {
    pub(crate) fn new(split: &Split, key: &ApplicationKey) -> Self {
        let digest = Digest::of(format!("{}\0{}", key.tenant, key.application).as_bytes());
        let mut salt = [0; 8];
        salt.copy_from_slice(&digest.as_bytes()[..8]);
        Self { split: split.clone(), salt }
    }

    /// The side of a request; always the same for one client, but for the header.
    pub(crate) fn side(&self, client: Option<IpAddr>, headers: &HeaderMap) -> Side {
        let mut key = [0; 24];
        key[16..].copy_from_slice(&self.salt);
        match client.map(network) {
            Some(IpAddr::V4(address)) => key[..4].copy_from_slice(&address.octets()),
            Some(IpAddr::V6(address)) => key[..16].copy_from_slice(&address.octets()),
            None => {}
        }
        let mut values = self.split.header.iter().flat_map(|header| headers.get_all(header.name.as_str()));
        let is_taken = self.split.takes(&key, None) || values.any(|value| self.split.takes(&key, Some(value.as_bytes())));
        if is_taken { Side::Current } else { Side::Older }
    }
}

/// From which move on the record is read: to the deployment of that number, by the move of that sequence.
pub(crate) struct Before {
    pub(crate) number: u64,
    pub(crate) sequence: u64,
}

impl Before {
    /// Where what is deployed next comes from.
    pub(crate) fn next(current: &Current) -> Self {
        Self { number: current.deployment.number, sequence: current.moved.sequence }
    }

    /// Where what is current came from, if it shares with it.
    pub(crate) fn of(current: &Current, application: &Application) -> Option<Self> {
        current.split(application).map(|(number, _)| Self { number, sequence: current.moved.sequence.saturating_sub(1) })
    }
}

/// With which deployment one that came from there shares its requests: the one before. Where that is the same but for its own share, a share was only
/// made larger or smaller, and it is shared with the one that it shared with.
pub(crate) async fn older(
    deployments: &dyn Deployments,
    key: &ApplicationKey,
    own: (&Application, &BTreeMap<String, Digest>),
    from: Before,
) -> Result<Option<Deployment>, DeploymentsError> {
    let Before { mut number, mut sequence } = from;
    let unshared = |application: &Application| Application { split: None, ..application.clone() };
    let wanted = unshared(own.0);
    for _ in 0..STEPS_MAX {
        let Some(deployment) = deployments.deployment(key, number).await? else { return Ok(None) };
        let shares_too = deployment.plugins == *own.1
            && deployment.application().is_ok_and(|application| application.split.is_some() && unshared(&application) == wanted);
        if !shares_too {
            return Ok(Some(deployment));
        }
        let moved = deployments.moves(key, Some(sequence.saturating_add(1)), 1).await?.into_iter().next();
        // After a rollback it was not shared with anything.
        match moved.filter(|moved| moved.sequence == sequence && moved.to == number && moved.moved == Moved::Deployed) {
            Some(moved) => match moved.from {
                Some(before) => (number, sequence) = (before, sequence.saturating_sub(1)),
                None => return Ok(None),
            },
            None => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugwork_core::deployment::SplitHeader;

    fn share(percent: u8, application: &str) -> Share {
        let header = Some(SplitHeader { name: "x-canary".to_owned(), value: Some("yes".to_owned()) });
        let key = ApplicationKey { tenant: "default".to_owned(), application: application.to_owned() };
        Share::new(&Split { percent, header }, &key)
    }

    fn side(share: &Share, client: &str) -> Side {
        share.side(Some(client.parse().unwrap()), &HeaderMap::new())
    }

    #[test]
    fn a_tenth_of_many_clients_is_a_tenth_and_each_stays_where_it_is() {
        let (share, larger, other) = (share(10, "shop"), share(40, "shop"), share(10, "blog"));
        let clients = (0..10_000_u32).map(|number| Some(IpAddr::from((0x0a00_0000 | number).to_be_bytes())));
        let (mut taken, mut both) = (0, 0);
        for client in clients {
            let first = share.side(client, &HeaderMap::new());
            assert_eq!(first, share.side(client, &HeaderMap::new()));
            if first == Side::Current {
                taken += 1;
                assert_eq!(larger.side(client, &HeaderMap::new()), Side::Current, "a larger share moves nobody back");
                both += usize::from(other.side(client, &HeaderMap::new()) == Side::Current);
            }
        }
        assert!((900..1_100).contains(&taken), "{taken}");
        assert!((50..150).contains(&both), "another application has another tenth: {both}");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_who_has_no_address_has_a_side_too() {
        let share = share(50, "shop");
        for network in 0..64 {
            let of = |host: &str| side(&share, &format!("2001:db8:0:{network:x}::{host}"));
            assert_eq!(of("1"), of("ffff"));
            assert_eq!(side(&share, &format!("192.0.2.{network}")), side(&share, &format!("::ffff:192.0.2.{network}")));
        }
        assert_eq!(share.side(None, &HeaderMap::new()), share.side(None, &HeaderMap::new()));
    }

    #[test]
    fn the_header_wins_in_whichever_place_it_stands_and_only_with_its_value() {
        let share = share(0, "shop");
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-canary", http::HeaderValue::from_static(value));
            }
            share.side(None, &headers)
        };
        assert_eq!((with(&[]), with(&["no"]), with(&["Yes"])), (Side::Older, Side::Older, Side::Older));
        assert_eq!((with(&["yes"]), with(&["no", "yes"])), (Side::Current, Side::Current));
    }
}
