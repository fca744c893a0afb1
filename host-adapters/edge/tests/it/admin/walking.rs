//! Listing and removing components while what reads the deployments takes its time: who waits for it, and what comes meanwhile.

use std::sync::Arc;

use http::Method;
use plugwork_core::Digest;
use plugwork_core::authorize::Action;
use plugwork_core::deployment::{
    ApplicationKey, Current, Deployment, Deployments, Draft, Expected, Memory, Move, Named, Pending, Rollback, Unreadable,
};
use serde_json::json;
use tokio::sync::watch;

use super::desk::{Desk, put};
use crate::world::component;

/// Deployments of which one tenant is told late where its pointers were.
struct Slow {
    kept: Memory,
    tenant: &'static str,
    /// Whether it is told.
    open: watch::Sender<bool>,
    /// How many wait for it.
    waiting: watch::Sender<u32>,
}

impl Deployments for Slow {
    fn deploy(&self, at_ms: u64, draft: Draft, expected: Expected) -> Pending<'_, Current> {
        self.kept.deploy(at_ms, draft, expected)
    }

    fn roll_back(&self, at_ms: u64, rollback: Rollback, expected: Expected) -> Pending<'_, Current> {
        self.kept.roll_back(at_ms, rollback, expected)
    }

    fn current(&self, key: &ApplicationKey) -> Pending<'_, Option<Current>> {
        self.kept.current(key)
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
        // As they are now, whenever it is told.
        let moves = self.kept.last_moves(tenant);
        if tenant == self.tenant {
            self.waiting.send_modify(|waiting| *waiting += 1);
            Box::pin(async move {
                drop(self.open.subscribe().wait_for(|open| *open).await);
                moves.await
            })
        } else {
            moves
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_what_names_a_component_keeps_nobody_from_deploying_and_is_alone_of_its_tenant() {
    let slow = Arc::new(Slow { kept: Memory::new(), tenant: "default", open: watch::Sender::new(false), waiting: watch::Sender::new(0) });
    let desk = Desk::over(slow.clone()).await;
    let next = [component(), &[0, 2, 1, b'x']].concat();
    let (first, second) = (Digest::of(component()), Digest::of(&next));
    desk.upload().await;
    assert_eq!(desk.raw(&put(&next, second)).await.status, 200);
    let at = format!("/v1/components/{first}");
    let ours = desk.token(Some("default"), None, &[Action::DeploymentsRead, Action::DeploymentsWrite]).await;
    let removed = desk.as_bearer(&ours, Method::DELETE, &at, None);
    let meanwhile = async {
        slow.waiting.subscribe().wait_for(|waiting| *waiting == 1).await.unwrap();
        // What names it comes while its deployments are being read, and is not current any more when that is done.
        assert_eq!(desk.deploy("shop", &[("/e", "")], json!({})).await.status, 201, "it waits for nobody");
        let told = desk.deploy("shop", &[("/q", "")], json!({ "plugins": { "guest": second } })).await;
        assert_eq!(told.status, 201, "{told:?}");
        for (method, path) in [(Method::DELETE, at.as_str()), (Method::GET, "/v1/components")] {
            let told = desk.as_bearer(&ours, method, path, None).await;
            assert_eq!((told.status, told.code().as_str()), (503, "E-ADMIN-BUSY"), "{path}");
        }
        // What is not there is told without reading anything.
        let gone = format!("/v1/components/{}", Digest::of(b"gone"));
        assert_eq!(desk.as_bearer(&ours, Method::DELETE, &gone, None).await.code(), "E-ADMIN-COMPONENT");
        let other = desk.token(Some("acme"), None, &[Action::DeploymentsRead]).await;
        assert_eq!(desk.as_bearer(&other, Method::GET, "/v1/components", None).await.status, 200, "another tenant");
        assert_eq!(*slow.waiting.borrow(), 1, "nobody else reads");
        slow.open.send_replace(true);
    };
    let (removed, ()) = tokio::join!(removed, meanwhile);
    assert_eq!((removed.status, removed.code().as_str()), (409, "E-ADMIN-COMPONENT-USED"), "what came meanwhile counts");
    let named = &removed.json()["findings"][0]["what"];
    assert_eq!(named, "1 of its deployments name it; the latest is number 1");
    assert_eq!(desk.as_bearer(&ours, Method::GET, "/v1/components", None).await.status, 200, "and the next one has its turn");
}
