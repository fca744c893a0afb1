//! Killed at any moment, and two processes on one folder: what was acknowledged is there, and the chain holds.
//!
//! Children are this same test binary, told by the environment which folder to append to. `PLUGWORK_KILLS` sets the number of kills.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures::future::join_all;
use plugwork_core::record::{ConsentKey, Event, Records};
use plugwork_store::Store;

use crate::sample::{AT_MS, faulted, granted, subject};

const FOLDER: &str = "PLUGWORK_STORE_TEST_FOLDER";
const APPENDS: &str = "PLUGWORK_STORE_TEST_APPENDS";

/// Appends as long as it is told, from four tasks at once, and says each acknowledged record on a line of its own.
async fn append_and_tell(folder: &Path, appends: u64) {
    let store = Store::open(folder).await.unwrap();
    let mine = std::process::id();
    let tasks = (0..4).map(|task| {
        let store = &store;
        async move {
            for index in 0..appends / 4 {
                let text = format!("{mine} {task} {index}");
                let events = vec![faulted(&text), granted(subject("default", &format!("step-{task}")), &text)];
                for record in store.append(AT_MS, events).await.unwrap() {
                    // One write, so that a line is never torn by the kill.
                    std::io::stdout().write_all(format!("acknowledged {} {}\n", record.sequence, record.digest).as_bytes()).unwrap();
                }
            }
        }
    });
    join_all(tasks).await;
    store.close().await;
}

/// What a child does; by itself, the same without a kill.
#[tokio::test]
async fn a_process_appends_until_it_is_done() {
    match (env::var_os(FOLDER), env::var(APPENDS).ok().and_then(|text| text.parse().ok())) {
        (Some(folder), Some(appends)) => append_and_tell(folder.as_ref(), appends).await,
        _ => {
            let folder = tempfile::tempdir().unwrap();
            append_and_tell(folder.path(), 8).await;
            assert_eq!(Store::open(folder.path()).await.unwrap().verify().await.unwrap().records, 16);
        }
    }
}

fn child(folder: &Path, appends: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::a_process_appends_until_it_is_done", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(APPENDS, appends.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The acknowledged records among a child's lines; the first stands behind the name of the test.
fn acknowledged(lines: impl Iterator<Item = String>) -> impl Iterator<Item = (u64, String)> {
    lines.filter_map(|line| {
        let (sequence, digest) = line.split_once("acknowledged ")?.1.split_once(' ')?;
        Some((sequence.parse().ok()?, digest.to_owned()))
    })
}

#[tokio::test]
async fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let kills: u64 = env::var("PLUGWORK_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let (mut told, mut before) = (0, 0);
    for kill in 0..kills {
        let mut child = child(folder.path(), 1 << 20);
        let mut lines = acknowledged(BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok));
        // Some are killed at once, some after many.
        let wanted = (kill * 37) % 60;
        let mut last = None;
        for _ in 0..wanted {
            last = lines.next();
        }
        child.kill().unwrap();
        // What was already in the pipe was acknowledged too.
        let mut seen: Vec<_> = last.into_iter().chain(lines).collect();
        seen.sort();
        child.wait().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let verified = store.verify().await.unwrap_or_else(|error| panic!("after kill {kill}: {error}"));
        assert!(verified.records >= before);
        before = verified.records;
        told += wanted.max(seen.len() as u64);
        for (sequence, digest) in seen {
            let record = store.read(sequence - 1, 1).await.unwrap().pop().unwrap_or_else(|| panic!("record {sequence} is lost"));
            assert_eq!((record.sequence, record.digest.to_string()), (sequence, digest));
        }
        // Both records of an append, or none.
        assert_eq!(verified.records % 2, 0);
        // Goes on where it was.
        store.append(AT_MS, vec![faulted("after"), granted(subject("default", ""), "after")]).await.unwrap();
        store.close().await;
    }
    assert!(told >= kills, "the children did append: {told}");
}

#[tokio::test]
async fn two_processes_append_to_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let children = [child(folder.path(), 100), child(folder.path(), 100)];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(acknowledged(output.stdout.lines().map_while(Result::ok)).count(), 200);
    }
    let store = Store::open(folder.path()).await.unwrap();
    let verified = store.verify().await.unwrap();
    assert_eq!(verified.records, 400);
    let head: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("records.head")).unwrap()).unwrap();
    assert_eq!(head["sequence"], 400, "the head beside the chain is the further of the two");
}

#[tokio::test]
async fn one_process_sees_at_once_what_another_appended() {
    let folder = tempfile::tempdir().unwrap();
    let (host, command) = (Store::open(folder.path()).await.unwrap(), Store::open(folder.path()).await.unwrap());
    host.append(AT_MS, vec![granted(subject("default", ""), "")]).await.unwrap();
    let revoked = command.append(AT_MS, vec![crate::sample::revoked(subject("default", ""))]).await.unwrap();
    let seen = host.consent(&ConsentKey::from(&subject("default", ""))).await.unwrap().unwrap();
    assert!(matches!(seen.event().unwrap(), Event::Revoked { .. }));
    assert_eq!(seen, revoked[0]);
    assert_eq!(host.append(AT_MS, vec![faulted("")]).await.unwrap()[0].sequence, 3);
    host.verify().await.unwrap();
}
