//! Who asks: the checks that routes name by `auth`, each behind one trait, and how a server's configuration makes them.
//!
//! A check says who a request is from, or why that cannot be said. Easily got wrong: a check that is missing, or that cannot decide, refuses. There is
//! no way from "not known" to "let in".

mod configured;
mod fetch;
mod jwks;
mod jwt;
mod key;
#[cfg(test)]
mod signing;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use plugwork_core::Issue;
use plugwork_http::Principal;

use crate::finding::issue;

/// Decides who a request is from.
pub trait Identify: Send + Sync + 'static {
    /// Who it is from, by its headers.
    fn identify<'a>(&'a self, headers: &'a HeaderMap) -> Identifying<'a>;

    /// The headers that prove it. No plugin is given them: whoever has them can speak for the client elsewhere.
    fn proofs(&self) -> &[HeaderName] {
        &[AUTHORIZATION]
    }

    /// Gets what it needs before the first request does. An error is why it would refuse now; it tries again by itself.
    fn prepare(&self) -> Preparing<'_> {
        Box::pin(async { Ok(()) })
    }
}

/// A check under way.
pub type Identifying<'a> = Pin<Box<dyn Future<Output = Result<Principal, Unidentified>> + Send + 'a>>;

/// What [`Identify::prepare`] gives.
pub type Preparing<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Why it is not known who asks, or not enough.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unidentified {
    /// The request proves nothing.
    Missing,
    /// What it proves does not hold. A client is told no more than that; the reason is for the operator and holds nothing of the token.
    Invalid(&'static str),
    /// It held until a moment ago: told only of what was true otherwise.
    Expired,
    /// It is known who asks, and that these scopes are needed of which one is missing. Joined by blanks.
    Scope(String),
    /// It cannot be decided now, and why: for the operator of the server, and for none of its tenants.
    Unavailable(String),
}

impl Unidentified {
    /// Stable, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "E-HTTP-IDENTITY-MISSING",
            Self::Invalid(_) => "E-HTTP-IDENTITY-TOKEN",
            Self::Expired => "E-HTTP-IDENTITY-EXPIRED",
            Self::Scope(_) => "E-HTTP-IDENTITY-SCOPE",
            Self::Unavailable(_) => "E-HTTP-IDENTITY-UNAVAILABLE",
        }
    }
}

/// For whoever operates the application. Why it cannot be decided is not in it: that may name what is the server's own.
impl fmt::Display for Unidentified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no token"),
            Self::Invalid(why) => write!(f, "the token is not taken: {why}"),
            Self::Expired => f.write_str("the token has expired"),
            Self::Scope(needed) => write!(f, "the token lacks one of the scopes `{needed}`"),
            Self::Unavailable(_) => f.write_str("it cannot be decided who asks"),
        }
    }
}

/// The checks of a server, by the names that routes use. Cheap to clone.
#[derive(Clone, Default)]
pub struct Checks(BTreeMap<String, Check>);

#[derive(Clone)]
struct Check {
    check: Arc<dyn Identify>,
    /// What made it, where it may go on with what it has learnt when it is configured again just so.
    keeps: Option<toml::Table>,
}

impl Checks {
    /// The same with one more, or with another one of that name.
    pub fn with(mut self, name: &str, check: Arc<dyn Identify>) -> Self {
        self.0.insert(name.to_owned(), Check { check, keeps: None });
        self
    }

    /// Makes the checks that the tables `[auth.NAME]` of a server's configuration declare. Relative files are in `folder`. `before` are those that were
    /// made the last time: what is configured as it was goes on with the keys that it fetched.
    ///
    /// # Errors
    /// Everything that is wrong with them, by place (`auth.NAME.issuer`).
    pub fn read(tables: &BTreeMap<String, toml::Table>, folder: &Path, before: &Self) -> Result<Self, Vec<Issue>> {
        let (mut checks, mut findings) = (BTreeMap::new(), Vec::new());
        for (name, table) in tables {
            let at = format!("auth.{name}");
            if !plugwork_core::name::is_label(name) {
                findings.push(issue(&at, format!("`{}`", name.escape_debug()), "lower case words joined by `-`, at most 64 characters"));
                continue;
            }
            let known = before.0.get(name).filter(|check| check.keeps.as_ref() == Some(table));
            match known.map_or_else(|| configured::check(&at, table, folder), |known| Ok(known.clone())) {
                Ok(check) => drop(checks.insert(name.clone(), check)),
                Err(wrong) => findings.extend(wrong),
            }
        }
        if findings.is_empty() { Ok(Self(checks)) } else { Err(findings) }
    }

    /// The check of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Identify>> {
        self.0.get(name).map(|check| &check.check)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Gets what they need before the first request does; what could not be had is told, by name.
    pub async fn prepare(&self) -> Vec<(String, String)> {
        let all = self.0.iter().map(|(name, check)| async move { check.check.prepare().await.err().map(|why| (name.clone(), why)) });
        futures::future::join_all(all).await.into_iter().flatten().collect()
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
