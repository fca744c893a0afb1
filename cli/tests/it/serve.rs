//! `plugwork serve` over a real socket: what is deployed, what is told, how it stops and comes up again. What the server itself promises is tested
//! in `plugwork-edge`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::place::{Place, plugin};

const LISTENS: &str = "serving on http://";

/// A server that runs, with what it said until it listened.
struct Served {
    child: Child,
    said: String,
    address: String,
    told: BufReader<ChildStderr>,
}

impl Served {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(LISTENS) {
            assert!(told.read_line(&mut said).unwrap() > 0, "it ended before it listened:\n{said}");
        }
        let address = said.split_once(LISTENS).unwrap().1.trim().to_owned();
        Self { child, said, address, told }
    }

    /// The whole answer to one request.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Stops it as an operator would; gives everything that it said after it listened.
    fn stop(mut self) -> String {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let mut said = String::new();
        self.told.read_to_string(&mut said).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{said}");
        said
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a plugin, which the texts of [`application`] name.
fn place() -> Place {
    let place = Place::new();
    place.write("shop/hello.wasm", std::fs::read(plugin("hello-http")).unwrap());
    place
}

fn application(path: &str) -> String {
    format!("name = \"shop\"\n[[route]]\npath = \"{path}\"\nplugin = \"hello\"\n[plugin.hello]\nsource = \"hello.wasm\"\n")
}

#[test]
fn an_application_is_deployed_where_it_differs_and_comes_up_again_by_itself() {
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    let served = Served::start(&place, &["shop"]);
    assert!(served.said.contains("deployed `shop` as number 1"), "{}", served.said);
    let answer = served.get("/hello/Ada");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello, Ada\n"), "{answer}");
    assert!(served.get("/nothing").starts_with("HTTP/1.1 404 "));
    let ps = place.run(&["ps", "--json"]).exits(0).json();
    assert!(ps.to_string().contains("plugwork:hello-http"), "{ps}");
    let said = served.stop();
    let requests: Vec<serde_json::Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let statuses: Vec<_> = requests.iter().filter(|line| line["kind"] == "request").map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 404], "{said}");

    let served = Served::start(&place, &[]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"), "what was current is served");
    served.stop();
    let served = Served::start(&place, &["shop/plugwork.toml"]);
    assert!(served.said.contains("deployment 1 of `shop` is current"), "{}", served.said);
    served.stop();

    place.write("shop/plugwork.toml", application("/hi/{name}"));
    let served = Served::start(&place, &["shop", "--no-access-log"]);
    assert!(served.said.contains("deployed `shop` as number 2"), "{}", served.said);
    assert!(served.get("/hi/Ada").ends_with("hello, Ada\n") && served.get("/hello/Ada").starts_with("HTTP/1.1 404 "));
    let said = served.stop();
    assert!(!said.contains("\"kind\":\"request\""), "{said}");
    place.run(&["audit", "verify"]).exits(0);
}

#[test]
fn what_cannot_be_served_is_told_whole_and_nothing_is_changed() {
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    Served::start(&place, &["shop"]).stop();
    place.write("shop/a.toml", "name = \"shop\"\n[[route]]\npath = \"no\"\nplugin = \"nobody\"\n");
    place.run(&["serve", "shop/a.toml", "--listen", "127.0.0.1:0"]).exits(2).complains(&["route[0].path", "route[0].plugin"]);
    let wide = application("/hello/{name}") + "grants.http = { hosts = [\"*\"] }\n";
    place.write("shop/b.toml", wide);
    place.run(&["serve", "shop/b.toml", "--listen", "127.0.0.1:0"]).exits(3).complains(&["plugin.hello", "nothing was changed"]);
    place.run(&["serve", "missing", "--listen", "127.0.0.1:0"]).exits(4).complains(&["`missing`"]);
    let served = Served::start(&place, &[]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    place.run(&["serve", "--listen", "127.0.0.1:0"]).exits(3).complains(&["another `plugwork serve`", "hint: stop it"]);
    served.stop();
}

#[test]
fn a_component_that_knows_only_wasi_is_served_as_it_is() {
    let place = Place::new();
    place.write("shop/hello.wasm", std::fs::read(plugin("wasi-hello")).unwrap());
    place.write("shop/plugwork.toml", application("/any/{*rest}"));
    let served = Served::start(&place, &["shop"]);
    let answer = served.get("/any/thing?more");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("hello from plain WASI: /any/thing?more\n"), "{answer}");
    served.stop();
}
