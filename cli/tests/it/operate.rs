//! Operating a server that runs: `deploy`, `status`, `rollback`, `tail`, `token`. What the interface behind them promises is tested in `plugwork-edge`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::place::Place;
use crate::serve::{Served, application, place};

#[test]
fn without_a_server_each_verb_says_how_to_start_one() {
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    for verb in
        [&["deploy", "shop"][..], &["status"], &["rollback", "shop"], &["tail"], &["token", "list"], &["token", "issue", "usage:read"]]
    {
        place.run(verb).exits(5).complains(&["no server runs on the state folder", "hint: `plugwork serve` starts one"]);
    }
    // What a dead server left is no server.
    std::fs::create_dir_all(place.path("state")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(place.path("state/admin.sock")).unwrap());
    place.run(&["status"]).exits(5).complains(&["no server runs"]);
    place.run(&["status", "--ready"]).exits(5).complains(&["no server runs"]);
}

#[test]
fn what_watches_over_a_server_learns_by_the_exit_code_whether_it_is_ready() {
    let place = place();
    let served = Served::start(&place, &[]);
    let ran = place.run(&["status", "--ready"]).exits(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    place.run(&["status", "shop", "--ready"]).exits(2);
    served.stop();
    place.run(&["status", "--ready"]).exits(5);
}

#[test]
fn an_application_is_deployed_looked_at_and_rolled_back_while_it_is_served() {
    let place = place();
    let served = Served::start(&place, &[]);
    place.run(&["status"]).exits(0).complains(&["nothing is deployed", "hint: `plugwork deploy"]);
    place.run(&["rollback"]).exits(4).complains(&["nothing is deployed"]);
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    place.run(&["deploy", "shop", "--note", "the first"]).exits(0).complains(&["deployed `shop` as number 1: 1 plugin"]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    place.write("shop/plugwork.toml", application("/hi/{name}"));
    place.run(&["deploy", "shop", "--expect", "7"]).exits(1).complains(&["deployment 1 is current, not 7", "E-DEPLOY-CONFLICT"]);
    let deployed = place.run(&["deploy", "shop/plugwork.toml", "--expect", "1", "--json"]).exits(0).json();
    assert_eq!((&deployed["deployment"]["number"], &deployed["from"]), (&json!(2), &json!(1)));
    assert!(served.get("/hi/Ada").ends_with("hello, Ada\n") && served.get("/hello/Ada").starts_with("HTTP/1.1 404 "));

    place.run(&["status"]).exits(0).says(&["shop", "served", "deployed", "local"]);
    place.run(&["status", "shop"]).exits(0).says(&["/hi/{name}", "plugwork:hello-http", "active"]);
    place.run(&["status", "blog"]).exits(4).complains(&["E-DEPLOY-UNKNOWN"]);
    let deployments = place.run(&["status", "shop", "--deployments", "--json"]).exits(0).json();
    assert_eq!(deployments.as_array().unwrap().iter().map(|one| &one["number"]).collect::<Vec<_>>(), [2, 1]);
    place.run(&["status", "shop", "--deployments"]).exits(0).says(&["current", "the first"]);

    place.run(&["rollback"]).exits(0).complains(&["`shop` is back at deployment 1, from 2"]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    place.run(&["rollback", "shop", "1"]).exits(1).complains(&["E-DEPLOY-CURRENT"]);
    place.run(&["rollback", "shop", "9"]).exits(4).complains(&["E-DEPLOY-UNKNOWN"]);
    let back = place.run(&["rollback", "shop", "2", "--reason", "it was not so bad", "--json"]).exits(0).json();
    assert_eq!((&back["deployment"]["number"], &back["reason"]), (&json!(2), &json!("it was not so bad")));

    let wide = application("/hi/{name}") + "grants.http = { hosts = [\"*\"] }\n";
    place.write("shop/wide.toml", wide);
    place.run(&["deploy", "shop/wide.toml"]).exits(3).complains(&["plugin.hello", "nothing was changed", "E-DEPLOY-FINDINGS"]);
    place.write("shop/wrong.toml", "name = \"shop\"\n[[route]]\npath = \"no\"\nplugin = \"nobody\"\n");
    place.run(&["deploy", "shop/wrong.toml"]).exits(2).complains(&["route[0].path", "route[0].plugin"]);
    assert!(served.get("/hi/Ada").ends_with("hello, Ada\n"));
    served.stop();
    assert!(!place.path("state/admin.sock").exists());
    let served = Served::start(&place, &[]);
    assert!(served.get("/hi/Ada").ends_with("hello, Ada\n"), "what was current comes up again");
    served.stop();
    place.run(&["audit", "verify"]).exits(0);
}

#[test]
fn requests_are_followed_until_the_server_stops() {
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    let served = Served::start(&place, &["shop"]);
    let follow = |place: &Place, arguments: &[&str]| {
        let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        told.read_line(&mut said).unwrap();
        assert_eq!(said, "following requests\n");
        (child, told)
    };
    let (text, _text) = follow(&place, &["tail"]);
    let (missed, _missed) = follow(&place, &["tail", "--status", "4xx", "--json"]);
    served.get("/hello/Ada");
    served.get("/nothing");
    served.stop();
    let text = String::from_utf8(text.wait_with_output().unwrap().stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("  200  GET ") && lines[0].contains("shop/hello"), "{text}");
    assert!(lines[1].contains("  404  GET ") && lines[1].contains("E-HTTP-NOT-FOUND"), "{text}");
    let missed = String::from_utf8(missed.wait_with_output().unwrap().stdout).unwrap();
    let missed: Vec<serde_json::Value> = missed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(missed.iter().map(|line| (&line["kind"], &line["path"])).collect::<Vec<_>>(), [(&json!("request"), &json!("/nothing"))]);
    place.run(&["tail", "--status", "4x"]).exits(2);
}

#[test]
fn a_token_opens_the_port_for_what_it_is_for_until_it_is_revoked() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    let served = Served::start(&place, &["shop", "--admin", "127.0.0.1:0"]);
    let url = served.said.lines().find_map(|line| line.strip_prefix("operators with a token: ")).unwrap().to_owned();
    place.run(&["token", "list"]).exits(0).complains(&["there is no token"]);
    place.run(&["token", "issue", "deployments:read", "-o", "reader.token"]).exits(0).complains(&["its secret is told once"]);
    let mode = std::fs::metadata(place.path("reader.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let with = |verb: &[&str]| place.run(&[verb, &["--server", &url, "--token-file", "reader.token"]].concat());
    with(&["status"]).exits(0).says(&["shop", "served"]);
    with(&["deploy", "shop"]).exits(3).complains(&["may not do `deployments:write`", "E-AUTH-SCOPE"]);
    with(&["rollback", "shop"]).exits(3).complains(&["E-AUTH-SCOPE"]);
    with(&["tail"]).exits(3).complains(&["E-AUTH-SCOPE"]);
    with(&["token", "issue", "usage:read"]).exits(3).complains(&["E-AUTH-SCOPE"]);
    with(&["status", "--tenant", "acme"]).exits(3).complains(&["E-AUTH-TENANT"]);
    let secret = std::fs::read_to_string(place.path("reader.token")).unwrap();
    let listed = place.run(&["token", "list", "--json"]).exits(0);
    assert!(!listed.out.contains(secret.trim()));
    let id = listed.json()[0]["id"].as_str().unwrap().to_owned();
    place.run(&["token", "list"]).exits(0).says(&[&id, "deployments:read", "all applications", "local"]);
    place.run(&["token", "revoke", &id]).exits(0);
    place.run(&["token", "list"]).exits(0).says(&["revoked by local"]);
    with(&["status"]).exits(3).complains(&["E-AUTH-REVOKED"]);
    place.run(&["token", "revoke", "0011223344556677"]).exits(4);
    place.run(&["token", "revoke", "x"]).exits(2);
    place.run(&["token", "issue", "everything"]).exits(2).complains(&["deployments:read"]);
    place.run(&["status", "--server", &url]).exits(2).complains(&["--token-file"]);
    place.run(&["status", "--server", "http://192.0.2.1:9", "--token-file", "reader.token"]).exits(3).complains(&["unencrypted", "ssh -L"]);
    // Without a token nothing is shown by the port.
    place.write("empty.token", "");
    std::fs::set_permissions(place.path("empty.token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    place.run(&["status", "--server", &url, "--token-file", "empty.token"]).exits(2).complains(&["it holds no token"]);
    served.stop();
    let said = place.run(&["status", "--server", &url, "--token-file", "reader.token"]).exits(5);
    said.complains(&["no server answers"]);
}

#[test]
fn components_are_listed_and_removed_and_usage_is_asked_of_a_server_with_a_token() {
    let place = place();
    let served = Served::start(&place, &["--admin", "127.0.0.1:0"]);
    let url = served.said.lines().find_map(|line| line.strip_prefix("operators with a token: ")).unwrap().to_owned();
    place.run(&["components", "list"]).exits(0).complains(&["there is no component", "hint: `plugwork deploy`"]);
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    // For one application: what it deploys it may give, and no more.
    let issue = |actions: &[&str], file: &str| {
        place.run(&[&["token", "issue"], actions, &["-o", file]].concat()).exits(0);
    };
    issue(&["deployments:write", "deployments:read", "--application", "shop"], "shop.token");
    let with = |verb: &[&str], file: &str| place.run(&[verb, &["--server", &url, "--token-file", file]].concat());
    with(&["deploy", "shop"], "shop.token").exits(0).complains(&["deployed `shop` as number 1"]);
    with(&["components", "list"], "shop.token").exits(3).complains(&["E-AUTH-APPLICATION"]);
    let listed = place.run(&["components", "list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["named-by"], json!([{ "application": "shop", "deployments": 1, "latest": 1, "needed": true }]));
    let digest = listed[0]["digest"].as_str().unwrap();
    place.run(&["components", "list"]).exits(0).says(&[digest, "shop (1 deployment, the latest is 1)"]);
    for old in [&[][..], &["--old"]] {
        let ran = place.run(&[&["components", "remove", digest], old].concat()).exits(1);
        ran.complains(&["E-ADMIN-COMPONENT-USED", "shop: 1 of its deployments name it"]);
    }
    place.run(&["components", "remove", "sha256:12"]).exits(2);
    place.run(&["components", "remove", &format!("sha256:{}", "0".repeat(64))]).exits(4).complains(&["E-ADMIN-COMPONENT"]);

    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    served.stop();
    let served = Served::start(&place, &["--admin", "127.0.0.1:0"]);
    let url = served.said.lines().find_map(|line| line.strip_prefix("operators with a token: ")).unwrap().to_owned();
    issue(&["usage:read"], "usage.token");
    let ask =
        |more: &[&str]| place.run(&[&["usage", "--application", "shop", "--server", &url, "--token-file", "usage.token"], more].concat());
    let rows = ask(&["--json"]).exits(0).out;
    let requests = rows.lines().map(|line| line.parse::<serde_json::Value>().unwrap()["requests"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(requests, 1, "{rows}");
    ask(&[]).exits(0).says(&["shop", "hello"]);
    ask(&["--since", "30d", "--until", "20d"]).exits(0).complains(&["nothing was used"]);
    place.run(&["usage", "--server", &url, "--token-file", "shop.token"]).exits(3).complains(&["E-AUTH-APPLICATION"]);
    served.stop();
}
