//! Two tenants on one server: nothing that one has is the other's.

use plugwork_core::deployment::Expected;
use plugwork_edge::{Deploy, DeployError};

use crate::world::{Stage, Told, application, component, settings};

impl Stage {
    /// Deploys on behalf of a tenant, with the guest behind the plugin `guest`.
    pub(crate) async fn deploy_as(&self, tenant: &str, text: &str) -> Result<u64, DeployError> {
        let digest = self.node.components().keep(component()).unwrap();
        let plugins = [("guest".to_owned(), digest)].into();
        let (tenant, by, expected) = (tenant.to_owned(), tenant.to_owned(), Expected::Anything);
        let wish = Deploy { tenant, text: text.to_owned(), plugins, by, note: String::new(), expected };
        self.node.deploy(wish).await.map(|current| current.deployment.number)
    }

    /// A request to a host.
    pub(crate) async fn at(&self, host: &str, path: &str) -> Told {
        self.raw(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_application_of_two_tenants_is_two_plugins() {
    let stage = Stage::new(settings()).await;
    for tenant in ["ada", "ben"] {
        let host = format!("host = \"{tenant}.example\"");
        stage.deploy_as(tenant, &application(&[("/q", &host)])).await.unwrap();
    }
    let subjects: Vec<_> = stage.runtime.installations().iter().map(|one| (*one.subject()).clone()).collect();
    let mut tenants: Vec<_> = subjects.iter().map(|subject| subject.tenant.as_str()).collect();
    tenants.sort_unstable();
    assert_eq!(tenants, ["ada", "ben"]);
    assert_ne!(subjects[0].instance, subjects[1].instance, "nothing that goes by the instance's name is shared");
    let of_ada = subjects.iter().find(|subject| subject.tenant == "ada").unwrap();
    stage.runtime.revoke(of_ada, "test", "no more").await.unwrap();
    assert_eq!((stage.at("ada.example", "/q").await.status, stage.at("ben.example", "/q").await.status), (503, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_without_a_manifest_is_the_same_package_in_its_next_version() {
    let stage = Stage::serving(settings(), &[("/q", "")]).await;
    // The same code with an empty section behind it: other bytes, another file.
    let next = [component(), &[0, 2, 1, b'x']].concat();
    let digest = stage.node.components().keep(&next).unwrap();
    let plugins = [("guest".to_owned(), digest)].into();
    stage.deploy_with(&application(&[("/q", "")]), plugins, Expected::Number(1)).await.unwrap();
    assert_eq!(stage.get("/q").await.status, 200);
    let subjects: Vec<_> = stage.runtime.installations().iter().map(|one| (*one.subject()).clone()).collect();
    assert_eq!(subjects.len(), 2);
    assert_ne!(subjects[0].digest, subjects[1].digest);
    assert!(subjects.iter().all(|subject| subject.package.to_string() == "local:guest"), "{subjects:?}");
}
