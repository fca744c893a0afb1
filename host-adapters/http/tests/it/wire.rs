//! On a real connection: a client that goes away ends the call.

use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt;
use plugwork_http::HttpService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Stage, limits, stage, until};

/// Serves the plugin on a free port.
pub(crate) async fn served(stage: &Stage) -> SocketAddr {
    served_by(stage.service()).await
}

/// Serves this service on a free port.
pub(crate) async fn served_by(service: HttpService) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    let routes = Router::new().fallback_service(service).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

pub(crate) async fn say(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_the_call() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let client = say(address, "GET /l HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("the guest runs", || stage.instances() == 1).await;
    drop(client);
    until("the guest is gone, long before its deadline", || stage.instances() == 0).await;
    let usage = &stage.runtime.usage()[0];
    assert_eq!((usage.instances, usage.faults), (0, 0), "nobody's fault");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_over_a_socket_is_answered_and_the_peer_is_known() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let mut client = say(address, "GET /i HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let me = client.local_addr().unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, me.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_past_its_limit_is_answered_before_it_is_sent() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let head = "POST /e HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 10737418240\r\n\r\n";
    let mut client = say(address, head).await;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    assert!(answer.contains("E-HTTP-BODY-SIZE"));
}
