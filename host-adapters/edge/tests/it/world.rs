//! What the tests share: a node with a listener, and a client that writes raw bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use plugwork::log::{Level, Sink};
use plugwork::{Allocation, Cause, Change, Hooks, Limits, Running, Runtime, Subject};
use plugwork_capabilities::{EnvironmentSecrets, FileSecrets};
use plugwork_core::Digest;
use plugwork_core::deployment::{ApplicationKey, Deployments, Expected, Memory};
use plugwork_core::record::{Key, Records};
use plugwork_edge::admin::Tail;
use plugwork_edge::server::Stopped;
use plugwork_edge::{Access, Address, Components, DeclaredSecrets, Deploy, DeployError, Listen, Node, Server, Settings, Tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::guest;

/// One plugin for everything that the guest can do, with plenty of time on a busy machine.
pub(crate) const LIMITS: &str = "[plugin.guest.limits]\ndeadline-ms = 60000\ncpu-percent = 800\n";

/// A server on a free port.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) runtime: Runtime,
    pub(crate) address: SocketAddr,
    pub(crate) listens: Vec<Listen>,
    pub(crate) tls: Vec<Tls>,
    pub(crate) log: Arc<Mutex<Vec<Access>>>,
    /// What plugins said, and for which request.
    pub(crate) said: Said,
    pub(crate) tail: Tail,
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) deployments: Arc<dyn Deployments>,
    pub(crate) records: Arc<dyn Records>,
    /// Nothing is started while it is set.
    pub(crate) starts_nothing: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Stopped>,
}

/// Messages of plugins.
#[derive(Clone, Default)]
pub(crate) struct Said(pub(crate) Arc<Mutex<Vec<Line>>>);

type Line = (String, Option<Cause>);

impl Sink for Said {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        self.record_for(subject, None, level, message);
    }

    fn record_for(&self, _: &Subject, cause: Option<&Cause>, _: Level, message: &str) {
        self.0.lock().unwrap().push((message.to_owned(), cause.cloned()));
    }
}

/// The application's say in what starts.
struct Starts(Arc<AtomicBool>);

impl Hooks for Starts {
    fn before_activate<'a>(&'a self, _: &'a Change) -> Running<'a, Result<(), String>> {
        let said = if self.0.load(Ordering::SeqCst) { Err("not now".to_owned()) } else { Ok(()) };
        Box::pin(std::future::ready(said))
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn code(&self) -> String {
        let told: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no problem: {self:?}"));
        told["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Settings with plenty of time.
pub(crate) fn settings() -> Settings {
    Settings { head_deadline_ms: 60_000, plugin_queue_ms: 60_000, drain_ms: 60_000, ..Settings::default() }
}

/// `plugwork.toml` with these routes to the one guest: path, and what else stands in the route.
pub(crate) fn application(routes: &[(&str, &str)]) -> String {
    let routes: String = routes.iter().map(|(path, more)| format!("[[route]]\npath = \"{path}\"\nplugin = \"guest\"\n{more}\n")).collect();
    format!("name = \"shop\"\n[plugin.guest]\nsource = \"guest.wasm\"\n{LIMITS}{routes}")
}

pub(crate) fn key() -> ApplicationKey {
    ApplicationKey { tenant: "default".to_owned(), application: "shop".to_owned() }
}

pub(crate) fn records() -> Arc<dyn Records> {
    Arc::new(plugwork_core::record::Memory::new(Key::from_bytes(&[1; 32])))
}

/// The guest, made once.
pub(crate) fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(guest::function)
}

impl Stage {
    pub(crate) async fn new(settings: Settings) -> Self {
        Self::over(settings, Arc::new(tempfile::tempdir().unwrap()), Arc::new(Memory::new()), records()).await
    }

    /// A server that listens on these places, and serves these routes.
    pub(crate) async fn listening(settings: Settings, routes: &[(&str, &str)], listens: &[Listen]) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let stage = Self::over_at(settings, folder, Arc::new(Memory::new()), records(), listens).await;
        stage.deploy(&application(routes), Expected::Nothing).await.unwrap();
        stage
    }

    /// A server over what another one left.
    pub(crate) async fn over(
        settings: Settings,
        folder: Arc<tempfile::TempDir>,
        deployments: Arc<dyn Deployments>,
        records: Arc<dyn Records>,
    ) -> Self {
        let listen = Listen { address: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))), tls: None };
        Self::over_at(settings, folder, deployments, records, &[listen]).await
    }

    async fn over_at(
        settings: Settings,
        folder: Arc<tempfile::TempDir>,
        deployments: Arc<dyn Deployments>,
        records: Arc<dyn Records>,
        listens: &[Listen],
    ) -> Self {
        let secrets =
            DeclaredSecrets::new(EnvironmentSecrets::new("TEST_EDGE_").unwrap(), FileSecrets::at(folder.path().join("secrets.toml")));
        let (limits, said) = (Limits::interactive(), Said::default());
        let starts_nothing = Arc::new(AtomicBool::new(false));
        let runtime = Runtime::builder(folder.path().join("state")).hooks(Starts(starts_nothing.clone()), Duration::from_secs(60));
        let runtime =
            runtime.records(records.clone()).allocation(Allocation::OnDemand).limits(limits).log(said.clone()).open().await.unwrap();
        let components = Components::at(folder.path().join("components"));
        let node = Node::new(&runtime, deployments.clone(), components, secrets, settings);
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        let tail = Tail::default();
        let told = tail.over(move |access: &Access| kept.lock().unwrap().push(access.clone()));
        let server = Server::listen(&node, listens, told).await.unwrap();
        let (address, listens, tls) = (server.address().unwrap(), server.listens(), server.tls());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async { drop(stopped.await) }));
        let stop = Some(stop);
        Self { node, runtime, address, listens, tls, log, said, tail, folder, deployments, records, starts_nothing, stop, running }
    }

    /// A server that serves these routes.
    pub(crate) async fn serving(settings: Settings, routes: &[(&str, &str)]) -> Self {
        let stage = Self::new(settings).await;
        stage.deploy(&application(routes), Expected::Nothing).await.unwrap();
        stage
    }

    /// Deploys with the guest behind every plugin.
    pub(crate) async fn deploy(&self, text: &str, expected: Expected) -> Result<u64, DeployError> {
        let plugins = plugwork_core::application::Application::parse(text).map(|parsed| parsed.plugins.into_keys().collect::<Vec<_>>());
        let digest = self.node.components().keep(component()).unwrap();
        let plugins: BTreeMap<String, Digest> = plugins.unwrap_or_default().into_iter().map(|name| (name, digest)).collect();
        self.deploy_with(text, plugins, expected).await
    }

    pub(crate) async fn deploy_with(&self, text: &str, plugins: BTreeMap<String, Digest>, expected: Expected) -> Result<u64, DeployError> {
        let (tenant, by) = ("default".to_owned(), "test".to_owned());
        let wish = Deploy { tenant, text: text.to_owned(), plugins, by, note: String::new(), expected };
        self.node.deploy(wish).await.map(|current| current.deployment.number)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are and reads until the server closes the connection.
    pub(crate) async fn raw(&self, bytes: &str) -> Told {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        told(&to_end(&mut stream).await)
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Told {
        let length = body.len();
        self.raw(&format!("{method} {path} HTTP/1.1\r\nhost: a.example\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"))
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        self.ask("GET", path, "").await
    }

    /// One request from an address of the loopback network, with further header lines.
    pub(crate) async fn ask_from(&self, client: [u8; 4], method: &str, path: &str, more: &str, body: &str) -> Told {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((client, 0))).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: a.example\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        told(&to_end(&mut stream).await)
    }

    /// The same from the usual address.
    pub(crate) async fn ask_with(&self, method: &str, path: &str, more: &str, body: &str) -> Told {
        self.ask_from([127, 0, 0, 1], method, path, more, body).await
    }

    /// Plugins that take calls.
    pub(crate) fn active(&self) -> usize {
        let is_active = |status: &plugwork::Status| serde_json::to_value(status).unwrap()["state"]["state"] == "active";
        self.runtime.status().iter().filter(|status| is_active(status)).count()
    }

    /// Tells the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Stopped {
        self.tell_to_stop();
        self.running.await.unwrap()
    }

    pub(crate) fn tell_to_stop(&mut self) {
        let stop = self.stop.take();
        assert!(stop.is_some_and(|stop| stop.send(()).is_ok()), "it runs");
    }

    pub(crate) async fn stopped(self) -> Stopped {
        self.running.await.unwrap()
    }

    /// Instances that live.
    pub(crate) fn instances(&self) -> u64 {
        self.runtime.capacity().0.instances
    }
}

/// Everything until the end; what was read where the connection broke.
pub(crate) async fn to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    while let Ok(read) = stream.read(&mut some).await {
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&some[..read]);
    }
    String::from_utf8(bytes).unwrap()
}

pub(crate) fn told(text: &str) -> Told {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Told { status, head: head.to_owned(), body: body.to_owned() }
}

/// Waits until something is so; how long that takes decides nothing.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
