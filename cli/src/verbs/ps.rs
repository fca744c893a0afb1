//! `plugwork ps`: every plugin that was added, as it stands on record, beside what running hosts say of it.
//!
//! Easy to get wrong: records say what is to be, hosts say what is. A plugin that is enabled and that no process runs is `enabled` and *not running*, never
//! `active`; one that a host could not start is `failed` on the line of that process, whatever the record says.

use std::collections::BTreeMap;

use plugwork_core::PackageName;
use plugwork_core::lifecycle::Stage;
use plugwork_core::record::ConsentKey;
use serde::Serialize;
use serde_json::{Value, json};

use super::words::{ago, grouped};
use crate::consent::words::one_line;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, now_ms};
use crate::life::{self, Life};
use crate::live::ask::{self, Host};
use crate::print;

/// Lists plugins: those that were added, where they are in their life, and which hosts run them.
///
/// The state is that in the process that runs it: `active`, `failed` and so on. Where none does it is what is on record: `installed` (added, not
/// enabled, or disabled), `enabled` (to run, and *not running*), `suspended` (consent taken back or over). What runs without having been added (`plugwork call FILE`, `plugwork run`, `plugwork dev`) is listed too.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork ps
  plugwork ps acme:markdown --json

The JSON is a list of: plugin, tenant, instance, version, digest, recorded
(what is on record: installed, enabled, suspended, removed; null where it was
not added), running (by how many processes), state (of those, or as recorded
where there is none), why, added, enabled (null where nobody ever said so), disabled_by, settings, hosts.
A host has: pid, verb, uptime_ms, kind, state, why, digest, version, loaded,
generation, instances, idle_instances, waiting, in_flight, calls, faults,
breaker, used_ms_ago, rolled_back; null where it does not say.")]
pub(crate) struct Ps {
    /// Only this plugin: `namespace:name`.
    #[arg(value_name = "NAME", value_parser = installed::package)]
    plugin: Option<PackageName>,
    #[command(flatten)]
    which: Which,
    /// Also those that were removed.
    #[arg(short, long)]
    all: bool,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// One plugin.
#[derive(Debug, Serialize)]
struct Shown {
    plugin: String,
    tenant: String,
    instance: String,
    version: Option<String>,
    digest: Option<String>,
    /// What is on record.
    recorded: Option<String>,
    /// By how many processes it is run.
    running: usize,
    /// What is: on the word of the processes that know it, or as it is on record.
    state: String,
    why: Option<String>,
    added: bool,
    enabled: Option<bool>,
    disabled_by: Option<String>,
    settings: Option<plugwork_core::record::Settings>,
    hosts: Vec<Value>,
}

impl Ps {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let state = place.state()?;
        host::io_runtime()?.block_on(async {
            let records = host::store(place).await?;
            let lives = life::lives(records.as_ref(), None).await?;
            let asked = ask::top(&state).map_err(|error| Failure::failed(format_args!("cannot look for running hosts: {error}")))?;
            let mut hosts = BTreeMap::new();
            for Host { pid, answer } in asked {
                match answer {
                    Ok(answer) => said(pid, &answer, &mut hosts),
                    Err(error) => print::narrate(format_args!("process {pid} does not answer: {error}")),
                }
            }
            let mut shown: Vec<Shown> = lives.iter().map(|life| added(life, hosts.remove(&life.key()).unwrap_or_default())).collect();
            shown.extend(hosts.into_iter().map(|(key, hosts)| running(&key, hosts)));
            let key = |shown: &Shown| (shown.plugin.clone(), shown.tenant.clone(), shown.instance.clone());
            shown.sort_by_key(key);
            let there = !shown.is_empty();
            shown.retain(|shown| self.is_meant(shown));
            match &self.plugin {
                Some(plugin) if shown.is_empty() => return Err(installed::unknown(records.as_ref(), plugin).await),
                _ => {}
            }
            if self.json {
                print::json(&shown);
                return Ok(());
            }
            if shown.is_empty() {
                let hint = if there { "`plugwork ps --all` shows those that were removed" } else { "add one with `plugwork add FILE`" };
                print::narrate(format_args!("there is no plugin here\nhint: {hint}"));
                return Ok(());
            }
            tell(&shown);
            Ok(())
        })
    }

    fn is_meant(&self, shown: &Shown) -> bool {
        let same = |wanted: Option<String>, it: &str| wanted.is_none_or(|wanted| wanted == it);
        let key =
            shown.plugin.parse().ok().map(|package| ConsentKey { tenant: shown.tenant.clone(), instance: shown.instance.clone(), package });
        same(self.plugin.as_ref().map(ToString::to_string), &shown.plugin)
            && key.is_none_or(|key| self.which.leaves(&key))
            && (self.all || shown.recorded.as_deref() != Some("removed") || !shown.hosts.is_empty())
    }
}

/// What one host says of its plugins: of installations by their status, of everything else by what it used.
fn said(pid: u32, answer: &Value, hosts: &mut BTreeMap<ConsentKey, Vec<Value>>) {
    let list = |name: &str| answer[name].as_array().map_or(&[][..], Vec::as_slice);
    let key = |value: &Value| serde_json::from_value::<ConsentKey>(value.clone()).ok();
    let mut managed = Vec::new();
    for status in list("status") {
        let Some(key) = key(status) else { continue };
        let field = |name: &str| status[name].clone();
        let why = status["state"].get("reason").or_else(|| status["state"].get("fault")).cloned().unwrap_or_default();
        hosts.entry(key.clone()).or_default().push(json!({
            "pid": pid, "verb": answer["verb"], "uptime_ms": answer["uptime_ms"], "kind": field("kind"), "state": status["state"]["state"], "why": why,
            "digest": field("digest"), "version": field("version"), "loaded": field("loaded"), "generation": field("generation"),
            "instances": field("instances"), "idle_instances": field("idle_instances"), "waiting": field("waiting"),
            "in_flight": field("in_flight"), "calls": field("calls"), "faults": field("faults"), "breaker": field("breaker"),
            "used_ms_ago": field("used_ms_ago"), "rolled_back": field("rolled_back"),
        }));
        managed.push(key);
    }
    for usage in list("plugins") {
        let Some(key) = key(&usage["subject"]).filter(|key| !managed.contains(key)) else { continue };
        let field = |name: &str| usage[name].clone();
        let (state, why) = match usage["revoked"] == true {
            true => ("suspended", json!("consent was taken back")),
            false => ("active", Value::Null),
        };
        hosts.entry(key).or_default().push(json!({
            "pid": pid, "verb": answer["verb"], "uptime_ms": answer["uptime_ms"], "kind": "component", "state": state, "why": why,
            "digest": usage["subject"]["digest"], "version": null, "loaded": true, "generation": null, "instances": field("instances"),
            "idle_instances": null, "waiting": null, "in_flight": null, "calls": field("calls"), "faults": field("faults"), "breaker": null,
            "used_ms_ago": null, "rolled_back": null,
        }));
    }
}

/// Whether a process runs it, or is about to, or still does.
fn runs(host: &Value) -> bool {
    matches!(host["state"].as_str(), Some("active" | "enabling" | "disabling"))
}

/// Its state by the word of processes: of one that runs it, if one does. None where no process knows it.
fn now(hosts: &[Value]) -> Option<String> {
    let host = hosts.iter().find(|host| runs(host)).or(hosts.first())?;
    host["state"].as_str().map(str::to_owned)
}

/// A plugin that was added.
fn added(life: &Life, hosts: Vec<Value>) -> Shown {
    let subject = life.subject();
    let state = life.state(now_ms());
    let word = state.stage().to_string();
    let why = state.to_string().strip_prefix(&word).and_then(|rest| rest.strip_prefix(": ")).map(str::to_owned);
    // On record nothing is active: that takes a process.
    let recorded = if state.stage() == Stage::Active { "enabled".to_owned() } else { word.clone() };
    let disabled = life.said.as_ref().filter(|said| !said.enabled);
    let why = why.or_else(|| {
        disabled.map(|said| format!("disabled by {}{}{}", said.by, if said.reason.is_empty() { "" } else { ": " }, said.reason))
    });
    Shown {
        plugin: subject.package.to_string(),
        tenant: subject.tenant.clone(),
        instance: subject.instance.clone(),
        version: life.latest.consent().and_then(|consent| consent.version.as_ref()).map(ToString::to_string),
        digest: Some(subject.digest.to_string()),
        state: now(&hosts).unwrap_or_else(|| recorded.clone()),
        recorded: Some(recorded),
        running: hosts.iter().filter(|host| runs(host)).count(),
        why,
        added: true,
        enabled: life.said.as_ref().map(|said| said.enabled),
        disabled_by: disabled.map(|said| said.by.clone()),
        settings: life.said.as_ref().map(|said| said.settings.clone()),
        hosts,
    }
}

/// A plugin that runs and was never added.
fn running(key: &ConsentKey, hosts: Vec<Value>) -> Shown {
    let first = hosts.first().cloned().unwrap_or_default();
    let text = |name: &str| first[name].as_str().map(str::to_owned);
    Shown {
        plugin: key.package.to_string(),
        tenant: key.tenant.clone(),
        instance: key.instance.clone(),
        version: text("version"),
        digest: text("digest"),
        recorded: None,
        running: hosts.iter().filter(|host| runs(host)).count(),
        state: now(&hosts).unwrap_or_default(),
        why: Some("not added: it runs on the word of its process".to_owned()),
        added: false,
        enabled: None,
        disabled_by: None,
        settings: None,
        hosts,
    }
}

/// The table, without the columns in which nobody has anything to say.
fn tell(shown: &[Shown]) {
    const HEADINGS: [&str; 12] =
        ["plugin", "version", "state", "process", "generation", "instances", "in flight", "calls", "faults", "breaker", "last call", "why"];
    const ALWAYS: usize = 3;
    let rows: Vec<Vec<String>> = shown.iter().flat_map(rows).collect();
    let is_told = |column: &usize| *column < ALWAYS || rows.iter().any(|row| !matches!(row[*column].as_str(), "-" | ""));
    let columns: Vec<usize> = (0..HEADINGS.len()).filter(is_told).collect();
    let headings: Vec<&str> = columns.iter().map(|column| HEADINGS[*column]).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect()).collect();
    print::table(&headings, &rows);
}

/// One line for each process, or one without a process.
fn rows(shown: &Shown) -> Vec<Vec<String>> {
    let tenant = if shown.tenant == "default" { String::new() } else { format!("{}/", shown.tenant) };
    let instance = if shown.instance.is_empty() { String::new() } else { format!("#{}", shown.instance) };
    let name = format!("{tenant}{}{instance}", shown.plugin);
    let none = || "-".to_owned();
    let version = shown.version.clone().unwrap_or_else(none);
    let why = |why: Option<&str>| why.map(one_line).unwrap_or_default();
    if shown.hosts.is_empty() {
        let process = if shown.state == "enabled" { "not running".to_owned() } else { none() };
        let mut row = vec![name, version, shown.state.clone(), process];
        row.extend((0..7).map(|_| none()));
        row.push(why(shown.why.as_deref()));
        return vec![row];
    }
    let row = |host: &Value| {
        let number = |name: &str| host[name].as_u64().map_or_else(none, grouped);
        let native = if host["kind"] == "native" { " (native)" } else { "" };
        let waiting =
            host["waiting"].as_u64().filter(|waiting| *waiting > 0).map(|waiting| format!(" +{}", grouped(waiting))).unwrap_or_default();
        let because = host["why"].as_str().or(host["rolled_back"].as_str()).or(shown.why.as_deref());
        vec![
            name.clone(),
            host["version"].as_str().map_or_else(|| version.clone(), str::to_owned),
            format!("{}{native}", host["state"].as_str().unwrap_or(&shown.state)),
            format!("{} {}", host["pid"], host["verb"].as_str().unwrap_or_default()),
            number("generation"),
            number("instances"),
            format!("{}{waiting}", number("in_flight")),
            number("calls"),
            number("faults"),
            host["breaker"].as_str().map_or_else(none, str::to_owned),
            host["used_ms_ago"].as_u64().map_or_else(none, ago),
            why(because),
        ]
    };
    shown.hosts.iter().map(row).collect()
}
