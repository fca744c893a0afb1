//! Who asks: the user whose socket it is, or the bearer of a token.
//!
//! Easily got wrong: a token that is presented counts, also on the socket where none is needed, so that what it is good for can be tried out. And whoever shares
//! an address with one who guesses is let in all the same: what comes from where too many were wrong is looked at one after the other, so that guessing takes
//! at most one look at a time from the rest, and only what is wrong is told to wait.

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

impl Peer {
    /// Where it comes from; none: from this machine.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Local(_) => None,
            Self::Remote(address) => Some(*address),
        }
    }
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
/// Nobody that is known; after too many wrong tokens from there that is told in other words.
pub(crate) async fn who(admin: &Admin, peer: Peer, headers: &HeaderMap) -> Result<Caller, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = values.next() else {
        return match peer {
            Peer::Local(Some(user)) if user == admin.owner() => Ok(Caller { principal: Principal::local(), token: None }),
            _ => Err(Problem::stranger(AuthenticationFailed::Unknown)),
        };
    };
    let client = peer.address();
    let text = first.to_str().ok().filter(|_| values.next().is_none()).and_then(bearer);
    let presented = text.and_then(Presented::parse);
    let found = match &presented {
        None => None,
        Some(presented) => {
            let _turn = match admin.wrong_tokens().spent(client, admin.now_ns()) {
                Some(_) => Some(admin.turn().await),
                None => None,
            };
            match admin.tokens_to_know_by().token(presented.id()).await {
                Ok(found) => found,
                // A row that somebody else wrote is no token.
                Err(TokensError::Changed { .. }) => None,
                Err(error) => return Err(error.into()),
            }
        }
    };
    match authenticate(presented.as_ref(), found.as_ref(), now_ms()) {
        Ok(principal) => Ok(Caller { principal, token: found.map(|token| token.id) }),
        // The same for an id that nobody has and for one with another secret.
        Err(AuthenticationFailed::Unknown) => {
            let wrong = admin.wrong_tokens().decide(client, admin.now_ns());
            if wrong.is_allowed {
                return Err(Problem::stranger(AuthenticationFailed::Unknown));
            }
            let detail = "too many tokens from here were wrong, as this one is";
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "E-AUTH-RATE", detail).after(wrong.reset_s))
        }
        Err(why) => Err(Problem::stranger(why)),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}
