//! How many tests passed, as each runner says it in its last lines. Pure: text in, numbers out.
//!
//! Easily got wrong: examples in Rust docs that are marked `ignore` are text, not tests; every other ignored test counts as skipped.

use std::fmt;
use std::iter::Sum;

/// Tests by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Count {
    /// One thing that worked.
    pub(super) fn success() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One thing that did not.
    pub(super) fn failure() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// Whether there is nothing to mend.
    pub(super) fn holds(&self) -> bool {
        self.failed == 0 && self.skipped == 0 && self.passed > 0
    }

    /// With the runner's own verdict: it may have failed before, or without, counting; and no test at all is no success.
    pub(super) fn with_verdict(mut self, succeeded: bool) -> Self {
        if self.failed == 0 && (!succeeded || self.passed == 0) {
            self.failed = 1;
        }
        self
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped: a skipped test shows nothing", self.skipped) } else { Ok(()) }
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            passed: sum.passed + count.passed,
            failed: sum.failed + count.failed,
            skipped: sum.skipped + count.skipped,
        })
    }
}

/// One line of `cargo test`.
pub(super) fn cargo(line: &str) -> Count {
    if let Some(result) = line.strip_prefix("test result: ") {
        let (_, numbers) = result.split_once(". ").unwrap_or_default();
        return Count { passed: before(numbers, "passed"), failed: before(numbers, "failed"), skipped: 0 };
    }
    let is_doc_example = line.contains(" (line ");
    let is_ignored = line.starts_with("test ") && line.contains(" ... ignored") && !is_doc_example;
    Count { skipped: u64::from(is_ignored), ..Count::default() }
}

/// Everything that `node --test` printed.
pub(super) fn node(text: &str) -> Count {
    let mut count = Count::default();
    for line in text.lines() {
        // `ℹ pass 5` for people, `# pass 5` for machines; which one is printed depends on the version.
        let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) else { continue };
        let Some((what, number)) = rest.split_once(' ') else { continue };
        let number = number.trim().parse().unwrap_or(0);
        match what {
            "pass" => count.passed += number,
            "fail" | "cancelled" => count.failed += number,
            "skipped" | "todo" => count.skipped += number,
            _ => {}
        }
    }
    count
}

/// Everything that `python3 -m unittest` printed.
pub(super) fn python(text: &str) -> Count {
    let ran = text.lines().rev().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse().ok()).unwrap_or(0);
    let verdict = text.lines().rev().find(|line| line.starts_with("OK") || line.starts_with("FAILED")).unwrap_or_default();
    let number = |name: &str| -> u64 {
        let parts = verdict.split(['(', ')', ',']).map(str::trim);
        parts.filter_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok()).sum()
    };
    let failed = number("failures") + number("errors") + number("unexpected successes");
    let skipped = number("skipped") + number("expected failures");
    Count { passed: u64::saturating_sub(ran, failed + skipped), failed, skipped }
}

/// The number before a word: 12 of `12 passed; 0 failed`.
fn before(text: &str, word: &str) -> u64 {
    let parts = text.split(';').map(str::trim);
    parts.filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64, skipped: u64) -> Count {
        Count { passed, failed, skipped }
    }

    #[test]
    fn reads_the_result_lines_of_cargo() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... ignored\n\
            test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test src/x.rs - f (line 3) ... ignored\n\
            test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(text.lines().map(cargo).sum::<Count>(), count(12, 2, 1));
    }

    #[test]
    fn reads_both_endings_of_node() {
        assert_eq!(node("✔ a (1ms)\nℹ tests 7\nℹ suites 0\nℹ pass 4\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\n"), count(4, 2, 1));
        assert_eq!(node("1..5\n# tests 5\n# pass 5\n# fail 0\n# skipped 0\n"), count(5, 0, 0));
    }

    #[test]
    fn reads_every_verdict_of_python() {
        assert_eq!(python("..\nRan 10 tests in 0.006s\n\nOK\n"), count(10, 0, 0));
        assert_eq!(python("Ran 10 tests in 0.006s\n\nOK (skipped=2)\n"), count(8, 0, 2));
        assert_eq!(python("Ran 10 tests in 0.006s\n\nFAILED (failures=1, errors=2, skipped=1)\n"), count(6, 3, 1));
        assert_eq!(python("Traceback\n"), count(0, 0, 0));
    }

    #[test]
    fn no_test_is_no_success() {
        assert_eq!(Count::default().with_verdict(true), count(0, 1, 0));
        assert_eq!(count(3, 0, 0).with_verdict(false), count(3, 1, 0));
        assert_eq!(count(3, 0, 0).with_verdict(true), count(3, 0, 0));
        assert!(!count(3, 0, 1).holds());
    }
}
