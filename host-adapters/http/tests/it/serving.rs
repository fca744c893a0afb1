//! A component of WASI 0.3, over connections: it runs unchanged in the full profile and in no other, streams both ways, and whatever it does wrong is
//! told once.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use plugwork::core::reach::Kind;
use plugwork::{Allocation, ErrorKind, Grants, Limits, Profile, Runtime, Source};
use plugwork_http::{HttpLimits, Served};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::service::{component, stage, stage_with_reuse};
use crate::streaming::{all_of, http2};
use crate::wire::{say, served, served_by};
use crate::world::{Stage, ask, limits, post, read, request, until};

async fn told(stage: &Stage, path: &str) -> (u16, String) {
    let answer = ask(&stage.service(), request(path)).await;
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    answer.problem()
}

#[tokio::test]
async fn without_the_full_profile_it_is_refused_and_told_how_to_get_it() {
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).open().await.unwrap();
    let offer = runtime.offer(&Source::bytes(component().to_vec())).await.unwrap();
    let error = offer.accept_only(Grants::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let denial = error.denials().iter().find(|denial| denial.code == "E-ENGINE-PROFILE").unwrap();
    assert_eq!(denial.hint, "grants.engine = { profile = \"full\" }");
}

#[tokio::test]
async fn it_runs_unchanged_and_reaches_nothing() {
    let stage = stage(limits()).await;
    let plugin = stage.plugin.plugin().await.unwrap();
    let points: Vec<String> = plugin.points().map(|point| point.path().to_owned()).collect();
    assert_eq!((points, plugin.profile()), (vec!["wasi:http/handler".to_owned()], Profile::Full));
    let client = plugin.reach().iter().find(|reach| reach.interface.path() == "wasi:http/client");
    assert!(client.is_none(), "{:?}", plugin.reach());
    assert!(plugin.reach().iter().all(|reach| matches!(reach.kind, Kind::Inert | Kind::Types)), "{:?}", plugin.reach());
    let answer = ask(&stage.service(), request("/hello")).await;
    assert_eq!((answer.status, answer.text()), (200, "hello from a component that knows only WASI\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn a_late_answer_is_504_and_one_that_waits_for_nobody_too() {
    let stage = stage(Limits { deadline_ms: 400, ..limits() }).await;
    for path in ["/loops", "/sleeps", "/waits-for-nobody"] {
        let (status, code) = told(&stage, path).await;
        assert!(
            (status, code.as_str()) == (504, "E-FAULT-DEADLINE") || path == "/waits-for-nobody" && status == 502,
            "{path}: {status} {code}"
        );
    }
    until("nothing is left of them", || stage.instances() == 0).await;
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
    for path in ["/status/100", "/status/101", "/status/199", "/status/600", "/status/999", "/request-id"] {
        assert_eq!(told(&stage, path).await, (502, "E-HTTP-ANSWER".into()), "{path}");
    }
    for path in ["/connection", "/transfer-encoding", "/status/200"] {
        assert_eq!(ask(&stage.service(), request(path)).await.status, 200, "{path}");
    }
    assert_eq!(told(&stage, "/length-with-status/204").await, (502, "E-HTTP-ANSWER".into()));
    // Whether there will be a body is not known when the head is there.
    assert!(stage.service().answer(request("/length-without-body")).await.into_body().collect().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let stage = stage(Limits { deadline_ms: 400, ..limits() }).await;
    let address = served(&stage).await;
    // The breaker would stop asking: four of these are faults.
    for path in [
        "/traps-in-the-middle",
        "/loops-in-the-middle",
        "/breaks-in-the-middle",
        "/sleeps-in-the-middle",
        "/too-short",
        "/too-long",
        "/forgotten",
    ] {
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
async fn what_goes_on_after_a_whole_answer_goes_on_to_its_end() {
    let stage = stage(limits()).await;
    let response = stage.service().answer(request("/leaves/a-little")).await;
    let told = response.extensions().get::<Served>().unwrap().clone();
    assert_eq!(read(response).await.text(), "done");
    until("the call has ended", || told.outcome().is_some()).await;
    assert!(told.outcome().unwrap().error.is_none(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_ends_after_a_whole_answer_ends_at_the_deadline() {
    let stage = stage(Limits { deadline_ms: 400, ..limits() }).await;
    for path in ["/leaves/a-sleep", "/leaves/a-loop", "/leaves/work", "/leaves/a-reader"] {
        let response = stage.service().answer(request(path)).await;
        let told = response.extensions().get::<Served>().unwrap().clone();
        assert_eq!(read(response).await.text(), "done", "{path}");
        until("the call has ended", || told.outcome().is_some()).await;
        assert_eq!(told.outcome().unwrap().error.as_ref().unwrap().fault().unwrap().code(), "deadline", "{path}");
        until("its instance is gone", || stage.instances() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_and_streams_without_end_come_to_an_end() {
    let stage = stage(Limits { deadline_ms: 30_000, ..limits() }).await;
    for path in ["/leaves/tasks", "/leaves/streams"] {
        let response = stage.service().answer(request(path)).await;
        let told = response.extensions().get::<Served>().unwrap().clone();
        drop(response.into_body().collect().await);
        until("the call has ended", || told.outcome().is_some()).await;
        let error = told.outcome().unwrap().error.clone().unwrap();
        assert!(["memory", "trap"].contains(&error.fault().unwrap().code()), "{path}: {error}");
        until("its instance is gone", || stage.instances() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_used_again_leaves_no_answer_open() {
    let stage = stage_with_reuse(Limits { deadline_ms: 2_000, ..limits() }).await;
    let ended = |path: &'static str| async {
        let response = stage.service().answer(request(path)).await;
        let told = response.extensions().get::<Served>().unwrap().clone();
        let body = response.into_body().collect().await;
        until("its call has ended", || told.outcome().is_some()).await;
        body.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap())
    };
    for count in 1..=3 {
        assert_eq!(ended("/count").await.unwrap(), count.to_string());
    }
    assert!(ended("/forgotten").await.is_err());
    assert_eq!(ask(&stage.service(), request("/count")).await.text(), "1", "a new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_streams_both_ways_with_trailers_over_http2() {
    let stage = stage(limits()).await;
    let address = served(&stage).await;
    for path in ["/echo", "/pass"] {
        let (sender, mut receiver) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
        let body = StreamBody::new(futures::stream::poll_fn(move |context| receiver.poll_recv(context)));
        let mut client = http2(address).await;
        let request = Request::post(format!("http://{address}{path}")).body(body).unwrap();
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
    until("they have ended", || stage.instances() == 0).await;
    assert_eq!(stage.runtime.usage()[0].faults, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_are_held_to_the_limits_of_a_head() {
    let stage = stage(limits()).await;
    let answer = |path: &'static str| async { stage.service().answer(request(path)).await.into_body().collect().await };
    assert_eq!(answer("/trailers/100").await.unwrap().trailers().unwrap().len(), 100);
    assert!(answer("/trailers/101").await.is_err());
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
    for path in ["/sleeps", "/loops", "/sleeps-in-the-middle", "/loops-in-the-middle", "/flood"] {
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
    let few = HttpLimits { body_bytes_max: 10, body_deadline_ms: 300, ..HttpLimits::default() };
    let announced = ask(&stage.service_with(few), post("/echo", "more than ten bytes")).await;
    assert_eq!(announced.problem().0, 413, "announced: nothing of the plugin ran");
    let address = served_by(stage.service_with(few)).await;
    // Not announced, and past its limit only after the plugin has answered: all that is left is to break off.
    for path in ["/echo", "/pass", "/whatever-came"] {
        let chunks =
            format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n there.\r\n0\r\n\r\n");
        let mut client = say(address, &chunks).await;
        let mut all = Vec::new();
        let _ = client.read_to_end(&mut all).await;
        let all = String::from_utf8(all).unwrap();
        assert!(all.contains(" 413 ") || !all.ends_with("0\r\n\r\n"), "{all}");
    }
    let mut slow = say(address, "POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel").await;
    let mut all = Vec::new();
    let _ = slow.read_to_end(&mut all).await;
    let all = String::from_utf8(all).unwrap();
    assert!(all.starts_with("HTTP/1.1 408 "), "{all}");
}
