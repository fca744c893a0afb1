//! Several requests in one instance at the same time, where that was granted: they overlap, none waits for the end of another, and what one of them does
//! to their instance is told to all of them.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http_body_util::BodyExt;
use plugwork::{Limits, Outcome};
use plugwork_http::Served;
use tokio::io::AsyncReadExt;

use crate::service::{stage_at_once, stage_at_once_on, stage_with_reuse};
use crate::streaming::all_of;
use crate::wire::{say, served};
use crate::world::{Stage, ask, limits, post, read, request, until};

/// An answer and how its call ended.
pub(crate) async fn answered(stage: &Stage, path: &str) -> (u16, String, Outcome) {
    let response = stage.service().answer(request(path)).await;
    let told = response.extensions().get::<Served>().unwrap().clone();
    let (status, body) = (response.status().as_u16(), response.into_body().collect().await);
    until("its call has ended", || told.outcome().is_some()).await;
    let text = body.map_or_else(|_| "broken".to_owned(), |body| String::from_utf8(body.to_bytes().to_vec()).unwrap());
    (status, text, told.outcome().unwrap().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_overlap_in_one_instance() {
    let stage = stage_at_once(8, 1_000, limits()).await;
    // Each answers when all eight are in.
    let all = join_all((0..8).map(|_| answered(&stage, "/together/8"))).await;
    for (status, text, outcome) in &all {
        assert_eq!((*status, text.as_str()), (200, "8 of 8"));
        assert!(outcome.error.is_none() && outcome.spend.calls == 1, "{outcome:?}");
    }
    let usage = &stage.runtime.usage()[0];
    let calls: u64 = all.iter().map(|(.., outcome)| outcome.spend.host_calls).sum();
    assert!(calls <= usage.host_calls && calls > 0, "{calls} of {}", usage.host_calls);
    assert_eq!(usage.calls, 8 + 1, "each counted once, and the instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_grant_they_do_not() {
    let stage = stage_with_reuse(Limits { deadline_ms: 500, ..limits() }).await;
    let all = join_all((0..2).map(|_| answered(&stage, "/together/2"))).await;
    assert!(all.iter().all(|(status, ..)| *status == 504), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_than_may_be_in_an_instance_goes_to_another() {
    let stage = stage_at_once(2, 1_000, Limits { deadline_ms: 1_000, ..limits() }).await;
    let all = join_all((0..3).map(|_| answered(&stage, "/together/3"))).await;
    assert!(all.iter().all(|(status, ..)| *status == 504), "never three in one: {all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_takes_as_many_as_it_may_and_no_more() {
    let stage = stage_at_once(4, 3, limits()).await;
    let mut counts = Vec::new();
    for _ in 0..7 {
        let (status, text, _) = answered(&stage, "/count").await;
        counts.push((status, text.parse::<u32>().unwrap()));
    }
    assert!(counts.iter().all(|(status, count)| *status == 200 && (1..=3).contains(count)), "{counts:?}");
    assert!(counts.iter().filter(|(_, count)| *count == 1).count() >= 3, "{counts:?}");
    let all = join_all((0..40).map(|_| answered(&stage, "/count"))).await;
    assert!(all.iter().all(|(status, text, _)| *status == 200 && text.parse::<u32>().unwrap() <= 3), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_one_is_told_in_time_and_the_others_go_on() {
    let stage = stage_at_once(8, 1_000, Limits { deadline_ms: 1_500, ..limits() }).await;
    let late = answered(&stage, "/sleeps");
    let others = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        // In there with it, beyond its deadline.
        answered(&stage, "/slow/1200").await
    };
    let ((status, _, outcome), (other, text, _)) = tokio::join!(late, others);
    assert_eq!((status, outcome.error.unwrap().fault().unwrap().code()), (504, "deadline"));
    assert_eq!((other, text.as_str()), (200, "at last"));
    until("its instance is gone with the last", || stage.instances() == 0).await;
    assert_eq!(answered(&stage, "/count").await.1, "1", "a new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_give_way_ends_all_that_are_with_it() {
    let stage = stage_at_once(8, 1_000, Limits { deadline_ms: 800, ..limits() }).await;
    let (first, second) = tokio::join!(answered(&stage, "/sleeps"), answered(&stage, "/loops"));
    for (status, _, outcome) in [first, second] {
        assert_eq!((status, outcome.error.unwrap().fault().unwrap().code()), (504, "deadline"));
    }
    until("its instance is gone", || stage.instances() == 0).await;
    assert_eq!(answered(&stage, "/count").await.1, "1", "a new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_is_told_to_all_that_are_with_it_and_counts_once() {
    let stage = stage_at_once(8, 1_000, limits()).await;
    let address = served(&stage).await;
    let mut streaming = say(address, "GET /sleeps-in-the-middle HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let mut some = [0; 16];
    streaming.read_exact(&mut some).await.unwrap();
    let waiting = async {
        let (sleeping, trapping) = tokio::join!(answered(&stage, "/sleeps"), async {
            until("both are in", || stage.runtime.usage()[0].calls >= 3).await;
            answered(&stage, "/traps").await
        });
        [sleeping, trapping]
    };
    for (status, text, outcome) in waiting.await {
        assert_eq!(status, 502, "{text}");
        assert!(text.contains("E-FAULT-TRAP"), "{text}");
        assert_eq!(outcome.error.unwrap().fault().unwrap().code(), "trap");
    }
    let mut rest = Vec::new();
    let _ = streaming.read_to_end(&mut rest).await;
    let rest = String::from_utf8(rest).unwrap();
    assert!(!rest.ends_with("0\r\n\r\n") && !rest.contains("HTTP/1.1"), "broken off, and nothing after it: {rest}");
    assert_eq!(stage.runtime.usage()[0].faults, 1);
    until("its instance is gone", || stage.instances() == 0).await;
    assert_eq!(answered(&stage, "/count").await.1, "1", "a new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_goes_away_takes_nobody_with_it() {
    let stage = stage_at_once(8, 1_000, limits()).await;
    let address = served(&stage).await;
    for path in ["/sleeps", "/sleeps-in-the-middle", "/flood"] {
        let calls = || stage.runtime.usage()[0].calls;
        // An instance counts too, where there is none.
        let before = calls() + u64::from(stage.instances() == 0);
        let client = say(address, &format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        until("it is in", || calls() == before + 1).await;
        let (stays, ()) = tokio::join!(answered(&stage, "/slow/1000"), async {
            until("the other one too", || calls() == before + 2).await;
            drop(client);
        });
        assert_eq!((stays.0, stays.1.as_str()), (200, "at last"), "{path}");
        until("nothing is left", || stage.instances() == 0 || path == "/flood").await;
    }
    assert_eq!(stage.runtime.usage()[0].faults, 0, "nobody's fault");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_alone_that_goes_away_ends_its_instance_also_where_it_never_gives_way() {
    let stage = stage_at_once(8, 1_000, Limits { deadline_ms: 2_000, ..limits() }).await;
    let address = served(&stage).await;
    for path in ["/sleeps", "/loops", "/sleeps-in-the-middle", "/loops-in-the-middle"] {
        let before = stage.runtime.usage()[0].calls;
        let client = say(address, &format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        until("it is in", || stage.runtime.usage()[0].calls > before).await;
        drop(client);
        let began = Instant::now();
        until(path, || stage.instances() == 0).await;
        assert!(began.elapsed() < Duration::from_secs(30), "{path}: by its deadline, not by that of the test");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_leaves_behind_ends_with_the_deadline_and_nobody_is_told_a_fault() {
    let stage = stage_at_once(8, 1_000, Limits { deadline_ms: 800, ..limits() }).await;
    for path in ["/leaves/a-sleep", "/leaves/work", "/leaves/a-loop", "/leaves/a-reader", "/leaves/a-writer"] {
        let (status, text, outcome) = answered(&stage, path).await;
        assert_eq!((status, text.as_str()), (200, "done"), "{path}");
        assert!(outcome.error.is_none(), "{path}: {outcome:?}");
        until("its instance is gone", || stage.instances() == 0).await;
    }
    let (status, text, _) = answered(&stage, "/leaves/a-little").await;
    assert_eq!((status, text.as_str()), (200, "done"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_into_the_host_have_the_plugins_limit_in_a_room_too() {
    // Its deadline is a minute away: what ends it is the limit.
    let stage = stage_at_once(8, 1_000, Limits { host_calls_per_second: Some(10), ..limits() }).await;
    let began = Instant::now();
    // The limit may be passed before its answer is whole, or after that.
    drop(stage.service().answer(request("/leaves/work")).await.into_body().collect().await);
    until("it has ended by a fault", || stage.runtime.usage()[0].faults == 1 && stage.instances() == 0).await;
    assert!(began.elapsed() < Duration::from_secs(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_and_streams_without_end_end_their_instance() {
    let stage = stage_at_once(8, 1_000, Limits { deadline_ms: 30_000, ..limits() }).await;
    for path in ["/leaves/tasks", "/leaves/streams"] {
        drop(answered(&stage, path).await);
        until("its instance is gone", || stage.instances() == 0).await;
    }
    assert_eq!(stage.runtime.usage()[0].faults, 2);
    assert_eq!(answered(&stage, "/hello").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_no_more_requests_is_no_end_of_its_plugin() {
    let stage = stage_at_once(8, 1_000, Limits { deadline_ms: 4_000, ..limits() }).await;
    for _ in 0..3 {
        assert_eq!(answered(&stage, "/leaves/backpressure").await.1, "done");
        assert_eq!(answered(&stage, "/count").await.1, "1", "a new one");
    }
    // Those that are on their way into it wait for their own time, and no longer.
    let before = stage.runtime.usage()[0].calls;
    let (sleeps, late) = tokio::join!(answered(&stage, "/sleeps"), async {
        until("it is in", || stage.runtime.usage()[0].calls > before).await;
        assert_eq!(answered(&stage, "/leaves/backpressure").await.1, "done");
        answered(&stage, "/hello").await
    });
    for (status, text, outcome) in [sleeps, late] {
        assert_eq!((status, outcome.error.unwrap().fault().unwrap().code()), (504, "deadline"), "{text}");
    }
    assert_eq!(answered(&stage, "/hello").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_many_at_once_do_not_mix_on_many_threads() {
    let stage = stage_at_once_on(4, 16, 1_000, limits()).await;
    let service = stage.service();
    let bodies: Vec<&'static str> = (0..32).map(|number: u32| &*number.to_string().repeat(5_000).leak()).collect();
    let all = join_all(bodies.iter().map(|body| ask(&service, post("/echo", body)))).await;
    for (answer, body) in all.iter().zip(&bodies) {
        assert_eq!((answer.status, answer.text() == *body), (200, true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let stage = stage_at_once(8, 1_000, Limits { deadline_ms: 500, ..limits() }).await;
    let address = served(&stage).await;
    for path in
        ["/traps-in-the-middle", "/loops-in-the-middle", "/breaks-in-the-middle", "/sleeps-in-the-middle", "/too-short", "/forgotten"]
    {
        let all = all_of(address, path).await;
        assert!(!all.ends_with("0\r\n\r\n") && all.matches("HTTP/1.1").count() <= 1, "{path}: {all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_up_after_any_number_of_turns_nothing_is_left_of_a_request() {
    for stage in [stage_at_once_on(2, 8, 1_000, limits()).await, crate::service::stage(limits()).await] {
        for turns in 0..60 {
            let service = stage.service();
            let mut asking = Box::pin(async move { read(service.answer(post("/echo", "some text")).await).await });
            for _ in 0..turns {
                if futures::poll!(&mut asking).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        until("nothing waits in an instance", || stage.runtime.usage()[0].instances <= 16).await;
        assert_eq!(stage.runtime.usage()[0].faults, 0);
        assert_eq!(ask(&stage.service(), post("/echo", "whole")).await.text(), "whole");
        until("nothing is held", || stage.runtime.usage()[0].held_bytes == 0).await;
    }
}
