//! A host that is killed: whatever it was doing, what it leaves is nothing or whole, and nobody goes on for it.
//!
//! Each test runs itself again as the host, in a process of its own that can be killed. What may surprise: the variable that says so is
//! the only difference between the two.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plugwork::Runtime;
use plugwork::cache::Disk;

use crate::compile::{bomb, child, find, open, pid};
use crate::guest::{ECHO, Guest};
use crate::world::Number;

const STATE: &str = "PLUGWORK_TEST_HOST_STATE";

/// This test program as a host: one test of it, told where its state is.
fn host(test: &str, state: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1"]).env(STATE, state);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn as_host() -> Option<std::path::PathBuf> {
    std::env::var_os(STATE).map(Into::into)
}

async fn answers(runtime: &Runtime) {
    let plugin = runtime.offer(&Guest::new(ECHO).source()).await.unwrap().accept().await.unwrap();
    assert_eq!(plugin.call::<Number>(&7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_host_killed_at_any_moment_leaves_no_part_of_an_entry() {
    const ROUNDS: u32 = 40;
    if let Some(state) = as_host() {
        // Compiles and writes the same entry until it is killed.
        loop {
            answers(&open(&state, child()).await).await;
            Disk::open(&state).unwrap().clear().unwrap();
        }
    }
    let state = tempfile::tempdir().unwrap();
    let mut staged = 0;
    for round in 0..ROUNDS {
        let mut host = host("killed::a_host_killed_at_any_moment_leaves_no_part_of_an_entry", state.path());
        // Not a wait for something: each round is killed at another moment of the loop.
        tokio::time::sleep(Duration::from_millis(150 + u64::from(round) * 7)).await;
        host.kill().unwrap();
        host.wait().unwrap();
        let listed = Disk::open(state.path()).unwrap().list().unwrap();
        staged += listed.iter().filter(|entry| entry.name.starts_with('.')).count();
        let runtime = open(state.path(), child()).await;
        answers(&runtime).await;
        assert_eq!(runtime.cache_counts().rejected, 0, "whatever stands under its name is whole");
        Disk::open(state.path()).unwrap().clear().unwrap();
    }
    writeln!(std::io::stdout(), "{ROUNDS} kills, {staged} of them left something half written beside its name").unwrap();
}

#[tokio::test]
async fn a_child_does_not_outlive_its_host() {
    let source = bomb(4_700);
    if let Some(state) = as_host() {
        let runtime = open(&state, child()).await;
        drop(runtime.offer(&source).await.unwrap().accept().await);
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let mut host = host("killed::a_child_does_not_outlive_its_host", state.path());
    pid(source.digest()).await;
    host.kill().unwrap();
    host.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while find(source.digest()).is_some() {
        assert!(Instant::now() < deadline, "it still compiles");
        tokio::task::yield_now().await;
    }
}
