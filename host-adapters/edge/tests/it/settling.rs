//! Deployments that come to nothing, or of which it is not clear at first: what was taken back stays so, and what is served is what is on record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use plugwork_core::deployment::{
    ApplicationKey, Current, Deployment, Deployments, DeploymentsError, Draft, Expected, Memory, Move, Named, Pending, Rollback, Unreadable,
};
use plugwork_core::metering::{UsageLedger, UsageQuery};
use plugwork_core::record::RecordsError;
use plugwork_edge::DeployError;

use crate::world::{Stage, application, component, key, settings, until};

/// The guest, and beside it a plugin that cannot be prepared.
fn with_garbage() -> String {
    format!("{}[plugin.garbage]\nsource = \"garbage.wasm\"\n", application(&[("/q", ""), ("/e", "")]))
}

async fn revoke_the_guest(stage: &Stage) {
    let subject = (*stage.runtime.installations()[0].subject()).clone();
    stage.runtime.revoke(&subject, "test", "no more").await.unwrap();
}

async fn deploy_with_garbage(stage: &Stage, text: &str) -> DeployError {
    let garbage = stage.node.components().keep(b"no component").unwrap();
    let good = stage.node.components().keep(component()).unwrap();
    let plugins: BTreeMap<_, _> = [("guest".to_owned(), good), ("garbage".to_owned(), garbage)].into();
    stage.deploy_with(text, plugins, Expected::Number(1)).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_is_refused_gives_no_consent_back() {
    let first = Stage::serving(settings(), &[("/q", "")]).await;
    revoke_the_guest(&first).await;
    assert_eq!(first.get("/q").await.status, 503);
    assert!(matches!(deploy_with_garbage(&first, &with_garbage()).await, DeployError::Findings(_)));
    assert_eq!(first.get("/q").await.status, 503, "what was revoked stays away");
    let second = Stage::over(settings(), first.folder.clone(), first.deployments.clone(), first.records.clone()).await;
    assert_eq!(second.node.start().await.unwrap().len(), 1, "also after a start");
    // Whoever deploys it with success gives consent, for this process and for the next.
    first.deploy(&application(&[("/q", ""), ("/e", "")]), Expected::Number(1)).await.unwrap();
    assert_eq!((first.get("/q").await.status, first.ask("POST", "/e", "a").await.status), (200, 200));
    let third = Stage::over(settings(), first.folder.clone(), first.deployments.clone(), first.records.clone()).await;
    assert!(third.node.start().await.unwrap().is_empty());
    assert_eq!(third.get("/q").await.status, 200);
    // And what was put on record with it can be taken back from what runs.
    revoke_the_guest(&first).await;
    assert_eq!(first.get("/q").await.status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_answers_nothing_while_a_deployment_with_it_is_prepared() {
    let stage = Arc::new(Stage::serving(settings(), &[("/q", "")]).await);
    revoke_the_guest(&stage).await;
    let deploying = tokio::spawn({
        let stage = stage.clone();
        async move { deploy_with_garbage(&stage, &with_garbage()).await }
    });
    while !deploying.is_finished() {
        assert_eq!(stage.get("/q").await.status, 503);
    }
    assert!(matches!(deploying.await.unwrap(), DeployError::Findings(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_brought_up_beside_what_could_not_be_is_ended() {
    let first = Stage::new(settings()).await;
    let text = with_garbage();
    let good = first.node.components().keep(component()).unwrap();
    let plugins: BTreeMap<_, _> = [("guest".to_owned(), good), ("garbage".to_owned(), good)].into();
    first.deploy_with(&text, plugins, Expected::Nothing).await.unwrap();
    let garbage = first.runtime.installations().into_iter().find(|one| one.subject().instance.starts_with("garbage")).unwrap();
    first.runtime.revoke(&garbage.subject(), "test", "no more").await.unwrap();
    let second = Stage::over(settings(), first.folder.clone(), first.deployments.clone(), first.records.clone()).await;
    assert_eq!(second.node.start().await.unwrap().len(), 1);
    let is_active = |status: &plugwork::Status| serde_json::to_value(status).unwrap()["state"]["state"] == "active";
    assert_eq!(second.runtime.status().iter().filter(|status| is_active(status)).count(), 0);
}

/// Deployments that are kept, and told as lost; after that nothing can be read, as often as it is told.
struct Shaky {
    kept: Memory,
    /// 0: all is well. 1: the next one is kept and told as lost. 2: and then nothing can be read. 3: nothing can be read. 4: the next one is lost.
    fault: AtomicU8,
}

fn lost<T: Send + 'static>() -> Pending<'static, T> {
    let (what, hint) = ("the disk is gone".to_owned(), String::new());
    Box::pin(async { Err(DeploymentsError::Records(RecordsError::Storage { what, hint })) })
}

impl Deployments for Shaky {
    fn deploy(&self, at_ms: u64, draft: Draft, expected: Expected) -> Pending<'_, Current> {
        let fault = self.fault.load(Ordering::SeqCst);
        Box::pin(async move {
            match fault {
                0 => self.kept.deploy(at_ms, draft, expected).await,
                4 => lost().await,
                fault => {
                    self.kept.deploy(at_ms, draft, expected).await?;
                    self.fault.store(if fault == 2 { 3 } else { 0 }, Ordering::SeqCst);
                    lost().await
                }
            }
        })
    }

    fn roll_back(&self, at_ms: u64, rollback: Rollback, expected: Expected) -> Pending<'_, Current> {
        let fault = self.fault.swap(0, Ordering::SeqCst);
        Box::pin(async move {
            let current = self.kept.roll_back(at_ms, rollback, expected).await?;
            if fault == 1 { lost().await } else { Ok(current) }
        })
    }

    fn current(&self, key: &ApplicationKey) -> Pending<'_, Option<Current>> {
        if self.fault.load(Ordering::SeqCst) == 3 { lost() } else { self.kept.current(key) }
    }

    fn currents(&self, tenant: Option<&str>) -> Pending<'_, Vec<Current>> {
        self.kept.currents(tenant)
    }

    fn unreadable(&self, tenant: Option<&str>) -> Pending<'_, Vec<Unreadable>> {
        self.kept.unreadable(tenant)
    }

    fn deployment(&self, key: &ApplicationKey, number: u64) -> Pending<'_, Option<Deployment>> {
        self.kept.deployment(key, number)
    }

    fn deployments(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Deployment>> {
        self.kept.deployments(key, before, limit)
    }

    fn named(&self, key: &ApplicationKey, after: u64, limit: u32) -> Pending<'_, Vec<Named>> {
        self.kept.named(key, after, limit)
    }

    fn moves(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Move>> {
        self.kept.moves(key, before, limit)
    }

    fn last_moves(&self, tenant: &str) -> Pending<'_, Vec<Move>> {
        self.kept.last_moves(tenant)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_is_what_is_on_record_also_where_the_record_was_told_as_lost() {
    let shaky = Arc::new(Shaky { kept: Memory::new(), fault: AtomicU8::new(0) });
    let plain = Stage::new(settings()).await;
    let stage = Stage::over(settings(), plain.folder.clone(), shaky.clone(), plain.records.clone()).await;
    stage.deploy(&application(&[("/e", "")]), Expected::Nothing).await.unwrap();
    shaky.fault.store(1, Ordering::SeqCst);
    assert_eq!(stage.deploy(&application(&[("/q", "")]), Expected::Number(1)).await.unwrap(), 2, "it was kept after all");
    assert_eq!(stage.get("/q").await.status, 200);
    shaky.fault.store(1, Ordering::SeqCst);
    let back = Rollback { key: key(), to: 1, by: "test".to_owned(), reason: String::new() };
    assert_eq!(stage.node.roll_back(back, Expected::Number(2)).await.unwrap().deployment.number, 1);
    assert_eq!((stage.ask("POST", "/e", "a").await.status, stage.get("/q").await.status), (200, 404));
    shaky.fault.store(4, Ordering::SeqCst);
    let with = |number: u32| {
        let config = format!("config = {{ version = {number} }}\n[plugin.guest.limits]");
        application(&[("/i", "")]).replace("[plugin.guest.limits]", &config)
    };
    let error = stage.deploy(&with(4), Expected::Number(1)).await.unwrap_err();
    assert!(matches!(error, DeployError::Deployments(DeploymentsError::Records(_))), "{error}");
    shaky.fault.store(2, Ordering::SeqCst);
    let error = stage.deploy(&with(2), Expected::Number(1)).await.unwrap_err();
    assert!(matches!(&error, DeployError::Unknown(_)) && error.to_string().contains("unknown"), "{error}");
    assert_eq!(stage.ask("POST", "/e", "a").await.status, 200, "until then the old one is served");
    let ended = || stage.runtime.installations().iter().filter(|one| one.state().to_string().contains("active")).count() == 1;
    until("what came to nothing is ended", ended).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_came_to_nothing_leaves_what_was_stopped_as_it_was() {
    let stage = Stage::serving(settings(), &[("/q", "")]).await;
    let ledger = Arc::new(plugwork_core::metering::Memory::default());
    let metering = plugwork_edge::Metering::start(&stage.node, ledger.clone());
    let requests = async || {
        metering.keep().await.unwrap();
        ledger.usage(UsageQuery::default()).await.unwrap().iter().map(|row| row.sum.requests).sum::<u64>()
    };
    assert_eq!(stage.get("/q").await.status, 200);
    let guest = stage.runtime.installations().remove(0);
    guest.disable("test", "for a while").await.unwrap();
    assert_eq!(stage.get("/q").await.status, 503);
    assert!(matches!(deploy_with_garbage(&stage, &with_garbage()).await, DeployError::Findings(_)));
    assert_eq!((stage.get("/q").await.status, stage.active()), (503, 0), "it is stopped");
    assert!(guest.state().to_string().contains("installed"), "{}", guest.state());
    guest.enable("test").await.unwrap();
    for _ in 0..3 {
        assert_eq!(stage.get("/q").await.status, 200, "and whoever starts it again has it again");
    }
    until("the last answer is over", || stage.log.lock().unwrap().len() == 6).await;
    assert_eq!(requests().await, 6, "each request is counted, and none twice");
    // It is known by its name again: deployed with success it is what is served, and ended with that.
    stage.deploy(&application(&[("/q", ""), ("/e", "")]), Expected::Number(1)).await.unwrap();
    assert_eq!((stage.ask("POST", "/e", "a").await.status, stage.active()), (200, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_came_to_nothing_leaves_no_consent_to_what_was_revoked() {
    let stage = Stage::serving(settings(), &[("/q", "")]).await;
    revoke_the_guest(&stage).await;
    let guest = stage.runtime.installations().remove(0);
    let before = guest.state().to_string();
    assert!(matches!(deploy_with_garbage(&stage, &with_garbage()).await, DeployError::Findings(_)));
    assert_eq!((stage.get("/q").await.status, stage.active()), (503, 0));
    assert_eq!(guest.state().to_string(), before);
    assert!(guest.enable("test").await.is_err(), "nobody consented to it");
    assert_eq!((stage.get("/q").await.status, stage.active()), (503, 0));
    stage.deploy(&application(&[("/q", ""), ("/e", "")]), Expected::Number(1)).await.unwrap();
    assert_eq!(stage.get("/q").await.status, 200, "whoever deploys it does");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_fails_when_it_is_deployed_anew_keeps_no_consent_of_that() {
    let stage = Stage::serving(settings(), &[("/q", "")]).await;
    revoke_the_guest(&stage).await;
    let guest = stage.runtime.installations().remove(0);
    stage.starts_nothing.store(true, Ordering::SeqCst);
    let error = stage.deploy(&application(&[("/q", ""), ("/e", "")]), Expected::Number(1)).await.unwrap_err();
    assert!(error.to_string().contains("not now"), "{error}");
    stage.starts_nothing.store(false, Ordering::SeqCst);
    assert!(guest.enable("test").await.is_err(), "nobody consented to it");
    assert_eq!((stage.get("/q").await.status, stage.active()), (503, 0));
    stage.deploy(&application(&[("/q", ""), ("/e", "")]), Expected::Number(1)).await.unwrap();
    assert_eq!(stage.get("/q").await.status, 200, "whoever deploys it does");
}
