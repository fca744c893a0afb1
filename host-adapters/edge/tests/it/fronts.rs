//! The ways in: TLS in its versions and protocols, certificates that change, and Unix sockets.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plugwork_edge::{Address, Listen, Settings, Tls, TlsFiles};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::{Certificate, NAME};
use crate::world::{Stage, settings, to_end, told, until};

const ASK: &[u8] = b"POST /e HTTP/1.1\r\nhost: a.example\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";

pub(crate) fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("x.pem"), key: folder.join("x.key") }
}

/// A server with TLS, its certificate in `folder`.
async fn stage(folder: &Path, settings: Settings) -> Stage {
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    Stage::listening(settings, &[("/e", ""), ("/i", "")], &[Listen { address, tls: Some(files(folder)) }]).await
}

/// A client that trusts one certificate.
async fn connect(
    stage: &Stage,
    trusted: &Certificate,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    secured(stage.connect().await, trusted, versions, protocols).await
}

/// TLS over a connection, with a client that trusts one certificate.
pub(crate) async fn secured(
    stream: TcpStream,
    trusted: &Certificate,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(trusted.der.clone())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), stream).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_tls_carry_both_protocols() {
    let (folder, certificate) = (tempfile::tempdir().unwrap(), Certificate::new());
    certificate.write(folder.path());
    let stage = stage(folder.path(), settings()).await;
    for version in [&TLS12, &TLS13] {
        // Nothing offered, or only the older one.
        for protocols in [&[][..], &[&b"http/1.1"[..]]] {
            let mut stream = connect(&stage, &certificate, &[version], protocols).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), protocols.first().copied());
            stream.write_all(ASK).await.unwrap();
            let mut answer = String::new();
            // An end without the word of TLS would be an error here.
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhi"), "{answer}");
        }
        let stream = connect(&stage, &certificate, &[version], &[b"http/1.1", b"h2"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the better one is chosen");
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
        let running = tokio::spawn(connection);
        let request = http::Request::post("https://a.example/e").body("hello".to_owned()).unwrap();
        let body = http_body_util::BodyExt::collect(sender.send_request(request).await.unwrap().into_body()).await.unwrap();
        assert_eq!(body.to_bytes(), "hello");
        drop(sender);
        drop(running.await);
    }
    // A protocol that is not there is refused as TLS has it, and no certificate is trusted that is not this one.
    assert!(connect(&stage, &certificate, &[&TLS13], &[b"h3"]).await.is_err());
    assert!(connect(&stage, &Certificate::new(), &[&TLS13], &[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_tls_on_a_port_of_tls_reaches_nothing_and_is_let_go() {
    let (folder, certificate) = (tempfile::tempdir().unwrap(), Certificate::new());
    certificate.write(folder.path());
    let stage = stage(folder.path(), Settings { head_deadline_ms: 400, ..settings() }).await;
    // Plain HTTP; a handshake that begins and stops; nothing.
    for sent in [ASK, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b""] {
        let mut stream = stage.connect().await;
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("it is let go");
        assert!(ended.is_ok(), "{sent:?}: closed, not broken: {ended:?}");
        assert!(!answer.starts_with(b"HTTP") && answer.len() < 16, "{answer:?}");
    }
    // Done with TLS, and then nothing, or what was not agreed on.
    let mut stream = connect(&stage, &certificate, &[&TLS13], &[b"h2"]).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("it is let go").unwrap_or_default();
    assert_eq!(answer, b"");
    let mut stream = connect(&stage, &certificate, &[&TLS13], &[]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.expect("it is let go").unwrap_or_default();
    assert!(stage.log.lock().unwrap().is_empty(), "there was no request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_replaced_is_used_at_once_and_a_broken_one_never() {
    let (folder, first, second) = (tempfile::tempdir().unwrap(), Certificate::new(), Certificate::new());
    first.write(folder.path());
    let stage = stage(folder.path(), settings()).await;
    let tls = &stage.tls[0];
    assert!(tls.refresh().is_none(), "nothing changed");
    let mut open = connect(&stage, &first, &[&TLS13], &[]).await.unwrap();
    // Half of it: the key of the first, and the certificate of the second.
    second.write_certificate(folder.path());
    let issues = tls.refresh().unwrap().unwrap_err();
    assert!(issues[0].at == "tls.key" && issues[0].what.contains("is not the key of"), "{issues:?}");
    assert!(tls.refresh().is_none(), "it is told once");
    connect(&stage, &first, &[&TLS13], &[]).await.expect("the first one is used on");
    second.write(folder.path());
    tls.refresh().unwrap().unwrap();
    connect(&stage, &second, &[&TLS13], &[]).await.expect("the second one is used");
    assert!(connect(&stage, &first, &[&TLS13], &[]).await.is_err());
    // Gone, cut, and no PEM.
    for spoil in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n", "hello"] {
        fs::write(folder.path().join("x.pem"), spoil).unwrap();
        assert!(tls.reload().is_err(), "{spoil:?}");
    }
    fs::remove_file(folder.path().join("x.pem")).unwrap();
    assert!(tls.reload().unwrap_err()[0].what.contains("cannot be read"));
    connect(&stage, &second, &[&TLS13], &[]).await.expect("the second one is used on");
    open.write_all(ASK).await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nhi"), "a connection from before is served on: {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_are_watched() {
    let (folder, first, second) = (tempfile::tempdir().unwrap(), Certificate::new(), Certificate::new());
    first.write(folder.path());
    let stage = stage(folder.path(), settings()).await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let watching = tokio::spawn(stage.tls[0].clone().watch(move |_, outcome| drop(tell.send(outcome))));
    second.write(folder.path());
    // Between the two files there may be a moment in which they do not fit.
    while told.recv().await.unwrap().is_err() {}
    connect(&stage, &second, &[&TLS13], &[]).await.unwrap();
    watching.abort();
}

#[test]
fn everything_that_is_wrong_with_the_files_is_a_finding() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let findings = |folder: &Path| Tls::load(&files(folder)).unwrap_err();
    let places: Vec<_> = findings(folder.path()).into_iter().map(|issue| issue.at).collect();
    assert_eq!(places, ["tls.certificate", "tls.key"], "both are missing");
    Certificate::new().write(folder.path());
    let key = folder.path().join("x.key");
    for (mode, is_fine) in [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o604, false), (0o660, false)] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let loaded = Tls::load(&files(folder.path()));
        assert_eq!(loaded.is_ok(), is_fine, "{mode:o}: {loaded:?}");
        if let Err(issues) = loaded {
            assert!(issues.len() == 1 && issues[0].what.contains("used by others"), "{issues:?}");
        }
    }
    Certificate::new().write(other.path());
    let mixed = TlsFiles { key: other.path().join("x.key"), ..files(folder.path()) };
    assert!(Tls::load(&mixed).unwrap_err()[0].what.contains("is not the key of"));
    let swapped = TlsFiles { certificate: key.clone(), key: other.path().join("x.pem") };
    fs::set_permissions(other.path().join("x.pem"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Tls::load(&swapped).unwrap_err().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_a_unix_socket_has_no_address_and_shares_its_rate_with_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.sock");
    let unix = Listen { address: Address::Unix { path: path.clone(), mode: 0o600 }, tls: None };
    let tcp = Listen { address: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))), tls: None };
    let limited = "limits = { client-rate = { requests = 1, window-seconds = 3600 } }";
    let stage = Stage::listening(settings(), &[("/i", ""), ("/e", limited)], &[unix, tcp]).await;
    let ask = async |path_asked: &str| {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let request = format!("GET {path_asked} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        told(&answer)
    };
    let told = ask("/i").await;
    assert_eq!((told.status, told.body.as_str()), (200, ""), "{told:?}");
    assert_eq!([ask("/e").await.status, ask("/e").await.status], [200, 429], "all clients of sockets are one");
    assert_eq!(stage.get("/e").await.status, 200, "one with an address has a rate of its own");
    until("it is in the log", || stage.log.lock().unwrap().len() == 4).await;
    assert_eq!(stage.log.lock().unwrap()[0].client, "");
    stage.stop().await;
    assert!(!path.exists(), "its file goes with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_connections_change_while_others_go_on() {
    let stage = Stage::serving(settings(), &[("/e", "")]).await;
    let mut before = stage.connect().await;
    before.write_all(b"POST /e HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n").await.unwrap();
    // It is being read by the server before the limits change.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.node.change_settings(Settings { head_deadline_ms: 300, ..settings() }), [""; 0]);
    let mut after = stage.connect().await;
    after.write_all(b"POST /e HTTP/1.1\r\n").await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), to_end(&mut after)).await.expect("the new limit holds for it");
    before.write_all(b"\r\nhi").await.unwrap();
    assert_eq!(told(&to_end(&mut before).await).body, "hi", "the old one for that which was there");
    let fixed = stage.node.change_settings(Settings { connections_max: 1, ..settings() });
    assert_eq!((fixed, stage.node.settings().connections_max), (vec!["connections-max"], settings().connections_max));
}
