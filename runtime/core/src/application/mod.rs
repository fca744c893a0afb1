//! An application of the edge server, as its `plugwork.toml` declares it: which plugins there are, with what rights and limits, and which requests they
//! answer. Pure: reading a component file, preparing it and serving it are the server's.
//!
//! What a reader may get wrong: that it parses says that it is whole in itself. Whether a plugin may be given its grants depends on its manifest
//! ([`crate::Grants::narrowing`]), and whether a secret or an identity of that name exists depends on the server.

mod read;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::deployment::Split;
use crate::name::is_label;
use crate::route::{Conflict, Route, RouteTable};
use crate::{Grants, Issue, Limits, PackageName};

/// Bytes of the text of an application.
pub const APPLICATION_BYTES_MAX: usize = 1 << 20;
/// Routes of an application.
pub const ROUTES_MAX: usize = 4_096;
/// Plugins of an application.
pub const PLUGINS_MAX: usize = 4_096;
/// Secrets of one plugin.
pub const PLUGIN_SECRETS_MAX: usize = 64;
/// Findings that are told at once; of more, the number.
pub const FINDINGS_MAX: usize = 256;
/// The largest body that a route may take, in bytes.
pub const ROUTE_BODY_BYTES_MAX: u64 = 1 << 30;
/// The longest time that a request of a route may take, in milliseconds.
pub const ROUTE_DEADLINE_MS_MAX: u64 = 3_600_000;
/// The most requests of a [`ClientRate`].
pub const RATE_REQUESTS_MAX: u64 = 1_000_000;
/// The longest window of a [`ClientRate`], in seconds.
pub const RATE_WINDOW_SECONDS_MAX: u64 = 3_600;

/// A parsed and checked application.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// A label; within its tenant it names the application.
    pub name: String,
    /// What is served, in the order of the text.
    pub routes: Vec<RouteDeclaration>,
    /// The plugins, by the name that routes use.
    pub plugins: BTreeMap<String, PluginDeclaration>,
    /// How requests are shared with the deployment before; none: all are this one's.
    pub split: Option<Split>,
}

/// One `[[route]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteDeclaration {
    /// Which requests.
    pub route: Route,
    /// Which of [`Application::plugins`] answers.
    pub plugin: String,
    /// What holds for this route beside the limits of the plugin.
    pub limits: RouteLimits,
    /// The label of an identity check of the server that a request must pass; none: everybody.
    pub auth: Option<String>,
}

/// Limits of one route; what is none is the server's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// Bytes of a request's body, 0 to [`ROUTE_BODY_BYTES_MAX`].
    pub body_bytes: Option<u64>,
    /// Milliseconds from the request's head to the answer's, 1 to [`ROUTE_DEADLINE_MS_MAX`]. A plugin's own deadline may end it sooner.
    pub deadline_ms: Option<u64>,
    /// How many requests one client may send.
    pub client_rate: Option<ClientRate>,
}

/// So many requests in so long a time, for each client; what the `RateLimit-Policy` header calls quota and window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRate {
    /// Requests in a window, 1 to [`RATE_REQUESTS_MAX`]. All may come at once.
    pub requests: u32,
    /// The window in seconds, 1 to [`RATE_WINDOW_SECONDS_MAX`].
    pub window_seconds: u32,
}

/// One `[plugin.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginDeclaration {
    /// Where its component comes from.
    pub source: Source,
    /// What it is to be granted; narrowed by its manifest.
    pub grants: Grants,
    /// What its `init` is given: an object of at most [`crate::limits::OPTIONS_BYTES_MAX`] bytes as JSON; empty.
    pub config: Map<String, Value>,
    /// What it may use: [`Limits::interactive`] but for what is written.
    pub limits: Limits,
    /// Its secrets by the name that it uses. Never their values.
    pub secrets: BTreeMap<String, SecretSource>,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A `.wasm` file, relative to the application's file. May lead upwards: whoever reads it decides whose files it may be.
    File(String),
    /// A package that is installed on the server.
    Package(PackageName),
}

/// Where a secret comes from. A label, not a variable or a path: whoever deploys must not be able to name any variable or file of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The variable that the server's own prefix and this label make.
    Environment(String),
    /// The entry of the server's own file of secrets.
    File(String),
}

/// Everything that is wrong with an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationError {
    /// At least one; `at` is a place in the file, such as `route[2].path` (the first route is 0).
    pub issues: Vec<Issue>,
}

impl fmt::Display for ApplicationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`plugwork.toml` is not an application:")?;
        self.issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
    }
}

impl std::error::Error for ApplicationError {}

impl Application {
    /// Reads and checks the text; every complaint about its meaning comes at once, a complaint about its syntax alone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ApplicationError> {
        read::application(text).map_err(|issues| ApplicationError { issues })
    }

    /// The same application in one spelling: order of keys, comments and limits at their defaults make no difference. It parses to an equal one.
    ///
    /// # Errors
    /// When a program put values into it that TOML does not have; one that was parsed has none.
    pub fn canonical(&self) -> Result<String, ApplicationError> {
        write::application(self)
    }

    /// The table of its routes; an index in an answer is a place in [`Application::routes`].
    ///
    /// # Errors
    /// The conflicts of an application that a program put together; one that was parsed has none.
    pub fn table(&self) -> Result<RouteTable, Vec<Conflict>> {
        let routes: Vec<Route> = self.routes.iter().map(|declared| declared.route.clone()).collect();
        RouteTable::new(&routes)
    }
}

impl FromStr for Source {
    type Err = Issue;

    fn from_str(text: &str) -> Result<Self, Issue> {
        if let Ok(name) = text.parse() {
            return Ok(Self::Package(name));
        }
        let is_plain = text.len() <= 1_024 && !text.chars().any(|letter| letter.is_control() || matches!(letter, '\\' | ':'));
        if is_plain && !text.starts_with('/') && text.strip_suffix(".wasm").is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/')) {
            return Ok(Self::File(text.to_owned()));
        }
        Err(Issue {
            what: format!("`{}` is no source", text.chars().take(120).collect::<String>().escape_debug()),
            at: String::new(),
            expected: "a relative path that ends with `.wasm`, or an installed package such as `acme:markdown`".to_owned(),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Package(name) => name.fmt(f),
        }
    }
}

impl SecretSource {
    /// The label in the source.
    pub fn label(&self) -> &str {
        match self {
            Self::Environment(label) | Self::File(label) => label,
        }
    }

    fn new(kind: &str, label: String) -> Option<Self> {
        match kind {
            _ if !is_label(&label) => None,
            "environment" => Some(Self::Environment(label)),
            "file" => Some(Self::File(label)),
            _ => None,
        }
    }
}
