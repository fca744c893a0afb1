//! Events, folders and raw connections that the tests here share.

use std::ops::Deref;

use plugwork_core::record::{Consent, Event, Settings};
use plugwork_core::{Digest, Grants, Subject};
use plugwork_store::Store;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

/// The clock of the tests.
pub(crate) const AT_MS: u64 = 1_790_000_000_000;

/// What later steps of the schema put on tables that an earlier one has.
pub(crate) const UNINDEX: &str = "DROP INDEX token_by_issuer; DROP INDEX token_not_revoked; DROP INDEX deployment_plugins";

pub(crate) fn subject(tenant: &str, instance: &str) -> Subject {
    Subject {
        tenant: tenant.to_owned(),
        instance: instance.to_owned(),
        package: "acme:markdown".parse().unwrap(),
        digest: Digest::of(b"a component"),
    }
}

pub(crate) fn granted(subject: Subject, reason: &str) -> Event {
    let bounds = serde_json::json!({"hosts": ["api.example.com"]}).as_object().unwrap().clone();
    Event::Granted(Consent {
        subject,
        version: Some("1.2.3".parse().unwrap()),
        grants: Grants::none().with("http", bounds),
        approver: "ana".to_owned(),
        reason: reason.to_owned(),
        expires_ms: None,
        limits: None,
    })
}

pub(crate) fn faulted(message: &str) -> Event {
    Event::Faulted { subject: subject("default", ""), code: "E-FAULT-TRAP".to_owned(), message: message.to_owned(), count: 1 }
}

pub(crate) fn declined(subject: Subject) -> Event {
    Event::Declined { subject, by: "ana".to_owned(), reason: String::new() }
}

pub(crate) fn revoked(subject: Subject) -> Event {
    Event::Revoked { subject, by: "ana".to_owned(), reason: "no longer".to_owned() }
}

pub(crate) fn removed(subject: Subject) -> Event {
    Event::Removed { subject, by: "ana".to_owned() }
}

/// Enabled, with a configuration that says so.
pub(crate) fn enabled(subject: Subject, text: &str) -> Event {
    Event::Enabled { subject, by: "ana".to_owned(), settings: settings(text) }
}

pub(crate) fn disabled(subject: Subject, text: &str) -> Event {
    Event::Disabled { subject, by: "ana".to_owned(), reason: "for now".to_owned(), settings: settings(text) }
}

fn settings(text: &str) -> Settings {
    let configuration = serde_json::json!({ "text": text }).as_object().unwrap().clone();
    Settings { configuration, weight: 3, ..Settings::default() }
}

/// A store in a folder of its own, which goes with it.
pub(crate) struct Temporary {
    store: Store,
    pub(crate) folder: TempDir,
}

impl Deref for Temporary {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

pub(crate) async fn temporary() -> Temporary {
    let folder = tempfile::tempdir().unwrap();
    Temporary { store: Store::open(folder.path()).await.unwrap(), folder }
}

/// A connection past all our code: what somebody with the folder and `sqlite3` has.
pub(crate) async fn raw(folder: &TempDir, name: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.path().join(name)).foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

pub(crate) async fn execute(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
