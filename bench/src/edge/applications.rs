//! Applications on disk for the servers that are measured.
//!
//! May be misread: the plugins have neither a share of the processor nor a rate of host calls that a benchmark would empty at once; every other limit is in force.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use plugwork::component::{Embedded, embed};
use tempfile::TempDir;

use super::Programs;
use super::server::Server;

/// How instances are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instances {
    /// One for each request.
    Fresh,
    /// One for many requests, one after another.
    Warm,
    /// One for each request, with the full profile: what WASI 0.3 needs.
    FullFresh,
    /// One for many requests, some of them at once, with the full profile.
    FullWarm,
}

impl Instances {
    /// What the plugin may do of the engine.
    fn grant(self) -> String {
        match self {
            Self::Fresh => String::new(),
            Self::Warm => format!("grants.engine = {{ reuse-calls = {REUSE} }}\n"),
            Self::FullFresh => "grants.engine = { profile = \"full\" }\n".to_owned(),
            Self::FullWarm => format!("grants.engine = {{ profile = \"full\", reuse-calls = {REUSE}, calls-at-once = {AT_ONCE} }}\n"),
        }
    }

    /// What the plugin asks for.
    fn asks(self) -> &'static str {
        match self {
            Self::Fresh | Self::Warm => "reuse-calls = 1000000\n",
            Self::FullFresh | Self::FullWarm => "profile = \"full\"\nreuse-calls = 1000000\ncalls-at-once = 128\n",
        }
    }
}

/// Calls that a warm instance takes, here and in `wasmtime serve`.
pub(super) const REUSE: u32 = 128;

/// Calls that are in a warm instance of WASI 0.3 at once, here and in `wasmtime serve`.
pub(super) const AT_ONCE: u32 = 16;

/// A rate of requests that no client reaches here, so that it is counted and refuses nobody.
const RATE: &str = "limits = { client-rate = { requests = 1000000, window-seconds = 1 } }\n";

/// A folder with an application and a state folder.
pub(super) struct Application {
    folder: TempDir,
    /// Whether its routes have a rate for each client.
    is_rated: bool,
}

impl Application {
    /// An application of one component at `/hello/{name}`.
    pub(super) fn of(component: &Path, instances: Instances) -> Result<Self> {
        Self::many(component, instances, 1)
    }

    /// The same, with a rate for each client on its route.
    pub(super) fn rated(component: &Path, instances: Instances) -> Result<Self> {
        Self::make(component, instances, 1, true)
    }

    /// So many plugins of one component, each with a route: `/hello/{name}` is the first one's, `/p7/{name}` another's. Each is a plugin of its own, because their
    /// configuration differs.
    pub(super) fn many(component: &Path, instances: Instances, count: usize) -> Result<Self> {
        Self::make(component, instances, count, false)
    }

    fn make(component: &Path, instances: Instances, count: usize, is_rated: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let bytes = std::fs::read(component).with_context(|| format!("cannot read `{}`; run `cargo xtask guests`", component.display()))?;
        let manifest = format!(
            "name = \"bench:hello\"\nversion = \"1.0.0\"\n[permissions.config]\noptional = true\n[permissions.engine]\n{}",
            instances.asks()
        );
        let bytes = embed(&bytes, &Embedded { manifest: Some(&manifest), ..Embedded::default() })?;
        std::fs::write(folder.path().join("hello.wasm"), bytes)?;
        let application = Self { folder, is_rated };
        application.write(instances, count, "/hello/{name}")?;
        Ok(application)
    }

    /// Writes its file; the first route's path is given.
    pub(super) fn write(&self, instances: Instances, count: usize, path: &str) -> Result<()> {
        let mut text = "name = \"bench\"\n".to_owned();
        let rate = if self.is_rated { RATE } else { "" };
        for number in 0..count {
            let path = if number == 0 { path.to_owned() } else { format!("/p{number}/{{name}}") };
            write!(text, "[[route]]\npath = \"{path}\"\nplugin = \"p{number}\"\n{rate}")?;
        }
        for number in 0..count {
            write!(text, "[plugin.p{number}]\nsource = \"hello.wasm\"\nconfig = {{ number = {number} }}\n")?;
            text += &instances.grant();
            text += "limits = { cpu-percent = 800, host-calls-per-second = 10000000 }\n";
        }
        std::fs::write(self.folder.path().join("plugwork.toml"), text)?;
        Ok(())
    }

    /// What it is in, for as long as its server is there.
    pub(super) fn into_folder(self) -> TempDir {
        self.folder
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// `plugwork` on its state folder.
    pub(super) fn plugwork(&self, programs: &Programs, arguments: &[&str]) -> Command {
        let mut command = Command::new(&programs.plugwork);
        command.arg("--state").arg(self.state()).args(arguments).current_dir(self.folder());
        command
    }

    /// Serves it.
    pub(super) fn serve(&self, programs: &Programs, arguments: &[&str]) -> Result<Server> {
        let mut command = self.plugwork(programs, &["serve", "--listen", "127.0.0.1:0"]);
        Server::start(command.args(arguments), "serving on http://")
    }
}
