//! The server itself, and what it was given to keep.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::node::Naming;
use crate::settings::Settings;

/// The server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Server)]
pub struct ServerWords {
    /// Of plugwork.
    pub version: String,
    /// `starting`, `ready` or `stopping`.
    pub state: String,
    /// Since when. Unix milliseconds.
    pub since_ms: u64,
    /// Its process.
    pub pid: u32,
    /// Applications that are served.
    pub applications: u64,
    /// Its limits.
    pub limits: LimitsWords,
}

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Limits)]
pub struct LimitsWords {
    /// Connections at once.
    pub connections_max: u64,
    /// Time for a head, and between two requests over HTTP/1.1. Milliseconds.
    pub head_deadline_ms: u64,
    /// How long a connection of HTTP/2 may be without a request. Milliseconds.
    pub idle_ms: u64,
    /// How long a client may take none of what is sent to it. Milliseconds.
    pub stall_ms: u64,
    /// Requests at once on one connection of HTTP/2.
    pub streams_max: u32,
    /// Requests of one plugin that are with it at once.
    pub plugin_requests_max: u64,
    /// Requests that wait behind those.
    pub plugin_queue_max: u64,
    /// How long one of them waits. Milliseconds.
    pub plugin_queue_ms: u64,
    /// Components of one tenant, together, each counted as 256 KiB or more. Bytes.
    #[serde(default)]
    pub tenant_component_bytes_max: u64,
    /// How long requests that began may take when the server stops. Milliseconds.
    pub drain_ms: u64,
}

impl LimitsWords {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            connections_max: settings.connections_max as u64,
            head_deadline_ms: settings.head_deadline_ms,
            idle_ms: settings.idle_ms,
            stall_ms: settings.stall_ms,
            streams_max: settings.streams_max,
            plugin_requests_max: settings.plugin_requests_max as u64,
            plugin_queue_max: settings.plugin_queue_max as u64,
            plugin_queue_ms: settings.plugin_queue_ms,
            tenant_component_bytes_max: settings.tenant_component_bytes_max,
            drain_ms: settings.drain_ms,
        }
    }
}

/// A component that is kept, with who names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = KeptComponent)]
pub struct KeptComponentWords {
    /// `sha256:` and 64 digits.
    pub digest: String,
    /// How many.
    pub bytes: u64,
    /// The applications that name it; none: it can be removed.
    pub named_by: Vec<NamingWords>,
}

/// How an application names a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Naming)]
pub struct NamingWords {
    /// Which.
    pub application: String,
    /// So many of its deployments do.
    pub deployments: u64,
    /// The latest of them.
    pub latest: u64,
    /// Whether one of them is current, or shares the requests with what is; where none is it can be removed as `old`.
    pub needed: bool,
}

impl NamingWords {
    pub(crate) fn of(application: &str, naming: &Naming) -> Self {
        Self {
            application: application.to_owned(),
            deployments: naming.numbers.len() as u64,
            latest: naming.numbers.last().copied().unwrap_or_default(),
            needed: !naming.needed.is_empty(),
        }
    }
}

/// A component that is here, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Component)]
pub struct ComponentWords {
    /// `sha256:` and 64 digits.
    pub digest: String,
    /// How many.
    pub bytes: u64,
}
