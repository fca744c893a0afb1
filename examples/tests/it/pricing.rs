//! The shop of `hosts/pricing-host`, as a program: its demonstration, and a shop that serves until it is told to stop.
//!
//! Its parts have tests beside them, which run here: Cargo does not run an example's own. Easily got wrong: the program is built by `cargo test`
//! and not by `cargo test --test it`.

#[path = "../../hosts/pricing-host/catalogue.rs"]
#[allow(dead_code, reason = "the shop needs all of it")]
mod catalogue;
#[path = "../../hosts/pricing-host/client.rs"]
#[allow(dead_code, reason = "the shop needs all of it")]
mod client;
#[path = "../../hosts/pricing-host/http.rs"]
#[allow(dead_code, reason = "the shop needs all of it")]
mod http;
#[path = "../../hosts/pricing-host/point.rs"]
#[allow(dead_code, reason = "the shop needs all of it")]
mod point;
#[path = "../../hosts/pricing-host/rules.rs"]
#[allow(dead_code, reason = "the shop needs all of it")]
mod rules;
#[path = "../../hosts/pricing-host/shop.rs"]
#[allow(dead_code, reason = "the shop needs all of it")]
mod shop;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::repository;

fn program() -> Command {
    let tests = std::env::current_exe().unwrap();
    let host = tests.parent().and_then(|folder| folder.parent()).unwrap().join("examples/pricing-host");
    assert!(host.is_file(), "there is no `{}`: run `cargo test`, or `cargo build --example pricing-host` first", host.display());
    let mut command = Command::new(host);
    command.current_dir(repository());
    command
}

/// The number before these words.
fn number_before(text: &str, words: &str) -> u32 {
    let before = text.split_once(words).unwrap_or_else(|| panic!("no `{words}` in:\n{text}")).0;
    before
        .split_whitespace()
        .next_back()
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no number before `{words}` in:\n{text}"))
}

#[test]
fn a_shop_takes_over_a_version_while_it_serves_and_goes_back_from_a_broken_one() {
    let output = program().output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    // What the rules make of 364.39, first with 10 % off tea, then with 15 %.
    assert!(said.contains("60 tea-green and a kettle: 365.75\n") && said.contains("60 tea-green and a kettle: 348.82\n"), "{said}");
    for rule in ["plugwork:loyalty", "plugwork:campaign", "shop:volume", "shop:floor", "plugwork:regional-tax"] {
        assert!(said.contains(rule), "{rule}: {said}");
    }
    let (old, new) = (number_before(&said, " requests saw 1.0.0"), number_before(&said, " requests saw 1.1.0"));
    assert!(old >= 50 && new >= 50 && old + new == 200, "{said}");
    assert_eq!(number_before(&said, " requests were lost"), 0);
    assert!(said.contains("`plugwork:campaign` 1.2.0 was rolled back to 1.1.0: ") && said.contains(" calls failed "), "{said}");
}

/// A shop that serves; gone with the test, however that ends.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request over a connection of its own.
fn ask(server: &str, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    let length = body.len();
    write!(stream, "{request} HTTP/1.1\r\nhost: {server}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_shop_serves_until_it_is_told_to_stop_and_says_what_is_wrong_with_an_order() {
    let mut serving = Serving(program().arg("--serve").stdout(Stdio::piped()).spawn().unwrap());
    let mut said = String::new();
    let mut output = BufReader::new(serving.0.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    let server = said.strip_prefix("serving on ").and_then(|rest| rest.split_whitespace().next()).unwrap_or_else(|| panic!("{said}"));
    let order = |sku: &str, region: &str| {
        format!(r#"{{"customer": {{"name": "Ada", "region": "{region}"}}, "lines": [{{"sku": "{sku}", "quantity": 1}}]}}"#)
    };
    let priced = ask(server, "POST /quote", &order("kettle", "FR"));
    assert!(priced.starts_with("HTTP/1.1 200 ") && priced.contains(r#""total_cents":7799,"#), "{priced}");
    let plugins = ask(server, "GET /plugins", "");
    assert!(plugins.contains(r#""kind":"native""#) && plugins.contains(r#""kind":"component""#), "{plugins}");
    for (body, status, code) in [
        ("{".to_owned(), 400, "E-ORDER-JSON"),
        (order("car", "FR"), 422, "E-ORDER-INVALID"),
        // The tax is a rule of somebody else's, and no price can do without it.
        (order("kettle", "XX"), 422, "E-ORDER-REFUSED"),
        (" ".repeat(65_537), 413, "E-ORDER-BODY"),
    ] {
        let answer = ask(server, "POST /quote", &body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(&format!(r#""code":"{code}""#)), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    let told = Command::new("kill").args(["-INT", &serving.0.id().to_string()]).status().unwrap();
    assert!(told.success() && serving.0.wait().unwrap().success());
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(&format!("curl -s http://{server}/quote -d '{{")), "{rest}");
}
