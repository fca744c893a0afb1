//! Killed between keeping an event and being done with it: the event is there, its number is its own, and whoever was not done with it is told again.
//!
//! The child is this same test binary, told by the environment which folder to write to.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use plugwork_core::events::outbox::{Change, Outbox, Retention};
use plugwork_store::Store;

use crate::outbox::{ALL, begin, event, extents, key};
use crate::sample::AT_MS;

const FOLDER: &str = "PLUGWORK_STORE_TEST_EVENTS_FOLDER";

/// One write, so that a line is never torn by the kill.
fn say(word: &str, sequence: u64) {
    std::io::stdout().write_all(format!("{word} {sequence}\n").as_bytes()).unwrap();
}

/// Keeps events and is done with each second one, for as long as it is told.
async fn keep_and_tell(folder: &Path, events: u64) {
    let outbox = Store::open(folder).await.unwrap().outbox(Retention::default()).await.unwrap();
    outbox.change(&key("t"), begin("a", 0)).await.unwrap();
    for number in 0..events {
        let sequence = outbox.append("t", AT_MS, event("a", &number.to_string())).await.unwrap().sequence.unwrap();
        say("kept", sequence);
        if number % 2 == 1 {
            outbox.change(&key("t"), Change::Done(sequence)).await.unwrap();
            say("done", sequence);
        }
    }
    outbox.close().await;
}

/// What a child does; by itself, the same without a kill.
#[tokio::test]
async fn a_process_keeps_events_until_it_is_done() {
    match env::var_os(FOLDER) {
        Some(folder) => keep_and_tell(folder.as_ref(), 1 << 20).await,
        None => keep_and_tell(tempfile::tempdir().unwrap().path(), 4).await,
    }
}

#[tokio::test]
async fn killed_at_any_moment_no_event_is_lost_and_what_was_not_done_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    for kill in 0..10_u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "outbox_killed::a_process_keeps_events_until_it_is_done", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The first stands behind the name of the test.
        let mut told = lines.filter_map(|line| {
            let (word, at) = ["kept ", "done "].iter().find_map(|word| Some((*word, line.find(word)?)))?;
            Some((word, line[at + word.len()..].parse::<u64>().ok()?))
        });
        let mut seen: Vec<_> = told.by_ref().take(1 + (kill as usize * 37) % 60).collect();
        child.kill().unwrap();
        // What was already in the pipe was promised too.
        seen.extend(told);
        child.wait().unwrap();
        let last = |wanted: &str| seen.iter().filter(|(word, _)| *word == wanted).map(|(_, sequence)| *sequence).max().unwrap_or(0);
        let outbox = Store::open(folder.path()).await.unwrap().outbox(Retention::default()).await.unwrap();
        let (kept, done) = (last("kept "), last("done "));
        let end = outbox.spans().await.unwrap()[0].1.last;
        let cursor = outbox.cursor(&key("t")).await.unwrap().unwrap();
        assert!(end >= kept && cursor.after >= done && cursor.after <= end, "{end} {kept} {} {done}", cursor.after);
        // Exactly those behind it, each once, in order.
        let mut after = cursor.after;
        while after < end {
            let page = outbox.read("t", after, &extents(&["a"]), ALL).await.unwrap();
            for event in &page.events {
                after += 1;
                assert_eq!(event.sequence, Some(after));
            }
        }
        assert_eq!(after, end);
        outbox.close().await;
    }
}
