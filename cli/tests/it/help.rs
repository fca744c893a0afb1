//! The help teaches: every verb here has two examples, and fits a terminal.

use crate::place::Place;

const VERBS: [&str; 31] = [
    "add",
    "update",
    "remove",
    "grants",
    "revoke",
    "audit",
    "explain",
    "enable",
    "disable",
    "ps",
    "logs",
    "top",
    "inspect",
    "resolve",
    "tree",
    "why",
    "verify",
    "check",
    "build",
    "dev",
    "call",
    "run",
    "serve",
    "usage",
    "deploy",
    "status",
    "rollback",
    "tail",
    "token",
    "components",
    "cache",
];

#[test]
fn every_verb_shows_two_examples_in_80_columns() {
    for verb in VERBS {
        let help = Place::new().run(&[verb, "--help"]).exits(0).out;
        let examples = help.lines().filter(|line| line.starts_with(&format!("  plugwork {verb}"))).count();
        assert!(examples >= 2, "{verb} has {examples} examples:\n{help}");
        let wide = help.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{verb}");
    }
}

#[test]
fn the_exit_codes_are_told() {
    Place::new().run(&["--help"]).exits(0).says(&["3 refused by policy or consent", "4 not"]);
}

#[test]
fn an_unknown_verb_is_usage() {
    Place::new().run(&["inspekt"]).exits(2).complains(&["inspekt", "inspect"]);
}
