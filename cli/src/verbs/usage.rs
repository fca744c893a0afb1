//! `plugwork usage`: what the plugins of a server used, from the record in the state folder; the server need not run. Or from a server elsewhere, by a token.
//!
//! Easy to get wrong: a server keeps its record every minute, so the last one may be missing here; and an hour is one of UTC.

use plugwork_core::metering::{HOUR_MS, UsageHour, UsageLedger, UsageQuery, UsageSum};
use plugwork_edge::admin::words::UsageHourWords;
use serde::Serialize;

use super::words::{grouped, instant, size};
use crate::consent::given::duration_ms;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::now_ms;
use crate::operator::reach::{Reach, label};
use crate::print;

/// Shows what the plugins of `plugwork serve` used, by the hour.
///
/// Requests, processor time, memory over time, bytes sent, calls into the host and
/// faults of each plugin of each application. The server keeps this every minute
/// and when it stops; what was used in the minute before a crash is not in it.
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  plugwork usage
  plugwork usage --since 30d --application shop --json
  plugwork usage --server http://127.0.0.1:9090 --token-file usage.token

Memory is bytes times time: a plugin that holds 64 MiB for an hour has 64 MiB·h.
The JSON is one object a line for each hour, oldest first: hour (since 1970, UTC),
from, tenant, application, plugin, requests, cpu-ms, memory-byte-ms, egress-bytes,
host-calls, faults."
)]
pub(crate) struct Usage {
    /// From so long ago on, in whole hours: such as 90m, 24h or 30d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration_ms)]
    since: u64,
    /// Up to so long ago: such as 24h. Default: now.
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    until: Option<u64>,
    /// Only of this application.
    #[arg(long, value_name = "NAME", value_parser = label)]
    application: Option<String>,
    /// Only of the plugin that its application calls so.
    #[arg(long, value_name = "NAME", value_parser = label)]
    plugin: Option<String>,
    #[command(flatten)]
    reach: Reach,
    /// A row for each hour, not for each plugin.
    #[arg(long)]
    hourly: bool,
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    from: String,
    #[serde(flatten)]
    row: &'a UsageHour,
}

impl Usage {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let mut rows: Vec<UsageHour> = Vec::new();
            let take = |page: Vec<UsageHour>| {
                if self.json {
                    page.iter().for_each(|row| print::json_line(&Line { from: instant(row.key.hour.saturating_mul(HOUR_MS)), row }));
                } else if self.hourly {
                    rows.extend(page);
                } else {
                    // One row for each plugin, so that a long time takes no more memory than a short one.
                    page.into_iter().for_each(|row| merge(&mut rows, row));
                }
            };
            if self.reach.is_said() { self.ask(place, take).await } else { self.look(place, take).await }?;
            if !self.json {
                self.show(&rows);
            }
            Ok(())
        })
    }

    /// From when on, and up to when. A clock that went back left hours that are still to come: where nobody says until when they are shown too.
    fn times(&self) -> (u64, Option<u64>) {
        let now_ms = now_ms();
        (now_ms.saturating_sub(self.since), self.until.map(|ago_ms| now_ms.saturating_sub(ago_ms)))
    }

    /// What is on record in the state folder.
    async fn look(&self, place: &Place, mut take: impl FnMut(Vec<UsageHour>)) -> Result<(), Failure> {
        let store = host::store(place).await?;
        let Self { application, plugin, reach, .. } = self;
        let (since_ms, until_ms) = self.times();
        let mut query = UsageQuery {
            tenant: reach.tenant.clone(),
            application: application.clone(),
            plugin: plugin.clone(),
            from_hour: since_ms / HOUR_MS,
            until_hour: until_ms.map_or(u64::MAX, |until_ms| until_ms.div_ceil(HOUR_MS)),
            ..UsageQuery::default()
        };
        loop {
            let page = store.usage(query.clone()).await?;
            let Some(last) = page.last() else { return Ok(()) };
            query.after = Some(last.key.clone());
            take(page);
        }
    }

    /// What a server has on record.
    async fn ask(&self, place: &Place, mut take: impl FnMut(Vec<UsageHour>)) -> Result<(), Failure> {
        let (since_ms, until_ms) = self.times();
        let named = [("tenant", &self.reach.tenant), ("application", &self.application), ("plugin", &self.plugin)];
        let mut path = format!("/v1/usage/hours?since={since_ms}");
        // Names have no letter that needs escaping.
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            path += &format!("&{name}={value}");
        }
        path += &until_ms.map(|until_ms| format!("&until={until_ms}")).unwrap_or_default();
        let client = self.reach.client(place)?;
        client.pages(&path, |page: Vec<UsageHourWords>| take(page.into_iter().map(UsageHourWords::row).collect())).await
    }

    fn show(&self, rows: &[UsageHour]) {
        if rows.is_empty() {
            print::narrate("nothing was used; `--since 30d` looks back further");
            return;
        }
        let has_tenants = rows.iter().any(|row| row.key.tenant != "default");
        let cells = |row: &UsageHour| {
            let UsageHour { key, sum } = row;
            let mut cells = Vec::new();
            if self.hourly {
                cells.push(instant(key.hour.saturating_mul(HOUR_MS)));
            }
            if has_tenants {
                cells.push(key.tenant.clone());
            }
            cells.extend([key.application.clone(), key.plugin.clone()]);
            cells.extend(amounts(sum));
            cells
        };
        let mut headings = Vec::new();
        if self.hourly {
            headings.push("from");
        }
        if has_tenants {
            headings.push("tenant");
        }
        headings.extend(["application", "plugin", "requests", "cpu", "memory", "sent", "host calls", "faults"]);
        print::table(&headings, &rows.iter().map(cells).collect::<Vec<_>>());
    }
}

fn merge(rows: &mut Vec<UsageHour>, mut row: UsageHour) {
    row.key.hour = 0;
    match rows.binary_search_by(|known| known.key.cmp(&row.key)) {
        Ok(at) => rows[at].sum = rows[at].sum.and(row.sum),
        Err(at) => rows.insert(at, row),
    }
}

fn amounts(sum: &UsageSum) -> [String; 6] {
    [
        grouped(sum.requests),
        format!("{}.{:03} s", grouped(sum.cpu_ms / 1_000), sum.cpu_ms % 1_000),
        format!("{}·h", size(sum.memory_byte_ms / HOUR_MS)),
        size(sum.egress_bytes),
        grouped(sum.host_calls),
        grouped(sum.faults),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugwork_core::metering::UsageKey;

    #[test]
    fn hours_of_one_plugin_are_one_row() {
        let row = |hour, application: &str| UsageHour {
            key: UsageKey { hour, tenant: "t".to_owned(), application: application.to_owned(), plugin: "p".to_owned() },
            sum: UsageSum { requests: hour, cpu_ms: 1_500, memory_byte_ms: HOUR_MS << 19, ..UsageSum::default() },
        };
        let mut rows = Vec::new();
        [row(1, "b"), row(2, "a"), row(2, "b")].into_iter().for_each(|row| merge(&mut rows, row));
        let seen: Vec<_> = rows.iter().map(|row| (row.key.application.as_str(), amounts(&row.sum)[..3].join(" "))).collect();
        assert_eq!(seen, [("a", "2 1.500 s 512.0 KiB·h".to_owned()), ("b", "3 3.000 s 1.0 MiB·h".to_owned())]);
    }
}
