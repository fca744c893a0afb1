//! A server's listeners for operators: the socket of its state folder, and a port where one was wanted.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;

use plugwork_edge::NotServed;
use plugwork_edge::admin::{Admin, AdminParts, AdminServer, SOCKET};
use tokio::task::JoinSet;

use crate::exit::Failure;
use crate::print;

/// What operators talk to while the server runs.
pub(crate) struct Operators {
    admin: Admin,
    listeners: Vec<AdminServer>,
    running: JoinSet<()>,
}

impl Operators {
    /// Listens. Nobody is answered before [`Operators::answer`].
    pub(crate) async fn open(parts: AdminParts, state: &Path, port: Option<SocketAddr>) -> Result<Self, Failure> {
        let admin = Admin::new(parts);
        let socket = AdminServer::on_socket(&admin, state).map_err(|error| {
            let socket = state.join(SOCKET);
            Failure::failed(format_args!(
                "cannot listen on `{}`: {error}\nhint: give this server a folder of its own: `--state FOLDER`",
                socket.display()
            ))
        })?;
        let mut listeners = vec![socket];
        if let Some(address) = port {
            let listener = AdminServer::on_port(&admin, address).await;
            let listener = listener.map_err(|error| {
                Failure::failed(format_args!("cannot listen on `{address}` for operators: {error}\nhint: `--admin ADDRESS`"))
            })?;
            let address = listener.address().unwrap_or(address);
            print::narrate(format_args!("operators with a token: http://{address}"));
            if !address.ip().is_loopback() {
                print::narrate(format_args!("warning: tokens cross the network to `{address}` unencrypted"));
            }
            listeners.push(listener);
        }
        Ok(Self { admin, listeners, running: JoinSet::new() })
    }

    /// Answers until then; first only that it starts.
    pub(crate) fn answer(&mut self, stop: impl Future<Output = ()> + Clone + Send + 'static) {
        for listener in self.listeners.drain(..) {
            self.running.spawn(listener.run(stop.clone()));
        }
    }

    /// From now on it is ready.
    pub(crate) fn ready(&self, not_served: Vec<NotServed>) {
        self.admin.ready(not_served);
    }

    /// Waits until nobody is answered any more.
    pub(crate) async fn stopped(self) {
        self.running.join_all().await;
    }
}
