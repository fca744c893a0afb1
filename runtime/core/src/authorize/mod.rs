//! Who of the operators may do what: one seam, and the engine behind it that looks at the scope of a token.
//!
//! `authorize(principal, action, resource) → allow or deny`, pure: the server finds out who asks ([`authenticate`] for a token), asks the seam before it looks
//! for anything, and obeys. Not here: users of a served application, whose identity reaches plugins and opens nothing of the server. What a reader
//! may get wrong: a denial says what is missing, so it is for who is known; a token that is not known is told nothing but that.

mod action;
mod engine;
#[cfg(feature = "records")]
mod issued;
#[cfg(feature = "records")]
mod memory;
#[cfg(feature = "records")]
mod token;
#[cfg(feature = "records")]
mod tokens;

pub use action::{Action, NotAnAction};
pub use engine::{Scopes, decide_issue};
#[cfg(feature = "records")]
use issued::issued_with;
#[cfg(feature = "records")]
pub use memory::MemoryTokens;
#[cfg(feature = "records")]
pub use token::{AuthenticationFailed, Presented, Revocation, TOKEN_LIFETIME_MS_MAX, Terms, Token, TokenId, TokenText, authenticate};
#[cfg(feature = "records")]
pub use tokens::{PAGE_TOKENS_MAX, Pending, TENANT_TOKENS_MAX, Tokens, TokensError};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use crate::policy::Decision;

/// Decides. A server holds one, behind an `Arc<dyn Authorize>`; another engine changes nothing else.
pub trait Authorize: Send + Sync + 'static {
    /// Whether the principal may do this to that, at this time (Unix milliseconds by the server's clock).
    fn authorize(&self, principal: &Principal, action: Action, resource: &Resource<'_>, at_ms: u64) -> Decision;
}

/// Who asks, as the server found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// For records: `token:` and the token's id, or `local`.
    pub name: String,
    /// What the credentials are good for.
    pub scope: Scope,
    /// Until when, in Unix milliseconds; none: as long as the connection. Looked at with each decision, since a connection can outlast a token.
    pub expires_ms: Option<u64>,
}

impl Principal {
    /// Who may use the server's own socket on this machine: everything.
    pub fn local() -> Self {
        Self { name: "local".to_owned(), scope: Scope::everything(), expires_ms: None }
    }
}

/// What credentials are good for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scope {
    /// For one tenant; none: for every tenant and for the server itself.
    pub tenant: Option<String>,
    /// For one application of that tenant; none: for all.
    pub application: Option<String>,
    /// Which actions.
    pub actions: BTreeSet<Action>,
}

impl Scope {
    /// Every action on everything.
    pub fn everything() -> Self {
        Self { tenant: None, application: None, actions: Action::ALL.into() }
    }

    /// Whether another scope allows nothing that this one does not.
    pub fn covers(&self, other: &Self) -> bool {
        let within = |outer: &Option<String>, inner: &Option<String>| outer.is_none() || outer == inner;
        within(&self.tenant, &other.tenant) && within(&self.application, &other.application) && other.actions.is_subset(&self.actions)
    }
}

/// What is acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource<'a> {
    /// Whose; none: the server's own.
    pub tenant: Option<&'a str>,
    /// Which application of the tenant; none: all of them, or the tenant itself.
    pub application: Option<&'a str>,
}

impl<'a> Resource<'a> {
    /// The server: its state, its tokens for every tenant.
    pub const fn server() -> Self {
        Self { tenant: None, application: None }
    }

    /// A tenant and all that it has.
    pub const fn tenant(tenant: &'a str) -> Self {
        Self { tenant: Some(tenant), application: None }
    }

    /// One application.
    pub const fn application(tenant: &'a str, application: &'a str) -> Self {
        Self { tenant: Some(tenant), application: Some(application) }
    }
}
