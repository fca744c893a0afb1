//! What every source of secrets keeps to, and that no text of a secret is in anything but what was asked to show it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use plugwork::interfaces::secrets::{GrantedSecrets, HeldSecret, Secret, SecretSource};
use plugwork::interfaces::storage::StorageError;
use plugwork::{Capability, Subject};
use plugwork_capabilities::{EnvironmentSecrets, FileSecrets, Secrets};
use plugwork_core::policy::Target;
use serde_json::{Value, json};

use crate::{assert_invalid, denied, plugin, subject};

/// In every secret of these tests; in nothing else.
const CANARY: &str = "canary-1f0b7c";

/// A source that has one secret of this name and text for the tenant `default`, and none called `absent`.
struct Source {
    source: Arc<dyn SecretSource>,
    name: &'static str,
    text: &'static str,
}

impl Source {
    fn usable(&self) -> Value {
        json!({ "names": [self.name, "absent"], "hosts": ["api.example.com"] })
    }

    fn seen(&self) -> Value {
        json!({ "names": [self.name], "reveal": true })
    }

    #[track_caller]
    fn assert_silent(&self, text: &str) {
        assert!(!text.contains(self.text), "{text}");
    }
}

fn granted(source: &Source, subject: &Subject, bounds: Value) -> GrantedSecrets {
    GrantedSecrets::new(vec![source.source.clone()], subject, serde_json::from_value(bounds).unwrap())
}

fn target(url: &str) -> Target {
    Target::parse(url).unwrap()
}

async fn token(source: &Source, bounds: Value) -> HeldSecret {
    granted(source, &plugin(), bounds).get(source.name).await.unwrap()
}

#[track_caller]
fn assert_silent(text: &str) {
    assert!(!text.contains(CANARY), "{text}");
}

async fn a_granted_secret_stands_in_its_header_to_its_host(source: Source) {
    let held = token(&source, source.usable()).await;
    let (name, value) = held.header("Authorization", "Bearer ", &target("https://api.example.com/x")).unwrap();
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", format!("Bearer {}", source.text).as_str()));
    assert!(value.is_sensitive());
    source.assert_silent(&format!("{value:?} {held:?}"));
}

async fn a_name_that_is_not_granted_is_denied_whether_or_not_it_exists(source: Source) {
    let secrets = granted(&source, &plugin(), json!({ "names": ["other"], "hosts": ["*"] }));
    let there = denied(secrets.get(source.name).await, "E-CAP-SECRETS-NAME");
    assert_eq!(there.hint, "add to the plugin's `secrets` grant: names = [\"NAME\"]".replace("NAME", source.name));
    let absent = denied(secrets.get("absent").await, "E-CAP-SECRETS-NAME");
    assert_eq!(there.rule.replace(source.name, "absent"), absent.rule);
    for odd in ["", "*", "API-TOKEN", "../api-token", "api-token\0", "PATH", &"x".repeat(10_000)] {
        let denial = denied(secrets.get(odd).await, "E-CAP-SECRETS-NAME");
        assert!(denial.to_string().len() < 1_000);
    }
}

async fn a_granted_secret_that_the_host_does_not_have_is_unavailable(source: Source) {
    let error = granted(&source, &plugin(), source.usable()).get("absent").await.unwrap_err();
    assert_eq!(error, StorageError::Absent("secret `absent`".to_owned()));
}

async fn a_secret_is_seen_only_with_the_right_to_reveal(source: Source) {
    let denial = denied(token(&source, source.usable()).await.reveal(), "E-CAP-SECRETS-REVEAL");
    assert_eq!(denial.hint, "add to the plugin's `secrets` grant: reveal = true");
    source.assert_silent(&denial.to_string());
    let held = token(&source, source.seen()).await;
    assert_eq!(held.reveal().unwrap().expose(), source.text);
}

async fn a_secret_goes_nowhere_else(source: Source) {
    let held = token(&source, source.usable()).await;
    for url in [
        "https://evil.example/",
        "https://api.example.com.evil.example/",
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://127.0.0.1/",
        "https://api.example.com%2eevil.example/",
    ] {
        // What cannot be read goes nowhere either.
        let Ok(target) = Target::parse(url) else { continue };
        let denial = denied(held.header("authorization", "", &target), "E-CAP-SECRETS-HOST");
        assert!(denial.hint.contains("hosts = ["), "{denial}");
        source.assert_silent(&denial.to_string());
    }
    for header in ["x-api-key", "cookie", "host", "", "authorization "] {
        let denial = denied(held.header(header, "", &target("https://api.example.com/")), "E-CAP-SECRETS-HEADER");
        source.assert_silent(&denial.to_string());
    }
    let reveal_only = token(&source, source.seen()).await;
    denied(reveal_only.header("authorization", "", &target("https://api.example.com/")), "E-CAP-SECRETS-HOST");
}

async fn a_prefix_cannot_make_a_second_header(source: Source) {
    let held = token(&source, source.usable()).await;
    for prefix in ["a\r\nx: ", "a\n", "\0", "\u{7f}"] {
        let error = held.header("authorization", prefix, &target("https://api.example.com/")).unwrap_err();
        source.assert_silent(&error.to_string());
        source.assert_silent(&format!("{error:?}"));
        assert_invalid::<()>(Err(error));
    }
}

async fn another_tenant_has_no_secret_of_this_one(source: Source) {
    let secrets = granted(&source, &subject("other", "", "test:plugin"), source.usable());
    assert!(matches!(secrets.get(source.name).await, Err(StorageError::Absent(_))));
}

/// Every claim, with one source.
macro_rules! contract {
    ($source:ident: $make:expr; $($claim:ident)*) => {
        mod $source {
            use super::*;
            $(
                #[tokio::test]
                async fn $claim() {
                    let (source, _keep) = $make;
                    super::$claim(source).await;
                }
            )*
        }
    };
}

macro_rules! every_claim {
    ($($source:ident: $make:expr;)*) => {
        $(contract! {
            $source: $make;
            a_granted_secret_stands_in_its_header_to_its_host
            a_name_that_is_not_granted_is_denied_whether_or_not_it_exists
            a_granted_secret_that_the_host_does_not_have_is_unavailable
            a_secret_is_seen_only_with_the_right_to_reveal
            a_secret_goes_nowhere_else
            a_prefix_cannot_make_a_second_header
            another_tenant_has_no_secret_of_this_one
        })*
    };
}

fn in_file(text: &str, mode: u32) -> (Source, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.toml");
    write(&path, text, mode);
    (Source { source: Arc::new(FileSecrets::at(path)), name: "api-token", text: CANARY }, folder)
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn in_environment() -> (Source, ()) {
    // A process with threads may not change its environment, so this is a variable that cargo sets for every test.
    let source = Arc::new(EnvironmentSecrets::new("CARGO_").unwrap());
    (Source { source, name: "pkg-name", text: env!("CARGO_PKG_NAME") }, ())
}

every_claim! {
    file: in_file(&format!("[default]\napi-token = \"{CANARY}\"\n[third]\nother = \"x\"\n"), 0o600);
    environment: in_environment();
}

#[tokio::test]
async fn a_plugins_own_secret_is_before_that_of_all() {
    let text = "[default]\napi-token = \"all\"\n[default.\"test:plugin\"]\napi-token = \"own\"\n";
    let (source, _folder) = in_file(text, 0o600);
    let reveal = source.seen();
    for (package, expected) in [("test:plugin", "own"), ("test:plugin-a", "all")] {
        let secrets = granted(&source, &subject("default", "", package), reveal.clone());
        assert_eq!(secrets.get("api-token").await.unwrap().reveal().unwrap().expose(), expected);
    }
}

#[tokio::test]
async fn a_changed_file_is_seen_by_the_next_get_and_not_by_a_held_secret() {
    let (source, folder) = in_file("[default]\napi-token = \"old\"\n", 0o600);
    let reveal = source.seen();
    let held = token(&source, reveal.clone()).await;
    write(&folder.path().join("secrets.toml"), "[default]\napi-token = \"new\"\n", 0o600);
    assert_eq!(held.reveal().unwrap().expose(), "old");
    assert_eq!(token(&source, reveal).await.reveal().unwrap().expose(), "new");
}

#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    for mode in [0o640, 0o604, 0o620, 0o660, 0o644] {
        let (source, _folder) = in_file(&format!("[default]\napi-token = \"{CANARY}\"\n"), mode);
        let error = granted(&source, &plugin(), source.usable()).get(source.name).await.unwrap_err().to_string();
        assert!(error.contains("others may read or change it") && error.contains("chmod 600"), "{error}");
        assert_silent(&error);
    }
}

#[tokio::test]
async fn no_error_of_a_file_repeats_what_stands_in_it() {
    let wrong = [
        format!("[default]\napi-token = {CANARY}\n"),
        format!("[default]\napi-token = \"{CANARY}\n"),
        format!("[default]\n\"{CANARY}\" \"{CANARY}\"\n"),
        format!("default = \"{CANARY}\"\n"),
        format!("[default]\napi-token = [\"{CANARY}\"]\n"),
        format!("[default]\napi-token = {{ {CANARY} = \"{CANARY}\" }}\n"),
        format!("[default]\napi-token = \"{}\"\n", CANARY.repeat(1_000)),
        "[default]\napi-token = \"\"\n".to_owned(),
        "x".repeat(300 << 10),
    ];
    for text in wrong {
        let (source, _folder) = in_file(&text, 0o600);
        let error = granted(&source, &plugin(), source.usable()).get(source.name).await.unwrap_err();
        assert!(matches!(error, StorageError::Unavailable(_)), "{error}");
        assert_silent(&format!("{error} {error:?}"));
    }
}

#[tokio::test]
async fn of_two_sources_the_first_that_has_it_counts() {
    let (first, _folder) = in_file("[default]\nother = \"x\"\n", 0o600);
    let (second, _folder) = in_file("[default]\nother = \"y\"\napi-token = \"z\"\n", 0o600);
    let bounds = json!({ "names": ["other", "api-token"], "reveal": true });
    let secrets = GrantedSecrets::new(vec![first.source, second.source], &plugin(), serde_json::from_value(bounds).unwrap());
    assert_eq!(secrets.get("other").await.unwrap().reveal().unwrap().expose(), "x");
    assert_eq!(secrets.get("api-token").await.unwrap().reveal().unwrap().expose(), "z");
}

#[test]
fn a_prefix_that_would_reach_any_variable_is_refused() {
    for prefix in ["", "_", "P", "path_", "A B_", "A=_", "\0_"] {
        assert!(EnvironmentSecrets::new(prefix).is_err(), "{prefix:?}");
    }
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let secret = Secret::new(CANARY.to_owned()).unwrap();
    assert_silent(&format!("{secret:?} {:?}", Some(&secret)));
    let issue = Secret::new(CANARY.repeat(1_000)).unwrap_err();
    assert_silent(&format!("{issue} {issue:?}"));
    let offered = Secrets::new(FileSecrets::at("/nowhere/secrets.toml"));
    assert_eq!((format!("{offered:?}").as_str(), offered.name()), ("Secrets(1 sources)", "secrets"));
}
