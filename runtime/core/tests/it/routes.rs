//! The route table: what it refuses and which of several routes wins. That it answers as a slow matcher does is in `route_oracle.rs`.

use plugwork_core::route::{BadPath, Found, HostRule, Miss, PATH_BYTES_MAX, PATH_SEGMENTS_MAX, PathPattern, Route, RouteTable, is_method};

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
        ("/%2Fetc%2Fpasswd", BadPath::EmptySegment),
        ("/a%2F", BadPath::EmptySegment),
        ("/a%2F%2fb", BadPath::EmptySegment),
        ("/a\\b", BadPath::Backslash),
        ("/..%5c..%5Cx", BadPath::Backslash),
        ("/a%2fb%5C", BadPath::Backslash),
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

#[test]
fn a_host_that_is_shut_is_never_answered_by_the_routes_of_any_host() {
    let written: &[(&str, &[&str], &str)] =
        &[("a.example", &["GET"], "/login"), ("*.b.example", &[], "/login"), ("*", &[], "/{*rest}"), ("c.example", &[], "/login")];
    let routes: Vec<Route> = written.iter().map(|(host, methods, path)| route(host, methods, path)).collect();
    let table = RouteTable::new(&routes).unwrap().shut(&routes, |index| index < 2);
    assert_eq!((get(&table, "a.example", "/login"), get(&table, "x.b.example", "/login")), (Ok(0), Ok(1)));
    for host in ["a.example", "x.b.example", "y.x.b.example"] {
        assert_eq!(get(&table, host, "/other"), Err(Miss::NotFound), "{host}");
    }
    assert_eq!(table.find("a.example", "POST", "/login").unwrap_err(), Miss::MethodNotAllowed(vec!["GET".to_owned(), "HEAD".to_owned()]));
    for host in ["b.example", "c.example", "d.example"] {
        assert_eq!(get(&table, host, "/other"), Ok(2), "{host}");
    }
}

#[test]
fn two_rules_overlap_where_one_host_is_named_by_both() {
    let rule = |text: &str| text.parse::<HostRule>().unwrap();
    for (one, other, overlap) in [
        ("a.example", "a.example", true),
        ("a.example", "b.example", false),
        ("a.example", "*.example", true),
        ("x.a.example", "*.example", true),
        ("example", "*.example", false),
        ("*.example", "*.a.example", true),
        ("*.b.example", "*.a.example", false),
        ("*.a.example", "*.aa.example", false),
        ("*", "a.example", false),
        ("*", "*", false),
    ] {
        assert_eq!((rule(one).overlaps(&rule(other)), rule(other).overlaps(&rule(one))), (overlap, overlap), "{one} {other}");
    }
}
