//! Every hint is a line of a grant, and with it the thing is allowed, or denied for another reason; where no grant could allow it there is none.

use plugwork_core::policy::{Access, Decision, Facts, decide};
use serde_json::{Map, Value, json};

fn denied(bounds: &Value, facts: &Facts<'_>) -> Option<(&'static str, String, String)> {
    match decide(bounds.as_object(), facts).unwrap() {
        Decision::Allow => None,
        Decision::Deny { code, rule, hint } => Some((code, rule, hint)),
    }
}

/// The bounds with the hinted line: lists grow by it, anything else is replaced.
fn with_hint(bounds: &Value, hint: &str) -> Value {
    let line: Map<String, Value> = toml::from_str(hint).unwrap_or_else(|error| panic!("`{hint}`: {error}"));
    let mut bounds = bounds.as_object().unwrap().clone();
    for (key, value) in line {
        match (bounds.get_mut(&key), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (_, value) => drop(bounds.insert(key, value)),
        }
    }
    Value::Object(bounds)
}

#[test]
fn a_hint_allows_what_was_denied() {
    let http = json!({"hosts": ["a.b"]});
    let store = json!({"stores": ["s"]});
    let container = json!({"containers": ["s"]});
    let secret = json!({"names": ["s"], "hosts": ["a.b"]});
    let seen = json!({"names": ["s"], "reveal": true});
    let events = json!({"in": ["a"], "out": ["a"], "hops": 1});
    let (get, read, write) = ("GET", Access::Read, Access::Write);
    let request = |method, url| Facts::Request { method, url };
    for (bounds, facts, code, hint) in [
        (&http, request("POST", "https://a.b/"), "E-CAP-HTTP-METHOD", "methods = [\"POST\"]"),
        (&http, request(get, "https://c.d/"), "E-CAP-HTTP-HOST", "hosts = [\"https://c.d\"]"),
        (&http, request(get, "http://c.d/"), "E-CAP-HTTP-HOST", "hosts = [\"http://c.d\"]"),
        (&http, request(get, "http://c.d:443/"), "E-CAP-HTTP-HOST", "hosts = [\"http://c.d:443\"]"),
        (&http, request(get, "https://c.d:81/"), "E-CAP-HTTP-HOST", "hosts = [\"https://c.d:81\"]"),
        (&http, request(get, "https://8.8.8.8/"), "E-CAP-HTTP-HOST", "hosts = [\"https://8.8.8.8\"]"),
        (&http, request(get, "https://[2606:4700::1]:81/"), "E-CAP-HTTP-HOST", "hosts = [\"https://[2606:4700::1]:81\"]"),
        (&http, Facts::Address("127.0.0.1".parse().unwrap()), "E-CAP-HTTP-ADDRESS", "networks = [\"127.0.0.1\"]"),
        (&http, Facts::Address("::ffff:127.0.0.1".parse().unwrap()), "E-CAP-HTTP-ADDRESS", "networks = [\"127.0.0.1\"]"),
        (&http, Facts::Address("::1".parse().unwrap()), "E-CAP-HTTP-ADDRESS", "networks = [\"::1\"]"),
        (&json!({"root": "/srv"}), Facts::Path { path: "a", access: write }, "E-CAP-FILESYSTEM-ACCESS", "access = \"write\""),
        (&store, Facts::Key { store: "t", key: "k", access: read }, "E-CAP-KV-STORE", "stores = [\"t\"]"),
        (&store, Facts::Key { store: "s", key: "k", access: write }, "E-CAP-KV-ACCESS", "access = \"write\""),
        (&container, Facts::Object { container: "t", name: "k", access: read }, "E-CAP-BLOB-CONTAINER", "containers = [\"t\"]"),
        (&container, Facts::Object { container: "s", name: "k", access: write }, "E-CAP-BLOB-ACCESS", "access = \"write\""),
        (&seen, Facts::Reveal { name: "t" }, "E-CAP-SECRETS-NAME", "names = [\"t\"]"),
        (&secret, Facts::Reveal { name: "s" }, "E-CAP-SECRETS-REVEAL", "reveal = true"),
        (&secret, Facts::Send { name: "s", header: "X-Key", url: "https://a.b/" }, "E-CAP-SECRETS-HEADER", "header = \"x-key\""),
        (
            &secret,
            Facts::Send { name: "s", header: "authorization", url: "https://c.d:81/" },
            "E-CAP-SECRETS-HOST",
            "hosts = [\"https://c.d:81\"]",
        ),
        (&events, Facts::Receive { topic: "b" }, "E-CAP-EVENTS-IN", "in = [\"b\"]"),
        (&events, Facts::Publish { topic: "b", hops: 0 }, "E-CAP-EVENTS-OUT", "out = [\"b\"]"),
        (&events, Facts::Publish { topic: "a", hops: 1 }, "E-CAP-EVENTS-HOPS", "hops = 2"),
        (&events, Facts::Publish { topic: "a", hops: 7 }, "E-CAP-EVENTS-HOPS", "hops = 8"),
        (&json!({"keys": ["a"]}), Facts::Setting { key: "b" }, "E-CAP-CONFIG-KEY", "keys = [\"b\"]"),
        (&json!({"variables": ["A"]}), Facts::Variable { name: "B" }, "E-CAP-ENVIRONMENT-VARIABLE", "variables = [\"B\"]"),
    ] {
        let (found, rule, told) = denied(bounds, &facts).unwrap_or_else(|| panic!("{facts:?} was allowed"));
        assert_eq!((found, told.as_str()), (code, hint), "{rule}");
        assert!(!rule.is_empty() && !rule.contains('\n'), "{rule}");
        let again = denied(&with_hint(bounds, &told), &facts);
        assert_eq!(again, None, "{facts:?} with `{told}`");
    }
}

#[test]
fn there_is_no_hint_where_no_grant_could_allow_it() {
    let http = json!({"hosts": ["a.b"]});
    let long = "x".repeat(100);
    for (bounds, facts) in [
        (&http, Facts::Request { method: "TRACE", url: "https://a.b/" }),
        (&http, Facts::Request { method: "G\"T", url: "https://a.b/" }),
        (&http, Facts::Request { method: "GET", url: "ftp://a.b/" }),
        (&http, Facts::Fields { fields: &[("host", b"x")], body_bytes: None }),
        (&json!({"root": "/srv"}), Facts::Path { path: "..", access: Access::Read }),
        (&json!({"root": "/srv"}), Facts::Path { path: "\n", access: Access::Read }),
        (&json!({"stores": ["s"]}), Facts::Key { store: "\"]", key: "k", access: Access::Read }),
        (&json!({"stores": ["s"]}), Facts::Key { store: &long, key: "k", access: Access::Read }),
        (&json!({"stores": ["s"]}), Facts::Key { store: "s", key: "", access: Access::Read }),
        (&json!({"containers": ["s"]}), Facts::Object { container: "*", name: "k", access: Access::Read }),
        (&json!({"containers": ["s"]}), Facts::Object { container: "s", name: "\n", access: Access::Read }),
        (&json!({"names": ["s"], "reveal": true}), Facts::Reveal { name: "../s" }),
        (&json!({"names": ["s"], "reveal": true}), Facts::Send { name: "s", header: "host", url: "https://a.b/" }),
        (&json!({"names": ["s"], "reveal": true}), Facts::Send { name: "s", header: "x y", url: "https://a.b/" }),
        (&json!({"keys": []}), Facts::Setting { key: "*" }),
        (&json!({"keys": []}), Facts::Setting { key: "a\"]\nhosts = [\"*" }),
        (&json!({"keys": []}), Facts::Setting { key: &long }),
        (&json!({"variables": []}), Facts::Variable { name: "*" }),
        (&json!({"variables": []}), Facts::Variable { name: "A=B" }),
        (&json!({}), Facts::Receive { topic: "A" }),
        (&json!({"out": ["a"]}), Facts::Publish { topic: "a", hops: 8 }),
    ] {
        let (_, rule, hint) = denied(bounds, &facts).unwrap_or_else(|| panic!("{facts:?} was allowed"));
        assert_eq!(hint, "", "{facts:?}");
        assert!(rule.len() > 10 && rule.len() < 200 && !rule.contains(['\n', '\u{1b}']), "{rule:?}");
    }
}

#[test]
fn what_was_not_granted_names_its_capability() {
    for facts in [Facts::Reveal { name: "s" }, Facts::Setting { key: "k" }, Facts::Path { path: "a", access: Access::Read }] {
        let Decision::Deny { code, hint, .. } = decide(None, &facts).unwrap() else { panic!("allowed") };
        assert_eq!((code, hint), ("E-CAP-NOT-GRANTED", format!("grants.{} = {{ … }}", facts.capability())));
    }
}
