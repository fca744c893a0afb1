//! Who takes turns: `plugwork serve` in the ways it is measured, and its rivals, all started at once and each loaded alone.
//!
//! May be misread: a rival has the same component and the same reuse as the row it stands beside, and no access log, rates or sampled traces; `native` alone does
//! what `plugwork serve` does for a request.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::Programs;
use super::applications::{AT_ONCE, Application, Instances, REUSE};
use super::load::{Load, load, paced};
use super::server::Server;

/// All of them answer here.
pub(super) const PATH: &str = "/hello/Ada";

/// One server that takes turns.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) server: Server,
    /// What it is started from.
    _folder: Option<TempDir>,
    pub(super) turns: Vec<Load>,
}

impl Contestant {
    fn new(name: &'static str, server: Server, folder: Option<TempDir>) -> Result<Self> {
        server.ask(PATH)?;
        load(&server.address, PATH, 1, None)?;
        Ok(Self { name, server, _folder: folder, turns: Vec::new() })
    }

    fn ours(name: &'static str, programs: &Programs, application: Application, arguments: &[&str]) -> Result<Self> {
        let server = application.serve(programs, &[&["."][..], arguments].concat())?;
        Self::new(name, server, Some(application.into_folder()))
    }

    /// One turn with all it can answer.
    pub(super) fn turn(&mut self, seconds: u32) -> Result<()> {
        self.turns.push(load(&self.server.address, PATH, seconds, None)?);
        Ok(())
    }

    /// With so many requests a second.
    pub(super) fn paced(&self, seconds: u32, per_second: f64) -> Result<Load> {
        paced(&self.server.address, PATH, seconds, per_second, "")
    }
}

/// Starts all of them; each has answered, and was loaded for a second.
pub(super) fn start(programs: &Programs, collector: &str) -> Result<Vec<Contestant>> {
    let mut all = ours(programs, collector)?;
    all.extend(rivals(programs)?);
    Ok(all)
}

fn ours(programs: &Programs, collector: &str) -> Result<Vec<Contestant>> {
    let plugin = |name: &str| programs.plugins.join(name);
    let (function, proxy, service) = (plugin("hello-http.wasm"), plugin("wasi-hello.wasm"), plugin("wasi-capitals.wasm"));
    let of = |name, component, instances, arguments: &[&str]| {
        Contestant::ours(name, programs, Application::of(component, instances)?, arguments)
    };
    Ok(vec![
        of("function-fresh", &function, Instances::Fresh, &[])?,
        of("function-warm", &function, Instances::Warm, &[])?,
        of("unlogged", &function, Instances::Warm, &["--no-access-log"])?,
        of("traced", &function, Instances::Warm, &["--otlp", collector, "--trace-ratio", "0.01"])?,
        Contestant::ours("rated", programs, Application::rated(&function, Instances::Warm)?, &[])?,
        of("proxy-fresh", &proxy, Instances::Fresh, &[])?,
        of("proxy-warm", &proxy, Instances::Warm, &[])?,
        of("service-fresh", &service, Instances::FullFresh, &[])?,
        of("service-warm", &service, Instances::FullWarm, &[])?,
    ])
}

fn rivals(programs: &Programs) -> Result<Vec<Contestant>> {
    let native = |name, kind| Contestant::new(name, Server::start(Command::new(&programs.native).arg(kind), "serving on http://")?, None);
    let (proxy, service) = (programs.plugins.join("wasi-hello.wasm"), programs.plugins.join("wasi-capitals.wasm"));
    let (once, reuse) = ("--max-instance-reuse-count=1", format!("--max-instance-reuse-count={REUSE}"));
    let at_once = format!("--max-instance-concurrent-reuse-count={AT_ONCE}");
    let tuned = ["-O", "pooling-memory-keep-resident=1048576", "-O", "pooling-table-keep-resident=1048576", "-O", "pooling-pagemap-scan=y"];
    let serve = |name, component: &Path, arguments: &[&str]| {
        let mut command = Command::new(&programs.wasmtime);
        command.args(["serve", "-Scli", "--addr", "127.0.0.1:0"]).args(arguments).arg(component);
        Contestant::new(name, Server::start(&mut command, "http://")?, None)
    };
    Ok(vec![
        native("native-bare", "bare")?,
        native("native", "whole")?,
        serve("serve", &proxy, &[once])?,
        serve("serve-tuned", &proxy, &[&tuned[..], &[once]].concat())?,
        serve("serve-warm", &proxy, &[&reuse])?,
        serve("serve-0.3-fresh", &service, &[once])?,
        serve("serve-0.3", &service, &[&reuse, &at_once])?,
        workerd(programs)?,
    ])
}

/// JavaScript in an isolate of V8, one for all requests: its usual form.
fn workerd(programs: &Programs) -> Result<Contestant> {
    const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .hello)],
  sockets = [(name = "http", http = (), service = "main")]
);
const hello :Workerd.Worker = (
  modules = [(name = "hello.js", esModule = embed "hello.js")],
  compatibilityDate = "2026-11-01",
);
"#;
    const HELLO: &str = r#"export default {
  fetch(request) {
    const name = decodeURIComponent(new URL(request.url).pathname.slice("/hello/".length));
    return new Response(`hello, ${name}\n`);
  },
};
"#;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("config.capnp"), CONFIG)?;
    std::fs::write(folder.path().join("hello.js"), HELLO)?;
    // It does not say which port it was given: one that is free a moment before.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = Command::new(&programs.workerd);
    command.arg("serve").arg("config.capnp").arg(format!("--socket-addr=http={address}")).current_dir(folder.path());
    let server = Server::start_at(&mut command, address)?;
    Contestant::new("workerd", server, Some(folder))
}
