//! What a plugin uses, as data: for `plugwork top`, for an application's own pages, and for a metrics exporter.

use std::collections::BTreeMap;

use plugwork_core::{Limits, Subject};
use serde::Serialize;

/// The families of host functions that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostInterface {
    /// `plugwork:host/log` and `wasi:logging`.
    Log,
    /// `wasi:io`.
    Io,
    /// `wasi:clocks`.
    Clocks,
    /// `wasi:random`.
    Random,
    /// `wasi:cli`.
    Cli,
    /// `wasi:filesystem`.
    Filesystem,
    /// `wasi:config`.
    Config,
    /// `wasi:http`.
    Http,
    /// `plugwork:host/fetch`.
    Fetch,
    /// `wasi:keyvalue`.
    KeyValue,
    /// Containers and objects.
    Blob,
    /// `plugwork:host/secrets`.
    Secrets,
    /// Other plugins, and `plugwork:host/caller`.
    Plugin,
    /// `plugwork:host/events`.
    Events,
    /// Stubs of what was not granted.
    Denied,
    /// An application's own.
    Application,
}

impl HostInterface {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Log,
        Self::Io,
        Self::Clocks,
        Self::Random,
        Self::Cli,
        Self::Filesystem,
        Self::Config,
        Self::Http,
        Self::Fetch,
        Self::KeyValue,
        Self::Blob,
        Self::Secrets,
        Self::Plugin,
        Self::Events,
        Self::Denied,
        Self::Application,
    ];

    /// Its name in [`Usage::host_calls_by_interface`] and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Io => "io",
            Self::Clocks => "clocks",
            Self::Random => "random",
            Self::Cli => "cli",
            Self::Filesystem => "filesystem",
            Self::Config => "config",
            Self::Http => "http",
            Self::Fetch => "fetch",
            Self::KeyValue => "keyvalue",
            Self::Blob => "blob",
            Self::Secrets => "secrets",
            Self::Plugin => "plugin",
            Self::Events => "events",
            Self::Denied => "denied",
            Self::Application => "application",
        }
    }
}

/// What one kind of storage holds for a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Keys, objects or files.
    pub keys: u64,
}

/// What one plugin holds now and has spent since its account was opened. Counts may be a millisecond old.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Whose.
    pub subject: Subject,
    /// Which account: a number of this process. Where the plugin was unloaded meanwhile, or consent was given anew, another one counts from 0.
    pub account: u64,
    /// What it may use.
    pub limits: Limits,
    /// Instances that live.
    pub instances: u32,
    /// Calls that were made.
    pub calls: u64,
    /// Calls that ended in a fault.
    pub faults: u64,
    /// What policy or a limit denied.
    pub denials: u64,
    /// Processor time of its guests and of host functions on their threads. Milliseconds.
    pub cpu_ms: u64,
    /// Time that calls waited for the plugin's share of the processor. Milliseconds.
    pub cpu_waited_ms: u64,
    /// Memories and tables of all instances. Bytes.
    pub memory_bytes: u64,
    /// What the host holds on its behalf: bodies, values, queues. Bytes.
    pub held_bytes: u64,
    /// The most that both ever were together. Bytes.
    pub memory_peak_bytes: u64,
    /// Calls into the host.
    pub host_calls: u64,
    /// The same, by family of interfaces; only those that were called.
    pub host_calls_by_interface: BTreeMap<&'static str, u64>,
    /// Outgoing requests that are open.
    pub requests: u32,
    /// Bytes that left by requests.
    pub egress_bytes: u64,
    /// Bytes that came in by responses.
    pub ingress_bytes: u64,
    /// Log records, dropped ones included.
    pub log_records: u64,
    /// Log bytes, dropped ones included.
    pub log_bytes: u64,
    /// Log records that were dropped.
    pub log_dropped: u64,
    /// Each kind of storage that it used.
    pub storage: BTreeMap<&'static str, Storage>,
    /// Whether consent was revoked.
    pub revoked: bool,
}

impl Usage {
    /// Hands everything to the recorder that the application installed for the `metrics` crate, labelled `plugin`, `tenant` and `instance`.
    /// Without a recorder this does nothing. Call it before each scrape, or every few seconds.
    pub fn publish(&self) {
        let labels = [
            metrics::Label::new("plugin", self.subject.package.to_string()),
            metrics::Label::new("tenant", self.subject.tenant.clone()),
            metrics::Label::new("instance", self.subject.instance.clone()),
        ];
        let count = |name: &'static str, value: u64| metrics::counter!(name, labels.iter()).absolute(value);
        let gauge = |name: &'static str, value: f64| metrics::gauge!(name, labels.iter()).set(value);
        count("plugwork_calls_total", self.calls);
        count("plugwork_faults_total", self.faults);
        count("plugwork_denials_total", self.denials);
        count("plugwork_cpu_milliseconds_total", self.cpu_ms);
        count("plugwork_cpu_waited_milliseconds_total", self.cpu_waited_ms);
        count("plugwork_egress_bytes_total", self.egress_bytes);
        count("plugwork_ingress_bytes_total", self.ingress_bytes);
        count("plugwork_log_records_total", self.log_records);
        count("plugwork_log_dropped_total", self.log_dropped);
        gauge("plugwork_instances", f64::from(self.instances));
        gauge("plugwork_memory_bytes", self.memory_bytes as f64);
        gauge("plugwork_held_bytes", self.held_bytes as f64);
        gauge("plugwork_open_requests", f64::from(self.requests));
        for (interface, calls) in &self.host_calls_by_interface {
            let labels = labels.iter().cloned().chain([metrics::Label::new("interface", *interface)]).collect::<Vec<_>>();
            metrics::counter!("plugwork_host_calls_total", labels.iter()).absolute(*calls);
        }
        for (kind, storage) in &self.storage {
            let labels = labels.iter().cloned().chain([metrics::Label::new("kind", *kind)]).collect::<Vec<_>>();
            metrics::gauge!("plugwork_storage_bytes", labels.iter()).set(storage.bytes as f64);
            metrics::gauge!("plugwork_storage_keys", labels.iter()).set(storage.keys as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_stands_at_its_own_number() {
        for (number, interface) in HostInterface::ALL.into_iter().enumerate() {
            assert_eq!(interface as usize, number, "{}", interface.name());
        }
    }
}
