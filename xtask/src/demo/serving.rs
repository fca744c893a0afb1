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

/// A request, and what has to stand in its answer.
struct Asked {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    expected: &'static str,
}

const ASKED: [Asked; 3] = [
    Asked { method: "GET", path: "/hello/Ada", body: "", expected: "hello, Ada" },
    Asked { method: "POST", path: "/echo?from=here", body: r#"{"magnitude":6.1}"#, expected: r#""magnitude":6.1"# },
    Asked { method: "POST", path: "/words", body: "Sea, sea and the land", expected: r#""words""# },
];

/// Serves the application and asks it; with `keep` it then serves on until somebody stops it.
pub(super) fn run(house: &House, command: &Path, keep: bool) -> Result<()> {
    let state = house.root.join("out/demo/serving");
    let listen = if keep { "127.0.0.1:8080" } else { "127.0.0.1:0" };
    let mut server = Server::start(Command::new(command).current_dir(&house.root).arg("--state").arg(&state), listen)?;
    for asked in &ASKED {
        let answer = ask(&server.address, asked)?;
        let (status, body) = (answer.lines().next().unwrap_or_default(), answer.split_once("\r\n\r\n").map_or("", |(_, body)| body));
        println!("  {}\n    {status}\n    {}", curl(&server.address, asked), body.trim_end());
        ensure!(status.starts_with("HTTP/1.1 200") && body.contains(asked.expected), "it did not answer as it should: {answer}");
    }
    if keep {
        println!("demo: serving on http://{} until you press Ctrl-C", server.address);
        let ended = server.child.wait()?;
        ensure!(ended.success(), "`plugwork serve` ended with {ended}");
        return Ok(());
    }
    server.stop()
}

fn curl(address: &str, asked: &Asked) -> String {
    match asked.body {
        "" => format!("curl http://{address}{}", asked.path),
        body => format!("curl --data '{body}' http://{address}{}", asked.path),
    }
}

/// One request on a connection of its own: the whole answer.
fn ask(address: &str, asked: &Asked) -> Result<String> {
    let Asked { method, path, body, .. } = asked;
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to `{address}`"))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
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
        assert_eq!(curl("127.0.0.1:1", &ASKED[0]), "curl http://127.0.0.1:1/hello/Ada");
        assert_eq!(curl("127.0.0.1:1", &ASKED[2]), "curl --data 'Sea, sea and the land' http://127.0.0.1:1/words");
    }

    #[test]
    fn each_path_that_is_asked_is_a_route_of_the_application() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(APPLICATION).join("plugwork.toml");
        let text = std::fs::read_to_string(file).unwrap();
        for first in ["/hello/", "/echo", "/words"] {
            assert!(text.contains(&format!("path = \"{first}")) && ASKED.iter().any(|asked| asked.path.starts_with(first)), "{first}");
        }
    }

    #[test]
    fn a_server_that_does_not_come_up_is_told_with_its_words() {
        let error = Server::start(Command::new("sh").args(["-c", "echo no >&2; exit 1"]), "127.0.0.1:0").err().unwrap();
        assert!(error.to_string().contains("no"), "{error:#}");
    }
}
