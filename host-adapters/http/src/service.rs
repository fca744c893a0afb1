//! The service: one installation of a plugin, as tower and axum take it.
//!
//! Its clones are cheap and are one service. Easily got wrong: a request's future that is dropped, as servers do when a client goes away, cancels
//! the call of the plugin, which then ends at its next tick.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use plugwork::{Installation, Outcome};
use tower_service::Service;

use crate::answer::Illegal;
use crate::limits::HttpLimits;
use crate::origin::request_id;
use crate::{Body, function, head};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An HTTP service that is a plugin.
#[derive(Debug, Clone)]
pub struct HttpService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    installation: Installation,
    limits: HttpLimits,
}

/// What became of a request, for the server: in the extensions of every response for which a plugin was called. Nothing of it is sent.
#[derive(Debug, Clone)]
pub struct Served {
    /// Which version answered, how long it took, what it used, and why it gave no answer.
    pub outcome: Arc<Outcome>,
    /// Why its answer was not passed on.
    pub illegal: Option<Illegal>,
}

impl HttpService {
    /// A service for a plugin that exports `plugwork:points/http-function`, with the usual limits.
    pub fn new(installation: &Installation) -> Self {
        Self::with_limits(installation, HttpLimits::default())
    }

    /// A service with limits of its own.
    pub fn with_limits(installation: &Installation, limits: HttpLimits) -> Self {
        Self(Arc::new(Inner { installation: installation.clone(), limits }))
    }

    /// A router that sends everything here: to be nested under a path, which is then taken off what the plugin sees.
    pub fn router(&self) -> Router {
        Router::new().fallback_service(self.clone())
    }

    /// Answers one request.
    pub async fn answer<B: HttpBody>(&self, request: Request<B>) -> Response<Body> {
        let Inner { installation, limits } = &*self.0;
        let (mut head, body) = request.into_parts();
        let id = request_id(&head);
        let mut response = match head::check(&mut head, limits) {
            Ok(facts) => function::answer(installation, limits, head, facts, body, &id).await,
            Err(problem) => problem.response(id.as_str()),
        };
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: HttpBody<Data: Send> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Whoever finds no seat for an instance waits in the plugin's own line, and is told 503 where that is full.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}
