//! Where a request comes from: what the server knows about its connection, and the number it is known by.
//!
//! A server hands it over as an [`Origin`], or in the request's extensions, which no client can write. Easily got wrong: behind a proxy the peer is the
//! proxy; a server that trusts one gives the [`Connection`] that the proxy told it of.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use http::{StatusCode, request};
use plugwork::core::trace::{TraceContext, digits};
use plugwork::{Cause, Installation};
use plugwork_points::http_function::{Context, Principal};
use serde::{Serialize, Serializer};

use crate::problem::Problem;

/// The connection of a request. To be given by the server, in an [`Origin`] or in the request's extensions; without it the scheme is `http` and the peer the one of axum's
/// `ConnectInfo`, if that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connection {
    /// Whether the client spoke TLS.
    pub tls: bool,
    /// The client; none where it has no address, as behind a Unix socket.
    pub client: Option<SocketAddr>,
}

/// What a request is known by in logs and in answers: unique in this process and, very likely, everywhere. A server that has made one already gives
/// it, in an [`Origin`] or in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; ID_BYTES]);

/// Hexadecimal digits: half of them the process's, half of them a count.
const ID_BYTES: usize = 24;

impl RequestId {
    /// A new one: a number of this process, drawn at its start, and a count. It can be guessed, so it opens nothing.
    pub fn new() -> Self {
        static PROCESS: OnceLock<(u64, u64)> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(1);
        // Where the count begins is drawn too, so that two processes of one number hardly ever meet.
        let (process, first) = *PROCESS.get_or_init(|| {
            let drawn = RandomState::new();
            (drawn.hash_one(0), drawn.hash_one(1))
        });
        let half = 4 * ID_BYTES / 2;
        let count = first.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
        let number = u128::from(process) << half | u128::from(count) & ((1 << half) - 1);
        Self(digits(number))
    }

    /// As text: hexadecimal digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("digits are text")
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The parameters of the route that a request was given to, for a server that routes without axum: put into its extensions, decoded, in the order of
/// the pattern. Instead of those of axum's route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteParameters(pub Vec<(String, String)>);

/// What a server knows of a request beside its head.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// What it is known by.
    pub id: RequestId,
    /// Its connection.
    pub connection: Connection,
    /// The client's address as a plugin is told of it that is given a request whole: that of the connection, written once for all of its requests. None: it is
    /// written for this one.
    pub client_address: Option<Arc<str>>,
    /// The host and port that the client asked for, where the server has read them already with [`authority`](crate::head::authority).
    pub authority: Option<String>,
    /// Who asks, where that is known.
    pub principal: Option<Principal>,
    /// Its place in a trace.
    pub trace: Option<TraceContext>,
    /// The parameters of its route, decoded, in the order of the pattern.
    pub route_parameters: Vec<(String, String)>,
}

impl Origin {
    /// The plugin, called for whoever asks.
    pub(crate) fn calls<'a>(&self, installation: &'a Installation) -> Cow<'a, Installation> {
        match &self.principal {
            Some(principal) => Cow::Owned(installation.clone().for_principal(&principal.name)),
            None => Cow::Borrowed(installation),
        }
    }

    /// What stands in a request's extensions: [`RequestId`], or a new one; [`Connection`], or axum's `ConnectInfo`; [`Principal`], [`TraceContext`] and
    /// [`RouteParameters`].
    pub fn of(head: &mut request::Parts) -> Self {
        let RouteParameters(route_parameters) = head.extensions.remove().unwrap_or_default();
        let known = &head.extensions;
        let peer = || known.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(client)| *client);
        Self {
            id: known.get::<RequestId>().copied().unwrap_or_default(),
            connection: known.get::<Connection>().copied().unwrap_or_else(|| Connection { tls: false, client: peer() }),
            client_address: None,
            authority: None,
            principal: known.get::<Principal>().cloned(),
            trace: known.get::<TraceContext>().cloned(),
            route_parameters,
        }
    }

    /// What the plugin's log, and what the plugin asks of others, is told of the request.
    pub(crate) fn cause(&self) -> Cause {
        Cause { request_id: self.id.as_str().to_owned(), trace: self.trace.clone() }
    }

    /// What a plugin is told that is given a request whole.
    pub(crate) fn context(&mut self, authority: String) -> Context {
        let connection = self.connection;
        let client = self.client_address.as_deref().map(str::to_owned);
        Context {
            scheme: if connection.tls { "https" } else { "http" }.to_owned(),
            authority,
            client_address: client.or_else(|| connection.client.map(|client| client.to_string())).unwrap_or_default(),
            principal: self.principal.take(),
            request_id: self.id.as_str().to_owned(),
            route_parameters: std::mem::take(&mut self.route_parameters),
        }
    }
}

/// The parameters of axum's route.
pub(crate) async fn of_axum(head: &mut request::Parts) -> Result<Vec<(String, String)>, Problem> {
    match RawPathParams::from_request_parts(head, &()).await {
        Ok(parameters) => Ok(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        Err(RawPathParamsRejection::MissingPathParams(_)) => Ok(Vec::new()),
        // Not the same as none: a plugin that is asked about all where it should be about one answers another request.
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "E-HTTP-PATH", "a part of the path is not text once it is decoded")),
    }
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
