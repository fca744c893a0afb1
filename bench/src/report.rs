//! The rows and how they are shown.
//!
//! Lives here: [`Row`], [`Report`], the table and the JSON. Not here: which rows there must be (`benchmark.rs`), any measuring. May be misread: a target that is missed is marked
//! and does not fail the run, because machines differ; a row that is missing does, because nobody sees what is not there.

use std::fmt;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::benchmark::{Benchmark, Part};
use crate::machine::Machine;
use crate::measure::Summary;

/// How two medians become the one number that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Judge {
    /// The median itself.
    Value,
    /// Ours less the rival's.
    More,
    /// Ours by the rival's.
    Ratio,
    /// The rival's by ours: how many times as fast. The target is the least that is good.
    Faster,
    /// Ours by the rival's, of which more is better. The target is the least that is good.
    Share,
    /// The median itself, of which more is better. The target is the least that is good.
    AtLeast,
}

/// One thing that was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// One of its benchmark's: see [`Benchmark::required`].
    pub(crate) name: &'static str,
    /// The unit of all values; a ratio has none.
    pub(crate) unit: &'static str,
    /// plugwork.
    pub(crate) ours: Summary,
    /// What it is compared with, and its measurements in the same unit.
    pub(crate) rival: Option<(&'static str, Summary)>,
    pub(crate) judge: Judge,
    /// The most that is good, or the least where the judge says so. `None`: shown beside the others and not judged.
    pub(crate) target: Option<f64>,
}

impl Row {
    pub(crate) fn value(name: &'static str, unit: &'static str, ours: Summary) -> Self {
        Self { name, unit, ours, rival: None, judge: Judge::Value, target: None }
    }

    pub(crate) fn against(mut self, rival: &'static str, measured: Summary, judge: Judge) -> Self {
        self.rival = Some((rival, measured));
        self.judge = judge;
        self
    }

    /// The most that is good; the least, where more is better.
    pub(crate) fn target(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }

    /// More is better.
    pub(crate) fn at_least(mut self, target: f64) -> Self {
        self.judge = Judge::AtLeast;
        self.target(target)
    }

    /// The number that is judged.
    pub(crate) fn judged(&self) -> f64 {
        let rival = self.rival.map_or(f64::NAN, |(_, summary)| summary.median);
        match self.judge {
            Judge::Value | Judge::AtLeast => self.ours.median,
            Judge::Faster => rival / self.ours.median,
            Judge::More => self.ours.median - rival,
            Judge::Ratio | Judge::Share => self.ours.median / rival,
        }
    }

    /// `None` where there is no target.
    pub(crate) fn met(&self) -> Option<bool> {
        let more_is_better = matches!(self.judge, Judge::Faster | Judge::AtLeast | Judge::Share);
        self.target.map(|target| if more_is_better { self.judged() >= target } else { self.judged() <= target })
    }

    fn judged_text(&self, number: f64) -> String {
        match self.judge {
            Judge::Value | Judge::AtLeast => format!("{} {}", figures(number), self.unit),
            Judge::More => format!("{}{} {}", if number < 0.0 { "" } else { "+" }, figures(number), self.unit),
            Judge::Ratio | Judge::Share => format!("{number:.3} ×"),
            Judge::Faster => format!("{number:.1} × faster"),
        }
    }
}

/// A run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) benchmark: Benchmark,
    pub(crate) machine: Machine,
    pub(crate) quick: bool,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Names of the benchmark that have no row, of these parts.
    pub(crate) fn missing(&self, parts: &[Part]) -> Vec<&'static str> {
        let wanted = self.benchmark.required().iter().filter(|(part, _)| parts.contains(part)).map(|(_, name)| *name);
        wanted.filter(|name| !self.rows.iter().any(|row| row.name == *name)).collect()
    }

    /// Names of the rows whose target was missed.
    pub(crate) fn missed(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| row.met() == Some(false)).map(|row| row.name).collect()
    }

    /// Puts the rows in the order of the benchmark.
    pub(crate) fn sort(&mut self) {
        let required = self.benchmark.required();
        self.rows.sort_by_key(|row| required.iter().position(|(_, name)| *name == row.name));
    }

    pub(crate) fn json(&self) -> Result<String> {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let mut value = serde_json::to_value(row)?;
                let entries = value.as_object_mut().context("a row is an object")?;
                entries.insert("judged".to_owned(), row.judged().into());
                entries.insert("met".to_owned(), row.met().into());
                if let Some((name, summary)) = &row.rival {
                    let mut rival = serde_json::to_value(summary)?;
                    rival.as_object_mut().context("a summary is an object")?.insert("name".to_owned(), (*name).into());
                    entries.insert("rival".to_owned(), rival);
                }
                Ok(value)
            })
            .collect::<Result<_>>()?;
        let all = serde_json::json!({ "benchmark": self.benchmark.name(), "quick": self.quick, "machine": self.machine, "rows": rows });
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{}\n", self.machine, if self.quick { "\nquick run: few batches, rough numbers" } else { "" })?;
        writeln!(
            f,
            "{:<30} {:>12} {:>25}  {:<34} {:>11} {:>11}",
            "row", "median", "min to max", "against (median, min to max)", "judged", "target"
        )?;
        for row in &self.rows {
            let ours = format!("{} {}", figures(row.ours.median), row.unit);
            let range = |summary: &Summary| format!("{} to {}", figures(summary.min), figures(summary.max));
            let rival = row
                .rival
                .as_ref()
                .map_or(String::new(), |(name, summary)| format!("{name} {}, {}", figures(summary.median), range(summary)));
            let judged = row.judged_text(row.judged());
            let (target, mark) = match (row.target, row.met()) {
                (Some(target), Some(met)) => (row.judged_text(target), if met { "met" } else { "MISSED" }),
                _ => (String::new(), ""),
            };
            writeln!(f, "{:<30} {ours:>12} {:>25}  {rival:<34} {judged:>11} {target:>11} {mark}", row.name, range(&row.ours))?;
        }
        Ok(())
    }
}

/// Four figures, or all before the point.
fn figures(number: f64) -> String {
    let whole = (number.abs().max(1.0).log10().floor() as usize).min(3);
    format!("{number:.*}", 3 - whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, rival: f64, judge: Judge) -> Row {
        Row::value("call-warm", "ns", Summary::of(vec![ours])).against("raw", Summary::of(vec![rival]), judge).target(1.2)
    }

    #[test]
    fn a_target_is_met_at_the_target_and_missed_past_it() {
        assert_eq!(row(12.0, 10.0, Judge::Ratio).met(), Some(true));
        assert_eq!(row(12.1, 10.0, Judge::Ratio).met(), Some(false));
        assert_eq!(row(11.0, 10.0, Judge::More).met(), Some(true));
        assert_eq!(Row::value("call-warm", "ns", Summary::of(vec![1.0])).met(), None);
        assert_eq!([12.0, 11.9].map(|rival| row(10.0, rival, Judge::Faster).met()), [Some(true), Some(false)]);
        let least = |calls| Row::value("point-threads", "calls/s", Summary::of(vec![calls])).at_least(100.0).met();
        assert_eq!((least(100.0), least(99.0)), (Some(true), Some(false)));
    }

    #[test]
    fn a_row_that_is_not_there_is_named() {
        let rows = vec![row(1.0, 1.0, Judge::Ratio)];
        let report = Report { benchmark: Benchmark::Core, machine: Machine::default(), quick: false, rows };
        assert_eq!(report.missing(&[Part::Calls]), ["call-1-mib", "call-fresh", "guest-thread-hop"]);
        assert_eq!(report.missing(&Benchmark::Core.parts()).len(), Benchmark::Core.required().len() - 1);
    }

    #[test]
    fn numbers_have_four_figures() {
        assert_eq!([0.012_34, 1.0, 123.456, 1_234.5, 123_456.0].map(figures), ["0.012", "1.000", "123.5", "1234", "123456"]);
    }
}
