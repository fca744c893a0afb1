//! Manifests from any text: parsed or refused in words, never a panic, and what is parsed can be granted as asked.
//!
//! The seeds in `__fuzz__` are replayed first, each time.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::PATIENCE;
use bolero::TypeGenerator;
use plugwork_core::limits::MANIFEST_BYTES_MAX;
use plugwork_core::{Grants, Manifest, policy};
use serde_json::json;

fn judge(text: &str, accepted: &AtomicUsize) {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(!error.issues.is_empty() && error.to_string().len() > 20, "{text}");
            return;
        }
    };
    accepted.fetch_add(1, Ordering::Relaxed);
    assert!(text.len() <= MANIFEST_BYTES_MAX);
    let mut grants = Grants::all_asked(&manifest);
    if let Some(asked) = grants.get("filesystem").cloned() {
        let root = json!({ "root": "/srv" }).as_object().unwrap().clone();
        grants = grants.with("filesystem", asked.into_iter().chain(root).collect());
    }
    let effective = grants.narrowing(Some(&manifest)).unwrap_or_else(|issues| panic!("{text}\n{issues:?}"));
    for (capability, permission) in &manifest.permissions {
        policy::check_bounds(capability, &permission.bounds, policy::Side::Asked).unwrap();
        assert!(!permission.to_string().contains(['\n', '\u{1b}', '\u{202e}']), "{permission}");
        // The host's own part is never brought about by asking.
        let bounds = effective.get(capability).unwrap();
        let own = match capability.as_str() {
            "http" => bounds.get("networks"),
            "config" => bounds.get("values"),
            _ => None,
        };
        assert_eq!(own, None, "{text}");
    }
}

#[test]
fn any_text_is_a_manifest_or_refused() {
    let accepted = AtomicUsize::new(0);
    bolero::check!()
        .with_iterations(2000)
        .with_test_time(PATIENCE)
        .for_each(|bytes: &[u8]| judge(&String::from_utf8_lossy(bytes), &accepted));
    assert!(accepted.into_inner() >= 3, "the seeds among them must be accepted");
}

const LINES: [&str; 40] = [
    "[permissions.http]",
    "[permissions.filesystem]",
    "[permissions.keyvalue]",
    "[permissions.blob]",
    "[permissions.secrets]",
    "[permissions.events]",
    "[permissions.config]",
    "[permissions.own-thing]",
    "[permissions.Bad]",
    "[limits]",
    "hosts = ['*']",
    "hosts = ['a.example', '*.b.example:8080']",
    "hosts = ['a b']",
    "hosts = []",
    "methods = ['GET']",
    "methods = ['TRACE']",
    "networks = ['10.0.0.0/8']",
    "redirects = true",
    "concurrency = 0",
    "bytes-per-minute = 1",
    "access = 'write'",
    "access = 'execute'",
    "root = '/'",
    "bytes = 5",
    "bytes = -5",
    "bytes = 9223372036854775807",
    "files = 5",
    "stores = ['cache']",
    "containers = ['out']",
    "names = ['token']",
    "names = ['../token']",
    "reveal = true",
    "header = 'host'",
    "in = ['a/**']",
    "hops = 9",
    "keys = ['*']",
    "values = { a = 'b' }",
    "optional = true",
    "reason = \"\\u202e\\u001b[31m\"",
    "\"a\\nb\" = \"\\u202e\"",
];

#[derive(Debug, TypeGenerator)]
struct Lines(Vec<u8>, Option<String>);

#[test]
fn manifests_made_of_likely_lines_are_parsed_or_refused() {
    let accepted = AtomicUsize::new(0);
    bolero::check!().with_iterations(6000).with_test_time(PATIENCE).with_type::<Lines>().for_each(|Lines(lines, more)| {
        let mut text = "name = 'acme:reader'\nversion = '1.0.0'\n".to_owned();
        let mut section = [""; 1];
        for index in lines.iter().take(12) {
            let line = LINES[usize::from(*index) % LINES.len()];
            if line.starts_with('[') && section[0] == line {
                continue;
            }
            if line.starts_with('[') {
                section = [line];
            }
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(more.as_deref().unwrap_or_default());
        judge(&text, &accepted);
    });
    assert!(accepted.into_inner() > 5, "some must be accepted");
}
