//! Reading a request's body within its limit and its time. Nothing is decompressed.
//!
//! Easily got wrong: what is too large is told as soon as that is known, and the rest is not read; a server then closes the connection.

use std::time::Duration;

use bytes::Buf;
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;

use crate::head::too_large;
use crate::limits::HttpLimits;
use crate::problem::Problem;

/// The most that is set aside for a body before any of it has arrived. Bytes.
const AHEAD_BYTES_MAX: u64 = 64 << 10;

/// Reads a whole body.
pub async fn read<B>(body: B, announced: Option<u64>, limits: &HttpLimits) -> Result<Vec<u8>, Problem>
where
    B: Body,
{
    if body.is_end_stream() {
        return if announced.unwrap_or(0) == 0 { Ok(Vec::new()) } else { Err(not_as_announced()) };
    }
    let limit = Duration::from_millis(limits.body_deadline_ms);
    // The timer is only made when the body is first waited for.
    match tokio::time::timeout(limit, collect(body, announced, limits.body_bytes_max)).await {
        Ok(read) => read,
        Err(_) => Err(late()),
    }
}

/// The answer to a body that did not come.
pub const fn late() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "E-HTTP-BODY-DEADLINE", "the body did not arrive in time")
}

/// The answer to a body that broke off.
pub(crate) const fn broken() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "E-HTTP-BODY", "the body is broken")
}

/// The answer to a body of another length than was announced.
pub(crate) const fn not_as_announced() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "E-HTTP-LENGTH", "the body is not as long as was announced")
}

async fn collect<B: Body>(body: B, announced: Option<u64>, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let ahead = announced.unwrap_or(0).min(AHEAD_BYTES_MAX).min(bytes_max as u64);
    let mut read = Vec::with_capacity(usize::try_from(ahead).unwrap_or(0));
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        // Trailers say nothing to a function.
        let Ok(mut data) = frame.map_err(|_| broken())?.into_data() else { continue };
        if data.remaining() > bytes_max - read.len() {
            return Err(too_large());
        }
        while data.has_remaining() {
            let piece = data.chunk();
            read.extend_from_slice(piece);
            let length = piece.len();
            data.advance(length);
        }
    }
    if announced.is_some_and(|bytes| bytes != read.len() as u64) {
        return Err(not_as_announced());
    }
    Ok(read)
}
