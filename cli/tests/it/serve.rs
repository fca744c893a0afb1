//! `plugwork serve` over a real socket: what is deployed, what is told, how it stops and comes up again. What the server itself promises is tested
//! in `plugwork-edge`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::place::{Place, plugin};

const LISTENS: &str = "serving on http://";

/// A server that runs, with what it said until it listened.
pub(crate) struct Served {
    child: Child,
    pub(crate) said: String,
    address: String,
    told: BufReader<ChildStderr>,
}

impl Served {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        Self::start_as(place, &[&["--listen", "127.0.0.1:0"], arguments].concat())
    }

    /// A server that listens where its arguments say; the first place has to be an address without TLS.
    fn start_as(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(&[&["serve"], arguments].concat());
        Self::of(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The server that this process is, once it listens.
    fn of(mut child: Child) -> Self {
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(LISTENS) {
            assert!(told.read_line(&mut said).unwrap() > 0, "it ended before it listened:\n{said}");
        }
        let address = said.split_once(LISTENS).unwrap().1.trim().to_owned();
        Self { child, said, address, told }
    }

    /// Sends a signal, and reads what is said until a part of it is there.
    fn signal(&mut self, signal: &str, until: &str) -> String {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        self.read_until(until)
    }

    /// What is said until a part of it is there.
    fn read_until(&mut self, until: &str) -> String {
        let mut said = String::new();
        while !said.contains(until) {
            assert!(self.told.read_line(&mut said).unwrap() > 0, "it ended:\n{said}");
        }
        said
    }

    /// The whole answer to one request.
    pub(crate) fn get(&self, path: &str) -> String {
        self.get_with(path, "")
    }

    /// The same with further lines of its head.
    fn get_with(&self, path: &str, lines: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{lines}\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Stops it as an operator would; gives everything that it said after it listened.
    pub(crate) fn stop(mut self) -> String {
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
pub(crate) fn place() -> Place {
    let place = Place::new();
    place.write("shop/hello.wasm", std::fs::read(plugin("hello-http")).unwrap());
    place
}

pub(crate) fn application(path: &str) -> String {
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
fn what_was_used_is_on_record_when_it_has_stopped_and_traces_are_sent_where_it_was_told_to() {
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    place.run(&["usage"]).exits(0).complains(&["nothing was used"]);
    place.run(&["serve", "shop", "--otlp", "http://user:secret@a/"]).exits(2).complains(&["collector"]);
    place.write("wrong.toml", "[tracing]\notlp = \"collector\"\nratio = 2\n");
    place.run(&["serve", "shop", "--config", "wrong.toml"]).exits(2).complains(&["tracing.otlp", "tracing.ratio"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let collecting = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0);
        }
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        (head, body)
    });
    place.write("server.toml", format!("[tracing]\notlp = \"{url}\"\n"));
    let served = Served::start(&place, &["shop", "--config", "server.toml"]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    let said = served.stop();
    assert!(!said.contains("warning"), "{said}");
    let request: serde_json::Value = said.lines().find(|line| line.contains("\"kind\":\"request\"")).unwrap().parse().unwrap();
    let (head, body) = collecting.join().unwrap();
    assert!(head.starts_with("POST /v1/traces "), "{head}");
    let trace = request["trace-id"].as_str().unwrap();
    let bytes: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(body.windows(16).any(|window| window == bytes), "the trace of the log is the one that was sent");

    let rows = place.run(&["usage", "--application", "shop", "--json"]).exits(0).out;
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>(), 1, "{rows:?}");
    assert!(rows.iter().all(|row| row["plugin"] == "hello" && row["from"].as_str().unwrap().ends_with(":00:00Z")), "{rows:?}");
    place.run(&["usage"]).exits(0).says(&["application", "shop", "hello"]);
    place.run(&["usage", "--hourly", "--application", "blog"]).exits(0).complains(&["nothing was used"]);
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

#[test]
fn a_component_of_the_latest_wasi_answers_while_it_is_asked_where_its_profile_is_granted() {
    let place = Place::new();
    place.write("shop/hello.wasm", std::fs::read(plugin("wasi-capitals")).unwrap());
    place.write("shop/plugwork.toml", application("/capitals"));
    place
        .run(&["serve", "shop", "--listen", "127.0.0.1:0"])
        .exits(3)
        .complains(&["plugin.hello: E-ENGINE-PROFILE", "grants.engine = { profile = \"full\" }"]);
    let grants = "grants.engine = { profile = \"full\", reuse-calls = 100, calls-at-once = 4 }\nlimits = { deadline-ms = 60_000 }\n";
    place.write("shop/plugwork.toml", application("/capitals") + grants);
    let served = Served::start(&place, &["shop"]);
    // Two that are under way at once; neither has said all when its answer begins.
    let mut talks = ["one", "two"].map(|word| Talk::begin(&served.address, word));
    for talk in &mut talks {
        talk.say("and more");
    }
    for talk in talks {
        assert_eq!(talk.end(), "");
    }
    served.stop();
}

/// A request whose body is sent piece by piece, while its answer is read.
struct Talk(BufReader<TcpStream>);

impl Talk {
    fn begin(address: &str, word: &str) -> Self {
        let mut talk = Self(BufReader::new(TcpStream::connect(address).unwrap()));
        let head = format!("POST /capitals HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
        talk.0.get_mut().write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        while answer != "\r\n" {
            answer.clear();
            assert!(talk.0.read_line(&mut answer).unwrap() > 0, "it has no end of a head");
        }
        talk.say(word);
        talk
    }

    /// Says something, and hears it in capitals before anything else is said.
    fn say(&mut self, words: &str) {
        let chunk = format!("{:x}\r\n{words}\r\n", words.len());
        self.0.get_mut().write_all(chunk.as_bytes()).unwrap();
        let mut heard = vec![0; chunk.len()];
        self.0.read_exact(&mut heard).unwrap();
        assert_eq!(String::from_utf8(heard).unwrap(), format!("{:x}\r\n{}\r\n", words.len(), words.to_uppercase()));
    }

    /// Says no more, and gives what is left of the answer without the end of its body.
    fn end(mut self) -> String {
        self.0.get_mut().write_all(b"0\r\n\r\n").unwrap();
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest.strip_suffix("0\r\n\r\n").unwrap().to_owned()
    }
}

#[test]
fn a_configuration_that_is_wrong_is_told_whole_before_anything_is_listened_on() {
    let place = place();
    place.write("server.toml", "colour = 1\n[[listen]]\naddress = \"localhost\"\n[limits]\nidle-ms = 0\n");
    let ran = place.run(&["serve", "--config", "server.toml"]).exits(2);
    ran.complains(&["server.toml", "colour: unknown key", "listen[0].address: `localhost`; expected", "limits.idle-ms: 0; expected 1 to"]);
    place.run(&["serve", "--config", "missing.toml"]).exits(4).complains(&["missing.toml"]);
    place.write("tls.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"x.pem\", key = \"x.key\" }\n");
    place.write("x.pem", "");
    let ran = place.run(&["serve", "--config", "tls.toml"]).exits(1);
    ran.complains(&["listen[0].tls.certificate: `x.pem` holds no certificate", "listen[0].tls.key: `x.key` cannot be read"]);
}

#[test]
fn a_configuration_is_followed_and_read_again_on_sighup() {
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    let listens = "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\nunix = \"edge.sock\"\n";
    place.write("etc/server.toml", format!("{listens}[limits]\nstreams-max = 7\n"));
    let mut served = Served::start_as(&place, &["shop", "--config", "etc/server.toml"]);
    let mut socket = std::os::unix::net::UnixStream::connect(place.path("etc/edge.sock")).unwrap();
    socket.write_all(b"GET /hello/Ada HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello, Ada\n"), "{answer}");

    place.write("etc/server.toml", "[limits]\nstreams-max = \"7\"\n");
    let said = served.signal("-HUP", "expected 1 to");
    assert!(said.contains("nothing was changed") && said.contains("limits.streams-max"), "{said}");
    let changed = "[[listen]]\nunix = \"other.sock\"\n[admin]\naddress = \"127.0.0.1:0\"\n[tracing]\nratio = 0.5\n[limits]\nconnections-max = 1\nidle-ms = 1000\n";
    place.write("etc/server.toml", changed);
    let said = served.signal("-HUP", "only a restart");
    assert!(said.contains("`listen`, `admin`, `tracing`, `limits.connections-max`") && !said.contains("idle-ms"), "{said}");
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    served.stop();
    assert!(!place.path("etc/edge.sock").exists(), "its socket goes with it");
}

/// Of the issuer `https://id.example` for `shop`, signed with the secret below, until the year 2255.
const TOKEN: &str = "eyJhbGciOiAiSFMyNTYifQ.eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlIiwgImF1ZCI6ICJzaG9wIiwgInN1YiI6ICJhZGEiLCAiZXhwIjogOTAwMDAwMDAwMH0.\
    B0khXGW1M11oXAjFy_79cLdo7S7UHRXxlBJBB8HyTbU";

#[test]
fn a_route_with_auth_is_as_open_as_the_check_of_the_configuration_and_never_more() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let guarded = application("/hello/{name}").replace("plugin = \"hello\"\n", "plugin = \"hello\"\nauth = \"staff\"\n");
    place.write("shop/plugwork.toml", guarded);
    place.write("secret", "0123456789abcdef0123456789abcdef\n");
    std::fs::set_permissions(place.path("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let listens = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
    let check = "[auth.staff]\nissuer = \"https://id.example\"\naudience = \"shop\"\nsecret-file = \"secret\"\n";
    place.run(&["serve", "shop", "--listen", "127.0.0.1:0"]).exits(3).complains(&["route[0].auth: this server has no check `staff`"]);
    place.write("server.toml", format!("{listens}{check}algorithms = [\"none\"]\nleeway-seconds = 900\n"));
    let ran = place.run(&["serve", "shop", "--config", "server.toml"]).exits(2);
    ran.complains(&["server.toml", "auth.staff.algorithms: `none`", "auth.staff.leeway-seconds: 900; expected at most 300"]);
    place.write("server.toml", format!("{listens}{check}"));
    let mut served = Served::start_as(&place, &["shop", "--config", "server.toml"]);
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    let told = served.get("/hello/Ada");
    assert!(told.starts_with("HTTP/1.1 401 ") && told.contains("E-HTTP-IDENTITY-MISSING"), "{told}");
    let told = served.get_with("/hello/Ada", &bearer);
    assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("hello, Ada\n"), "{told}");
    place.write("server.toml", listens);
    let said = served.signal("-HUP", "read again");
    assert!(said.contains("`/hello/{name}` of `shop` lets nobody in: there is no `auth.staff` any more"), "{said}");
    assert!(served.get_with("/hello/Ada", &bearer).starts_with("HTTP/1.1 503 "));
    served.stop();
    let served = Served::start_as(&place, &["--config", "server.toml"]);
    assert!(served.said.contains("is not served") && served.said.contains("no check `staff`"), "{}", served.said);
    assert!(served.get_with("/hello/Ada", &bearer).starts_with("HTTP/1.1 503 "));
    served.stop();
}

#[test]
fn a_deployment_with_a_split_shares_the_requests_with_the_one_before() {
    let place = place();
    place.write("shop/plugwork.toml", application("/hello/{name}"));
    Served::start(&place, &["shop"]).stop();
    place.write("shop/plugwork.toml", application("/hi/{name}") + "[split]\npercent = 0\nheader = \"x-canary\"\n");
    let served = Served::start(&place, &["shop"]);
    assert!(served.said.contains("deployed `shop` as number 2, which shares the requests with number 1"), "{}", served.said);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n") && served.get("/hi/Ada").starts_with("HTTP/1.1 404 "));
    assert!(served.get_with("/hi/Ada", "x-canary: 1\r\n").ends_with("hello, Ada\n"));
    served.stop();
    let served = Served::start(&place, &["shop"]);
    assert!(served.said.contains("deployment 2 of `shop` is current"), "{}", served.said);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    served.stop();
}

#[test]
fn whoever_supervises_a_server_is_told_when_it_serves_reads_again_and_stops() {
    let place = place();
    let socket = std::os::unix::net::UnixDatagram::bind(place.path("notify.sock")).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(120))).unwrap();
    let next = || {
        let mut bytes = [0; 256];
        let read = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    place.write("server.toml", "");
    let mut command = place.command(&["serve", "--config", "server.toml", "--listen", "127.0.0.1:0"]);
    let child = command.env("NOTIFY_SOCKET", place.path("notify.sock")).stderr(Stdio::piped()).spawn().unwrap();
    let mut served = Served::of(child);
    assert_eq!(next(), "READY=1");
    assert!(Command::new("kill").args(["-HUP", &served.child.id().to_string()]).status().unwrap().success());
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(), "READY=1");
    served.signal("-TERM", "stopping");
    assert_eq!(next(), "STOPPING=1");
}

#[test]
fn certificates_are_read_again_on_sighup_and_by_themselves_and_a_broken_one_is_told() {
    let place = place();
    place.write("server.toml", "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"x.pem\", key = \"x.key\" }\n");
    crate::certificate::Certificate::new().write(&place.path(""));
    let mut served = Served::start_as(&place, &["--config", "server.toml"]);
    let said = served.signal("-HUP", "was read again\n");
    assert!(said.contains("serving on https://127.0.0.1:"), "{said}");
    served.read_until("the certificate `x.pem` was read again");
    // Nobody has to say so.
    crate::certificate::Certificate::new().write_certificate(&place.path(""));
    let said = served.read_until("is not the key of");
    assert!(said.contains("the certificate that was read before is used on"), "{said}");
    served.stop();
}
