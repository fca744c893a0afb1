//! Address ranges in CIDR notation, and which addresses are public.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A range of addresses, such as `10.0.0.0/8` or `::1/128`; a bare address is the range of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address lies in the range. An IPv4 address mapped into IPv6 is judged as the IPv4 address it reaches.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => prefix_equal(net.to_bits().into(), address.to_bits().into(), 32, self.bits),
            (IpAddr::V6(net), IpAddr::V6(address)) => prefix_equal(net.to_bits(), address.to_bits(), 128, self.bits),
            _ => false,
        }
    }

    /// Whether every address of `narrower` lies in `self`. A range written in mapped form lies in no IPv4 range.
    pub fn covers(&self, narrower: &Self) -> bool {
        let (mine, other) = match (self.address, narrower.address) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => ((u128::from(mine.to_bits()), 32), u128::from(other.to_bits())),
            (IpAddr::V6(mine), IpAddr::V6(other)) => ((mine.to_bits(), 128), other.to_bits()),
            _ => return false,
        };
        self.bits <= narrower.bits && prefix_equal(mine.0, other, mine.1, self.bits)
    }
}

fn prefix_equal(a: u128, b: u128, width: u8, bits: u8) -> bool {
    bits == 0 || (a ^ b) >> (width - bits) == 0
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("`{text}` is not an address range: expected such as `10.0.0.0/8` or `127.0.0.1`");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok().filter(|read| read.to_string() == bits).ok_or_else(refused)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width {
            return Err(refused());
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Whether an address is on the public internet: not private, loopback, link-local, shared, multicast, reserved or unspecified, nor a form of IPv6
/// (mapped, NAT64, 6to4, Teredo, ISATAP) that may reach such a one. Registries: RFC 6890, RFC 4193, RFC 6052, RFC 3056, RFC 4380, RFC 5214.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, _, _, e, f, ..] = address.segments();
    // Global unicast is 2000::/3; everything else (loopback, unique local, link-local, multicast, NAT64) is not.
    (a & 0xe000) == 0x2000
        && !(a == 0x2001 && b < 0x0200) // IETF protocol assignments, Teredo among them
        && !(a == 0x2001 && b == 0x0db8)
        && a != 0x2002 // 6to4 carries an IPv4 address
        && !(a == 0x3fff && b < 0x1000)
        && !((e & 0xfdff) == 0 && f == 0x5efe) // ISATAP carries an IPv4 address in its lower half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_disguised_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_range_holds_its_edges_and_nothing_past_them() {
        let net: Network = "10.0.0.0/8".parse().unwrap();
        assert!(net.contains("10.255.255.255".parse().unwrap()) && net.contains("::ffff:10.0.0.0".parse().unwrap()));
        assert!(!net.contains("11.0.0.0".parse().unwrap()) && !net.contains("9.255.255.255".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("8.8.8.8".parse().unwrap()));
        for bad in ["10.0.0.0/33", "x", "10.0.0/8", "::1/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/08"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
