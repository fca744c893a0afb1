//! From a table `[auth.NAME]` to a check: every key of it, its bounds, and which go together.
//!
//! Easily got wrong: a secret and public keys never stand in one check. Where both could count, whoever knows a public key could sign with it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use plugwork_core::Issue;
use serde::Deserialize;
use serde_json::Value;

use super::Check;
use super::fetch::{FromAddress, SET_BYTES_MAX};
use super::jwks::Jwks;
use super::jwt::{Jwt, Source};
use super::key::{Algorithm, KEYS_MAX, Key, Keys, SECRET_BYTES, written};
use super::token::Wanted;
use crate::finding::issue;

const LEEWAY_SECONDS_MAX: u64 = 300;
const STALE_SECONDS_MAX: u64 = 86_400;
const TEXT_BYTES_MAX: usize = 2_048;
const LIST_MAX: usize = 32;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Declared {
    #[serde(default)]
    kind: Option<String>,
    issuer: String,
    audience: OneOrMany,
    #[serde(default)]
    algorithms: Option<Vec<String>>,
    #[serde(default)]
    jwks_url: Option<String>,
    #[serde(default)]
    jwks_file: Option<PathBuf>,
    #[serde(default)]
    keys: Option<Vec<Value>>,
    #[serde(default)]
    secret_file: Option<PathBuf>,
    #[serde(default)]
    networks: Vec<String>,
    #[serde(default)]
    stale_seconds: Option<u64>,
    #[serde(default = "leeway_seconds")]
    leeway_seconds: u64,
    #[serde(default)]
    required_scopes: Vec<String>,
    #[serde(default)]
    claims: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn leeway_seconds() -> u64 {
    60
}

/// Makes the check.
pub(super) fn check(at: &str, table: &toml::Table, folder: &Path) -> Result<Check, Vec<Issue>> {
    let declared: Declared = table.clone().try_into().map_err(|error: toml::de::Error| vec![issue(at, error.message(), "")])?;
    let mut findings = Findings { at, issues: Vec::new() };
    if let Some(kind) = declared.kind.as_ref().filter(|kind| *kind != "jwt") {
        findings.add("kind", format!("`{}`", kind.escape_debug()), "`jwt`, or nothing");
    }
    let algorithms = algorithms(&declared, &mut findings);
    let source = source(&declared, folder, &mut findings);
    findings.more_than("leeway-seconds", declared.leeway_seconds, LEEWAY_SECONDS_MAX);
    findings.more_than("stale-seconds", declared.stale_seconds.unwrap_or(0), STALE_SECONDS_MAX);
    if declared.jwks_url.is_none() && (declared.stale_seconds.is_some() || !declared.networks.is_empty()) {
        findings.add("jwks-url", "there is none", "`stale-seconds` and `networks` only beside it");
    }
    let audiences = match declared.audience {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    };
    findings.texts("issuer", std::slice::from_ref(&declared.issuer), |_| true);
    findings.texts("audience", &audiences, |_| true);
    if audiences.is_empty() {
        findings.add("audience", "there is none", "at least one");
    }
    // What stands in a header between quotes (RFC 6749, section 3.3).
    findings.texts("required-scopes", &declared.required_scopes, |scope| {
        scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    });
    findings.texts("claims", &declared.claims, |_| true);
    let (Some(algorithms), Some(source), true) = (algorithms, source, findings.issues.is_empty()) else { return Err(findings.issues) };
    // What is in a file may have changed: it is read each time.
    let keeps = matches!(source, Source::Fetched(_)).then(|| table.clone());
    let Declared { issuer, leeway_seconds, required_scopes: scopes, claims, .. } = declared;
    let wanted = Wanted { issuer, audiences, algorithms, leeway_seconds, scopes, claims };
    Ok(Check { check: Arc::new(Jwt { wanted, source }), keeps })
}

struct Findings<'a> {
    at: &'a str,
    issues: Vec<Issue>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, what: impl Into<String>, expected: impl Into<String>) {
        self.issues.push(issue(format!("{}.{key}", self.at), what, expected));
    }

    fn more_than(&mut self, key: &str, number: u64, max: u64) {
        if number > max {
            self.add(key, number.to_string(), format!("at most {max}"));
        }
    }

    fn texts(&mut self, key: &str, texts: &[String], is_fine: impl Fn(&str) -> bool) {
        if texts.len() > LIST_MAX {
            self.add(key, format!("{} of them", texts.len()), format!("at most {LIST_MAX}"));
        }
        let is_wrong =
            |text: &&String| text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) || !is_fine(text);
        if let Some(wrong) = texts.iter().find(is_wrong) {
            let shown: String = wrong.chars().take(80).collect();
            self.add(key, format!("`{}`", shown.escape_debug()), format!("1 to {TEXT_BYTES_MAX} bytes of text"));
        }
    }
}

fn algorithms(declared: &Declared, findings: &mut Findings<'_>) -> Option<Vec<Algorithm>> {
    let has_secret = declared.secret_file.is_some();
    let Some(named) = &declared.algorithms else {
        let public = vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
        return Some(if has_secret { vec![Algorithm::Hs256] } else { public });
    };
    let mut algorithms = Vec::new();
    for name in named {
        match name.parse::<Algorithm>() {
            Ok(algorithm) if (algorithm == Algorithm::Hs256) == has_secret => algorithms.push(algorithm),
            Ok(Algorithm::Hs256) => {
                findings.add("algorithms", "`HS256` is for a secret", "with `secret-file`, and with no other source of keys")
            }
            Ok(_) => findings.add("algorithms", format!("`{name}` is for public keys"), "only `HS256` beside `secret-file`"),
            Err(()) => findings.add("algorithms", format!("`{}`", name.escape_debug()), format!("some of {}", Algorithm::KNOWN)),
        }
    }
    if named.is_empty() {
        findings.add("algorithms", "there is none", format!("some of {}", Algorithm::KNOWN));
    }
    (algorithms.len() == named.len() && !named.is_empty()).then_some(algorithms)
}

fn source(declared: &Declared, folder: &Path, findings: &mut Findings<'_>) -> Option<Source> {
    let Declared { jwks_url, jwks_file, keys, secret_file, networks, stale_seconds, .. } = declared;
    match (jwks_url, jwks_file, keys, secret_file) {
        (Some(url), None, None, None) => match FromAddress::new(url, networks) {
            Ok(fetch) => {
                let began = Instant::now();
                let clock = Arc::new(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
                let stale_ms = stale_seconds.unwrap_or(3_600).min(STALE_SECONDS_MAX) * 1_000;
                Some(Source::Fetched(Jwks::new(Box::new(fetch), clock, stale_ms)))
            }
            Err(Issue { what, at, expected }) => {
                findings.add(&at, what, expected);
                None
            }
        },
        (None, Some(file), None, None) => {
            let keys = read(&folder.join(file), SET_BYTES_MAX, 0).and_then(|bytes| written(&bytes));
            match keys {
                Ok(keys) => fixed("jwks-file", &keys, findings),
                Err(what) => {
                    findings.add("jwks-file", what, "a file of JSON with a list `keys`");
                    None
                }
            }
        }
        (None, None, Some(keys), None) => fixed("keys", keys, findings),
        (None, None, None, Some(file)) => {
            let bytes = read(&folder.join(file), *SECRET_BYTES.end() + 2, 0o027);
            let secret = bytes.map(|bytes| bytes.trim_ascii_end().to_vec());
            match secret {
                Ok(secret) if SECRET_BYTES.contains(&secret.len()) => Some(Source::Fixed(Arc::new(Keys::new(vec![Key::secret(&secret)])))),
                Ok(secret) => {
                    let expected = format!("{} to {} bytes that nobody can guess", SECRET_BYTES.start(), SECRET_BYTES.end());
                    findings.add("secret-file", format!("the secret has {} bytes", secret.len()), expected);
                    None
                }
                Err(what) => {
                    findings.add("secret-file", what, "");
                    None
                }
            }
        }
        _ => {
            let issue = issue(findings.at, "keys come from one place", "one of `jwks-url`, `jwks-file`, `keys` and `secret-file`");
            findings.issues.push(issue);
            None
        }
    }
}

/// Keys that somebody wrote down for this server: what is wrong with one is told, and what is not for signatures left out.
fn fixed(at: &str, written: &[Value], findings: &mut Findings<'_>) -> Option<Source> {
    let before = findings.issues.len();
    if written.len() > KEYS_MAX {
        findings.add(at, format!("{} keys", written.len()), format!("at most {KEYS_MAX}"));
    }
    let mut keys = Vec::new();
    for (index, jwk) in written.iter().enumerate().take(KEYS_MAX) {
        match jwk.as_object().map_or(Err("it is no table"), Key::public) {
            Ok(key) => keys.extend(key),
            Err(what) => findings.add(&format!("{at}[{index}]"), what, "a public key as a JSON Web Key"),
        }
    }
    if keys.is_empty() && findings.issues.len() == before {
        findings.add(at, "there is no key that verifies signatures", "a public key of kind `RSA`, `EC` (P-256, P-384) or `OKP` (Ed25519)");
    }
    (findings.issues.len() == before).then(|| Source::Fixed(Arc::new(Keys::new(keys))))
}

/// `closed`: permissions that the file may not give.
fn read(path: &Path, bytes_max: usize, closed: u32) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    // Of the file that is open, not of the one that has its name by now.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("`{}` is no file", path.display()));
    }
    if metadata.mode() & closed != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(format!("`{}` may be used by others (its mode is {mode:04o}): 0600, or 0640 with a group of its own", path.display()));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max { Err(format!("`{}` has more than {bytes_max} bytes", path.display())) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::super::Checks;
    use super::super::signing::Signer;

    const GOOD: &str = "issuer = \"https://id.example\"\naudience = \"shop\"\n";

    /// The findings of `[auth.staff]` with this text, `|` between them.
    fn findings(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::write(folder.path().join("open"), "0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::set_permissions(folder.path().join("open"), Permissions::from_mode(0o644)).unwrap();
        std::fs::write(folder.path().join("short"), "0123456789abcdef0123456789abcde\n").unwrap();
        std::fs::write(folder.path().join("keys"), format!(r#"{{"keys":[{}]}}"#, Signer::rsa("c").jwk())).unwrap();
        std::fs::write(folder.path().join("none"), r#"{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"RSA","use":"enc"}]}"#).unwrap();
        std::fs::write(folder.path().join("html"), "<html>").unwrap();
        for file in ["secret", "short"] {
            std::fs::set_permissions(folder.path().join(file), Permissions::from_mode(0o600)).unwrap();
        }
        let table: BTreeMap<String, toml::Table> = toml::from_str(&format!("[staff]\n{text}")).unwrap();
        let read = Checks::read(&table, folder.path(), &Checks::default());
        let issues = read.err().unwrap_or_default();
        issues.iter().map(|issue| format!("{}: {}", issue.at, issue.what)).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn each_source_of_keys_alone_makes_a_check() {
        for source in [
            "jwks-url = \"https://id.example/keys\"\nstale-seconds = 0\nnetworks = [\"10.0.0.0/8\"]",
            "jwks-url = \"http://127.0.0.1:1/keys\"",
            "jwks-file = \"keys\"\nkind = \"jwt\"\nalgorithms = [\"PS512\"]",
            "secret-file = \"secret\"",
            "secret-file = \"secret\"\nalgorithms = [\"HS256\"]\nleeway-seconds = 300\nrequired-scopes = [\"read:all\"]",
            "keys = [{ kty = \"OKP\", crv = \"Ed25519\", x = \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\" }]",
        ] {
            assert_eq!(findings(&format!("{GOOD}{source}")), "", "{source}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        for (text, told) in [
            ("", "auth.staff: keys come from one place"),
            ("jwks-file = \"keys\"\nsecret-file = \"secret\"", "auth.staff: keys come from one place"),
            ("jwks-file = \"keys\"\njwks-url = \"https://id.example/\"", "auth.staff: keys come from one place"),
            ("jwks-file = \"keys\"\nalgorithms = [\"HS256\"]", "auth.staff.algorithms: `HS256` is for a secret"),
            ("secret-file = \"secret\"\nalgorithms = [\"HS256\", \"RS256\"]", "auth.staff.algorithms: `RS256` is for public keys"),
            ("jwks-file = \"keys\"\nalgorithms = [\"none\"]", "auth.staff.algorithms: `none`"),
            ("jwks-file = \"keys\"\nalgorithms = []", "auth.staff.algorithms: there is none"),
            ("secret-file = \"short\"", "auth.staff.secret-file: the secret has 31 bytes"),
            ("secret-file = \"open\"", "auth.staff.secret-file: `"),
            ("secret-file = \"/dev/zero\"", "auth.staff.secret-file: `/dev/zero` is no file"),
            ("secret-file = \"gone\"", "auth.staff.secret-file: cannot read"),
            ("jwks-file = \"none\"", "auth.staff.jwks-file: there is no key"),
            ("jwks-file = \"html\"", "auth.staff.jwks-file: it is no JSON"),
            ("keys = [{ kty = \"RSA\", n = \"AQAB\", e = \"AQAB\" }]", "auth.staff.keys[0]: `n`"),
            ("keys = [{ kty = \"OKP\", crv = \"Ed25519\", x = \"AAAA\", d = \"AAAA\" }]", "auth.staff.keys[0]: it is a private key"),
            ("keys = []", "auth.staff.keys: there is no key"),
            ("keys = [{ kty = \"EC\", crv = \"P-256\", x = \"AAAA\", y = \"AAAA\" }]", "auth.staff.keys[0]: `x` and `y`"),
            ("jwks-url = \"http://id.example/keys\"", "auth.staff.jwks-url: `http://id.example/keys` is not protected"),
            ("jwks-file = \"keys\"\nleeway-seconds = 301", "auth.staff.leeway-seconds: 301"),
            ("jwks-url = \"https://id.example/\"\nstale-seconds = 86401", "auth.staff.stale-seconds: 86401"),
            ("jwks-file = \"keys\"\nnetworks = [\"10.0.0.0/8\"]", "auth.staff.jwks-url: there is none"),
            ("jwks-file = \"keys\"\nrequired-scopes = [\"a b\"]", "auth.staff.required-scopes: `a b`"),
            ("jwks-file = \"keys\"\nkind = \"cookie\"", "auth.staff.kind: `cookie`"),
            ("jwks-file = \"keys\"\nverify = false", "auth.staff: unknown field `verify`"),
        ] {
            let found = findings(&format!("{GOOD}{text}"));
            assert!(found.starts_with(told) && !found.contains('|'), "{text}: {found}");
        }
        assert!(findings("issuer = \"a\"\njwks-file = \"keys\"").contains("missing field `audience`"));
        assert!(findings("audience = \"a\"\njwks-file = \"keys\"").contains("missing field `issuer`"));
        let many = findings("issuer = \"\"\naudience = []\njwks-file = \"gone\"\nleeway-seconds = 900");
        assert_eq!(many.split('|').count(), 4, "{many}");
    }

    #[test]
    fn a_check_that_fetches_goes_on_with_its_keys_where_it_is_configured_as_it_was() {
        let read = |text: &str, before: &Checks| {
            let table: BTreeMap<String, toml::Table> = toml::from_str(&format!("[staff]\n{GOOD}{text}")).unwrap();
            Checks::read(&table, std::path::Path::new(""), before).unwrap()
        };
        let is_same = |one: &Checks, other: &Checks| std::sync::Arc::ptr_eq(one.get("staff").unwrap(), other.get("staff").unwrap());
        let first = read("jwks-url = \"https://id.example/keys\"", &Checks::default());
        assert!(is_same(&first, &read("jwks-url = \"https://id.example/keys\"", &first)));
        assert!(!is_same(&first, &read("jwks-url = \"https://id.example/other\"", &first)));
        assert!(read("jwks-url = \"https://id.example/keys\"", &first).get("other").is_none());
    }
}
