//! Clients that are slow, old or break off, in front of a component that streams: nothing of that is the plugin's, and no client takes a part for the
//! whole.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use plugwork::Limits;
use plugwork_http::HttpLimits;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::proxy::stage;
use crate::wire::{say, served, served_by};
use crate::world::{Stage, ask, limits, request, until};

/// More than opens a breaker.
const MANY: usize = 6;

/// Everything that comes until the server closes.
async fn rest(mut client: TcpStream) -> String {
    let mut all = Vec::new();
    // Broken connections may end in an error: what came before it counts.
    let _ = tokio::time::timeout(Duration::from_secs(60), client.read_to_end(&mut all)).await.expect("the server closes");
    String::from_utf8(all).unwrap()
}

fn faults(stage: &Stage) -> u64 {
    stage.runtime.usage()[0].faults
}

async fn says(address: SocketAddr, text: &str) -> String {
    rest(say(address, text).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_send_slowly_are_told_so_and_open_no_breaker() {
    let stage = stage(Limits { deadline_ms: 400, cpu_percent: None, ..Limits::interactive() }).await;
    let address = served(&stage).await;
    let slow = "POST /length HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\n1";
    for answer in futures::future::join_all((0..MANY).map(|_| says(address, slow))).await {
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("E-HTTP-BODY-DEADLINE"), "{answer}");
    }
    assert_eq!(faults(&stage), MANY as u64, "each met its deadline");
    assert_eq!(ask(&stage.service(), request("/hello")).await.status, 200, "the breaker is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_read_slowly_open_no_breaker() {
    let stage = stage(Limits { deadline_ms: 3_000, cpu_percent: None, ..Limits::interactive() }).await;
    let address = served(&stage).await;
    // Some time passes until all that lies between the two is full.
    let mut open = Vec::new();
    for _ in 0..MANY {
        open.push(say(address, "GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await);
    }
    until("each has met its deadline", || faults(&stage) == MANY as u64).await;
    assert_eq!(ask(&stage.service(), request("/hello")).await.status, 200, "the breaker is closed");
    drop(open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_late_by_itself_opens_its_breaker() {
    let stage = stage(Limits { deadline_ms: 100, cpu_percent: None, ..Limits::interactive() }).await;
    let address = served(&stage).await;
    // Their bodies do not come either, but nobody reads them.
    for _ in 0..5 {
        let answer = says(address, "POST /sleeps HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\n1").await;
        assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    }
    assert_eq!(ask(&stage.service(), request("/hello")).await.status, 503, "the breaker is open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_finished_while_its_stream_is_open_is_broken() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let all = says(address, "GET /finished-too-early HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(!all.ends_with("0\r\n\r\n"), "it looks whole: {all}");
    assert_eq!(faults(&stage), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_fails_after_the_head_breaks_the_answer_off_whatever_the_plugin_says() {
    let stage = stage(limits()).await;
    let few = HttpLimits { body_bytes_max: 10, body_deadline_ms: 200, ..HttpLimits::default() };
    let address = served_by(stage.service_with(few)).await;
    let head = "POST /whatever-came HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    for (body, code) in
        [("transfer-encoding: chunked\r\n\r\nb\r\nhello there\r\n0\r\n\r\n", " 413 "), ("content-length: 10\r\n\r\nhello", " 408 ")]
    {
        let all = says(address, &format!("{head}{body}")).await;
        assert!(all.contains(code) || !all.ends_with("0\r\n\r\n"), "{all}");
    }
    let whole = says(address, &format!("{head}content-length: 5\r\n\r\nhello")).await;
    assert!(whole.ends_with("\r\n4\r\npart\r\n0\r\n\r\n"), "{whole}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_cannot_see_the_end_is_given_the_whole_or_nothing() {
    let stage = stage(Limits { deadline_ms: 2_000, ..limits() }).await;
    let address = served(&stage).await;
    let old = async |path: &str| says(address, &format!("GET {path} HTTP/1.0\r\nhost: a\r\n\r\n")).await;
    let hello = old("/hello").await;
    assert!(
        hello.starts_with("HTTP/1.0 200 OK\r\n") && hello.ends_with("\r\n\r\nhello from a component that knows only WASI\n"),
        "{hello}"
    );
    for path in ["/traps-in-the-middle", "/unfinished", "/sleeps-in-the-middle"] {
        let all = old(path).await;
        assert!(all.starts_with("HTTP/1.0 50") && !all.contains("part"), "{path}: {all}");
    }
    let few = HttpLimits { answer_body_bytes_max: 1 << 20, ..HttpLimits::default() };
    let address = served_by(stage.service_with(few)).await;
    let flood = says(address, "GET /flood HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(flood.starts_with("HTTP/1.0 502 ") && flood.contains("E-HTTP-ANSWER"), "{}", &flood[..200.min(flood.len())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_are_held_to_the_limits_of_headers_both_ways() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let given = async |count: usize| {
        says(address, &format!("GET /trailers/{count} HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n")).await
    };
    let last_chunk = "\r\n0\r\n";
    assert!(given(100).await.contains(last_chunk), "at the limit");
    assert!(!given(101).await.contains(last_chunk), "one past it");
    let few = HttpLimits { headers_max: 3, ..HttpLimits::default() };
    let address = served_by(stage.service_with(few)).await;
    let taken = async |trailers: &str| {
        says(
            address,
            &format!(
                "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\nx\r\n0\r\n{trailers}\r\n"
            ),
        )
        .await
    };
    let at = taken("x-a: 1\r\nx-b: 1\r\nx-c: 1\r\n").await;
    assert!(at.starts_with("HTTP/1.1 200") && at.contains(last_chunk), "{at}");
    let past = taken("x-a: 1\r\nx-b: 1\r\nx-c: 1\r\nx-d: 1\r\n").await;
    assert!(past.starts_with("HTTP/1.1 431") || !past.contains(last_chunk), "{past}");
}

#[tokio::test]
async fn a_length_where_there_is_no_body_is_illegal() {
    let stage = stage(limits()).await;
    for status in [204, 205] {
        let told = ask(&stage.service(), request(&format!("/length-with-status/{status}"))).await;
        assert_eq!(told.problem(), (502, "E-HTTP-ANSWER".into()), "{status}");
    }
    // What a `GET` would have had.
    assert_eq!(ask(&stage.service(), request("/length-with-status/304")).await.status, 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_finds_no_thread_in_its_time_is_503_while_they_are_still_busy() {
    let stage = stage(Limits { deadline_ms: 200, cpu_percent: None, ..Limits::interactive() }).await;
    let mut releases = Vec::new();
    for _ in 0..std::thread::available_parallelism().unwrap().get() {
        let (release, held) = mpsc::channel::<()>();
        let (there, arrived) = tokio::sync::oneshot::channel();
        let task = stage.runtime.guest_threads().spawn(async move {
            let _ = there.send(());
            let _ = held.recv();
        });
        task.detach();
        arrived.await.unwrap();
        releases.push(release);
    }
    let (service, calls) = (stage.service(), stage.runtime.usage()[0].calls);
    let told =
        tokio::time::timeout(Duration::from_secs(60), ask(&service, request("/hello"))).await.expect("it does not wait for its turn");
    assert_eq!(told.problem(), (503, "E-HTTP-UNAVAILABLE".into()));
    drop(releases);
    stage.runtime.guest_threads().spawn(async {}).await;
    assert_eq!(stage.runtime.usage()[0].calls, calls, "nothing of it ran");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_lengths_that_are_one_or_a_length_beside_chunks_smuggle_no_second_request() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\n";
    // The server's own parser makes one of them, or goes by the chunks and then closes: what follows the body is never read as a request by both.
    let twice = says(address, &format!("{head}connection: close\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello")).await;
    assert!(twice.starts_with("HTTP/1.1 200 ") && twice.ends_with("\r\n5\r\nhello\r\n0\r\n\r\n"), "{twice}");
    let apart = says(address, &format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello")).await;
    assert!(apart.starts_with("HTTP/1.1 400 "), "{apart}");
    let second = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
    let both = says(address, &format!("{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n{second}")).await;
    assert!(both.starts_with("HTTP/1.1 200 ") && both.contains("\r\n1\r\nx\r\n0\r\n\r\n"), "{both}");
    assert_eq!(both.matches("HTTP/1.1 ").count(), 1, "the connection is closed after it: {both}");
}
