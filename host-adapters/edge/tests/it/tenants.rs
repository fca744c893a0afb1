//! Two tenants on one server: nothing that one has is the other's.

use plugwork_core::deployment::Expected;
use plugwork_edge::{Deploy, DeployError};

use crate::world::{Stage, Told, application, component, settings};

impl Stage {
    /// Deploys on behalf of a tenant, with the guest behind the plugin `guest`.
    pub(crate) async fn deploy_as(&self, tenant: &str, text: &str) -> Result<u64, DeployError> {
        let digest = self.node.components().of(tenant).keep(component()).unwrap();
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

fn findings(error: DeployError) -> Vec<String> {
    match error {
        DeployError::Findings(issues) => issues.iter().map(|issue| format!("{}: {}", issue.at, issue.what)).collect(),
        other => panic!("{other}"),
    }
}

fn on(host: &str, path: &str) -> String {
    let host = format!("host = \"{host}\"");
    application(&[(path, &host)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_belongs_to_one_tenant_and_its_name_is_not_told() {
    let stage = Stage::new(settings()).await;
    stage.deploy_as("ada", &on("ada.example", "/{*rest}").replace("shop", "hidden")).await.unwrap();
    for host in ["ada.example", "*.example"] {
        let found = findings(stage.deploy_as("ben", &on(host, "/login")).await.unwrap_err());
        assert_eq!(found, [format!("route[0].host: `{host}` is a host of another tenant, or has one")]);
    }
    let found = findings(stage.deploy_as("ben", &application(&[("/q", "")])).await.unwrap_err());
    assert_eq!(found, ["route[0].host: any host"]);
    stage.deploy_as("ada", &on("ada.example", "/q").replace("shop", "second")).await.unwrap();
    stage.deploy_as("default", &application(&[("/{*rest}", "")])).await.unwrap();
    stage.deploy_as("ben", &on("ben.example", "/q")).await.unwrap();
    assert_eq!((stage.at("ben.example", "/q").await.status, stage.at("ben.example", "/other").await.status), (200, 404));
    assert_eq!(stage.at("unknown.example", "/other").await.status, 200, "whom nobody names is the default tenant's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_what_could_not_be_brought_up_are_nobody_elses() {
    let first = Stage::new(settings()).await;
    first.deploy_as("default", &application(&[("/{*rest}", "")]).replace("shop", "any")).await.unwrap();
    let stays = first.runtime.installations()[0].subject().instance.clone();
    first.deploy_as("default", &on("own.example", "/q")).await.unwrap();
    first.deploy_as("ada", &on("ada.example", "/q")).await.unwrap();
    for one in first.runtime.installations().iter().filter(|one| one.subject().instance != stays) {
        first.runtime.revoke(&one.subject(), "test", "no more").await.unwrap();
    }
    let second = Stage::over(settings(), first.folder.clone(), first.deployments.clone(), first.records.clone()).await;
    assert_eq!(second.node.start().await.unwrap().len(), 2);
    assert_eq!(second.at("unknown.example", "/q").await.status, 200);
    for host in ["own.example", "ada.example"] {
        assert_eq!(second.at(host, "/q").await.code(), "E-HTTP-NOT-SERVED", "{host}");
    }
    assert_eq!(second.at("ada.example", "/other").await.status, 404);
    let found = findings(second.deploy_as("ben", &on("ada.example", "/q")).await.unwrap_err());
    assert_eq!(found.len(), 1, "nor is its host: {found:?}");
}
