//! One request through a plugin that exports `wasi:http/incoming-handler` 0.2 or `wasi:http/handler` 0.3: bodies are streams both ways, and the
//! response's head is sent as soon as the plugin has given it.
//!
//! Easily got wrong: a plugin that fails after that cannot be told as a problem any more; its body is broken off, so that no client takes a part
//! for the whole.

use std::pin::pin;

use http::header::{CONTENT_LENGTH, HeaderName, TRAILER};
use http::{HeaderValue, Method, Response, StatusCode, Version, request};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use plugwork::interfaces::http::{Answered, Incoming};
use plugwork::wasmtime_wasi_http::WasiBody;
use plugwork::{Call, Installation, Job};
use plugwork_points::http_function::Principal;

use crate::Body;
use crate::answer::{self, Illegal};
use crate::arriving::{Arriving, Failed};
use crate::body::late;
use crate::head::Facts;
use crate::leaving::Leaving;
use crate::limits::HttpLimits;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::served::Served;

/// Answers one request.
pub(crate) async fn answer<P, B>(
    installation: &Installation,
    limits: &HttpLimits,
    mut head: request::Parts,
    facts: Facts,
    body: B,
    origin: &Origin,
) -> Result<(Response<Body>, Served), Problem>
where
    P: Call<Input = Incoming, Output = ()>,
    B: HttpBody<Data: Send> + Send + 'static,
{
    if tell(&mut head, origin).is_none() {
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "E-HTTP-SERVER", "the server could not do its part"));
    }
    let asked = Asked { is_head: head.method == Method::HEAD, sees_the_end: head.version >= Version::HTTP_11 };
    let failed = Failed::default();
    let body = Arriving::new(body, facts.announced, limits, failed.clone()).boxed_unsync();
    let (incoming, mut answered) = Incoming::new(http::Request::from_parts(head, body), origin.connection.tls);
    let incoming = incoming.caused_by(origin.cause());
    let called = origin.calls(installation);
    let served = Served::default();
    let ended = served.clone();
    let mut late = pin!(tokio::time::sleep(installation.patience()));
    let mut call = match called.begin::<P, _>(incoming, move |outcome, _| ended.ended(outcome)) {
        Ok(call) => call,
        Err(error) => return Err(Problem::of_error(&error)),
    };
    let (mut waits, mut has_ended) = (true, false);
    // `None`: its time was over before it began.
    let given = loop {
        break tokio::select! {
            biased;
            given = &mut answered => match given {
                Ok(given) => Some(Some(given)),
                // It will not answer any more; why not is known when its call has ended.
                Err(_) => {
                    has_ended = true;
                    (&mut call).await.map(|()| None)
                }
            },
            began = &mut call => {
                has_ended = true;
                began.map(|()| answered.try_recv().ok())
            }
            () = &mut late, if waits => {
                waits = false;
                if !call.leave() {
                    // It has begun: from here on its own deadline ends it.
                    continue;
                }
                None
            }
        };
    };
    let Some(given) = given else { return Err(Problem::of_unavailable(None)) };
    // Awaited to its end: there is nothing more to ask of it.
    let call = (!has_ended).then_some(call);
    let made = match made(given, call, installation, &served, asked, limits, &failed) {
        Ok(made) if !asked.sees_the_end => whole(made, &served, limits, &failed).await,
        made => made,
    };
    Ok((made.unwrap_or_else(|problem| problem.response(origin.id.as_str())), served))
}

/// What of a request decides how its answer leaves.
#[derive(Clone, Copy)]
struct Asked {
    is_head: bool,
    /// Whether its client can tell the end of a body of unknown length from a broken connection: before HTTP/1.1 they are the same.
    sees_the_end: bool,
}

/// Adds what only the host may say. `None`: what it would say cannot stand in a header.
fn tell(head: &mut request::Parts, origin: &Origin) -> Option<()> {
    let mut say = |name: &'static str, value: &str| {
        head.headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).ok()?);
        Some(())
    };
    say("x-request-id", origin.id.as_str())?;
    say("x-forwarded-proto", if origin.connection.tls { "https" } else { "http" })?;
    if let Some(client) = origin.connection.client {
        say("x-forwarded-for", &client.ip().to_string())?;
    }
    if let Some(Principal { name, claims }) = &origin.principal {
        say("x-plugwork-principal", name)?;
        say("x-plugwork-claims", claims)?;
    }
    Some(())
}

/// The response to what was answered, with the call that goes on writing it.
fn made(
    given: Option<Answered>,
    call: Option<Job<Option<()>>>,
    installation: &Installation,
    served: &Served,
    asked: Asked,
    limits: &HttpLimits,
    failed: &Failed,
) -> Result<Response<Body>, Box<Problem>> {
    // A request that broke on its way is told as that, whatever a plugin made of it.
    if let Some(problem) = failed.get() {
        return Err(Box::new(problem.clone()));
    }
    let refused = |illegal: Illegal| {
        served.refused(illegal);
        Box::new(Illegal::problem())
    };
    let given = match given {
        Some(Ok(given)) => given,
        Some(Err(words)) => {
            call.into_iter().for_each(Job::detach);
            return Err(refused(Illegal(format!("the error `{}`", words.escape_debug()))));
        }
        None => {
            let error = served.outcome().and_then(|outcome| outcome.error.as_ref());
            // There is no head yet, so it is the body that did not come.
            if error.is_some_and(plugwork::Error::is_for_the_client) {
                return Err(Box::new(late()));
            }
            return Err(error.map_or_else(|| refused(Illegal("none at all".to_owned())), |error| Box::new(Problem::of_error(error))));
        }
    };
    let (parts, body) = given.into_parts();
    let announced = answer::check_head(&parts, limits).map_err(refused)?;
    if asked.is_head || answer::has_no_body(parts.status) {
        // Its other side finds nobody who reads, and ends.
        drop::<WasiBody>(body);
        call.into_iter().for_each(Job::detach);
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    if body.is_end_stream() && announced.is_some_and(|announced| announced > 0) {
        return Err(refused(Illegal("a length and no body".to_owned())));
    }
    let mut response = Response::from_parts(parts, Body::new(Leaving::new(body, announced, call, installation, limits, failed)));
    if let Some(announced) = announced {
        // One text for one number.
        response.headers_mut().insert(CONTENT_LENGTH, announced.into());
    }
    Ok(response)
}

/// An answer for a client that cannot see where a body ends: one of unknown length is collected first.
async fn whole(response: Response<Body>, served: &Served, limits: &HttpLimits, failed: &Failed) -> Result<Response<Body>, Box<Problem>> {
    if response.headers().contains_key(CONTENT_LENGTH) || response.body().is_end_stream() {
        return Ok(response);
    }
    let (mut parts, mut body) = response.into_parts();
    let refused = |why: String| {
        served.refused(Illegal(why));
        Box::new(Illegal::problem())
    };
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let error = served.outcome().and_then(|outcome| outcome.error.as_ref()).map(Problem::of_error);
            let known = failed.get().cloned().or(error);
            return Err(known.map_or_else(|| refused("a body that breaks off".to_owned()), Box::new));
        };
        // Trailers are not for such a client.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limits.answer_body_bytes_max - read.len() {
            return Err(refused(format!("a body of more than {} bytes for HTTP/1.0", limits.answer_body_bytes_max)));
        }
        read.extend_from_slice(&data);
    }
    parts.headers.remove(TRAILER);
    Ok(Response::from_parts(parts, Body::from(read)))
}
