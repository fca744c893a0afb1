//! The last part of the demo: the command serves an application, and is asked as a browser or `curl` would ask it.
//!
//! Easily got wrong: the server is told to listen on any free port and says on stderr which; and it is stopped by the signal that an operator would
//! send, so the demo fails where it does not end well.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::house::House;

const APPLICATION: &str = "examples/apps/hello";
/// What the line begins with that says where it listens.
const LISTENS: &str = "serving on http://";

/// Where the data of the example pipelines is, whose feed and coasts the map is made of.
const DATA: &str = "examples/data/node_modules/vega-datasets/data";
/// Of an answer that is longer only the length is shown. Bytes.
const SHOWN_MAX: usize = 400;

/// A request, and what has to stand in its answer.
struct Asked {
    path: &'static str,
    sends: Sends,
    expected: &'static str,
}

/// What a request has for a body, and so its method.
enum Sends {
    Nothing,
    Text(&'static str),
    File(&'static str),
}

const ASKED: [Asked; 8] = [
    Asked { path: "/hello/Ada", sends: Sends::Nothing, expected: "hello, Ada" },
    Asked { path: "/wasi/Ada", sends: Sends::Nothing, expected: "hello from plain WASI" },
    Asked { path: "/capitals", sends: Sends::Text("said quietly"), expected: "SAID QUIETLY" },
    Asked { path: "/echo?from=here", sends: Sends::Text(r#"{"magnitude":6.1}"#), expected: r#""magnitude":6.1"# },
    Asked { path: "/words", sends: Sends::Text("Sea, sea and the land"), expected: r#""words""# },
    Asked { path: "/quakes/feed", sends: Sends::File("earthquakes.json"), expected: "1707 earthquakes" },
    Asked { path: "/quakes/coasts", sends: Sends::File("world-110m.json"), expected: "coast lines" },
    Asked { path: "/quakes", sends: Sends::Nothing, expected: "<h1>1707 earthquakes</h1>" },
];

/// Serves the application and asks it; with `keep` it then serves on until somebody stops it.
pub(super) fn run(house: &House, command: &Path, keep: bool) -> Result<()> {
    let state = house.root.join("out/demo/serving");
    let listen = if keep { "127.0.0.1:8080" } else { "127.0.0.1:0" };
    let mut server = Server::start(Command::new(command).current_dir(&house.root).arg("--state").arg(&state), listen)?;
    for asked in &ASKED {
        let answer = ask(house, &server.address, asked)?;
        let (status, body) = (
            answer.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.0 "),
            answer.split_once("\r\n\r\n").map_or("", |(_, body)| body),
        );
        let shown = if body.len() > SHOWN_MAX { format!("{} bytes", body.len()) } else { body.trim_end().to_owned() };
        println!("  {}\n    {status}\n    {shown}", curl(&server.address, asked));
        ensure!(status.starts_with("200 ") && body.contains(asked.expected), "it did not answer as it should: {answer}");
    }
    if keep {
        println!("demo: serving on http://{} until you press Ctrl-C; the map is http://{0}/quakes", server.address);
        let ended = server.child.wait()?;
        ensure!(ended.success(), "`plugwork serve` ended with {ended}");
        return Ok(());
    }
    server.stop()
}

fn curl(address: &str, asked: &Asked) -> String {
    let url = format!("http://{address}{}", asked.path);
    match asked.sends {
        Sends::Nothing => format!("curl {url}"),
        Sends::Text(body) => format!("curl --data '{body}' {url}"),
        Sends::File(name) => format!("curl --upload-file {DATA}/{name} {url}"),
    }
}

/// One request on a connection of its own, in HTTP/1.0, where a body ends with the connection and not in pieces: the whole answer.
fn ask(house: &House, address: &str, asked: &Asked) -> Result<String> {
    let path = asked.path;
    let (method, body) = match asked.sends {
        Sends::Nothing => ("GET", Vec::new()),
        Sends::Text(body) => ("POST", body.as_bytes().to_vec()),
        Sends::File(name) => {
            let file = house.root.join(DATA).join(name);
            ("PUT", std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?)
        }
    };
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to `{address}`"))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("`{address}` did not answer {method} {path}"))?;
    Ok(answer)
}

/// A server that was started; ended where it is dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts it, and waits until it says where it listens.
    fn start(command: &mut Command, listen: &str) -> Result<Self> {
        let mut child = command
            .args(["serve", APPLICATION, "--no-access-log", "--listen", listen])
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start")?;
        let mut told = BufReader::new(child.stderr.take().context("it has no stderr")?);
        let mut server = Self { child, address: String::new() };
        let mut said = String::new();
        while server.address.is_empty() {
            let from = said.len();
            if told.read_line(&mut said)? == 0 {
                bail!("`plugwork serve` ended before it listened:\n{said}");
            }
            if let Some(at) = said[from..].find(LISTENS) {
                server.address = said[from + at + LISTENS.len()..].trim().to_owned();
            }
        }
        std::thread::spawn(move || pass_on(told));
        Ok(server)
    }

    /// Stops it as an operator would.
    fn stop(mut self) -> Result<()> {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().context("cannot run `kill`")?;
        ensure!(told.success(), "`kill` ended with {told}");
        let ended = self.child.wait()?;
        ensure!(ended.success(), "`plugwork serve` ended with {ended} when it was told to stop");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it says later goes where the demo's own words go.
fn pass_on(told: BufReader<ChildStderr>) {
    for line in told.lines().map_while(Result::ok) {
        eprintln!("  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_shown_as_a_line_that_asks_the_same() {
        let line = |path: &str| curl("127.0.0.1:1", ASKED.iter().find(|asked| asked.path == path).unwrap());
        assert_eq!(line("/hello/Ada"), "curl http://127.0.0.1:1/hello/Ada");
        assert_eq!(line("/words"), "curl --data 'Sea, sea and the land' http://127.0.0.1:1/words");
        assert_eq!(line("/quakes/feed"), format!("curl --upload-file {DATA}/earthquakes.json http://127.0.0.1:1/quakes/feed"));
    }

    #[test]
    fn each_path_that_is_asked_is_a_route_of_the_application() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(APPLICATION).join("plugwork.toml");
        let text = std::fs::read_to_string(file).unwrap();
        for first in ["/hello/", "/wasi/", "/capitals", "/echo", "/words", "/quakes"] {
            assert!(text.contains(&format!("path = \"{first}")) && ASKED.iter().any(|asked| asked.path.starts_with(first)), "{first}");
        }
    }

    #[test]
    fn a_server_that_does_not_come_up_is_told_with_its_words() {
        let error = Server::start(Command::new("sh").args(["-c", "echo no >&2; exit 1"]), "127.0.0.1:0").err().unwrap();
        assert!(error.to_string().contains("no"), "{error:#}");
    }
}
