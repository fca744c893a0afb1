//! `cargo xtask demo`: from a clean clone to two reports and an application that is served, and what to try next.
//!
//! Easily got wrong: the command is built together with an example, because Cargo then resolves features as it does for the tests; built
//! alone it may compile the engine a second time (`tidy`, rule `engine`, watches that).

mod estimates;
mod serving;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::house::House;
use crate::program::{Program, seconds};
use crate::{guests, setup};

const PIPELINES: [&str; 2] = ["earthquakes", "flights"];
/// The networks of which the b-value is told: the best and the most widely recorded of the week.
const NETWORKS: [&str; 2] = ["ci", "us"];

/// What the line without grants takes out of the pipeline, and what it replaces.
const GRANTS: &str = "^grants";
const PATH: &str = "path = \"earthquakes.json\"";

/// What was done and how long it took.
#[derive(Default)]
struct Steps(Vec<(String, Duration)>);

impl Steps {
    fn take<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\ndemo: {name} …");
        let started = Instant::now();
        let done = work()?;
        self.0.push((name.to_owned(), started.elapsed()));
        Ok(done)
    }

    fn summary(&self) -> String {
        let total = self.0.iter().map(|(_, elapsed)| *elapsed).sum();
        let slowest = self.0.iter().max_by_key(|(_, elapsed)| *elapsed);
        let slowest = slowest.map(|(name, elapsed)| format!("; slowest step: {name}, {}", seconds(*elapsed))).unwrap_or_default();
        format!("total {}{slowest}", seconds(total))
    }
}

/// Does it all; a screenshot of the first report is made only when asked for, and with `serve` the application is served on at the end.
pub(crate) fn run(house: &House, screenshot: Option<&str>, serve: bool) -> Result<()> {
    let mut steps = Steps::default();
    steps.take("set up", || setup::everything(house))?;
    steps.take("build the command", || {
        Program::cargo(house).args(["build", "--workspace", "--bin", "plugwork", "--example", "build-plugin"]).run()
    })?;
    steps.take("build the plugins", || guests::build(house, false))?;
    let mut told = Vec::new();
    for name in PIPELINES {
        let summary = steps.take(&format!("run the {name} pipeline"), || pipeline(house, name))?;
        let report = summary["report"].as_str().context("`plugwork run --json` names no report")?;
        told.push(format!("{name}: {}", house.root.join(report).display()));
        if name == PIPELINES[0] {
            let found = estimates::read(&folder(house, name))?;
            for network in NETWORKS {
                let Some(estimate) = found.iter().find(|estimate| estimate.group == network) else {
                    bail!("the {name} pipeline wrote no estimate for the network `{network}`");
                };
                told.push(format!("  {estimate}"));
            }
        }
    }
    if let Some(file) = screenshot {
        steps.take("screenshot", || picture(house, &folder(house, PIPELINES[0]).join("report.html"), file))?;
    }
    steps.take("serve an application", || serving::run(house, &command(house), false))?;
    println!("\nreports (open them in a browser; they load nothing):\n  {}", told.join("\n  "));
    println!("{}", steps.summary());
    println!("\n{}", next(&house.short(&command(house))));
    if serve { serving::run(house, &command(house), true) } else { Ok(()) }
}

fn command(house: &House) -> PathBuf {
    house.target.join("debug/plugwork")
}

fn folder(house: &House, pipeline: &str) -> PathBuf {
    house.root.join("out/demo").join(pipeline)
}

/// Runs one pipeline; its progress goes to the terminal, its summary is the answer.
fn pipeline(house: &House, name: &str) -> Result<Value> {
    let file = format!("examples/pipelines/{name}.toml");
    let mut summary = String::new();
    let succeeded = Program::new(command(house), &house.root)
        .args(["run", &file, "--json", "--output"])
        .arg(folder(house, name))
        .each_line(|line| {
            summary.push_str(line);
            summary.push('\n');
        })?;
    if !succeeded {
        bail!("`plugwork run {file}` failed; its own messages are above");
    }
    serde_json::from_str(&summary).with_context(|| format!("`plugwork run {file} --json` printed something that is not JSON"))
}

fn next(command: &str) -> String {
    // The copy lies beside the pipeline, because its paths are relative to it. It asks for the network as well, because a plugin without the
    // filesystem grant merely sees an empty disk, while a plugin without the http grant is answered with a refusal.
    let (file, copy) = ("examples/pipelines/earthquakes.toml", "examples/pipelines/ungranted.toml");
    format!(
        "try next:\n\n  \
         {command} inspect target/plugins/usgs-earthquakes.wasm\n\n  \
         # the same feed from its host, with every grant removed: refused, and told which line would allow it\n  \
         sed -e '/{GRANTS}/d' -e 's|{PATH}|url = \"https://earthquake.usgs.gov/week\"|' {file} > {copy}\n  \
         {command} run {copy}\n\n  \
         {command} serve examples/apps/hello\n\n  \
         {command} call target/plugins/shout.wasm apply '{{body: \"hello\", media-type: \"text/plain\"}}'"
    )
}

/// Makes the picture, but first sees that the page drew every chart.
fn picture(house: &House, report: &Path, file: &str) -> Result<()> {
    let browser = setup::chromium(house)?;
    let address = format!("file://{}", report.display());
    let file = std::env::current_dir()?.join(file);
    let chromium = |what: &str| {
        // `--no-sandbox`: Chromium refuses to start for root otherwise, and the page is our own and loads nothing.
        Program::new("timeout", &house.root)
            .args(["180", browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,5200"])
            .args([what, &address])
    };
    let page = chromium("--dump-dom").read()?;
    let charts = charts(&page).context("the report does not say how many charts it drew")?;
    println!("demo: charts: {charts}");
    if !all_drawn(charts) {
        bail!("not every chart was drawn: open `{}` and read what it says", report.display());
    }
    chromium(&format!("--screenshot={}", file.display())).read()?;
    println!("demo: wrote {}", file.display());
    Ok(())
}

/// `4 of 4 drawn` of a page's first element.
fn charts(page: &str) -> Option<&str> {
    page.split_once("data-charts=\"")?.1.split_once('"').map(|(charts, _)| charts)
}

fn all_drawn(charts: &str) -> bool {
    let words: Vec<&str> = charts.split(' ').collect();
    matches!(words.as_slice(), [drawn, "of", all, "drawn"] if drawn == all && *all != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_step_is_named() {
        let steps = Steps(vec![("a".to_owned(), Duration::from_secs(2)), ("b".to_owned(), Duration::from_secs(61))]);
        assert_eq!(steps.summary(), "total 1:03 min; slowest step: b, 1:01 min");
    }

    #[test]
    fn a_page_with_a_missing_chart_is_not_fine() {
        assert_eq!(charts("<html lang=\"en\" data-charts=\"3 of 4 drawn\">"), Some("3 of 4 drawn"));
        assert!(all_drawn("4 of 4 drawn"));
        assert!(!all_drawn("3 of 4 drawn") && !all_drawn("0 of 0 drawn") && !all_drawn(""));
    }

    #[test]
    fn the_line_without_grants_finds_something_to_remove() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pipelines/earthquakes.toml");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.lines().any(|line| line.starts_with(GRANTS.trim_start_matches('^'))), "no line begins with `grants`");
        assert!(text.contains(PATH), "the source's options do not say `{PATH}`");
    }
}
