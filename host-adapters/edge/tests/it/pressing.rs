//! Clients that send without end and take without end: what they hold is theirs, and never the plugin of everybody.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use plugwork_core::deployment::Expected;
use plugwork_edge::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::world::{Stage, application, settings, to_end, told, until};

type Http2 = (SendRequest<Full<Bytes>>, JoinHandle<()>);

/// A client of HTTP/2 whose window stays shut: it is answered, and takes no byte of a body.
async fn shut(stage: &Stage) -> Http2 {
    let io = TokioIo::new(stage.connect().await);
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.initial_stream_window_size(0).handshake(io).await.unwrap();
    (sender, tokio::spawn(async { drop(connection.await) }))
}

/// Asks for that many answers and takes only their heads.
async fn ask_for(sender: &mut SendRequest<Full<Bytes>>, count: usize) -> Vec<http::Response<hyper::body::Incoming>> {
    let mut heads = Vec::new();
    for _ in 0..count {
        let request = http::Request::post("http://a.example/e").body(Full::from("hello")).unwrap();
        heads.push(sender.send_request(request).await.unwrap());
    }
    heads
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_hold_no_place_with_the_plugin() {
    let stage = Stage::serving(Settings { plugin_requests_max: 2, plugin_queue_max: 0, ..settings() }, &[("/e", "")]).await;
    let (mut sender, _running) = shut(&stage).await;
    let heads = ask_for(&mut sender, 5).await;
    assert!(heads.iter().all(|head| head.status() == 200), "{heads:?}");
    assert_eq!(stage.ask("POST", "/e", "others").await.body, "others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_past_the_budget_holds_its_place_until_its_client_is_too_late() {
    let settings = Settings {
        plugin_requests_max: 2,
        plugin_queue_max: 0,
        stall_ms: 1_500,
        idle_ms: 500,
        drain_ms: 500,
        answer_bytes_total: 1,
        ..settings()
    };
    let stage = Stage::serving(settings, &[("/e", "")]).await;
    let (mut sender, running) = shut(&stage).await;
    let heads = ask_for(&mut sender, 3).await;
    let told: Vec<u16> = heads.iter().map(|head| head.status().as_u16()).collect();
    assert_eq!(told, [200, 200, 503], "two hold both places");
    until("they are broken off", || stage.log.lock().unwrap().iter().filter(|access| access.status == 200).count() == 2).await;
    assert!(stage.log.lock().unwrap().iter().filter(|access| access.status == 200).all(|access| !access.complete));
    assert_eq!(stage.ask("POST", "/e", "others").await.body, "others");
    // It answers pings and asks for nothing more: its time is over too.
    tokio::time::timeout(Duration::from_secs(60), running).await.expect("the connection ends").unwrap();
    drop(heads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_comes_whole_and_in_order() {
    let stage = Stage::serving(settings(), &[("/e", "limits = { body-bytes = 1_000_000 }")]).await;
    let body: String = (0..100_000).map(|number| format!("{number:08}")).collect();
    let told = stage.ask("POST", "/e", &body).await;
    assert!(told.body == body && told.header("content-length") == Some("800000"), "{} bytes", told.body.len());
}

async fn post_without_body(stage: &Stage) -> TcpStream {
    let mut stream = stage.connect().await;
    stream.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 4\r\n\r\nab").await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_come_hold_no_place_with_the_plugin() {
    let stage = Stage::serving(Settings { plugin_requests_max: 1, plugin_queue_max: 0, ..settings() }, &[("/e", ""), ("/q", "")]).await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(post_without_body(&stage).await);
    }
    // One after the other: the server reads what is there before it can answer what comes later on another connection, or soon after.
    for _ in 0..20 {
        assert_eq!(stage.get("/q").await.status, 200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    slow[0].write_all(b"cd").await.unwrap();
    assert_eq!(told(&to_end(&mut slow[0]).await).body, "abcd");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_has_only_its_share_of_the_bodies_that_are_read() {
    let limited = Settings { bodies_max: 4, client_share_percent: 50, ..settings() };
    let stage = Stage::serving(limited, &[("/e", ""), ("/q", "")]).await;
    let mut slow = Vec::new();
    let mut refused = None;
    // Until two are being read: one that comes while it is this one's turn is refused itself, so there is one more each time.
    while refused.is_none() {
        assert!(slow.len() < 100, "a third one is answered, however many are being read");
        slow.push(post_without_body(&stage).await);
        let told = stage.ask("POST", "/e", "body").await;
        refused = (told.status == 503).then_some(told);
    }
    let refused = refused.unwrap();
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("E-HTTP-BODIES", Some("1")));
    assert_eq!(stage.get("/q").await.status, 200, "who sends none is answered");
    slow.clear();
    let gone = || stage.log.lock().unwrap().iter().filter(|access| matches!(access.status, 0 | 400)).count() >= 2;
    until("what they held is free", gone).await;
    let mut again = stage.ask("POST", "/e", "body").await;
    for _ in 0..100 {
        if again.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        again = stage.ask("POST", "/e", "body").await;
    }
    assert_eq!(again.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_read_only_for_as_long_as_there_is_room_for_them() {
    let limited = Settings { body_bytes_total: 1_000, client_share_percent: 100, ..settings() };
    let stage = Stage::serving(limited, &[("/e", "")]).await;
    let body = "x".repeat(1_000);
    assert_eq!(stage.ask("POST", "/e", &body).await.body, body);
    assert_eq!(stage.ask("POST", "/e", &format!("{body}y")).await.code(), "E-HTTP-BODIES");
    assert_eq!(stage.ask("POST", "/e", &body).await.body, body, "all of it was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_a_route_counts_the_body_and_the_line() {
    let settings = Settings { plugin_requests_max: 1, ..settings() };
    let routes = [("/e", "limits = { deadline-ms = 300 }"), ("/l", ""), ("/q", "limits = { deadline-ms = 300 }")];
    let stage = Stage::serving(settings, &routes).await;
    let late = told(&to_end(&mut post_without_body(&stage).await).await);
    assert_eq!((late.status, late.code().as_str()), (408, "E-HTTP-BODY-DEADLINE"));
    let mut busy = stage.connect().await;
    busy.write_all(b"GET /l HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the guest runs", || stage.instances() == 1).await;
    let waited = stage.get("/q").await;
    assert_eq!((waited.status, waited.code().as_str()), (504, "E-HTTP-DEADLINE"));
    drop(busy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_still_with_a_deployment_that_was_replaced_is_ended_when_its_time_is_over() {
    let settings = Settings { drain_ms: 400, idle_ms: 60_000, answer_bytes_total: 1, ..settings() };
    let stage = Stage::serving(settings, &[("/l", ""), ("/e", "")]).await;
    let mut running = stage.connect().await;
    running.write_all(b"GET /l HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let (mut sender, _running) = shut(&stage).await;
    let heads = ask_for(&mut sender, 1).await;
    until("the guest runs", || stage.instances() == 1).await;
    let other = application(&[("/q", "")]).replace("[plugin.guest.limits]", "config = { version = 2 }\n[plugin.guest.limits]");
    stage.deploy(&other, Expected::Number(1)).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(60), running.read_to_string(&mut answer)).await.expect("it is told").unwrap();
    let answer = told(&answer);
    assert_eq!((answer.status, answer.code().as_str()), (503, "E-HTTP-REPLACED"));
    let active = || stage.runtime.installations().iter().filter(|one| one.state().to_string().contains("active")).count();
    until("the plugin that was replaced is ended", || active() == 1).await;
    assert_eq!(stage.get("/q").await.status, 200);
    drop(heads);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_fills_the_log_with_its_words() {
    let stage = Stage::serving(settings(), &[("/{*rest}", "")]).await;
    stage.ask("GET", &format!("/{}", "\u{e9}".repeat(1_500)), "").await;
    stage.ask(&"M".repeat(8_000), &format!("/{}", "a".repeat(3_000)), "").await;
    until("both are in the log", || stage.log.lock().unwrap().len() == 2).await;
    let log = stage.log.lock().unwrap();
    assert!(log.iter().all(|access| access.method.len() <= 40 && access.path.len() <= 1_030), "{log:?}");
    assert!(log[1].method.ends_with('\u{2026}') && log[1].path.ends_with('\u{2026}'));
}
