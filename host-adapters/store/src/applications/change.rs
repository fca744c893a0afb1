//! One change inside a transaction: what it decides, it decides on what it reads there, so that of two that race one sees the other.

use std::collections::BTreeSet;

use plugwork_core::authorize::{Principal, Revocation, TENANT_TOKENS_MAX, Token, TokenId, TokensError};
use plugwork_core::deployment::{Current, Deployment, DeploymentsError, Draft, Expected, Move, Moved, Rollback, next_number};
use plugwork_core::metering::UsageHour;
use plugwork_core::record::RecordsError;
use sqlx::sqlite::SqliteConnection;

use super::row::Rows;
use crate::error::StoreError;
use crate::usage;

/// By the index, which is named so that this fails rather than reads the tokens of everybody while nothing else can be written.
const ISSUED_WITH: &str =
    "SELECT * FROM token INDEXED BY token_by_issuer WHERE json_valid(body) AND json_extract(body, '$.created_by') = ?";

/// Likewise. Counted no further than it has to be.
const GOOD_TOKENS: &str = "SELECT count(*) FROM (SELECT 1 FROM token INDEXED BY token_not_revoked WHERE json_valid(body) \
    AND json_extract(body, '$.revoked') IS NULL AND tenant = ? AND json_extract(body, '$.expires_ms') > ? LIMIT ?)";

/// What is asked. Whether it is right in itself was checked before.
pub(crate) enum Change {
    Deploy { at_ms: u64, draft: Draft, expected: Expected },
    RollBack { at_ms: u64, rollback: Rollback, expected: Expected },
    AddToken(Token),
    Revoke { id: TokenId, revocation: Revocation },
    AddUsage(Vec<UsageHour>),
}

/// What came of it. An error changed nothing.
#[derive(Clone)]
pub(crate) enum Answer {
    Current(Result<Box<Current>, DeploymentsError>),
    Token(Result<Box<Token>, TokensError>),
    Usage(Result<(), RecordsError>),
}

impl Answer {
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Current(result) => result.is_ok(),
            Self::Token(result) => result.is_ok(),
            Self::Usage(result) => result.is_ok(),
        }
    }
}

impl Answer {
    /// What SQLite said to it, where it failed by that.
    pub(super) fn failure(self) -> Option<StoreError> {
        match self {
            Self::Current(Err(DeploymentsError::Records(error)))
            | Self::Token(Err(TokensError::Records(error)))
            | Self::Usage(Err(error)) => Some(error.into()),
            _ => None,
        }
    }
}

impl Change {
    pub(super) async fn apply(self, rows: &Rows, connection: &mut SqliteConnection) -> Answer {
        match self {
            Self::Deploy { at_ms, draft, expected } => {
                Answer::Current(deploy(rows, connection, at_ms, draft, expected).await.map(Box::new))
            }
            Self::RollBack { at_ms, rollback, expected } => {
                Answer::Current(roll_back(rows, connection, at_ms, rollback, expected).await.map(Box::new))
            }
            Self::AddToken(token) => Answer::Token(add(rows, connection, token).await.map(Box::new)),
            Self::AddUsage(rows_to_add) => Answer::Usage(usage::add(rows, connection, rows_to_add).await),
            Self::Revoke { id, revocation } => Answer::Token(revoke(rows, connection, &id, revocation).await.map(Box::new)),
        }
    }
}

async fn deploy(
    rows: &Rows,
    connection: &mut SqliteConnection,
    at_ms: u64,
    draft: Draft,
    expected: Expected,
) -> Result<Current, DeploymentsError> {
    let last = rows.last(connection, &draft.key).await?;
    expected.check(last.as_ref().map(|last| last.to))?;
    let highest: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM deployment WHERE tenant = ? AND application = ?")
        .bind(&draft.key.tenant)
        .bind(&draft.key.application)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| rows.error(&error))?;
    // Numbers are ours and begin at 1; a negative one would be a row that somebody else wrote, and the next is then refused as a duplicate.
    let number = next_number(highest.and_then(|highest| u64::try_from(highest).ok()));
    let (by, note) = (draft.by.clone(), draft.note.clone());
    let moved = Move::following(last.as_ref(), draft.key.clone(), number, Moved::Deployed, at_ms, by, note);
    let deployment = draft.numbered(number, at_ms);
    insert_deployment(rows, connection, &deployment).await?;
    insert_move(rows, connection, &moved).await?;
    Ok(Current { deployment, moved })
}

async fn roll_back(
    rows: &Rows,
    connection: &mut SqliteConnection,
    at_ms: u64,
    rollback: Rollback,
    expected: Expected,
) -> Result<Current, DeploymentsError> {
    let last = rows.last(connection, &rollback.key).await?;
    let current = last.as_ref().map(|last| last.to);
    expected.check(current)?;
    let target = rows.numbered(connection, &rollback.key, rollback.to).await?;
    rollback.decide(current, target.is_some())?;
    let Some(deployment) = target else { unreachable!("a rollback to nothing was refused") };
    let Rollback { key, to, by, reason } = rollback;
    let moved = Move::following(last.as_ref(), key, to, Moved::RolledBack, at_ms, by, reason);
    insert_move(rows, connection, &moved).await?;
    Ok(Current { deployment, moved })
}

async fn insert_deployment(rows: &Rows, connection: &mut SqliteConnection, deployment: &Deployment) -> Result<(), DeploymentsError> {
    sqlx::query("INSERT INTO deployment (tenant, application, number, text, plugins, created_ms, who, note, digest, stamp) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&deployment.key.tenant)
        .bind(&deployment.key.application)
        .bind(deployment.number as i64)
        .bind(&deployment.text)
        .bind(serde_json::to_string(&deployment.plugins).expect("names and digests are JSON"))
        .bind(deployment.created_ms as i64)
        .bind(&deployment.by)
        .bind(&deployment.note)
        .bind(deployment.digest.to_string())
        .bind(rows.stamps.of(&deployment.digest).to_vec())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| rows.error(&error))
}

async fn insert_move(rows: &Rows, connection: &mut SqliteConnection, moved: &Move) -> Result<(), DeploymentsError> {
    sqlx::query("INSERT INTO movement (tenant, application, sequence, from_number, to_number, moved, at_ms, who, reason, stamp) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&moved.key.tenant)
        .bind(&moved.key.application)
        .bind(moved.sequence as i64)
        .bind(moved.from.map(|from| from as i64))
        .bind(moved.to as i64)
        .bind(moved.moved.as_str())
        .bind(moved.at_ms as i64)
        .bind(&moved.by)
        .bind(&moved.reason)
        .bind(rows.stamps.of(&moved.content()).to_vec())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| rows.error(&error))
}

fn failed(rows: &Rows, error: &sqlx::Error) -> TokensError {
    RecordsError::from(rows.database.error(error)).into()
}

async fn found(rows: &Rows, connection: &mut SqliteConnection, id: &TokenId) -> Result<Option<Token>, TokensError> {
    let row = sqlx::query("SELECT * FROM token WHERE id = ?").bind(id.as_str()).fetch_optional(connection).await;
    row.map_err(|error| failed(rows, &error))?.map(|row| rows.token(&row)).transpose()
}

async fn add(rows: &Rows, connection: &mut SqliteConnection, token: Token) -> Result<Token, TokensError> {
    if found(rows, connection, &token.id).await?.is_some() {
        return Err(TokensError::Exists { id: token.id });
    }
    // Looked at where nothing comes between: a token that is taken back must not leave one behind that was just being issued with it.
    if let Some(issuer) = token.issuer() {
        TokensError::unless_it_stands(&issuer, found(rows, connection, &issuer).await?.as_ref())?;
    }
    if let Some(tenant) = &token.scope.tenant {
        let good: i64 = sqlx::query_scalar(GOOD_TOKENS)
            .bind(tenant)
            .bind(i64::try_from(token.created_ms).unwrap_or(i64::MAX))
            .bind(TENANT_TOKENS_MAX)
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| failed(rows, &error))?;
        TokensError::unless_there_is_room(tenant, usize::try_from(good).unwrap_or(usize::MAX))?;
    }
    put(rows, connection, &token).await?;
    Ok(token)
}

async fn revoke(rows: &Rows, connection: &mut SqliteConnection, id: &TokenId, revocation: Revocation) -> Result<Token, TokensError> {
    let token = found(rows, connection, id).await?.ok_or_else(|| TokensError::Unknown { id: id.clone() })?;
    let token = revoke_one(rows, connection, token, &revocation).await?;
    let (mut gone, mut waiting) = (BTreeSet::from([id.clone()]), vec![id.clone()]);
    while let Some(issuer) = waiting.pop() {
        for token in issued(rows, connection, &issuer).await? {
            // Once each: records that name each other come to an end too.
            if gone.insert(token.id.clone()) {
                waiting.push(token.id.clone());
                revoke_one(rows, connection, token, &revocation).await?;
            }
        }
    }
    Ok(token)
}

async fn revoke_one(
    rows: &Rows,
    connection: &mut SqliteConnection,
    mut token: Token,
    revocation: &Revocation,
) -> Result<Token, TokensError> {
    if token.revoked.is_none() {
        token.revoked = Some(revocation.clone());
        put(rows, connection, &token).await?;
    }
    Ok(token)
}

/// The tokens that were issued with this one. What cannot be read opens nothing, and must not stand in the way.
async fn issued(rows: &Rows, connection: &mut SqliteConnection, issuer: &TokenId) -> Result<Vec<Token>, TokensError> {
    let issued = sqlx::query(ISSUED_WITH).bind(Principal::bearer_of(issuer)).fetch_all(connection).await;
    let issued = issued.map_err(|error| failed(rows, &error))?;
    Ok(issued.iter().filter_map(|row| rows.token(row).ok()).collect())
}

async fn put(rows: &Rows, connection: &mut SqliteConnection, token: &Token) -> Result<(), TokensError> {
    // Not `INSERT OR REPLACE`: that would be a deletion, which a trigger forbids.
    sqlx::query("INSERT INTO token (id, tenant, body, stamp) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body, stamp = excluded.stamp")
        .bind(token.id.as_str())
        .bind(&token.scope.tenant)
        .bind(serde_json::to_string(token).expect("text and numbers are JSON"))
        .bind(rows.stamps.of(&token.content()).to_vec())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| failed(rows, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::plan_of;

    #[tokio::test]
    async fn tokens_are_found_by_their_issuer_and_counted_by_their_tenant_without_reading_the_others() {
        for (query, expected) in [
            (ISSUED_WITH, "SEARCH token USING INDEX token_by_issuer (<expr>=?)"),
            (GOOD_TOKENS, "SEARCH token USING INDEX token_not_revoked (tenant=? AND <expr>>?)"),
        ] {
            let plan = plan_of(query).await;
            assert!(plan.iter().any(|detail| detail == expected), "{plan:?}");
        }
    }
}
