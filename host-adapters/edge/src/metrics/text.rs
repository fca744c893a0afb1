//! The text that Prometheus reads: families with help and type, labels escaped, the largest families last.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork::Usage;

use super::series::{BUCKETS_US, Histogram};
use super::totals::Amounts;
use super::{Class, Labels, SERIES_MAX, Series};
use crate::node::Node;

/// Writes one family after the other. Writing into a string cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if place == 0 { '{' } else { ',' });
            for letter in text.chars() {
                match letter {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    letter => self.0.push(letter),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let (cumulative, sum_us) = histogram.read();
        let count = cumulative[BUCKETS_US.len()];
        let bucket = format!("{name}_bucket");
        for (place, below) in cumulative.iter().enumerate() {
            let end = BUCKETS_US.get(place).map_or_else(|| "+Inf".to_owned(), |us| seconds(*us).to_string());
            let with_end: Vec<_> = labels.iter().copied().chain([("le", end.as_str())]).collect();
            self.sample(&bucket, &with_end, below);
        }
        self.sample(&format!("{name}_sum"), labels, seconds(sum_us));
        self.sample(&format!("{name}_count"), labels, count);
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

/// Everything of a node.
pub(super) fn of(node: &Node) -> String {
    let mut text = Text::default();
    server(node, &mut text);
    plugins(node, &mut text);
    routes(node, &mut text);
    text.0
}

fn server(node: &Node, text: &mut Text) {
    let metrics = node.metrics();
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    text.one("plugwork_connections_open", "gauge", "Connections of clients that are open.", read(&metrics.connections_open));
    text.one("plugwork_connections_total", "counter", "Connections of clients that were taken.", read(&metrics.connections));
    text.one("plugwork_requests_in_flight", "gauge", "Requests whose answer was not sent whole yet.", read(&metrics.in_flight));
    text.family("plugwork_deployments_total", "counter", "Changes of what is served, by how they ended.");
    text.sample("plugwork_deployments_total", &[("outcome", "done")], read(&metrics.deployed));
    text.sample("plugwork_deployments_total", &[("outcome", "failed")], read(&metrics.not_deployed));
    let live = node.live();
    text.family("plugwork_deployment_number", "gauge", "The deployment that is served of an application.");
    for serving in live.serving.values().take(SERIES_MAX) {
        let number = serving.current.as_ref().map_or(0, |current| current.deployment.number);
        text.sample("plugwork_deployment_number", &[("tenant", &serving.key.tenant), ("application", &serving.key.application)], number);
    }
    text.family("plugwork_rejections_total", "counter", "Requests that were answered with a problem, by its code.");
    for (code, count) in metrics.rejections.read() {
        text.sample("plugwork_rejections_total", &[("code", code)], count);
    }
    let (sent, lost) = node.tracing().map_or((0, 0), |tracing| tracing.counts());
    text.one("plugwork_spans_exported_total", "counter", "Spans that a collector took.", sent);
    text.one("plugwork_spans_lost_total", "counter", "Spans that were recorded and reached no collector.", lost);
    let shared = live.entries.iter().filter(|entry| Arc::ptr_eq(&entry.series, &metrics.other)).count();
    text.one("plugwork_metrics_shared_routes", "gauge", "Routes that share the series `other`, because there are too many.", shared);
}

/// Name, help and value of a number of a plugin.
type Number = (&'static str, &'static str, fn(&Usage) -> u64);

/// What only grows.
pub(super) const COUNTERS: [Number; 8] = [
    ("plugwork_plugin_calls_total", "Calls that were made.", |usage| usage.calls),
    ("plugwork_plugin_faults_total", "Calls that ended in a fault.", |usage| usage.faults),
    ("plugwork_plugin_denials_total", "What policy or a limit denied.", |usage| usage.denials),
    ("plugwork_plugin_cpu_milliseconds_total", "Processor time.", |usage| usage.cpu_ms),
    ("plugwork_plugin_cpu_waited_milliseconds_total", "Time that calls waited for their share.", |usage| usage.cpu_waited_ms),
    ("plugwork_plugin_egress_bytes_total", "Bytes that left by requests.", |usage| usage.egress_bytes),
    ("plugwork_plugin_ingress_bytes_total", "Bytes that came in by responses.", |usage| usage.ingress_bytes),
    ("plugwork_plugin_log_dropped_total", "Log records that were dropped.", |usage| usage.log_dropped),
];

/// What it holds now.
const GAUGES: [Number; 5] = [
    ("plugwork_plugin_instances", "Instances that live.", |usage| u64::from(usage.instances)),
    ("plugwork_plugin_memory_bytes", "Memories and tables of all instances.", |usage| usage.memory_bytes),
    ("plugwork_plugin_held_bytes", "What the host holds on its behalf.", |usage| usage.held_bytes),
    ("plugwork_plugin_memory_peak_bytes", "The most that both ever were.", |usage| usage.memory_peak_bytes),
    ("plugwork_plugin_open_requests", "Outgoing requests that are open.", |usage| u64::from(usage.requests)),
];

fn plugins(node: &Node, text: &mut Text) {
    let (used, sums) = node.metrics().totals.look(node);
    // Two deployments that share the requests may each have a plugin of one name: a series is told once.
    let mut all: BTreeMap<(&str, &str, &str), Vec<&Usage>> = BTreeMap::new();
    for one in used.each() {
        all.entry((&one.application.tenant, &one.application.application, one.name)).or_default().push(one.usage);
    }
    let untold = all.len().saturating_sub(SERIES_MAX);
    let nothing = Amounts::default();
    let told = |(tenant, application, plugin): (&str, &str, &str)| {
        let names = (tenant.to_owned(), application.to_owned(), plugin.to_owned());
        sums.get(&names).unwrap_or(&nothing)
    };
    for (place, (name, help, _)) in COUNTERS.into_iter().enumerate() {
        text.family(name, "counter", help);
        for names in all.keys().take(SERIES_MAX) {
            let (tenant, application, plugin) = *names;
            text.sample(name, &[("tenant", tenant), ("application", application), ("plugin", plugin)], told(*names).counts[place]);
        }
    }
    for (name, help, value) in GAUGES {
        text.family(name, "gauge", help);
        for ((tenant, application, plugin), usages) in all.iter().take(SERIES_MAX) {
            let sum: u64 = usages.iter().map(|usage| value(usage)).sum();
            text.sample(name, &[("tenant", tenant), ("application", application), ("plugin", plugin)], sum);
        }
    }
    text.family("plugwork_plugin_host_calls_total", "counter", "Calls into the host, by family of interfaces.");
    for names in all.keys().take(SERIES_MAX) {
        let (tenant, application, plugin) = *names;
        for (interface, calls) in &told(*names).host_calls {
            let labels = [("tenant", tenant), ("application", application), ("plugin", plugin), ("interface", *interface)];
            text.sample("plugwork_plugin_host_calls_total", &labels, calls);
        }
    }
    text.one("plugwork_metrics_untold_plugins", "gauge", "Plugins that are left out here, because there are too many.", untold);
}

fn routes(node: &Node, text: &mut Text) {
    let metrics = node.metrics();
    let (own, unrouted) = (metrics.routes(), Labels::default());
    let other =
        Labels { tenant: "other".to_owned(), application: "other".to_owned(), route: "other".to_owned(), plugin: "other".to_owned() };
    let all: Vec<(&Labels, &Series)> =
        own.iter().map(|(labels, series)| (labels, &**series)).chain([(&unrouted, &metrics.unrouted), (&other, &*metrics.other)]).collect();
    let labels = |labels: &Labels| {
        let Labels { tenant, application, route, plugin } = labels.clone();
        [("tenant", tenant), ("application", application), ("route", route), ("plugin", plugin)]
    };
    text.family("plugwork_http_response_bytes_total", "counter", "Bytes of answers' bodies.");
    for (whose, series) in &all {
        let own = labels(whose);
        let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        text.sample("plugwork_http_response_bytes_total", &own, series.response_bytes());
    }
    let duration = "plugwork_http_request_duration_seconds";
    text.family(
        duration,
        "histogram",
        "From a request's head to the end of its answer, by class of status; `none` where the client went away.",
    );
    for (whose, series) in &all {
        let own = labels(whose);
        for class in Class::ALL {
            let histogram = series.of(class);
            if histogram.read().0[BUCKETS_US.len()] > 0 {
                let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).chain([("status_class", class.name())]).collect();
                text.histogram(duration, &own, histogram);
            }
        }
    }
    let waits = "plugwork_http_queue_seconds";
    text.family(waits, "histogram", "How long requests waited for a place with their plugin; those that did not wait are not in it.");
    for (whose, series) in all.iter().filter(|(_, series)| series.waits().read().0[BUCKETS_US.len()] > 0) {
        let own = labels(whose);
        let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        text.histogram(waits, &own, series.waits());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut text = Text::default();
        text.sample("a", &[("b", "x\"} 1\ny\\")], 2);
        assert_eq!(text.0, "a{b=\"x\\\"} 1\\ny\\\\\"} 2\n");
        text.0.clear();
        text.one("a", "gauge", "h", 1);
        assert_eq!(text.0, "# HELP a h\n# TYPE a gauge\na 1\n");
    }
}
