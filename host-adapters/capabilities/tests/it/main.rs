//! Contracts of the back ends: each function here is one claim, run with every back end of its kind, beside the same call without permission.
//!
//! Guests are in the workspace's own tests; here the calls are those that the guests' interfaces make.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blob_contract;
mod keyvalue_contract;
mod secrets_contract;

use plugwork::Subject;
use plugwork::interfaces::storage::StorageError;
use plugwork_core::{Denial, Digest};

/// A plugin of a tenant.
fn subject(tenant: &str, instance: &str, package: &str) -> Subject {
    Subject {
        tenant: tenant.to_owned(),
        instance: instance.to_owned(),
        package: package.parse().unwrap(),
        digest: Digest::of(package.as_bytes()),
    }
}

/// The plugin of most tests.
fn plugin() -> Subject {
    subject("default", "", "test:plugin")
}

/// The denial behind an error, which names the plugin.
#[track_caller]
fn denied<T>(answer: Result<T, StorageError>, code: &str) -> Denial {
    match answer {
        Err(StorageError::Denied(denial)) => {
            assert_eq!(denial.code, code, "{denial}");
            assert!(denial.rule.contains("test:plugin"), "{denial}");
            denial
        }
        Err(other) => panic!("not a denial: {other}"),
        Ok(_) => panic!("it was allowed"),
    }
}

/// Whether the answer is that what was given is wrong.
#[track_caller]
fn assert_invalid<T>(answer: Result<T, StorageError>) {
    match answer {
        Err(StorageError::Invalid(_)) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was accepted"),
    }
}

/// Texts that are names like any other: nothing in them may mean anything to a back end.
const ODD_NAMES: [&str; 16] = [
    "../x",
    "..",
    ".",
    "/",
    "/etc/passwd",
    "a/b/c",
    "a\\b",
    "%2e%2e%2f",
    "'; DROP TABLE entry; --",
    "*",
    "?",
    " ",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{1f980}",
    "staging",
];

/// Texts that are no names.
fn refused_names() -> Vec<String> {
    vec![String::new(), "a\0b".to_owned(), "a\nb".to_owned(), "\u{7f}".to_owned(), "\u{85}".to_owned(), "x".repeat(1025)]
}
