//! The contract of [`UsageLedger`] on SQLite: a table of sums beside the chain, in `records.db`.
//!
//! What a reader may get wrong: the hours that are kept are counted, not compared with a clock. One that jumps far ahead for a while costs the oldest hour,
//! not all of them.

use plugwork_core::metering::{HOURS_KEPT, PAGE_USAGE_MAX, Pending, ROWS_KEPT, UsageHour, UsageKey, UsageLedger, UsageQuery, UsageSum};
use plugwork_core::record::RecordsError;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::Store;
use crate::applications::{Answer, Change, Rows};

/// Adds saturate: in SQLite a sum past 63 bits would be no whole number any more.
const ADD: &str = "INSERT INTO usage (hour, tenant, application, plugin, requests, cpu_ms, memory_byte_ms, egress_bytes, host_calls, faults) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hour, tenant, application, plugin) DO UPDATE SET \
    requests = requests + min(excluded.requests, 9223372036854775807 - requests), \
    cpu_ms = cpu_ms + min(excluded.cpu_ms, 9223372036854775807 - cpu_ms), \
    memory_byte_ms = memory_byte_ms + min(excluded.memory_byte_ms, 9223372036854775807 - memory_byte_ms), \
    egress_bytes = egress_bytes + min(excluded.egress_bytes, 9223372036854775807 - egress_bytes), \
    host_calls = host_calls + min(excluded.host_calls, 9223372036854775807 - host_calls), \
    faults = faults + min(excluded.faults, 9223372036854775807 - faults)";

/// Of one tenant: by its own index, so that it reads nothing of others. Named, since which one SQLite would choose is not for it to say.
const PAGE_OF_TENANT: &str = "SELECT * FROM usage INDEXED BY usage_of_tenant \
    WHERE tenant = ?1 AND (?2 IS NULL OR application = ?2) AND (?3 IS NULL OR plugin = ?3) AND hour >= max(?4, ?6) AND hour < ?5 \
    AND (hour, tenant, application, plugin) > (?6, ?7, ?8, ?9) ORDER BY hour, application, plugin LIMIT ?10";

const PAGE: &str = "SELECT * FROM usage WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR application = ?2) AND (?3 IS NULL OR plugin = ?3) \
    AND hour >= ?4 AND hour < ?5 AND (hour, tenant, application, plugin) > (?6, ?7, ?8, ?9) ORDER BY hour, tenant, application, plugin LIMIT ?10";

/// A number as SQLite holds it.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Adds the rows inside a transaction.
pub(crate) async fn add(rows: &Rows, connection: &mut SqliteConnection, added: Vec<UsageHour>) -> Result<(), RecordsError> {
    let failed = |error: sqlx::Error| RecordsError::from(rows.database.error(&error));
    let mut is_new = false;
    for UsageHour { key, sum } in added {
        let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM usage WHERE hour = ? LIMIT 1")
            .bind(whole(key.hour))
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed)?;
        is_new |= known.is_none();
        let query = sqlx::query(ADD).bind(whole(key.hour)).bind(key.tenant).bind(key.application).bind(key.plugin);
        let query = query.bind(whole(sum.requests)).bind(whole(sum.cpu_ms)).bind(whole(sum.memory_byte_ms));
        let query = query.bind(whole(sum.egress_bytes)).bind(whole(sum.host_calls)).bind(whole(sum.faults));
        query.execute(&mut *connection).await.map_err(failed)?;
    }
    // Once an hour, not with every row.
    if is_new { forget(connection, HOURS_KEPT, ROWS_KEPT).await.map_err(failed) } else { Ok(()) }
}

/// Drops the oldest hours: those past the number of hours, and those whose rows are past the number of rows.
async fn forget(connection: &mut SqliteConnection, hours_kept: u32, rows_kept: u32) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM usage WHERE hour <= (SELECT DISTINCT hour FROM usage ORDER BY hour DESC LIMIT 1 OFFSET ?)")
        .bind(hours_kept)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM usage WHERE hour <= (SELECT hour FROM usage ORDER BY hour DESC LIMIT 1 OFFSET ?)")
        .bind(rows_kept)
        .execute(&mut *connection)
        .await
        .map(drop)
}

fn read(row: &SqliteRow) -> Result<UsageHour, sqlx::Error> {
    let number = |column: &str| u64::try_from(row.try_get::<i64, _>(column)?).map_err(|error| sqlx::Error::Decode(error.into()));
    Ok(UsageHour {
        key: UsageKey {
            hour: number("hour")?,
            tenant: row.try_get("tenant")?,
            application: row.try_get("application")?,
            plugin: row.try_get("plugin")?,
        },
        sum: UsageSum {
            requests: number("requests")?,
            cpu_ms: number("cpu_ms")?,
            memory_byte_ms: number("memory_byte_ms")?,
            egress_bytes: number("egress_bytes")?,
            host_calls: number("host_calls")?,
            faults: number("faults")?,
        },
    })
}

impl UsageLedger for Store {
    fn add_usage(&self, rows: Vec<UsageHour>) -> Pending<'_, ()> {
        Box::pin(async move {
            match self.applications.write(Change::AddUsage(rows)).await? {
                Answer::Usage(result) => result,
                Answer::Current(_) | Answer::Token(_) => unreachable!("adding usage answers nothing else"),
            }
        })
    }

    fn usage(&self, query: UsageQuery) -> Pending<'_, Vec<UsageHour>> {
        Box::pin(async move {
            let UsageQuery { tenant, application, plugin, from_hour, until_hour, after, limit } = query;
            // Before every key there is: no hour is negative.
            let (hour, after) = after.map_or((-1, None), |after| (whole(after.hour), Some(after)));
            let (after_tenant, after_application, after_plugin) =
                after.map_or_else(Default::default, |after| (after.tenant, after.application, after.plugin));
            let page = sqlx::query(if tenant.is_some() { PAGE_OF_TENANT } else { PAGE })
                .bind(tenant)
                .bind(application)
                .bind(plugin)
                .bind(whole(from_hour))
                .bind(whole(until_hour))
                .bind(hour)
                .bind(after_tenant)
                .bind(after_application)
                .bind(after_plugin)
                .bind(limit.min(PAGE_USAGE_MAX))
                .fetch_all(&self.readers)
                .await
                .map_err(|error| self.database.error(&error))?;
            let read = page.iter().map(read).collect::<Result<Vec<_>, _>>();
            read.map_err(|error| self.database.error(&error).into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Connection as _;

    #[tokio::test]
    async fn the_usage_of_a_tenant_is_found_by_its_index_and_in_its_order() {
        let plan = crate::records::plan_of(PAGE_OF_TENANT).await;
        assert_eq!(plan, ["SEARCH usage USING INDEX usage_of_tenant (tenant=? AND hour>? AND hour<?)"], "no sorting beside it");
    }

    #[tokio::test]
    async fn the_oldest_hours_go_and_one_in_the_far_future_takes_one_of_them_not_all() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(include_str!("schema/records-4.sql")).execute(&mut connection).await.unwrap();
        let insert = "INSERT INTO usage VALUES (?, 't', 'a', ?, 1, 0, 0, 0, 0, 0)";
        for (hour, plugin) in [(1, "p"), (2, "p"), (2, "q"), (3, "p"), (900_000_000, "p")] {
            sqlx::query(insert).bind(hour).bind(plugin).execute(&mut connection).await.unwrap();
        }
        let hours = "SELECT DISTINCT hour FROM usage ORDER BY hour";
        forget(&mut connection, 3, 100).await.unwrap();
        let kept: Vec<i64> = sqlx::query_scalar(hours).fetch_all(&mut connection).await.unwrap();
        assert_eq!(kept, [2, 3, 900_000_000]);
        forget(&mut connection, 3, 4).await.unwrap();
        assert_eq!(sqlx::query_scalar::<_, i64>(hours).fetch_all(&mut connection).await.unwrap().len(), 3, "four rows are not too many");
        forget(&mut connection, 3, 3).await.unwrap();
        let kept: Vec<i64> = sqlx::query_scalar(hours).fetch_all(&mut connection).await.unwrap();
        assert_eq!(kept, [3, 900_000_000]);
    }
}
