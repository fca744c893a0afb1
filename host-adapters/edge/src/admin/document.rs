//! All paths of the API, and the document that describes them, made of the same list: what is not in it is not answered.
//!
//! `host-adapters/edge/openapi.json` is this document as it was last written; a test fails where the two differ, and `BLESS=1` writes it anew.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use plugwork_core::authorize::{Action, Resource};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Problem, unknown_method, unknown_path};
use super::seam::Admin;
use super::who::Caller;
use super::{applications, components, deployments, health, logs, tokens, usage, words};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "plugwork administration",
        description = "The interface of `plugwork serve` for operators. On the Unix socket of its owner no token is needed; elsewhere `authorization: Bearer TOKEN`. \
                       Failures are problem details (RFC 9457) with stable codes, also for a path (404) and a method (405) that are not in this document.",
    ),
    components(schemas(words::ProblemWords))
)]
struct Described;

fn paths() -> OpenApiRouter<Admin> {
    let mut described = Described::openapi();
    if let Some(components) = &mut described.components {
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("Of `plugwork token issue`.")).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
    OpenApiRouter::with_openapi(described)
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::server))
        .routes(routes!(applications::list))
        .routes(routes!(applications::one))
        .routes(routes!(deployments::list, deployments::deploy))
        .routes(routes!(deployments::one))
        .routes(routes!(deployments::roll_back))
        .routes(routes!(components::list))
        .routes(routes!(components::component, components::upload, components::remove))
        .routes(routes!(tokens::list, tokens::issue_one))
        .routes(routes!(tokens::one, tokens::revoke))
        .routes(routes!(usage::usage))
        .routes(routes!(usage::hours))
        .routes(routes!(logs::tail))
}

/// The OpenAPI document, as JSON.
///
/// # Panics
/// Never: it is text, numbers and lists.
pub fn document() -> String {
    let mut text = paths().into_openapi().to_pretty_json().expect("it is text, numbers and lists");
    text.push('\n');
    text
}

/// Everything that is answered.
pub(crate) fn router(admin: &Admin) -> Router {
    let (known, _) = paths().split_for_parts();
    let beside: Router<Admin> = admin.beside().with_state(());
    known
        .merge(beside.layer(from_fn_with_state(admin.clone(), may_read_server)))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(admin.clone())
}

async fn may_read_server(State(admin): State<Admin>, caller: Caller, request: Request, next: Next) -> Result<Response, Problem> {
    admin.permit(&caller, Action::ServerRead, &Resource::server())?;
    Ok(next.run(request).await)
}
