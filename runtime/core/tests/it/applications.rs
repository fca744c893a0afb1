//! `plugwork.toml` of an application: everything wrong with it is told at once, nothing unknown passes, and it has one spelling.

use bolero::TypeGenerator;
use plugwork_core::application::{
    APPLICATION_BYTES_MAX, Application, ClientRate, FINDINGS_MAX, PLUGIN_SECRETS_MAX, ROUTES_MAX, RouteLimits, SecretSource, Source,
};
use plugwork_core::deployment::{Split, SplitHeader};
use plugwork_core::limits::{CONFIG_DEPTH_MAX, OPTIONS_BYTES_MAX};
use plugwork_core::route::HostRule;
use plugwork_core::{Issue, Limits};
use serde_json::json;

use crate::PATIENCE;

const GOOD: &str = r#"
name = "quakes"            # a comment

[[route]]
path = "/"
plugin = "map"

[[route]]
host = "*.example.com"
path = "/api/{id}/{*rest}"
methods = ["POST", "GET"]
plugin = "api"
auth = "staff"
limits = { body-bytes = 65_536, deadline-ms = 250, client-rate = { requests = 100, window-seconds = 60 } }

[plugin.map]
source = "../plugins/map.wasm"

[plugin.api]
source = "acme:api"
grants.http = { methods = ["GET"], hosts = ["*.usgs.gov"] }
grants.engine = { reuse-calls = 100 }
grants.secrets = { names = ["feed-key"] }
config = { title = "earth", depth = [1, 2.5, { deep = true }] }
limits = { memory-bytes = 134_217_728, deadline-ms = 1_000 }
secrets.feed-key = { environment = "usgs" }
secrets.other = { file = "other" }

[split]
percent = 10
header = "x-canary"
value = "yes"
"#;

fn issues(text: &str) -> Vec<Issue> {
    Application::parse(text).map_or_else(|error| error.issues, |application| panic!("{text} parses to {application:?}"))
}

/// The places of what is wrong, in the order that they are told.
fn places(text: &str) -> Vec<String> {
    issues(text).into_iter().map(|issue| issue.at).collect()
}

/// An application that is right, but for what is added at its end.
fn with(text: &str) -> String {
    format!("name = 'a'\nroute = [{{ path = '/', plugin = 'p' }}]\n[plugin.p]\nsource = 'p.wasm'\n{text}")
}

/// The same with keys of its only route.
fn with_route(keys: &str) -> String {
    format!("name = 'a'\n[plugin.p]\nsource = 'p.wasm'\n[[route]]\npath = '/'\nplugin = 'p'\n{keys}")
}

#[test]
fn tells_everything_that_is_wrong_at_once() {
    let text = r#"
        name = "Not A Label"
        vesrion = 1
        [[route]]
        path = "/a//b"
        plugin = "nobody"
        method = ["GET"]
        [[route]]
        host = "Example.com:80"
        plugin = "p"
        methods = ["get", "GET", "GET", "CONNECT", 7]
        auth = "Staff"
        [route.limits]
        body-bytes = -1
        deadline-ms = 0
        deadline = 5
        client-rate = { requests = 0 }
        [[route]]
        path = "/x/{a}"
        plugin = "p"
        [[route]]
        path = "/x/{b}"
        plugin = "p"
        [plugin.P]
        source = "/etc/p.wasm"
        [plugin.p]
        grants.http = { hots = ["*"] }
        grants.random = 5
        config = 1979-05-27
        limits = { deadline-ms = 0, memory-byte = 1, instances = 100_001, requests = "x" }
        secrets.key = "s3cr3t"
        secrets.Key = { environment = "PATH" }
        [split]
        percent = 101
        value = "yes"
    "#;
    let found = issues(text);
    let mut places: Vec<&str> = found.iter().map(|issue| issue.at.as_str()).collect();
    places.sort_unstable();
    let mut expected = [
        "name",
        "vesrion",
        "route[0].path",
        "route[0].plugin",
        "route[0].method",
        "route[1].host",
        "route[1].path",
        "route[1].methods[0]",
        "route[1].methods[2]",
        "route[1].methods[3]",
        "route[1].methods[4]",
        "route[1].auth",
        "route[1].limits.body-bytes",
        "route[1].limits.deadline-ms",
        "route[1].limits.deadline",
        "route[1].limits.client-rate.requests",
        "route[1].limits.client-rate.window-seconds",
        "route[3]",
        "plugin.P",
        "plugin.P.source",
        "plugin.p.source",
        "plugin.p.grants.http.hots",
        "plugin.p.grants.random",
        "plugin.p.config",
        "plugin.p.limits.deadline-ms",
        "plugin.p.limits.memory-byte",
        "plugin.p.limits.instances",
        "plugin.p.limits.requests",
        "plugin.p.secrets.key",
        "plugin.p.secrets.Key",
        "plugin.p.secrets.Key",
        "split.percent",
        "split.value",
    ];
    expected.sort_unstable();
    assert_eq!(places, expected, "{found:#?}");
    assert!(!format!("{found:?}").contains("s3cr3t"), "a secret that was written by mistake is not shown");
    let conflict = found.iter().find(|issue| issue.at == "route[3]").unwrap();
    assert_eq!(conflict.what, "`route[2]` already answers the same requests");
}

#[test]
fn refuses_a_file_without_routes_or_of_another_shape() {
    assert_eq!(places(""), ["name", "route"]);
    assert_eq!(places("name = 'a'\nroute = []"), ["route"]);
    assert_eq!(places("name = 'a'\nroute = 5\nplugin = 5\nsplit = 5"), ["route", "plugin", "split"]);
    assert_eq!(places("name = 5\nroute = [5]\nplugin.p = 5"), ["name", "plugin.p", "route[0]"]);
    assert_eq!(places("name = 'a"), [""]);
    assert_eq!(places(&with("[split]")), ["split"]);
    assert_eq!(places(&with("[split]\npercent = 5\nheader = 'X'\nvalue = ''")), ["split.header", "split.value"]);
    let unknown = issues(&with_route("plguin = 'p'"));
    assert_eq!(unknown[0].expected, "one of `host`, `path`, `methods`, `plugin`, `auth`, `limits`");
}

#[test]
fn a_list_of_methods_of_another_type_is_never_any_method() {
    for methods in ["'GET'", "[]", "[1]", "{}", "true"] {
        assert!(places(&with_route(&format!("methods = {methods}"))).iter().all(|at| at.starts_with("route[0].methods")), "{methods}");
    }
}

#[test]
fn a_route_whose_methods_are_wrong_is_no_second_finding_beside_another() {
    let beside = "[[route]]\npath = '/'\nplugin = 'p'";
    for (methods, at) in [("'GET'", "route[0].methods"), ("['get']", "route[0].methods[0]")] {
        assert_eq!(places(&with_route(&format!("methods = {methods}\n{beside}"))), [at]);
    }
    assert_eq!(places(&with_route(&format!("methods = ['GET']\n{beside}\n{beside}"))), ["route[2]"]);
}

#[test]
fn a_source_is_a_relative_file_or_a_package() {
    for bad in
        ["", ".wasm", "a/.wasm/", "/a.wasm", "a.wat", "a\\\\b.wasm", "https://a/b.wasm", "c:a.wasm", "acme:", "Acme:x", "a\\u0000.wasm"]
    {
        let text = format!("name = 'a'\nroute = [{{ path = '/', plugin = 'p' }}]\n[plugin.p]\nsource = \"{bad}\"");
        assert_eq!(places(&text), ["plugin.p.source"], "{bad}");
    }
    let file = |text: &str| Source::File(text.to_owned());
    for (good, source) in
        [("../a/b.wasm", file("../a/b.wasm")), ("b.wasm", file("b.wasm")), ("a:b", Source::Package("a:b".parse().unwrap()))]
    {
        assert_eq!(good.parse(), Ok(source));
    }
}

#[test]
fn a_secret_says_where_from_and_a_grant_of_one_that_does_not_is_found() {
    for bad in [
        "'x'",
        "{}",
        "{ environment = 'PATH' }",
        "{ file = '/etc/passwd' }",
        "{ value = 'x' }",
        "{ file = 'a', environment = 'a' }",
        "[]",
        "7",
    ] {
        assert_eq!(places(&with(&format!("secrets.a = {bad}"))), ["plugin.p.secrets.a"], "{bad}");
    }
    assert_eq!(places(&with("grants.secrets = { names = ['a', 'b'] }\nsecrets.b = { file = 'b' }")), ["plugin.p.grants.secrets.names"]);
    let many = |count: usize| (0..count).map(|index| format!("secrets.s{index} = {{ file = 'a' }}\n")).collect::<String>();
    assert!(Application::parse(&with(&many(PLUGIN_SECRETS_MAX))).is_ok());
    assert_eq!(places(&with(&many(PLUGIN_SECRETS_MAX + 1))), ["plugin.p.secrets"]);
}

#[test]
fn grants_may_leave_out_what_the_manifest_says_and_nothing_else() {
    for good in ["{}", "{ methods = ['GET'] }", "{ hosts = ['a.example'], networks = ['10.0.0.0/8'] }"] {
        assert!(Application::parse(&with(&format!("grants.http = {good}"))).is_ok(), "{good}");
    }
    for (bad, at) in [
        ("http = { hosts = 'a' }", "http.hosts"),
        ("http = { hosts = ['a b'] }", "http.hosts"),
        ("http = { host = ['a'] }", "http.host"),
        ("http = []", "http"),
        ("engine = { profile = 'fast' }", "engine.profile"),
        ("keyvalue = { stores = ['a'], acces = 'read' }", "keyvalue.acces"),
        ("Http = {}", "Http"),
    ] {
        assert_eq!(places(&with(&format!("grants.{bad}"))), [format!("plugin.p.grants.{at}")], "{bad}");
    }
    // An application's own capability has bounds that only its host knows.
    assert!(Application::parse(&with("grants.printer = { pages = 5 }")).is_ok());
}

#[test]
fn a_configuration_is_a_table_or_a_json_object_and_nothing_that_toml_lacks() {
    let config =
        |text: &str| Application::parse(&with(&format!("config = {text}"))).map(|application| application.plugins["p"].config.clone());
    assert_eq!(config("{ a = 1 }").unwrap(), config(r#"'{ "a": 1 }'"#).unwrap());
    for bad in ["5", "[]", "'[]'", "'{'", "'{\"a\": null}'", "{ a = nan }", "{ a = 1979-05-27 }", "'{\"a\": 18446744073709551615}'"] {
        assert!(config(bad).is_err(), "{bad}");
    }
    let filled = |bytes: usize| format!("{{ a = '{}' }}", "x".repeat(bytes - r#"{"a":""}"#.len()));
    assert!(config(&filled(OPTIONS_BYTES_MAX)).is_ok());
    assert!(config(&filled(OPTIONS_BYTES_MAX + 1)).is_err());
}

#[test]
fn a_configuration_is_at_most_as_deep_as_its_one_spelling_can_be_read() {
    for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
        let nested = |deep: usize| with(&format!("config = '{{\"a\":{}1{}}}'", open.repeat(deep), close.repeat(deep)));
        let application = Application::parse(&nested(CONFIG_DEPTH_MAX)).unwrap();
        assert_eq!(Application::parse(&application.canonical().unwrap()).unwrap(), application);
        assert_eq!(places(&nested(CONFIG_DEPTH_MAX + 1)), ["plugin.p.config"]);
        assert_eq!(places(&nested(100)), ["plugin.p.config"]);
    }
}

#[test]
fn a_file_may_be_as_long_as_its_limit_have_as_many_routes_and_tell_as_many_findings() {
    let filled = |bytes: usize| format!("{GOOD}#{}", " ".repeat(bytes - GOOD.len() - 1));
    assert!(Application::parse(&filled(APPLICATION_BYTES_MAX)).is_ok());
    assert!(Application::parse(&filled(APPLICATION_BYTES_MAX + 1)).is_err());
    let routes = |count: usize| {
        let routes: String = (0..count).map(|index| format!("[[route]]\npath = '/{index}'\nplugin = 'p'\n")).collect();
        format!("name = 'a'\n{routes}[plugin.p]\nsource = 'p.wasm'")
    };
    assert_eq!(Application::parse(&routes(ROUTES_MAX)).unwrap().table().unwrap().len(), ROUTES_MAX);
    assert_eq!(places(&routes(ROUTES_MAX + 1)), ["route"]);
    let unknown: String = (0..FINDINGS_MAX + 5).map(|index| format!("x{index} = 1\n")).collect();
    let found = issues(&format!("{unknown}{}", with("")));
    assert_eq!((found.len(), found.last().unwrap().what.as_str()), (FINDINGS_MAX + 1, "5 more findings"));
}

#[test]
fn reads_what_is_written() {
    let application = Application::parse(GOOD).unwrap();
    assert_eq!((application.name.as_str(), application.routes.len(), application.plugins.len()), ("quakes", 2, 2));
    let (first, second) = (&application.routes[0], &application.routes[1]);
    assert_eq!(
        (&first.route.host, first.route.methods.len(), first.limits, &first.auth),
        (&HostRule::Any, 0, RouteLimits::default(), &None)
    );
    assert_eq!(
        (second.route.host.to_string().as_str(), second.plugin.as_str(), second.auth.as_deref()),
        ("*.example.com", "api", Some("staff"))
    );
    let rate = ClientRate { requests: 100, window_seconds: 60 };
    assert_eq!(second.limits, RouteLimits { body_bytes: Some(65_536), deadline_ms: Some(250), client_rate: Some(rate) });
    let api = &application.plugins["api"];
    assert_eq!(api.grants.get("http").unwrap()["hosts"], json!(["*.usgs.gov"]));
    assert_eq!(serde_json::to_value(&api.config).unwrap(), json!({"title": "earth", "depth": [1, 2.5, {"deep": true}]}));
    assert_eq!(api.limits, Limits { memory_bytes: 128 << 20, ..Limits::interactive() });
    assert_eq!(api.secrets["feed-key"], SecretSource::Environment("usgs".to_owned()));
    assert_eq!(application.plugins["map"].limits, Limits::interactive());
    let header = Some(SplitHeader { name: "x-canary".to_owned(), value: Some("yes".to_owned()) });
    assert_eq!(application.split, Some(Split { percent: 10, header }));
    let table = application.table().unwrap();
    let found = table.find("www.example.com", "HEAD", "/api/7/x/y").unwrap();
    assert_eq!((found.route, found.parameters), (1, vec![("id", "7".to_owned()), ("rest", "x/y".to_owned())]));
}

#[test]
fn the_example_in_the_book_is_an_application() {
    let page = include_str!("../../../../docs/applications.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let application = Application::parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((application.name.as_str(), application.routes.len(), application.split.is_some()), ("quakes", 1, true));
}

#[test]
fn has_one_spelling_that_means_the_same() {
    let application = Application::parse(GOOD).unwrap();
    let canonical = application.canonical().unwrap();
    let again = Application::parse(&canonical).unwrap_or_else(|error| panic!("{error}\n{canonical}"));
    assert_eq!((&again, again.canonical().unwrap()), (&application, canonical.clone()));
    assert!(!canonical.contains("comment") && !canonical.contains("1000"), "{canonical}");
    // Other orders and writings of the same.
    let other = GOOD
        .replace("[\"POST\", \"GET\"]", "[\"GET\", \"POST\"]")
        .replace("{ methods = [\"GET\"], hosts = [\"*.usgs.gov\"] }", "{ hosts = [\"*.usgs.gov\"], methods = [\"GET\"] }");
    assert_ne!(other, GOOD);
    assert_eq!(Application::parse(&other).unwrap().canonical().unwrap(), canonical);
}

#[derive(Debug, TypeGenerator)]
struct Edit(u16, u8, u8);

#[test]
fn whatever_is_done_to_the_text_it_is_refused_or_has_one_spelling() {
    const WORDS: [&str; 14] = ["\n", "=", "[", "]", "{", "}", "'", "\"", "plugin.x.", "[[route]]\n", "-1", "nan", "\u{202e}", "1979-05-27"];
    bolero::check!().with_type::<[Edit; 3]>().with_iterations(4_000).with_test_time(PATIENCE).for_each(|edits| {
        let mut text = GOOD.to_owned();
        for Edit(at, word, cut) in edits {
            let at = usize::from(*at) % text.len();
            let end = (at + usize::from(*cut % 8)).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, WORDS[usize::from(*word) % WORDS.len()]);
            }
        }
        match Application::parse(&text) {
            Ok(application) => {
                let canonical = application.canonical().unwrap();
                assert_eq!(Application::parse(&canonical).as_ref(), Ok(&application), "{canonical}");
            }
            Err(error) => assert!(!error.issues.is_empty()),
        }
    });
}
