//! One row of `events.db`, read and written inside of somebody else's transaction.
//!
//! Easily got wrong: what goes is always the oldest, so that what is there of a tenant has no gaps.

use plugwork_core::events::outbox::{Cursor, Retention, Span};
use plugwork_core::events::{Chain, Event};
use plugwork_core::record::ConsentKey;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// A number that is none below zero.
pub(super) fn number(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn span(row: &SqliteRow) -> Result<Span, sqlx::Error> {
    Ok(Span { first: number(row, "first")?, last: number(row, "last")?, bytes: number(row, "bytes")? })
}

pub(super) fn event(row: &SqliteRow) -> Result<Event, sqlx::Error> {
    let hops = u32::try_from(number(row, "hops")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Event {
        topic: row.try_get::<&str, _>("topic")?.into(),
        payload: row.try_get("payload")?,
        source: row.try_get::<&str, _>("source")?.into(),
        chain: Chain { id: row.try_get::<i64, _>("chain")?.cast_unsigned(), hops },
        sequence: Some(number(row, "sequence")?),
    })
}

/// Keeps an event of a tenant behind its last, and lets go of what is past the bounds.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    retention: &Retention,
    tenant: &str,
    at_ms: u64,
    event: Event,
) -> Result<Event, sqlx::Error> {
    let bytes = event.bytes() as i64;
    let row = sqlx::query(
        "INSERT INTO tenant (name, last, bytes) VALUES (?, 1, ?) \
         ON CONFLICT (name) DO UPDATE SET last = last + 1, bytes = bytes + excluded.bytes RETURNING id, first, last, bytes",
    );
    let row = row.bind(tenant).bind(bytes).fetch_one(&mut *connection).await?;
    let id: i64 = row.try_get("id")?;
    let span = span(&row)?;
    sqlx::query(
        "INSERT INTO event (tenant, sequence, at_ms, bytes, topic, source, chain, hops, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id)
    .bind(span.last as i64)
    .bind(time(at_ms))
    .bind(bytes)
    .bind(&*event.topic)
    .bind(&*event.source)
    .bind(event.chain.id.cast_signed())
    .bind(i64::from(event.chain.hops))
    .bind(event.payload.as_slice())
    .execute(&mut *connection)
    .await?;
    prune(connection, retention, id, span, at_ms).await?;
    Ok(Event { sequence: Some(span.last), ..event })
}

/// Lets go of the oldest of a tenant, one by one, until those that are left are within the bounds.
async fn prune(connection: &mut SqliteConnection, retention: &Retention, id: i64, mut span: Span, at_ms: u64) -> Result<u64, sqlx::Error> {
    let before = span.first;
    while span.events() > 0 {
        let oldest = sqlx::query("SELECT at_ms, bytes FROM event WHERE tenant = ? AND sequence = ?");
        let oldest = oldest.bind(id).bind(span.first as i64).fetch_one(&mut *connection).await?;
        if !retention.is_past(span.events(), span.bytes, at_ms.saturating_sub(number(&oldest, "at_ms")?)) {
            break;
        }
        span.bytes = span.bytes.saturating_sub(number(&oldest, "bytes")?);
        span.first += 1;
    }
    if span.first > before {
        sqlx::query("DELETE FROM event WHERE tenant = ? AND sequence < ?")
            .bind(id)
            .bind(span.first as i64)
            .execute(&mut *connection)
            .await?;
        let moved = sqlx::query("UPDATE tenant SET first = ?, bytes = ? WHERE id = ?");
        moved.bind(span.first as i64).bind(span.bytes as i64).bind(id).execute(connection).await?;
    }
    Ok(span.first - before)
}

/// The same for all tenants; says how many events are gone.
pub(super) async fn prune_all(connection: &mut SqliteConnection, retention: &Retention, at_ms: u64) -> Result<u64, sqlx::Error> {
    let tenants = sqlx::query("SELECT id, first, last, bytes FROM tenant").fetch_all(&mut *connection).await?;
    let mut gone = 0;
    for row in tenants {
        let span = span(&row)?;
        gone += prune(connection, retention, row.try_get("id")?, span, at_ms).await?;
    }
    Ok(gone)
}

pub(super) async fn cursor(connection: &mut SqliteConnection, key: &ConsentKey) -> Result<Option<Cursor>, sqlx::Error> {
    let body = sqlx::query_scalar::<_, String>("SELECT body FROM cursor WHERE tenant = ? AND instance = ? AND package = ?");
    let body = body.bind(&key.tenant).bind(&key.instance).bind(key.package.as_str()).fetch_optional(connection).await?;
    // Never taken for none: that would begin anew at the end, and what waits would be lost without a word.
    body.map(|body| serde_json::from_str(&body).map_err(|error| sqlx::Error::Decode(error.into()))).transpose()
}

pub(super) async fn put_cursor(connection: &mut SqliteConnection, key: &ConsentKey, cursor: Option<&Cursor>) -> Result<(), sqlx::Error> {
    let query = match cursor {
        Some(cursor) => {
            let body = serde_json::to_string(cursor).map_err(|error| sqlx::Error::Encode(error.into()))?;
            let query = sqlx::query(
                "INSERT INTO cursor (tenant, instance, package, body) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (tenant, instance, package) DO UPDATE SET body = excluded.body",
            );
            query.bind(&key.tenant).bind(&key.instance).bind(key.package.as_str()).bind(body)
        }
        None => {
            let query = sqlx::query("DELETE FROM cursor WHERE tenant = ? AND instance = ? AND package = ?");
            query.bind(&key.tenant).bind(&key.instance).bind(key.package.as_str())
        }
    };
    query.execute(connection).await.map(drop)
}

/// A time as SQLite holds it.
fn time(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
