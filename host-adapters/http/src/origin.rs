//! Where a request comes from: what the server knows about its connection, and the number it is known by.
//!
//! All of it travels in the request's extensions, which no client can write. Easily got wrong: behind a proxy the peer is the proxy; a server that
//! trusts one puts the [`Connection`] there that the proxy told it of.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use http::{StatusCode, request};
use plugwork::Cause;
use plugwork::core::trace::TraceContext;
use plugwork_points::http_function::{Context, Principal};

use crate::problem::Problem;

/// The connection of a request. To be put into its extensions by the server; without it the scheme is `http` and the peer the one of axum's
/// `ConnectInfo`, if that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// Whether the client spoke TLS.
    pub tls: bool,
    /// The client; none where it has no address, as behind a Unix socket.
    pub client: Option<SocketAddr>,
}

/// What a request is known by in logs and in answers: unique in this process and, very likely, everywhere. A server that has made one already puts
/// it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// A new one: a number of this process, drawn at its start, and a count. It can be guessed, so it opens nothing.
    pub fn new() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let process = PROCESS.get_or_init(|| RandomState::new().build_hasher().finish());
        Self(format!("{process:016x}{:08x}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// As text: hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parameters of the route that a request was given to, for a server that routes without axum: put into its extensions, decoded, in the order of
/// the pattern. Instead of those of axum's route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteParameters(pub Vec<(String, String)>);

/// The number of a request, and a new one where the server has given none.
pub(crate) fn request_id(head: &request::Parts) -> RequestId {
    head.extensions.get::<RequestId>().cloned().unwrap_or_default()
}

/// What the plugin's log, and what the plugin asks of others, is told of a request. A [`TraceContext`] is taken from the extensions.
pub(crate) fn cause(head: &request::Parts, id: &RequestId) -> Cause {
    Cause { request_id: id.as_str().to_owned(), trace: head.extensions.get::<TraceContext>().cloned() }
}

/// Everything that the host says about a request. A [`Principal`] and a [`Connection`] are taken from the extensions.
pub(crate) async fn context(head: &mut request::Parts, authority: String, id: &RequestId) -> Result<Context, Problem> {
    let connection = connection(head);
    let route_parameters = match head.extensions.remove::<RouteParameters>() {
        Some(RouteParameters(parameters)) => parameters,
        None => match RawPathParams::from_request_parts(head, &()).await {
            Ok(parameters) => parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(RawPathParamsRejection::MissingPathParams(_)) => Vec::new(),
            // Not the same as none: a plugin that is asked about all where it should be about one answers another request.
            Err(_) => {
                return Err(Problem::new(StatusCode::BAD_REQUEST, "E-HTTP-PATH", "a part of the path is not text once it is decoded"));
            }
        },
    };
    Ok(Context {
        scheme: if connection.tls { "https" } else { "http" }.to_owned(),
        authority,
        client_address: connection.client.map(|client| client.to_string()).unwrap_or_default(),
        principal: head.extensions.get::<Principal>().cloned(),
        request_id: id.as_str().to_owned(),
        route_parameters,
    })
}

/// The connection as the server knows it.
pub(crate) fn connection(head: &request::Parts) -> Connection {
    head.extensions.get::<Connection>().copied().unwrap_or_else(|| Connection {
        tls: false,
        client: head.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(client)| *client),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_have_one_number() {
        let numbers: std::collections::HashSet<_> = (0..1_000).map(|_| RequestId::new()).collect();
        assert_eq!(numbers.len(), 1_000);
    }
}
