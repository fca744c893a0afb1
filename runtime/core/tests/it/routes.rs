//! The route table: what it refuses, which of several routes wins, and the same answers as a slow matcher that tries every route.

use std::cmp::Reverse;

use bolero::TypeGenerator;
use plugwork_core::route::{BadPath, Found, HostRule, Miss, PATH_BYTES_MAX, PATH_SEGMENTS_MAX, PathPattern, Route, RouteTable, is_method};

use crate::PATIENCE;

fn route(host: &str, methods: &[&str], path: &str) -> Route {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    Route { host: host.parse().unwrap(), methods, path: path.parse().unwrap() }
}

fn table(routes: &[(&str, &[&str], &str)]) -> RouteTable {
    let routes: Vec<Route> = routes.iter().map(|(host, methods, path)| route(host, methods, path)).collect();
    RouteTable::new(&routes).unwrap()
}

fn get(table: &RouteTable, host: &str, path: &str) -> Result<usize, Miss> {
    table.find(host, "GET", path).map(|found| found.route)
}

#[test]
fn refuses_every_path_that_two_readers_could_take_for_different_ones() {
    let table = table(&[("*", &[], "/{*rest}")]);
    for (path, why) in [
        ("", BadPath::NotAbsolute),
        ("a", BadPath::NotAbsolute),
        ("http://example.com/", BadPath::NotAbsolute),
        ("*", BadPath::NotAbsolute),
        ("//", BadPath::EmptySegment),
        ("//a", BadPath::EmptySegment),
        ("/a//b", BadPath::EmptySegment),
        ("/a//", BadPath::EmptySegment),
        ("/.", BadPath::DotSegment),
        ("/..", BadPath::DotSegment),
        ("/a/../b", BadPath::DotSegment),
        ("/a/./b", BadPath::DotSegment),
        ("/a/%2e%2E/b", BadPath::DotSegment),
        ("/a/.%2e", BadPath::DotSegment),
        ("/a/%2e", BadPath::DotSegment),
        ("/..%2f..%2Fetc", BadPath::DotSegment),
        ("/a%2f.%2fb", BadPath::DotSegment),
        ("/a%2F..", BadPath::DotSegment),
        ("/%", BadPath::Percent),
        ("/%4", BadPath::Percent),
        ("/%4/1", BadPath::Percent),
        ("/%zz", BadPath::Percent),
        ("/%+1", BadPath::Percent),
        ("/%00", BadPath::Nul),
        ("/a\0", BadPath::Nul),
        ("/%ff", BadPath::Utf8),
        ("/%c0%ae", BadPath::Utf8),
        ("/%ed%a0%80", BadPath::Utf8),
        ("/a b", BadPath::Character),
        ("/a\n", BadPath::Character),
        ("/a\u{7f}", BadPath::Character),
        ("/a?b", BadPath::Character),
        ("/a#b", BadPath::Character),
    ] {
        assert_eq!(get(&table, "", path), Err(Miss::BadPath(why)), "{path:?}");
    }
    assert_eq!((Miss::BadPath(BadPath::Nul).status(), Miss::BadHost.status(), Miss::NotFound.status()), (400, 400, 404));
}

#[test]
fn a_path_may_be_as_long_and_as_deep_as_its_limits_and_no_more() {
    let table = table(&[("*", &[], "/{*rest}")]);
    assert_eq!(get(&table, "", &format!("/{}", "a".repeat(PATH_BYTES_MAX - 1))), Ok(0));
    assert_eq!(get(&table, "", &format!("/{}", "a".repeat(PATH_BYTES_MAX))), Err(Miss::BadPath(BadPath::TooLong)));
    assert_eq!(get(&table, "", &"/a".repeat(PATH_SEGMENTS_MAX)), Ok(0));
    assert_eq!(get(&table, "", &"/a".repeat(PATH_SEGMENTS_MAX + 1)), Err(Miss::BadPath(BadPath::TooDeep)));
}

#[test]
fn an_encoded_separator_never_separates() {
    let table = table(&[("*", &[], "/a/b"), ("*", &[], "/x/{one}"), ("*", &[], "/files/{*rest}")]);
    assert_eq!(get(&table, "", "/a%2fb"), Err(Miss::NotFound));
    assert_eq!(get(&table, "", "/x%2Fy"), Err(Miss::NotFound));
    assert_eq!(table.find("", "GET", "/x/y%2Fz").unwrap(), Found { route: 1, parameters: vec![("one", "y/z".to_owned())] });
    // In the value of a rest nobody could tell it from a separator.
    assert_eq!(get(&table, "", "/files/y%2Fz"), Err(Miss::NotFound));
    assert_eq!(table.find("", "GET", "/files/y/z%20%C3%A9").unwrap().parameters, [("rest", "y/z \u{e9}".to_owned())]);
    // Decoded once, not twice.
    assert_eq!(table.find("", "GET", "/x/%252e%252e").unwrap().parameters, [("one", "%2e%2e".to_owned())]);
}

#[test]
fn refuses_hosts_that_are_none_and_reads_one_host_in_all_its_spellings() {
    let table = table(&[("example.com", &[], "/"), ("*", &[], "/"), ("[::1]", &[], "/"), ("127.0.0.1", &[], "/")]);
    for bad in [
        "a b",
        "user@example.com",
        "example.com:80:80",
        "example.com:x",
        "example.com:99999",
        "example.com:-1",
        "[::1",
        "[::1]x",
        "::1",
        "[x]",
        "a..b",
        ".",
        "..",
        "-a",
        "a-",
        "example.com/",
        "\u{e9}.com",
        "a\0",
        ":80",
        "example.com..",
    ] {
        assert_eq!(get(&table, bad, "/"), Err(Miss::BadHost), "{bad:?}");
    }
    assert_eq!(get(&table, &"a".repeat(64), "/"), Err(Miss::BadHost));
    for good in ["example.com", "EXAMPLE.com", "example.com.", "example.com:8080", "Example.Com.:443", "example.com:"] {
        assert_eq!(get(&table, good, "/"), Ok(0), "{good}");
    }
    for (other, route) in [("", 1), ("example.org", 1), ("a.example.com", 1), ("[0:0::1]:80", 2), ("127.0.0.1:80", 3), ("[::2]", 1)] {
        assert_eq!(get(&table, other, "/"), Ok(route), "{other}");
    }
}

#[test]
fn refuses_host_rules_and_patterns_and_methods_that_are_none() {
    for bad in
        ["", "Example.com", "example.com:80", "https://a", "*.*", "*a", "a.*", "*.", "a..b", "*.10.0.0.1", "[::01]", "::1", "a b", "a/"]
    {
        assert!(bad.parse::<HostRule>().is_err(), "{bad}");
    }
    for bad in [
        "",
        "a",
        "//",
        "/a//b",
        "/.",
        "/a/..",
        "/{",
        "/}",
        "/{}",
        "/{*}",
        "/{a",
        "/a}",
        "/v{n}",
        "/{n}v",
        "/{a}/{a}",
        "/{a}/{*a}",
        "/{*a}/b",
        "/{*a}/",
        "/{1}",
        "/{a b}",
        "/{a.b}",
        "/%41",
        "/a?b",
        "/a#b",
        "/a\\b",
        "/a\nb",
        "/a\u{202e}b",
        "/a\0",
        "/*",
        "/{é}",
    ] {
        assert!(bad.parse::<PathPattern>().is_err(), "{bad:?}");
    }
    assert!(
        format!("/{}", "a".repeat(1_023)).parse::<PathPattern>().is_ok()
            && format!("/{}", "a".repeat(1_024)).parse::<PathPattern>().is_err()
    );
    assert!("/a".repeat(64).parse::<PathPattern>().is_ok() && "/a".repeat(65).parse::<PathPattern>().is_err());
    for good in ["/", "/a/", "/a/{id}/b", "/static/{*rest}", "/{*all}", "/{user_id}/{b-2}", "/a b/\u{e9}", "/.well-known/x", "/a..b"] {
        assert_eq!(good.parse::<PathPattern>().unwrap().to_string(), good);
    }
    for (method, good) in
        [("GET", true), ("M-SEARCH", true), ("get", false), ("", false), ("CONNECT", false), ("TRACE", false), ("A B", false)]
    {
        assert_eq!(is_method(method), good, "{method}");
    }
}

#[test]
fn two_routes_that_could_win_the_same_request_are_found_all_at_once() {
    let conflicts = |routes: &[(&str, &[&str], &str)]| {
        let routes: Vec<Route> = routes.iter().map(|(host, methods, path)| route(host, methods, path)).collect();
        RouteTable::new(&routes)
            .map_or_else(|conflicts| conflicts.into_iter().map(|one| (one.first, one.second, one.method)).collect(), |_| Vec::new())
    };
    assert_eq!(conflicts(&[("*", &[], "/a"), ("*", &[], "/a")]), [(0, 1, String::new())]);
    assert_eq!(conflicts(&[("*", &["GET", "POST"], "/{a}"), ("*", &["PUT", "POST"], "/{b}")]), [(0, 1, "POST".to_owned())]);
    // `GET` stands for `HEAD` too.
    assert_eq!(conflicts(&[("*", &["GET"], "/a"), ("*", &["HEAD"], "/a")]), [(0, 1, "HEAD".to_owned())]);
    assert_eq!(conflicts(&[("a.b", &[], "/{*x}"), ("*", &[], "/"), ("a.b", &[], "/{*y}"), ("*", &[], "/"), ("*", &[], "/")]).len(), 3);
    for apart in [
        [("*", &[] as &[&str], "/a"), ("*", &[] as &[&str], "/a/")],
        [("*", &[], "/{a}/b"), ("*", &[], "/a/{b}")],
        [("a.b", &[], "/"), ("*.b", &[], "/")],
        [("*", &["GET"], "/a"), ("*", &[], "/a")],
        [("*", &["GET"], "/a"), ("*", &["POST"], "/a")],
        [("*", &[], "/{a}"), ("*", &[], "/{*a}")],
    ] {
        assert_eq!(conflicts(&apart), [], "{apart:?}");
    }
}

#[test]
fn the_nearer_host_wins_then_the_nearer_segment_from_the_left_then_a_named_method() {
    let table = table(&[
        ("*", &[], "/{*rest}"),
        ("*", &[], "/a/{x}/c"),
        ("*", &[], "/{y}/b/c"),
        ("*", &["GET"], "/a/{x}/c"),
        ("*.example.com", &[], "/a/{z}/c"),
        ("*.www.example.com", &[], "/only"),
        ("www.example.com", &[], "/exact"),
        ("*", &["POST"], "/a/literal/c"),
        ("*", &[], "/a/"),
    ]);
    assert_eq!(get(&table, "", "/a/b/c"), Ok(3));
    assert_eq!(table.find("", "PUT", "/a/b/c").unwrap().route, 1);
    assert_eq!(get(&table, "", "/x/b/c"), Ok(2));
    // A dead end is left again, and a nearer route for another method does not stand in the way.
    assert_eq!(get(&table, "", "/a/b/d"), Ok(0));
    assert_eq!(get(&table, "", "/a/literal/c"), Ok(3));
    assert_eq!(table.find("", "POST", "/a/literal/c").unwrap().route, 7);
    assert_eq!(get(&table, "", "/a/"), Ok(8));
    assert_eq!(get(&table, "", "/a"), Ok(0));
    assert_eq!(get(&table, "", "/"), Ok(0));
    // What a nearer host does not answer, a further one does.
    assert_eq!(get(&table, "www.example.com", "/exact"), Ok(6));
    assert_eq!(get(&table, "www.example.com", "/a/b/c"), Ok(4));
    assert_eq!(get(&table, "x.www.example.com", "/only"), Ok(5));
    assert_eq!(get(&table, "x.www.example.com", "/a/b/c"), Ok(4));
    assert_eq!(get(&table, "example.com", "/a/b/c"), Ok(3));
}

#[test]
fn a_method_that_no_route_takes_is_told_with_all_that_one_does() {
    let table = table(&[("*", &["GET"], "/a"), ("*", &["PUT", "DELETE"], "/{x}"), ("a.b", &["PATCH"], "/a"), ("*", &["POST"], "/{x}/")]);
    let allow = |host, path| match table.find(host, "OPTIONS", path) {
        Err(Miss::MethodNotAllowed(methods)) => methods.join(","),
        other => panic!("{other:?}"),
    };
    assert_eq!(allow("", "/a"), "DELETE,GET,HEAD,PUT");
    assert_eq!(allow("a.b", "/a"), "DELETE,GET,HEAD,PATCH,PUT");
    assert_eq!(allow("", "/x"), "DELETE,PUT");
    assert_eq!(table.find("", "HEAD", "/a").unwrap().route, 0);
    assert_eq!(table.find("", "get", "/a"), Err(Miss::MethodNotAllowed(["DELETE", "GET", "HEAD", "PUT"].map(str::to_owned).to_vec())));
    assert_eq!(table.find("", "OPTIONS", "/x/y"), Err(Miss::NotFound));
}

// From here on: against the slow matcher.

const HOSTS: [&str; 6] = ["*", "a.b", "*.b", "*.a.b", "x.a.b", "b"];
const ASKED_HOSTS: [&str; 7] = ["", "a.b", "b", "x.a.b", "Y.x.A.b.", "c:80", "xa.b"];
const METHODS: [&[&str]; 5] = [&[], &["GET"], &["POST"], &["GET", "POST"], &["HEAD", "PUT"]];
const ASKED_METHODS: [&str; 4] = ["GET", "HEAD", "POST", "OPTIONS"];
const SEGMENTS: [&str; 6] = ["a", "b", "{p}", "{*r}", "", "c d"];
const ASKED_SEGMENTS: [&str; 12] = ["a", "b", "c%20d", "%61", "a%2Fb", "", "..", "%2e", "%zz", "\u{e9}", "%c3%a9", "a%2f..%2f"];

#[derive(Debug, TypeGenerator)]
struct Rule(u8, u8, [u8; 3], u8);

impl Rule {
    /// A route; none where the segments make no pattern.
    fn route(&self) -> Option<Route> {
        let picked: Vec<&str> = self.2.iter().take(usize::from(self.3 % 3) + 1).map(|&at| pick(&SEGMENTS, at)).collect();
        let mut path = String::new();
        for (index, segment) in picked.iter().enumerate() {
            // Names differ by place, so that no name stands twice.
            path += "/";
            path += &segment.replace('p', &format!("p{index}")).replace('r', &format!("r{index}"));
        }
        let methods = METHODS[usize::from(self.1) % METHODS.len()];
        Some(Route { path: path.parse().ok()?, ..route(pick(&HOSTS, self.0), methods, "/") })
    }
}

fn pick<'t>(of: &[&'t str], at: u8) -> &'t str {
    of[usize::from(at) % of.len()]
}

#[derive(Debug, TypeGenerator)]
struct Case {
    rules: [Rule; 6],
    host: u8,
    method: u8,
    path: [u8; 3],
    depth: u8,
}

/// One segment decoded, or the slow proof that it is none.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let raw = segment.as_bytes();
    let mut at = 0;
    while at < raw.len() {
        if raw[at] == b'%' {
            let digits = segment.get(at + 1..at + 3)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            bytes.push(raw[at]);
            at += 1;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.split('/').any(|step| step == "." || step == "..")).then_some(text)
}

/// The rank of each segment and the parameters, if the pattern matches.
fn slow_path(pattern: &str, path: &[(String, bool)]) -> Option<(Vec<u8>, Vec<String>)> {
    let pattern: Vec<&str> = pattern[1..].split('/').collect();
    let (mut ranks, mut values) = (Vec::new(), Vec::new());
    for (index, segment) in pattern.iter().enumerate() {
        if segment.starts_with("{*") {
            let rest = path.get(index..).filter(|rest| !rest.is_empty() && rest.iter().all(|(_, encoded)| !encoded))?;
            values.push(rest.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("/"));
            ranks.push(2);
            return Some((ranks, values));
        }
        let (text, _) = path.get(index)?;
        if segment.starts_with('{') {
            values.push((!text.is_empty()).then(|| text.clone())?);
            ranks.push(1);
        } else if segment == text {
            ranks.push(0);
        } else {
            return None;
        }
    }
    (pattern.len() == path.len()).then_some((ranks, values))
}

/// How near a host rule is, if it matches: smaller is nearer.
fn slow_host(rule: &str, host: &str) -> Option<(u8, Reverse<usize>)> {
    match rule.strip_prefix('*') {
        None => (rule == host).then_some((0, Reverse(0))),
        Some("") => Some((2, Reverse(0))),
        Some(ending) => host.ends_with(ending).then_some((1, Reverse(ending.len()))),
    }
}

type Slow = Result<(usize, Vec<String>), Miss>;

fn slow(routes: &[Route], host: &str, method: &str, path: &str) -> Slow {
    let host = host.to_lowercase();
    let host = host.split(':').next().unwrap().trim_end_matches('.');
    let mut segments = Vec::new();
    for segment in path[1..].split('/') {
        segments.push((decoded(segment).ok_or(Miss::BadPath(BadPath::Nul))?, segment.to_lowercase().contains("%2f")));
    }
    if path.contains("//") {
        return Err(Miss::BadPath(BadPath::Nul));
    }
    let mut best = None;
    let mut allow = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let Some(nearness) = slow_host(&route.host.to_string(), host) else { continue };
        let Some((ranks, values)) = slow_path(&route.path.to_string(), &segments) else { continue };
        let takes = |method: &str| route.methods.iter().any(|taken| taken == method || taken == "GET" && method == "HEAD");
        allow.extend(["DELETE", "GET", "HEAD", "POST", "PUT"].into_iter().filter(|method| takes(method)));
        if route.methods.is_empty() || takes(method) {
            let rank = (nearness, ranks, route.methods.is_empty());
            if best.as_ref().is_none_or(|(nearer, _)| rank < *nearer) {
                best = Some((rank, (index, values)));
            }
        }
    }
    allow.sort_unstable();
    allow.dedup();
    match best {
        Some((_, found)) => Ok(found),
        None if allow.is_empty() => Err(Miss::NotFound),
        None => Err(Miss::MethodNotAllowed(allow.into_iter().map(str::to_owned).collect())),
    }
}

#[test]
fn the_table_answers_as_a_matcher_that_tries_every_route() {
    bolero::check!().with_type::<Case>().with_iterations(60_000).with_max_len(64).with_test_time(PATIENCE).for_each(|case| {
        let mut routes: Vec<Route> = Vec::new();
        for route in case.rules.iter().filter_map(Rule::route) {
            routes.push(route);
            // A route in conflict with an earlier one is taken out again; that it is one, the other tests decide.
            if let Err(conflicts) = RouteTable::new(&routes) {
                assert!(conflicts.iter().all(|conflict| conflict.second + 1 == routes.len()));
                routes.pop();
            }
        }
        let table = RouteTable::new(&routes).unwrap();
        let depth = usize::from(case.depth % 3) + 1;
        let path: String = case.path.iter().take(depth).map(|&at| format!("/{}", pick(&ASKED_SEGMENTS, at))).collect();
        let (host, method) = (pick(&ASKED_HOSTS, case.host), pick(&ASKED_METHODS, case.method));
        let found = table.find(host, method, &path);
        let found: Slow = match found {
            Ok(found) => Ok((found.route, found.parameters.into_iter().map(|(_, value)| value).collect())),
            // Which of several faults is named first is not compared.
            Err(Miss::BadPath(_)) => Err(Miss::BadPath(BadPath::Nul)),
            Err(other) => Err(other),
        };
        assert_eq!(found, slow(&routes, host, method, &path), "{host} {method} {path} in {routes:?}");
    });
}
