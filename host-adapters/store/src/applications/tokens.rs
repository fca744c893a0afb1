//! The contract of [`Tokens`] on SQLite.

use futures::TryStreamExt as _;
use plugwork_core::authorize::{PAGE_TOKENS_MAX, Pending, Revocation, Token, TokenId, Tokens, TokensError};
use plugwork_core::record::RecordsError;

use super::change::{Answer, Change};
use crate::Store;
use crate::error::StoreError;

impl From<StoreError> for TokensError {
    fn from(error: StoreError) -> Self {
        Self::Records(RecordsError::from(error))
    }
}

impl Store {
    async fn change_token(&self, change: Change) -> Result<Token, TokensError> {
        match self.applications.write(change).await? {
            Answer::Token(result) => result.map(|token| *token),
            Answer::Current(_) | Answer::Usage(_) => unreachable!("changing a token answers the token"),
        }
    }

    /// What `wanted` takes of the rows after an id, as many as the limit says. An error is one of the database itself.
    async fn listed<T>(
        &self,
        tenant: Option<String>,
        after: String,
        limit: u32,
        wanted: fn(Result<Token, TokensError>) -> Option<T>,
    ) -> Result<Vec<T>, TokensError> {
        let limit = limit.min(PAGE_TOKENS_MAX) as usize;
        let mut rows = sqlx::query("SELECT * FROM token WHERE (?1 IS NULL OR tenant = ?1) AND id > ?2 ORDER BY id")
            .bind(tenant)
            .bind(after)
            .fetch(&self.readers);
        let mut listed = Vec::new();
        while listed.len() < limit
            && let Some(row) = rows.try_next().await.map_err(|error| self.database.error(&error))?
        {
            listed.extend(wanted(self.applications.rows.token(&row)));
        }
        Ok(listed)
    }
}

impl Tokens for Store {
    fn add_token(&self, token: Token) -> Pending<'_, ()> {
        Box::pin(async move { self.change_token(Change::AddToken(token)).await.map(drop) })
    }

    fn token(&self, id: &TokenId) -> Pending<'_, Option<Token>> {
        let id = id.clone();
        Box::pin(async move {
            let row = sqlx::query("SELECT * FROM token WHERE id = ?").bind(id.as_str()).fetch_optional(&self.readers).await;
            let row = row.map_err(|error| self.database.error(&error))?;
            row.map(|row| self.applications.rows.token(&row)).transpose()
        })
    }

    fn tokens(&self, tenant: Option<&str>, after: Option<&TokenId>, limit: u32) -> Pending<'_, Vec<Token>> {
        let (tenant, after) = (tenant.map(str::to_owned), after.map_or_else(String::new, TokenId::to_string));
        Box::pin(async move { self.listed(tenant, after, limit, Result::ok).await })
    }

    fn unreadable_tokens(&self, tenant: Option<&str>) -> Pending<'_, Vec<TokensError>> {
        let tenant = tenant.map(str::to_owned);
        Box::pin(async move { self.listed(tenant, String::new(), PAGE_TOKENS_MAX, Result::err).await })
    }

    fn revoke_token(&self, id: &TokenId, revocation: Revocation) -> Pending<'_, Token> {
        let id = id.clone();
        Box::pin(async move {
            let issues = revocation.issues();
            if !issues.is_empty() {
                return Err(TokensError::Invalid(issues));
            }
            self.change_token(Change::Revoke { id, revocation }).await
        })
    }
}
