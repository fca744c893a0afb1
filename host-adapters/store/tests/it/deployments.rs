//! The contract of `Deployments`: what every implementation does alike. Memory and SQLite both run it. Then what only rows on a disk can have.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use plugwork_core::Digest;
use plugwork_core::application::Application;
use plugwork_core::deployment::{
    ApplicationKey, Conflict, Current, Deployments, DeploymentsError, Draft, Expected, Memory, Moved, Named, PAGE_DEPLOYMENTS_MAX,
    Rollback, RollbackRefused,
};

use crate::sample::{self, AT_MS, execute, raw, temporary};

pub(crate) fn key(tenant: &str, application: &str) -> ApplicationKey {
    ApplicationKey { tenant: tenant.to_owned(), application: application.to_owned() }
}

pub(crate) fn draft(key: &ApplicationKey, note: &str) -> Draft {
    let text = format!("name = '{}'\nroute = [{{ path = '/', plugin = 'p' }}]\n[plugin.p]\nsource = 'p.wasm'", key.application);
    let plugins = BTreeMap::from([("p".to_owned(), Digest::of(note.as_bytes()))]);
    Draft::new(&key.tenant, &Application::parse(&text).unwrap(), plugins, "ana", note).unwrap()
}

fn rollback(key: &ApplicationKey, to: u64) -> Rollback {
    Rollback { key: key.clone(), to, by: "bob".to_owned(), reason: "worse".to_owned() }
}

fn numbers(currents: &[Current]) -> Vec<(String, u64)> {
    currents.iter().map(|current| (current.deployment.key.to_string(), current.deployment.number)).collect()
}

/// Runs every claim of the contract, each on deployments of its own.
async fn deployments_contract<K, D>(make: impl AsyncFn() -> K)
where
    K: Deref<Target = D>,
    D: Deployments,
{
    nothing_is_kept_of_a_draft_that_is_wrong_or_came_too_late(&*make().await).await;
    nothing_moves_by_a_rollback_that_is_refused(&*make().await).await;
    of_those_who_race_one_wins_and_the_others_are_told(&*make().await).await;
    who_does_not_care_never_loses_and_no_number_is_used_twice(&*make().await).await;
    tenants_and_applications_are_apart(&*make().await).await;
    a_rollback_moves_the_pointer_and_keeps_everything(&*make().await).await;
    pages_go_from_the_latest_to_the_first(&*make().await).await;
    any_text_comes_back_as_it_was(&*make().await).await;
    what_is_named_is_told_from_the_first_on_and_where_each_pointer_is(&*make().await).await;
}

#[tokio::test]
async fn deployments_in_memory_keep_the_contract() {
    deployments_contract(async || Box::new(Memory::new())).await;
}

#[tokio::test]
async fn deployments_in_sqlite_keep_the_contract() {
    deployments_contract(sample::temporary).await;
}

async fn nothing_is_kept_of_a_draft_that_is_wrong_or_came_too_late(deployments: &impl Deployments) {
    let key = key("default", "shop");
    let wrong = Draft { by: String::new(), plugins: BTreeMap::new(), ..draft(&key, "") };
    let Err(DeploymentsError::Invalid(issues)) = deployments.deploy(AT_MS, wrong, Expected::Anything).await else { panic!("refused") };
    assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), ["plugin.p", "by"]);
    let refused = deployments.deploy(AT_MS, draft(&key, ""), Expected::Number(1)).await;
    assert_eq!(refused, Err(DeploymentsError::Conflict(Conflict { expected: Expected::Number(1), current: None })));
    assert_eq!(deployments.current(&key).await.unwrap(), None);
    let first = deployments.deploy(AT_MS, draft(&key, "one"), Expected::Nothing).await.unwrap();
    let refused = deployments.deploy(AT_MS, draft(&key, "two"), Expected::Nothing).await;
    assert_eq!(refused, Err(DeploymentsError::Conflict(Conflict { expected: Expected::Nothing, current: Some(1) })));
    assert_eq!(deployments.current(&key).await.unwrap(), Some(first));
    assert_eq!(
        (deployments.deployments(&key, None, 9).await.unwrap().len(), deployments.moves(&key, None, 9).await.unwrap().len()),
        (1, 1)
    );
}

async fn nothing_moves_by_a_rollback_that_is_refused(deployments: &impl Deployments) {
    let key = key("default", "shop");
    let refused = deployments.roll_back(AT_MS, rollback(&key, 1), Expected::Anything).await;
    assert_eq!(refused, Err(DeploymentsError::Refused(RollbackRefused::NothingDeployed)));
    for note in ["one", "two"] {
        deployments.deploy(AT_MS, draft(&key, note), Expected::Anything).await.unwrap();
    }
    for (wish, expected, refused) in [
        (rollback(&key, 2), Expected::Anything, DeploymentsError::Refused(RollbackRefused::AlreadyCurrent { number: 2 })),
        (rollback(&key, 3), Expected::Anything, DeploymentsError::Refused(RollbackRefused::Unknown { number: 3 })),
        (rollback(&key, 0), Expected::Anything, DeploymentsError::Refused(RollbackRefused::Unknown { number: 0 })),
        (rollback(&key, u64::MAX), Expected::Anything, DeploymentsError::Refused(RollbackRefused::Unknown { number: u64::MAX })),
        (rollback(&key, 1), Expected::Number(1), DeploymentsError::Conflict(Conflict { expected: Expected::Number(1), current: Some(2) })),
    ] {
        assert_eq!(deployments.roll_back(AT_MS, wish, expected).await, Err(refused));
    }
    let nobody = Rollback { by: " ".to_owned(), ..rollback(&key, 1) };
    assert!(matches!(deployments.roll_back(AT_MS, nobody, Expected::Anything).await, Err(DeploymentsError::Invalid(_))));
    assert_eq!(
        (deployments.current(&key).await.unwrap().unwrap().deployment.number, deployments.moves(&key, None, 9).await.unwrap().len()),
        (2, 2)
    );
}

async fn of_those_who_race_one_wins_and_the_others_are_told(deployments: &impl Deployments) {
    let key = key("default", "shop");
    let races = (0..32).map(|index| deployments.deploy(AT_MS, draft(&key, &index.to_string()), Expected::Nothing));
    let outcomes = futures::future::join_all(races).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 31));
    let told = DeploymentsError::Conflict(Conflict { expected: Expected::Nothing, current: Some(1) });
    assert!(lost.into_iter().all(|outcome| outcome == Err(told.clone())));
    assert_eq!(deployments.current(&key).await.unwrap(), won.into_iter().next().unwrap().ok());
    // A rollback and a deployment that both saw 2.
    deployments.deploy(AT_MS, draft(&key, "two"), Expected::Number(1)).await.unwrap();
    let (back, next) = futures::join!(
        deployments.roll_back(AT_MS, rollback(&key, 1), Expected::Number(2)),
        deployments.deploy(AT_MS, draft(&key, "three"), Expected::Number(2))
    );
    assert!(back.is_ok() != next.is_ok(), "{back:?} {next:?}");
}

async fn who_does_not_care_never_loses_and_no_number_is_used_twice(deployments: &impl Deployments) {
    let key = key("default", "shop");
    let deploys = (0..32).map(|index| deployments.deploy(AT_MS, draft(&key, &index.to_string()), Expected::Anything));
    let outcomes = futures::future::join_all(deploys).await;
    let numbers: BTreeSet<u64> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap().deployment.number).collect();
    assert!(numbers.into_iter().eq(1..=32));
    deployments.roll_back(AT_MS, rollback(&key, 5), Expected::Number(32)).await.unwrap();
    let next = deployments.deploy(AT_MS, draft(&key, ""), Expected::Number(5)).await.unwrap();
    assert_eq!((next.deployment.number, next.moved.from, next.moved.sequence), (33, Some(5), 34));
    let moves = deployments.moves(&key, None, 99).await.unwrap();
    assert!(moves.windows(2).all(|pair| pair[0].from == Some(pair[1].to) && pair[0].sequence == pair[1].sequence + 1));
}

async fn tenants_and_applications_are_apart(deployments: &impl Deployments) {
    let keys = [key("a", "b"), key("a", "c"), key("ab", "c"), key("b", "a")];
    for (index, key) in keys.iter().enumerate() {
        for _ in 0..=index {
            deployments.deploy(AT_MS, draft(key, "x"), Expected::Anything).await.unwrap();
        }
    }
    let all = numbers(&deployments.currents(None).await.unwrap());
    let expected = [("a/b", 1), ("a/c", 2), ("ab/c", 3), ("b/a", 4)].map(|(key, number)| (key.to_owned(), number));
    assert_eq!(all, expected);
    assert_eq!(numbers(&deployments.currents(Some("a")).await.unwrap()), expected[..2]);
    assert_eq!(numbers(&deployments.currents(Some("nobody")).await.unwrap()), []);
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(deployments.deployments(key, None, 99).await.unwrap().len(), index + 1);
    }
    assert_eq!(deployments.deployment(&keys[0], 2).await.unwrap(), None);
    assert_eq!(deployments.current(&key("b", "c")).await.unwrap(), None);
}

async fn a_rollback_moves_the_pointer_and_keeps_everything(deployments: &impl Deployments) {
    let key = key("default", "shop");
    let first = deployments.deploy(AT_MS, draft(&key, "one"), Expected::Nothing).await.unwrap();
    let second = deployments.deploy(AT_MS + 1, draft(&key, "two"), Expected::Number(1)).await.unwrap();
    // The clock stepped back: allowed.
    let back = deployments.roll_back(AT_MS - 9, rollback(&key, 1), Expected::Number(2)).await.unwrap();
    assert_eq!(back.deployment, first.deployment);
    assert_eq!((back.moved.moved, back.moved.from, back.moved.to, back.moved.at_ms), (Moved::RolledBack, Some(2), 1, AT_MS - 9));
    assert_eq!((back.moved.by.as_str(), back.moved.reason.as_str()), ("bob", "worse"));
    assert_eq!(deployments.current(&key).await.unwrap().as_ref(), Some(&back));
    assert_eq!(deployments.currents(None).await.unwrap(), std::slice::from_ref(&back));
    let forward = deployments.roll_back(AT_MS, rollback(&key, 2), Expected::Number(1)).await.unwrap();
    assert_eq!(forward.deployment, second.deployment);
    assert_eq!(deployments.moves(&key, None, 9).await.unwrap(), [forward.moved, back.moved, second.moved, first.moved]);
    assert_eq!(deployments.deployments(&key, None, 9).await.unwrap(), [second.deployment, first.deployment]);
}

async fn pages_go_from_the_latest_to_the_first(deployments: &impl Deployments) {
    let key = key("default", "shop");
    let count = u64::from(PAGE_DEPLOYMENTS_MAX) + 3;
    for _ in 0..count {
        deployments.deploy(AT_MS, draft(&key, "x"), Expected::Anything).await.unwrap();
    }
    let page = deployments.deployments(&key, None, u32::MAX).await.unwrap();
    assert!(page.iter().map(|one| one.number).eq((4..=count).rev()));
    let page = deployments.deployments(&key, page.last().map(|one| one.number), 2).await.unwrap();
    assert!(page.iter().map(|one| one.number).eq([3, 2]));
    assert!(deployments.moves(&key, Some(3), 9).await.unwrap().iter().map(|one| one.sequence).eq([2, 1]));
    assert_eq!(deployments.moves(&key, Some(1), 9).await.unwrap(), []);
    assert_eq!(deployments.deployments(&key, None, 0).await.unwrap(), []);
    assert_eq!(deployments.deployments(&key, Some(u64::MAX), 1).await.unwrap()[0].number, count);
}

async fn what_is_named_is_told_from_the_first_on_and_where_each_pointer_is(deployments: &impl Deployments) {
    assert_eq!(deployments.last_moves("default").await.unwrap(), []);
    let (shop, blog, other) = (key("default", "shop"), key("default", "blog"), key("other", "app"));
    for (key, note) in [(&shop, "one"), (&other, "x"), (&shop, "two"), (&blog, "x"), (&shop, "three")] {
        deployments.deploy(AT_MS, draft(key, note), Expected::Anything).await.unwrap();
    }
    let back = deployments.roll_back(AT_MS, rollback(&shop, 2), Expected::Anything).await.unwrap();
    let named = |number, note: &str| Named { number, components: [Digest::of(note.as_bytes())].into() };
    let all = [named(1, "one"), named(2, "two"), named(3, "three")];
    assert_eq!(deployments.named(&shop, 0, u32::MAX).await.unwrap(), all);
    assert_eq!(deployments.named(&shop, 1, 1).await.unwrap(), all[1..2]);
    assert_eq!(deployments.named(&shop, 3, 9).await.unwrap(), []);
    assert_eq!(deployments.named(&shop, u64::MAX, 9).await.unwrap(), []);
    assert_eq!(deployments.named(&key("default", "gone"), 0, 9).await.unwrap(), []);
    let first_of_blog = deployments.moves(&blog, None, 1).await.unwrap().remove(0);
    assert_eq!(deployments.last_moves("default").await.unwrap(), [first_of_blog, back.moved]);
    assert_eq!(deployments.last_moves("nobody").await.unwrap(), []);
}

async fn any_text_comes_back_as_it_was(deployments: &impl Deployments) {
    let key = key("default", "shop");
    for note in ["", "'; DROP TABLE deployment; --", "\"}\\", "\u{1f980}\u{e9}", "two\nlines"] {
        let done = deployments.deploy(AT_MS, draft(&key, note), Expected::Anything).await.unwrap();
        assert_eq!((done.deployment.note.as_str(), done.moved.reason.as_str()), (note, note));
        let found = deployments.deployment(&key, done.deployment.number).await.unwrap().unwrap();
        assert!(found == done.deployment && found.is_intact());
        assert_eq!(deployments.moves(&key, None, 1).await.unwrap(), [done.moved]);
    }
}

#[tokio::test]
async fn what_was_deployed_is_there_after_a_restart_and_seen_by_another_process_at_once() {
    let store = temporary().await;
    let other = plugwork_store::Store::open(store.folder.path()).await.unwrap();
    let key = key("default", "shop");
    let done = store.deploy(AT_MS, draft(&key, "one"), Expected::Nothing).await.unwrap();
    assert_eq!(other.current(&key).await.unwrap().as_ref(), Some(&done));
    assert!(matches!(other.deploy(AT_MS, draft(&key, "two"), Expected::Nothing).await, Err(DeploymentsError::Conflict(_))));
    store.close().await;
    let error = store.deploy(AT_MS, draft(&key, "late"), Expected::Anything).await.unwrap_err();
    assert_eq!(error.to_string(), "the store is closed");
    other.close().await;
    let again = plugwork_store::Store::open(store.folder.path()).await.unwrap();
    assert_eq!(again.currents(None).await.unwrap(), [done]);
}

#[tokio::test]
async fn a_deployment_whose_move_fails_leaves_nothing_and_harms_no_other() {
    let store = temporary().await;
    let (shop, blog) = (key("default", "shop"), key("default", "blog"));
    let mut database = raw(&store.folder, "records.db").await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON movement WHEN new.application = 'shop' BEGIN SELECT RAISE(ABORT, 'no room'); END";
    execute(&mut database, full).await;
    let deploys = (0..16).map(|index| store.deploy(AT_MS, draft(if index % 2 == 0 { &shop } else { &blog }, "x"), Expected::Anything));
    let outcomes = futures::future::join_all(deploys).await;
    assert!(outcomes.iter().enumerate().all(|(index, outcome)| outcome.is_ok() == (index % 2 == 1)), "{outcomes:?}");
    assert_eq!((store.deployments(&shop, None, 9).await.unwrap().len(), store.deployments(&blog, None, 9).await.unwrap().len()), (0, 8));
    execute(&mut database, "DROP TRIGGER full").await;
    assert_eq!(store.deploy(AT_MS, draft(&shop, "x"), Expected::Nothing).await.unwrap().deployment.number, 1);
}

#[tokio::test]
async fn a_database_from_before_there_were_deployments_is_brought_up_and_keeps_its_records() {
    use plugwork_core::record::Records;
    let store = temporary().await;
    let records = store.append(AT_MS, vec![sample::faulted("kept")]).await.unwrap();
    store.close().await;
    let mut database = raw(&store.folder, "records.db").await;
    execute(&mut database, "DROP TABLE movement; DROP TABLE deployment; DROP TABLE token; DROP TABLE usage; PRAGMA user_version = 2").await;
    drop(database);
    let again = plugwork_store::Store::open(store.folder.path()).await.unwrap();
    assert_eq!(again.read(0, 9).await.unwrap(), records);
    again.deploy(AT_MS, draft(&key("default", "shop"), ""), Expected::Nothing).await.unwrap();
    again.verify().await.unwrap();
}

#[tokio::test]
async fn a_row_that_somebody_else_wrote_or_edited_is_never_given_out() {
    let store = temporary().await;
    let (key, other, sound) = (key("default", "shop"), key("default", "other"), key("b", "sound"));
    for note in ["one", "two"] {
        store.deploy(AT_MS, draft(&key, note), Expected::Anything).await.unwrap();
    }
    store.deploy(AT_MS, draft(&sound, ""), Expected::Nothing).await.unwrap();
    let mut database = raw(&store.folder, "records.db").await;
    for (table, verb) in [("deployment", "DELETE FROM deployment"), ("movement", "UPDATE movement SET who = ''")] {
        let error = sqlx::query(sqlx::AssertSqlSafe(verb)).execute(&mut database).await.unwrap_err().to_string();
        assert!(error.contains("is never"), "{table}: {error}");
    }
    execute(
        &mut database,
        "DROP TRIGGER deployment_is_never_changed; DROP TRIGGER deployment_is_never_deleted; \
         DROP TRIGGER movement_is_never_changed; DROP TRIGGER movement_is_never_deleted",
    )
    .await;
    for (table, column, value) in [
        ("deployment", "text", "replace(text, 'p.wasm', 'q.wasm')"),
        ("deployment", "plugins", "replace(plugins, 'sha256:', 'sha256:0')"),
        ("deployment", "plugins", "'{}'"),
        ("deployment", "note", "note || 'x'"),
        ("deployment", "created_ms", "created_ms + 1"),
        ("deployment", "digest", "'x'"),
        ("deployment", "stamp", "zeroblob(32)"),
        ("deployment", "stamp", "x''"),
        ("movement", "to_number", "1"),
        ("movement", "moved", "'rolled-back'"),
        ("movement", "moved", "'x'"),
        ("movement", "from_number", "NULL"),
        ("movement", "who", "'eve'"),
        ("movement", "stamp", "zeroblob(32)"),
    ] {
        let place = if table == "deployment" { "number = 2" } else { "sequence = 2" };
        execute(&mut database, &format!("CREATE TABLE aside AS SELECT * FROM {table} WHERE {place}")).await;
        execute(&mut database, &format!("UPDATE {table} SET {column} = {value} WHERE {place}")).await;
        assert!(store.current(&key).await.is_err(), "{table}.{column} = {value}");
        assert_eq!(numbers(&store.currents(None).await.unwrap()), [("b/sound".to_owned(), 1)], "{table}.{column} = {value}");
        let unreadable = store.unreadable(None).await.unwrap();
        assert_eq!(unreadable.iter().map(|unreadable| &unreadable.key).collect::<Vec<_>>(), [&key], "{table}.{column} = {value}");
        assert_eq!(store.last_moves(&key.tenant).await.is_err(), table == "movement", "{table}.{column} = {value}");
        if table == "movement" {
            assert!(store.deploy(AT_MS, draft(&key, ""), Expected::Anything).await.is_err(), "nothing follows a move that was edited");
        }
        execute(&mut database, &format!("DELETE FROM {table} WHERE {place}; INSERT INTO {table} SELECT * FROM aside; DROP TABLE aside"))
            .await;
        assert_eq!(store.current(&key).await.unwrap().unwrap().deployment.number, 2);
    }
    // An error after which SQLite has given the whole transaction up is the answer to whoever ran into it, and to all who shared its commit.
    execute(&mut database, "CREATE TRIGGER no_room BEFORE INSERT ON deployment BEGIN SELECT RAISE(ROLLBACK, 'no room left'); END").await;
    let (first, second) = futures::join!(
        store.deploy(AT_MS, draft(&key, ""), Expected::Anything),
        store.deploy(AT_MS, draft(&other, ""), Expected::Anything)
    );
    for refused in [first, second] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("no room left"), "{refused}");
    }
    execute(&mut database, "DROP TRIGGER no_room").await;
    // A genuine row of another application, or one that another node signed, is no row of this one.
    execute(
        &mut database,
        "INSERT INTO deployment SELECT tenant, 'other', number, text, plugins, created_ms, who, note, digest, stamp FROM deployment",
    )
    .await;
    let changed = store.deployment(&other, 1).await.unwrap_err();
    assert!(matches!(&changed, DeploymentsError::Changed { what } if what == "deployment 1 of `other`"), "{changed}");
    execute(&mut database, "DELETE FROM deployment WHERE application = 'other'; DELETE FROM deployment WHERE number = 2").await;
    let missing = store.unreadable(Some("default")).await.unwrap().remove(0).error;
    assert!(missing.to_string().contains("deployment 2 of `shop`, which is missing,"), "{missing}");
}
