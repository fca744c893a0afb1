//! Limits of clients and plugins: rates, places, bodies, and clients that are slow.

use std::time::Duration;

use plugwork_edge::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Stage, settings, to_end, told, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_past_its_rate_is_told_when_to_come_back() {
    let limited = "limits = { client-rate = { requests = 2, window-seconds = 3600 } }";
    let stage = Stage::serving(settings(), &[("/e", limited), ("/q", "")]).await;
    let first = stage.ask("POST", "/e", "a").await;
    assert_eq!((first.status, first.header("ratelimit-policy")), (200, Some("\"client\";q=2;w=3600")));
    assert!(first.header("ratelimit").unwrap().starts_with("\"client\";r=1;t="), "{first:?}");
    assert_eq!(stage.ask("POST", "/e", "a").await.status, 200);
    let refused = stage.ask("POST", "/e", "a").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "E-HTTP-RATE"));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 1_000);
    assert!(refused.header("ratelimit").unwrap().starts_with("\"client\";r=0;t="));
    assert_eq!(stage.get("/q").await.status, 200, "another route has no such limit");
    // A deployment that leaves the route as it is gives nobody a new quota.
    let text = crate::world::application(&[("/e", limited), ("/i", "")]);
    stage.deploy(&text, plugwork_core::deployment::Expected::Number(1)).await.unwrap();
    assert_eq!(stage.ask("POST", "/e", "a").await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_with_all_places_taken_holds_up_a_short_line_and_no_other_plugin() {
    let settings = Settings { plugin_requests_max: 1, plugin_queue_max: 0, ..settings() };
    let stage = Stage::new(settings).await;
    let other = "[plugin.other]\nsource = \"guest.wasm\"\n[[route]]\npath = \"/e\"\nplugin = \"other\"\n";
    let text = format!("{}{other}", crate::world::application(&[("/l", ""), ("/q", "")]));
    stage.deploy(&text, plugwork_core::deployment::Expected::Nothing).await.unwrap();
    let mut busy = stage.connect().await;
    busy.write_all(b"GET /l HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the guest runs", || stage.instances() == 1).await;
    let refused = stage.get("/q").await;
    assert_eq!((refused.status, refused.code().as_str(), refused.header("retry-after")), (503, "E-HTTP-BUSY", Some("1")));
    assert_eq!(stage.ask("POST", "/e", "a").await.status, 200, "its neighbour is not held up");
    drop(busy);
    until("its place is free again", || stage.instances() == 0).await;
    until("and it answers", || stage.log.lock().unwrap().iter().any(|access| access.path == "/l")).await;
    assert_eq!(stage.get("/q").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_past_the_routes_limit_reaches_no_plugin() {
    let stage = Stage::serving(settings(), &[("/e", "limits = { body-bytes = 4 }")]).await;
    assert_eq!(stage.ask("POST", "/e", "abcd").await.body, "abcd");
    assert_eq!(stage.ask("POST", "/e", "abcde").await.code(), "E-HTTP-BODY-SIZE");
    let chunked = "POST /e HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    assert_eq!(stage.raw(chunked).await.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_late_for_its_route_is_ended() {
    let stage = Stage::serving(settings(), &[("/l", "limits = { deadline-ms = 50 }")]).await;
    let late = stage.get("/l").await;
    assert_eq!((late.status, late.code().as_str()), (504, "E-HTTP-DEADLINE"));
    until("its call is over", || stage.instances() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_slow_are_let_go() {
    let stage = Stage::serving(Settings { head_deadline_ms: 300, ..settings() }, &[("/e", "")]).await;
    // Nothing at all; the beginning of either protocol; a head that never ends; an idle connection.
    for sent in ["", "P", "PRI * HT", "GET /e HTTP/1.1\r\nhost: a\r\nx: "] {
        let mut stream = stage.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), to_end(&mut stream)).await.expect("it is let go");
        assert!(matches!(told(&ended).status, 0 | 408), "{sent:?}: {ended}");
    }
    let mut idle = stage.connect().await;
    idle.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(Duration::from_secs(60), idle.read_to_end(&mut all)).await.expect("it is let go").unwrap();
    assert!(all.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_limit_of_connections_the_next_one_waits_for_those_that_are_busy() {
    let stage = Stage::serving(Settings { connections_max: 2, ..settings() }, &[("/e", ""), ("/l", "")]).await;
    let mut busy = vec![stage.connect().await, stage.connect().await];
    for stream in &mut busy {
        stream.write_all(b"GET /l HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    }
    until("both are busy", || stage.instances() == 2).await;
    let mut third = stage.connect().await;
    third.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(300), third.read(&mut byte)).await;
    assert!(early.is_err(), "it is not served yet");
    busy.pop();
    assert_eq!(told(&to_end(&mut third).await).status, 200, "it is served once there is a place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_limit_of_connections_whoever_is_idle_the_longest_makes_room() {
    let stage = Stage::serving(Settings { connections_max: 2, ..settings() }, &[("/e", "")]).await;
    let mut first = stage.connect().await;
    first.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    until("it was answered", || stage.log.lock().unwrap().len() == 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _second = stage.connect().await;
    assert_eq!(stage.ask("POST", "/e", "third").await.body, "third");
    assert!(to_end(&mut first).await.starts_with("HTTP/1.1 200 OK\r\n"), "it was idle and is closed");
    assert_eq!(stage.ask("POST", "/e", "fourth").await.body, "fourth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_limit_of_a_client_its_next_connection_is_closed() {
    let stage = Stage::serving(Settings { client_connections_max: 2, ..settings() }, &[("/e", ""), ("/l", "")]).await;
    let mut busy = vec![stage.connect().await, stage.connect().await];
    for stream in &mut busy {
        stream.write_all(b"GET /l HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    }
    until("both are busy", || stage.instances() == 2).await;
    assert_eq!(to_end(&mut stage.connect().await).await, "");
    busy.pop();
    until("its call is over", || stage.instances() == 1).await;
    let mut answered = 0;
    while answered != 200 {
        let mut stream = stage.connect().await;
        // The server may have closed it already.
        drop(stream.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await);
        answered = told(&to_end(&mut stream).await).status;
    }
}
