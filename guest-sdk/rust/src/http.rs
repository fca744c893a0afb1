//! Answering HTTP requests: the point `http-function`.
//!
//! Here are the names only; requests that a plugin *sends* are in [`fetch`](crate::fetch), whose types are others.

pub use crate::points::{Context, HttpFunction, Principal, Request, Response};
