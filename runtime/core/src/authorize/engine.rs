//! The engine that is there from the start: a principal may do what its scope names, where its scope says, until it expires.

use super::{Action, Authorize, Decision, Principal, Resource, Scope};

/// Decides by the scope alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scopes;

impl Authorize for Scopes {
    fn authorize(&self, principal: &Principal, action: Action, resource: &Resource<'_>, at_ms: u64) -> Decision {
        if let Some(denied) = expired(principal, at_ms) {
            return denied;
        }
        let Principal { name, scope, .. } = principal;
        // First whose it is: a stranger learns nothing about what would be needed.
        if scope.tenant.is_some() && scope.tenant.as_deref() != resource.tenant {
            let rule = match resource.tenant {
                Some(tenant) => format!("`{name}` is not for tenant `{}`", tenant.escape_debug()),
                None => format!("`{name}` is for one tenant, not for the server"),
            };
            return deny("E-AUTH-TENANT", rule, String::new());
        }
        if scope.application.is_some() && scope.application.as_deref() != resource.application {
            let rule = format!("`{name}` is for application `{}` only", scope.application.as_deref().unwrap_or_default().escape_debug());
            return deny("E-AUTH-APPLICATION", rule, String::new());
        }
        if !scope.actions.contains(&action) {
            return deny("E-AUTH-SCOPE", format!("`{name}` may not do `{action}`"), format!("a token with the action `{action}`"));
        }
        Decision::Allow
    }
}

/// Whether a principal may issue a token of this scope until then: nobody gives more than they have, nor for longer. Beside
/// [`Action::TokensWrite`], which the seam decides.
pub fn decide_issue(principal: &Principal, scope: &Scope, expires_ms: u64) -> Decision {
    let (name, own) = (&principal.name, &principal.scope);
    if !own.covers(scope) {
        let missing: Vec<&str> = scope.actions.difference(&own.actions).map(|action| action.as_str()).collect();
        let rule = if missing.is_empty() {
            format!("`{name}` cannot issue a token for another tenant, or for more applications, than its own")
        } else {
            format!("`{name}` cannot issue a token for what it may not do itself: `{}`", missing.join("`, `"))
        };
        return deny("E-AUTH-ESCALATION", rule, "a scope within that of who issues it".to_owned());
    }
    match principal.expires_ms {
        Some(own) if expires_ms > own => {
            let rule = format!("`{name}` cannot issue a token that outlives it");
            deny("E-AUTH-ESCALATION", rule, format!("a token that expires at {own} or before"))
        }
        _ => Decision::Allow,
    }
}

fn expired(principal: &Principal, at_ms: u64) -> Option<Decision> {
    let expires_ms = principal.expires_ms.filter(|&expires_ms| at_ms >= expires_ms)?;
    Some(deny("E-AUTH-EXPIRED", format!("`{}` expired at {expires_ms}", principal.name), "a new token".to_owned()))
}

fn deny(code: &'static str, rule: String, hint: String) -> Decision {
    Decision::Deny { code, rule, hint }
}
