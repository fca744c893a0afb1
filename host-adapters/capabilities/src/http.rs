//! `http`: outgoing requests, for `wasi:http` and `plugwork:host/fetch` alike.
//!
//! The decision falls twice: on the request, and on every address just before it is dialled. Names are resolved once, here; the
//! connection goes to an address that was allowed, so a second answer from the name server changes nothing. Redirects are not followed, proxies
//! of the environment are not used, and each grant has a connection pool of its own.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyDataStream, BodyExt};
use plugwork::interfaces::http::{HttpClient, HttpError, Sending};
use plugwork::interfaces::{link_fetch, link_outgoing};
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime_wasi_http::{Error as WireError, WasiBody};
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::http::{HttpBounds, RequestFacts, Scheme};
use plugwork_core::policy::{self, Decision};
use plugwork_core::{Denial, InterfaceName, Issue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use serde_json::{Map, Value};
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A body of known size up to this is sent with its length; anything else in chunks.
const WHOLE_BODY_BYTES_MAX: u64 = 8 << 20;

/// Offers HTTP: `{ hosts = ["api.example.com"], methods = ["GET"], networks = [] }`. See `plugwork_core::policy::http`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

struct Granted(Arc<Client>);

impl Capability for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["plugwork:host/fetch", "wasi:http/outgoing-handler"]
    }

    fn configure(&self, subject: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds: HttpBounds = policy::parse(bounds)?;
        if bounds.hosts.is_empty() {
            return Err(Issue { what: "no host".to_owned(), at: "hosts".to_owned(), expected: "at least one host pattern".to_owned() });
        }
        let decider = Arc::new(Decider { bounds, plugin: subject.to_string() });
        Ok(Box::new(Granted(Arc::new(Client { decider, client: OnceLock::new() }))))
    }
}

impl Configured for Granted {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        match interface.path() {
            "plugwork:host/fetch" => link_fetch(linker),
            _ => link_outgoing(linker),
        }
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.http(self.0.clone());
        Ok(())
    }
}

struct Client {
    decider: Arc<Decider>,
    /// Made at the first request: reading the system's certificates takes milliseconds.
    client: OnceLock<Result<reqwest::Client, String>>,
}

/// Turns decisions of the policy into denials with a subject and a hint.
struct Decider {
    bounds: HttpBounds,
    plugin: String,
}

impl Decider {
    fn obey(&self, decision: Decision) -> Result<(), Denial> {
        match decision {
            Decision::Allow => Ok(()),
            Decision::Deny { code, rule, hint } => Err(Denial {
                code: code.to_owned(),
                permission: "http".to_owned(),
                rule: format!("{rule} (plugin `{}`)", self.plugin),
                hint: format!("add to the plugin's `http` grant: {hint}"),
            }),
        }
    }

    fn address(&self, address: IpAddr) -> Result<(), Denial> {
        self.obey(self.bounds.decide_address(address))
    }
}

impl HttpClient for Client {
    fn send(&self, request: http::Request<WasiBody>, timeout: Duration) -> Sending {
        let prepared = self.prepare(&request);
        Box::pin(async move {
            let (client, url) = prepared?;
            let request = outgoing(request, url).await?;
            match tokio::time::timeout(timeout, client.execute(request)).await {
                Ok(Ok(response)) => Ok(incoming(response)),
                Ok(Err(error)) => Err(explain(&error)),
                Err(_) => Err(HttpError::TimedOut),
            }
        })
    }
}

impl Client {
    /// Decides on the request; gives the client to send it with.
    fn prepare(&self, request: &http::Request<WasiBody>) -> Result<(reqwest::Client, Url), HttpError> {
        let invalid = |what: String| {
            HttpError::Invalid(Issue { what, at: "url".to_owned(), expected: "an absolute `http` or `https` URL".to_owned() })
        };
        // Parsed by the rules browsers use, so that `0x7f.1` or a full-width dot is judged as what it will dial.
        let url = Url::parse(&request.uri().to_string()).map_err(|error| invalid(error.to_string()))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(invalid(format!("scheme `{other}`"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it carries a user name or password".to_owned()));
        }
        let host = url.host().ok_or_else(|| invalid("it has no host".to_owned()))?;
        let (name, address) = match host {
            url::Host::Domain(name) => (name.trim_end_matches('.').to_owned(), None),
            url::Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(address))),
            url::Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(address))),
        };
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        let facts = RequestFacts { scheme, host: &name, port, method: request.method().as_str() };
        self.decider.obey(self.decider.bounds.decide_request(&facts)).map_err(HttpError::Denied)?;
        if let Some(address) = address {
            // A literal address is dialled without asking the resolver below.
            self.decider.address(address).map_err(HttpError::Denied)?;
        }
        let client = self.client.get_or_init(|| client(self.decider.clone()));
        client.clone().map(|client| (client, url)).map_err(HttpError::Unavailable)
    }
}

fn client(decider: Arc<Decider>) -> Result<reqwest::Client, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(|error| format!("no usable certificates: {error}"))?;
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Resolver(decider))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(8)
        .build()
        .map_err(|error| error.to_string())
}

/// Resolves names and hands out only addresses that may be dialled.
struct Resolver(Arc<Decider>);

#[derive(Debug)]
struct AddressDenied(Denial);

impl std::fmt::Display for AddressDenied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for AddressDenied {}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let decider = self.0.clone();
        Box::pin(async move {
            let mut denial = None;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
                match decider.address(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(denied) => denial = Some(denied),
                }
            }
            match (allowed.is_empty(), denial) {
                (true, Some(denial)) => Err(AddressDenied(denial).into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

async fn outgoing(request: http::Request<WasiBody>, url: Url) -> Result<reqwest::Request, HttpError> {
    let (head, body) = request.into_parts();
    let mut outgoing = reqwest::Request::new(head.method, url);
    *outgoing.headers_mut() = head.headers;
    // The host that is dialled is the host that is named.
    outgoing.headers_mut().remove(http::header::HOST);
    let known_bytes = http_body::Body::size_hint(&body).exact();
    match known_bytes {
        Some(0) => {}
        Some(bytes) if bytes <= WHOLE_BODY_BYTES_MAX => {
            let whole = body.collect().await.map_err(|error| HttpError::Unavailable(format!("the request body broke off: {error}")))?;
            *outgoing.body_mut() = Some(whole.to_bytes().into());
        }
        _ => *outgoing.body_mut() = Some(reqwest::Body::wrap_stream(BodyDataStream::new(body))),
    }
    Ok(outgoing)
}

fn incoming(response: reqwest::Response) -> http::Response<WasiBody> {
    http::Response::<reqwest::Body>::from(response).map(|body| body.map_err(|_| WireError::HttpResponseIncomplete).boxed_unsync())
}

/// The denial inside a failed request, or why it failed.
fn explain(error: &reqwest::Error) -> HttpError {
    let mut cause = error.source();
    let mut reason = error.to_string();
    while let Some(source) = cause {
        if let Some(AddressDenied(denial)) = source.downcast_ref() {
            return HttpError::Denied(denial.clone());
        }
        reason = source.to_string();
        cause = source.source();
    }
    if error.is_timeout() { HttpError::TimedOut } else { HttpError::Unavailable(reason) }
}
