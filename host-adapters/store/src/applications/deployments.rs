//! The contract of [`Deployments`] on SQLite.

use plugwork_core::Issue;
use plugwork_core::deployment::{
    ApplicationKey, Current, Deployment, Deployments, DeploymentsError, Draft, Expected, Move, Named, PAGE_DEPLOYMENTS_MAX, Pending,
    Rollback, Unreadable,
};
use plugwork_core::record::RecordsError;

use super::change::{Answer, Change};
use super::row;
use crate::Store;
use crate::error::StoreError;
use crate::store::blocking;

/// From an index that has no texts. Named: where it is missing this fails, and does not read them after all.
const NAMED: &str = "SELECT tenant, application, number, plugins FROM deployment INDEXED BY deployment_plugins \
    WHERE tenant = ? AND application = ? AND number > ? ORDER BY number LIMIT ?";

/// Goes from one application to the next: of moves there are as many as there ever were, and they are not read.
const LAST_MOVES: &str = "WITH RECURSIVE own (application) AS (SELECT min(application) FROM movement WHERE tenant = ?1 UNION ALL \
    SELECT (SELECT min(application) FROM movement WHERE tenant = ?1 AND application > own.application) FROM own WHERE own.application IS NOT NULL) \
    SELECT movement.* FROM own CROSS JOIN movement ON movement.tenant = ?1 AND movement.application = own.application AND movement.sequence = \
    (SELECT max(sequence) FROM movement WHERE tenant = ?1 AND application = own.application) ORDER BY own.application";

impl From<StoreError> for DeploymentsError {
    fn from(error: StoreError) -> Self {
        Self::Records(RecordsError::from(error))
    }
}

impl Store {
    async fn move_pointer(&self, at_ms: u64, change: Change) -> Result<Current, DeploymentsError> {
        if i64::try_from(at_ms).is_err() {
            let what = format!("{at_ms} is no time: it does not fit 63 bits of milliseconds");
            return Err(RecordsError::Storage { what, hint: String::new() }.into());
        }
        match self.applications.write(change).await? {
            Answer::Current(result) => result.map(|current| *current),
            Answer::Token(_) | Answer::Usage(_) => unreachable!("moving a pointer answers what is current"),
        }
    }

    async fn checked<T: Send + 'static>(value: T, issues: fn(&T) -> Vec<Issue>) -> Result<T, DeploymentsError> {
        // A megabyte of text takes a moment, which other tasks must not wait for.
        let (value, issues) = blocking(move || {
            let issues = issues(&value);
            Ok((value, issues))
        })
        .await?;
        if issues.is_empty() { Ok(value) } else { Err(DeploymentsError::Invalid(issues)) }
    }

    /// What is current of each application, or why that cannot be read. An error is one of the database itself.
    async fn all_current(&self, tenant: Option<&str>) -> Result<Vec<Result<Current, Unreadable>>, DeploymentsError> {
        let rows = &self.applications.rows;
        // Pointers and deployments of one moment.
        let mut snapshot = self.readers.begin().await.map_err(|error| rows.error(&error))?;
        let last = sqlx::query(
            "SELECT * FROM movement AS latest WHERE (?1 IS NULL OR tenant = ?1) AND sequence = \
             (SELECT max(sequence) FROM movement WHERE tenant = latest.tenant AND application = latest.application) ORDER BY tenant, application",
        );
        let last = last.bind(tenant).fetch_all(&mut *snapshot).await.map_err(|error| rows.error(&error))?;
        let mut currents = Vec::with_capacity(last.len());
        for row in last {
            let current = match rows.movement(&row) {
                Ok(moved) => self.of(&mut snapshot, &moved).await?.map(|deployment| Current { deployment, moved }),
                Err(error) => Err(error),
            };
            currents.push(current.map_err(|error| Unreadable { key: row::key_shown(&row), error }));
        }
        Ok(currents)
    }

    /// The deployment that a move leads to, or why it cannot be read.
    async fn of(
        &self,
        connection: &mut sqlx::sqlite::SqliteConnection,
        moved: &Move,
    ) -> Result<Result<Deployment, DeploymentsError>, DeploymentsError> {
        let rows = &self.applications.rows;
        Ok(match rows.row_numbered(connection, &moved.key, moved.to).await? {
            Some(row) => rows.deployment(&row),
            None => Err(DeploymentsError::Changed { what: format!("deployment {} of `{}`, which is missing,", moved.to, moved.key) }),
        })
    }

    async fn page(
        &self,
        sql: &'static str,
        key: &ApplicationKey,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<sqlx::sqlite::SqliteRow>, DeploymentsError> {
        let query = sqlx::query(sql).bind(&key.tenant).bind(&key.application);
        // Whatever does not fit is above every number there is.
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let page = query.bind(before).bind(limit.min(PAGE_DEPLOYMENTS_MAX)).fetch_all(&self.readers).await;
        page.map_err(|error| self.applications.rows.error(&error))
    }
}

impl Deployments for Store {
    fn deploy(&self, at_ms: u64, draft: Draft, expected: Expected) -> Pending<'_, Current> {
        Box::pin(async move {
            let draft = Self::checked(draft, Draft::issues).await?;
            self.move_pointer(at_ms, Change::Deploy { at_ms, draft, expected }).await
        })
    }

    fn roll_back(&self, at_ms: u64, rollback: Rollback, expected: Expected) -> Pending<'_, Current> {
        Box::pin(async move {
            let rollback = Self::checked(rollback, Rollback::issues).await?;
            self.move_pointer(at_ms, Change::RollBack { at_ms, rollback, expected }).await
        })
    }

    fn current(&self, key: &ApplicationKey) -> Pending<'_, Option<Current>> {
        let key = key.clone();
        Box::pin(async move {
            let rows = &self.applications.rows;
            let mut snapshot = self.readers.begin().await.map_err(|error| rows.error(&error))?;
            match rows.last(&mut snapshot, &key).await? {
                Some(moved) => Ok(Some(Current { deployment: self.of(&mut snapshot, &moved).await??, moved })),
                None => Ok(None),
            }
        })
    }

    fn currents(&self, tenant: Option<&str>) -> Pending<'_, Vec<Current>> {
        let tenant = tenant.map(str::to_owned);
        Box::pin(async move { Ok(self.all_current(tenant.as_deref()).await?.into_iter().filter_map(Result::ok).collect()) })
    }

    fn unreadable(&self, tenant: Option<&str>) -> Pending<'_, Vec<Unreadable>> {
        let tenant = tenant.map(str::to_owned);
        Box::pin(async move { Ok(self.all_current(tenant.as_deref()).await?.into_iter().filter_map(Result::err).collect()) })
    }

    fn deployment(&self, key: &ApplicationKey, number: u64) -> Pending<'_, Option<Deployment>> {
        let key = key.clone();
        Box::pin(async move {
            let rows = &self.applications.rows;
            let mut connection = self.readers.acquire().await.map_err(|error| rows.error(&error))?;
            rows.numbered(&mut connection, &key, number).await
        })
    }

    fn deployments(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Deployment>> {
        const SQL: &str = "SELECT * FROM deployment WHERE tenant = ? AND application = ? AND number < ? ORDER BY number DESC LIMIT ?";
        let key = key.clone();
        Box::pin(async move {
            let page = self.page(SQL, &key, before, limit).await?;
            let rows = self.applications.rows.clone();
            // A hundred megabytes to be hashed, which other tasks must not wait for.
            blocking(move || Ok(page.iter().map(|row| rows.deployment(row)).collect())).await?
        })
    }

    fn named(&self, key: &ApplicationKey, after: u64, limit: u32) -> Pending<'_, Vec<Named>> {
        let key = key.clone();
        Box::pin(async move {
            // Whatever does not fit is above every number there is.
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let query = sqlx::query(NAMED).bind(key.tenant).bind(key.application).bind(after).bind(limit.min(PAGE_DEPLOYMENTS_MAX));
            let page = query.fetch_all(&self.readers).await.map_err(|error| self.applications.rows.error(&error))?;
            let rows = self.applications.rows.clone();
            blocking(move || Ok(page.iter().map(|row| rows.named(row)).collect())).await?
        })
    }

    fn moves(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Move>> {
        const SQL: &str = "SELECT * FROM movement WHERE tenant = ? AND application = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?";
        let key = key.clone();
        Box::pin(async move {
            let page = self.page(SQL, &key, before, limit).await?;
            page.iter().map(|row| self.applications.rows.movement(row)).collect()
        })
    }

    fn last_moves(&self, tenant: &str) -> Pending<'_, Vec<Move>> {
        let tenant = tenant.to_owned();
        Box::pin(async move {
            let rows = &self.applications.rows;
            let last = sqlx::query(LAST_MOVES).bind(tenant).fetch_all(&self.readers).await.map_err(|error| rows.error(&error))?;
            last.iter().map(|row| rows.movement(row)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::plan_of;

    #[tokio::test]
    async fn what_deployments_name_is_told_without_their_texts_and_who_is_last_without_those_before() {
        let searched = "SEARCH deployment USING COVERING INDEX deployment_plugins (tenant=? AND application=? AND number>?)";
        assert_eq!(plan_of(NAMED).await, [searched]);
        let last = plan_of(LAST_MOVES).await;
        assert!(last.iter().all(|detail| !detail.contains("SCAN movement")), "{last:?}");
        let one = "SEARCH movement USING PRIMARY KEY (tenant=? AND application=? AND sequence=?)";
        assert!(last.iter().any(|detail| detail == one), "{last:?}");
    }
}
