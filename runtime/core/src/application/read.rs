//! From text to an [`Application`]: the shape of each part, then what the parts say of each other.
//!
//! What a reader may get wrong: a part that is wrong is left out of what is returned, but names in it still count, so that one mistake is not told
//! twice by way of another.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    APPLICATION_BYTES_MAX, Application, ClientRate, FINDINGS_MAX, PLUGIN_SECRETS_MAX, PLUGINS_MAX, PluginDeclaration, RATE_REQUESTS_MAX,
    RATE_WINDOW_SECONDS_MAX, ROUTE_BODY_BYTES_MAX, ROUTE_DEADLINE_MS_MAX, ROUTES_MAX, RouteDeclaration, RouteLimits, SecretSource,
};
use crate::deployment::{Split, SplitHeader};
use crate::limits::{CONFIG_DEPTH_MAX, OPTIONS_BYTES_MAX};
use crate::name::is_label;
use crate::policy::{self, header};
use crate::route::{HostRule, METHODS_MAX, Route, RouteTable, is_method};
use crate::section::{Findings, Section, json, object, place, table};
use crate::{Grants, Issue, Limits};

const LABEL: &str = "lower case words joined by `-`, at most 64 characters";

pub(super) fn application(text: &str) -> Result<Application, Vec<Issue>> {
    let one = |what: String, expected: String| vec![Issue { what, at: String::new(), expected }];
    if text.len() > APPLICATION_BYTES_MAX {
        return Err(one(format!("it has {} bytes", text.len()), format!("at most {APPLICATION_BYTES_MAX}")));
    }
    let entries: toml::Table = toml::from_str(text).map_err(|error| one(error.to_string().trim_end().to_owned(), String::new()))?;
    let mut findings = Findings::default();
    let mut file = Section::new("", entries);
    let name = file.needed("name", LABEL, &mut findings).unwrap_or_default();
    if !name.is_empty() && !is_label(&name) {
        findings.add("name", shown(&name), LABEL);
    }
    let written = file.list("route", "tables `[[route]]`", &mut findings);
    let declared = file.table("plugin", &mut findings).unwrap_or_default();
    let split = file.table("split", &mut findings).and_then(|entries| split(entries, &mut findings));
    file.end(&mut findings);
    let names: Vec<String> = declared.keys().cloned().collect();
    let plugins = plugins(declared, &mut findings);
    let routes = routes(written, &names, &mut findings);
    let mut issues = findings.0;
    if issues.is_empty() {
        return Ok(Application { name, routes, plugins, split });
    }
    if issues.len() > FINDINGS_MAX {
        let more = issues.len() - FINDINGS_MAX;
        issues.truncate(FINDINGS_MAX);
        issues.push(Issue { what: format!("{more} more findings"), at: String::new(), expected: String::new() });
    }
    Err(issues)
}

fn routes(written: Option<Vec<toml::Value>>, plugins: &[String], findings: &mut Findings) -> Vec<RouteDeclaration> {
    let Some(written) = written.filter(|written| !written.is_empty()) else {
        if !findings.0.iter().any(|issue| issue.at == "route") {
            findings.add("route", "there is none", "at least one `[[route]]`");
        }
        return Vec::new();
    };
    if written.len() > ROUTES_MAX {
        findings.add("route", format!("{} routes", written.len()), format!("at most {ROUTES_MAX}"));
        return Vec::new();
    }
    let mut routes = Vec::with_capacity(written.len());
    // Of those that could be read: a conflict names places in the file.
    let mut places = Vec::with_capacity(written.len());
    for (index, value) in written.into_iter().enumerate() {
        let at = format!("route[{index}]");
        if let Some(route) = table(value, &at, findings).and_then(|entries| route(&at, entries, plugins, findings)) {
            routes.push(route);
            places.push(index);
        }
    }
    let matched: Vec<Route> = routes.iter().map(|declared| declared.route.clone()).collect();
    for conflict in RouteTable::new(&matched).err().unwrap_or_default() {
        let for_method = if conflict.method.is_empty() { String::new() } else { format!(" for `{}`", conflict.method) };
        findings.add(
            &format!("route[{}]", places[conflict.second]),
            format!("`route[{}]` already answers the same requests{for_method}", places[conflict.first]),
            "routes that differ in host, path or method",
        );
    }
    routes
}

/// A route whose match could be read, whatever else is wrong with it.
fn route(at: &str, entries: toml::Table, plugins: &[String], findings: &mut Findings) -> Option<RouteDeclaration> {
    let mut section = Section::new(at, entries);
    let host = match section.text("host", findings) {
        Some(text) => findings.check(&section.place("host"), text.parse()),
        None => Some(HostRule::Any),
    };
    let path = section.needed("path", "a path such as `/`, `/users/{id}` or `/static/{*rest}`", findings);
    let path = path.and_then(|text| findings.check(&section.place("path"), text.parse()));
    let methods = methods(&mut section, findings);
    let plugin = section.needed("plugin", "the name of a `[plugin.NAME]`", findings).unwrap_or_default();
    if !plugin.is_empty() && !plugins.contains(&plugin) {
        let mut known: Vec<&str> = plugins.iter().map(String::as_str).take(16).collect();
        known.sort_unstable();
        let expected =
            if known.is_empty() { "a table `[plugin.NAME]` of that name".to_owned() } else { format!("one of `{}`", known.join("`, `")) };
        findings.add(&section.place("plugin"), format!("there is no plugin {}", shown(&plugin)), expected);
    }
    let auth = section.text("auth", findings);
    if let Some(auth) = auth.as_deref().filter(|auth| !is_label(auth)) {
        findings.add(&section.place("auth"), shown(auth), LABEL);
    }
    let limits = section.table("limits", findings).map(|entries| route_limits(section.place("limits"), entries, findings));
    section.end(findings);
    let route = Route { host: host?, methods: methods?, path: path? };
    Some(RouteDeclaration { route, plugin, limits: limits.unwrap_or_default(), auth })
}

fn methods(section: &mut Section, findings: &mut Findings) -> Option<Vec<String>> {
    const EXPECTED: &str = "methods in upper case, such as `GET`; not `CONNECT` or `TRACE`";
    let at = section.place("methods");
    let is_there = section.list("methods", "a list of methods", findings);
    let Some(list) = is_there else {
        // Left out: any. Of another type: told already, and not to be taken for any.
        return (!findings.0.iter().any(|issue| issue.at == at)).then(Vec::new);
    };
    let before = findings.0.len();
    if list.is_empty() || list.len() > METHODS_MAX {
        findings.add(&at, format!("{} methods", list.len()), format!("1 to {METHODS_MAX}; leave it out for any method"));
    }
    let mut methods = Vec::with_capacity(list.len().min(METHODS_MAX));
    for (index, method) in list.into_iter().take(METHODS_MAX).enumerate() {
        let place = format!("{at}[{index}]");
        match method.as_str() {
            Some(method) if methods.iter().any(|other| other == method) => findings.add(&place, format!("`{method}` stands twice"), ""),
            Some(method) if is_method(method) => methods.push(method.to_owned()),
            Some(other) => findings.add(&place, shown(other), EXPECTED),
            None => findings.add(&place, "it is not text", EXPECTED),
        }
    }
    methods.sort_unstable();
    (findings.0.len() == before).then_some(methods)
}

fn route_limits(at: String, entries: toml::Table, findings: &mut Findings) -> RouteLimits {
    let mut section = Section::new(at, entries);
    let body_bytes = section.number("body-bytes", 0..=ROUTE_BODY_BYTES_MAX, findings);
    let deadline_ms = section.number("deadline-ms", 1..=ROUTE_DEADLINE_MS_MAX, findings);
    let client_rate = section.table("client-rate", findings).and_then(|entries| {
        let mut rate = Section::new(section.place("client-rate"), entries);
        for key in ["requests", "window-seconds"] {
            if !rate.has(key) {
                findings.add(&rate.place(key), "it is missing", "`client-rate = { requests = 100, window-seconds = 60 }`");
            }
        }
        let requests = rate.number("requests", 1..=RATE_REQUESTS_MAX, findings);
        let window_seconds = rate.number("window-seconds", 1..=RATE_WINDOW_SECONDS_MAX, findings);
        rate.end(findings);
        // Both ranges lie within 32 bits.
        Some(ClientRate { requests: u32::try_from(requests?).ok()?, window_seconds: u32::try_from(window_seconds?).ok()? })
    });
    section.end(findings);
    RouteLimits { body_bytes, deadline_ms, client_rate }
}

fn plugins(declared: toml::Table, findings: &mut Findings) -> BTreeMap<String, PluginDeclaration> {
    if declared.len() > PLUGINS_MAX {
        findings.add("plugin", format!("{} plugins", declared.len()), format!("at most {PLUGINS_MAX}"));
        return BTreeMap::new();
    }
    let mut plugins = BTreeMap::new();
    for (name, value) in declared {
        let at = place("plugin", &name);
        if !is_label(&name) {
            findings.add(&at, format!("{} is not a plugin's name", shown(&name)), LABEL);
        }
        if let Some(plugin) = table(value, &at, findings).and_then(|entries| plugin(&at, entries, findings)) {
            plugins.insert(name, plugin);
        }
    }
    plugins
}

fn plugin(at: &str, entries: toml::Table, findings: &mut Findings) -> Option<PluginDeclaration> {
    let mut section = Section::new(at, entries);
    let source = section.needed("source", "a relative path that ends with `.wasm`, or an installed package", findings);
    let source = source.and_then(|text| findings.check(&section.place("source"), text.parse()));
    let grants = section.table("grants", findings).map(|entries| grants(&section.place("grants"), entries, findings)).unwrap_or_default();
    let config = section.take("config").map(|value| config(&section.place("config"), value, findings)).unwrap_or_default();
    let limits = section.table("limits", findings).map(|entries| limits(&section.place("limits"), entries, findings)).unwrap_or_default();
    let secrets =
        section.table("secrets", findings).map(|entries| secrets(&section.place("secrets"), entries, findings)).unwrap_or_default();
    section.end(findings);
    let granted = grants.get("secrets").and_then(|bounds| bounds.get("names")).and_then(Value::as_array);
    for name in granted.into_iter().flatten().filter_map(Value::as_str).filter(|name| !secrets.contains_key(*name)) {
        let expected = format!("`secrets.{}` to say where it comes from", place("", name));
        findings.add(&format!("{at}.grants.secrets.names"), format!("secret {} is granted and comes from nowhere", shown(name)), expected);
    }
    Some(PluginDeclaration { source: source?, grants, config, limits, secrets })
}

fn grants(at: &str, entries: toml::Table, findings: &mut Findings) -> Grants {
    let mut grants = Grants::none();
    for (capability, value) in entries {
        let at = place(at, &capability);
        if !is_label(&capability) {
            findings.add(&at, "not a capability's name", LABEL);
        }
        let Some(entries) = table(value, &at, findings) else { continue };
        let bounds = object(entries, &at, findings);
        if let Err(issue) = policy::check_written(&capability, &bounds) {
            findings.put(&at, issue);
        }
        grants = grants.with(&capability, bounds);
    }
    grants
}

fn config(at: &str, value: toml::Value, findings: &mut Findings) -> Map<String, Value> {
    const EXPECTED: &str = "a table, or text that is a JSON object";
    let config = match value {
        toml::Value::Table(entries) => object(entries, at, findings),
        // Through TOML and back: what TOML cannot say, such as null, cannot stand in a deployment either.
        toml::Value::String(text) => match serde_json::from_str::<toml::Table>(&text) {
            Ok(entries) => object(entries, at, findings),
            Err(error) => {
                findings.add(at, error.to_string(), EXPECTED);
                Map::new()
            }
        },
        other => {
            findings.add(at, format!("it is of type {}", other.type_str()), EXPECTED);
            Map::new()
        }
    };
    let deep = config.values().map(depth).max().unwrap_or(0);
    if deep > CONFIG_DEPTH_MAX {
        findings.add(at, format!("it is nested {deep} deep"), format!("at most {CONFIG_DEPTH_MAX} tables and lists in one another"));
    }
    let bytes = serde_json::to_string(&config).map_or(usize::MAX, |text| text.len());
    if bytes > OPTIONS_BYTES_MAX {
        findings.add(at, format!("{bytes} bytes"), format!("at most {OPTIONS_BYTES_MAX} bytes as JSON"));
    }
    config
}

/// How many tables and lists lie in one another. What was parsed is at most as deep as its parser allows.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn limits(at: &str, entries: toml::Table, findings: &mut Findings) -> Limits {
    let limits: Limits = all_at_once(at, object(entries, at, findings), findings);
    for issue in limits.issues() {
        findings.put(at, issue);
    }
    limits
}

/// The value with what is wrong left out, and a finding for each key that is.
fn all_at_once<T: DeserializeOwned + Default>(at: &str, mut written: Map<String, Value>, findings: &mut Findings) -> T {
    loop {
        match policy::parse(&written) {
            Ok(value) => return value,
            Err(issue) => {
                let is_last = written.remove(&issue.at).is_none();
                findings.put(at, issue);
                if is_last {
                    return T::default();
                }
            }
        }
    }
}

fn secrets(at: &str, entries: toml::Table, findings: &mut Findings) -> BTreeMap<String, SecretSource> {
    const EXPECTED: &str = "`{ environment = \"LABEL\" }` or `{ file = \"LABEL\" }`: where it comes from, never the secret itself";
    if entries.len() > PLUGIN_SECRETS_MAX {
        findings.add(at, format!("{} secrets", entries.len()), format!("at most {PLUGIN_SECRETS_MAX}"));
    }
    let mut secrets = BTreeMap::new();
    for (name, value) in entries {
        let at = place(at, &name);
        if !is_label(&name) {
            findings.add(&at, "not a secret's name", LABEL);
        }
        // Nothing of the value is shown: it may be the secret itself.
        let source = match json(value, &at, &mut Findings::default()) {
            Value::Object(entries) if entries.len() == 1 => {
                entries.into_iter().next().and_then(|(kind, label)| SecretSource::new(&kind, label.as_str()?.to_owned()))
            }
            _ => None,
        };
        match source {
            Some(source) => drop(secrets.insert(name, source)),
            None => {
                findings.add(&at, "it does not say where the secret comes from", EXPECTED);
                // Named all the same, so that a grant of it is no second finding.
                secrets.insert(name, SecretSource::Environment(String::new()));
            }
        }
    }
    secrets
}

fn split(entries: toml::Table, findings: &mut Findings) -> Option<Split> {
    let mut section = Section::new("split", entries);
    if !section.has("percent") && !section.has("header") {
        findings.add("split", "neither `percent` nor `header`", "at least one of them");
    }
    let percent = section.number("percent", 0..=100, findings).unwrap_or_default();
    let name = section.text("header", findings);
    let value = section.text("value", findings);
    section.end(findings);
    if let Some(name) = name.as_deref().filter(|name| !header::is_name(name)) {
        findings.add("split.header", shown(name), "a header's name in lower case");
    }
    if let Some(value) = value.as_deref() {
        if name.is_none() {
            findings.add("split.value", "there is no `header` to have it", "`header` beside it");
        }
        if value.len() > 256 || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || value.trim() != value || value.is_empty() {
            findings.add("split.value", shown(value), "1 to 256 printable ASCII characters, without blanks at the ends");
        }
    }
    Some(Split { percent: percent as u8, header: name.map(|name| SplitHeader { name, value }) })
}

fn shown(text: &str) -> String {
    format!("`{}`", text.chars().take(80).collect::<String>().escape_debug())
}
