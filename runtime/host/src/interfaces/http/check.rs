//! What of a request may go on the wire: looked at once more here, whatever the interface it came through has already looked at.
//!
//! Framing is the host's. A guest may announce a length, and then `body` holds it to that; it may name no host but the one of the URL.

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Method, Version};
use http_body::Body as _;
use plugwork_core::policy::{Decision, URL_BYTES_MAX, header};
use plugwork_core::{Denial, Issue};
use wasmtime_wasi_http::WasiBody;

use super::HttpError;

/// Checks the head and takes out what the host writes itself. The announced length of the body, if there is one.
pub(super) fn head(request: &mut http::Request<WasiBody>) -> Result<Option<u64>, HttpError> {
    if *request.method() == Method::CONNECT {
        return Err(issue("method", "`CONNECT` makes a tunnel".to_owned(), "a method that asks for something"));
    }
    let uri = request.uri();
    let Some(authority) = uri.authority().map(|authority| authority.as_str().to_owned()) else {
        return Err(issue("url", "it has no host".to_owned(), "an absolute `http` or `https` URL"));
    };
    let length = uri.path().len() + uri.query().map_or(0, str::len) + authority.len();
    if length > URL_BYTES_MAX {
        return Err(issue("url", format!("{length} bytes"), "at most 8192 bytes"));
    }
    if !(uri.path().is_empty() || uri.path().starts_with('/')) {
        // An absolute form would ask the dialled server for another host's page (GHSA-5qpp-g3j2-8frx).
        return Err(issue("url", format!("the path `{}`", uri.path().escape_debug()), "a path that begins with `/`"));
    }
    let exact = request.body().size_hint().exact();
    let announced = fields(request.headers_mut(), &authority, exact)?;
    *request.version_mut() = Version::HTTP_11;
    Ok(announced.or(exact))
}

fn fields(headers: &mut HeaderMap, authority: &str, exact: Option<u64>) -> Result<Option<u64>, HttpError> {
    // One `host` comes with wasi:http, made from the authority; anything else was the guest's wish.
    if headers.get_all(HOST).iter().any(|host| host.as_bytes() != authority.as_bytes()) {
        return Err(denied("`host` names another host than the URL".to_owned()));
    }
    headers.remove(HOST);
    let fields: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    if let Decision::Deny { rule, .. } = header::decide(&fields, exact) {
        return Err(denied(rule));
    }
    // Its length comes from what is announced and held, never from a header that was copied.
    let announced = headers.remove(CONTENT_LENGTH);
    Ok(announced.and_then(|value| value.to_str().ok()?.parse().ok()))
}

fn denied(rule: String) -> HttpError {
    HttpError::Denied(Denial {
        code: "E-CAP-HTTP-HEADER".to_owned(),
        permission: "http".to_owned(),
        rule,
        hint: "leave framing, routing and connection headers to the host".to_owned(),
    })
}

fn issue(at: &str, what: String, expected: &str) -> HttpError {
    HttpError::Invalid(Issue { what, at: at.to_owned(), expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    fn request(url: &str, headers: &[(&str, &str)], body: &'static [u8]) -> http::Request<WasiBody> {
        let mut builder = http::Request::builder().uri(url);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Full::new(Bytes::from_static(body)).map_err(|never| match never {}).boxed_unsync()).unwrap()
    }

    /// Why it is refused: the place of an issue, or the rule of a denial.
    fn refused(url: &str, headers: &[(&str, &str)]) -> String {
        match head(&mut request(url, headers, b"12345")) {
            Err(HttpError::Invalid(issue)) => format!("{}: {}", issue.at, issue.what),
            Err(HttpError::Denied(denial)) => format!("{} {}", denial.code, denial.rule),
            other => panic!("{url} {headers:?}: {other:?}"),
        }
    }

    #[test]
    fn framing_that_two_servers_could_read_differently_is_denied() {
        let url = "http://a.example/";
        for headers in [
            &[("content-length", "5"), ("content-length", "5")][..],
            &[("content-length", "5"), ("content-length", "6")],
            &[("content-length", "+5")],
            &[("content-length", "05")],
            &[("content-length", "5, 5")],
            &[("content-length", "")],
            &[("content-length", "99999999999999999999")],
            &[("content-length", "4")],
            &[("content-length", "5"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "identity")],
            &[("connection", "close")],
            &[("te", "trailers")],
            &[("trailer", "x")],
            &[("upgrade", "h2c")],
            &[("proxy-authorization", "x")],
            &[("expect", "100-continue")],
            &[("host", "b.example")],
            &[("host", "a.example"), ("host", "b.example")],
        ] {
            let told = refused(url, headers);
            assert!(told.starts_with("E-CAP-HTTP-HEADER "), "{headers:?}: {told}");
        }
    }

    #[test]
    fn what_is_sound_goes_on_without_the_hosts_own_headers() {
        let headers = [("host", "a.example:81"), ("content-length", "5"), ("accept", "*/*")];
        let mut sound = request("http://a.example:81/x?y", &headers, b"12345");
        assert_eq!(head(&mut sound).unwrap(), Some(5));
        assert_eq!(sound.headers().keys().collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn the_limits_of_a_head_are_exact() {
        let names: Vec<_> = (0..=header::FIELDS_MAX).map(|number| format!("x-{number}")).collect();
        let headers = |count: usize| names[..count].iter().map(|name| (name.as_str(), "v")).collect::<Vec<_>>();
        head(&mut request("http://a.example/", &headers(header::FIELDS_MAX), b"")).unwrap();
        assert!(refused("http://a.example/", &headers(names.len())).contains("65 header"));
        let long = "v".repeat(header::VALUE_BYTES_MAX + 1);
        head(&mut request("http://a.example/", &[("x", &long[1..])], b"")).unwrap();
        refused("http://a.example/", &[("x", &long)]);
        refused(&format!("http://a.example/{}", "x".repeat(URL_BYTES_MAX)), &[]);
    }

    #[test]
    fn a_path_without_host_and_a_tunnel_are_refused() {
        refused("/relative", &[]);
        let mut tunnel = request("http://a.example/", &[], b"");
        *tunnel.method_mut() = Method::CONNECT;
        assert!(head(&mut tunnel).is_err());
    }
}
