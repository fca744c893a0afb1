//! From an [`Application`] to its one spelling. What stands at its default is left out.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Application, ApplicationError, ClientRate, PluginDeclaration, RouteDeclaration, SecretSource};
use crate::route::HostRule;
use crate::{Issue, Limits};

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<WrittenSplit<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    plugin: BTreeMap<&'a str, WrittenPlugin<'a>>,
    route: Vec<WrittenRoute<'a>>,
}

#[derive(Serialize)]
struct WrittenSplit<'a> {
    percent: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

#[derive(Serialize)]
struct WrittenPlugin<'a> {
    source: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    config: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    grants: BTreeMap<String, Map<String, Value>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    limits: Map<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<&'a str, BTreeMap<&'static str, &'a str>>,
}

#[derive(Serialize)]
struct WrittenRoute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    path: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    methods: &'a [String],
    plugin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<&'a str>,
    #[serde(skip_serializing_if = "WrittenRouteLimits::is_empty")]
    limits: WrittenRouteLimits,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WrittenRouteLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_rate: Option<WrittenRate>,
}

impl WrittenRouteLimits {
    fn is_empty(&self) -> bool {
        self.body_bytes.is_none() && self.deadline_ms.is_none() && self.client_rate.is_none()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WrittenRate {
    requests: u32,
    window_seconds: u32,
}

pub(super) fn application(application: &Application) -> Result<String, ApplicationError> {
    let split = application.split.as_ref().map(|split| WrittenSplit {
        percent: split.percent,
        header: split.header.as_ref().map(|header| header.name.as_str()),
        value: split.header.as_ref().and_then(|header| header.value.as_deref()),
    });
    let written = Written {
        name: &application.name,
        split,
        plugin: application.plugins.iter().map(|(name, declared)| (name.as_str(), plugin(declared))).collect(),
        route: application.routes.iter().map(route).collect(),
    };
    toml::to_string(&written).map_err(|error| ApplicationError {
        issues: vec![Issue { what: error.to_string(), at: String::new(), expected: "values that TOML has".to_owned() }],
    })
}

fn route(declared: &RouteDeclaration) -> WrittenRoute<'_> {
    let limits = WrittenRouteLimits {
        body_bytes: declared.limits.body_bytes,
        deadline_ms: declared.limits.deadline_ms,
        client_rate: declared.limits.client_rate.map(|ClientRate { requests, window_seconds }| WrittenRate { requests, window_seconds }),
    };
    WrittenRoute {
        host: (declared.route.host != HostRule::Any).then(|| declared.route.host.to_string()),
        path: declared.route.path.to_string(),
        methods: &declared.route.methods,
        plugin: &declared.plugin,
        auth: declared.auth.as_deref(),
        limits,
    }
}

fn plugin(declared: &PluginDeclaration) -> WrittenPlugin<'_> {
    let secrets = declared.secrets.iter().map(|(name, source)| {
        let kind = match source {
            SecretSource::Environment(_) => "environment",
            SecretSource::File(_) => "file",
        };
        (name.as_str(), BTreeMap::from([(kind, source.label())]))
    });
    WrittenPlugin {
        source: declared.source.to_string(),
        config: &declared.config,
        grants: declared.grants.iter().map(|grant| (grant.capability, grant.bounds)).collect(),
        limits: limits(&declared.limits),
        secrets: secrets.collect(),
    }
}

/// Those that are not the default. One that is none where the default is a number cannot be written, and cannot have been read either.
fn limits(limits: &Limits) -> Map<String, Value> {
    let (Ok(Value::Object(written)), Ok(Value::Object(default))) = (serde_json::to_value(limits), serde_json::to_value(Limits::default()))
    else {
        unreachable!("limits are an object")
    };
    written.into_iter().filter(|(name, value)| !value.is_null() && default.get(name) != Some(value)).collect()
}
