//! An axum application that was there before and gains three routes that are plugins: in Rust, in JavaScript and in Python.
//!
//! `cargo run --release --example axum-embed [-- --serve]`; build the plugins first with `cargo xtask guests`. Without `--serve` it asks itself, shows
//! the answers and ends. Easily got wrong: axum does not switch off Nagle's algorithm, which makes a body that follows its head wait.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use plugwork::core::record::Settings;
use plugwork::{Grants, Runtime, Source};
use plugwork_http::HttpService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What makes a plugin a service: 4 lines, and one for each route.
async fn plugin(runtime: &Runtime, name: &str) -> plugwork::Result<HttpService> {
    let offer = runtime.offer(&Source::file(format!("target/plugins/{name}.wasm"))?).await?; // read and checked; nothing of it has run
    let installation = runtime.install(offer, Grants::none(), Settings::default()).await?; // it asks for nothing, and is given nothing
    installation.enable("axum-embed").await?;
    Ok(HttpService::new(&installation))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    plugwork_examples::need_plugins(&["hello-http", "echo-json", "word-count"]);
    let application = Router::new().route("/", get(|| async { "the application's own page\n" }));
    let runtime = Runtime::builder("target/axum-embed-state").open().await?;
    let application = application
        .route_service("/hello/{name}", plugin(&runtime, "hello-http").await?)
        .route_service("/echo", plugin(&runtime, "echo-json").await?)
        .route_service("/words", plugin(&runtime, "word-count").await?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    // Tells plugins who asks.
    let service = application.into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(axum::serve(listener, service).into_future());
    if std::env::args().skip(1).any(|argument| argument == "--serve") {
        println!("http://{server}/  http://{server}/hello/you  http://{server}/echo  http://{server}/words (POST)");
        tokio::signal::ctrl_c().await?;
    } else {
        for (method, path, body) in [
            ("GET", "/", ""),
            ("GET", "/hello/Ada", ""),
            ("POST", "/echo?from=here", r#"{"a":[1,2]}"#),
            ("POST", "/echo", "{"),
            ("POST", "/words", "Sea, sea and the land"),
            ("GET", "/words", ""),
        ] {
            let (status, answer) = ask(server, method, path, body).await?;
            println!("{method} {path} {body}\n  {status}\n  {answer}\n");
        }
    }
    serving.abort();
    runtime.close().await?;
    Ok(())
}

/// One request, as small as a client can be: the status and the body.
async fn ask(server: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(server).await?;
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut all = String::new();
    stream.read_to_string(&mut all).await?;
    let (head, answer) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
    let status = head.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 ");
    Ok((status.to_owned(), answer.trim_end().to_owned()))
}
