//! The one seam of the admin API: who asks, for what; and what a handler may reach once that was allowed.
//!
//! Easily got wrong: nothing here hands out the node, the tokens or the log without a [`Permit`]. That is on purpose: the fields are private to this file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use http::StatusCode;
use plugwork_core::application::ClientRate;
use plugwork_core::authorize::{Action, AuthenticationFailed, Authorize, Principal, Resource, Scopes, Token, Tokens, TokensError};
use plugwork_core::deployment::ApplicationKey;
use plugwork_core::metering::UsageLedger;
use tokio::sync::watch;

use super::asked::Asked;
use super::once::Once;
use super::places::{NoPlace, Place, Places};
use super::problem::Problem;
use super::tail::Tail;
use super::who::Caller;
use crate::node::{Node, NotServed, now_ms};
use crate::rate::Limiter;

/// Wrong tokens that one peer may present; after them it is told to wait, and what it presents is looked at in turn.
pub(crate) const WRONG_TOKENS: ClientRate = ClientRate { requests: 20, window_seconds: 60 };
/// Peers whose wrong tokens are counted apart.
const PEERS_MAX: usize = 4_096;
/// Components that are received at once.
const UPLOADS_MAX: usize = 4;
/// Of one tenant.
const TENANT_UPLOADS_MAX: usize = 2;
/// Of all who are bound to a tenant: the rest is the operator's.
const TENANTS_UPLOADS_MAX: usize = 3;

/// Who reads at once what all deployments of a tenant name: not all readers of the database, which finds out who asks too.
const WALKS_MAX: usize = 3;
/// Of one tenant.
const TENANT_WALKS_MAX: usize = 1;
/// Of all who are bound to a tenant.
const TENANTS_WALKS_MAX: usize = 2;
/// Removals that wait for what is being deployed, also where whoever asked went away.
const REMOVALS_MAX: usize = 64;
/// Of one tenant.
const TENANT_REMOVALS_MAX: usize = 1;
/// Of all who are bound to a tenant.
const TENANTS_REMOVALS_MAX: usize = 48;

/// What an admin API is made of.
pub struct AdminParts {
    /// What deploys.
    pub node: Node,
    /// The operators' tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Who may do what.
    pub authorize: Arc<dyn Authorize>,
    /// What it shows of requests; the public server has to be given the same.
    pub tail: Tail,
    /// What plugins used hour by hour, where [`Metering`](crate::Metering) keeps it; none: nobody is told.
    pub usage: Option<Arc<dyn UsageLedger>>,
    /// More paths, such as `/metrics`: for who may do `server:read`.
    pub beside: Router,
    /// The user who needs no token on the socket. The one that the process runs as, unless another program asks on their behalf.
    pub owner: u32,
}

impl AdminParts {
    /// The usual: who may do what is decided by scopes alone, [metrics](crate::metrics) are beside, the socket is that of the user who runs this, and there is no
    /// record of usage.
    pub fn new(node: Node, tokens: Arc<dyn Tokens>, tail: Tail) -> Self {
        let beside = crate::metrics::router(&node);
        Self { node, tokens, authorize: Arc::new(Scopes), tail, usage: None, beside, owner: rustix::process::getuid().as_raw() }
    }
}

/// An admin API. Cheap to clone; its clones are one.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

struct Shared {
    node: Node,
    tokens: Arc<dyn Tokens>,
    authorize: Arc<dyn Authorize>,
    tail: Tail,
    usage: Option<Arc<dyn UsageLedger>>,
    beside: Router,
    wrong: Limiter,
    /// Held by the one look at a token from where too many were wrong.
    turn: tokio::sync::Mutex<()>,
    once: Arc<Once>,
    uploads: Arc<Places>,
    walks: Arc<Places>,
    removals: Arc<Places>,
    state: watch::Sender<State>,
    not_served: Mutex<Arc<Vec<NotServed>>>,
    began: Instant,
    since_ms: u64,
    owner: u32,
}

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Ready,
    Stopping,
}

impl Admin {
    /// An API of a server that is still starting.
    pub fn new(parts: AdminParts) -> Self {
        let AdminParts { node, tokens, authorize, tail, usage, beside, owner } = parts;
        Self(Arc::new(Shared {
            node,
            tokens,
            authorize,
            tail,
            usage,
            beside,
            wrong: Limiter::new(WRONG_TOKENS, PEERS_MAX),
            turn: tokio::sync::Mutex::default(),
            once: Arc::default(),
            uploads: Places::new(UPLOADS_MAX, TENANT_UPLOADS_MAX, TENANTS_UPLOADS_MAX),
            walks: Places::new(WALKS_MAX, TENANT_WALKS_MAX, TENANTS_WALKS_MAX),
            removals: Places::new(REMOVALS_MAX, TENANT_REMOVALS_MAX, TENANTS_REMOVALS_MAX),
            state: watch::Sender::new(State::Starting),
            not_served: Mutex::default(),
            began: Instant::now(),
            since_ms: now_ms(),
            owner,
        }))
    }

    /// Says that what was current is served, but for this: from now on it is ready, whatever was left out.
    pub fn ready(&self, not_served: Vec<NotServed>) {
        *self.0.not_served.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(not_served);
        self.0.state.send_if_modified(|state| {
            let starts = *state == State::Starting;
            if starts {
                *state = State::Ready;
            }
            starts
        });
    }

    /// Says that it stops: it is not ready any more, and what follows the log is ended.
    pub fn stopping(&self) {
        self.0.state.send_replace(State::Stopping);
    }

    pub(crate) fn state(&self) -> State {
        *self.0.state.borrow()
    }

    pub(crate) fn beside(&self) -> Router {
        self.0.beside.clone()
    }

    /// The user whose socket it is.
    pub(crate) fn owner(&self) -> u32 {
        self.0.owner
    }

    /// For finding out who asks, and for nothing else.
    pub(crate) fn tokens_to_know_by(&self) -> &Arc<dyn Tokens> {
        &self.0.tokens
    }

    pub(crate) fn wrong_tokens(&self) -> &Limiter {
        &self.0.wrong
    }

    /// Waits for the turn of one who presents a token from where too many were wrong: first come, first served.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    /// Nanoseconds since it began, for rates.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Asks whether the caller may do this to that.
    ///
    /// # Errors
    /// They may not. Or nobody may, since a server that starts does not know yet what else is served.
    pub(crate) fn permit(&self, caller: &Caller, action: Action, resource: &Resource<'_>) -> Result<Permit, Problem> {
        if let Some(denied) = Problem::denied(self.0.authorize.authorize(&caller.principal, action, resource, now_ms())) {
            return Err(denied);
        }
        if action == Action::DeploymentsWrite && self.state() != State::Ready {
            let detail = "the server starts or stops, and nothing is deployed meanwhile";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "E-ADMIN-NOT-READY", detail).after(1));
        }
        Ok(Permit { admin: self.clone(), caller: caller.clone() })
    }

    /// The same for one application of the tenant that is asked for, and which one that is. Nothing else may be asked.
    ///
    /// # Errors
    /// As [`Admin::permit`]; or something else was asked.
    pub(crate) fn permit_application(
        &self,
        caller: &Caller,
        action: Action,
        application: String,
        mut asked: Asked,
    ) -> Result<(Permit, ApplicationKey), Problem> {
        let tenant = asked.tenant(caller)?;
        asked.end()?;
        let permit = self.permit(caller, action, &Resource::application(&tenant, &application))?;
        Ok((permit, ApplicationKey { tenant, application }))
    }
}

/// That somebody may do something; who has it reaches what that takes.
pub(crate) struct Permit {
    admin: Admin,
    caller: Caller,
}

impl Permit {
    pub(crate) fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    pub(crate) fn node(&self) -> &Node {
        &self.admin.0.node
    }

    pub(crate) fn tokens(&self) -> &Arc<dyn Tokens> {
        &self.admin.0.tokens
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.admin.0.tail
    }

    /// The record of what plugins used.
    pub(crate) fn usage(&self) -> Option<&Arc<dyn UsageLedger>> {
        self.admin.0.usage.as_ref()
    }

    pub(crate) fn once(&self) -> &Arc<Once> {
        &self.admin.0.once
    }

    /// Changes as the server starts, is ready, and stops.
    pub(crate) fn states(&self) -> watch::Receiver<State> {
        self.admin.0.state.subscribe()
    }

    pub(crate) fn since_ms(&self) -> u64 {
        self.admin.0.since_ms
    }

    /// What could not be brought up when the server started.
    pub(crate) fn not_served(&self) -> Arc<Vec<NotServed>> {
        self.admin.0.not_served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A place for an upload.
    ///
    /// # Errors
    /// All are taken, or all that tenants, or the caller's own, may have.
    pub(crate) fn upload(&self) -> Result<Place, Problem> {
        self.admin.0.uploads.take(self.principal().scope.tenant.as_deref()).map_err(|none| match none {
            NoPlace::All => Problem::busy("too many components are being uploaded"),
            NoPlace::Tenant => Problem::busy("too many components of this tenant are being uploaded"),
        })
    }

    /// A place for reading what all deployments of a tenant name.
    ///
    /// # Errors
    /// All are taken, or all that tenants, or the caller's own, may have.
    pub(crate) fn walk(&self) -> Result<Place, Problem> {
        let taken = self.admin.0.walks.take(self.principal().scope.tenant.as_deref());
        taken.map_err(|_| Problem::busy("what names components is being read for somebody else"))
    }

    /// A place for removing a component.
    ///
    /// # Errors
    /// As for reading what names it.
    pub(crate) fn removal(&self) -> Result<Place, Problem> {
        let taken = self.admin.0.removals.take(self.principal().scope.tenant.as_deref());
        taken.map_err(|_| Problem::busy("another component is being removed"))
    }

    /// Whether it still holds: the seam is asked again, and a token is looked at again. For what lasts.
    pub(crate) async fn holds(&self, action: Action, resource: &Resource<'_>) -> bool {
        self.is_allowed(action, resource) && self.still().await.is_ok()
    }

    /// Looks at the token again, for a change whose body may have come slowly: what was taken back meanwhile opens nothing.
    ///
    /// # Errors
    /// It was taken back, or its time is over. Or it cannot be looked at, which is not the bearer's fault.
    pub(crate) async fn still(&self) -> Result<(), Problem> {
        match &self.caller.token {
            Some(id) => stands(self.admin.0.tokens.token(id).await, now_ms()),
            None => Ok(()),
        }
    }

    /// Whether it holds without looking at the token.
    pub(crate) fn is_allowed(&self, action: Action, resource: &Resource<'_>) -> bool {
        self.admin.permit(&self.caller, action, resource).is_ok()
    }
}

/// Whether a token that was known is good at this time, as it was found now.
fn stands(found: Result<Option<Token>, TokensError>, at_ms: u64) -> Result<(), Problem> {
    match found {
        Ok(Some(token)) if token.revoked.is_none() && at_ms < token.expires_ms => Ok(()),
        // A row that somebody else wrote is no token.
        Ok(_) | Err(TokensError::Changed { .. }) => Err(Problem::stranger(AuthenticationFailed::Revoked)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use plugwork_core::authorize::{Revocation, Scope, Terms};
    use plugwork_core::record::RecordsError;

    use super::*;

    #[test]
    fn a_good_token_that_cannot_be_looked_at_is_not_called_revoked() {
        let terms = Terms { scope: Scope::everything(), created_ms: 1, expires_ms: 9, created_by: "test".to_owned(), note: String::new() };
        let (token, _) = Token::issue(terms, [1; 8], [1; 32]).unwrap();
        let status = |found, at_ms| stands(found, at_ms).map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200);
        assert_eq!((status(Ok(Some(token.clone())), 8), status(Ok(Some(token.clone())), 9), status(Ok(None), 8)), (200, 401, 401));
        let revoked = Some(Revocation { at_ms: 2, by: "test".to_owned() });
        assert_eq!(status(Ok(Some(Token { revoked, ..token })), 8), 401);
        assert_eq!(status(Err(TokensError::Changed { what: "token".to_owned() }), 8), 401);
        assert_eq!(status(Err(RecordsError::Busy { waited_ms: 5_000 }.into()), 8), 503, "the readers were all taken");
        assert_eq!(status(Err(RecordsError::Storage { what: "disk".to_owned(), hint: String::new() }.into()), 8), 500);
    }
}
