//! Deploying and rolling back a plugin that is cached, from the command's start to the first answer of the new deployment; and 100 of them under load.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::Programs;
use super::applications::{Application, Instances};
use super::load::load;
use crate::measure::Summary;
use crate::report::Row;

const CHANGE_MS_MAX: f64 = 50.0;
const DEPLOYS: usize = 100;

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
    // Everybody asks for the route that all deployments have; an answer that is no 2xx, or a connection that breaks, fails the row.
    let address = server.address.clone();
    let seconds = if quick { 2 } else { 20 };
    let loading = std::thread::spawn(move || load(&address, "/hello/Ada", seconds, None));
    let mut count = 0;
    while !loading.is_finished() && count < DEPLOYS {
        application.write(Instances::Warm, 1 + count % 2, "/hello/{name}")?;
        run(&mut application.plugwork(programs, &["deploy", "."]))?;
        count += 1;
    }
    loading.join().map_err(|_| anyhow::anyhow!("what loads it broke"))??;
    ensure!(quick || count == DEPLOYS, "only {count} deployments came to an end in {seconds} s");
    Ok(vec![
        Row::value("edge-deploy", "ms", Summary::of(deployed)).target(CHANGE_MS_MAX),
        Row::value("edge-rollback", "ms", Summary::of(back)).target(CHANGE_MS_MAX),
        Row::value("edge-deploys-lost", "requests", Summary::of(vec![0.0])).target(0.0),
    ])
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
