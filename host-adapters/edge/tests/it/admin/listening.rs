//! The listeners themselves: whose socket it is, what was left there, and what is no request.

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use http::Method;
use plugwork_core::Digest;
use plugwork_core::application::Application;
use plugwork_core::authorize::Action;
use plugwork_core::deployment::{Draft, Expected};
use plugwork_edge::admin::{AdminServer, SOCKET};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::desk::{Desk, now_ms, send, wish};
use crate::world::{application, to_end};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_is_its_owners_and_goes_with_its_server() {
    let desk = Desk::new().await;
    let metadata = std::fs::metadata(desk.socket()).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(desk.stage.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".admin")), "{left:?}");
    let second = AdminServer::on_socket(&desk.admin, desk.stage.folder.path()).err().unwrap();
    assert_eq!(second.kind(), std::io::ErrorKind::AddrInUse, "one that lives is not replaced");
    assert_eq!(desk.get("/readyz").await.status, 200);
    let socket = desk.socket();
    desk.stop().await;
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_server_left_is_replaced_and_what_is_no_socket_is_not() {
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(folder.path().join(SOCKET)).unwrap());
    assert!(AdminServer::on_socket(&desk.admin, folder.path()).is_ok());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(SOCKET), "mine").unwrap();
    assert!(AdminServer::on_socket(&desk.admin, folder.path()).is_err());
    assert_eq!(std::fs::read_to_string(folder.path().join(SOCKET)).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_a_long_path_has_a_socket_too() {
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("a".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let server = AdminServer::on_socket(&desk.admin, &long).unwrap();
    assert!(long.join(SOCKET).exists());
    drop(server);
    assert!(!long.join(SOCKET).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_ready_after_its_start_and_not_when_it_stops() {
    let desk = Desk::new().await;
    assert_eq!(desk.remote(Method::GET, "/readyz", "", None).await.body, "ok\n");
    assert_eq!(desk.get("/v1/server").await.json()["state"], "ready");
    desk.admin.stopping();
    let told = desk.get("/readyz").await;
    assert_eq!((told.status, told.code().as_str()), (503, "E-ADMIN-NOT-READY"));
    assert_eq!(desk.get("/livez").await.status, 200);
    desk.admin.ready(Vec::new());
    assert_eq!(desk.get("/readyz").await.status, 503, "who stops is not ready again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_left_an_application_out_is_ready_and_names_it() {
    let desk = Desk::starting(0).await;
    // Current, of a component that is not there.
    let application = Application::parse(&application(&[("/e", "")])).unwrap();
    let plugins = [("guest".to_owned(), Digest::of(b"gone"))].into();
    let draft = Draft::new("default", &application, plugins, "test", "").unwrap();
    desk.stage.deployments.deploy(now_ms(), draft, Expected::Nothing).await.unwrap();
    desk.admin.ready(desk.stage.node.start().await.unwrap());
    assert_eq!(desk.get("/readyz").await.status, 200);
    let all = desk.get("/v1/applications").await.json();
    let shop = &all["items"][0];
    assert_eq!((&shop["current"]["deployment"]["application"], &shop["served"]), (&json!("shop"), &json!(false)), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_deployed_while_it_starts() {
    let desk = Desk::starting(0).await;
    assert_eq!(desk.get("/readyz").await.code(), "E-ADMIN-NOT-READY");
    assert_eq!(desk.get("/v1/server").await.json()["state"], "starting");
    let told = desk.post("/v1/applications/shop/deployments", wish("shop", &[("/e", "")], json!({}))).await;
    assert_eq!((told.status, told.code().as_str()), (503, "E-ADMIN-NOT-READY"));
    assert!(told.header("retry-after").is_some());
    desk.admin.ready(Vec::new());
    assert_eq!(desk.deploy("shop", &[("/e", "")], json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unknown_or_no_json_is_a_problem_with_a_code() {
    let desk = Desk::with_shop().await;
    let unknown = desk.get("/v2/server").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "E-ADMIN-PATH"));
    let method = desk.ask(Method::DELETE, "/v1/applications/shop/deployments", None).await;
    assert_eq!((method.status, method.code().as_str()), (405, "E-ADMIN-METHOD"));
    assert!(method.header("allow").is_some_and(|allow| allow.contains("POST")), "{method:?}");
    let path = desk.get("/v1/applications/shop/deployments/one").await;
    assert_eq!((path.status, path.code().as_str()), (400, "E-ADMIN-REQUEST"));
    let text = desk.raw(b"POST /v1/tokens HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
    assert_eq!((text.status, text.code().as_str()), (415, "E-ADMIN-TYPE"));
    let large = json!({ "actions": [], "lifetime-seconds": 1, "note": "a".repeat(5 << 20) });
    let large = desk.post("/v1/tokens", large).await;
    assert!(large.status == 0 || large.code() == "E-ADMIN-SIZE", "{}", large.status);
    let garbage = desk.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
    assert!(matches!(garbage.status, 0 | 400), "{garbage:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_listener_answers_nothing_of_it() {
    let desk = Desk::with_shop().await;
    for path in ["/v1/server", "/v1/applications", "/livez", "/readyz", "/metrics"] {
        assert_eq!(desk.stage.get(path).await.code(), "E-HTTP-NOT-FOUND", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_port_nobody_without_a_token_is_answered_twice_on_one_connection() {
    let desk = Desk::new().await;
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/v1/server", 401)] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let told = send(TcpStream::connect(desk.port).await.unwrap(), request.as_bytes()).await;
        assert_eq!((told.status, told.header("connection")), (status, Some("close")), "{told:?}");
    }
    let head = format!("authorization: Bearer {}\r\n", desk.token(None, None, &[Action::ServerRead]).await);
    let request = |last: &str| format!("GET /v1/server HTTP/1.1\r\nhost: a\r\n{head}{last}\r\n");
    let both = request("") + &request("connection: close\r\n");
    let mut stream = TcpStream::connect(desk.port).await.unwrap();
    stream.write_all(both.as_bytes()).await.unwrap();
    let told = to_end(&mut stream).await;
    assert_eq!(told.matches("HTTP/1.1 200").count(), 2, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_has_all_connections_of_the_port_and_who_asks_for_nothing_makes_room() {
    let desk = Desk::new().await;
    let from = async |last: u8| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(desk.port).await.unwrap()
    };
    let livez = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(from(2).await);
    }
    assert_eq!(send(from(2).await, livez).await.status, 0, "one too many");
    for _ in 0..64 {
        silent.push(from(3).await);
    }
    assert_eq!(send(from(4).await, livez).await.status, 200);
    drop(silent);
}
