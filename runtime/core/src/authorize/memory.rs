//! Tokens in memory: for tests and for servers that keep nothing. Gone with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{PAGE_TOKENS_MAX, Pending, Revocation, Token, TokenId, Tokens, TokensError, issued_with};

/// The same contract as the durable one, without the durability.
#[derive(Default)]
pub struct MemoryTokens(Mutex<BTreeMap<TokenId, Token>>);

impl MemoryTokens {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere leaves it whole: nothing that a change does can panic between its assignments.
    fn kept(&self) -> MutexGuard<'_, BTreeMap<TokenId, Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_now(&self, token: Token) -> Result<(), TokensError> {
        let mut kept = self.kept();
        if kept.contains_key(&token.id) {
            return Err(TokensError::Exists { id: token.id });
        }
        if let Some(issuer) = token.issuer() {
            TokensError::unless_it_stands(&issuer, kept.get(&issuer))?;
        }
        if let Some(tenant) = &token.scope.tenant {
            let is_good = |other: &&Token| other.revoked.is_none() && other.expires_ms > token.created_ms;
            let good = kept.values().filter(|other| other.scope.tenant.as_ref() == Some(tenant)).filter(is_good).count();
            TokensError::unless_there_is_room(tenant, good)?;
        }
        kept.insert(token.id.clone(), token);
        Ok(())
    }

    fn revoke_now(&self, id: &TokenId, revocation: Revocation) -> Result<Token, TokensError> {
        let issues = revocation.issues();
        if !issues.is_empty() {
            return Err(TokensError::Invalid(issues));
        }
        let mut kept = self.kept();
        let token = kept.get_mut(id).ok_or_else(|| TokensError::Unknown { id: id.clone() })?;
        token.revoked.get_or_insert_with(|| revocation.clone());
        let revoked = token.clone();
        let issued = issued_with(id, kept.values().filter_map(|token| Some((token.id.clone(), token.issuer()?))));
        for id in issued {
            if let Some(token) = kept.get_mut(&id) {
                token.revoked.get_or_insert_with(|| revocation.clone());
            }
        }
        Ok(revoked)
    }
}

/// A future that is already there.
fn ready<'a, T: Send + 'a>(result: Result<T, TokensError>) -> Pending<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Tokens for MemoryTokens {
    fn add_token(&self, token: Token) -> Pending<'_, ()> {
        ready(self.add_now(token))
    }

    fn token(&self, id: &TokenId) -> Pending<'_, Option<Token>> {
        ready(Ok(self.kept().get(id).cloned()))
    }

    fn tokens(&self, tenant: Option<&str>, after: Option<&TokenId>, limit: u32) -> Pending<'_, Vec<Token>> {
        let kept = self.kept();
        let wanted = |token: &&Token| {
            after.is_none_or(|after| token.id > *after) && tenant.is_none_or(|tenant| token.scope.tenant.as_deref() == Some(tenant))
        };
        ready(Ok(kept.values().filter(wanted).take(limit.min(PAGE_TOKENS_MAX) as usize).cloned().collect()))
    }

    fn unreadable_tokens(&self, _: Option<&str>) -> Pending<'_, Vec<TokensError>> {
        ready(Ok(Vec::new()))
    }

    fn revoke_token(&self, id: &TokenId, revocation: Revocation) -> Pending<'_, Token> {
        ready(self.revoke_now(id, revocation))
    }
}
