//! The benchmarks: their parts, and every row that a run of each must have.
//!
//! Not here: how a row is measured. May be misread: a row that is measured but not listed is shown last and missed by nobody, so every row
//! is listed.

use clap::ValueEnum;

/// What is measured in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Benchmark {
    /// Calling, starting, and real work.
    Core,
    /// Linking with grants, limits, and capabilities.
    Containment,
    /// Points, pools, starts and reloads, beside other ways to run a plugin.
    Runtime,
    /// Thousands of plugins in one process.
    Density,
    /// The edge server, beside native code and another component server.
    Edge,
    /// Which versions go together: the index, answers and refusals.
    Resolve,
    /// Plugins that call plugins, start after each other, and tell each other.
    Wiring,
}

/// What can be measured on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// `core`: the public API against raw wasmtime.
    Calls,
    /// `core`: new processes and second loads.
    Start,
    /// `core`: statistics of 200,000 rows through the boundary.
    Analysis,
    /// `core`: the most memory an analysis holds.
    Memory,
    /// `containment`: accepting a plugin with grants.
    Link,
    /// `containment`: what limits cost a call.
    Metered,
    /// `containment`: what limits cost a guest that computes.
    Loops,
    /// `containment`: a request through a grant.
    Http,
    /// `containment`: a read through a grant.
    Keyvalue,
    /// `containment`: the meter itself, and how fast a plugin is stopped.
    Stop,
    /// `runtime`: calls through a point, in warm and in fresh instances.
    Points,
    /// `runtime`: the start of a host with 500 plugins.
    StartMany,
    /// `runtime`: calls while their plugin is replaced again and again.
    Reload,
    /// `density`: 10,000 plugins that are all called.
    Active,
    /// `density`: 100,000 plugins on record.
    Installed,
    /// `edge`: requests a second.
    Throughput,
    /// `edge`: many plugins, memory, start.
    Many,
    /// `edge`: deployments while it serves.
    Deploys,
    /// `resolve`: an index of 100,000 plugins, and questions to it.
    Registry,
    /// `resolve`: questions to one in which plugins are in each other's way.
    Contested,
    /// `resolve`: questions of 10,000 plugins that have no answer.
    Refused,
    /// `wiring`: calls from plugin to plugin.
    Wired,
    /// `wiring`: starts of plugins that build on each other.
    StartWired,
    /// `wiring`: events from plugin to plugin.
    Events,
}

const CORE: &[(Part, &str)] = &[
    (Part::Calls, "call-warm"),
    (Part::Calls, "call-1-mib"),
    (Part::Calls, "call-fresh"),
    (Part::Calls, "guest-thread-hop"),
    (Part::Start, "first-call-rust"),
    (Part::Start, "first-call-javascript"),
    (Part::Start, "first-call-python"),
    (Part::Start, "first-call-rust-inside"),
    (Part::Start, "first-call-javascript-inside"),
    (Part::Start, "first-call-python-inside"),
    (Part::Start, "first-call-rust-pooling"),
    (Part::Start, "first-call-javascript-pooling"),
    (Part::Start, "first-call-python-pooling"),
    (Part::Start, "second-load-rust"),
    (Part::Start, "second-load-javascript"),
    (Part::Start, "second-load-python"),
    (Part::Analysis, "group-stats-rust"),
    (Part::Analysis, "group-stats-boundary"),
    (Part::Analysis, "group-stats-javascript"),
    (Part::Analysis, "group-stats-python"),
    (Part::Analysis, "session-start"),
    (Part::Memory, "peak-memory-rust"),
    (Part::Memory, "peak-memory-javascript"),
    (Part::Memory, "peak-memory-python"),
];

const CONTAINMENT: &[(Part, &str)] = &[
    (Part::Link, "link-granted"),
    (Part::Link, "link-plain"),
    (Part::Metered, "call-metered"),
    (Part::Metered, "call-recorded"),
    (Part::Loops, "loop-metered"),
    (Part::Loops, "loop-shared"),
    (Part::Loops, "loop-epochs"),
    (Part::Loops, "loop-fuel"),
    (Part::Http, "http-get"),
    (Part::Http, "http-get-wasi"),
    (Part::Keyvalue, "keyvalue-get"),
    (Part::Keyvalue, "keyvalue-get-host"),
    (Part::Stop, "cpu-meter"),
    (Part::Stop, "revocation"),
];

const RUNTIME: &[(Part, &str)] = &[
    (Part::Points, "point-warm"),
    (Part::Points, "point-warm-extism"),
    (Part::Points, "point-warm-subprocess"),
    (Part::Points, "point-warm-native"),
    (Part::Points, "point-record-extism"),
    (Part::Points, "point-record-subprocess"),
    (Part::Points, "installation-warm"),
    (Part::Points, "point-fresh"),
    (Part::Points, "point-fresh-extism"),
    (Part::Points, "point-fresh-threads"),
    (Part::Points, "point-native"),
    (Part::StartMany, "start-500"),
    (Part::Reload, "reload-lost"),
    (Part::Reload, "reload-p99"),
    (Part::Reload, "reload-prepared"),
];

const DENSITY: &[(Part, &str)] = &[
    (Part::Active, "density-10000-memory"),
    (Part::Active, "density-10000-memory-fresh"),
    (Part::Active, "density-10000-sealed"),
    (Part::Active, "density-10000-first"),
    (Part::Active, "density-10000-all"),
    (Part::Active, "density-10000-p99"),
    (Part::Active, "density-10000-median"),
    (Part::Active, "density-10000-warm-p99"),
    (Part::Active, "density-10000-warm-median"),
    (Part::Installed, "installed-100000-start"),
    (Part::Installed, "installed-100000-called"),
    (Part::Installed, "installed-100000-memory"),
];

const EDGE: &[(Part, &str)] = &[
    (Part::Throughput, "edge-function-fresh"),
    (Part::Throughput, "edge-function-fresh-serve"),
    (Part::Throughput, "edge-function-warm"),
    (Part::Throughput, "edge-function-workerd"),
    (Part::Throughput, "edge-proxy-fresh"),
    (Part::Throughput, "edge-proxy-fresh-tuned"),
    (Part::Throughput, "edge-proxy-warm"),
    (Part::Throughput, "edge-service-fresh"),
    (Part::Throughput, "edge-service-warm"),
    (Part::Throughput, "edge-unlogged"),
    (Part::Throughput, "edge-traced"),
    (Part::Throughput, "edge-rated"),
    (Part::Throughput, "edge-native-bare"),
    (Part::Throughput, "edge-full-p99"),
    (Part::Throughput, "edge-half-p99"),
    (Part::Throughput, "edge-half-fresh-p99"),
    (Part::Throughput, "edge-loaded-memory"),
    (Part::Throughput, "edge-loaded-memory-serve"),
    (Part::Many, "edge-1000-route"),
    (Part::Many, "edge-1000-full"),
    (Part::Many, "edge-1000-p99"),
    (Part::Many, "edge-idle-memory"),
    (Part::Many, "edge-start-100"),
    (Part::Deploys, "edge-deploy"),
    (Part::Deploys, "edge-rollback"),
    (Part::Deploys, "edge-deploys-lost"),
];

const RESOLVE: &[(Part, &str)] = &[
    (Part::Registry, "resolve-index-memory"),
    (Part::Registry, "resolve-index-built"),
    (Part::Registry, "resolve-one-p50"),
    (Part::Registry, "resolve-one-p99"),
    (Part::Registry, "resolve-fifty-p50"),
    (Part::Registry, "resolve-fifty-p99"),
    (Part::Contested, "resolve-contested-p50"),
    (Part::Contested, "resolve-contested-p99"),
    (Part::Refused, "resolve-refused-row"),
    (Part::Refused, "resolve-refused-groups"),
];

const WIRING: &[(Part, &str)] = &[
    (Part::Wired, "wired-call"),
    (Part::Wired, "wired-call-by-hand"),
    (Part::Wired, "wired-call-guarded"),
    (Part::Wired, "wired-64-kib"),
    (Part::Wired, "wired-64-kib-by-hand"),
    (Part::Wired, "fused-call"),
    (Part::StartWired, "start-five"),
    (Part::StartWired, "start-wired-500"),
    (Part::Events, "events-delivered"),
    (Part::Events, "events-beside-slow"),
];

impl Benchmark {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Containment => "containment",
            Self::Runtime => "runtime",
            Self::Density => "density",
            Self::Edge => "edge",
            Self::Resolve => "resolve",
            Self::Wiring => "wiring",
        }
    }

    /// Every row that a run must have, with its part, in the order in which they are shown.
    pub(crate) fn required(self) -> &'static [(Part, &'static str)] {
        match self {
            Self::Core => CORE,
            Self::Containment => CONTAINMENT,
            Self::Runtime => RUNTIME,
            Self::Density => DENSITY,
            Self::Edge => EDGE,
            Self::Resolve => RESOLVE,
            Self::Wiring => WIRING,
        }
    }

    /// Its parts.
    pub(crate) fn parts(self) -> Vec<Part> {
        Part::value_variants().iter().copied().filter(|part| self.has(*part)).collect()
    }

    /// Whether a part is one of its own.
    pub(crate) fn has(self, part: Part) -> bool {
        self.required().iter().any(|(other, _)| *other == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Benchmark; 7] = [
        Benchmark::Core,
        Benchmark::Containment,
        Benchmark::Runtime,
        Benchmark::Density,
        Benchmark::Edge,
        Benchmark::Resolve,
        Benchmark::Wiring,
    ];

    #[test]
    fn no_two_rows_have_one_name() {
        let mut names: Vec<_> = ALL.iter().flat_map(|benchmark| benchmark.required()).map(|(_, name)| *name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_part_belongs_to_one_benchmark() {
        for part in Part::value_variants() {
            assert_eq!(ALL.iter().filter(|benchmark| benchmark.has(*part)).count(), 1, "{part:?}");
        }
    }
}
