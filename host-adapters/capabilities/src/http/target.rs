//! Where a request goes: read once, by the rules of browsers, so that what is decided on is what is dialled.

use std::net::IpAddr;

use http::Uri;
use plugwork::interfaces::http::HttpError;
use plugwork_core::Issue;
use plugwork_core::policy::http::{RequestFacts, Scheme};
use url::Url;

use super::dial::Decider;

/// A place that the grant allows, in its normal form.
pub(super) struct Target {
    url: Url,
    scheme: Scheme,
}

impl Target {
    /// Reads `text` and decides. `0x7f.1` or a full-width dot is judged as what it will dial.
    pub(super) fn decide(text: &str, method: &http::Method, decider: &Decider) -> Result<Self, HttpError> {
        Self::of(Url::parse(text).map_err(|error| invalid(error.to_string()))?, method, decider)
    }

    /// The place that a redirect from here names, likewise.
    pub(super) fn follow(&self, location: &str, method: &http::Method, decider: &Decider) -> Result<Self, HttpError> {
        Self::of(self.url.join(location).map_err(|error| invalid(error.to_string()))?, method, decider)
    }

    fn of(mut url: Url, method: &http::Method, decider: &Decider) -> Result<Self, HttpError> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(invalid(format!("scheme `{other}`"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it carries a user name or password".to_owned()));
        }
        url.set_fragment(None);
        let host = url.host().ok_or_else(|| invalid("it has no host".to_owned()))?;
        let (name, address) = match host {
            url::Host::Domain(name) => (name.trim_end_matches('.').to_owned(), None),
            url::Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(address))),
            url::Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(address))),
        };
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        let facts = RequestFacts { scheme, host: &name, port, method: method.as_str() };
        decider.obey(decider.bounds.decide_request(&facts)).map_err(HttpError::Denied)?;
        if let Some(address) = address {
            // Decided again when it is dialled. Here it keeps a denial from waiting for a slot and from looking like a broken connection.
            decider.obey(decider.bounds.decide_address(address)).map_err(HttpError::Denied)?;
        }
        Ok(Self { url, scheme })
    }

    /// What the client dials and asks for.
    pub(super) fn uri(&self) -> Result<Uri, HttpError> {
        Uri::try_from(self.url.as_str()).map_err(|error| invalid(error.to_string()))
    }

    /// Whether scheme, host and port are the same.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.url.host() == other.url.host()
            && self.url.port_or_known_default() == other.url.port_or_known_default()
    }

    pub(super) fn is_clear_text(&self) -> bool {
        self.scheme == Scheme::Http
    }
}

fn invalid(what: String) -> HttpError {
    HttpError::Invalid(Issue { what, at: "url".to_owned(), expected: "an absolute `http` or `https` URL".to_owned() })
}
