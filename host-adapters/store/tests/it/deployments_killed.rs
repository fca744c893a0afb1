//! A deployment killed at named points: afterwards exactly one whole deployment is current, the one before or the new one.
//!
//! The points are made by the test alone. A trigger that never ends, put into the database, holds the child inside its transaction right before or behind the
//! row that it names; the parent sees the lock that the transaction holds and kills. Children are this same test binary, told by the environment.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use plugwork_core::deployment::{Deployments, Expected};
use plugwork_store::Store;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::deployments::{draft, key};
use crate::sample::AT_MS;

const FOLDER: &str = "PLUGWORK_STORE_TEST_DEPLOY_FOLDER";
const DEPLOYS: &str = "PLUGWORK_STORE_TEST_DEPLOYS";

/// Deploys as often as it is told, and says each that was acknowledged on a line of its own.
async fn deploy_and_tell(folder: &Path, deploys: u64) {
    let (store, key) = (Store::open(folder).await.unwrap(), key("default", "shop"));
    std::io::stdout().write_all(b"opened\n").unwrap();
    for index in 0..deploys {
        let done = store.deploy(AT_MS, draft(&key, &index.to_string()), Expected::Anything).await.unwrap();
        std::io::stdout().write_all(format!("acknowledged {}\n", done.deployment.number).as_bytes()).unwrap();
    }
    store.close().await;
}

/// What a child does; by itself, the same without a kill.
#[tokio::test]
async fn a_process_deploys_until_it_is_done() {
    match (env::var_os(FOLDER), env::var(DEPLOYS).ok().and_then(|text| text.parse().ok())) {
        (Some(folder), Some(deploys)) => deploy_and_tell(folder.as_ref(), deploys).await,
        _ => {
            let folder = tempfile::tempdir().unwrap();
            deploy_and_tell(folder.path(), 3).await;
            assert_eq!(whole(folder.path()).await, Some(3));
        }
    }
}

fn child(folder: &Path, deploys: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "deployments_killed::a_process_deploys_until_it_is_done", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(DEPLOYS, deploys.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The number that is current, after looking at everything: each deployment is whole, each has the move that made it current.
async fn whole(folder: &Path) -> Option<u64> {
    let (store, key) = (Store::open(folder).await.unwrap(), key("default", "shop"));
    let deployments = store.deployments(&key, None, 100).await.unwrap();
    let moves = store.moves(&key, None, 100).await.unwrap();
    assert!(moves.iter().map(|one| one.to).eq(deployments.iter().map(|one| one.number)), "a deployment and its move come together");
    let current = store.current(&key).await.unwrap();
    assert_eq!(store.currents(None).await.unwrap().first(), current.as_ref());
    assert_eq!(current.as_ref().map(|one| &one.deployment), deployments.first());
    store.close().await;
    current.map(|one| one.deployment.number)
}

async fn raw(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("records.db")).busy_timeout(std::time::Duration::ZERO);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn run(connection: &mut SqliteConnection, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

#[tokio::test]
async fn killed_at_named_points_inside_a_deployment_the_one_before_stays_current() {
    let folder = tempfile::tempdir().unwrap();
    let (store, key) = (Store::open(folder.path()).await.unwrap(), key("default", "shop"));
    store.deploy(AT_MS, draft(&key, "before"), Expected::Nothing).await.unwrap();
    store.close().await;
    for point in ["BEFORE INSERT ON deployment", "AFTER INSERT ON deployment", "BEFORE INSERT ON movement", "AFTER INSERT ON movement"] {
        let mut database = raw(folder.path()).await;
        let endless = "CREATE VIEW endless AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        run(&mut database, format!("{endless}; CREATE TRIGGER held {point} BEGIN SELECT count(*) FROM endless; END")).await;
        let mut child = child(folder.path(), 1);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("opened")), "{point}");
        // From here on only the deployment takes the lock, and only the trigger keeps it.
        while sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut database).await.is_ok() {
            tokio::task::yield_now().await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!lines.any(|line| line.contains("acknowledged")), "{point}");
        run(&mut database, "DROP TRIGGER held; DROP VIEW endless".to_owned()).await;
        database.close().await.unwrap();
        assert_eq!(whole(folder.path()).await, Some(1), "{point}");
    }
    // And it goes on where it was: no number was lost.
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.deploy(AT_MS, draft(&key, "after"), Expected::Number(1)).await.unwrap().deployment.number, 2);
}

#[tokio::test]
async fn killed_when_it_is_committed_and_before_anybody_is_told_the_new_one_is_current() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).await.unwrap().close().await;
    let mut database = raw(folder.path()).await;
    let mut child = child(folder.path(), 1);
    // Its pipe is not read, so nobody is told; what the database shows is committed.
    loop {
        let moves: i64 = sqlx::query_scalar("SELECT count(*) FROM movement").fetch_one(&mut database).await.unwrap_or(0);
        if moves == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    database.close().await.unwrap();
    assert_eq!(whole(folder.path()).await, Some(1));
}

#[tokio::test]
async fn killed_at_any_moment_no_deployment_that_was_acknowledged_is_lost() {
    let kills: u64 = env::var("PLUGWORK_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let folder = tempfile::tempdir().unwrap();
    let mut before = 0;
    for kill in 0..kills {
        let mut child = child(folder.path(), 1 << 20);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut acknowledged = lines.filter_map(|line| line.split_once("acknowledged ")?.1.parse::<u64>().ok());
        let mut last = None;
        for _ in 0..kill % 7 {
            last = acknowledged.next();
        }
        child.kill().unwrap();
        // What was already in the pipe was acknowledged too.
        let last = acknowledged.last().or(last).unwrap_or(before);
        child.wait().unwrap();
        before = whole(folder.path()).await.unwrap_or(0);
        // At most the one under way came besides.
        assert!(
            (last..=last + 1).contains(&before) || last == 0 && before <= 1,
            "kill {kill}: {last} was acknowledged, {before} is current"
        );
    }
    assert!(before >= 5, "the children did deploy: {before}");
}
