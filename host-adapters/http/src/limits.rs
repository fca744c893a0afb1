//! How large a request and an answer may be, and how long a client may take. Deadlines of guests are not here: they are the plugin's `Limits`.

/// Limits of one service. Every part of a request is held to them before an instance of the plugin exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// A request's body. Bytes; 1 MiB. Past it the answer is 413: at once where `content-length` says so, or when one byte too many arrives.
    pub body_bytes_max: usize,
    /// How long a client may take to send its body, from the end of the head on. Milliseconds; 10,000. Past it the answer is 408.
    pub body_deadline_ms: u64,
    /// Header fields of a request, and again of its trailers; 100. Past it the answer is 431.
    pub headers_max: usize,
    /// Names and values of all header fields of a request together. Bytes; 32 KiB. Past it the answer is 431.
    pub header_bytes_max: usize,
    /// Path and query together. Bytes; 8 KiB. Past it the answer is 414.
    pub target_bytes_max: usize,
    /// Header fields of an answer, and again of its trailers; 100. Past it the answer is illegal, which is 502; of trailers it is broken off.
    pub answer_headers_max: usize,
    /// Names and values of all header fields of an answer together. Bytes; 32 KiB. Past it the answer is illegal, which is 502.
    pub answer_header_bytes_max: usize,
    /// An answer's body, where it is handed over whole, and where it is collected for a client of HTTP/1.0. Bytes; 8 MiB. Past it the answer is illegal, which is 502. What crosses the boundary in
    /// one call is bounded by `call-data-bytes` too.
    pub answer_body_bytes_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            body_deadline_ms: 10_000,
            headers_max: 100,
            header_bytes_max: 32 << 10,
            target_bytes_max: 8 << 10,
            answer_headers_max: 100,
            answer_header_bytes_max: 32 << 10,
            answer_body_bytes_max: 8 << 20,
        }
    }
}
