//! What changes while a server runs: certificates when their files do, and on SIGHUP everything that the configuration file says and can change.
//!
//! Easy to get wrong: a configuration that is wrong changes nothing at all. What is told names each thing that stays until a restart.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use plugwork_core::Issue;
use plugwork_edge::{Address, Checks, Listen, Node, Settings, Tls, TlsFiles};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::config::{Config, wrong};
use super::notify;
use super::tracing::{Arguments, Said};
use crate::exit::Failure;
use crate::print;

/// Where a server listens when nobody says.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// What a server was started with.
pub(crate) struct Reload {
    pub(crate) node: Node,
    pub(crate) tls: Vec<Tls>,
    /// The configuration file; none where it was started without.
    pub(crate) file: Option<PathBuf>,
    /// What it was started with.
    pub(crate) started: Wanted,
    /// What flags of the command line say over the file.
    pub(crate) flags: Flags,
}

/// What the command line says; it wins over the file, also when that is read again.
#[derive(Debug)]
pub(crate) struct Flags {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) drain_ms: Option<u64>,
    pub(crate) tracing: Arguments,
}

/// What is wanted of a server, by the command line and its file together.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) listen: Vec<Listen>,
    pub(crate) settings: Settings,
    /// The port for operators.
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) tracing: Said,
}

impl Flags {
    /// With what the file says where they say nothing.
    pub(crate) fn over(&self, config: &Config) -> Wanted {
        let listen = match self.listen {
            Some(address) => vec![plain(address)],
            None if config.listen.is_empty() => vec![plain(LISTEN)],
            None => config.listen.clone(),
        };
        let settings = Settings { drain_ms: self.drain_ms.unwrap_or(config.limits.drain_ms), ..config.limits };
        Wanted { listen, settings, admin: self.admin.or(config.admin), tracing: self.tracing.over(&config.tracing) }
    }
}

impl Wanted {
    /// The parts that differ from what a server was started with and that only a restart changes; limits are told by the server itself.
    fn differs_from(&self, started: &Self) -> Vec<&'static str> {
        let parts = [
            ("listen", self.listen != started.listen),
            ("admin", self.admin != started.admin),
            ("tracing", self.tracing != started.tracing),
        ];
        parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

impl Reload {
    /// Begins to watch and to listen for SIGHUP; ends when what it gives is dropped.
    pub(crate) fn start(self) -> Result<JoinSet<()>, Failure> {
        let mut tasks = JoinSet::new();
        for tls in self.tls.clone() {
            tasks.spawn(tls.watch(told));
        }
        // Without a file there is nothing to read again, and a terminal that is closed ends what runs in it.
        if self.file.is_none() {
            return Ok(tasks);
        }
        let mut hangup = signal(SignalKind::hangup())?;
        tasks.spawn(async move {
            while hangup.recv().await.is_some() {
                notify::reloading();
                self.now();
                notify::ready();
            }
        });
        Ok(tasks)
    }

    fn now(&self) {
        if let Some(file) = &self.file {
            let config = match Config::read(file) {
                Ok(config) => config,
                Err(failure) => return print::narrate(format_args!("warning: nothing was changed: {failure}")),
            };
            match config.checks(Some(file), &self.node.checks()) {
                Ok(checks) => prepare_checks(&self.node, checks),
                Err(failure) => return print::narrate(format_args!("warning: nothing was changed: {failure}")),
            }
            self.apply(&config);
        }
        for tls in &self.tls {
            told(tls.files(), tls.reload());
        }
    }

    fn apply(&self, config: &Config) {
        let wanted = self.flags.over(config);
        let mut fixed: Vec<String> = wanted.differs_from(&self.started).into_iter().map(str::to_owned).collect();
        fixed.extend(self.node.change_settings(wanted.settings).into_iter().map(|name| format!("limits.{name}")));
        print::narrate("the configuration was read again");
        if !fixed.is_empty() {
            print::narrate(format_args!("warning: only a restart changes `{}`", fixed.join("`, `")));
        }
    }
}

/// Gives a node its checks, and gets their keys meanwhile: what cannot be had now is told, and tried again by whoever asks.
pub(crate) fn prepare_checks(node: &Node, checks: Checks) {
    node.set_checks(checks.clone());
    for (key, path, name) in node.closed() {
        print::narrate(format_args!("warning: `{path}` of `{key}` lets nobody in: there is no `auth.{name}` any more"));
    }
    tokio::spawn(async move {
        for (name, why) in checks.prepare().await {
            print::narrate(format_args!("warning: `auth.{name}` lets nobody in as long as it has no keys: {why}"));
        }
    });
}

fn plain(address: SocketAddr) -> Listen {
    Listen { address: Address::Tcp(address), tls: None }
}

/// What came of reading a certificate again.
fn told(files: &TlsFiles, outcome: Result<(), Vec<Issue>>) {
    match outcome {
        Ok(()) => print::narrate(format_args!("the certificate `{}` was read again", files.certificate.display())),
        Err(issues) => {
            let wrong = wrong(&files.certificate, &issues);
            print::narrate(format_args!("warning: the certificate that was read before is used on: {wrong}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_only_a_restart_changes_is_named_unless_the_command_line_says_it() {
        let over = |flags: &Flags, text: &str| flags.over(&Config::parse(text, Path::new("")).unwrap());
        let nothing = Flags { listen: None, admin: None, drain_ms: None, tracing: Arguments::default() };
        let started = over(&nothing, "[admin]\naddress = \"127.0.0.1:1\"\n");
        let changed = "[admin]\naddress = \"127.0.0.1:2\"\n[tracing]\nratio = 0.5\n[[listen]]\naddress = \"127.0.0.1:3\"\n";
        assert_eq!(over(&nothing, changed).differs_from(&started), ["listen", "admin", "tracing"]);
        assert_eq!(over(&nothing, "").differs_from(&started), ["admin"]);
        assert_eq!(over(&nothing, "[admin]\naddress = \"127.0.0.1:1\"\n").differs_from(&started), [""; 0]);
        let says = Flags { admin: Some("127.0.0.1:9".parse().unwrap()), ..nothing };
        assert_eq!(over(&says, changed).differs_from(&over(&says, "[tracing]\nratio = 0.5\n")), ["listen"]);
    }
}
