//! What a request says beside its body: names in its path, its query, and which page of a list.
//!
//! Easily got wrong: what is not known, or said twice, is an error. A filter that was misspelt must not show everything.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use plugwork_core::name::is_label;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::problem::Problem;
use super::who::Caller;
use super::words::Page;

/// Things in one page where nobody says how many.
const PAGE: u32 = 50;
/// Things in one page at most.
const PAGE_MAX: u32 = 100;
/// The largest body of JSON. An application of the largest size, escaped, fits.
pub(crate) const JSON_BYTES_MAX: usize = 4 << 20;
/// How long one may take to come.
pub(crate) const JSON_DEADLINE: Duration = Duration::from_secs(30);

/// The tenant where nobody wants to know of tenants.
const TENANT: &str = "default";

/// Names in the path.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unreadable = |rejection: axum::extract::rejection::PathRejection| Problem::unreadable(rejection.body_text());
        Path::<T>::from_request_parts(parts, state).await.map(|Path(named)| Self(named)).map_err(unreadable)
    }
}

/// The query, read name by name.
pub(crate) struct Asked {
    pairs: BTreeMap<String, String>,
    twice: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let (mut pairs, mut twice) = (BTreeMap::new(), None);
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if pairs.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                twice = Some(name.into_owned());
            }
        }
        Ok(Self { pairs, twice })
    }
}

/// Which part of a list.
pub(crate) struct PageAsked {
    pub(crate) cursor: Option<String>,
    pub(crate) limit: u32,
}

impl Asked {
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.pairs.remove(name)
    }

    /// A name in the grammar of names.
    pub(crate) fn label(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let text = self.text(name);
        match &text {
            Some(text) if !is_label(text) => Err(Problem::unreadable(format_args!("`{name}` is no name: lower case words joined by `-`"))),
            _ => Ok(text),
        }
    }

    /// A number of 64 bits.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let wrong = |_| Problem::unreadable(format_args!("`{name}` is no number"));
        self.text(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// Whose: as asked, else the caller's own, else the one tenant that there is.
    pub(crate) fn tenant(&mut self, caller: &Caller) -> Result<String, Problem> {
        Ok(self.tenant_or_all(caller)?.unwrap_or_else(|| TENANT.to_owned()))
    }

    /// Whose: as asked, else the caller's own; none: everybody's.
    pub(crate) fn tenant_or_all(&mut self, caller: &Caller) -> Result<Option<String>, Problem> {
        let asked = self.label("tenant")?;
        Ok(asked.or_else(|| caller.principal.scope.tenant.clone()))
    }

    pub(crate) fn page(&mut self) -> Result<PageAsked, Problem> {
        let limit = match self.text("limit") {
            None => PAGE,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=PAGE_MAX).contains(limit))
                .ok_or_else(|| Problem::unreadable(format_args!("`limit` is not 1 to {PAGE_MAX}")))?,
        };
        Ok(PageAsked { cursor: self.text("cursor"), limit })
    }

    /// Nothing else was asked.
    ///
    /// # Errors
    /// Something was.
    pub(crate) fn end(self) -> Result<(), Problem> {
        if let Some(name) = self.twice {
            return Err(Problem::unreadable(format_args!("`{}` is said twice", shown(&name))));
        }
        match self.pairs.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::unreadable(format_args!("`{}` is not known here", shown(name)))),
        }
    }
}

fn shown(name: &str) -> String {
    name.chars().take(40).collect::<String>().escape_debug().to_string()
}

impl PageAsked {
    /// The cursor as what the list is sorted by.
    pub(crate) fn after<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let wrong = |_| Problem::unreadable("`cursor` is none that this list gave");
        self.cursor.as_deref().map(str::parse).transpose().map_err(wrong)
    }
}

impl PageAsked {
    /// This page of all of it, in the order of keys.
    pub(crate) fn of<T>(&self, all: BTreeMap<String, T>) -> Page<T> {
        let after = self.cursor.as_deref();
        let mut rest = all.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).peekable();
        let (mut items, mut last) = (Vec::new(), None);
        for (key, item) in rest.by_ref().take(self.limit as usize) {
            items.push(item);
            last = Some(key);
        }
        let next = rest.peek().and(last);
        Page { items, next }
    }
}

/// Reads a body of JSON: its bytes, once the caller is known to be allowed to send them.
///
/// # Errors
/// It is of another type, too large or too slow.
pub(crate) async fn json_bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "E-ADMIN-TYPE", "the body is not `application/json`");
        return Err(problem.hint("`content-type: application/json`"));
    }
    let collected = tokio::time::timeout(JSON_DEADLINE, Limited::new(body, JSON_BYTES_MAX).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(JSON_BYTES_MAX)),
        Ok(Err(_)) => Err(Problem::unreadable("the body broke off")),
        Err(_) => Err(too_slow()),
    }
}

/// Takes JSON apart.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let wrong = |error| Problem::unreadable(format_args!("the body is not what was expected: {error}"));
    serde_json::from_slice(body).map_err(wrong)
}

pub(crate) fn too_large(bytes_max: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "E-ADMIN-SIZE", format_args!("the body has more than {bytes_max} bytes"))
}

pub(crate) fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "E-ADMIN-DEADLINE", "the body came too slowly")
}
