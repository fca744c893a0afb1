//! The rules of outgoing HTTP, each through both interfaces and with the denied twin of what is allowed. A server that counts connections is
//! the witness: what was denied never reached it.
//!
//! Easily got wrong: `fetch` refuses some requests before the host's check sees them (`Invalid`), wasi:http others (no error code of ours).
//! What counts is that they are refused, and that nothing arrived.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plugwork::log::Level;
use plugwork::{Limits, Plugin};
use plugwork_capabilities::{Http, Resolve, Resolved};
use serde_json::{Value, json};

use crate::server::{BIG_BYTES, Server};
use crate::world::{LIMITS, grant, guest, offer, probe, runtime_with, said, try_probe};

const INTERFACES: [&str; 2] = ["wasi", "fetch"];

async fn plugin(instance: &str, bounds: Value) -> Plugin {
    plugin_within(instance, bounds, LIMITS).await
}

async fn plugin_within(instance: &str, bounds: Value, limits: Limits) -> Plugin {
    offer(&guest("http-get"), instance).await.limits(limits).accept_only(grant("http", bounds)).await.unwrap()
}

/// What reaches the server, by any method.
fn reaching(server: &Server) -> Value {
    json!({ "hosts": [server.url("")], "methods": ["*"], "networks": ["127.0.0.1"], "redirects": false })
}

/// One raw request through one interface.
async fn raw(plugin: &Plugin, interface: &str, method: &str, url: &str, shape: &[&str]) -> Result<String, String> {
    let mut words = vec!["raw", interface, method, url];
    words.extend(shape);
    probe(plugin, &words).await
}

/// One raw request that must come to nothing. A trap of wasi:http's own limits is one way to nothing.
async fn refused(plugin: &Plugin, interface: &str, method: &str, url: &str, shape: &[&str]) {
    let mut words = vec!["raw", interface, method, url];
    words.extend(shape);
    let outcome = try_probe(plugin, &words).await;
    assert!(!matches!(&outcome, Ok(Ok(_))), "{words:?}: {outcome:?}");
}

/// Whether this instance was told of the code, in its answer or (wasi:http has no room for it) in its log.
fn names_code(plugin: &Plugin, told: &str, code: &str) -> bool {
    told.contains(code) || said(&plugin.subject().instance).iter().any(|(level, text)| *level == Level::Warn && text.contains(code))
}

/// Answers in turn; the last one stays.
struct Answers(Vec<Vec<IpAddr>>, AtomicUsize);

impl Answers {
    fn new(answers: &[&[&str]]) -> Self {
        let read = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Self(answers.iter().map(read).collect(), AtomicUsize::new(0))
    }
}

impl Resolve for Answers {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolved<'a> {
        let turn = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        Box::pin(async move { Ok(self.0[turn].clone()) })
    }
}

/// A plugin whose names lead where the test says.
async fn resolving(instance: &str, answers: &[&[&str]], bounds: Value) -> Plugin {
    let runtime = runtime_with(Http::resolving(Answers::new(answers))).await;
    let offer = runtime.offer(&guest("http-get")).await.unwrap().instance(instance);
    offer.accept_only(grant("http", bounds)).await.unwrap()
}

/// Spellings of addresses that nobody was granted, most of them of the loopback one where the server listens.
const FORBIDDEN_HOSTS: [&str; 64] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "00000177.0.0.1",
    "127.0x1",
    "0177.0x1",
    "127.255.255.254",
    "127.0.0.2",
    "0.0.0.0",
    "0",
    "0x0",
    "00000",
    "0.0.0.0.",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fd00::1]",
    "[fc00::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[100::1]",
    "169.254.169.254",
    "169.254.0.1",
    "0xa9fea9fe",
    "2852039166",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "localhost",
    "localhost.",
];

#[tokio::test]
async fn no_spelling_of_a_private_address_is_dialled() {
    let server = Server::start().await;
    let bounds = json!({ "hosts": ["*", format!("http://*:{}", server.port)], "methods": ["GET"] });
    let plugin = plugin("contract-ssrf", bounds).await;
    for interface in INTERFACES {
        for host in FORBIDDEN_HOSTS {
            for url in [format!("http://{host}:{}/hello", server.port), format!("https://{host}/")] {
                let told = probe(&plugin, &[interface, "GET", &url]).await.expect_err(&url);
                let denied = told.contains("E-CAP-HTTP-ADDRESS") || told.contains("E-CAP-HTTP-URL") || told.contains("HttpRequestDenied");
                assert!(denied || told.starts_with("Invalid") || told.contains("was not taken"), "{interface} {url}: {told}");
            }
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn no_url_that_policy_denies_reaches_anything() {
    let server = Server::start().await;
    let plugin = plugin("contract-vectors", json!({ "hosts": ["*", format!("http://*:{}", server.port)], "methods": ["GET"] })).await;
    let vectors = std::fs::read_to_string(plugwork_tests::root().join("runtime/core/vectors/urls.txt")).unwrap();
    let addresses =
        vectors.lines().filter_map(|line| line.strip_prefix("E-CAP-HTTP-ADDRESS request GET http://")).filter(|rest| !rest.contains('"'));
    let mut tried = 0;
    for rest in addresses {
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap();
        // The port of the witness, where the form allows for one.
        if authority.is_empty()
            || authority.contains('@')
            || authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            continue;
        }
        let url = format!("http://{authority}:{}/hello", server.port);
        for interface in INTERFACES {
            probe(&plugin, &[interface, "GET", &url]).await.expect_err(&url);
        }
        tried += 1;
    }
    assert!(tried >= 40, "{tried}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_decided_on_again() {
    let allowed = Server::start_at(Ipv4Addr::new(127, 0, 0, 2), 0).await;
    let forbidden = Server::start_at(Ipv4Addr::LOCALHOST, allowed.port).await;
    let url = format!("http://rebinds.example:{}", allowed.port);
    for interface in INTERFACES {
        let bounds = json!({ "hosts": [url], "methods": ["GET"], "networks": ["127.0.0.2"] });
        let instance = format!("contract-rebinding-{interface}");
        let plugin = resolving(&instance, &[&["127.0.0.2"], &["127.0.0.1"]], bounds).await;
        assert_eq!(probe(&plugin, &[interface, "GET", &format!("{url}/hello")]).await.unwrap(), "200 - 5 hello");
        let told = probe(&plugin, &[interface, "GET", &format!("{url}/hello")]).await.unwrap_err();
        assert!(names_code(&plugin, &told, "E-CAP-HTTP-ADDRESS"), "{interface}: {told}");
    }
    assert_eq!((allowed.asked().len(), forbidden.connections()), (2, 0));
}

#[tokio::test]
async fn of_many_addresses_only_those_allowed_are_tried() {
    let allowed = Server::start_at(Ipv4Addr::new(127, 0, 0, 2), 0).await;
    let forbidden = Server::start_at(Ipv4Addr::LOCALHOST, allowed.port).await;
    let url = format!("http://many.example:{}", allowed.port);
    for interface in INTERFACES {
        let bounds = json!({ "hosts": [url], "methods": ["GET"], "networks": ["127.0.0.2"] });
        let answers: [&[&str]; 1] = [&["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "127.0.0.2"]];
        let plugin = resolving(&format!("contract-many-{interface}"), &answers, bounds).await;
        assert_eq!(probe(&plugin, &[interface, "GET", &format!("{url}/hello")]).await.unwrap(), "200 - 5 hello");
    }
    assert_eq!(forbidden.connections(), 0);
}

#[tokio::test]
async fn a_connection_serves_nobody_but_the_grant_that_decided_on_it() {
    let server = Server::start().await;
    let url = server.url("/kept");
    let first = plugin("contract-pool-first", reaching(&server)).await;
    for interface in INTERFACES {
        assert_eq!(probe(&first, &[interface, "GET", &url]).await.unwrap(), "200 - 4 kept");
    }
    assert_eq!(server.connections(), 1, "one plugin, both interfaces, all instances: one pool");
    let denied = plugin("contract-pool-denied", json!({ "hosts": [server.url("")], "methods": ["*"], "networks": [] })).await;
    for interface in INTERFACES {
        let told = probe(&denied, &[interface, "GET", &url]).await.unwrap_err();
        assert!(names_code(&denied, &told, "E-CAP-HTTP-ADDRESS"), "{told}");
    }
    let second = plugin("contract-pool-second", reaching(&server)).await;
    assert_eq!(probe(&second, &["fetch", "GET", &url]).await.unwrap(), "200 - 4 kept");
    assert_eq!((server.connections(), server.asked().len()), (2, 3), "another plugin has a connection of its own");
}

#[tokio::test]
async fn a_redirect_is_followed_only_where_that_is_granted_and_each_hop_is_decided() {
    let (server, other) = (Server::start().await, Server::start().await);
    let mut bounds = reaching(&server);
    let off = plugin("contract-redirects-off", bounds.clone()).await;
    bounds["redirects"] = json!(true);
    let on = plugin("contract-redirects-on", bounds).await;
    let (inside, outside) = (server.url("/to?/hello"), server.url(&format!("/to?{}", other.url("/hello"))));
    let private = server.url(&format!("/to?http://localhost:{}/hello", server.port));
    for interface in INTERFACES {
        assert_eq!(probe(&off, &[interface, "GET", &inside]).await.unwrap(), "302 /hello 0 ");
        assert_eq!(probe(&on, &[interface, "GET", &inside]).await.unwrap(), "200 - 5 hello");
        for url in [&outside, &private] {
            let told = probe(&on, &[interface, "GET", url]).await.unwrap_err();
            assert!(names_code(&on, &told, "E-CAP-HTTP-HOST"), "{interface} {url}: {told}");
        }
        let odd = probe(&on, &[interface, "GET", &server.url("/to?file:///etc/passwd")]).await.unwrap_err();
        assert!(names_code(&on, &odd, "E-CAP-HTTP-URL"), "{odd}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn redirects_without_end_end() {
    let server = Server::start().await;
    let mut bounds = reaching(&server);
    bounds["redirects"] = json!(true);
    let plugin = plugin("contract-loop", bounds).await;
    // Each hop takes one `/to?` off: six are one too many.
    let url = |hops: usize| server.url(&format!("{}/hello", "/to?".repeat(hops)));
    for interface in INTERFACES {
        assert_eq!(probe(&plugin, &[interface, "GET", &url(5)]).await.unwrap(), "200 - 5 hello");
        probe(&plugin, &[interface, "GET", &url(6)]).await.unwrap_err();
    }
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_origin() {
    let (server, other) = (Server::start().await, Server::start().await);
    let hosts = json!([server.url(""), other.url("")]);
    let plugin =
        plugin("contract-credentials", json!({ "hosts": hosts, "methods": ["GET"], "networks": ["127.0.0.1"], "redirects": true })).await;
    let headers = ["header:authorization=Bearer secret", "header:cookie=secret", "header:accept=text/plain"];
    for interface in INTERFACES {
        let away = server.url(&format!("/to?{}", other.url("/hello")));
        assert_eq!(raw(&plugin, interface, "GET", &away, &headers).await.unwrap(), "200 - 5 hello");
        assert_eq!(raw(&plugin, interface, "GET", &server.url("/to?/hello"), &headers).await.unwrap(), "200 - 5 hello");
    }
    for head in other.heads() {
        assert!(!head.contains("secret") && head.contains("accept: text/plain"), "{head}");
    }
    let stayed = server.heads().iter().filter(|head| head.starts_with("GET /hello") && head.contains("Bearer secret")).count();
    assert_eq!(stayed, 2);
}

#[tokio::test]
async fn headers_that_frame_or_route_never_reach_the_wire() {
    let server = Server::start().await;
    let plugin = plugin("contract-headers", reaching(&server)).await;
    let shapes = [
        "header:transfer-encoding=chunked",
        "header:connection=close",
        "header:connection=keep-alive, x-secret",
        "header:te=trailers",
        "header:trailer=x",
        "header:upgrade=h2c",
        "header:host=evil.example",
        "header:keep-alive=1",
        "header:proxy-authorization=x",
        "header:proxy-connection=keep-alive",
        "header:expect=100-continue",
        "header:x=a\r\ny: b",
        "header:x=a\ny: b",
        "header:x=a\rb",
        "header:x=a\0b",
        "header:x y=z",
        "header:x\r\ny=z",
        "header:=v",
        "header:x:y=z",
        "headers=65",
        "headers=10000",
        "header:content-length=5, 5",
        "header:content-length=+5",
        "header:content-length=-1",
        "header:http2-settings=x",
    ];
    for interface in INTERFACES {
        for shape in shapes {
            refused(&plugin, interface, "POST", &server.url("/count"), &[shape, "body=5"]).await;
        }
        let long = format!("header:x={}", "v".repeat(8_193));
        refused(&plugin, interface, "GET", &server.url("/hello"), &[&long]).await;
        let twice = ["length=5", "length=5", "body=5"];
        refused(&plugin, interface, "POST", &server.url("/count"), &twice).await;
    }
    assert!(server.asked().is_empty(), "{:?}", server.heads());
    for interface in INTERFACES {
        assert_eq!(raw(&plugin, interface, "GET", &server.url("/hello"), &["headers=64"]).await.unwrap(), "200 - 5 hello");
    }
    let head = &server.heads()[0];
    assert_eq!(head.matches("host:").count(), 1, "{head}");
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_no_request() {
    let server = Server::start().await;
    let plugin = plugin("contract-lengths", reaching(&server)).await;
    let url = server.url("/count");
    assert_eq!(raw(&plugin, "wasi", "POST", &url, &["length=5000", "body=5000"]).await.unwrap(), "200 - 4 5000");
    for shape in [["length=5000", "body=4999"], ["length=5000", "body=5001"], ["length=0", "body=1"], ["length=1", "body=0"]] {
        let told = raw(&plugin, "wasi", "POST", &url, &shape).await.expect_err("a lie");
        assert!(
            told.contains("HttpRequestBodySize") || told.contains("Closed") || told.contains("InternalError") || told.contains("left"),
            "{shape:?}: {told}"
        );
    }
    // Nothing that was left over is read as the next request.
    assert_eq!(raw(&plugin, "wasi", "POST", &url, &["body=7"]).await.unwrap(), "200 - 1 7");
    assert!(server.asked().iter().all(|asked| asked == "POST /count"), "{:?}", server.asked());
}

#[tokio::test]
async fn trailers_of_a_request_are_refused() {
    let server = Server::start().await;
    let plugin = plugin("contract-trailers", reaching(&server)).await;
    for trailer in ["trailer:x=y", "trailer:content-length=5", "trailer:host=evil.example"] {
        raw(&plugin, "wasi", "POST", &server.url("/count"), &["body=5", trailer]).await.expect_err(trailer);
    }
    assert_eq!(raw(&plugin, "wasi", "POST", &server.url("/count"), &["body=5"]).await.unwrap(), "200 - 1 5");
}

#[tokio::test]
async fn a_path_names_no_other_host() {
    let (server, other) = (Server::start().await, Server::start().await);
    let plugin = plugin("contract-absolute", reaching(&server)).await;
    for path in [
        other.url("/hello"),
        format!("//127.0.0.1:{}/hello", other.port),
        format!("@127.0.0.1:{}/hello", other.port),
        "*".to_owned(),
        "x".to_owned(),
    ] {
        let _ = raw(&plugin, "wasi", "GET", &server.url("/"), &[&format!("path={path}")]).await;
    }
    for tail in ["@127.0.0.1", "#@127.0.0.1", "\\@127.0.0.1"] {
        for interface in INTERFACES {
            let _ = raw(&plugin, interface, "GET", &format!("{}{tail}:{}/hello", server.url(""), other.port), &[]).await;
        }
    }
    assert_eq!(other.connections(), 0);
    for head in server.heads() {
        let line = head.lines().next().unwrap();
        assert!(line.starts_with("GET /") && head.to_ascii_lowercase().contains(&format!("host: 127.0.0.1:{}", server.port)), "{head}");
    }
}

#[tokio::test]
async fn methods_that_make_tunnels_or_echo_are_denied_whatever_is_granted() {
    let server = Server::start().await;
    let plugin = plugin("contract-methods", reaching(&server)).await;
    for interface in INTERFACES {
        for method in ["CONNECT", "TRACE", "get", "G ET", ""] {
            raw(&plugin, interface, method, &server.url("/hello"), &[]).await.expect_err(method);
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn no_more_requests_are_open_than_a_plugin_may_have() {
    let server = Server::start().await;
    let limits = Limits { requests: 2, ..LIMITS };
    let plugin = plugin_within("contract-open", reaching(&server), limits).await;
    let told = probe(&plugin, &["wasi-open", "4", &server.url("/never")]).await.unwrap();
    // Which two were first is the threads' affair.
    let mut told: Vec<_> = told.split(' ').collect();
    told.sort_unstable();
    assert_eq!(told, ["ErrorCode::ConnectionLimitReached", "ErrorCode::ConnectionLimitReached", "open", "open"]);
    assert!(names_code(&plugin, "", "E-LIMIT-REQUESTS"));
    // Of one call for many the rest waits its turn.
    let urls = vec![server.url("/hello"); 7];
    let words: Vec<_> = ["fetch-all"].into_iter().chain(urls.iter().map(String::as_str)).collect();
    assert_eq!(probe(&plugin, &words).await.unwrap(), ["200 - 5 hello"; 7].join("\n"));
    assert_eq!(plugin.account().snapshot().requests, 0, "every place is free again");
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_grant_says() {
    let server = Server::start().await;
    let mut bounds = reaching(&server);
    bounds["concurrency"] = json!(1);
    let plugin = plugin("contract-concurrency", bounds).await;
    let urls = vec![server.url("/hello"); 6];
    let words: Vec<_> = ["fetch-all"].into_iter().chain(urls.iter().map(String::as_str)).collect();
    assert_eq!(probe(&plugin, &words).await.unwrap(), ["200 - 5 hello"; 6].join("\n"));
    assert_eq!(server.most_at_once(), 1);
    // Whoever asks, and through which interface: the next request is on its way when the one before has its answer.
    let held = server.url("/held");
    let ask = |interface| raw(&plugin, interface, "GET", &held, &[]);
    let asking = async { tokio::join!(ask("wasi"), ask("fetch"), ask("wasi"), ask("fetch")) };
    let answering = async {
        let came = || server.asked().iter().filter(|asked| *asked == "GET /held").count();
        for number in 1..=4 {
            while came() < number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // Time enough for one that does not wait.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(came(), number);
            server.answer_one();
        }
    };
    let hello = Ok("200 - 5 hello".to_owned());
    let both = async { tokio::join!(asking, answering) };
    let (told, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("each came to the server");
    assert_eq!(told, (hello.clone(), hello.clone(), hello.clone(), hello));
    // One instance may begin what has to wait.
    let told = probe(&plugin, &["wasi-open", "3", &server.url("/never")]).await.unwrap();
    assert_eq!(told, "open open open");
}

#[tokio::test]
async fn the_bytes_of_a_minute_are_the_grants() {
    let server = Server::start().await;
    for interface in INTERFACES {
        let mut bounds = reaching(&server);
        bounds["bytes-per-minute"] = json!(100_000);
        let plugin = plugin(&format!("contract-bytes-{interface}"), bounds).await;
        assert_eq!(probe(&plugin, &[interface, "GET", &server.url("/hello")]).await.unwrap(), "200 - 5 hello");
        // Three megabytes would take half an hour: the guest gives up first.
        raw(&plugin, "fetch", "GET", &server.url("/big"), &["first=300"]).await.unwrap_err();
        let told = probe(&plugin, &[interface, "GET", &server.url("/hello")]).await.unwrap_err();
        assert!(names_code(&plugin, &told, "E-CAP-HTTP-BYTES"), "{told}");
    }
}

#[tokio::test]
async fn sending_waits_for_the_plugins_share_of_the_network() {
    let server = Server::start().await;
    let limits = Limits { egress_bytes_per_second: Some(1_000), ..LIMITS };
    let plugin = plugin_within("contract-egress", reaching(&server), limits).await;
    let url = server.url("/count");
    let told = raw(&plugin, "fetch", "POST", &url, &["body=50000", "first=300"]).await.unwrap_err();
    assert!(told.contains("timed out"), "{told}");
    let unhindered = plugin_within("contract-egress-none", reaching(&server), Limits { egress_bytes_per_second: None, ..LIMITS }).await;
    for interface in INTERFACES {
        assert_eq!(raw(&unhindered, interface, "POST", &url, &["body=50000"]).await.unwrap(), "200 - 5 50000");
    }
    let usage = unhindered.account().snapshot();
    assert!(usage.egress_bytes >= 100_000 && usage.ingress_bytes >= 10, "{usage:?}");
}

#[tokio::test]
async fn what_the_host_holds_of_an_answer_is_the_plugins_memory() {
    let server = Server::start().await;
    let limits = Limits { plugin_memory_bytes: 4 << 20, ..LIMITS };
    let plugin = plugin_within("contract-memory", reaching(&server), limits).await;
    assert_eq!(probe(&plugin, &["fetch", "GET", &server.url("/hello")]).await.unwrap(), "200 - 5 hello");
    let told = probe(&plugin, &["fetch", "GET", &server.url("/big")]).await.unwrap_err();
    assert!(told.starts_with("Denied") && told.contains("E-LIMIT-PLUGIN-MEMORY"), "{told}");
    assert_eq!(plugin.account().snapshot().held_bytes, 0);
    let roomy = plugin_within("contract-memory-roomy", reaching(&server), LIMITS).await;
    let answer = probe(&roomy, &["fetch", "GET", &server.url("/big")]).await.unwrap();
    assert!(answer.starts_with(&format!("200 - {BIG_BYTES} ")), "{answer}");
}

#[tokio::test]
async fn a_stream_that_stands_still_ends_both_ways() {
    let server = Server::start().await;
    let plugin = plugin("contract-idle", reaching(&server)).await;
    let told = raw(&plugin, "wasi", "GET", &server.url("/stalls"), &["between=100"]).await.unwrap_err();
    assert!(told.contains("after 4 bytes"), "{told}");
    let told =
        raw(&plugin, "wasi", "POST", &server.url("/count"), &["body=10", "length=20", "between=100", "unfinished"]).await.unwrap_err();
    assert!(told.contains("ErrorCode"), "{told}");
}

#[tokio::test]
async fn answers_that_are_out_of_order_are_no_answers() {
    let server = Server::start().await;
    let plugin = plugin("contract-answers", reaching(&server)).await;
    for interface in INTERFACES {
        for path in ["/head-of-a-megabyte", "/many-headers", "/two-lengths", "/switches"] {
            let told = probe(&plugin, &[interface, "GET", &server.url(path)]).await.expect_err(path);
            assert!(!told.starts_with("Denied"), "{path}: {told}");
        }
        let zipped = probe(&plugin, &[interface, "GET", &server.url("/zipped")]).await.unwrap();
        assert_eq!(zipped, "200 - 5 \u{1f}\u{8}zip", "nothing is decompressed on the way");
    }
}
