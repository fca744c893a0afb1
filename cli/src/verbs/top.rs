//! `plugwork top`: what the plugins of running hosts use, now and since they were loaded.
//!
//! Easy to get wrong: rates are ours, from two answers of the same host; totals and what is held now are the host's own numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::words::{grouped, size};
use crate::exit::Failure;
use crate::host::Place;
use crate::live::ask::{self, Host};
use crate::print;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Between the two looks of `--once`.
const BRIEFLY: Duration = Duration::from_millis(300);

/// Shows what running plugins use: calls, processor, memory, traffic, storage, faults.
///
/// It sees every `plugwork run`, `call` and `dev` on the same state folder, and every application that opens an observer there, through a private socket
/// that each has in the folder `run`.
/// Drawn anew each second until Ctrl-C; once where the output is no terminal.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork top
  plugwork top --once --json

The JSON (one line each second without --once) has: hosts (pid, verb,
uptime_ms, plugins), unreachable (pid, error). A plugin has the fields of the
library's `Usage`, rates (calls_per_second, host_calls_per_second, cpu_percent),
null where one look is all there was, and installation: the fields of the
library's `Status`, absent where the host manages no installation of it.")]
pub(crate) struct Top {
    /// Shows it once. Takes 0.3 seconds, for the rates.
    #[arg(long)]
    once: bool,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What a plugin had done when it was last looked at.
#[derive(Clone, Copy)]
struct Before {
    uptime_ms: f64,
    calls: f64,
    host_calls: f64,
    cpu_ms: f64,
}

/// By process and subject.
type Memory = BTreeMap<(u32, String), Before>;

impl Top {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let state = place.state()?;
        let mut before = Memory::new();
        let once = self.once || !(self.json || print::stdout_is_terminal());
        let first = look(&state, &mut before)?;
        if once {
            thread::sleep(BRIEFLY);
            let second = look(&state, &mut before)?;
            // A host that ended in between is not running.
            self.show(&second, &state);
            return Ok(());
        }
        let mut shown = first;
        loop {
            self.show(&shown, &state);
            thread::sleep(EVERY);
            shown = look(&state, &mut before)?;
        }
    }

    fn show(&self, shown: &Value, state: &Path) {
        if self.json {
            return if self.once { print::json(shown) } else { print::json_line(shown) };
        }
        if !self.once {
            print::clear();
        }
        let hosts = shown["hosts"].as_array().map_or(&[][..], Vec::as_slice);
        let rows: Vec<Vec<String>> =
            hosts.iter().flat_map(|host| host["plugins"].as_array().into_iter().flatten().map(|plugin| row(host, plugin))).collect();
        for host in shown["unreachable"].as_array().into_iter().flatten() {
            print::narrate(format_args!("process {} does not answer: {}", host["pid"], host["error"].as_str().unwrap_or_default()));
        }
        if rows.is_empty() {
            return print::narrate(format_args!("no plugin is running on `{}`", state.display()));
        }
        let headings = [
            "process",
            "plugin",
            "state",
            "instances",
            "waiting",
            "calls",
            "/s",
            "cpu",
            "memory",
            "host calls/s",
            "out",
            "in",
            "open",
            "stored",
            "faults",
            "breaker",
            "log lost",
        ];
        print::table(&headings, &rows);
    }
}

/// Asks every host once, and adds the rates since the last look.
fn look(state: &Path, before: &mut Memory) -> Result<Value, Failure> {
    let asked = ask::top(state).map_err(|error| Failure::failed(format_args!("cannot look for running hosts: {error}")))?;
    let (mut hosts, mut unreachable, mut now) = (Vec::new(), Vec::new(), Memory::new());
    for Host { pid, answer } in asked {
        match answer {
            Err(error) => unreachable.push(json!({ "pid": pid, "error": error.to_string() })),
            Ok(mut host) => {
                join_status(&mut host);
                let uptime_ms = number(&host["uptime_ms"]);
                for plugin in host["plugins"].as_array_mut().into_iter().flatten() {
                    let key = (pid, plugin["subject"].to_string());
                    let here = Before {
                        uptime_ms,
                        calls: number(&plugin["calls"]),
                        host_calls: number(&plugin["host_calls"]),
                        cpu_ms: number(&plugin["cpu_ms"]),
                    };
                    plugin["rates"] = rates(before.get(&key), &here);
                    now.insert(key, here);
                }
                hosts.push(host);
            }
        }
    }
    *before = now;
    Ok(json!({ "hosts": hosts, "unreachable": unreachable }))
}

/// Puts beside each plugin what the host says of the installation that it is a version of, and adds those that have used nothing: native plugins, and
/// installations that are not loaded.
fn join_status(host: &mut Value) {
    let Value::Array(statuses) = host["status"].take() else { return };
    let Some(plugins) = host["plugins"].as_array_mut() else { return };
    let name = |of: &Value| ["tenant", "instance", "package", "digest"].map(|field| of[field].as_str().unwrap_or_default().to_owned());
    let places: BTreeMap<_, _> = plugins.iter().enumerate().map(|(place, plugin)| (name(&plugin["subject"]), place)).collect();
    for status in statuses {
        match places.get(&name(&status)) {
            Some(&place) => plugins[place]["installation"] = status,
            None => {
                let subject = json!({
                    "tenant": status["tenant"], "instance": status["instance"], "package": status["package"], "digest": status["digest"],
                });
                plugins.push(json!({ "subject": subject, "calls": status["calls"], "faults": status["faults"], "installation": status }));
            }
        }
    }
}

fn rates(before: Option<&Before>, now: &Before) -> Value {
    let Some(before) = before.filter(|before| now.uptime_ms > before.uptime_ms) else {
        return json!({ "calls_per_second": null, "host_calls_per_second": null, "cpu_percent": null });
    };
    let ms = now.uptime_ms - before.uptime_ms;
    let per_second = |now: f64, before: f64| ((now - before) * 10_000.0 / ms).round() / 10.0;
    json!({
        "calls_per_second": per_second(now.calls, before.calls),
        "host_calls_per_second": per_second(now.host_calls, before.host_calls),
        "cpu_percent": ((now.cpu_ms - before.cpu_ms) * 1_000.0 / ms).round() / 10.0,
    })
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn row(host: &Value, plugin: &Value) -> Vec<String> {
    let count = |name: &str| grouped(plugin[name].as_u64().unwrap_or_default());
    let bytes = |name: &str| size(plugin[name].as_u64().unwrap_or_default());
    let rate = |name: &str, unit: &str| plugin["rates"][name].as_f64().map_or_else(|| "-".to_owned(), |rate| format!("{rate}{unit}"));
    let subject = &plugin["subject"];
    let instance = subject["instance"].as_str().filter(|instance| !instance.is_empty());
    let name = subject["package"].as_str().unwrap_or_default();
    let stored = plugin["storage"].as_object().into_iter().flat_map(|kinds| kinds.values());
    let memory = plugin["memory_bytes"].as_u64().unwrap_or_default().saturating_add(plugin["held_bytes"].as_u64().unwrap_or_default());
    let installation = &plugin["installation"];
    let native = if installation["kind"] == "native" { " (native)" } else { "" };
    let state = match installation["state"]["state"].as_str() {
        _ if plugin["revoked"] == true => "revoked",
        Some(state) => state,
        // No installation: a plugin that a program holds by itself, or a version that drains.
        None => "-",
    };
    let waiting = installation["waiting"].as_u64().map_or_else(|| "-".to_owned(), grouped);
    vec![
        format!("{} {}", host["pid"], host["verb"].as_str().unwrap_or_default()),
        format!("{name}{}{native}", instance.map(|instance| format!("#{instance}")).unwrap_or_default()),
        state.to_owned(),
        count("instances"),
        waiting,
        count("calls"),
        rate("calls_per_second", ""),
        rate("cpu_percent", " %"),
        size(memory),
        rate("host_calls_per_second", ""),
        bytes("egress_bytes"),
        bytes("ingress_bytes"),
        count("requests"),
        size(stored.map(|kind| kind["bytes"].as_u64().unwrap_or_default()).sum()),
        count("faults"),
        installation["breaker"].as_str().unwrap_or("-").to_owned(),
        count("log_dropped"),
    ]
}
