//! One change to the values of a plugin, inside a transaction that somebody else commits or rolls back.
//!
//! The counts of a namespace are moved by exactly what each statement changed; the quota is compared at the end, and a change that exceeds
//! it is refused, upon which the caller rolls it back.

use sqlx::sqlite::SqliteConnection;

use super::write::{Change, Failure, Outcome};
use super::{Namespace, Quota, QuotaExceeded, Swapped, Usage, usage};
use crate::error::{StoreError, StoreErrorKind};

pub(super) async fn apply(connection: &mut SqliteConnection, namespace: &Namespace, change: Change) -> Result<Outcome, Failure> {
    match change {
        Change::Set { entries, quota } => {
            set(connection, namespace, &entries, quota).await?;
            Ok(Outcome::Done)
        }
        Change::Delete { keys } => {
            let Some(id) = find(connection, namespace).await? else { return Ok(Outcome::Count(0)) };
            let mut count = 0;
            for key in &keys {
                count += u64::from(remove(connection, id, key).await?);
            }
            Ok(Outcome::Count(count))
        }
        Change::Increment { key, delta, quota } => {
            let present = value(connection, namespace, &key).await?;
            let not_a_number = || Failure::Refused(StoreError::new(StoreErrorKind::NotANumber));
            let number = match present {
                None => 0,
                Some(bytes) => std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<i64>().ok()).ok_or_else(not_a_number)?,
            };
            let sum = number.checked_add(delta).ok_or_else(not_a_number)?;
            set(connection, namespace, &[(key, sum.to_string().into_bytes())], quota).await?;
            Ok(Outcome::Number(sum))
        }
        Change::Swap { key, expected, value: new, quota } => {
            let present = value(connection, namespace, &key).await?;
            if present != expected {
                return Ok(Outcome::Swapped(Swapped::No(present)));
            }
            set(connection, namespace, &[(key, new)], quota).await?;
            Ok(Outcome::Swapped(Swapped::Yes))
        }
        Change::Forget => {
            let keys = usage_of_plugin(connection, namespace).await?.keys;
            // The entries go with it.
            sqlx::query("DELETE FROM namespace WHERE tenant = ? AND instance = ? AND package = ?")
                .bind(&namespace.tenant)
                .bind(&namespace.instance)
                .bind(namespace.package.as_str())
                .execute(connection)
                .await?;
            Ok(Outcome::Count(keys))
        }
    }
}

/// What all stores of the namespace's plugin keep.
pub(super) async fn usage_of_plugin(connection: &mut SqliteConnection, namespace: &Namespace) -> Result<Usage, sqlx::Error> {
    let row = sqlx::query(
        "SELECT coalesce(sum(bytes), 0) AS bytes, coalesce(sum(keys), 0) AS keys FROM namespace \
         WHERE tenant = ? AND instance = ? AND package = ?",
    );
    let row = row.bind(&namespace.tenant).bind(&namespace.instance).bind(namespace.package.as_str());
    usage(&row.fetch_one(connection).await?)
}

async fn set(connection: &mut SqliteConnection, namespace: &Namespace, entries: &[(String, Vec<u8>)], quota: Quota) -> Result<(), Failure> {
    let before = usage_of_plugin(connection, namespace).await?;
    let id = match find(connection, namespace).await? {
        Some(id) => id,
        None => make(connection, namespace).await?,
    };
    for (key, value) in entries {
        remove(connection, id, key).await?;
        sqlx::query("INSERT INTO entry (namespace, key, value) VALUES (?, ?, ?)")
            .bind(id)
            .bind(key)
            .bind(value)
            .execute(&mut *connection)
            .await?;
        count(connection, id, (key.len() + value.len()) as i64, 1).await?;
    }
    let asked = usage_of_plugin(connection, namespace).await?;
    let exceeds = |before: u64, asked: u64, quota: u64| asked > quota && asked > before;
    if exceeds(before.bytes, asked.bytes, quota.bytes) || exceeds(before.keys, asked.keys, quota.keys) {
        return Err(Failure::Refused(StoreError::new(StoreErrorKind::Quota(QuotaExceeded { quota, asked }))));
    }
    Ok(())
}

async fn find(connection: &mut SqliteConnection, namespace: &Namespace) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM namespace WHERE tenant = ? AND instance = ? AND package = ? AND store = ?")
        .bind(&namespace.tenant)
        .bind(&namespace.instance)
        .bind(namespace.package.as_str())
        .bind(&namespace.store)
        .fetch_optional(connection)
        .await
}

async fn make(connection: &mut SqliteConnection, namespace: &Namespace) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("INSERT INTO namespace (tenant, instance, package, store) VALUES (?, ?, ?, ?) RETURNING id")
        .bind(&namespace.tenant)
        .bind(&namespace.instance)
        .bind(namespace.package.as_str())
        .bind(&namespace.store)
        .fetch_one(connection)
        .await
}

async fn value(connection: &mut SqliteConnection, namespace: &Namespace, key: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let Some(id) = find(connection, namespace).await? else { return Ok(None) };
    let value = sqlx::query_scalar("SELECT value FROM entry WHERE namespace = ? AND key = ?");
    value.bind(id).bind(key).fetch_optional(connection).await
}

/// Removes a key and its share of the counts; whether it was there.
async fn remove(connection: &mut SqliteConnection, id: i64, key: &str) -> Result<bool, sqlx::Error> {
    let removed: Option<i64> = sqlx::query_scalar("DELETE FROM entry WHERE namespace = ? AND key = ? RETURNING length(value)")
        .bind(id)
        .bind(key)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(bytes) = removed {
        count(connection, id, -(key.len() as i64 + bytes), -1).await?;
    }
    Ok(removed.is_some())
}

async fn count(connection: &mut SqliteConnection, id: i64, bytes: i64, keys: i64) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE namespace SET bytes = bytes + ?, keys = keys + ? WHERE id = ?");
    query.bind(bytes).bind(keys).bind(id).execute(connection).await.map(drop)
}
