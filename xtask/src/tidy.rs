//! `cargo xtask tidy`: the rules of the house that a compiler does not know. One file per rule; this one runs them and tells what they found.
//!
//! All findings are told at once, each with its place and what to do. Easily got wrong: a rule answers findings and never stops at the
//! first; an `Err` is for what could not be checked at all, and that fails too.

mod addresses;
mod code;
mod deploy;
mod engine;
mod floors;
mod graph;
mod licences;
mod sources;
mod tools;
mod wit;

use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::house::{House, RIVALS, WORKSPACES};
use crate::program::seconds;
use crate::tree;

/// Looks at one thing and answers what is wrong with it.
type Rule<'a> = Box<dyn Fn() -> Result<Vec<Finding>> + 'a>;

/// How much to check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Without lints and docs, which compile things.
    Fast,
    /// Everything.
    Full,
}

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A file with or without line, or a crate.
    place: String,
    complaint: String,
    /// What to do about it.
    advice: String,
    /// Whether it fails the check.
    is_error: bool,
}

impl Finding {
    fn error(place: impl fmt::Display, complaint: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self { place: place.to_string(), complaint: complaint.to_string(), advice: advice.to_string(), is_error: true }
    }

    fn warning(place: impl fmt::Display, complaint: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self { is_error: false, ..Self::error(place, complaint, advice) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.is_error { "error" } else { "warning" };
        write!(f, "{level}: {}: {}; {}", self.place, self.complaint, self.advice)
    }
}

/// Checks everything, tells it, and says whether it held.
pub(crate) fn run(house: &House, depth: Depth) -> Result<ExitCode> {
    let (rules, failed) = check(house, depth)?;
    println!("tidy: {} of {rules} rules hold", rules - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the rules one after the other; answers how many there are and how many failed.
pub(crate) fn check(house: &House, depth: Depth) -> Result<(usize, usize)> {
    let files = tree::files(&house.root)?;
    let graphs = WORKSPACES.iter().chain([&RIVALS]).map(|folder| graph::read(house, folder)).collect::<Result<Vec<_>>>()?;
    let mut rules: Vec<(&str, Rule<'_>)> = vec![
        ("floors", Box::new(|| Ok(floors::check(&graphs[0])))),
        ("engine", Box::new(|| engine::check(house, &graphs[0]))),
        ("licences and sources", Box::new(|| licences::check(house, &graphs))),
        ("rust files", Box::new(|| Ok(sources::check(&files)))),
        ("contract", Box::new(|| Ok(wit::check(&files)))),
        ("deployment", Box::new(|| deploy::check(house))),
        ("addresses", Box::new(|| Ok(addresses::check(&files)))),
        ("format", Box::new(|| tools::format(house))),
    ];
    if depth == Depth::Full {
        rules.push(("lints", Box::new(|| tools::lints(house))));
        rules.push(("docs", Box::new(|| tools::docs(house))));
    }
    let mut failed = 0;
    for (name, rule) in &rules {
        let started = Instant::now();
        let findings =
            rule().unwrap_or_else(|error| vec![Finding::error(name, format_args!("could not be checked: {error:#}"), "make it checkable")]);
        for finding in &findings {
            println!("{finding}");
        }
        let holds = !findings.iter().any(|finding| finding.is_error);
        failed += usize::from(!holds);
        println!("tidy: {name}: {} in {}", if holds { "ok" } else { "FAILED" }, seconds(started.elapsed()));
    }
    Ok((rules.len(), failed))
}
