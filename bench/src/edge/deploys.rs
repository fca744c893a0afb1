//! Deploying and rolling back a plugin that is cached, from the command's start to the first answer of the new deployment; and 100 of them under load.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::Programs;
use super::applications::{Application, Instances};
use super::load::Loading;
use super::server::Server;
use crate::measure::Summary;
use crate::report::Row;

const CHANGE_MS_MAX: f64 = 50.0;
const DEPLOYS: usize = 100;
/// The load ends with the last deployment; where that never comes, then.
const LOAD_SECONDS_MAX: u32 = 300;

pub(super) fn rows(programs: &Programs, quick: bool) -> Result<Vec<Row>> {
    let changes = if quick { 4 } else { 20 };
    let application = Application::of(&programs.plugins.join("hello-http.wasm"), Instances::Warm)?;
    let server = application.serve(programs, &["."])?;
    let (mut deployed, mut back) = (Vec::new(), Vec::new());
    for number in 0..changes {
        application.write(Instances::Warm, 1, &format!("/n{number}/{{name}}"))?;
        let began = Instant::now();
        run(&mut application.plugwork(programs, &["deploy", "."]))?;
        server.ask(&format!("/n{number}/Ada"))?;
        deployed.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        run(&mut application.plugwork(programs, &["rollback", "bench", "1"]))?;
        server.ask("/hello/Ada")?;
        back.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let mut rows = vec![
        Row::value("edge-deploy", "ms", Summary::of(deployed)).target(CHANGE_MS_MAX),
        Row::value("edge-rollback", "ms", Summary::of(back)).target(CHANGE_MS_MAX),
    ];
    match lost(programs, &application, &server, if quick { 10 } else { DEPLOYS }) {
        Ok(lost) => rows.push(Row::value("edge-deploys-lost", "requests", Summary::of(vec![lost as f64])).target(0.0)),
        Err(error) => eprintln!("edge-deploys-lost: {error:#}"),
    }
    Ok(rows)
}

/// Requests that had no good answer while so many deployments were made. All of them ask for the route that all deployments have.
fn lost(programs: &Programs, application: &Application, server: &Server, deploys: usize) -> Result<u64> {
    let loading = Loading::begin(&server.address, "/hello/Ada", LOAD_SECONDS_MAX)?;
    for count in 0..deploys {
        application.write(Instances::Warm, 1 + count % 2, "/hello/{name}")?;
        run(&mut application.plugwork(programs, &["deploy", "."]))?;
    }
    Ok(loading.end()?.lost)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
