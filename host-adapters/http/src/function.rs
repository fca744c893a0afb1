//! One request through a plugin that exports `plugwork:points/http-function`: read whole, called once, answered whole.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{Method, Response, request};
use http_body::Body as HttpBody;
use plugwork::{Fault, Installation};
use plugwork_points::HttpFunction;
use plugwork_points::http_function::{Exchange, Request};

use crate::answer::{self, Illegal};
use crate::head::Facts;
use crate::limits::HttpLimits;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::served::Served;
use crate::{Body, body};

/// Answers one request, once it was read and admitted.
pub(crate) async fn answer<B: HttpBody>(
    installation: &Installation,
    limits: &HttpLimits,
    head: request::Parts,
    facts: Facts,
    body: B,
    mut origin: Origin,
    admitted: impl Future<Output = Result<(), Problem>>,
) -> Result<(Response<Body>, Served), Problem> {
    let body = body::read(body, facts.announced, limits).await?;
    admitted.await?;
    let is_head = head.method == Method::HEAD;
    let called = origin.calls(installation);
    let id = origin.id;
    let cause = Some(Arc::new(origin.cause()));
    let context = origin.context(facts.authority);
    let exchange = Exchange { request: request(head, body), context, cause };
    let (outcome, given) = called.ask::<HttpFunction>(exchange).await;
    let served = Served::default();
    let response = match (given, &outcome.error) {
        (Some(given), _) => answer::check(given, limits).map_or_else(
            |illegal| {
                served.refused(illegal);
                Illegal::problem().response(id.as_str())
            },
            |legal| whole(legal, is_head),
        ),
        (None, Some(error)) => Problem::of_error(error).response(id.as_str()),
        // A call gives one of the two.
        (None, None) => Problem::of_fault(&Fault::Cancelled).response(id.as_str()),
    };
    served.ended(outcome);
    Ok((response, served))
}

fn request(head: request::Parts, body: Vec<u8>) -> Request {
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers,
        body,
    }
}

/// The response of a legal answer. To `HEAD` without its body, whose length is told all the same.
fn whole(legal: Response<Vec<u8>>, is_head: bool) -> Response<Body> {
    let (mut parts, body) = legal.into_parts();
    if is_head {
        if !answer::has_no_body(parts.status) {
            parts.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}
