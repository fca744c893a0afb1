//! Applications on disk for the servers that are measured.
//!
//! May be misread: the plugins have neither a share of the processor nor a rate of host calls that a benchmark would empty at once; every other limit is in force.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use plugwork::component::{Embedded, embed};

use super::Programs;
use super::server::Server;

/// How instances are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instances {
    /// One for each request.
    Fresh,
    /// One for many requests, one after another.
    Warm,
}

/// Calls that a warm instance takes, here and in `wasmtime serve`.
pub(super) const REUSE: u32 = 128;

/// A folder with an application and a state folder.
pub(super) struct Application {
    folder: tempfile::TempDir,
}

impl Application {
    /// An application of one component at `/hello/{name}`.
    pub(super) fn of(component: &Path, instances: Instances) -> Result<Self> {
        Self::many(component, instances, 1)
    }

    /// So many plugins of one component, each with a route: `/hello/{name}` is the first one's, `/p7/{name}` another's. Each is a plugin of its own, because their
    /// configuration differs.
    pub(super) fn many(component: &Path, instances: Instances, count: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let bytes = std::fs::read(component).with_context(|| format!("cannot read `{}`; run `cargo xtask guests`", component.display()))?;
        let manifest = "name = \"bench:hello\"\nversion = \"1.0.0\"\n[permissions.config]\noptional = true\n[permissions.engine]\nreuse-calls = 1000000\n";
        let bytes = embed(&bytes, &Embedded { manifest: Some(manifest), ..Embedded::default() })?;
        std::fs::write(folder.path().join("hello.wasm"), bytes)?;
        let application = Self { folder };
        application.write(instances, count, "/hello/{name}")?;
        Ok(application)
    }

    /// Writes its file; the first route's path is given.
    pub(super) fn write(&self, instances: Instances, count: usize, path: &str) -> Result<()> {
        let mut text = "name = \"bench\"\n".to_owned();
        for number in 0..count {
            let path = if number == 0 { path.to_owned() } else { format!("/p{number}/{{name}}") };
            write!(text, "[[route]]\npath = \"{path}\"\nplugin = \"p{number}\"\n")?;
        }
        for number in 0..count {
            write!(text, "[plugin.p{number}]\nsource = \"hello.wasm\"\nconfig = {{ number = {number} }}\n")?;
            if instances == Instances::Warm {
                writeln!(text, "grants.engine = {{ reuse-calls = {REUSE} }}")?;
            }
            text += "limits = { cpu-percent = 800, host-calls-per-second = 10000000 }\n";
        }
        std::fs::write(self.folder.path().join("plugwork.toml"), text)?;
        Ok(())
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
