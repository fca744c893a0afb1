//! What operators talk to: HTTP with JSON on a Unix socket of the state folder, and on a port of its own where that is wanted. Never on the public
//! listener.
//!
//! A request's order: who asks (`who`), whether they may (`seam`, before anything is looked for or read), then the handler. The document of all of it is
//! `openapi.json` beside this crate's `Cargo.toml`, written by [`document`]. Easily got wrong: a handler gets at nothing but through a permit of the seam, so
//! a new one cannot forget to ask.

mod answer;
mod applications;
mod asked;
mod components;
mod connection;
mod deployments;
mod document;
mod health;
mod listener;
mod logs;
mod once;
mod places;
mod problem;
mod seam;
mod tail;
mod tokens;
mod usage;
mod who;
pub mod words;

pub use document::document;
pub use listener::{AdminServer, SOCKET};
pub use seam::{Admin, AdminParts};
pub use tail::{Tail, Tailing};
