//! 1,000 plugins behind 1,000 routes beside one; the memory of a server that rests; how soon one answers.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use plugwork::core::route::{HostRule, Route, RouteTable};

use super::Programs;
use super::applications::{Application, Instances};
use super::load::{load, paced};
use crate::measure::Summary;
use crate::report::{Judge, Row};

const PLUGINS: usize = 1_000;
const ROUTE_NS_MAX: f64 = 1_000.0;
const IDLE_PLUGINS: usize = 10;
const START_PLUGINS: usize = 100;
const IDLE_MIB_MAX: f64 = 60.0;
const START_MS_MAX: f64 = 150.0;

pub(super) fn rows(programs: &Programs, quick: bool) -> Result<Vec<Row>> {
    let (rounds, seconds) = if quick { (1, 1) } else { (3, 4) };
    let component = programs.plugins.join("hello-http.wasm");
    let (one, many) = (Application::of(&component, Instances::Warm)?, Application::many(&component, Instances::Warm, PLUGINS)?);
    let (first, second) = (one.serve(programs, &["."])?, many.serve(programs, &["."])?);
    // As much work for the one who asks, whoever is asked.
    let (to_one, to_many) = (by_turns("/hello/", "Ada"), by_turns("/p", "/Ada"));
    let scripts = (many.folder().join("one.lua"), many.folder().join("many.lua"));
    std::fs::write(&scripts.0, &to_one)?;
    std::fs::write(&scripts.1, &to_many)?;
    let (mut full_of_one, mut full_of_many, mut of_one, mut of_many) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    load(&first.address, "/hello/Ada", 1, Some(&scripts.0))?;
    load(&second.address, "/hello/Ada", 2, Some(&scripts.1))?;
    for _ in 0..rounds {
        full_of_one.push(load(&first.address, "/hello/Ada", seconds, Some(&scripts.0))?.per_second);
        full_of_many.push(load(&second.address, "/hello/Ada", seconds, Some(&scripts.1))?.per_second);
    }
    let half = Summary::of(full_of_many.clone()).median / 2.0;
    for _ in 0..rounds {
        of_one.push(paced(&first.address, "/hello/Ada", seconds, half, &to_one)?.p99_us);
        of_many.push(paced(&second.address, "/hello/Ada", seconds, half, &to_many)?.p99_us);
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
        let began = Instant::now();
        let server = hundred.serve(programs, &[])?;
        server.ask("/hello/Ada")?;
        started.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(vec![
        Row::value("edge-1000-route", "ns", routing(rounds)?).target(ROUTE_NS_MAX),
        Row::value("edge-1000-full", "/s", Summary::of(full_of_many)).against("one plugin", Summary::of(full_of_one), Judge::Ratio),
        Row::value("edge-1000-p99", "us", Summary::of(of_many)).against("one plugin", Summary::of(of_one), Judge::Ratio).target(1.2),
        Row::value("edge-idle-memory", "MiB", Summary::of(vec![idle_mib])).target(IDLE_MIB_MAX),
        Row::value("edge-start-100", "ms", Summary::of(started)).target(START_MS_MAX),
    ])
}

/// Requests whose paths have a number in the middle, each in turn: Lua for `wrk`.
fn by_turns(before: &str, after: &str) -> String {
    format!(
        "local number = 0\nrequest = function()\n  number = number % {} + 1\n  return wrk.format(nil, \"{before}\" .. number .. \"{after}\")\nend\n",
        PLUGINS - 1
    )
}

/// Finding the route of a request among 1,000, each of them in turn.
fn routing(rounds: usize) -> Result<Summary> {
    let route = |number| {
        let path = format!("/p{number}/{{name}}").parse().ok()?;
        Some(Route { host: HostRule::Any, methods: Vec::new(), path })
    };
    let routes: Vec<_> = (0..PLUGINS).map(route).collect::<Option<_>>().context("the patterns are right")?;
    let table = RouteTable::new(&routes).map_err(|conflicts| anyhow::anyhow!("{conflicts:?}"))?;
    let paths: Vec<_> = (0..PLUGINS).map(|number| format!("/p{number}/Ada")).collect();
    let mut times = Vec::new();
    for _ in 0..rounds * 20 {
        let began = Instant::now();
        for (number, path) in paths.iter().enumerate() {
            let found = table.find("127.0.0.1:8080", "GET", black_box(path));
            ensure!(found.is_ok_and(|found| found.route == number), "`{path}` found another route");
        }
        times.push(began.elapsed().as_nanos() as f64 / PLUGINS as f64);
    }
    Ok(Summary::of(times))
}
