//! The resolver: what an index of a hundred thousand plugins takes, and how long questions take that are put to it.
//!
//! Lives here: the order of the parts, and how questions are timed. Not here: the registry (`registry.rs`), the questions that have no answer (`graphs.rs`). May be misread: a percentile is
//! of different questions, each asked once in a round; the rows show how that differs from round to round.

mod dice;
mod graphs;
mod registry;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use plugwork::core::resolve::{CompactIndex, Options, ResolveError, resolve};
use plugwork::core::{Dependency, Target};

use self::dice::Dice;
use self::graphs::Question;
use crate::benchmark::Part;
use crate::measure::Summary;
use crate::report::Row;

/// Plugins of the registry.
const PLUGINS: usize = 100_000;
/// Different questions of one plugin.
const QUESTIONS: usize = 5_000;
/// Different questions of fifty.
const LARGE_QUESTIONS: usize = 100;
/// Plugins that are asked for at once.
const FIFTY: usize = 50;
/// Steps of finding out whether one more goes together with those before.
const STEPS_ADDED: u64 = 1_000;

/// Part by part. What fails says why and leaves its rows out; the rest still runs.
pub(crate) fn measure(quick: bool, parts: &[Part], rows: &mut Vec<Row>) -> Result<()> {
    let rounds = if quick { 2 } else { 9 };
    let mut keep = |what: &str, outcome: Result<Vec<Row>>| match outcome {
        Ok(found) => rows.extend(found),
        Err(error) => eprintln!("{what}: {error:#}"),
    };
    // First, while nothing has been let go of that the index could be put into.
    if parts.contains(&Part::Registry) {
        keep("registry", registry_rows(rounds));
    }
    if parts.contains(&Part::Refused) {
        keep("refused", refused_rows(rounds));
    }
    Ok(())
}

fn registry_rows(rounds: usize) -> Result<Vec<Row>> {
    eprintln!("an index of {PLUGINS} plugins with {} versions", PLUGINS * registry::VERSIONS);
    let before = resident_mb()?;
    let (began, mut generating_s) = (Instant::now(), 0.0);
    let plugins = (0..PLUGINS).map(|number| {
        let began = Instant::now();
        let plugin = registry::plugin(number);
        generating_s += began.elapsed().as_secs_f64();
        plugin
    });
    let index = CompactIndex::of(plugins).map_err(|issue| anyhow::anyhow!("{issue}"))?;
    let built_s = began.elapsed().as_secs_f64() - generating_s;
    let resident = resident_mb()? - before;
    ensure!((index.plugins(), index.versions()) == (PLUGINS, PLUGINS * registry::VERSIONS), "not all plugins are in the index");
    let mut dice = Dice::new(0, "questions");
    let one: Vec<Vec<Dependency>> = (0..QUESTIONS).map(|_| vec![root(dice.below(PLUGINS))]).collect();
    let one = Percentiles::of(&index, &one, rounds)?;
    eprintln!("  {one:?}");
    let together: Vec<Vec<Dependency>> = (0..LARGE_QUESTIONS).map(|_| together(&index, || root(dice.below(PLUGINS)))).collect();
    let fifty = Percentiles::of(&index, &together, rounds)?;
    let row = Row::value;
    Ok(vec![
        row("resolve-index-memory", "MB", Summary::of(vec![resident])).target(150.0),
        row("resolve-index-built", "s", Summary::of(vec![built_s])),
        row("resolve-one-p50", "ms", one.half).target(0.1),
        row("resolve-one-p99", "ms", one.nearly_all).target(1.0),
        row("resolve-fifty-p50", "ms", fifty.half),
        row("resolve-fifty-p99", "ms", fifty.nearly_all).target(20.0),
    ])
}

/// A root as a person adds it: the newest version, or a later one on its track.
fn root(number: usize) -> Dependency {
    let newest = registry::history(number).pop().expect("every plugin has versions");
    let range = format!("^{newest}").parse().expect("a range");
    Dependency::new(Target::Plugin(registry::name(number)), range)
}

/// Fifty plugins that go together: one after the other is added, and left out where it does not fit those before.
fn together(index: &CompactIndex, mut any: impl FnMut() -> Dependency) -> Vec<Dependency> {
    let options = Options { steps_max: STEPS_ADDED, ..Options::default() };
    let mut roots: Vec<Dependency> = Vec::new();
    while roots.len() < FIFTY {
        let next = any();
        if roots.iter().any(|root| root.target == next.target) {
            continue;
        }
        roots.push(next);
        if resolve(index, &roots, &options).is_err() {
            roots.pop();
        }
    }
    roots
}

/// Of all questions, round by round, in milliseconds.
#[derive(Debug)]
struct Percentiles {
    half: Summary,
    nearly_all: Summary,
}

impl Percentiles {
    /// Asks every question once in each round, after a round that does not count.
    fn of(index: &CompactIndex, questions: &[Vec<Dependency>], rounds: usize) -> Result<Self> {
        let (mut half, mut nearly_all) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let (mut members, mut refused) = (0, 0);
            let mut took_ms = Vec::with_capacity(questions.len());
            for roots in questions {
                let began = Instant::now();
                let answer = resolve(index, roots, &Options::default());
                took_ms.push(began.elapsed().as_secs_f64() * 1e3);
                match answer {
                    Ok(resolution) => members += resolution.members.len(),
                    Err(ResolveError::Conflict(_)) => refused += 1,
                    Err(other) => anyhow::bail!("{other}"),
                }
            }
            if round == 0 {
                let answered = questions.len() - refused;
                ensure!(answered > 0, "no question has an answer");
                eprintln!("  {answered} of {} questions have an answer, of {} plugins each", questions.len(), members / answered);
                continue;
            }
            took_ms.sort_by(f64::total_cmp);
            half.push(took_ms[took_ms.len() / 2]);
            nearly_all.push(took_ms[took_ms.len() * 99 / 100]);
        }
        Ok(Self { half: Summary::of(half), nearly_all: Summary::of(nearly_all) })
    }
}

fn refused_rows(rounds: usize) -> Result<Vec<Row>> {
    eprintln!("questions without an answer, of {} plugins", graphs::PLUGINS);
    let row = Row::value("resolve-refused-row", "ms", refused(&graphs::row()?, rounds)?).target(50.0);
    let groups = Row::value("resolve-refused-groups", "ms", refused(&graphs::groups()?, rounds)?).target(50.0);
    Ok(vec![row, groups])
}

/// From the question to its refusal with reasons and ways out, in milliseconds.
fn refused(question: &Question, rounds: usize) -> Result<Summary> {
    let mut took_ms = Vec::new();
    for round in 0..=rounds {
        let began = Instant::now();
        let answer = resolve(&question.index, &question.roots, &Options::default());
        took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        let Err(ResolveError::Conflict(conflict)) = answer else { anyhow::bail!("it is not refused") };
        ensure!(!conflict.reasons.is_empty(), "it is not explained");
        if round == 0 {
            eprintln!("  {} ways out", conflict.ways_out.len());
            took_ms.clear();
        }
    }
    Ok(Summary::of(took_ms))
}

/// What is resident of this process, in millions of bytes.
fn resident_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not say what is resident")?;
    let kibibytes: f64 = resident.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
