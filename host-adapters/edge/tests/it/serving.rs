//! What does reach a plugin, what it is told, and what the log says of it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Stage, settings, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_reaches_its_plugin_with_what_only_the_server_knows() {
    let stage = Stage::serving(settings(), &[("/e", ""), ("/w/{name}", ""), ("/i", ""), ("/q", "")]).await;
    assert_eq!(stage.ask("POST", "/e", "hello").await.body, "hello");
    assert_eq!(stage.get("/w/a%20b").await.body, "a b", "the route's parameter, decoded");
    assert!(stage.get("/i").await.body.starts_with("127.0.0.1:"));
    let told = stage.get("/q").await;
    assert_eq!(Some(told.body.as_str()), told.header("x-request-id"));
    until("all four are in the log", || stage.log.lock().unwrap().len() == 4).await;
    let log = stage.log.lock().unwrap();
    let first = &log[0];
    assert_eq!((first.status, &*first.method, &*first.path, &*first.route), (200, "POST", "/e", "/e"));
    assert_eq!((&*first.application, first.deployment, &*first.plugin), ("shop", 1, "guest"));
    assert_eq!((first.host.as_str(), first.response_bytes, first.complete), ("a.example", 5, true));
    assert!(first.duration_us > 0 && first.error.is_none() && first.client.starts_with("127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_serves_one_request_after_the_other() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    let mut stream = stage.connect().await;
    for _ in 0..3 {
        stream.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nabc") {
            answer.push(stream.read_u8().await.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_harms_one_request_and_is_told_to_the_operator() {
    let stage = Stage::serving(settings(), &[("/t", ""), ("/e", "")]).await;
    assert_eq!(stage.get("/t").await.code(), "E-FAULT-TRAP");
    assert_eq!(stage.ask("POST", "/e", "on").await.body, "on");
    until("both are in the log", || stage.log.lock().unwrap().len() == 2).await;
    let log = stage.log.lock().unwrap();
    let told = log[0].error.as_deref().unwrap();
    assert!(log[0].status == 502 && told.contains("unreachable"), "{told}");
    assert!(log[1].error.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_answered_too() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    let io = hyper_util::rt::TokioIo::new(stage.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let running = tokio::spawn(connection);
    let asked = (0..20).map(|number| {
        let request = http::Request::post("http://a.example/e").body(number.to_string()).unwrap();
        sender.send_request(request)
    });
    for (number, response) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        let body = http_body_util::BodyExt::collect(response.await.unwrap().into_body()).await.unwrap().to_bytes();
        assert_eq!(body, number.to_string());
    }
    drop(sender);
    drop(running.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_the_call_and_is_in_the_log() {
    let stage = Stage::serving(settings(), &[("/l", "")]).await;
    let mut stream = stage.connect().await;
    stream.write_all(b"GET /l HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the guest runs", || stage.instances() == 1).await;
    drop(stream);
    until("the guest is gone, long before its deadline", || stage.instances() == 0).await;
    until("it is in the log", || !stage.log.lock().unwrap().is_empty()).await;
    let log = stage.log.lock().unwrap();
    assert_eq!((log[0].status, log[0].complete), (0, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_finishes_what_began_and_takes_nothing_new() {
    let mut stage = Stage::serving(settings(), &[("/e", "")]).await;
    let mut open = stage.connect().await;
    // The body is still to come: the request has begun.
    open.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab").await.unwrap();
    let mut idle = stage.connect().await;
    idle.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    until("one was answered", || stage.log.lock().unwrap().len() == 1).await;
    stage.tell_to_stop();
    let mut answered = Vec::new();
    idle.read_to_end(&mut answered).await.unwrap();
    let address = stage.address;
    until("nothing listens", || std::net::TcpStream::connect(address).is_err()).await;
    open.write_all(b"cd").await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nabcd"), "{answer}");
    assert_eq!(stage.stopped().await.broken, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_breaks_off_what_does_not_end_in_time() {
    let stage = Stage::serving(plugwork_edge::Settings { drain_ms: 200, ..settings() }, &[("/l", "")]).await;
    let mut open = stage.connect().await;
    open.write_all(b"GET /l HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the guest runs", || stage.instances() == 1).await;
    assert_eq!(stage.stop().await.broken, 1);
}
