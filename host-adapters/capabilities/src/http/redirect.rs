//! What the next request of a redirect is. Whether it may be made is decided as for any other: see `client`.

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, StatusCode};

/// Hops of one request.
pub(super) const HOPS_MAX: usize = 5;

/// Where a response sends the client, if it does.
pub(super) fn location<B>(response: &http::Response<B>) -> Option<&str> {
    match response.status() {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => response.headers().get(LOCATION)?.to_str().ok(),
        _ => None,
    }
}

/// The method of the next request (RFC 9110, section 15.4), or none where the body would have to be sent again: it was streamed and is gone.
pub(super) fn method(status: StatusCode, method: &Method, had_body: bool) -> Option<Method> {
    match status {
        StatusCode::SEE_OTHER if *method == Method::HEAD => Some(Method::HEAD),
        StatusCode::SEE_OTHER => Some(Method::GET),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if *method == Method::POST => Some(Method::GET),
        _ if had_body => None,
        _ => Some(method.clone()),
    }
}

/// Takes away what was meant for the first request only: the description of its body, and across origins what lets somebody in.
pub(super) fn strip(headers: &mut HeaderMap, same_origin: bool) {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
        headers.remove(name);
    }
    if same_origin {
        return;
    }
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
    let sensitive: Vec<_> = headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    for name in sensitive {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_body_is_never_sent_twice() {
        assert_eq!(method(StatusCode::TEMPORARY_REDIRECT, &Method::POST, true), None);
        assert_eq!(method(StatusCode::TEMPORARY_REDIRECT, &Method::POST, false), Some(Method::POST));
        assert_eq!(method(StatusCode::FOUND, &Method::POST, true), Some(Method::GET));
        assert_eq!(method(StatusCode::FOUND, &Method::PUT, true), None);
        assert_eq!(method(StatusCode::SEE_OTHER, &Method::PUT, true), Some(Method::GET));
        assert_eq!(method(StatusCode::SEE_OTHER, &Method::HEAD, false), Some(Method::HEAD));
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let mut secret = HeaderValue::from_static("token");
        secret.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, HeaderValue::from_static("a")),
            (COOKIE, HeaderValue::from_static("b")),
            (http::HeaderName::from_static("x-api-key"), secret),
            (http::header::ACCEPT, HeaderValue::from_static("c")),
        ]);
        let mut same = headers.clone();
        strip(&mut same, true);
        assert_eq!(same.len(), 4);
        let mut other = headers;
        strip(&mut other, false);
        assert_eq!(other.keys().collect::<Vec<_>>(), [http::header::ACCEPT]);
    }
}
