//! `cargo xtask test`: everything that must hold, in every language, one part after the other, then one table.
//!
//! A part that fails does not stop the next. Easily got wrong: a runner that finds no test succeeds; here that is a failure, and so is a test
//! that was skipped.

mod count;
mod parts;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::house::House;
use crate::program::seconds;
use crate::{guests, setup, tidy, tree};
use count::Count;

/// What became of one part.
struct Outcome {
    name: String,
    count: Count,
    elapsed: Duration,
}

/// Runs everything, or the parts whose names contain one of these words, and says whether all of it held.
pub(crate) fn run(only: &[&str]) -> Result<ExitCode> {
    let started = Instant::now();
    let house = House::for_test()?;
    println!("test: compiled things go to `{}`", house.target.display());
    let mut outcomes = Vec::new();
    let mut part = |name: &str, work: &dyn Fn() -> Result<Count>| {
        if !only.is_empty() && !only.iter().any(|word| name.contains(word)) {
            return;
        }
        println!("\ntest: {name} …");
        let started = Instant::now();
        let count = work().unwrap_or_else(|error| {
            println!("{error:#}");
            Count::failure()
        });
        let elapsed = started.elapsed();
        println!("test: {name}: {count} in {}", seconds(elapsed));
        outcomes.push(Outcome { name: name.to_owned(), count, elapsed });
    };
    // Nothing after it can work without it.
    setup::everything(&house)?;
    part("plugins build", &|| guests::build(&house, false).map(|()| Count::success()));
    for piece in parts::scripts(&house, &tree::files(&house.root)?)? {
        part(&piece.name, &|| piece.run());
    }
    part("report bundle", &|| parts::report_bundle(&house));
    for piece in parts::cargo(&house) {
        part(&piece.name, &|| piece.run());
    }
    part("tidy", &|| {
        let (rules, failed) = tidy::check(&house, tidy::Depth::Full)?;
        Ok(Count { passed: (rules - failed) as u64, failed: failed as u64, skipped: 0 })
    });
    let total = outcomes.iter().map(|outcome| outcome.count).sum::<Count>();
    println!("\n{}", table(&outcomes, started.elapsed()));
    println!("{total}");
    Ok(if total.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(outcomes: &[Outcome], elapsed: Duration) -> String {
    let width = outcomes.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or(0).max("total".len());
    let mut text = format!("{:width$}  passed  failed       time\n", "part");
    for Outcome { name, count, elapsed } in outcomes {
        let mark = if count.holds() { "" } else { "  <- failed" };
        text += &format!("{name:width$}  {:6}  {:6}  {:>9}{mark}\n", count.passed, count.failed + count.skipped, seconds(*elapsed));
    }
    text + &format!("{:width$}  {:6}  {:6}  {:>9}\n", "total", "", "", seconds(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_marks_what_failed() {
        let outcome = |name: &str, passed, failed| Outcome {
            name: name.to_owned(),
            count: Count { passed, failed, skipped: 0 },
            elapsed: Duration::from_millis(1500),
        };
        let text = table(&[outcome("guest-sdk/js", 12, 0), outcome("rust", 3, 1)], Duration::from_secs(61));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "guest-sdk/js      12       0      1.5 s");
        assert_eq!(lines[2], "rust               3       1      1.5 s  <- failed");
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["total", "1:01", "min"]);
    }
}
