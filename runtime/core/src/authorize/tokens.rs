//! Where tokens are kept: the seam, and what can go wrong with it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::{Revocation, Token, TokenId};
use crate::Issue;
use crate::record::RecordsError;

/// Tokens in one page.
pub const PAGE_TOKENS_MAX: u32 = 1_000;

/// Tokens of one tenant that are good at once: neither taken back nor expired.
pub const TENANT_TOKENS_MAX: u32 = 1_000;

/// What a method of [`Tokens`] gives: a future that may move between threads.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, TokensError>> + Send + 'a>>;

/// The tokens of the operators of a node.
///
/// Every implementation passes the contract suite in `host-adapters/store/tests/it/tokens.rs`.
pub trait Tokens: Send + Sync + 'static {
    /// Keeps a new token; durable when it resolves. One with the id of another is [`TokensError::Exists`]; one whose issuer was taken back meanwhile is
    /// [`TokensError::Revoked`], and one whose issuer is not there [`TokensError::Unknown`]. Where its tenant has [`TENANT_TOKENS_MAX`] others that are good when
    /// it is made, it is [`TokensError::TooMany`]; those for every tenant are not counted.
    fn add_token(&self, token: Token) -> Pending<'_, ()>;

    /// One token, also where it expired or was revoked.
    fn token(&self, id: &TokenId) -> Pending<'_, Option<Token>>;

    /// The tokens of a tenant (none: of all tenants and of the server) after an id (none: from the first), in the order of ids; at most `limit` and at
    /// most [`PAGE_TOKENS_MAX`]. One that cannot be read is left out, and the page has the next one instead: it is among [`Tokens::unreadable_tokens`].
    fn tokens(&self, tenant: Option<&str>, after: Option<&TokenId>, limit: u32) -> Pending<'_, Vec<Token>>;

    /// Why a token could not be read, of those that [`Tokens::tokens`] leaves out; at most [`PAGE_TOKENS_MAX`]. They open nothing.
    fn unreadable_tokens(&self, tenant: Option<&str>) -> Pending<'_, Vec<TokensError>>;

    /// Takes a token back for ever, with all that were issued with it and with those, in one write; gives it as it is then. The first revocation of each
    /// stays.
    fn revoke_token(&self, id: &TokenId, revocation: Revocation) -> Pending<'_, Token>;
}

/// Why a token could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokensError {
    /// There is one of that id.
    Exists {
        /// The id.
        id: TokenId,
    },
    /// There is none of that id.
    Unknown {
        /// The id.
        id: TokenId,
    },
    /// The token that a new one was issued with was taken back; nothing was kept.
    Revoked {
        /// The id of the issuing one.
        id: TokenId,
    },
    /// The tenant has as many as are good at once; nothing was kept.
    TooMany {
        /// Which.
        tenant: String,
    },
    /// The words of a revocation are wrong; nothing was changed.
    Invalid(Vec<Issue>),
    /// A row is not what this node wrote.
    Changed {
        /// Which.
        what: String,
    },
    /// The records could not be read or written.
    Records(RecordsError),
}

impl TokensError {
    /// Whether a token that issues another one may still: `found` is its record.
    ///
    /// # Errors
    /// It is not there, or was taken back.
    pub fn unless_it_stands(id: &TokenId, found: Option<&Token>) -> Result<(), Self> {
        match found {
            None => Err(Self::Unknown { id: id.clone() }),
            Some(token) if token.revoked.is_some() => Err(Self::Revoked { id: id.clone() }),
            Some(_) => Ok(()),
        }
    }

    /// Whether a tenant that has so many good ones may have another one.
    ///
    /// # Errors
    /// It has as many as it may have.
    pub fn unless_there_is_room(tenant: &str, good: usize) -> Result<(), Self> {
        if good < TENANT_TOKENS_MAX as usize { Ok(()) } else { Err(Self::TooMany { tenant: tenant.to_owned() }) }
    }
}

impl fmt::Display for TokensError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { id } => write!(f, "there is a token `{id}` already"),
            Self::Unknown { id } => write!(f, "there is no token `{id}`"),
            Self::Revoked { id } => write!(f, "the token `{id}` was revoked, and issues none"),
            Self::TooMany { tenant } => write!(
                f,
                "the tenant `{tenant}` has {TENANT_TOKENS_MAX} tokens that are good, as many as it may have\nhint: `plugwork token revoke ID` for one that nobody \
                 uses, and shorter lifetimes"
            ),
            Self::Invalid(issues) => {
                f.write_str("the token cannot be revoked:")?;
                issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
            }
            Self::Changed { what } => {
                write!(f, "{what} was changed by somebody else\nhint: restore the folder from a backup, all its files together")
            }
            Self::Records(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TokensError {}

impl From<RecordsError> for TokensError {
    fn from(error: RecordsError) -> Self {
        Self::Records(error)
    }
}
