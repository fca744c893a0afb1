//! `plugwork usage`: what the plugins of a server used, from the record in the state folder; the server need not run.
//!
//! Easy to get wrong: a server keeps its record every minute, so the last one may be missing here; and an hour is one of UTC.

use plugwork_core::metering::{HOUR_MS, UsageHour, UsageLedger, UsageQuery, UsageSum};
use serde::Serialize;

use super::words::{grouped, instant, size};
use crate::consent::given::duration_ms;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::now_ms;
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

Memory is bytes times time: a plugin that holds 64 MiB for an hour has 64 MiB·h.
The JSON is one object a line for each hour, oldest first: hour (since 1970, UTC),
from, tenant, application, plugin, requests, cpu-ms, memory-byte-ms, egress-bytes,
host-calls, faults."
)]
pub(crate) struct Usage {
    /// From so long ago on, in whole hours: such as 90m, 24h or 30d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration_ms)]
    since: u64,
    /// Only of this application.
    #[arg(long, value_name = "NAME")]
    application: Option<String>,
    /// Only of the plugin that its application calls so.
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Only of this tenant.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
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
            let store = host::store(place).await?;
            let mut rows: Vec<UsageHour> = Vec::new();
            // A clock that went back left hours that are still to come: they are shown too.
            let from_hour = now_ms().saturating_sub(self.since) / HOUR_MS;
            let Self { application, plugin, tenant, .. } = &self;
            let mut query = UsageQuery {
                tenant: tenant.clone(),
                application: application.clone(),
                plugin: plugin.clone(),
                from_hour,
                ..UsageQuery::default()
            };
            loop {
                let page = store.usage(query.clone()).await?;
                let Some(last) = page.last() else { break };
                query.after = Some(last.key.clone());
                if self.json {
                    page.iter().for_each(|row| print::json_line(&Line { from: instant(row.key.hour.saturating_mul(HOUR_MS)), row }));
                } else if self.hourly {
                    rows.extend(page);
                } else {
                    // One row for each plugin, so that a long time takes no more memory than a short one.
                    page.into_iter().for_each(|row| merge(&mut rows, row));
                }
            }
            if !self.json {
                self.show(&rows);
            }
            Ok(())
        })
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
