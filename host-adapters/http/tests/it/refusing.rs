//! What is refused before any instance of the plugin exists.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use plugwork_http::{Body, HttpLimits};

use crate::world::{Stage, ask, limits, stage};

/// A body in pieces, of a length that nobody announced.
struct Pieces {
    left: usize,
    piece: usize,
    /// Whether it never ends.
    hangs: bool,
    breaks: bool,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let length = self.piece.min(self.left);
        self.left -= length;
        match (length, self.hangs, self.breaks) {
            (0, true, _) => Poll::Pending,
            (0, _, true) => Poll::Ready(Some(Err("the client went away"))),
            (0, ..) => Poll::Ready(None),
            _ => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; length]))))),
        }
    }
}

fn pieces(left: usize) -> Pieces {
    Pieces { left, piece: 1_000, hangs: false, breaks: false }
}

fn streamed(body: Pieces) -> Request<Pieces> {
    Request::builder().uri("/e").header("host", "a").body(body).unwrap()
}

/// That nothing of the plugin ran for a request that was refused.
#[track_caller]
fn nothing_ran(stage: &Stage, calls: u64) {
    assert_eq!(stage.runtime.usage()[0].calls, calls, "an instance was asked");
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_413_at_once() {
    let stage = stage(limits()).await;
    let calls = stage.runtime.usage()[0].calls;
    // Nothing of it ever arrives, and nobody waits for it.
    let body = Pieces { hangs: true, ..pieces(0) };
    let request = Request::builder().uri("/e").header("host", "a").header("content-length", "1048577").body(body).unwrap();
    assert_eq!(ask(&stage.service(), request).await.problem(), (413, "E-HTTP-BODY-SIZE".into()));
    nothing_ran(&stage, calls);
}

#[tokio::test]
async fn a_body_is_counted_as_it_comes_and_one_byte_too_many_is_413() {
    let stage = stage(limits()).await;
    let calls = stage.runtime.usage()[0].calls;
    assert_eq!(ask(&stage.service(), streamed(pieces((1 << 20) + 1))).await.problem(), (413, "E-HTTP-BODY-SIZE".into()));
    // It would go on for ever.
    assert_eq!(ask(&stage.service(), streamed(pieces(usize::MAX))).await.problem().0, 413);
    nothing_ran(&stage, calls);
    assert_eq!(ask(&stage.service(), streamed(pieces(1 << 20))).await.body.len(), 1 << 20);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let stage = stage(limits()).await;
    let calls = stage.runtime.usage()[0].calls;
    let service = stage.service_with(HttpLimits { body_deadline_ms: 20, ..HttpLimits::default() });
    let slow = streamed(Pieces { hangs: true, ..pieces(10) });
    assert_eq!(ask(&service, slow).await.problem(), (408, "E-HTTP-BODY-DEADLINE".into()));
    nothing_ran(&stage, calls);
}

#[tokio::test]
async fn a_body_that_breaks_or_is_not_as_long_as_announced_is_400() {
    let stage = stage(limits()).await;
    let calls = stage.runtime.usage()[0].calls;
    let broken = streamed(Pieces { breaks: true, ..pieces(10) });
    assert_eq!(ask(&stage.service(), broken).await.problem(), (400, "E-HTTP-BODY".into()));
    let short = Request::builder().uri("/e").header("host", "a").header("content-length", "11").body(pieces(10)).unwrap();
    assert_eq!(ask(&stage.service(), short).await.problem(), (400, "E-HTTP-LENGTH".into()));
    let none = Request::builder().uri("/e").header("host", "a").header("content-length", "1").body(Body::empty()).unwrap();
    assert_eq!(ask(&stage.service(), none).await.problem(), (400, "E-HTTP-LENGTH".into()));
    nothing_ran(&stage, calls);
}

#[tokio::test]
async fn heads_past_their_limits_are_414_and_431() {
    let stage = stage(limits()).await;
    let calls = stage.runtime.usage()[0].calls;
    let long = Request::builder().uri(format!("/{}", "x".repeat(8 << 10))).header("host", "a").body(Body::empty()).unwrap();
    assert_eq!(ask(&stage.service(), long).await.problem(), (414, "E-HTTP-TARGET-SIZE".into()));
    let mut many = Request::builder().uri("/").header("host", "a");
    for number in 0..100 {
        many = many.header(format!("h{number}"), "1");
    }
    assert_eq!(ask(&stage.service(), many.body(Body::empty()).unwrap()).await.problem(), (431, "E-HTTP-HEADER-SIZE".into()));
    let large = Request::builder().uri("/").header("host", "a").header("b", "x".repeat(32 << 10)).body(Body::empty()).unwrap();
    assert_eq!(ask(&stage.service(), large).await.problem(), (431, "E-HTTP-HEADER-SIZE".into()));
    nothing_ran(&stage, calls);
}
