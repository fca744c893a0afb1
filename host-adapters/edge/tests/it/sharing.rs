//! Two deployments of one application that share its requests: who goes where, and what happens to both when something changes or breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plugwork_core::deployment::{Expected, Rollback};
use plugwork_edge::{DeployError, metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Stage, application, key, settings, until};

const CANARY: &str = "x-canary: yes\r\n";

/// An application of that version, which is another instance of the guest, with a share of its requests.
fn version(number: u32, routes: &[(&str, &str)], percent: Option<u8>) -> String {
    let text = application(routes).replace("[plugin.guest.limits]", &format!("config = {{ version = {number} }}\n[plugin.guest.limits]"));
    let split = percent.map(|percent| format!("[split]\npercent = {percent}\nheader = \"x-canary\"\nvalue = \"yes\"\n"));
    text + &split.unwrap_or_default()
}

/// A first version, and a second one that takes so many of the requests.
async fn shared(percent: u8, routes: [&[(&str, &str)]; 2]) -> Stage {
    let stage = Stage::new(settings()).await;
    stage.deploy(&version(1, routes[0], None), Expected::Nothing).await.unwrap();
    stage.deploy(&version(2, routes[1], Some(percent)), Expected::Number(1)).await.unwrap();
    stage
}

fn back(to: u64) -> Rollback {
    Rollback { key: key(), to, by: "test".to_owned(), reason: String::new() }
}

fn findings(error: DeployError) -> Vec<String> {
    match error {
        DeployError::Findings(issues) => issues.iter().map(|issue| format!("{}: {}", issue.at, issue.what)).collect(),
        other => panic!("{other}"),
    }
}

/// The deployment that answered last.
async fn last(stage: &Stage, requests: usize) -> u64 {
    until("it is in the log", || stage.log.lock().unwrap().len() == requests).await;
    stage.log.lock().unwrap()[requests - 1].deployment
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_decides_and_each_side_has_its_own_routes() {
    let stage = shared(0, [&[("/e", ""), ("/q", "methods = [\"POST\"]")], &[("/e", ""), ("/w/{name}", "")]]).await;
    assert_eq!(stage.node.shares_with(&key()), Some(1));
    for (more, path, status, deployment) in [
        ("", "/e", 200, 1),
        (CANARY, "/e", 200, 2),
        ("", "/w/a", 404, 0),
        (CANARY, "/w/a", 200, 2),
        (CANARY, "/q", 404, 0),
        ("", "/q", 405, 0),
    ] {
        let asked = stage.log.lock().unwrap().len();
        let told = stage.ask_with("GET", path, more, "").await;
        assert_eq!((told.status, last(&stage, asked + 1).await), (status, deployment), "{more} {path}");
    }
    let told = stage.ask_with("GET", "/w/a", "x-canary: no\r\n", "").await;
    assert_eq!(told.status, 404, "another value is no ticket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_shared_out_by_address_and_stay_on_their_side() {
    let stage = shared(50, [&[("/e", "")], &[("/e", "")]]).await;
    let mut sides = Vec::new();
    for _ in 0..2 {
        for client in 1..=40 {
            assert_eq!(stage.ask_from([127, 0, 7, client], "POST", "/e", "", "a").await.status, 200);
        }
    }
    until("all are in the log", || stage.log.lock().unwrap().len() == 80).await;
    sides.extend(stage.log.lock().unwrap().iter().map(|access| access.deployment));
    assert_eq!(sides[..40], sides[40..]);
    let newer = sides[..40].iter().filter(|deployment| **deployment == 2).count();
    assert!((8..=32).contains(&newer), "{newer} of 40");
    // A larger share, deployed as such, is shared with the same older one and moves nobody back.
    assert_eq!(stage.deploy(&version(2, &[("/e", "")], Some(75)), Expected::Number(2)).await.unwrap(), 3);
    assert_eq!((stage.node.shares_with(&key()), stage.active()), (Some(1), 2));
    stage.log.lock().unwrap().clear();
    for client in 1..=40 {
        assert_eq!(stage.ask_from([127, 0, 7, client], "POST", "/e", "", "a").await.status, 200);
    }
    until("all are in the log", || stage.log.lock().unwrap().len() == 40).await;
    let log = stage.log.lock().unwrap();
    assert!(log.iter().zip(&sides).all(|(access, before)| *before == 1 || access.deployment == 3));
    assert!(log.iter().any(|access| access.deployment == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rollback_nothing_is_shared_in_either_direction() {
    let stage = shared(50, [&[("/e", "")], &[("/q", "")]]).await;
    stage.node.roll_back(back(1), Expected::Number(2)).await.unwrap();
    assert_eq!(stage.node.shares_with(&key()), None);
    for client in 1..=20 {
        assert_eq!(stage.ask_from([127, 0, 7, client], "POST", "/e", CANARY, "a").await.status, 200);
    }
    until("what nothing uses is ended", || stage.active() == 1).await;
    // Forward again by number: whoever says a number wants that one.
    stage.node.roll_back(back(2), Expected::Number(1)).await.unwrap();
    for client in 1..=20 {
        assert_eq!(stage.ask_from([127, 0, 7, client], "GET", "/q", "", "").await.status, 200);
    }
    // And a share of what is current by a rollback is shared with nothing.
    stage.deploy(&version(2, &[("/q", "")], Some(10)), Expected::Number(2)).await.unwrap();
    assert_eq!(stage.node.shares_with(&key()), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_whose_plugin_fails_does_not_touch_the_other() {
    let stage = shared(0, [&[("/e", ""), ("/t", "")], &[("/e", ""), ("/t", "")]]).await;
    let mut failed = 0;
    while stage.ask("POST", "/e", "a").await.status == 200 {
        assert_eq!(stage.get("/t").await.status, 502);
        failed += 1;
        assert!(failed < 1_000, "its breaker never opens");
    }
    assert_eq!(stage.ask("POST", "/e", "a").await.status, 503, "the older side is closed");
    assert_eq!(stage.ask_with("POST", "/e", CANARY, "a").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_end_what_they_began_when_another_is_deployed() {
    let stage = shared(0, [&[("/e", "")], &[("/e", "")]]).await;
    let mut open = Vec::new();
    for more in ["", CANARY] {
        let mut stream = stage.connect().await;
        let lines = "host: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n";
        stream.write_all(format!("POST /e HTTP/1.1\r\n{lines}{more}\r\n").as_bytes()).await.unwrap();
        // It is asked for its body: its side is decided.
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        open.push(stream);
    }
    stage.deploy(&version(3, &[("/e", "")], None), Expected::Number(2)).await.unwrap();
    assert_eq!(stage.active(), 3, "all three: two of them still have a request");
    for mut stream in open {
        stream.write_all(b"abcd").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nabcd"), "{answer}");
    }
    until("what nothing uses is ended", || stage.active() == 1).await;
    let mut of: Vec<u64> = stage.log.lock().unwrap().iter().map(|access| access.deployment).collect();
    of.sort_unstable();
    assert_eq!(of, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_the_share_changes() {
    let stage = Arc::new(Stage::new(settings()).await);
    stage.deploy(&version(1, &[("/e", "")], None), Expected::Nothing).await.unwrap();
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients = (0..2_u8).map(|client| {
        let (stage, done, answered) = (stage.clone(), done.clone(), answered.clone());
        tokio::spawn(async move {
            let mut turn = client;
            while !done.load(Ordering::Relaxed) {
                turn = turn.wrapping_add(2);
                let told = stage.ask_from([127, 0, 7, turn.max(1)], "POST", "/e", "", "hello").await;
                assert_eq!((told.status, told.body.as_str()), (200, "hello"));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let steps = [(2, Some(10)), (2, Some(50)), (2, Some(100)), (2, None), (3, Some(50)), (4, Some(50)), (4, Some(1))];
    for (number, percent) in steps {
        stage.deploy(&version(number, &[("/e", "")], percent), Expected::Anything).await.unwrap();
        let before = answered.load(Ordering::Relaxed);
        until("it answers", || answered.load(Ordering::Relaxed) > before + 4).await;
    }
    for to in [1, 7, 3] {
        stage.node.roll_back(back(to), Expected::Anything).await.unwrap();
        let before = answered.load(Ordering::Relaxed);
        until("it answers", || answered.load(Ordering::Relaxed) > before + 4).await;
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    until("what nothing uses is ended", || stage.active() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_start_both_sides_are_there_or_all_requests_go_to_the_current_one_and_it_is_told() {
    let first = Stage::new(settings()).await;
    first.deploy(&version(1, &[("/e", "")], None), Expected::Nothing).await.unwrap();
    let older = first.runtime.installations()[0].subject().instance.clone();
    let routes = [("/e", ""), ("/q", "")];
    first.deploy(&version(2, &routes, Some(0)), Expected::Number(1)).await.unwrap();
    let (folder, deployments, records) = (first.folder.clone(), first.deployments.clone(), first.records.clone());
    let runtime = first.runtime.clone();
    first.stop().await;
    runtime.close().await.unwrap();
    let second = Stage::over(settings(), folder.clone(), deployments.clone(), records.clone()).await;
    assert!(second.node.start().await.unwrap().is_empty());
    assert_eq!((second.node.shares_with(&key()), second.get("/q").await.status), (Some(1), 404));
    assert_eq!(second.ask_with("GET", "/q", CANARY, "").await.status, 200);
    let older = second.runtime.installations().into_iter().find(|one| one.subject().instance == older).unwrap();
    second.runtime.revoke(&older.subject(), "test", "no more").await.unwrap();
    let runtime = second.runtime.clone();
    second.stop().await;
    runtime.close().await.unwrap();
    let third = Stage::over(settings(), folder, deployments, records).await;
    let not_served = third.node.start().await.unwrap();
    assert_eq!(not_served.len(), 1, "{not_served:?}");
    assert_eq!((not_served[0].number, not_served[0].is_older), (Some(1), true), "{not_served:?}");
    assert_eq!((third.node.shares_with(&key()), third.get("/q").await.status, third.active()), (None, 200, 1));
    // A share of what cannot be had is a finding, and nothing is changed.
    let found = findings(third.deploy(&version(2, &routes, Some(10)), Expected::Number(2)).await.unwrap_err());
    assert!(found[0].starts_with("split: deployment 1"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_changes_sides_has_one_quota() {
    let limited = "limits = { client-rate = { requests = 2, window-seconds = 3600 } }";
    let stage = shared(0, [&[("/e", limited)], &[("/e", limited)]]).await;
    let mut told = Vec::new();
    for more in ["", CANARY, "", CANARY] {
        told.push(stage.ask_with("POST", "/e", more, "a").await.status);
    }
    assert_eq!(told, [200, 200, 429, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_side_still_answers_no_other_application_takes() {
    let stage = shared(50, [&[("/e", "")], &[("/q", "")]]).await;
    let text = application(&[("/e", "")]).replace("name = \"shop\"", "name = \"thief\"");
    let found = findings(stage.deploy(&text, Expected::Anything).await.unwrap_err());
    let what = "route[0]: `route[0]` of the application `shop`, deployment 1 of it, which still has a share of its requests, already answers the same requests";
    assert_eq!(found, [what]);
    stage.deploy(&version(2, &[("/q", "")], None), Expected::Anything).await.unwrap();
    assert_eq!(stage.deploy(&text, Expected::Anything).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_of_a_plugin_does_not_fall_when_a_share_ends() {
    let stage = Stage::new(settings()).await;
    stage.deploy(&version(1, &[("/e", "")], None), Expected::Nothing).await.unwrap();
    let calls = || {
        let text = metrics::text(&stage.node);
        let sample = "plugwork_plugin_calls_total{tenant=\"default\",application=\"shop\",plugin=\"guest\"} ";
        text.lines().find_map(|line| line.strip_prefix(sample)?.parse::<u64>().ok()).unwrap()
    };
    for _ in 0..5 {
        assert_eq!(stage.get("/e").await.status, 200);
    }
    stage.deploy(&version(2, &[("/e", "")], Some(0)), Expected::Number(1)).await.unwrap();
    assert_eq!(stage.ask_with("GET", "/e", CANARY, "").await.status, 200);
    let both = calls();
    assert!(both >= 6, "{both}");
    stage.deploy(&version(2, &[("/e", "")], None), Expected::Number(2)).await.unwrap();
    assert!(calls() >= both, "as soon as it has ended");
    until("the older one is gone", || stage.runtime.usage().len() == 1).await;
    assert!(calls() >= both, "{} {both}", calls());
    let before = calls();
    assert_eq!(stage.get("/e").await.status, 200);
    assert!(calls() > before);
}
