//! Verifying: everything is read and recomputed, in one snapshot of the database, page by page.
//!
//! The kept head is read before the snapshot begins: it never runs ahead of the chain, so what it names must be in the snapshot.

use std::collections::BTreeMap;

use plugwork_core::record::{Chain, ConsentKey, Verified};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::index::Index;
use super::row;
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::store::blocking;
use crate::{Store, head};

const PAGE_ROWS: usize = 128;

pub(super) async fn verify(store: &Store) -> Result<Verified> {
    store.database.check_identity()?;
    let (folder, key) = (store.folder.clone(), store.public_key);
    let kept = blocking(move || Ok(head::read(&folder, &key))).await?;
    let sql = |error: sqlx::Error| store.database.error(&error);
    // A head that cannot be read is told last: a record that is bad says more.
    let expected = kept.as_ref().ok().copied().filter(|head| head.sequence > 0);
    let mut chain = Chain::new(store.public_key, expected);
    let mut snapshot = store.readers.begin().await.map_err(sql)?;
    let mut after = i64::MIN;
    loop {
        let rows = page(&mut snapshot, after).await.map_err(sql)?;
        let Some(last) = rows.last() else { break };
        after = sqlx::Row::try_get(last, "sequence").map_err(sql)?;
        // Signatures take tens of microseconds each.
        chain = blocking(move || {
            for row in &rows {
                chain.push(&row::record(row)?)?;
            }
            Ok(chain)
        })
        .await?;
    }
    let (verified, current) = chain.finish()?;
    compare(&mut snapshot, Index::Consents, current.consents, store).await?;
    compare(&mut snapshot, Index::Lifecycles, current.lifecycles, store).await?;
    let said: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *snapshot).await.map_err(sql)?;
    if said != "ok" {
        return Err(StoreError::new(StoreErrorKind::Damaged { path: store.database.path.clone(), what: said }));
    }
    kept.map(|_| verified)
}

async fn page(connection: &mut SqliteConnection, after: i64) -> Result<Vec<SqliteRow>, sqlx::Error> {
    // By the table itself, never by an index: an index that was tampered with could leave rows out.
    sqlx::query("SELECT * FROM record NOT INDEXED WHERE sequence > ? ORDER BY sequence LIMIT ?")
        .bind(after)
        .bind(PAGE_ROWS as i64)
        .fetch_all(connection)
        .await
}

/// Whether an index says what the chain says.
async fn compare(connection: &mut SqliteConnection, index: Index, mut expected: BTreeMap<ConsentKey, u64>, store: &Store) -> Result<()> {
    let sql = |error: sqlx::Error| store.database.error(&error);
    for row in index.rows(connection).await.map_err(sql)? {
        let key = row::key(&row)?;
        let sequence: i64 = sqlx::Row::try_get(&row, "sequence").map_err(sql)?;
        if expected.remove(&key) != u64::try_from(sequence).ok() {
            return Err(index.broken(sequence as u64, &key).into());
        }
    }
    expected.pop_first().map_or(Ok(()), |(key, sequence)| Err(index.broken(sequence, &key).into()))
}
