//! 1,000 plugins behind 1,000 routes beside one; the memory of a server that rests; how soon one answers.

use anyhow::Result;

use super::Programs;
use super::applications::{Application, Instances};
use super::load::load;
use crate::measure::Summary;
use crate::report::{Judge, Row};

const PLUGINS: usize = 1_000;
const IDLE_PLUGINS: usize = 10;
const START_PLUGINS: usize = 100;
const IDLE_MIB_MAX: f64 = 60.0;
const START_MS_MAX: f64 = 150.0;

pub(super) fn rows(programs: &Programs, quick: bool) -> Result<Vec<Row>> {
    let (rounds, seconds) = if quick { (1, 1) } else { (3, 4) };
    let component = programs.plugins.join("hello-http.wasm");
    let (one, many) = (Application::of(&component, Instances::Warm)?, Application::many(&component, Instances::Warm, PLUGINS)?);
    let script = many.folder().join("paths.lua");
    let paths = format!(
        "local number = 0\nrequest = function()\n  number = number % {} + 1\n  return wrk.format(nil, \"/p\" .. number .. \"/Ada\")\nend\n",
        PLUGINS - 1
    );
    std::fs::write(&script, paths)?;
    let (first, second) = (one.serve(programs, &["."])?, many.serve(programs, &["."])?);
    load(&first.address, "/hello/Ada", 1, None)?;
    load(&second.address, "/hello/Ada", 2, Some(&script))?;
    let (mut of_one, mut of_many) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        of_one.push(load(&first.address, "/hello/Ada", seconds, None)?.p99_us);
        of_many.push(load(&second.address, "/hello/Ada", seconds, Some(&script))?.p99_us);
    }
    drop((first, second));
    let few = Application::many(&component, Instances::Warm, IDLE_PLUGINS)?;
    let idle = few.serve(programs, &["."])?;
    idle.ask("/hello/Ada")?;
    let idle_mib = idle.resident_mib()?;
    drop(idle);
    let hundred = Application::many(&component, Instances::Warm, START_PLUGINS)?;
    drop(hundred.serve(programs, &["."])?);
    let mut started = Vec::new();
    for _ in 0..rounds * 3 {
        let began = std::time::Instant::now();
        let server = hundred.serve(programs, &[])?;
        server.ask("/hello/Ada")?;
        started.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(vec![
        Row::value("edge-1000-p99", "us", Summary::of(of_many)).against("one plugin", Summary::of(of_one), Judge::Ratio).target(1.2),
        Row::value("edge-idle-memory", "MiB", Summary::of(vec![idle_mib])).target(IDLE_MIB_MAX),
        Row::value("edge-start-100", "ms", Summary::of(started)).target(START_MS_MAX),
    ])
}
