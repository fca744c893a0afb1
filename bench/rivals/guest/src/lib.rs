//! The two jobs as a plugin for extism: numbers as its own conversion has them, records as JSON.
//!
//! Not here: the jobs (`job`), the host (`src/extism_host.rs`). Built by `build.rs` of the rivals for `wasm32-unknown-unknown`.

#![allow(missing_docs, reason = "`plugin_fn` writes the exported functions anew, without their docs")]

use extism_pdk::{FnResult, Json, plugin_fn};
use plugwork_rivals_job::{Order, Price};

/// One more than `input`.
#[plugin_fn]
pub fn add(input: u32) -> FnResult<u32> {
    Ok(plugwork_rivals_job::add(input))
}

/// The price of an order.
#[plugin_fn]
pub fn price(order: Json<Order>) -> FnResult<Json<Price>> {
    Ok(Json(plugwork_rivals_job::price(&order.0)))
}
