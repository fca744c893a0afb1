//! Rows as deployments, moves and tokens, each only as this node wrote it (but for [`Rows::named`]); and the other way round.

use std::collections::BTreeMap;

use plugwork_core::Digest;
use plugwork_core::authorize::{Token, TokensError};
use plugwork_core::deployment::{ApplicationKey, Deployment, DeploymentsError, Move, Moved, Named};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::database::Database;
use crate::records::Stamps;

/// What reading rows needs.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) database: Database,
    pub(super) stamps: Stamps,
}

/// Why a deployment or a move could not be read.
type Read<T> = Result<T, DeploymentsError>;

impl Rows {
    /// What SQLite said.
    pub(super) fn error(&self, error: &sqlx::Error) -> DeploymentsError {
        self.database.error(error).into()
    }

    pub(super) fn deployment(&self, row: &SqliteRow) -> Read<Deployment> {
        let deployment = (|| {
            Ok::<_, sqlx::Error>(Deployment {
                key: key(row)?,
                number: whole(row, "number")?,
                text: row.try_get("text")?,
                plugins: serde_json::from_str(row.try_get("plugins")?).map_err(|error| sqlx::Error::Decode(error.into()))?,
                created_ms: whole(row, "created_ms")?,
                by: row.try_get("who")?,
                note: row.try_get("note")?,
                digest: row.try_get::<String, _>("digest")?.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            })
        })()
        .map_err(|error| self.error(&error))?;
        if deployment.is_intact() && self.is_stamped(row, &deployment.digest) {
            return Ok(deployment);
        }
        Err(DeploymentsError::Changed { what: format!("deployment {} of `{}`", deployment.number, deployment.key) })
    }

    /// Which components a row names. Without its text nobody can tell whether it is what this node wrote.
    pub(super) fn named(&self, row: &SqliteRow) -> Read<Named> {
        let named = (|| {
            let plugins = serde_json::from_str::<BTreeMap<String, Digest>>(row.try_get("plugins")?);
            let components = plugins.map_err(|error| sqlx::Error::Decode(error.into()))?.into_values().collect();
            Ok::<_, sqlx::Error>(Named { number: whole(row, "number")?, components })
        })();
        named.map_err(|error| self.error(&error))
    }

    pub(super) fn movement(&self, row: &SqliteRow) -> Read<Move> {
        let movement = (|| {
            let from: Option<i64> = row.try_get("from_number")?;
            let moved: String = row.try_get("moved")?;
            let known = [Moved::Deployed, Moved::RolledBack].into_iter().find(|kind| kind.as_str() == moved);
            Ok::<_, sqlx::Error>(Move {
                key: key(row)?,
                sequence: whole(row, "sequence")?,
                from: from.map(u64::try_from).transpose().map_err(|error| sqlx::Error::Decode(error.into()))?,
                to: whole(row, "to_number")?,
                moved: known.ok_or_else(|| sqlx::Error::Decode(format!("`{moved}` is no kind of move").into()))?,
                at_ms: whole(row, "at_ms")?,
                by: row.try_get("who")?,
                reason: row.try_get("reason")?,
            })
        })()
        .map_err(|error| self.error(&error))?;
        if self.is_stamped(row, &movement.content()) {
            return Ok(movement);
        }
        Err(DeploymentsError::Changed { what: format!("move {} of `{}`", movement.sequence, movement.key) })
    }

    pub(super) fn token(&self, row: &SqliteRow) -> Result<Token, TokensError> {
        let failed = |error: &sqlx::Error| TokensError::from(plugwork_core::record::RecordsError::from(self.database.error(error)));
        let id: String = row.try_get("id").map_err(|error| failed(&error))?;
        let body: String = row.try_get("body").map_err(|error| failed(&error))?;
        let tenant: Option<String> = row.try_get("tenant").map_err(|error| failed(&error))?;
        let token: Token = serde_json::from_str(&body).map_err(|error| failed(&sqlx::Error::Decode(error.into())))?;
        if token.id.as_str() == id && token.scope.tenant == tenant && self.is_stamped(row, &token.content()) {
            return Ok(token);
        }
        Err(TokensError::Changed { what: format!("token `{}`", id.chars().take(40).collect::<String>().escape_debug()) })
    }

    fn is_stamped(&self, row: &SqliteRow, content: &plugwork_core::Digest) -> bool {
        row.try_get::<&[u8], _>("stamp").is_ok_and(|stamp| self.stamps.is_of(content, stamp))
    }

    /// The last move of an application.
    pub(super) async fn last(&self, connection: &mut SqliteConnection, key: &ApplicationKey) -> Read<Option<Move>> {
        let last = sqlx::query("SELECT * FROM movement WHERE tenant = ? AND application = ? ORDER BY sequence DESC LIMIT 1")
            .bind(&key.tenant)
            .bind(&key.application)
            .fetch_optional(connection)
            .await
            .map_err(|error| self.error(&error))?;
        last.map(|row| self.movement(&row)).transpose()
    }

    pub(super) async fn numbered(&self, connection: &mut SqliteConnection, key: &ApplicationKey, number: u64) -> Read<Option<Deployment>> {
        self.row_numbered(connection, key, number).await?.map(|row| self.deployment(&row)).transpose()
    }

    /// The same unread. An error is one of the database itself.
    pub(super) async fn row_numbered(
        &self,
        connection: &mut SqliteConnection,
        key: &ApplicationKey,
        number: u64,
    ) -> Read<Option<SqliteRow>> {
        let Ok(number) = i64::try_from(number) else { return Ok(None) };
        sqlx::query("SELECT * FROM deployment WHERE tenant = ? AND application = ? AND number = ?")
            .bind(&key.tenant)
            .bind(&key.application)
            .bind(number)
            .fetch_optional(connection)
            .await
            .map_err(|error| self.error(&error))
    }
}

fn key(row: &SqliteRow) -> Result<ApplicationKey, sqlx::Error> {
    Ok(ApplicationKey { tenant: row.try_get("tenant")?, application: row.try_get("application")? })
}

/// The key of a row that may be no text at all.
pub(super) fn key_shown(row: &SqliteRow) -> ApplicationKey {
    let shown = |column| {
        row.try_get_unchecked::<&[u8], _>(column).map_or_else(|_| "?".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    ApplicationKey { tenant: shown("tenant"), application: shown("application") }
}

fn whole(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}
