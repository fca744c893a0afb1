//! The resolver: what an index of a hundred thousand plugins takes, and how long questions take that are put to it.
//!
//! Lives here: the order of the parts, and how questions are timed. Not here: the registry (`registry.rs`), the questions that have no answer (`graphs.rs`). May be misread: a percentile is
//! of different questions, each asked once in a round; the rows show how that differs from round to round.

mod dice;
mod graphs;
mod registry;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use plugwork::core::resolve::{CompactIndex, Options, ResolveError, resolve};
use plugwork::core::{Dependency, Target};

use self::dice::Dice;
use self::graphs::Question;
use self::registry::Manners;
use crate::benchmark::Part;
use crate::measure::Summary;
use crate::report::Row;

/// Plugins of the registry.
const PLUGINS: usize = 100_000;
/// Different questions of one plugin.
const QUESTIONS: usize = 5_000;
/// Different questions of fifty.
const LARGE_QUESTIONS: usize = 300;
/// Plugins that are asked for at once.
const FIFTY: usize = 50;

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
    if parts.contains(&Part::Contested) {
        keep("contested", contested_rows(rounds));
    }
    if parts.contains(&Part::Refused) {
        keep("refused", refused_rows(rounds));
    }
    Ok(())
}

fn registry_rows(rounds: usize) -> Result<Vec<Row>> {
    eprintln!("an index of {PLUGINS} plugins with {} versions", PLUGINS * registry::VERSIONS);
    let before = resident_mb()?;
    let (index, built_s) = index(Manners::USUAL)?;
    let resident = resident_mb()? - before;
    let mut dice = Dice::new(0, "questions");
    let one = Percentiles::of(&index, &questions(QUESTIONS, 1, Manners::USUAL, &mut dice), rounds)?;
    let fifty = Percentiles::of(&index, &questions(LARGE_QUESTIONS, FIFTY, Manners::USUAL, &mut dice), rounds)?;
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

fn contested_rows(rounds: usize) -> Result<Vec<Row>> {
    eprintln!("an index of {PLUGINS} plugins that are in each other's way");
    let (index, _) = index(Manners::CONTESTED)?;
    let one = Percentiles::of(&index, &questions(QUESTIONS, 1, Manners::CONTESTED, &mut Dice::new(0, "questions")), rounds)?;
    let row = Row::value;
    Ok(vec![row("resolve-contested-p50", "ms", one.half), row("resolve-contested-p99", "ms", one.nearly_all)])
}

/// The index, and how many seconds it took to make, without making up what is in it.
fn index(manners: Manners) -> Result<(CompactIndex, f64)> {
    let (began, mut generating_s) = (Instant::now(), 0.0);
    let plugins = (0..PLUGINS).map(|number| {
        let began = Instant::now();
        let plugin = registry::plugin(number, manners);
        generating_s += began.elapsed().as_secs_f64();
        plugin
    });
    let index = CompactIndex::of(plugins).map_err(|issue| anyhow::anyhow!("{issue}"))?;
    ensure!((index.plugins(), index.versions()) == (PLUGINS, PLUGINS * registry::VERSIONS), "not all plugins are in the index");
    Ok((index, began.elapsed().as_secs_f64() - generating_s))
}

/// Questions of so many different plugins each, drawn evenly.
fn questions(count: usize, roots: usize, manners: Manners, dice: &mut Dice) -> Vec<Vec<Dependency>> {
    let question = |_| {
        let mut numbers = BTreeSet::new();
        while numbers.len() < roots {
            numbers.insert(dice.below(PLUGINS));
        }
        numbers.into_iter().map(|number| root(number, manners)).collect()
    };
    (0..count).map(question).collect()
}

/// A root as a person adds it: the newest version that nothing speaks against, or a later one on its track.
fn root(number: usize, manners: Manners) -> Dependency {
    let (name, releases) = registry::plugin(number, manners);
    let newest = releases.iter().rfind(|release| release.is_clean()).or(releases.last()).expect("every plugin has versions");
    let range = format!("^{}", newest.version).parse().expect("a range");
    Dependency::new(Target::Plugin(name), range)
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
            let (mut members, mut refused) = (Vec::new(), 0);
            let mut took_ms = Vec::with_capacity(questions.len());
            for roots in questions {
                let began = Instant::now();
                let answer = resolve(index, roots, &Options::default());
                took_ms.push(began.elapsed().as_secs_f64() * 1e3);
                match answer {
                    Ok(resolution) => members.push(resolution.members.len()),
                    Err(ResolveError::Conflict(_)) => refused += 1,
                    Err(other) => anyhow::bail!("{other}"),
                }
            }
            if round == 0 {
                members.sort_unstable();
                let (Some(half), Some(nearly_all)) = (members.get(members.len() / 2), members.get(members.len() * 99 / 100)) else {
                    anyhow::bail!("no question has an answer");
                };
                let (count, each) = (questions.len(), questions[0].len());
                eprintln!("  {count} questions of {each}: {refused} refused, else {half} plugins at the median and {nearly_all} at p99");
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
