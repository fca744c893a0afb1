//! File descriptors: each connection is one, and most systems give a program a thousand until it asks for more.
//!
//! Easy to get wrong: past the limit nothing fails loudly, connections only wait. So the server takes no more of them than there are, and what will not do
//! is told at the start.

use plugwork_edge::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::print;

/// Asks for as many as the system allows.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised it stays what it is, and that is told with the server.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Tells where a server takes fewer connections than it was to.
pub(crate) fn tell(server: &Server, wanted: usize) {
    let taken = server.connections_max();
    if taken < wanted {
        print::narrate(format_args!(
            "warning: at most {taken} connections at once instead of {wanted}: the system allows too few file descriptors\n\
             hint: raise the limit (`ulimit -Hn`, `LimitNOFILE=`), or lower `connections-max`"
        ));
    }
}
