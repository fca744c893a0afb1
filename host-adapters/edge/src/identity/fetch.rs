//! Fetching a set of keys: one request, within a time and a size, by the client that plugins' requests go through too.
//!
//! Easily got wrong: the address is the operator's, and still every address that its name leads to is judged before it is dialled, and no redirect is
//! followed. What may be dialled beside public addresses is configured.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use plugwork::interfaces::http::{HttpClient, HttpError};
use plugwork_capabilities::Http;
use plugwork_core::Issue;
use plugwork_core::policy::http::Scheme;
use plugwork_core::policy::{Decision, Target};
use serde_json::{Value, json};

use crate::finding::issue;

/// From the request to the end of its answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Bytes of a set of keys.
pub(super) const SET_BYTES_MAX: usize = 256 << 10;

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    /// How long its server says that it holds.
    pub(super) max_age_s: Option<u64>,
}

pub(super) type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, String>> + Send + 'a>>;

/// Gets a set of keys.
pub(super) trait Fetch: Send + Sync + 'static {
    fn fetch(&self) -> Fetching<'_>;
}

/// One address, by HTTP.
pub(super) struct FromAddress {
    url: http::Uri,
    client: Arc<dyn HttpClient>,
}

impl FromAddress {
    /// `networks`: addresses that are not public and may be dialled all the same.
    ///
    /// # Errors
    /// An address that keys are not fetched from.
    pub(super) fn new(url: &str, networks: &[String]) -> Result<Self, Issue> {
        const EXPECTED: &str =
            "an address that begins with `https://`; `http://` only with a loopback address, such as `http://127.0.0.1:8000/keys`";
        let wrong = |what: String| issue("jwks-url", what, EXPECTED);
        let target = Target::parse(url).map_err(|decision| match decision {
            Decision::Deny { rule, .. } => wrong(rule),
            Decision::Allow => wrong("the URL is refused".to_owned()),
        })?;
        let loopback = target.address().filter(std::net::IpAddr::is_loopback);
        if target.scheme() == Scheme::Http && loopback.is_none() {
            return Err(wrong(format!("`{}` is not protected on its way", target.as_str())));
        }
        let (scheme, port) = (target.scheme(), target.port());
        let host = if target.host().contains(':') { format!("[{}]", target.host()) } else { target.host().to_owned() };
        let own = loopback.filter(|_| scheme == Scheme::Http).map(|address| address.to_string());
        let networks: Vec<&String> = networks.iter().chain(&own).collect();
        let bounds = json!({ "hosts": [format!("{scheme}://{host}:{port}")], "methods": ["GET"], "networks": networks });
        let Value::Object(bounds) = bounds else { return Err(wrong("it has no bounds".to_owned())) };
        let client = Http::default().client("the server itself", &bounds)?;
        let url = http::Uri::try_from(target.as_str()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { url, client })
    }

    async fn get(&self) -> Result<Fetched, String> {
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(body);
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("plugwork"));
        let response = self.client.send(request, DEADLINE).await.map_err(|error| told(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("it was answered with status {}", response.status().as_u16()));
        }
        let max_age_s = max_age_s(response.headers());
        let body = Limited::new(response.into_body(), SET_BYTES_MAX).collect().await;
        let bytes = body.map_err(|_| format!("the answer broke off, or has more than {SET_BYTES_MAX} bytes"))?.to_bytes().to_vec();
        Ok(Fetched { bytes, max_age_s })
    }
}

impl Fetch for FromAddress {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async {
            let late = || format!("it did not answer within {} seconds", DEADLINE.as_secs());
            let got = tokio::time::timeout(DEADLINE, self.get()).await.unwrap_or_else(|_| Err(late()));
            got.map_err(|why| format!("cannot fetch `{}`: {why}", self.url))
        })
    }
}

fn told(error: &HttpError) -> String {
    match error {
        HttpError::Denied(denial) if denial.code == "E-CAP-HTTP-ADDRESS" => {
            format!("{}: add it to `networks` of the check if it is meant", denial.rule)
        }
        HttpError::Denied(denial) => denial.rule.clone(),
        HttpError::Invalid(issue) => issue.what.clone(),
        HttpError::TimedOut => "it did not answer in time".to_owned(),
        HttpError::Unavailable(why) => why.clone(),
    }
}

/// Of `cache-control`: 0 where it may not be kept at all.
fn max_age_s(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> = values.flat_map(|value| value.split(',')).map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|one| one == "no-store" || one == "no-cache") {
        return Some(0);
    }
    directives.iter().find_map(|one| one.strip_prefix("max-age=")?.trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_over_tls_or_from_this_machine() {
        for url in [
            "http://id.example.com/keys",
            "http://localhost/keys",
            "http://10.0.0.1/keys",
            "ftp://id.example.com/keys",
            "file:///etc/keys",
            "https://user:word@id.example.com/keys",
            "id.example.com",
            "",
        ] {
            assert_eq!(FromAddress::new(url, &[]).err().map(|issue| issue.at).as_deref(), Some("jwks-url"), "{url}");
        }
        for url in ["https://id.example.com/keys", "https://id.example.com:8443/keys", "http://127.0.0.1:8000/keys", "http://[::1]/keys"] {
            assert!(FromAddress::new(url, &[]).is_ok(), "{url}");
        }
        assert!(FromAddress::new("https://id.example.com/keys", &["10.0.0.0/8".to_owned()]).is_ok());
        assert!(FromAddress::new("https://id.example.com/keys", &["mars".to_owned()]).is_err());
    }

    #[tokio::test]
    async fn a_private_address_is_not_dialled_unless_it_is_configured() {
        let why = FromAddress::new("https://127.0.0.1:1/keys", &[]).unwrap().fetch().await.unwrap_err();
        assert!(why.contains("`networks`"), "{why}");
        let why = FromAddress::new("https://127.0.0.1:1/keys", &["127.0.0.1".to_owned()]).unwrap().fetch().await.unwrap_err();
        assert!(!why.contains("`networks`"), "{why}");
    }

    #[test]
    fn how_long_a_set_holds_is_its_servers_word() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            max_age_s(&headers)
        };
        assert_eq!((of(&[]), of(&["public"]), of(&["max-age=mars"])), (None, None, None));
        assert_eq!((of(&["public, Max-Age=600"]), of(&["public", "max-age=\"7\""])), (Some(600), Some(7)));
        assert_eq!((of(&["no-store, max-age=600"]), of(&["max-age=600", "no-cache"])), (Some(0), Some(0)));
    }
}
