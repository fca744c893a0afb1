//! Which plugin answers a request: host, path and method against a table that was checked when it was made. Pure; sockets and limits are the server's.
//!
//! Among all routes that match a request one wins: an exact host before a wildcard (the longer one first) before any host; then, segment by segment
//! from the left, a literal before a parameter before a rest; then named methods before any. Two routes that could win the same request are a
//! [`Conflict`], found when the table is made. What a reader may get wrong: a path is matched as it was sent. What a browser or a proxy would tidy up
//! (`//`, `.`, `..`) is refused, so that nobody in front can have decided on another path than the one that is served.

mod host;
mod miss;
mod pattern;
mod request;
mod table;

pub use host::{HOST_BYTES_MAX, HostRule, request_host};
pub use miss::{BadPath, Miss};
pub use pattern::{METHODS_MAX, PATTERN_BYTES_MAX, PathPattern, Segment, is_method};
pub use request::{PATH_BYTES_MAX, PATH_SEGMENTS_MAX};
pub use table::{Conflict, Found, RouteTable};

use serde::{Deserialize, Serialize};

/// What a request has to be like to belong to a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which hosts.
    pub host: HostRule,
    /// Which methods, in upper case; empty for any. `GET` stands for `GET` and `HEAD`, as RFC 9110 (9.1) asks of servers.
    pub methods: Vec<String>,
    /// Which paths.
    pub path: PathPattern,
}

impl Route {
    /// The methods that it takes, `HEAD` beside `GET`; empty for any.
    pub fn taken(&self) -> Vec<&str> {
        let mut taken: Vec<&str> = self.methods.iter().map(String::as_str).collect();
        if taken.contains(&"GET") && !taken.contains(&"HEAD") {
            taken.push("HEAD");
        }
        taken.sort_unstable();
        taken.dedup();
        taken
    }
}
