//! How an application is served.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CurrentWords, FindingWords};

/// An application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Application)]
pub struct ApplicationWords {
    /// What is current on record.
    pub current: CurrentWords,
    /// Whether that is served.
    pub served: bool,
    /// Why not.
    pub findings: Vec<FindingWords>,
    /// Its plugins, as they run.
    pub plugins: Vec<PluginWords>,
    /// Its routes.
    pub routes: Vec<RouteWords>,
}

/// A plugin of an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Plugin)]
pub struct PluginWords {
    /// The application's name for it.
    pub name: String,
    /// The package.
    pub package: String,
    /// The instance in the runtime, as `plugwork ps` shows it.
    pub instance: String,
    /// Its state, such as `active`.
    pub state: String,
    /// Requests that are with it.
    pub in_flight: u64,
    /// Requests that wait for it.
    pub waiting: u64,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Route)]
pub struct RouteWords {
    /// Which host; `*` for any.
    pub host: String,
    /// Which methods; empty for any.
    pub methods: Vec<String>,
    /// Which paths.
    pub path: String,
    /// Which plugin answers.
    pub plugin: String,
}
