//! What plugins used.

use plugwork_core::metering::{HOUR_MS, UsageHour, UsageKey, UsageSum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::node::UsedBy;

/// What one plugin of an application holds now and has spent since its version began to run in this process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Usage)]
pub struct UsageWords {
    /// The application.
    pub application: String,
    /// The application's name for the plugin.
    pub plugin: String,
    /// The deployment that has it; where two that share the requests have the same, the current one.
    pub deployment: u64,
    /// The package.
    pub package: String,
    /// The instance in the runtime.
    pub instance: String,
    /// Its component.
    pub digest: String,
    /// Instances that live.
    pub instances: u32,
    /// Calls that were made.
    pub calls: u64,
    /// Calls that ended in a fault.
    pub faults: u64,
    /// What policy or a limit denied.
    pub denials: u64,
    /// Processor time. Milliseconds.
    pub cpu_ms: u64,
    /// Time that calls waited for the plugin's share of the processor. Milliseconds.
    pub cpu_waited_ms: u64,
    /// Memory of its instances. Bytes.
    pub memory_bytes: u64,
    /// What the host holds on its behalf. Bytes.
    pub held_bytes: u64,
    /// The most that both ever were together. Bytes.
    pub memory_peak_bytes: u64,
    /// Calls into the host.
    pub host_calls: u64,
    /// Bytes that left by requests of the plugin's own.
    pub egress_bytes: u64,
    /// Bytes that came in by their responses.
    pub ingress_bytes: u64,
}

impl UsageWords {
    pub(crate) fn of(used: &UsedBy<'_>) -> Self {
        let usage = used.usage;
        Self {
            application: used.application.application.clone(),
            plugin: used.name.to_owned(),
            deployment: used.deployment,
            package: usage.subject.package.to_string(),
            instance: usage.subject.instance.clone(),
            digest: usage.subject.digest.to_string(),
            instances: usage.instances,
            calls: usage.calls,
            faults: usage.faults,
            denials: usage.denials,
            cpu_ms: usage.cpu_ms,
            cpu_waited_ms: usage.cpu_waited_ms,
            memory_bytes: usage.memory_bytes,
            held_bytes: usage.held_bytes,
            memory_peak_bytes: usage.memory_peak_bytes,
            host_calls: usage.host_calls,
            egress_bytes: usage.egress_bytes,
            ingress_bytes: usage.ingress_bytes,
        }
    }
}

/// What one plugin of an application used in one hour of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = UsageHour)]
pub struct UsageHourWords {
    /// When the hour began. Unix milliseconds.
    pub from_ms: u64,
    /// Whose.
    pub tenant: String,
    /// The application.
    pub application: String,
    /// The application's name for the plugin.
    pub plugin: String,
    /// Requests that had a place with it.
    pub requests: u64,
    /// Processor time. Milliseconds.
    pub cpu_ms: u64,
    /// Memory of its instances, and what the host held for it, over time. Bytes times milliseconds.
    pub memory_byte_ms: u64,
    /// Bytes that left by requests of the plugin's own.
    pub egress_bytes: u64,
    /// Calls into the host.
    pub host_calls: u64,
    /// Calls that ended in a fault.
    pub faults: u64,
}

impl UsageHourWords {
    pub(crate) fn of(row: &UsageHour) -> Self {
        let UsageHour { key, sum } = row;
        Self {
            from_ms: key.hour.saturating_mul(HOUR_MS),
            tenant: key.tenant.clone(),
            application: key.application.clone(),
            plugin: key.plugin.clone(),
            requests: sum.requests,
            cpu_ms: sum.cpu_ms,
            memory_byte_ms: sum.memory_byte_ms,
            egress_bytes: sum.egress_bytes,
            host_calls: sum.host_calls,
            faults: sum.faults,
        }
    }

    /// The row as it is on record.
    pub fn row(self) -> UsageHour {
        let Self { from_ms, tenant, application, plugin, requests, cpu_ms, memory_byte_ms, egress_bytes, host_calls, faults } = self;
        UsageHour {
            key: UsageKey { hour: from_ms / HOUR_MS, tenant, application, plugin },
            sum: UsageSum { requests, cpu_ms, memory_byte_ms, egress_bytes, host_calls, faults },
        }
    }
}
