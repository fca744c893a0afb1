//! Tokens of operators: issuing one, seeing them, taking one back.
//!
//! Easily got wrong: whoever is bound to a tenant, or to an application of it, sees and takes back the tokens of that only. To them the others are not there.

use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode, Uri};
use plugwork_core::authorize::{Action, Resource, Revocation, Scope, Terms, Token, TokenId, Tokens, TokensError, decide_issue};

use super::answer::Answer;
use super::asked::{Asked, Named, json_bytes, read};
use super::once::{Key, once};
use super::problem::{Always, Problem, Sent, Sought};
use super::seam::Admin;
use super::who::Caller;
use super::words::{IssueWords, IssuedWords, Page, TokenWords};
use crate::finding::issue;
use crate::node::now_ms;

/// Whose tokens are meant.
struct Whose {
    tenant: Option<String>,
    application: Option<String>,
}

impl Whose {
    fn asked(asked: &mut Asked, caller: &Caller) -> Result<Self, Problem> {
        let (tenant, application) = (asked.tenant_or_all(caller)?, asked.label("application")?);
        Ok(Self { tenant, application: application.or_else(|| caller.principal.scope.application.clone()) })
    }

    fn resource(&self) -> Resource<'_> {
        Resource { tenant: self.tenant.as_deref(), application: self.application.as_deref() }
    }

    fn has(&self, token: &Token) -> bool {
        let within = |outer: &Option<String>, inner: &Option<String>| outer.is_none() || outer == inner;
        within(&self.tenant, &token.scope.tenant) && within(&self.application, &token.scope.application)
    }
}

/// Tokens, in the order of their ids; those that expired or were revoked too. `tokens:read`
#[utoipa::path(
    get, path = "/v1/tokens", operation_id = "list-tokens", tag = "tokens", security(("token" = [])),
    params(
        ("tenant" = Option<String>, Query, description = "For one tenant; the token's own, or all with those for the server"),
        ("application" = Option<String>, Query, description = "For one application"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Tokens in a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "a page may have fewer than asked for, and yet a next one", body = Page<TokenWords>), Always)
)]
pub(crate) async fn list(State(admin): State<Admin>, caller: Caller, mut asked: Asked) -> Result<Answer, Problem> {
    let (whose, page) = (Whose::asked(&mut asked, &caller)?, asked.page()?);
    asked.end()?;
    let permit = admin.permit(&caller, Action::TokensRead, &whose.resource())?;
    let after: Option<TokenId> = page.after()?;
    let mut found = permit.tokens().tokens(whose.tenant.as_deref(), after.as_ref(), page.limit + 1).await?;
    let more = found.len() > page.limit as usize;
    found.truncate(page.limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let items = found.iter().filter(|token| whose.has(token)).map(TokenWords::of).collect();
    Ok(Answer::ok(&Page { items, next }))
}

/// One token. `tokens:read`
#[utoipa::path(
    get, path = "/v1/tokens/{id}", operation_id = "get-token", tag = "tokens", security(("token" = [])),
    params(
        ("id" = String, Path, description = "16 digits"),
        ("tenant" = Option<String>, Query, description = "As in the list"),
        ("application" = Option<String>, Query, description = "As in the list"),
    ),
    responses((status = 200, description = "the token", body = TokenWords), Always, Sought)
)]
pub(crate) async fn one(State(admin): State<Admin>, caller: Caller, Named(id): Named<String>, mut asked: Asked) -> Result<Answer, Problem> {
    let (id, whose) = (parsed(&id)?, Whose::asked(&mut asked, &caller)?);
    asked.end()?;
    let permit = admin.permit(&caller, Action::TokensRead, &whose.resource())?;
    Ok(Answer::ok(&TokenWords::of(&found(permit.tokens().as_ref(), &whose, &id).await?)))
}

/// Issues a token, for no more than the issuer's own scope and no longer than their own token. Its secret is told in this answer, and kept only as a hash
/// (and, under an idempotency key, in memory for 24 hours). `tokens:write`
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "issue-token", tag = "tokens", security(("token" = [])),
    params(("idempotency-key" = Option<String>, Header, description = "As where one deploys")),
    request_body(content = IssueWords, content_type = "application/json"),
    responses((status = 201, description = "the token and its secret", body = IssuedWords), Always, Sent)
)]
pub(crate) async fn issue_one(
    State(admin): State<Admin>,
    caller: Caller,
    asked: Asked,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Problem> {
    asked.end()?;
    let body = json_bytes(&headers, body).await?;
    let IssueWords { actions, tenant, application, everywhere, lifetime_seconds, note } = read(&body)?;
    if everywhere && (tenant.is_some() || application.is_some()) {
        let finding = issue("everywhere", "it is for one tenant or one application too", "`everywhere` alone");
        return Err(wrong(vec![finding]));
    }
    let own = &caller.principal.scope;
    let scope = if everywhere {
        Scope { tenant: None, application: None, actions }
    } else {
        let tenant = tenant.or_else(|| own.tenant.clone()).unwrap_or_else(|| "default".to_owned());
        Scope { tenant: Some(tenant), application: application.or_else(|| own.application.clone()), actions }
    };
    let resource = Resource { tenant: scope.tenant.as_deref(), application: scope.application.as_deref() };
    let permit = admin.permit(&caller, Action::TokensWrite, &resource)?;
    permit.still().await?;
    let created_ms = now_ms();
    let expires_ms = created_ms.saturating_add(lifetime_seconds.saturating_mul(1_000));
    if let Some(denied) = Problem::denied(decide_issue(permit.principal(), &scope, expires_ms)) {
        return Err(denied);
    }
    let by = permit.principal().name.clone();
    let key = Key::of(&headers, &by, &[b"issue", uri.to_string().as_bytes(), &body])?;
    let terms = Terms { scope, created_ms, expires_ms, created_by: by, note };
    let (mut id, mut secret) = ([0; 8], [0; 32]);
    let random = getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut secret));
    random.map_err(|error| Problem::failed("E-ADMIN-RANDOM", error))?;
    let (token, text) = Token::issue(terms, id, secret).map_err(wrong)?;
    let issued = IssuedWords { token: TokenWords::of(&token), secret: text.reveal().to_owned() };
    let tokens = permit.tokens().clone();
    once(permit.once(), key, async move {
        tokens.add_token(token).await?;
        Ok(Answer::new(StatusCode::CREATED, &issued))
    })
    .await
}

/// Takes a token back, for ever, with all that were issued with it and with those. The first time counts. `tokens:write`
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", operation_id = "revoke-token", tag = "tokens", security(("token" = [])),
    params(
        ("id" = String, Path, description = "16 digits"),
        ("tenant" = Option<String>, Query, description = "As in the list"),
        ("application" = Option<String>, Query, description = "As in the list"),
    ),
    responses((status = 200, description = "the token, revoked", body = TokenWords), Always, Sought)
)]
pub(crate) async fn revoke(
    State(admin): State<Admin>,
    caller: Caller,
    Named(id): Named<String>,
    mut asked: Asked,
) -> Result<Answer, Problem> {
    let (id, whose) = (parsed(&id)?, Whose::asked(&mut asked, &caller)?);
    asked.end()?;
    let permit = admin.permit(&caller, Action::TokensWrite, &whose.resource())?;
    found(permit.tokens().as_ref(), &whose, &id).await?;
    let revocation = Revocation { at_ms: now_ms(), by: permit.principal().name.clone() };
    Ok(Answer::ok(&TokenWords::of(&permit.tokens().revoke_token(&id, revocation).await?)))
}

async fn found(tokens: &dyn Tokens, whose: &Whose, id: &TokenId) -> Result<Token, Problem> {
    let found = tokens.token(id).await?.filter(|token| whose.has(token));
    found.ok_or_else(|| TokensError::Unknown { id: id.clone() }.into())
}

fn parsed(id: &str) -> Result<TokenId, Problem> {
    id.parse().map_err(|issue: plugwork_core::Issue| Problem::unreadable(format_args!("{}: {}", issue.what, issue.expected)))
}

/// Findings about a wish, by its own names.
fn wrong(findings: Vec<plugwork_core::Issue>) -> Problem {
    let own = findings.into_iter().map(|finding| match finding.at.as_str() {
        "expires-ms" => plugwork_core::Issue { at: "lifetime-seconds".to_owned(), ..finding },
        _ => finding,
    });
    Problem::wrong("E-ADMIN-TOKEN-TERMS", "there is no such token to be issued", own.collect())
}
