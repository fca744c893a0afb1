//! Tokens of operators. Only the answer to issuing one has its secret.

use std::collections::BTreeSet;

use plugwork_core::authorize::{Action, Token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wish for a token.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = Issue)]
pub struct IssueWords {
    /// What it may do, such as `deployments:write`.
    #[schema(value_type = Vec<String>)]
    pub actions: BTreeSet<Action>,
    /// For which tenant; left out: the issuer's own, or `default`.
    #[serde(default)]
    pub tenant: Option<String>,
    /// For one application only.
    #[serde(default)]
    pub application: Option<String>,
    /// For every tenant, and for the server itself. Not beside `tenant` and `application`.
    #[serde(default)]
    pub everywhere: bool,
    /// How long it lives. Seconds, at most 366 days.
    pub lifetime_seconds: u64,
    /// What for.
    #[serde(default)]
    pub note: String,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Token)]
pub struct TokenWords {
    /// Names it; not secret.
    pub id: String,
    /// For which tenant; null: for all, and for the server.
    pub tenant: Option<String>,
    /// For which application; null: for all of the tenant.
    pub application: Option<String>,
    /// What it may do.
    pub actions: Vec<String>,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// Unix milliseconds.
    pub expires_ms: u64,
    /// Who issued it.
    pub created_by: String,
    /// What for; may be empty.
    pub note: String,
    /// Whether it was taken back.
    pub revoked: Option<RevocationWords>,
}

/// That a token was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Revocation)]
pub struct RevocationWords {
    /// When. Unix milliseconds.
    pub at_ms: u64,
    /// Who did.
    pub by: String,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Issued)]
pub struct IssuedWords {
    /// The token.
    pub token: TokenWords,
    /// Its text, which is told this once.
    pub secret: String,
}

impl TokenWords {
    pub(crate) fn of(token: &Token) -> Self {
        Self {
            id: token.id.to_string(),
            tenant: token.scope.tenant.clone(),
            application: token.scope.application.clone(),
            actions: token.scope.actions.iter().map(ToString::to_string).collect(),
            created_ms: token.created_ms,
            expires_ms: token.expires_ms,
            created_by: token.created_by.clone(),
            note: token.note.clone(),
            revoked: token.revoked.as_ref().map(|revoked| RevocationWords { at_ms: revoked.at_ms, by: revoked.by.clone() }),
        }
    }
}
