//! Where a request goes, read from its URL as browsers read it.
//!
//! What is judged is what must be dialled: an adapter sends to [`Target::as_str`], never to the text it was given, because two readers of
//! one odd URL can disagree about its host.

use std::net::IpAddr;

use url::{Host, Url};

use super::Decision;
use super::host::Scheme;

/// Bytes of a URL.
pub const URL_BYTES_MAX: usize = 8 << 10;

/// A URL of `http` or `https`, read and made plain: no user name, no fragment, no trailing dot, addresses in their usual form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    scheme: Scheme,
    host: String,
    address: Option<IpAddr>,
    port: u16,
}

impl Target {
    /// Reads an absolute URL. The error is a denial with code `E-CAP-HTTP-URL`.
    pub fn parse(text: &str) -> Result<Self, Decision> {
        Self::read(text, None)
    }

    /// Reads the `location` of a redirect, which may be relative to this target. What it gives must be judged as a request of its own.
    pub fn follow(&self, location: &str) -> Result<Self, Decision> {
        Self::read(location, Some(&self.url))
    }

    fn read(text: &str, base: Option<&Url>) -> Result<Self, Decision> {
        if text.len() > URL_BYTES_MAX {
            return Err(refused(format!("it has {} bytes, more than {URL_BYTES_MAX}", text.len())));
        }
        // Browsers drop tabs and line ends wherever they stand and blanks at the ends; nobody writes them but to hide something.
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(refused("it has control characters, or blanks around it".to_owned()));
        }
        let mut url = Url::options().base_url(base).parse(text).map_err(|error| refused(format!("it cannot be read: {error}")))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(refused(format!("its scheme `{other}` is neither http nor https"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it carries a user name or password".to_owned()));
        }
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        if port == 0 {
            return Err(refused("nothing listens on port 0".to_owned()));
        }
        let (host, address) = match url.host() {
            Some(Host::Domain(name)) => (name.strip_suffix('.').unwrap_or(name).to_owned(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::V6(address))),
            None => return Err(refused("it has no host".to_owned())),
        };
        if address.is_none() {
            if !is_resolvable(&host) {
                return Err(refused(format!("its host `{}` is not a name that can be resolved", host.escape_debug())));
            }
            url.set_host(Some(&host)).map_err(|error| refused(format!("it cannot be read: {error}")))?;
        }
        url.set_fragment(None);
        Ok(Self { url, scheme, host, address, port })
    }

    /// The URL to dial.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name in lower case and ASCII without trailing dot, or the address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address, where the URL names one in whatever spelling.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The port that will be dialled.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether both have the same scheme, host and port: what was sent to one may be sent to the other.
    pub fn is_same_origin(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }
}

fn refused(why: String) -> Decision {
    Decision::Deny { code: "E-CAP-HTTP-URL", rule: format!("the URL is refused: {why}"), hint: String::new() }
}

/// Whether the text is a name of at most 253 bytes, its labels at most 63 of what names of hosts are made of.
fn is_resolvable(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len()) && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn what_is_judged_is_what_is_dialled() {
        for (written, dialled, host, port) in [
            ("HTTPS://EXAMPLE.com.:8443/a?b#c", "https://example.com:8443/a?b", "example.com", 8443),
            ("http://0x7f.1/", "http://127.0.0.1/", "127.0.0.1", 80),
            ("http://2130706433:81", "http://127.0.0.1:81/", "127.0.0.1", 81),
            ("https://[0:0::1]/", "https://[::1]/", "::1", 443),
            ("https://b\u{fc}cher.example/", "https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
            ("https://good.example\\@evil.example/", "https://good.example/@evil.example/", "good.example", 443),
        ] {
            let target = target(written);
            assert_eq!((target.as_str(), target.host(), target.port()), (dialled, host, port), "{written}");
            assert_eq!(target.address().is_some(), host.parse::<IpAddr>().is_ok());
            assert_eq!(Target::parse(target.as_str()), Ok(target));
        }
    }

    #[test]
    fn a_redirect_is_read_against_the_place_it_came_from() {
        let from = target("https://example.com/a/b");
        for (location, to, same) in [
            ("c", "https://example.com/a/c", true),
            ("//evil.example/", "https://evil.example/", false),
            ("http://example.com/", "http://example.com/", false),
            ("https://example.com:444/", "https://example.com:444/", false),
        ] {
            let target = from.follow(location).unwrap();
            assert_eq!((target.as_str(), target.is_same_origin(&from)), (to, same), "{location}");
        }
        for bad in ["file:///etc/passwd", "//user@evil.example/", "http://127.0.0.1:0/"] {
            assert!(from.follow(bad).is_err(), "{bad}");
        }
        assert_eq!(target("https://example.com/").scheme(), Scheme::Https);
    }

    #[test]
    fn a_url_at_the_limit_is_read_and_one_past_it_is_not() {
        let url = |bytes: usize| format!("https://example.com/{}", "a".repeat(bytes - 20));
        assert!(Target::parse(&url(URL_BYTES_MAX)).is_ok());
        assert!(Target::parse(&url(URL_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn names_at_their_limits_resolve_and_one_past_them_do_not() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(is_resolvable(&longest) && !is_resolvable(&format!("{longest}a")));
        assert!(is_resolvable("a_b.example") && !is_resolvable(&"a".repeat(64)));
        for bad in ["", "a..b", "a.", "*.b", "a b", "A"] {
            assert!(!is_resolvable(bad), "{bad}");
        }
    }
}
