//! What of a request may go on the wire: looked at once more here, whatever the interface it came through has already looked at.
//!
//! Framing is the host's. A guest may announce a length, and then `body` holds it to that; it may name no host but the one of the URL.

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Method, Version};
use http_body::Body as _;
use plugwork_core::Issue;
use plugwork_core::policy::header::{FIELDS_BYTES_MAX, FIELDS_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX, is_owned_by_host};
use wasmtime_wasi_http::WasiBody;

/// Bytes of a request's URL.
const URL_BYTES_MAX: usize = 8 << 10;

/// Checks the head and takes out what the host writes itself. The announced length of the body, if there is one.
pub(super) fn head(request: &mut http::Request<WasiBody>) -> Result<Option<u64>, Issue> {
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
    let announced = fields(request.headers_mut(), &authority)?;
    let exact = request.body().size_hint().exact();
    if let (Some(announced), Some(exact)) = (announced, exact)
        && announced != exact
    {
        return Err(issue("content-length", announced.to_string(), &format!("{exact}, the length of the body")));
    }
    *request.version_mut() = Version::HTTP_11;
    // Its length comes from what is announced and held, never from a header that was copied.
    request.headers_mut().remove(CONTENT_LENGTH);
    Ok(announced.or(exact))
}

fn fields(headers: &mut HeaderMap, authority: &str) -> Result<Option<u64>, Issue> {
    // One `host` comes with wasi:http, made from the authority; anything else was the guest's wish.
    if headers.get_all(HOST).iter().any(|host| host.as_bytes() != authority.as_bytes()) {
        return Err(issue("headers", "`host` names another host than the URL".to_owned(), "no `host` header"));
    }
    headers.remove(HOST);
    let announced = content_length(headers)?;
    if headers.len() > FIELDS_MAX {
        return Err(issue("headers", format!("{} headers", headers.len()), "at most 64"));
    }
    let mut bytes = 0;
    for (name, value) in headers.iter() {
        if name != CONTENT_LENGTH && is_owned_by_host(name.as_str()) {
            return Err(issue("headers", format!("`{name}` is the host's to set"), "an end-to-end header"));
        }
        if name.as_str().len() > NAME_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(issue("headers", "too long".to_owned(), "at most 256 bytes of name and 8192 of value"));
        }
        if value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(issue("headers", format!("the value of `{name}` has a line end or a zero byte"), "text"));
        }
        bytes += name.as_str().len() + value.len();
    }
    if bytes > FIELDS_BYTES_MAX {
        return Err(issue("headers", format!("{bytes} bytes of headers"), "at most 65536 bytes"));
    }
    Ok(announced)
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Issue> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |what: String| issue("content-length", what, "one number of decimal digits");
    if values.next().is_some() {
        return Err(refused("more than one".to_owned()));
    }
    // Digits only: `parse` alone would take a sign, and a server behind a proxy may read `+5` as something else.
    match value.to_str() {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map(Some).map_err(|_| refused(text.to_owned()))
        }
        _ => Err(refused(format!("{value:?}"))),
    }
}

fn issue(at: &str, what: String, expected: &str) -> Issue {
    Issue { what, at: at.to_owned(), expected: expected.to_owned() }
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

    fn refused(url: &str, headers: &[(&str, &str)]) -> String {
        let Err(issue) = head(&mut request(url, headers, b"12345")) else { panic!("{url} {headers:?} was let through") };
        format!("{}: {}", issue.at, issue.what)
    }

    #[test]
    fn framing_that_two_servers_could_read_differently_is_refused() {
        let url = "http://a.example/";
        for (headers, at) in [
            (&[("content-length", "5"), ("content-length", "5")][..], "content-length"),
            (&[("content-length", "5"), ("content-length", "6")], "content-length"),
            (&[("content-length", "+5")], "content-length"),
            (&[("content-length", "5, 5")], "content-length"),
            (&[("content-length", "")], "content-length"),
            (&[("content-length", "99999999999999999999")], "content-length"),
            (&[("content-length", "4")], "content-length"),
            (&[("content-length", "5"), ("transfer-encoding", "chunked")], "headers"),
            (&[("transfer-encoding", "identity")], "headers"),
            (&[("connection", "close")], "headers"),
            (&[("te", "trailers")], "headers"),
            (&[("trailer", "x")], "headers"),
            (&[("upgrade", "h2c")], "headers"),
            (&[("proxy-authorization", "x")], "headers"),
            (&[("expect", "100-continue")], "headers"),
            (&[("host", "b.example")], "headers"),
            (&[("host", "a.example"), ("host", "b.example")], "headers"),
        ] {
            let told = refused(url, headers);
            assert!(told.starts_with(at), "{headers:?}: {told}");
        }
    }

    #[test]
    fn what_is_sound_goes_on_without_the_hosts_own_headers() {
        let mut sound =
            request("http://a.example:81/x?y", &[("host", "a.example:81"), ("content-length", "5"), ("accept", "*/*")], b"12345");
        assert_eq!(head(&mut sound).unwrap(), Some(5));
        assert_eq!(sound.headers().keys().collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn the_limits_of_a_head_are_exact() {
        let names: Vec<_> = (0..65).map(|number| format!("x-{number}")).collect();
        let headers = |count: usize| names[..count].iter().map(|name| (name.as_str(), "v")).collect::<Vec<_>>();
        head(&mut request("http://a.example/", &headers(64), b"")).unwrap();
        assert!(refused("http://a.example/", &headers(65)).contains("65 headers"));
        let long = "v".repeat(VALUE_BYTES_MAX + 1);
        head(&mut request("http://a.example/", &[("x", &long[1..])], b"")).unwrap();
        refused("http://a.example/", &[("x", &long)]);
        refused(&format!("http://a.example/{}", "x".repeat(URL_BYTES_MAX)), &[]);
    }

    #[test]
    fn a_path_that_is_a_url_and_a_tunnel_are_refused() {
        refused("/relative", &[]);
        let mut tunnel = request("http://a.example/", &[], b"");
        *tunnel.method_mut() = Method::CONNECT;
        assert_eq!(head(&mut tunnel).unwrap_err().at, "method");
    }
}
