//! What no plugin ever sees: paths, methods, hosts and framings that the server refuses.

use crate::world::{Stage, settings};

/// Status 400, or the connection closed without a word: never an answer of the plugin.
async fn refused(stage: &Stage, request: &str) {
    let told = stage.raw(request).await;
    assert!(matches!(told.status, 400 | 0), "{request:?}: {told:?}");
    assert!(!told.body.ends_with("ok"), "{request:?}: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_servers_could_read_differently_reaches_no_plugin() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    for request in [
        // Two lengths, a length beside chunks, lengths that are none.
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\nab",
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na",
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 0x1\r\n\r\na",
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\na",
        // Codings that are not the one there is.
        "POST /e HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /e HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /e HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        // Lines that go on, blanks before a colon, ends of lines that are none.
        "GET /e HTTP/1.1\r\nhost: a\r\nx-one: 1\r\n two\r\n\r\n",
        "GET /e HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET /e HTTP/1.1\r\n host: a\r\n\r\n",
        "GET /e HTTP/1.1\r\nhost: a\rx: b\r\n\r\n",
        "GET /e HTTP/1.1\r\nhost: a\0\r\n\r\n",
        "POST /e HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /e HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        "POST /e HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n 2\r\n\r\nab",
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\nab",
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\nab",
        // Hosts.
        "GET /e HTTP/1.1\r\n\r\n",
        "GET /e HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET http://b/e HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://user@a/e HTTP/1.1\r\nhost: a\r\n\r\n",
        // Targets.
        "GET  /e HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET e HTTP/1.1\r\nhost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
        "GET /e HTTP/3.1\r\nhost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
    ] {
        let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        let closing = if request.contains("HTTP/") { request } else { format!("{request}\r\n\r\n") };
        refused(&stage, &closing).await;
    }
    assert_eq!(stage.instances(), 0, "nothing ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_beside_chunks_is_never_taken_for_two_requests() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    let request =
        "POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /e HTTP/1.1\r\nhost: a\r\n\r\n";
    // The chunks count, as RFC 9112 (6.3) has it, and nothing is read from this connection any more.
    let told = stage.raw(request).await;
    assert_eq!((told.status, told.header("connection")), (200, Some("close")), "{told:?}");
    let answers = format!("{}{}", told.head, told.body).matches("HTTP/1.1 ").count();
    assert_eq!((answers, stage.log.lock().unwrap().len()), (1, 1), "{told:?}");
}

/// Whatever stands in the chunks, what follows them is never a second request where a server in front could have read something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_two_servers_could_read_differently_reach_no_plugin() {
    let stage = Stage::serving(settings(), &[("/e", ""), ("/q", "")]).await;
    let long = format!("2;{}\r\nab\r\n0\r\n\r\n", "x".repeat(20_000));
    let trailers = format!("2\r\nab\r\n0\r\n{}\r\n", "x-one: 1\r\n".repeat(2_000));
    for chunks in [
        // Sizes that are none, or that no number of 64 bits holds.
        "0x2\r\nab\r\n0\r\n\r\n",
        "-2\r\nab\r\n0\r\n\r\n",
        "+2\r\nab\r\n0\r\n\r\n",
        " 2\r\nab\r\n0\r\n\r\n",
        "\r\nab\r\n0\r\n\r\n",
        "2g\r\nab\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nab\r\n0\r\n\r\n",
        "10000000000000002\r\nab\r\n0\r\n\r\n",
        // Ends of lines that are none, in a size, an extension and behind the bytes.
        "2\nab\r\n0\r\n\r\n",
        "2\rab\r\n0\r\n\r\n",
        "2;x\nab\r\n0\r\n\r\n",
        "2\r\nab\n0\r\n\r\n",
        "2\r\nabcd\r\n0\r\n\r\n",
        // Extensions and trailers without an end.
        &long,
        &trailers,
    ] {
        let request = format!(
            "POST /e HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}GET /q HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        );
        refused(&stage, &request).await;
    }
    assert_eq!(stage.instances(), 0, "nothing ran");
    let log = stage.log.lock().unwrap();
    assert!(log.iter().all(|access| access.path == "/e" && access.status != 200), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_ends_without_a_carriage_return_hides_no_second_request() {
    let stage = Stage::serving(settings(), &[("/e", ""), ("/q", "")]).await;
    // RFC 9112 (2.2) lets a server take a lone line feed for the end of a line. Taken so, a header behind it counts as any other: two lengths are refused.
    for request in [
        "POST /e HTTP/1.1\r\nhost: a\r\nx: y\ncontent-length: 45\r\ncontent-length: 0\r\n\r\nGET /q HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "POST /e HTTP/1.1\r\nhost: a\r\nx: y\ntransfer-encoding: identity\r\ncontent-length: 0\r\n\r\nGET /q HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        refused(&stage, request).await;
    }
    assert_eq!(stage.instances(), 0, "nothing ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absolute_target_is_its_path_where_it_names_the_host() {
    let stage = Stage::serving(settings(), &[("/e", ""), ("/a", "host = \"a.example\"")]).await;
    let ask =
        async |target: &str, host: &str| stage.raw(&format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
    let told = ask("http://a.example/a", "a.example").await;
    assert_eq!((told.status, told.body.as_str()), (200, "a.example"), "{told:?}");
    for (target, host) in [
        ("http://a.example/a", "b.example"),
        ("http://b.example/a", "a.example"),
        ("http://a.example:81/a", "a.example"),
        ("http://a.example@b.example/a", "a.example"),
        ("http:///a", "a.example"),
        ("http://a.example/../a", "a.example"),
    ] {
        assert_eq!(ask(target, host).await.status, 400, "{target} {host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_route_answers_is_told_as_a_problem_with_its_code() {
    let stage = Stage::serving(settings(), &[("/e", "methods = [\"GET\", \"POST\"]"), ("/static/{*rest}", "host = \"b.example\"")]).await;
    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "E-HTTP-NOT-FOUND"),
        ("GET", "/static/a", 404, "E-HTTP-NOT-FOUND"),
        ("DELETE", "/e", 405, "E-HTTP-METHOD"),
        ("GET", "//e", 400, "E-HTTP-PATH"),
        ("GET", "/a/../e", 400, "E-HTTP-PATH"),
        ("GET", "/%2e%2e/e", 400, "E-HTTP-PATH"),
        ("GET", "/e%00", 400, "E-HTTP-PATH"),
        ("GET", "/%ff", 400, "E-HTTP-PATH"),
        ("GET", "/%zz", 400, "E-HTTP-PATH"),
    ] {
        let told = stage.ask(method, path, "").await;
        assert_eq!((told.status, told.code().as_str()), (status, code), "{method} {path}");
        assert_eq!(told.header("content-type"), Some("application/problem+json"));
        assert!(told.header("x-request-id").is_some());
        if status == 405 {
            assert_eq!(told.header("allow"), Some("GET, HEAD, POST"));
        }
    }
    assert_eq!(stage.ask("POST", "/e", "hello").await.body, "hello");
    // Where the log says which, it says what a client was told.
    let log = stage.log.lock().unwrap();
    let codes: Vec<_> = log.iter().map(|access| access.code).filter(|code| !code.is_empty()).collect();
    assert_eq!(codes.len(), 9, "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_deployment_has_nothing() {
    let stage = Stage::new(settings()).await;
    assert_eq!(stage.get("/").await.code(), "E-HTTP-NOT-FOUND");
}
