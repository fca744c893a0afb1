//! A component that knows only WASI, over connections: it runs unchanged, streams both ways, and whatever it does wrong is told once.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use plugwork::Limits;
use plugwork::core::reach::Kind;
use plugwork_http::{HttpLimits, Served};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::guest;
use crate::proxy::{stage, stage_with_reuse};
use crate::wire::{say, served, served_by};
use crate::world::{Stage, ask, limits, post, request, stage_of, until};

async fn told(stage: &Stage, path: &str) -> (u16, String) {
    let answer = ask(&stage.service(), request(path)).await;
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    answer.problem()
}

/// Everything that comes of one request over HTTP/1.1, until the server closes.
pub(crate) async fn all_of(address: SocketAddr, path: &str) -> String {
    let mut client = say(address, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
    let mut all = Vec::new();
    // Broken connections may end in an error: what came before it counts.
    let _ = client.read_to_end(&mut all).await;
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn it_runs_unchanged_and_reaches_nothing() {
    let stage = stage(limits()).await;
    let plugin = stage.plugin.plugin().await.unwrap();
    let points: Vec<String> = plugin.points().map(|point| point.path().to_owned()).collect();
    assert_eq!(points, ["wasi:http/incoming-handler"]);
    assert!(plugin.reach().iter().all(|reach| matches!(reach.kind, Kind::Inert | Kind::Types)), "{:?}", plugin.reach());
    let answer = ask(&stage.service(), request("/hello")).await;
    assert_eq!((answer.status, answer.text()), (200, "hello from a component that knows only WASI\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn no_answer_at_all_is_502_and_a_late_one_504() {
    let stage = stage(Limits { deadline_ms: 200, ..limits() }).await;
    assert_eq!(told(&stage, "/never").await, (502, "E-HTTP-ANSWER".into()));
    assert_eq!(told(&stage, "/loops").await, (504, "E-FAULT-DEADLINE".into()));
    assert_eq!(told(&stage, "/sleeps").await, (504, "E-FAULT-DEADLINE".into()));
}

#[tokio::test]
async fn a_trap_and_an_error_of_its_own_are_502() {
    let stage = stage(limits()).await;
    assert_eq!(told(&stage, "/traps").await, (502, "E-FAULT-TRAP".into()));
    assert_eq!(told(&stage, "/error").await, (502, "E-HTTP-ANSWER".into()));
}

#[tokio::test]
async fn an_illegal_head_is_502() {
    let stage = stage(limits()).await;
    for path in ["/status/100", "/status/101", "/status/199", "/status/600", "/status/999", "/length-without-body", "/request-id"] {
        assert_eq!(told(&stage, path).await, (502, "E-HTTP-ANSWER".into()), "{path}");
    }
    for path in ["/connection", "/transfer-encoding", "/status/200"] {
        assert_eq!(ask(&stage.service(), request(path)).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let stage = stage(Limits { deadline_ms: 300, ..limits() }).await;
    let address = served(&stage).await;
    // The breaker would stop asking: four of these are faults.
    for path in
        ["/traps-in-the-middle", "/loops-in-the-middle", "/sleeps-in-the-middle", "/unfinished", "/forgotten", "/too-short", "/too-long"]
    {
        let all = all_of(address, path).await;
        if all.is_empty() {
            // It broke before its head had left: then nothing is sent at all.
            continue;
        }
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {all:?}"));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {all}");
        assert_eq!(all.matches("HTTP/1.1").count(), 1, "{path}: one response\n{all}");
        match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
            // More than was announced may have been written; it is not on the wire.
            Some(length) => {
                assert!(body.len() < length.parse::<usize>().unwrap() || path == "/too-long" && body.len() <= 2, "{path}: {all}")
            }
            None => assert!(!body.ends_with("0\r\n\r\n"), "{path}: it looks whole\n{all}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_answer_is_the_plugins_fault_and_never_sent() {
    let stage = stage_of(guest::twice(), limits()).await;
    let address = served(&stage).await;
    let all = all_of(address, "/").await;
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n") && all.matches("HTTP/1.1").count() == 1, "{all}");
    until("the second try has trapped", || stage.runtime.usage()[0].faults == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_after_a_whole_answer_goes_on_to_its_end() {
    let stage = stage(limits()).await;
    let response = stage.service().answer(request("/goes-on")).await;
    let told = response.extensions().get::<Served>().unwrap().clone();
    assert_eq!(crate::world::read(response).await.text(), "done");
    until("the call has ended", || told.outcome().is_some()).await;
    assert!(told.outcome().unwrap().error.is_none(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_used_again_leaves_no_answer_open() {
    let stage = stage_with_reuse(limits()).await;
    for _ in 0..3 {
        let answer = ask(&stage.service(), request("/hello")).await;
        assert!(answer.text().starts_with("hello "), "{answer:?}");
    }
    // Its body stays open in the instance, which lives on: nobody will write the rest.
    for _ in 0..2 {
        let body = stage.service().answer(request("/forgotten")).await.into_body();
        assert!(body.collect().await.is_err());
    }
    assert_eq!(ask(&stage.service(), request("/never")).await.problem(), (502, "E-HTTP-ANSWER".into()));
    assert_eq!(ask(&stage.service(), request("/hello")).await.status, 200);
}

/// A connection over HTTP/2.
pub(crate) async fn http2<B>(address: SocketAddr) -> hyper::client::conn::http2::SendRequest<B>
where
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_streams_both_ways_with_trailers_over_http2() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let (sender, mut receiver) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
    let body = StreamBody::new(futures::stream::poll_fn(move |context| receiver.poll_recv(context)));
    let mut client = http2(address).await;
    let request = Request::post(format!("http://{address}/echo")).body(body).unwrap();
    let mut response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200, "its head is there before any of the request's body");
    for piece in ["one", "two"] {
        sender.send(Ok(Frame::data(Bytes::from(piece)))).await.unwrap();
        let back = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(back, piece, "a piece comes back before the next is sent");
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "6".parse().unwrap());
    trailers.insert("x-request-id", "mine".parse().unwrap());
    sender.send(Ok(Frame::trailers(trailers))).await.unwrap();
    let back = response.body_mut().frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!((back.get("x-sum").unwrap().as_bytes(), back.len()), (&b"6"[..], 1));
    drop(sender);
    assert!(response.body_mut().frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_an_error_over_http2() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let mut client = http2(address).await;
    let request = Request::get(format!("http://{address}/traps-in-the-middle")).body(http_body_util::Empty::<Bytes>::new()).unwrap();
    // The stream is reset, before its head has left or after that.
    if let Ok(response) = client.send_request(request).await {
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_the_call_before_and_after_the_head() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    for path in ["/sleeps", "/loops", "/sleeps-in-the-middle", "/loops-in-the-middle"] {
        let mut client = say(address, &format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        until("the guest runs", || stage.instances() == 1).await;
        if path.ends_with("middle") {
            let mut some = [0; 16];
            client.read_exact(&mut some).await.unwrap();
        }
        drop(client);
        until(path, || stage.instances() == 0).await;
    }
    assert_eq!(stage.runtime.usage()[0].faults, 0, "nobody's fault");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_body_past_its_limit_or_its_time_is_told_as_that() {
    let stage = stage(limits()).await;
    let few = HttpLimits { body_bytes_max: 10, body_deadline_ms: 100, ..HttpLimits::default() };
    let announced = ask(&stage.service_with(few), post("/echo", "more than ten bytes")).await;
    assert_eq!(announced.problem().0, 413, "announced: nothing of the plugin ran");
    let address = served_by(stage.service_with(few)).await;
    // Not announced, and past its limit only after the plugin has answered: all that is left is to break off.
    let chunks = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n there.\r\n0\r\n\r\n";
    let mut client = say(address, chunks).await;
    let mut all = Vec::new();
    let _ = client.read_to_end(&mut all).await;
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains(" 413 ") || !all.ends_with("0\r\n\r\n"), "{all}");
    let mut slow = say(address, "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel").await;
    let mut all = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(60), slow.read_to_end(&mut all)).await.unwrap();
    assert!(!String::from_utf8(all).unwrap().ends_with("0\r\n\r\n"));
    slow.shutdown().await.ok();
}
