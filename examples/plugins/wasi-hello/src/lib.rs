//! Greets through WASI's own HTTP world. No crate of plugwork is in it.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let Ok(body) = response.body() else { return };
        ResponseOutparam::set(answer, Ok(response));
        let path = request.path_with_query().unwrap_or_default();
        if let Ok(stream) = body.write() {
            // Whoever asked may be gone: there is nobody to tell.
            let _ = stream.blocking_write_and_flush(format!("hello from plain WASI: {path}\n").as_bytes());
        }
        let _ = OutgoingBody::finish(body, None);
    }
}
