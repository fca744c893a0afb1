//! The graph of a pipeline, checked: names, kinds, references, cycles, output files. Pure; all complaints at once.

use std::collections::{BTreeMap, BTreeSet};

use plugwork_core::Issue;
use plugwork_core::name::is_label;

use super::file::{File, RawStep};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Source,
    Transformer,
    Analyzer,
    Exporter,
    Chart,
}

impl Kind {
    /// The heading in a pipeline file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transformer => "transformer",
            Self::Analyzer => "analyzer",
            Self::Exporter => "exporter",
            Self::Chart => "chart",
        }
    }

    /// The point that its plugin must export.
    pub(crate) fn point(self) -> &'static str {
        match self {
            Self::Source => "plugwork:points/data-source",
            Self::Transformer => "plugwork:points/transformer",
            Self::Analyzer => "plugwork:points/analyzer",
            Self::Exporter => "plugwork:points/exporter",
            Self::Chart => "plugwork:points/visualization",
        }
    }

    fn hands_out_tables(self) -> bool {
        matches!(self, Self::Source | Self::Transformer | Self::Analyzer)
    }
}

/// One step of a checked pipeline.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) raw: RawStep,
    pub(crate) inputs: Vec<Input>,
}

/// A table that a step takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// As written: what the step's plugin is told the table is called.
    pub(crate) name: String,
    /// Index of the step that hands it out.
    pub(crate) step: usize,
    /// Which of an analyzer's tables.
    pub(crate) table: Option<String>,
}

/// The steps in an order in which each comes after those it takes from.
pub(crate) fn plan(file: File) -> Result<Vec<Step>, Vec<Issue>> {
    let mut issues = Vec::new();
    if !is_label(&file.name) {
        issues.push(issue("name", &format!("`{}`", file.name.escape_debug()), "lower case words joined by `-`"));
    }
    let kinds = [
        (Kind::Source, file.source),
        (Kind::Transformer, file.transformer),
        (Kind::Analyzer, file.analyzer),
        (Kind::Exporter, file.exporter),
        (Kind::Chart, file.chart),
    ];
    let raw: Vec<(Kind, RawStep)> = kinds.into_iter().flat_map(|(kind, steps)| steps.into_iter().map(move |step| (kind, step))).collect();
    let mut by_name = BTreeMap::new();
    for (index, (kind, step)) in raw.iter().enumerate() {
        let at = place(*kind, step);
        if !is_label(&step.name) {
            issues.push(issue(&at, "its name is no label", "lower case words joined by `-`"));
        }
        if by_name.insert(step.name.clone(), index).is_some() {
            issues.push(issue(&at, "the name is taken", "each step has its own name"));
        }
    }
    if !raw.iter().any(|(kind, _)| *kind == Kind::Source) {
        issues.push(issue("source", "there is none", "at least one `[[source]]`"));
    }
    let mut steps = Vec::new();
    let mut files = BTreeSet::new();
    for (kind, step) in &raw {
        let at = place(*kind, step);
        let inputs = inputs(*kind, step, &at, &by_name, &raw, &mut issues);
        check_file(*kind, step, &at, &mut files, &mut issues);
        steps.push(Step { kind: *kind, raw: step.clone(), inputs });
    }
    if let Some(name) = cycle(&steps) {
        issues.push(issue(&name, "it takes from itself, directly or through others", "no cycle"));
    }
    if issues.is_empty() { Ok(steps) } else { Err(issues) }
}

/// `source "quakes"`: how messages name a step.
pub(crate) fn place(kind: Kind, step: &RawStep) -> String {
    format!("{} \"{}\"", kind.word(), step.name)
}

fn issue(at: &str, what: &str, expected: &str) -> Issue {
    Issue { what: what.to_owned(), at: at.to_owned(), expected: expected.to_owned() }
}

fn inputs(
    kind: Kind,
    step: &RawStep,
    at: &str,
    by_name: &BTreeMap<String, usize>,
    raw: &[(Kind, RawStep)],
    issues: &mut Vec<Issue>,
) -> Vec<Input> {
    let names = step.from.names();
    let expected = match kind {
        Kind::Source => (names.is_empty(), "no `from`: a source takes nothing in"),
        Kind::Chart => (!names.is_empty(), "`from = [\"STEP\", …]`"),
        _ => (names.len() == 1, "`from = \"STEP\"`"),
    };
    if !expected.0 {
        issues.push(issue(at, &format!("it takes from {} steps", names.len()), expected.1));
    }
    let mut inputs = Vec::new();
    for name in names {
        let (step_name, table) = name.split_once('.').map_or((name.as_str(), None), |(step, table)| (step, Some(table)));
        let Some(&index) = by_name.get(step_name) else {
            let known: Vec<_> = by_name.keys().map(|name| format!("`{name}`")).collect();
            issues.push(issue(at, &format!("there is no step `{step_name}`"), &format!("one of {}", known.join(", "))));
            continue;
        };
        let from = raw[index].0;
        let fits = match (from.hands_out_tables(), from == Kind::Analyzer, table) {
            (false, ..) => Err(format!("`{step_name}` hands out no table")),
            (true, true, None) => Err(format!("`{step_name}` is an analyzer: name one of its tables, `{step_name}.TABLE`")),
            (true, false, Some(_)) => Err(format!("`{step_name}` has one table only: write `{step_name}`")),
            _ => Ok(()),
        };
        match fits {
            Ok(()) => inputs.push(Input { name: name.clone(), step: index, table: table.map(str::to_owned) }),
            Err(what) => issues.push(issue(at, &what, "a source, a transformer, or a table of an analyzer")),
        }
    }
    inputs
}

fn check_file(kind: Kind, step: &RawStep, at: &str, files: &mut BTreeSet<String>, issues: &mut Vec<Issue>) {
    match (kind, &step.file) {
        (Kind::Exporter, Some(file)) => {
            let plain = !file.is_empty()
                && file.len() <= 200
                && file.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0', ':']));
            if !plain {
                issues.push(issue(at, &format!("file `{}`", file.escape_debug()), "a name below the output folder, such as `events.csv`"));
            } else if !files.insert(file.to_lowercase()) {
                // Told apart by letter case alone they would be one file on some disks.
                issues.push(issue(at, &format!("file `{file}` is written twice"), "a file of its own"));
            } else if file.eq_ignore_ascii_case(super::report::FILE) {
                issues.push(issue(at, &format!("file `{file}` is the report's"), "another name"));
            }
        }
        (Kind::Exporter, None) => issues.push(issue(at, "it has no `file`", "`file = \"events.csv\"`")),
        (_, Some(_)) => issues.push(issue(at, "only an exporter writes a `file`", "no `file`")),
        (_, None) => {}
    }
}

/// The first step that is on a cycle.
fn cycle(steps: &[Step]) -> Option<String> {
    // Steps whose inputs are all settled settle; what is left when nothing moves is on a cycle or behind one.
    let mut settled = vec![false; steps.len()];
    loop {
        let before = settled.iter().filter(|settled| **settled).count();
        for (index, step) in steps.iter().enumerate() {
            settled[index] = step.inputs.iter().all(|input| settled[input.step]);
        }
        if settled.iter().filter(|settled| **settled).count() == before {
            break;
        }
    }
    settled.iter().position(|settled| !settled).map(|index| place(steps[index].kind, &steps[index].raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let file = toml::from_str(text).unwrap();
        plan(file).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    const GOOD: &str = "
        name = 'ok'
        source = [{ name = 's', plugin = 'x' }]
        analyzer = [{ name = 'a', plugin = 'x', from = 't' }]
        transformer = [{ name = 't', plugin = 'x', from = 's' }]
        exporter = [{ name = 'e', plugin = 'x', from = 'a.found', file = 'e.csv' }]
        chart = [{ name = 'c', plugin = 'x', from = ['s', 'a.found'] }]
    ";

    #[test]
    fn accepts_a_graph_in_any_order() {
        assert_eq!(complaints(GOOD), Vec::<String>::new());
    }

    #[test]
    fn says_every_complaint_at_once() {
        let text = "
            name = 'Not A Label'
            source = [{ name = 's', plugin = 'x', from = 's' }, { name = 's', plugin = 'x', file = 'x' }]
            analyzer = [{ name = 'a', plugin = 'x', from = 'nowhere' }]
            exporter = [
                { name = 'e', plugin = 'x', from = 'a', file = '../e.csv' },
                { name = 'f', plugin = 'x', from = 's.table' },
                { name = 'g', plugin = 'x', from = 'e', file = 'report.html' },
            ]
        ";
        let complaints = complaints(text);
        for part in [
            "Not A Label",
            "takes from 1 steps",
            "the name is taken",
            "only an exporter",
            "no step `nowhere`",
            "name one of its tables",
            "`../e.csv`",
            "one table only",
            "it has no `file`",
            "hands out no table",
            "is the report's",
        ] {
            assert!(complaints.iter().any(|complaint| complaint.contains(part)), "{part}: {complaints:#?}");
        }
    }

    #[test]
    fn finds_a_cycle() {
        let text = "
            name = 'loop'
            source = [{ name = 's', plugin = 'x' }]
            transformer = [{ name = 'a', plugin = 'x', from = 'b' }, { name = 'b', plugin = 'x', from = 'a' }]
        ";
        assert!(complaints(text)[0].contains("no cycle"));
    }
}
