//! Many connections at once: ten thousand that are idle, and five hundred that ask meanwhile. What an idle one costs is measured.
//!
//! The server is a child: this same test binary, told by the environment. So its memory is its own, and each side has its own descriptors.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use futures::future::join_all;
use plugwork_edge::{Address, Listen, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::version::TLS13;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::certificate::Certificate;
use crate::frames;
use crate::fronts::{files, secured};
use crate::world::{Stage, settings, to_end, told};

const SERVES: &str = "PLUGWORK_EDGE_TEST_SERVES";
const IDLE: usize = 10_000;
const ACTIVE: usize = 500;
/// Connections of both kinds, and what the program itself and other tests hold.
const DESCRIPTORS: u64 = (IDLE + ACTIVE + 1_000) as u64;

fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let there = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        there >= DESCRIPTORS,
        "this test needs {DESCRIPTORS} descriptors and the hard limit is {there}: raise it (`ulimit -Hn {DESCRIPTORS}`)"
    );
}

/// What the child does, until its input ends; by itself, the same for one request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_for_a_crowd() {
    let patient =
        Settings { connections_max: 11_000, client_connections_max: 11_000, head_deadline_ms: 900_000, idle_ms: 900_000, ..settings() };
    let Some(folder) = env::var_os(SERVES) else {
        let stage = Stage::serving(patient, &[("/e", "")]).await;
        assert_eq!(stage.ask("POST", "/e", "alone").await.body, "alone");
        return;
    };
    raise_descriptors();
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listens = [None, Some(files(folder.as_ref()))].map(|tls| Listen { address: address.clone(), tls });
    let stage = Stage::listening(patient, &[("/e", "")], &listens).await;
    let told = format!("\nlistens {} {}\n", stage.listens[0].address, stage.listens[1].address);
    std::io::stdout().write_all(told.as_bytes()).unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await.unwrap();
}

pub(crate) struct Server {
    child: Child,
    /// Its end ends the server.
    _input: ChildStdin,
    address: SocketAddr,
    secured: SocketAddr,
    certificate: Certificate,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let (folder, certificate) = (tempfile::tempdir().unwrap(), Certificate::new());
        certificate.write(folder.path());
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "crowding::a_server_for_a_crowd", "--nocapture", "--test-threads=1"]).env(SERVES, folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find_map(|line| line.strip_prefix("listens ").map(str::to_owned)).expect("it listens");
        let (address, secured) = told.split_once(' ').unwrap();
        let (address, secured) = (address.parse().unwrap(), secured.parse().unwrap());
        Self { child, _input: input, address, secured, certificate, _folder: folder }
    }

    /// Bytes of memory that it has now.
    pub(crate) fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One request on a connection of its own: whether it was answered as it should be.
    pub(crate) async fn answers(&self) -> bool {
        let mut stream = self.connect().await;
        stream.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi").await.unwrap();
        let told = told(&to_end(&mut stream).await);
        (told.status, told.body.as_str()) == (200, "hi")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request on a connection that stays.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await.unwrap();
    // Over TLS what was written may still stand in a buffer.
    stream.flush().await.unwrap();
    let (mut answer, mut some) = (Vec::new(), [0; 1_024]);
    // Whatever else it says leaves the connection open too.
    while !answer.ends_with(b"\r\n\r\nabc") {
        let read = stream.read(&mut some).await.unwrap();
        answer.extend_from_slice(&some[..read]);
        let told = String::from_utf8_lossy(&answer);
        assert!(read > 0 && "HTTP/1.1 200 ".starts_with(&told[..told.len().min(13)]), "not answered: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_that_are_idle_cost_little_and_hold_up_nobody() {
    raise_descriptors();
    let server = Server::start();
    // What the first request makes for all is not a connection's.
    assert!(server.answers().await);
    let mut idle = Vec::with_capacity(IDLE);
    let mut bytes = Vec::new();
    for speaks_2 in [false, true] {
        let before = server.memory();
        for _ in 0..IDLE / 2 / 100 {
            let some = (0..100).map(|_| async {
                let mut stream = server.connect().await;
                if speaks_2 {
                    frames::open(&mut stream).await;
                } else {
                    ask(&mut stream).await;
                }
                stream
            });
            idle.extend(join_all(some).await);
        }
        bytes.push((server.memory().saturating_sub(before)) / (IDLE as u64 / 2));
    }
    let began = Instant::now();
    let active = (0..ACTIVE).map(|_| async {
        let mut stream = server.connect().await;
        for _ in 0..4 {
            ask(&mut stream).await;
        }
    });
    tokio::time::timeout(Duration::from_secs(240), join_all(active)).await.expect("all of them are answered");
    let took = began.elapsed();
    let figures = format!("idle: {} bytes over HTTP/1.1, {} over HTTP/2; {ACTIVE} asked four times in {took:?}\n", bytes[0], bytes[1]);
    std::io::stdout().write_all(figures.as_bytes()).unwrap();
    // Those that were idle are still there.
    for stream in idle.iter_mut().take(IDLE / 2).step_by(500) {
        ask(stream).await;
    }
    assert!(bytes[0] <= 32 << 10 && bytes[1] <= 32 << 10, "bytes of an idle connection: {bytes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_of_tls_costs_little_more() {
    const SOME: usize = 1_000;
    raise_descriptors();
    let server = Server::start();
    let connect = async || {
        let stream = TcpStream::connect(server.secured).await.unwrap();
        let mut stream = secured(stream, &server.certificate, &[&TLS13], &[]).await.unwrap();
        ask(&mut stream).await;
        stream
    };
    let mut idle = vec![connect().await];
    let before = server.memory();
    for _ in 0..SOME / 100 {
        idle.extend(join_all((0..100).map(|_| connect())).await);
    }
    let bytes = server.memory().saturating_sub(before) / SOME as u64;
    std::io::stdout().write_all(format!("idle: {bytes} bytes over HTTP/1.1 and TLS\n").as_bytes()).unwrap();
    for stream in idle.iter_mut().step_by(100) {
        ask(stream).await;
    }
    assert!(bytes <= 64 << 10, "bytes of an idle connection: {bytes}");
}
