//! Plugins in front of HTTP: a tower `Service`, which an axum `Router` takes as a route, around any plugin that answers HTTP.
//!
//! The order of things in a request: its head is checked and what only a host may say is taken out of it ([`head`]); its body is read within
//! limits ([`body`]); the plugin is called; what it answered is checked ([`answer`]); and whatever goes wrong on the way is
//! told as a problem with a stable code ([`problem`]). A plugin of `plugwork:points/http-function` is given a request whole; one of
//! `wasi:http/incoming-handler` 0.2 or `wasi:http/handler` 0.3 reads and writes streams. Nothing here opens a socket, routes, or decides who may ask: that is the server's.

#![forbid(unsafe_code)]
// The types of the engine are nested deeper than the usual limit once those of a request are around them.
#![recursion_limit = "256"]

pub mod answer;
mod arriving;
pub mod body;
mod function;
pub mod head;
mod leaving;
mod limits;
pub mod origin;
pub mod problem;
mod served;
mod service;
mod streamed;

pub use axum::body::Body;
pub use limits::HttpLimits;
pub use origin::{Connection, Origin, RequestId, RouteParameters};
pub use plugwork_points::http_function::Principal;
pub use problem::{Problem, ProblemCode};
pub use served::Served;
pub use service::{Answered, HttpService};
