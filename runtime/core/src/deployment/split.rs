//! Sharing requests between a deployment and the one before it: by a header, or else by a share of keys.
//!
//! What a reader may get wrong: the same key always falls on the same side, and raising the percentage moves nobody back. What the key is (a client's address,
//! a session, a request's id) is for the server to choose; one that clients choose themselves lets them choose the side.

/// How requests are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// How many in a hundred go to this deployment, 0 to 100; the others to the one before.
    pub percent: u8,
    /// Requests with this header go to this deployment whatever their key.
    pub header: Option<SplitHeader>,
}

/// A header that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitHeader {
    /// Its name, lower case.
    pub name: String,
    /// The value that it must have; none: any.
    pub value: Option<String>,
}

impl Split {
    /// Whether a request goes to this deployment. `header` is the value of [`Split::header`] in the request, if it has one.
    pub fn takes(&self, key: &[u8], header: Option<&[u8]>) -> bool {
        let is_chosen = match (&self.header, header) {
            (Some(wanted), Some(found)) => wanted.value.as_ref().is_none_or(|value| value.as_bytes() == found),
            _ => false,
        };
        is_chosen || is_in_share(key, self.percent)
    }
}

/// Whether a key is among `percent` in a hundred. The same for every node and every start.
pub fn is_in_share(key: &[u8], percent: u8) -> bool {
    // FNV-1a, then the finaliser of MurmurHash3: the first alone leaves its upper bits too alike for keys that differ at the end.
    let mut hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    // The upper bits as a fraction of a hundred: no remainder, so no side is favoured.
    ((u128::from(hash) * 100) >> 64) < u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(percent: u8, header: Option<(&str, Option<&str>)>) -> Split {
        let header = header.map(|(name, value)| SplitHeader { name: name.to_owned(), value: value.map(str::to_owned) });
        Split { percent, header }
    }

    #[test]
    fn nothing_takes_no_key_and_everything_takes_each() {
        for key in 0..1_000_u32 {
            let key = key.to_le_bytes();
            assert!(!is_in_share(&key, 0) && is_in_share(&key, 100));
        }
    }

    #[test]
    fn a_share_is_as_large_as_it_says_and_only_grows() {
        for percent in [1, 10, 50, 90, 99] {
            let keys = (0..100_000).map(|index| format!("198.51.100.{index}"));
            let taken = keys.filter(|key| is_in_share(key.as_bytes(), percent)).count() as i64;
            assert!((taken - i64::from(percent) * 1_000).abs() < 600, "{percent}: {taken}");
        }
        for key in (0..1_000).map(|index| index.to_string()) {
            let first = (0..=100).find(|&percent| is_in_share(key.as_bytes(), percent)).unwrap();
            assert!((first..=100).all(|percent| is_in_share(key.as_bytes(), percent)));
        }
    }

    #[test]
    fn a_header_decides_only_where_it_is_asked_for_and_has_the_value() {
        assert!(!split(0, None).takes(b"", Some(b"yes")));
        let named = split(0, Some(("x-canary", None)));
        assert!(named.takes(b"", Some(b"")) && named.takes(b"", Some(b"no")) && !named.takes(b"", None));
        let valued = split(0, Some(("x-canary", Some("yes"))));
        assert!(valued.takes(b"", Some(b"yes")) && !valued.takes(b"", Some(b"Yes")) && !valued.takes(b"", None));
        // Who has no header, or another value, is shared by key as everybody.
        assert!(split(100, Some(("x-canary", Some("yes")))).takes(b"", Some(b"no")));
    }

    #[test]
    fn the_sides_of_keys_never_change() {
        let sides: String = (0..24).map(|key: u8| if is_in_share(&[key], 50) { '1' } else { '0' }).collect();
        assert_eq!(sides, "011001100110101101101111");
    }
}
