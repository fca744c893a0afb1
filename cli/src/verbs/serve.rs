//! `plugwork serve`: applications of plugins that answer HTTP, where the command line or a configuration file says.
//!
//! Easy to get wrong: what is deployed is on record. Started again without an application it serves what was current; with one it deploys only what
//! differs from that.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use plugwork_core::deployment::{ApplicationKey, Expected};
use plugwork_edge::admin::{AdminParts, Tail};
use plugwork_edge::{Checks, Deploy, DeployError, Metering, NotServed, Server};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::approver;
use crate::print;
use crate::serving::admin::Operators;
use crate::serving::application::{self, Read};
use crate::serving::config::{self, Config};
use crate::serving::descriptors;
use crate::serving::host::Serving;
use crate::serving::log::Log;
use crate::serving::notify;
use crate::serving::reload::{self, Flags, Reload};
use crate::serving::tracing;

/// Serves plugins that answer HTTP: the routes of an application go to them.
///
/// An application is a folder with `plugwork.toml`: plugins with what they are
/// granted, and routes. It is deployed as a whole: prepared, put on record under a
/// number, and served. What cannot be prepared is told whole, and changes nothing.
/// Deploying it is consent to what it grants. Without APPLICATION what was current
/// before is served. Requests and logs are told on stderr, one JSON object a line.
/// `plugwork deploy`, `status`, `rollback`, `tail` and `token` talk to it by a
/// socket in the state folder.
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  plugwork serve examples/apps/hello
  plugwork serve shop/plugwork.toml --listen 127.0.0.1:9000
  plugwork serve --config server.toml --admin 127.0.0.1:9090

SIGTERM and Ctrl-C let requests that began come to their end; a second one ends
at once. With --config, SIGHUP reads the file and certificates again. Exit code
3 where it cannot be deployed."
)]
pub(crate) struct Serve {
    /// The application: its folder, or its `plugwork.toml`.
    #[arg(value_name = "APPLICATION")]
    application: Option<PathBuf>,
    /// A file with places to listen, TLS, limits and more: `server.toml`. What is
    /// said here on the command line wins over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The one address to listen on; 127.0.0.1:8080 where nothing is said. Port 0:
    /// any that is free; which is told.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// An address for operators with a token, beside the socket in the state folder.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// How long requests may take once it is told to stop. Milliseconds; 30000
    /// where nothing is said.
    #[arg(long, value_name = "N")]
    drain_ms: Option<u64>,
    #[command(flatten)]
    tracing: tracing::Arguments,
    /// Why, for the record of the deployment.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Tells no requests on stderr; what plugins say is told all the same.
    #[arg(long)]
    no_access_log: bool,
}

impl Serve {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::serving_runtime()?.block_on(self.serve(place))
    }

    async fn serve(self, place: &Place) -> Result<(), Failure> {
        let config = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let checks = config.checks(self.config.as_deref(), &Checks::default())?;
        let flags = Flags { listen: self.listen, admin: self.admin, drain_ms: self.drain_ms, tracing: self.tracing.clone() };
        let started = flags.over(&config);
        let settings = started.settings;
        descriptors::raise();
        let store = host::store(place).await?;
        let log = Log::start(!self.no_access_log)?;
        let _flush = log.flushed_at_the_end();
        let tracing = tracing::start(&started.tracing)?;
        let serving = crate::serving::host::open(place, &store, &log, settings).await?;
        if let Some(tracing) = &tracing {
            serving.node.trace_with(tracing);
        }
        // Before anything is deployed: an address that is taken is no reason for a new number.
        let tail = Tail::default();
        let server =
            Server::listen(&serving.node, &started.listen, tail.over(log)).await.map_err(|issues| match (&self.listen, &self.config) {
                (None, Some(file)) => Failure::failed(config::wrong(file, &issues)),
                _ => Failure::failed(format_args!("{}\nhint: `--listen ADDRESS`", issues[0].what)),
            })?;
        descriptors::tell(&server, settings.connections_max);
        let parts = AdminParts { usage: Some(store.clone()), ..AdminParts::new(serving.node.clone(), store.clone(), tail) };
        let mut operators = Operators::open(parts, &place.state()?, started.admin).await?;
        let stop = told_to_stop()?.shared();
        operators.answer(stop.clone());
        // Before anything is brought up: without its checks no route is served that names one.
        reload::prepare_checks(&serving.node, checks);
        let metering = Metering::start(&serving.node, store.clone());
        let read = match &self.application {
            Some(path) => Some(application::read(path, place, Some(&store)).await?),
            None => None,
        };
        let not_served = serving.node.start().await.map_err(failure)?;
        let own = read.as_ref().map(|read| key(&read.application.name));
        for NotServed { key, number, is_older, error } in &not_served {
            let which = number.map_or_else(|| "the current deployment".to_owned(), |number| format!("deployment {number}"));
            if *is_older {
                print::narrate(format_args!(
                    "warning: {which} of `{key}` has no share of its requests, all go to the current deployment: {error}"
                ));
            } else if own.as_ref() != Some(key) {
                print::narrate(format_args!("warning: {which} of `{key}` is not served: {error}"));
            }
        }
        if let Some(read) = read {
            self.deploy(&serving, read, &not_served).await?;
        }
        operators.ready(not_served);
        let observer = host::serve(place, &serving.runtime, "serve");
        let reload = Reload { node: serving.node.clone(), tls: server.tls(), file: self.config.clone(), started, flags };
        let reloading = reload.start()?;
        for listen in server.listens() {
            print::narrate(format_args!("serving on {}", listen.url()));
        }
        notify::ready();
        let began = Arc::new(OnceLock::new());
        let stopped = server.run(noted(stop, began.clone())).await;
        if stopped.broken > 0 {
            let drain_ms = serving.node.settings().drain_ms;
            print::narrate(format_args!("warning: {} connections were broken off after {drain_ms} ms", stopped.broken));
        }
        operators.stopped().await;
        if let Err(error) = metering.stop().await {
            print::narrate(format_args!("warning: what was used in the last minute is not on record: {error}"));
        }
        if let Some(tracing) = tracing {
            // What is left of the time to drain, and a moment where nothing is.
            let drain = Duration::from_millis(serving.node.settings().drain_ms);
            let left = drain.saturating_sub(began.get().map_or(Duration::ZERO, Instant::elapsed));
            let lost = tracing.close(left.max(Duration::from_secs(1))).await;
            if lost > 0 {
                print::narrate(format_args!("warning: {lost} spans reached no collector"));
            }
        }
        drop((observer, reloading));
        Ok(serving.runtime.close().await?)
    }

    /// Deploys it, unless it is what is served.
    async fn deploy(&self, serving: &Serving, read: Read, not_served: &[NotServed]) -> Result<(), Failure> {
        let key = key(&read.application.name);
        let deployments = serving.node.deployments();
        let current = deployments.current(&key).await.map_err(|error| failure(error.into()))?;
        let text = read.application.canonical().map_err(Failure::usage)?;
        let is_served = !not_served.iter().any(|not| not.key == key && !not.is_older);
        if let Some(current) = current.as_ref().filter(|_| is_served) {
            let deployment = &current.deployment;
            if deployment.text == text && deployment.plugins == read.plugins {
                print::narrate(format_args!("deployment {} of `{key}` is current, and as the file says", deployment.number));
                return Ok(());
            }
        }
        let expected = current.map_or(Expected::Nothing, |current| Expected::Number(current.deployment.number));
        let Read { text, plugins, components, .. } = read;
        for (name, digest) in &plugins {
            // What several plugins name is kept once.
            let kept = components.get(digest).map_or(Ok(*digest), |bytes| serving.node.components().keep(bytes));
            kept.map_err(|error| Failure::failed(format_args!("plugin.{name}.source: {error}")))?;
        }
        let wish = Deploy { tenant: key.tenant.clone(), text, plugins, by: approver(), note: self.note.clone(), expected };
        let deployed = serving.node.deploy(wish).await.map_err(failure)?;
        let shared = serving.node.shares_with(&key).map(|older| format!(", which shares the requests with number {older}"));
        print::narrate(format_args!("deployed `{key}` as number {}{}", deployed.deployment.number, shared.unwrap_or_default()));
        Ok(())
    }
}

fn key(name: &str) -> ApplicationKey {
    ApplicationKey { tenant: "default".to_owned(), application: name.to_owned() }
}

fn failure(error: DeployError) -> Failure {
    match error {
        DeployError::Findings(_) => Failure::refused(error),
        other => Failure::failed(other),
    }
}

/// The same, and when that was.
async fn noted(stop: impl Future<Output = ()>, began: Arc<OnceLock<Instant>>) {
    stop.await;
    began.get_or_init(Instant::now);
}

/// Resolves with the first signal to stop; the second ends the process.
fn told_to_stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut tell = Some(tell);
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let Some(tell) = tell.take() else { std::process::exit(130) };
            notify::stopping();
            print::narrate("stopping: requests that began come to their end; a second signal ends at once");
            // Nobody listens any more: then it has stopped.
            let _ = tell.send(());
        }
    });
    Ok(async { drop(told.await) })
}
