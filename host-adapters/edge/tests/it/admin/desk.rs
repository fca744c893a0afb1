//! What the tests of the admin API share: an API beside a server, and a client that knows nothing of it but HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::Method;
use plugwork_core::Digest;
use plugwork_core::authorize::{Action, MemoryTokens, Scope, Terms, Token, Tokens};
use plugwork_core::deployment::Deployments;
use plugwork_core::metering;
use plugwork_edge::admin::{Admin, AdminParts, AdminServer, SOCKET};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::{Stage, Told, component, records, settings, to_end, told};

/// When tokens of the tests are made. Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// An hour, in milliseconds.
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// An API on a socket and a port.
pub(crate) struct Desk {
    pub(crate) stage: Stage,
    pub(crate) admin: Admin,
    pub(crate) tokens: Arc<MemoryTokens>,
    pub(crate) ledger: Arc<metering::Memory>,
    pub(crate) port: SocketAddr,
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
}

impl Desk {
    /// Beside a server that serves nothing yet.
    pub(crate) async fn new() -> Self {
        let desk = Self::starting(0).await;
        desk.admin.ready(Vec::new());
        desk
    }

    /// Beside a server that is still starting, for a user whose number is so many more than that of the test.
    pub(crate) async fn starting(stranger: u32) -> Self {
        Self::beside(Stage::new(settings()).await, stranger).await
    }

    /// Beside a server that keeps its deployments there.
    pub(crate) async fn over(deployments: Arc<dyn Deployments>) -> Self {
        let stage = Stage::over(settings(), Arc::new(tempfile::tempdir().unwrap()), deployments, records());
        let desk = Self::beside(stage.await, 0).await;
        desk.admin.ready(Vec::new());
        desk
    }

    async fn beside(stage: Stage, stranger: u32) -> Self {
        let tokens = Arc::new(MemoryTokens::new());
        let parts = AdminParts::new(stage.node.clone(), tokens.clone(), stage.tail.clone());
        let ledger = Arc::new(metering::Memory::default());
        let parts = AdminParts { owner: parts.owner + stranger, usage: Some(ledger.clone()), ..parts };
        let admin = Admin::new(parts);
        let socket = AdminServer::on_socket(&admin, stage.folder.path()).unwrap();
        let port = AdminServer::on_port(&admin, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = port.address().unwrap();
        let stop = watch::Sender::new(false);
        let running = [socket, port].map(|server| {
            let mut stopped = stop.subscribe();
            tokio::spawn(server.run(async move { drop(stopped.wait_for(|stopped| *stopped).await) }))
        });
        Self { stage, admin, tokens, ledger, port: address, stop, running: running.into() }
    }

    /// With an application `shop` at `/e`, as deployment 1.
    pub(crate) async fn with_shop() -> Self {
        let desk = Self::new().await;
        let deployed = desk.deploy("shop", &[("/e", "")], json!({})).await;
        assert_eq!(deployed.status, 201, "{deployed:?}");
        desk
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.stage.folder.path().join(SOCKET)
    }

    /// A token in the store, as it would be presented.
    pub(crate) async fn token(&self, tenant: Option<&str>, application: Option<&str>, actions: &[Action]) -> String {
        self.token_until(tenant, application, actions, now_ms(), HOUR_MS).await
    }

    pub(crate) async fn token_until(
        &self,
        tenant: Option<&str>,
        application: Option<&str>,
        actions: &[Action],
        created_ms: u64,
        lifetime_ms: u64,
    ) -> String {
        let (tenant, application) = (tenant.map(str::to_owned), application.map(str::to_owned));
        let scope = Scope { tenant, application, actions: actions.iter().copied().collect() };
        let expires_ms = created_ms + lifetime_ms;
        let terms = Terms { scope, created_ms, expires_ms, created_by: "test".to_owned(), note: String::new() };
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        getrandom::fill(&mut id).unwrap();
        getrandom::fill(&mut secret).unwrap();
        let (token, text) = Token::issue(terms, id, secret).unwrap();
        self.tokens.add_token(token).await.unwrap();
        text.reveal().to_owned()
    }

    /// Over the socket, as its owner.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Told {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        send(stream, &request(&method, path, "", body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Told {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Over the port, with a token.
    pub(crate) async fn as_bearer(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Told {
        self.remote(method, path, &format!("authorization: Bearer {token}\r\n"), body).await
    }

    /// Over the port, with these headers.
    pub(crate) async fn remote(&self, method: Method, path: &str, headers: &str, body: Option<Value>) -> Told {
        let stream = TcpStream::connect(self.port).await.unwrap();
        send(stream, &request(&method, path, headers, body)).await
    }

    /// Bytes as they are, over the socket.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Told {
        send(UnixStream::connect(self.socket()).await.unwrap(), bytes).await
    }

    /// Uploads the guest and deploys an application of that name with these routes. `more` is what else stands in the wish.
    pub(crate) async fn deploy(&self, name: &str, routes: &[(&str, &str)], more: Value) -> Told {
        self.upload().await;
        self.post(&format!("/v1/applications/{name}/deployments"), wish(name, routes, more)).await
    }

    pub(crate) async fn upload(&self) {
        let told = self.raw(&put(component(), Digest::of(component()))).await;
        assert_eq!(told.status, 200, "{told:?}");
    }

    /// Stops both listeners.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        for running in self.running {
            running.await.unwrap();
        }
    }
}

/// A wish to deploy the guest.
pub(crate) fn wish(name: &str, routes: &[(&str, &str)], more: Value) -> Value {
    let text = crate::world::application(routes).replace("name = \"shop\"", &format!("name = \"{name}\""));
    let mut wish = json!({ "text": text, "plugins": { "guest": Digest::of(component()) } });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

/// An upload, whole.
pub(crate) fn put(bytes: &[u8], digest: Digest) -> Vec<u8> {
    let head = format!("PUT /v1/components/{digest} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
    [head.as_bytes(), bytes].concat()
}

/// A request, with JSON where it has a body.
pub(crate) fn request(method: &Method, path: &str, headers: &str, body: Option<Value>) -> Vec<u8> {
    let body = body.map(|body| body.to_string());
    let kind = if body.is_some() { "content-type: application/json\r\n" } else { "" };
    let body = body.unwrap_or_default();
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{headers}{kind}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

pub(crate) async fn send(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Told {
    // Who refuses a body does not read it to its end.
    drop(stream.write_all(bytes).await);
    told(&to_end(&mut stream).await)
}

impl Told {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}
