//! Who asks: the user whose socket it is, or the bearer of a token.
//!
//! Easily got wrong: a token that is presented counts, also on the socket where none is needed, so that what it is good for can be tried out. And a peer
//! that presented too many wrong ones is not looked at for a while, whatever it presents: that costs nothing, so guessing costs us nothing.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use plugwork_core::authorize::{AuthenticationFailed, Presented, Principal, TokenId, TokensError, authenticate};

use super::problem::Problem;
use super::seam::Admin;
use crate::node::now_ms;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// From this machine by the socket; its user, where the system says so.
    Local(Option<u32>),
    /// By the port.
    Remote(IpAddr),
}

/// Somebody who is known.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// By which token.
    pub(crate) token: Option<TokenId>,
}

impl FromRequestParts<Admin> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or(Peer::Local(None));
        who(admin, peer, &parts.headers).await
    }
}

/// Finds out.
///
/// # Errors
/// Nobody that is known, or too many wrong tokens from there.
pub(crate) async fn who(admin: &Admin, peer: Peer, headers: &HeaderMap) -> Result<Caller, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = values.next() else {
        return match peer {
            Peer::Local(Some(user)) if user == admin.owner() => Ok(Caller { principal: Principal::local(), token: None }),
            _ => Err(Problem::stranger(AuthenticationFailed::Unknown)),
        };
    };
    let client = match peer {
        Peer::Remote(address) => Some(address),
        Peer::Local(_) => None,
    };
    if let Some(seconds) = admin.wrong_tokens().spent(client, admin.now_ns()) {
        let detail = "too many tokens from here were wrong";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "E-AUTH-RATE", detail).after(seconds));
    }
    let text = first.to_str().ok().filter(|_| values.next().is_none()).and_then(bearer);
    let presented = text.and_then(Presented::parse);
    let found = match &presented {
        None => None,
        Some(presented) => match admin.tokens_to_know_by().token(presented.id()).await {
            Ok(found) => found,
            // A row that somebody else wrote is no token.
            Err(TokensError::Changed { .. }) => None,
            Err(error) => return Err(error.into()),
        },
    };
    match authenticate(presented.as_ref(), found.as_ref(), now_ms()) {
        Ok(principal) => Ok(Caller { principal, token: found.map(|token| token.id) }),
        Err(why) => {
            if why == AuthenticationFailed::Unknown {
                admin.wrong_tokens().decide(client, admin.now_ns());
            }
            Err(Problem::stranger(why))
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}
