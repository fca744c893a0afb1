//! The demonstration: the shop asks itself over HTTP and prints what came of it.
//!
//! Not here: the shop. Easily got wrong: every number that is printed is counted from answers, not from what should have happened.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::client;
use crate::shop::Shop;

/// What to type to ask a shop that keeps serving.
pub(crate) fn print_requests(server: SocketAddr) {
    println!("serving on {server}; end with Ctrl-C\n");
    println!("curl -s http://{server}/quote -d '{}'", order());
    println!("curl -s http://{server}/plugins");
}

fn order() -> Value {
    json!({
        "customer": { "name": "Ada", "orders_before": 34, "region": "DE" },
        "lines": [{ "sku": "tea-green", "quantity": 60 }, { "sku": "kettle", "quantity": 1 }],
    })
}

pub(crate) async fn run(server: SocketAddr, _shop: &Shop) -> io::Result<()> {
    let answer = client::post(server, "/quote", &order()).await?;
    println!("{answer:?}");
    println!("{:?}", client::get(server, "/plugins").await?);
    Ok(())
}
