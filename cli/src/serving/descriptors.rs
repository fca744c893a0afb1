//! File descriptors: each connection is one, and most systems give a program a thousand until it asks for more.
//!
//! Easy to get wrong: past the limit nothing fails loudly, connections only wait. So what will not do is told at the start.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::print;

/// What a server has open besides its connections: databases, components, sockets of plugins.
const OTHERS: u64 = 1_024;

/// Asks for as many as the system allows, and tells where that is too few.
pub(crate) fn raise(connections_max: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let there = if setrlimit(Resource::Nofile, wanted).is_ok() { limit.maximum } else { limit.current };
    let needed = connections_max as u64 + OTHERS;
    if let Some(there) = there.filter(|there| *there < needed) {
        print::narrate(format_args!(
            "warning: {connections_max} connections need {needed} file descriptors, and the system allows {there}: raise the limit (`ulimit -Hn`, \
             `LimitNOFILE=`), or lower `connections-max`"
        ));
    }
}
