//! `plugwork serve` killed while it deploys, at named points and at any: it comes up on exactly one whole deployment. And without room on the disk.
//!
//! The points are made by the tests alone: a trigger that never ends, put into the database, holds the server inside its transaction at the row that it
//! names; the test sees the lock that the transaction holds, and kills.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::place::{Place, plugin};
use crate::serve::Served;

/// A place with version `number` of an application: a component, a limit and a path of its own.
fn write(place: &Place, number: u64) {
    let mut component = std::fs::read(plugin("hello-http")).unwrap();
    // A section that means nothing: another component with the same code.
    component.extend([&[0, 9, 7], &number.to_le_bytes()[..7], &[0]].concat());
    place.write("shop/hello.wasm", component);
    let deadline_ms = 10_000 + number;
    place.write(
        "shop/plugwork.toml",
        format!(
            "name = \"shop\"\n[[route]]\npath = \"/v{number}/{{name}}\"\nplugin = \"hello\"\n\
             [plugin.hello]\nsource = \"hello.wasm\"\nlimits = {{ deadline-ms = {deadline_ms} }}\n"
        ),
    );
}

/// A place where the first version was deployed, and the second waits to be.
fn place() -> Place {
    let place = Place::new();
    write(&place, 1);
    Served::start(&place, &["shop"]).stop();
    write(&place, 2);
    place
}

fn deploying(place: &Place) -> Child {
    let mut command = place.command(&["serve", "shop", "--listen", "127.0.0.1:0"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The one version of these that is served after a start by itself.
#[track_caller]
fn version(place: &Place, candidates: &[u64]) -> u64 {
    let served = Served::start(place, &[]);
    assert!(!served.said.contains("is not served"), "{}", served.said);
    let answers = |number: &u64| served.get(&format!("/v{number}/Ada")).ends_with("hello, Ada\n");
    let there: Vec<u64> = candidates.iter().copied().filter(answers).collect();
    served.stop();
    assert_eq!(there.len(), 1, "exactly one is served: {there:?} of {candidates:?}");
    there[0]
}

async fn database(place: &Place) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(place.path("state/store/records.db")).busy_timeout(Duration::ZERO);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn run(database: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(database).await.unwrap();
}

fn patience(began: Instant, what: &str) {
    assert!(began.elapsed() < Duration::from_secs(120), "never came: {what}");
    std::thread::sleep(Duration::from_millis(2));
}

#[tokio::test]
async fn killed_at_named_points_inside_a_deployment_the_one_before_is_served() {
    let place = place();
    for point in [
        // The consent to what it grants, which comes before it is prepared.
        "BEFORE INSERT ON record WHEN new.body LIKE '%deployed as%'",
        "AFTER INSERT ON record WHEN new.body LIKE '%deployed as%'",
        "BEFORE INSERT ON deployment",
        "AFTER INSERT ON deployment",
        "BEFORE INSERT ON movement",
        "AFTER INSERT ON movement",
    ] {
        let mut database = database(&place).await;
        let endless = "CREATE VIEW endless AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        run(&mut database, &format!("{endless}; CREATE TRIGGER held {point} BEGIN SELECT count(*) FROM endless; END")).await;
        let mut child = deploying(&place);
        // Others take the lock too, for a moment; only the trigger keeps it for a second.
        let (began, mut held) = (Instant::now(), Instant::now());
        while held.elapsed() < Duration::from_secs(1) {
            if sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut database).await.is_ok() {
                held = Instant::now();
            }
            patience(began, point);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        run(&mut database, "DROP TRIGGER held; DROP VIEW endless").await;
        database.close().await.unwrap();
        assert_eq!(version(&place, &[1, 2]), 1, "{point}");
    }
    // And it goes on where it was: no number was lost.
    let served = Served::start(&place, &["shop"]);
    assert!(served.said.contains("deployed `shop` as number 2"), "{}", served.said);
    served.stop();
    assert_eq!(version(&place, &[1, 2]), 2);
}

#[test]
fn killed_once_the_component_is_kept_the_one_before_is_served() {
    let place = place();
    let kept = || std::fs::read_dir(place.path("state/edge/components")).unwrap().count();
    let before = kept();
    let (mut child, began) = (deploying(&place), Instant::now());
    while kept() == before {
        patience(began, "a component more");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(version(&place, &[1, 2]), 1);
}

#[tokio::test]
async fn killed_once_it_is_on_record_the_new_one_is_served() {
    let place = place();
    let mut database = database(&place).await;
    let (mut child, began) = (deploying(&place), Instant::now());
    // Nobody reads what it says: what the database shows is committed.
    while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM movement").fetch_one(&mut database).await.unwrap_or(0) < 2 {
        patience(began, "the second move");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    database.close().await.unwrap();
    assert_eq!(version(&place, &[1, 2]), 2);
}

#[test]
fn killed_at_any_moment_one_whole_deployment_is_served() {
    let place = place();
    let mut current = 1;
    for kill in 0..8 {
        write(&place, current + 1);
        let mut child = deploying(&place);
        // Where that meets it decides nothing.
        std::thread::sleep(Duration::from_millis(60 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
        current = version(&place, &[current, current + 1]);
    }
}

#[test]
fn without_room_for_a_component_nothing_is_deployed_and_with_room_it_goes_on() {
    let place = place();
    // A limit on the size of files, with the signal that comes with it ignored: writing then fails as on a full disk. The databases are there, and their
    // logs fit; the component is filled up until it does not.
    let mut component = std::fs::read(place.path("shop/hello.wasm")).unwrap();
    let filled = 2 << 20;
    component.extend([0, 0x85, 0x80, 0x80, 0x01, 4]);
    component.extend(vec![b'x'; filled + 4]);
    let section = (filled + 5) as u32;
    let at = component.len() - (filled + 4) - 5;
    for (index, byte) in component[at..at + 4].iter_mut().enumerate() {
        *byte = (section >> (7 * index)) as u8 & 0x7f | if index < 3 { 0x80 } else { 0 };
    }
    place.write("shop/hello.wasm", component);
    let serve = place.command(&["serve", "shop", "--listen", "127.0.0.1:0"]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]).arg(serve.get_program()).args(serve.get_args());
    limited.env("PLUGWORK_STATE", place.path("state")).current_dir(place.path(""));
    let output = limited.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("plugin.hello.source") && said.contains("too large"), "{said}");
    assert_eq!(version(&place, &[1, 2]), 1);
    let served = Served::start(&place, &["shop"]);
    assert!(served.said.contains("deployed `shop` as number 2"), "{}", served.said);
    served.stop();
}
