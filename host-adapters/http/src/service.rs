//! The service: one installation of a plugin, as tower and axum take it.
//!
//! Its clones are cheap and are one service. Easily got wrong: a request's future that is dropped, as servers do when a client goes away, cancels
//! the call of the plugin, which then ends at its next tick.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::Router;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use plugwork::core::InterfaceName;
use plugwork::interfaces::http::{Handler, IncomingHandler};
use plugwork::{Installation, Point};
use plugwork_points::HttpFunction;
use tower_service::Service;

use crate::limits::HttpLimits;
use crate::origin::{Origin, RequestId, RouteParameters, of_axum};
use crate::problem::Problem;
use crate::served::Served;
use crate::{Body, function, head, streamed};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An HTTP service that is a plugin.
#[derive(Debug, Clone)]
pub struct HttpService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    installation: Installation,
    limits: HttpLimits,
}

/// The three points, simple first: read once, not for each request.
fn worlds() -> &'static [InterfaceName; 3] {
    static WORLDS: OnceLock<[InterfaceName; 3]> = OnceLock::new();
    let name = |interface: &str| interface.parse().expect("a point is named as an interface");
    WORLDS.get_or_init(|| [HttpFunction::INTERFACE, IncomingHandler::INTERFACE, Handler::INTERFACE].map(name))
}

impl HttpService {
    /// A service for a plugin that exports `plugwork:points/http-function`, `wasi:http/incoming-handler` 0.2 or `wasi:http/handler` 0.3, with the usual
    /// limits. Of a plugin that exports several the first of these is asked, and one that exports none is answered for with 502.
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

    /// Whether its plugin is given a request whole, and gives its answer whole: one of `plugwork:points/http-function`.
    pub fn is_whole(&self) -> bool {
        self.0.installation.is_attached_to(&worlds()[0])
    }

    /// Answers one request. What the server knows of it is taken from its extensions, and [`Served`] is among those of the answer.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data: Send> + Send + 'static,
    {
        let (mut head, body) = request.into_parts();
        let is_routed = head.extensions.get::<RouteParameters>().is_some();
        let mut origin = Origin::of(&mut head);
        let parameters = if is_routed { Ok(std::mem::take(&mut origin.route_parameters)) } else { of_axum(&mut head).await };
        let (request, id) = (Request::from_parts(head, body), origin.id);
        let asked = self.asked(request, origin, parameters, std::future::ready(Ok(()))).await;
        let Answered { mut response, served, .. } = Answered::of(asked, id);
        served.map(|served| response.extensions_mut().insert(served));
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }

    /// Answers one request, for a server that knows its [`Origin`] and lets only so many be with a plugin: `admitted` is waited for when nothing more is
    /// needed of the client, so after the body where [`HttpService::is_whole`], and before it where the plugin reads it as a stream. Its problem is the
    /// answer. The request's extensions are not looked at, and its number is the server's to tell.
    pub async fn answer_admitted<B>(
        &self,
        request: Request<B>,
        mut origin: Origin,
        admitted: impl Future<Output = Result<(), Problem>> + Send,
    ) -> Answered
    where
        B: HttpBody<Data: Send> + Send + 'static,
    {
        let (parameters, id) = (std::mem::take(&mut origin.route_parameters), origin.id);
        Answered::of(self.asked(request, origin, Ok(parameters), admitted).await, id)
    }

    /// Whether the answer is whole is the last of what this gives. The parameters of the route are looked at where the plugin is told of them.
    async fn asked<B>(
        &self,
        request: Request<B>,
        mut origin: Origin,
        parameters: Result<Vec<(String, String)>, Problem>,
        admitted: impl Future<Output = Result<(), Problem>> + Send,
    ) -> Result<(Response<Body>, Served, bool), Problem>
    where
        B: HttpBody<Data: Send> + Send + 'static,
    {
        let Inner { installation, limits } = &*self.0;
        let (mut head, body) = request.into_parts();
        let facts = head::check_with(&mut head, limits, origin.authority.take())?.with_body(body.size_hint().exact(), limits)?;
        let ([function, incoming, handler], answers) = (worlds(), |world| installation.is_attached_to(world));
        if answers(function) {
            origin.route_parameters = parameters?;
            let (response, served) = function::answer(installation, limits, head, facts, body, origin, admitted).await?;
            return Ok((response, served, true));
        }
        let is_incoming = answers(incoming);
        if !is_incoming && !answers(handler) {
            return Err(Problem::new(StatusCode::BAD_GATEWAY, "E-HTTP-PLUGIN", "the function cannot be called"));
        }
        admitted.await?;
        let (response, served) = match is_incoming {
            true => Box::pin(streamed::answer::<IncomingHandler, _>(installation, limits, head, facts, body, &origin)).await?,
            false => Box::pin(streamed::answer::<Handler, _>(installation, limits, head, facts, body, &origin)).await?,
        };
        Ok((response, served, false))
    }
}

/// What [`HttpService::answer_admitted`] gives.
#[derive(Debug)]
pub struct Answered {
    /// What the client is told.
    pub response: Response<Body>,
    /// What the plugin did; none where it was not called.
    pub served: Option<Served>,
    /// Whether all of the answer is there, so that the plugin is done with it. Otherwise its body may be a stream that the plugin still writes.
    pub is_whole: bool,
}

impl Answered {
    fn of(asked: Result<(Response<Body>, Served, bool), Problem>, id: RequestId) -> Self {
        match asked {
            Ok((response, served, is_whole)) => Self { response, served: Some(served), is_whole },
            Err(problem) => Self { response: problem.response(id.as_str()), served: None, is_whole: true },
        }
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
