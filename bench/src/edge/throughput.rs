//! Requests a second of one small answer: plugwork with a fresh and with a warm instance, through both worlds, beside native axum and `wasmtime serve`.
//!
//! May be misread: every server is loaded for some seconds, all of them by turns, round after round; ratios are of medians.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Programs;
use super::applications::{Application, Instances, REUSE};
use super::load::load;
use super::server::Server;
use crate::measure::Summary;
use crate::report::{Judge, Row};

/// One server that takes turns.
struct Contestant {
    name: &'static str,
    path: &'static str,
    server: Server,
    /// What it is started from.
    _application: Option<Application>,
    per_second: Vec<f64>,
    p99_us: Vec<f64>,
}

impl Contestant {
    fn new(name: &'static str, path: &'static str, server: Server, application: Option<Application>) -> Self {
        Self { name, path, server, _application: application, per_second: Vec::new(), p99_us: Vec::new() }
    }
}

pub(super) fn rows(programs: &Programs, quick: bool) -> Result<Vec<Row>> {
    let (rounds, seconds) = if quick { (1, 1) } else { (3, 4) };
    let (function, proxy) = (programs.plugins.join("hello-http.wasm"), programs.plugins.join("wasi-hello.wasm"));
    let mut all = Vec::new();
    for (name, component, instances, arguments) in [
        ("function-fresh", &function, Instances::Fresh, &[][..]),
        ("function-warm", &function, Instances::Warm, &[]),
        ("function-warm-unlogged", &function, Instances::Warm, &["--no-access-log"]),
        ("proxy-fresh", &proxy, Instances::Fresh, &[]),
        ("proxy-warm", &proxy, Instances::Warm, &[]),
    ] {
        let application = Application::of(component, instances)?;
        let server = application.serve(programs, &[&["."][..], arguments].concat())?;
        all.push(Contestant::new(name, "/hello/Ada", server, Some(application)));
    }
    for kind in ["bare", "whole"] {
        let server = Server::start(Command::new(&programs.native).arg(kind), "serving on http://")?;
        all.push(Contestant::new(if kind == "bare" { "native-bare" } else { "native" }, "/hello/Ada", server, None));
    }
    let tuned = ["-O", "pooling-memory-keep-resident=1048576", "-O", "pooling-table-keep-resident=1048576", "-O", "pooling-pagemap-scan=y"];
    let reuse = format!("--max-instance-reuse-count={REUSE}");
    all.push(Contestant::new("serve", "/hello/Ada", wasmtime(programs, &proxy, &["--max-instance-reuse-count=1"])?, None));
    all.push(Contestant::new(
        "serve-tuned",
        "/hello/Ada",
        wasmtime(programs, &proxy, &[&tuned[..], &["--max-instance-reuse-count=1"]].concat())?,
        None,
    ));
    all.push(Contestant::new("serve-warm", "/hello/Ada", wasmtime(programs, &proxy, &[&reuse])?, None));
    for contestant in &all {
        contestant.server.ask(contestant.path)?;
        load(&contestant.server.address, contestant.path, 1, None)?;
    }
    for round in 0..rounds {
        let count = all.len();
        for turn in 0..count {
            // Another one begins each round.
            let contestant = &mut all[(turn + round) % count];
            let measured = load(&contestant.server.address, contestant.path, seconds, None)?;
            contestant.per_second.push(measured.per_second);
            contestant.p99_us.push(measured.p99_us);
        }
    }
    let find = |name: &str| all.iter().find(|contestant| contestant.name == name).expect("each of them is there");
    let rate = |name: &str| Summary::of(find(name).per_second.clone());
    let late = |name: &str| Summary::of(find(name).p99_us.clone());
    let row =
        |row: &'static str, ours: &str, rival: &'static str| Row::value(row, "/s", rate(ours)).against(rival, rate(rival), Judge::Share);
    Ok(vec![
        row("edge-function-fresh", "function-fresh", "native").target(0.35),
        row("edge-function-fresh-serve", "function-fresh", "serve").target(4.5),
        row("edge-function-warm", "function-warm", "native").target(0.75),
        row("edge-proxy-fresh", "proxy-fresh", "serve").target(2.0),
        row("edge-proxy-fresh-tuned", "proxy-fresh", "serve-tuned").target(0.8),
        row("edge-proxy-warm", "proxy-warm", "serve-warm").target(0.85),
        row("edge-unlogged", "function-warm-unlogged", "function-warm"),
        row("edge-native-bare", "native", "native-bare"),
        Row::value("edge-p99", "us", late("function-warm")).against("native", late("native"), Judge::Ratio),
        Row::value("edge-loaded-memory", "MiB", Summary::of(vec![find("function-warm").server.resident_mib()?])).against(
            "native",
            Summary::of(vec![find("native").server.resident_mib()?]),
            Judge::Ratio,
        ),
    ])
}

fn wasmtime(programs: &Programs, component: &Path, arguments: &[&str]) -> Result<Server> {
    let mut command = Command::new(&programs.wasmtime);
    command.args(["serve", "-Scli", "--addr", "127.0.0.1:0"]).args(arguments).arg(component);
    Server::start(&mut command, "http://")
}
