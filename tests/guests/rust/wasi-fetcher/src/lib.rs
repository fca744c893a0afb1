//! A component of `wasi:http/service` 0.3 that sends requests: the path names a server and what to ask it for, and what it answers is the answer.
//!
//! Apart from `wasi-service`, which imports no way out at all.

use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::{wit_future, wit_stream};

struct Fetcher;

wasip3::http::service::export!(Fetcher);

impl wasip3::exports::http::handler::Guest for Fetcher {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let Some(authority) = path.strip_prefix("/long/") else { return Ok(fetched(&path[1..]).await) };
        // What is too long, or no path, is refused where it is set.
        let request = asked();
        let length = authority.parse().expect("a number");
        let path = request.set_path_with_query(Some(&format!("/{}", "x".repeat(length)))).is_ok();
        let method = request.set_method(&Method::Other("X".repeat(length))).is_ok();
        let authority = request.set_authority(Some(&"a".repeat(length))).is_ok();
        Ok(text(&format!("{path} {method} {authority}")))
    }
}

/// A request without a body.
fn asked() -> Request {
    let (_, after) = wit_future::new(|| Ok(None));
    Request::new(Fields::new(), None, after, None).0
}

async fn fetched(target: &str) -> Response {
    let (authority, path) = target.split_once('/').unwrap_or((target, ""));
    let request = asked();
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some(&format!("/{path}"))).expect("a path");
    match wasip3::http::client::send(request).await {
        // Its body goes on as this answer's: no byte of it comes in here.
        Ok(response) => {
            let status = response.get_status_code().to_string();
            let (_, done) = wit_future::new(|| Ok(()));
            let (body, after) = Response::consume_body(response, done);
            let fields = Fields::from_list(&[("x-status".to_owned(), status.into_bytes())]).expect("a header that may be set");
            Response::new(fields, Some(body), after).0
        }
        Err(error) => text(&format!("{error:?}")),
    }
}

fn text(text: &str) -> Response {
    let (mut body, reader) = wit_stream::new();
    let (_, after) = wit_future::new(|| Ok(None));
    let text = text.as_bytes().to_vec();
    wasip3::spawn_local(async move {
        body.write_all(text).await;
    });
    Response::new(Fields::new(), Some(reader), after).0
}
