//! What the server allows clients and plugins, with the numbers that hold where nobody says otherwise. Limits of one route or plugin are the
//! application's.

use std::time::Duration;

use plugwork_core::Issue;

/// Limits of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Connections at once; 10,000, or as many as the system leaves descriptors for (see [`Server::connections_max`](crate::Server::connections_max)).
    /// For who comes after, whoever is idle the longest is let go; where none is idle, they wait until one ends.
    pub connections_max: usize,
    /// Connections at once of one client; 1,000. More are closed at once. Behind a proxy that is one client: as many as `connections_max`.
    pub client_connections_max: usize,
    /// How long a client may take for a request's head, and over HTTP/1.1 how long it may keep a connection between two requests. Milliseconds;
    /// 10,000. Past it the connection is closed.
    pub head_deadline_ms: u64,
    /// How long a connection of HTTP/2 may be without a request. Milliseconds; 60,000.
    pub idle_ms: u64,
    /// How long a client may take none of what is sent to it. Milliseconds; 30,000. Past it the connection is broken off.
    pub stall_ms: u64,
    /// What a client has to take of what is sent to it, while it is waited for. Bytes per second; 4,096. Past `stall_ms` behind that it is broken off too.
    pub send_bytes_per_second_min: u64,
    /// Answers that are whole in memory, whose plugin is done with them, and that are still to be sent: their bytes together; 256 MiB. An answer that
    /// finds no room holds its place with the plugin until it is sent. Over HTTP/1.1 one of at most 4 KiB is not counted.
    pub answer_bytes_total: usize,
    /// Bodies of requests that are read before their plugin is asked: their bytes together; 256 MiB. Past it the answer is 503.
    pub body_bytes_total: usize,
    /// Such bodies at once; 8,192. Past it the answer is 503.
    pub bodies_max: usize,
    /// How much of the three one client may have. Percent, 1 to 100; 25. Behind a proxy that is one client: 100.
    pub client_share_percent: u32,
    /// Requests at once on one connection of HTTP/2; 100.
    pub streams_max: u32,
    /// Instances of all plugins at once, those that are kept for the next request among them; 1,500, and 2,500 at most. Who comes after takes the place of one that
    /// is kept, or waits in line. For whoever opens the runtime: `plugwork serve` makes its pool of so many.
    pub instances_max: u32,
    /// Requests of one plugin that are with it at once; 256.
    pub plugin_requests_max: usize,
    /// Requests that wait behind those; 256. Who comes after is told 503.
    pub plugin_queue_max: usize,
    /// How long one of them waits. Milliseconds; 1,000. Past it it is told 503.
    pub plugin_queue_ms: u64,
    /// Clients whose rates are known at once, for each route that has one; 65,536. Past it those that are known go on, and new ones share one.
    pub rate_clients_max: usize,
    /// Components of one tenant, their bytes together, each counted as 256 KiB or more; 8 GiB. An upload past it is refused. What the process deploys by itself is not, and counts.
    pub tenant_component_bytes_max: u64,
    /// How long requests that have begun may take when the server stops or a deployment is replaced. Milliseconds; 30,000.
    pub drain_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            client_connections_max: 1_000,
            head_deadline_ms: 10_000,
            idle_ms: 60_000,
            stall_ms: 30_000,
            send_bytes_per_second_min: 4_096,
            answer_bytes_total: 256 << 20,
            body_bytes_total: 256 << 20,
            bodies_max: 8_192,
            client_share_percent: 25,
            streams_max: 100,
            instances_max: 1_500,
            plugin_requests_max: 256,
            plugin_queue_max: 256,
            plugin_queue_ms: 1_000,
            rate_clients_max: 65_536,
            tenant_component_bytes_max: 8 << 30,
            drain_ms: 30_000,
        }
    }
}

impl Settings {
    /// Everything that is wrong with them.
    pub fn issues(&self) -> Vec<Issue> {
        let numbers = [
            ("connections-max", self.connections_max as u64),
            ("client-connections-max", self.client_connections_max as u64),
            ("head-deadline-ms", self.head_deadline_ms),
            ("idle-ms", self.idle_ms),
            ("stall-ms", self.stall_ms),
            ("send-bytes-per-second-min", self.send_bytes_per_second_min),
            ("answer-bytes-total", self.answer_bytes_total as u64),
            ("body-bytes-total", self.body_bytes_total as u64),
            ("bodies-max", self.bodies_max as u64),
            ("client-share-percent", u64::from(self.client_share_percent)),
            ("streams-max", u64::from(self.streams_max)),
            ("instances-max", u64::from(self.instances_max)),
            ("plugin-requests-max", self.plugin_requests_max as u64),
            ("rate-clients-max", self.rate_clients_max as u64),
            ("tenant-component-bytes-max", self.tenant_component_bytes_max),
        ];
        let none = numbers.into_iter().filter(|(_, number)| *number == 0);
        let none = none.map(|(name, _)| Issue { what: "0".to_owned(), at: name.to_owned(), expected: "at least 1".to_owned() });
        let share = Some(self.client_share_percent).filter(|share| *share > 100).map(|share| Issue {
            what: share.to_string(),
            at: "client-share-percent".to_owned(),
            expected: "at most 100".to_owned(),
        });
        none.chain(share).collect()
    }

    /// These limits with all of `wanted` that can change while a server runs, and the names of those that differ and cannot.
    pub(crate) fn changed_to(self, wanted: Self) -> (Self, Vec<&'static str>) {
        let Self { connections_max, instances_max, plugin_requests_max, plugin_queue_max, plugin_queue_ms, rate_clients_max, .. } = self;
        let Self { client_connections_max, answer_bytes_total, body_bytes_total, bodies_max, client_share_percent, .. } = self;
        // Counted in places that were made at the start, or when a plugin was.
        let fixed = [
            ("connections-max", connections_max != wanted.connections_max),
            ("client-connections-max", client_connections_max != wanted.client_connections_max),
            ("instances-max", instances_max != wanted.instances_max),
            ("plugin-requests-max", plugin_requests_max != wanted.plugin_requests_max),
            ("plugin-queue-max", plugin_queue_max != wanted.plugin_queue_max),
            ("plugin-queue-ms", plugin_queue_ms != wanted.plugin_queue_ms),
            ("rate-clients-max", rate_clients_max != wanted.rate_clients_max),
            ("answer-bytes-total", answer_bytes_total != wanted.answer_bytes_total),
            ("body-bytes-total", body_bytes_total != wanted.body_bytes_total),
            ("bodies-max", bodies_max != wanted.bodies_max),
            ("client-share-percent", client_share_percent != wanted.client_share_percent),
        ];
        let settings =
            Self { connections_max, instances_max, plugin_requests_max, plugin_queue_max, plugin_queue_ms, rate_clients_max, ..wanted };
        let settings = Self { client_connections_max, answer_bytes_total, body_bytes_total, bodies_max, client_share_percent, ..settings };
        (settings, fixed.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect())
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_change_does_and_what_cannot_is_named() {
        let before = Settings::default();
        let wanted = Settings { connections_max: 1, plugin_queue_ms: 1, idle_ms: 1, drain_ms: 1, ..before };
        let (after, fixed) = before.changed_to(wanted);
        assert_eq!(after, Settings { idle_ms: 1, drain_ms: 1, ..before });
        assert_eq!(fixed, ["connections-max", "plugin-queue-ms"]);
    }
}
