//! Slow, obvious answers, written from the specifications: which addresses are special, where a path leads, what a pattern means.
//!
//! It must never call the crate it judges. Where both could share a mistake, the literal list decides.

use std::net::IpAddr;

/// Every range that no plugin reaches without a network in its grant, as the registries of special addresses list them.
const SPECIAL: [&str; 35] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:2::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

/// Whether the address lies in a range, bit by bit.
pub(crate) fn lies_in(address: IpAddr, range: &str) -> bool {
    let (net, length) = range.split_once('/').unwrap_or((range, ""));
    let (net, address) = (bits(net.parse().unwrap()), bits(address));
    let length = if length.is_empty() { net.len() } else { length.parse().unwrap() };
    net.len() == address.len() && net.iter().zip(&address).take(length).all(|(a, b)| a == b)
}

/// Whether the address is special, or carries one in the mapped form.
pub(crate) fn is_special(address: IpAddr) -> bool {
    let mapped = match address {
        IpAddr::V6(address) if lies_in(address.into(), "::ffff:0:0/96") => {
            let [.., a, b, c, d] = address.octets();
            Some(IpAddr::from([a, b, c, d]))
        }
        _ => None,
    };
    SPECIAL.iter().any(|range| lies_in(mapped.unwrap_or(address), range))
}

/// The steps from the root to where a path leads; none where it ever stands above the root.
pub(crate) fn walk(path: &str) -> Option<Vec<String>> {
    let mut place = Vec::new();
    for step in path.split('/') {
        if step == ".." {
            place.pop()?;
        } else if !step.is_empty() && step != "." {
            place.push(step.to_owned());
        }
    }
    Some(place)
}

/// Whether a topic fits a pattern, by trying every way to read it.
pub(crate) fn topic_fits(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], []) => true,
        (["**"], [_, ..]) => true,
        ([first, pattern @ ..], [word, topic @ ..]) => (*first == "*" || first == word) && topic_fits(pattern, topic),
        _ => false,
    }
}

/// Whether a host pattern, as text, opens this place: as the sentence in `docs/permissions.md` says it.
pub(crate) fn host_fits(pattern: &str, scheme: &str, host: &str, port: u16) -> bool {
    let is_address = host.parse::<IpAddr>().is_ok();
    let (wanted, rest) = pattern.split_once("://").map_or((None, pattern), |(wanted, rest)| (Some(wanted), rest));
    let (name, number) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(name, after)| (name, after.strip_prefix(':'))).unwrap(),
        None => rest.split_once(':').map_or((rest, None), |(name, number)| (name, Some(number))),
    };
    let scheme_fits = match wanted {
        Some(wanted) => wanted == scheme,
        None => scheme == "https" || number.is_some() || is_address,
    };
    let port_fits = match number {
        Some(number) => number == port.to_string(),
        None => port == if scheme == "https" { 443 } else { 80 },
    };
    let name_fits = match name.strip_prefix("*.") {
        Some(parent) => !is_address && host.ends_with(&format!(".{parent}")) && host.len() > parent.len() + 1,
        None => name == "*" || name == host,
    };
    scheme_fits && port_fits && name_fits
}
