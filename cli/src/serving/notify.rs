//! What is told to whoever supervises a server, where somebody asked (`NOTIFY_SOCKET`, as systemd has it): that it serves, reads again, stops.
//!
//! Easy to get wrong: a supervisor that has gone away is no reason to stop serving, so nothing here fails.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// It listens, and what was current is served.
pub(crate) fn ready() {
    tell("READY=1");
}

/// It reads its configuration again; [`ready`] follows.
pub(crate) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
}

/// It takes no more requests.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(what: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_encoded_bytes() {
        // A name that is in no file system.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    let told = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(what.as_bytes(), &address)
    });
    // Nobody listens any more, or too slowly.
    drop(told);
}
