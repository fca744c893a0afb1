//! Sends back in capitals what it is sent, piece by piece, while it is still being sent: WASI 0.3's own HTTP world. No crate of plugwork is in it.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::rt::async_support::StreamResult;
use wasip3::{spawn_local, wit_future, wit_stream};

struct Capitals;

wasip3::http::service::export!(Capitals);

impl wasip3::exports::http::handler::Guest for Capitals {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let (_, taken) = wit_future::new(|| Ok(()));
        let (mut from, end) = Request::consume_body(request, taken);
        let (mut to, body) = wit_stream::new();
        let (told_end, its_end) = wit_future::new(|| Ok(None));
        // Goes on when the answer has begun, beside other requests in this instance.
        spawn_local(async move {
            loop {
                let (read, mut piece) = from.read(Vec::with_capacity(16_384)).await;
                piece.make_ascii_uppercase();
                if !piece.is_empty() && !to.write_all(piece).await.is_empty() {
                    // Whoever asked is gone.
                    return;
                }
                if read == StreamResult::Dropped {
                    break;
                }
            }
            drop(to);
            // What broke off is not made to look whole.
            let end = end.await.map(|_trailers| None);
            drop(told_end.write(end).await);
        });
        Ok(Response::new(Fields::new(), Some(body), its_end).0)
    }
}
