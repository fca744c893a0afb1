//! Deployments: whole or nothing, one winner of a race, no request lost in a change, and the same after a start anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plugwork_core::Digest;
use plugwork_core::deployment::{DeploymentsError, Expected, Rollback};
use plugwork_edge::DeployError;

use crate::world::{Stage, application, component, key, settings, until};

fn back(to: u64) -> Rollback {
    Rollback { key: key(), to, by: "test".to_owned(), reason: String::new() }
}

fn findings(error: DeployError) -> Vec<String> {
    match error {
        DeployError::Findings(issues) => issues.iter().map(|issue| format!("{}: {}", issue.at, issue.what)).collect(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_prepared_changes_nothing_and_is_told_whole() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    let no_http = without_points();
    let garbage = stage.node.components().keep(b"no component").unwrap();
    let pointless = stage.node.components().keep(&no_http).unwrap();
    let good = stage.node.components().keep(component()).unwrap();
    let plugin = |name: &str| format!("[plugin.{name}]\nsource = \"{name}.wasm\"\n[[route]]\npath = \"/{name}\"\nplugin = \"{name}\"\n");
    let text = format!("name = \"shop\"\n{}{}{}{}", plugin("good"), plugin("garbage"), plugin("pointless"), plugin("gone"));
    let digests = [("good", good), ("garbage", garbage), ("pointless", pointless), ("gone", Digest::of(b"never uploaded"))];
    let plugins: BTreeMap<String, Digest> = digests.into_iter().map(|(name, digest)| (name.to_owned(), digest)).collect();
    let found = findings(stage.deploy_with(&text, plugins, Expected::Anything).await.unwrap_err());
    assert_eq!(found.len(), 3, "{found:?}");
    for part in ["plugin.garbage", "plugin.pointless", "plugin.gone"] {
        assert!(found.iter().any(|finding| finding.starts_with(part)), "{part}: {found:?}");
    }
    assert_eq!(stage.ask("POST", "/e", "still").await.body, "still");
    assert_eq!(stage.deployments.deployments(&key(), None, 10).await.unwrap().len(), 1, "nothing is on record");
    // What was prepared for nothing is ended.
    let active = stage.runtime.status().into_iter().filter(|status| serde_json::to_value(status).unwrap()["state"]["state"] == "active");
    assert_eq!(active.count(), 1);
}

fn without_points() -> Vec<u8> {
    wat::parse_str("(component)").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_server_does_not_do_is_refused_and_not_ignored() {
    let stage = Stage::new(settings()).await;
    let text = application(&[("/e", "auth = \"staff\"")]);
    let found = findings(stage.deploy(&text, Expected::Anything).await.unwrap_err());
    assert_eq!(found.len(), 1, "{found:?}");
    let wrong = findings(stage.deploy("name = 1", Expected::Anything).await.unwrap_err());
    assert!(!wrong.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_its_manifest_does_not_ask_for_is_a_finding_with_its_place() {
    let stage = Stage::new(settings()).await;
    let text = format!("{}[plugin.guest.grants.teleport]\nto = \"mars\"\n", application(&[("/e", "")]));
    let found = findings(stage.deploy(&text, Expected::Anything).await.unwrap_err());
    assert!(found[0].contains("teleport") || found[0].contains("plugin.guest"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_of_another_application_is_taken_by_nobody_else() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    let text = application(&[("/q", ""), ("/e", "")]).replace("name = \"shop\"", "name = \"thief\"");
    let found = findings(stage.deploy(&text, Expected::Anything).await.unwrap_err());
    assert_eq!(found, ["route[1]: `route[0]` of the application `shop` already answers the same requests"]);
    let text = application(&[("/q", "")]).replace("name = \"shop\"", "name = \"neighbour\"");
    assert_eq!(stage.deploy(&text, Expected::Nothing).await.unwrap(), 1);
    assert_eq!((stage.get("/q").await.status, stage.ask("POST", "/e", "a").await.status), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_raced_deployments_one_wins_and_the_other_is_told() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    let texts = [application(&[("/q", "")]), application(&[("/i", "")])];
    let (one, other) = tokio::join!(stage.deploy(&texts[0], Expected::Number(1)), stage.deploy(&texts[1], Expected::Number(1)));
    let lost = [&one, &other].into_iter().filter_map(|result| result.as_ref().err()).collect::<Vec<_>>();
    assert!(matches!(lost[..], [DeployError::Deployments(DeploymentsError::Conflict(_))]), "{lost:?}");
    let winner = if one.is_ok() { "/q" } else { "/i" };
    assert_eq!((stage.get(winner).await.status, stage.get("/e").await.status), (200, 404));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_deployments_come_and_go() {
    let stage = Arc::new(Stage::serving(settings(), &[("/e", "")]).await);
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients = (0..2).map(|_| {
        let (stage, done, answered) = (stage.clone(), done.clone(), answered.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let told = stage.ask("POST", "/e", "hello").await;
                assert_eq!((told.status, told.body.as_str()), (200, "hello"));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let with_config = |number: u32| {
        application(&[("/e", "")]).replace("[plugin.guest.limits]", &format!("config = {{ version = {number} }}\n[plugin.guest.limits]"))
    };
    for number in 2..8 {
        // Another configuration is another instance: the one before is ended while requests come.
        stage.deploy(&with_config(number), Expected::Number(u64::from(number) - 1)).await.unwrap();
        let before = answered.load(Ordering::Relaxed);
        until("the new one answers", || answered.load(Ordering::Relaxed) > before + 2).await;
    }
    for to in [3, 2, 1, 7] {
        let current = stage.node.roll_back(back(to), Expected::Anything).await.unwrap();
        assert_eq!(current.deployment.number, to);
        let before = answered.load(Ordering::Relaxed);
        until("the old one answers", || answered.load(Ordering::Relaxed) > before + 2).await;
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let is_active = |status: &plugwork::Status| serde_json::to_value(status).unwrap()["state"]["state"] == "active";
    until("what nothing uses is ended", || stage.runtime.status().iter().filter(|status| is_active(status)).count() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_rolled_back_to_is_told() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    for (to, expected, code) in [
        (1, Expected::Anything, "E-DEPLOY-CURRENT"),
        (9, Expected::Anything, "E-DEPLOY-UNKNOWN"),
        (1, Expected::Number(4), "E-DEPLOY-CONFLICT"),
    ] {
        match stage.node.roll_back(back(to), expected).await.unwrap_err() {
            DeployError::Deployments(error) => assert_eq!(error.code(), code),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_anew_serves_what_was_current() {
    let first = Stage::serving(settings(), &[("/e", "")]).await;
    first.deploy(&application(&[("/q", "")]), Expected::Number(1)).await.unwrap();
    first.node.roll_back(back(1), Expected::Number(2)).await.unwrap();
    let (folder, deployments, records) = (first.folder.clone(), first.deployments.clone(), first.records.clone());
    let runtime = first.runtime.clone();
    first.stop().await;
    runtime.close().await.unwrap();
    let second = Stage::over(settings(), folder, deployments, records).await;
    assert_eq!(second.get("/e").await.status, 404, "not before it was told to");
    let not_served = second.node.start().await.unwrap();
    assert!(not_served.is_empty(), "{not_served:?}");
    assert_eq!((second.ask("POST", "/e", "a").await.status, second.get("/q").await.status), (200, 404));
    let log = second.log.lock().unwrap();
    assert_eq!(log.last().map(|access| access.status), Some(404));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_that_was_taken_back_is_not_given_again_by_starting_or_going_back() {
    let first = Stage::serving(settings(), &[("/e", "")]).await;
    first.deploy(&application(&[("/q", "")]), Expected::Number(1)).await.unwrap();
    let subject = (*first.runtime.installations()[0].subject()).clone();
    first.runtime.revoke(&subject, "test", "no more").await.unwrap();
    assert_eq!(first.get("/q").await.status, 503, "it stops at once");
    let found = findings(first.node.roll_back(back(1), Expected::Anything).await.unwrap_err());
    assert!(found[0].starts_with("plugin.guest"), "{found:?}");
    let second = Stage::over(settings(), first.folder.clone(), first.deployments.clone(), first.records.clone()).await;
    let not_served = second.node.start().await.unwrap();
    assert_eq!(not_served.len(), 1);
    assert_eq!(second.get("/q").await.code(), "E-HTTP-NOT-SERVED");
    // Whoever deploys again consents again.
    second.deploy(&application(&[("/i", "")]), Expected::Number(2)).await.unwrap();
    assert_eq!(second.get("/i").await.status, 200);
}
