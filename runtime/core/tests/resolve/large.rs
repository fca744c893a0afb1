//! Large graphs and hostile ones: an answer, a refusal or giving up, and never a stack that overflows or a wait without end.

use std::fmt::Write as _;

use plugwork_core::resolve::{Conflict, MemoryIndex, Options, resolve};

use crate::graphs::{index, roots, told};

/// Ten thousand in a row, each needing the next; the last needs what its caller says.
fn chain(length: usize, last: &str) -> MemoryIndex {
    let mut lines = String::new();
    for at in 0..length {
        let next = if at + 1 == length { last.to_owned() } else { format!("needs a:p{}@^1", at + 1) };
        writeln!(lines, "a:p{at} 1.0.0; {next}\na:p{at} 1.1.0; {next}").unwrap();
    }
    index(&lines)
}

#[test]
fn ten_thousand_in_a_row_resolve() {
    let index = chain(10_000, "");
    assert_eq!(resolve(&index, &roots(&["a:p0"]), &Options::default()).unwrap().members.len(), 10_000);
}

#[test]
fn ten_thousand_in_a_row_of_which_the_last_fails_are_explained_in_a_few_lines() {
    let index = chain(10_000, "needs a:nobody@^1");
    let told = told(resolve(&index, &roots(&["a:p0"]), &Options::default()));
    assert!(told.lines().count() <= Conflict::REASONS_MAX + 2, "{told}");
    assert!(told.contains("you ask for `a:p0@*`") && told.contains("there is no plugin `a:nobody`"), "{told}");
}

#[test]
fn versions_of_one_plugin_are_not_told_to_be_in_each_others_way() {
    let mut lines =
        "a:last 1.1.0; needs a:z@^2\na:last 1.2.0; needs a:z@^3\na:z 2.0.0; needs a:nobody@^1\na:z 3.0.0; needs a:nobody@^1\n".to_owned();
    for at in 0..1_500 {
        let next = if at == 1_499 { "a:last".to_owned() } else { format!("a:p{}", at + 1) };
        writeln!(lines, "a:p{at} 1.0.0; needs {next}@^1\na:p{at} 1.1.0; needs {next}@^1").unwrap();
    }
    let told = told(resolve(&index(&lines), &roots(&["a:p0"]), &Options::default()));
    assert!(told.contains("every `a:z` needs `a:nobody@^1`") && !told.contains("in all of these ranges"), "{told}");
}

/// As many plugins as pigeons, each of which needs one of fewer holes, and no hole takes two: the hardest kind of no for any solver.
fn pigeons(holes: usize) -> (MemoryIndex, Vec<String>) {
    let mut lines = String::new();
    for pigeon in 0..=holes {
        for hole in 0..holes {
            writeln!(lines, "a:pigeon{pigeon} {}.0.0; needs a:hole{hole}@^{}", hole + 1, pigeon + 1).unwrap();
        }
    }
    for hole in 0..holes {
        for pigeon in 0..=holes {
            writeln!(lines, "a:hole{hole} {}.0.0", pigeon + 1).unwrap();
        }
    }
    (index(&lines), (0..=holes).map(|pigeon| format!("a:pigeon{pigeon}@*")).collect())
}

#[track_caller]
fn gives_up(index: &MemoryIndex, asked: &[&str], steps_max: u64) {
    let error = resolve(index, &roots(asked), &Options { steps_max, ..Options::default() }).unwrap_err();
    assert_eq!(error.code(), "E-RESOLVE-STEPS");
}

#[test]
fn what_would_take_for_ever_is_given_up_after_its_steps() {
    let (index, asked) = pigeons(14);
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    gives_up(&index, &asked, 2_000);
    let (index, asked) = pigeons(3);
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert_eq!(resolve(&index, &roots(&asked), &Options::default()).unwrap_err().code(), "E-RESOLVE-CONFLICT");
}

#[test]
fn the_hardest_no_of_a_few_plugins_is_told_or_given_up_soon() {
    let (index, asked) = pigeons(9);
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert!(resolve(&index, &roots(&asked), &Options::default()).is_err());
}

#[test]
fn who_is_looked_through_counts_as_steps() {
    let mut lines = String::new();
    for at in 0..2_000 {
        writeln!(lines, "a:has{at} 1.0.0; exports a:i/one@1.0.{at}").unwrap();
    }
    for at in 0..10_000 {
        writeln!(lines, "a:user{at} 1.0.0; imports a:i/one@1.0.0; needs a:i/one@^1; needs a:user{}@^1", at + 1).unwrap();
    }
    gives_up(&index(&lines), &["a:user0"], 5_000);
}

/// Versions of which every other one is in a range: the range is as many runs as there are versions.
#[test]
fn what_is_calculated_with_counts_as_steps() {
    let mut lines = String::new();
    for at in 0..2_000 {
        writeln!(lines, "a:x 1.0.{at}; needs a:nobody@^1\na:x 1.0.{at}-a; needs a:nobody@^1").unwrap();
    }
    for at in 0..200 {
        writeln!(lines, "a:n 1.{at}.0; needs a:x@>=1").unwrap();
    }
    gives_up(&index(&lines), &["a:n"], 5_000);
}

#[test]
fn the_order_in_which_is_asked_changes_nothing() {
    let index =
        index("a:x 1.0.0; needs a:z@^1\na:x 2.0.0; needs a:z@^2\na:y 1.0.0; needs a:z@^2\na:y 2.0.0; needs a:z@^1\na:z 1.0.0\na:z 2.0.0");
    let answer = |asked: &[&str]| resolve(&index, &roots(asked), &Options::default()).unwrap().members;
    assert_eq!(answer(&["a:x", "a:y"]), answer(&["a:y", "a:x"]));
}

#[test]
fn ten_thousand_beside_each_other_resolve_and_one_that_clashes_is_found() {
    let mut lines = String::new();
    for at in 0..10_000 {
        let group = at / 250;
        writeln!(lines, "a:p{at} 1.0.0; needs a:base{}@^1", at % 100).unwrap();
        writeln!(lines, "a:p{at} 1.1.0; needs a:base{}@>=1", at % 100).unwrap();
        if at % 250 == 0 {
            let members: String = (at..at + 250).map(|member| format!("; needs a:p{member}@^1")).collect();
            writeln!(lines, "a:group{group} 1.0.0{members}").unwrap();
        }
    }
    for base in 0..100 {
        writeln!(lines, "a:base{base} 1.0.0\na:base{base} 1.5.0\na:base{base} 2.0.0").unwrap();
    }
    let index = index(&lines);
    let groups: Vec<String> = (0..40).map(|group| format!("a:group{group}")).collect();
    let mut asked: Vec<&str> = groups.iter().map(String::as_str).collect();
    let resolution = resolve(&index, &roots(&asked), &Options::default()).unwrap();
    assert_eq!(resolution.members.len(), 40 + 10_000 + 100);
    asked.push("a:base7@=2.0.0");
    let told = told(resolve(&index, &roots(&[&asked[..], &["a:p7@=1.0.0"]].concat()), &Options::default()));
    assert!(told.contains("no version of `a:base7` is in all of these ranges"), "{told}");
}
