//! Errors of the runtime as findings about an application: each with its place in the file. Pure.

use plugwork_core::Issue;

/// What an error says about the plugin of that name: one finding for each denial and each issue, or one for the whole.
pub(crate) fn of_error(plugin: &str, error: &plugwork::Error) -> Vec<Issue> {
    let at = format!("plugin.{plugin}");
    let denials = error.denials().iter().map(|denial| Issue {
        what: format!("{}: {}", denial.code, denial.rule),
        at: at.clone(),
        expected: denial.hint.clone(),
    });
    let issues = error.issues().iter().map(|issue| Issue {
        what: issue.what.clone(),
        at: if issue.at.is_empty() { at.clone() } else { format!("{at}.{}", issue.at) },
        expected: issue.expected.clone(),
    });
    let findings: Vec<Issue> = denials.chain(issues).collect();
    if findings.is_empty() { vec![Issue { what: error.to_string(), at, expected: String::new() }] } else { findings }
}

/// One finding.
pub(crate) fn issue(at: impl Into<String>, what: impl Into<String>, expected: impl Into<String>) -> Issue {
    Issue { what: what.into(), at: at.into(), expected: expected.into() }
}
