//! A shop whose prices pass through rules: two of its own in Rust, and three that other people wrote, in Rust, JavaScript and Python. It answers
//! HTTP, takes over a new version of a rule while it serves, and goes back by itself where that version fails.
//!
//! `cargo run --release --example pricing-host [-- --serve]`; build the plugins first with `cargo xtask guests`. Without `--serve` it asks itself, shows
//! what came of it and ends.

mod catalogue;
mod client;
mod demonstration;
mod http;
mod point;
mod rules;
mod shop;

use std::sync::Arc;

use shop::Shop;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let serve = std::env::args().skip(1).any(|argument| argument == "--serve");
    plugwork_examples::need_plugins(&["loyalty", "campaign-1.0.0", "campaign-1.1.0", "campaign-1.2.0", "regional-tax"]);
    let shop = Arc::new(Shop::open().await?);
    let _observer = shop.observe()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    // Requests under way are answered before the server ends, and only then the rules.
    let serving = axum::serve(listener, http::routes(shop.clone())).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving.into_future());
    if serve {
        demonstration::print_requests(server);
        tokio::signal::ctrl_c().await?;
    } else {
        demonstration::run(server, &shop).await?;
    }
    drop(stop);
    serving.await??;
    shop.close().await?;
    Ok(())
}
