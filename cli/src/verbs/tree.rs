//! `plugwork tree`: what hangs below what, each plugin in full once.
//!
//! The lines are those of `plugwork_core::why::tree`; here they get their branches. Easy to get wrong: whether a line is the last among its siblings is known only from the
//! lines after it.

use std::collections::BTreeMap;

use plugwork_core::Target;
use plugwork_core::resolve::{Member, Resolution};
use plugwork_core::why::{self, Branch};
use serde::Serialize;

use crate::dependencies::{How, Nameless, Question, Where, is_exactly, provider};
use crate::exit::Failure;
use crate::host::Place;
use crate::print;

/// Shows the tree of what plugins depend on.
///
/// Each line is a plugin in the version that was chosen, behind it the range or the interface for which it is there, whether that is optional or a
/// peer, and what it provides to the plugin above. Each plugin is told in full once. Which versions: see `plugwork resolve`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork tree shop
  plugwork tree acme:maps@^1 --from packages --depth 1
  plugwork tree shop --json

  acme:maps@1.1.0  ^1
  ├── acme:geo@1.4.0  ^1.2, has acme:geo/lookup@1.0.0
  │   └── acme:math@0.3.1  ^0.3
  └── acme:theme@2.0.0  ^2, optional

The JSON has: branches (depth, provider, dependency, optional, peer, imports,
repeated, cut), nameless (file, said). `dependency` is null for a plugin that is
there for an import alone; `repeated`: what is below it stands further up;
`cut`: --depth leaves out what is below it. Where there is no answer: error
(code, message, reasons, hints).")]
pub(crate) struct Tree {
    #[command(flatten)]
    inputs: Where,
    #[command(flatten)]
    how: How,
    /// How many steps below the roots. Default: all.
    #[arg(long, value_name = "STEPS")]
    depth: Option<usize>,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The JSON of `plugwork tree --json`.
#[derive(Serialize)]
struct Document<'a> {
    branches: Vec<Line>,
    nameless: &'a [Nameless],
}

/// One line, with what it is for.
#[derive(Debug, Serialize)]
struct Line {
    depth: usize,
    provider: String,
    /// As the plugin above has it in its manifest.
    dependency: Option<String>,
    optional: bool,
    peer: bool,
    /// What the plugin above gets from it, but for an interface that the dependency names.
    imports: Vec<String>,
    repeated: bool,
    cut: bool,
    #[serde(skip)]
    text: String,
}

impl Tree {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let question = Question::read(&self.inputs, &self.how, place).map_err(|complaint| complaint.told(self.json))?;
        let resolution = question.resolve().map_err(|complaint| complaint.told(self.json))?;
        Question::order(&resolution);
        let lines = lines(&resolution, self.depth.unwrap_or(usize::MAX));
        if self.json {
            print::json(&Document { branches: lines, nameless: &question.roots.nameless });
            return Ok(());
        }
        drawn(&lines).iter().for_each(print::data);
        for Nameless { file, .. } in &question.roots.nameless {
            print::data(format_args!("{file}  no `plugin.toml`: no name, depends on nothing"));
        }
        let (repeated, cut) = (lines.iter().any(|line| line.repeated), lines.iter().any(|line| line.cut));
        if repeated || cut {
            print::data("");
        }
        if repeated {
            print::data("(*) what is below it stands further up");
        }
        if cut {
            print::data("… more below: a larger --depth shows it");
        }
        Ok(())
    }
}

fn lines(resolution: &Resolution, depth_max: usize) -> Vec<Line> {
    // The plugin of the last line of each depth: the one above.
    let mut above: Vec<Option<&Member>> = Vec::new();
    let branches = why::tree(resolution, depth_max);
    let lines = branches.iter().map(|branch| {
        let member = branch.provider.plugin().and_then(|id| resolution.member(id));
        let parent = branch.depth.checked_sub(1).and_then(|depth| above[depth]);
        above.truncate(branch.depth);
        above.push(member);
        let is_cut = branch.depth >= depth_max && !branch.is_repeated && member.is_some_and(has_more);
        line(branch, parent, is_cut)
    });
    lines.collect()
}

fn has_more(member: &Member) -> bool {
    !member.needs().is_empty() || !member.links.is_empty()
}

fn line(branch: &Branch, parent: Option<&Member>, cut: bool) -> Line {
    let path = match branch.dependency.as_ref().map(|dependency| &dependency.target) {
        Some(Target::Interface(name)) => Some(name.path()),
        _ => None,
    };
    let provided =
        parent.into_iter().flat_map(|parent| &parent.imports).filter(|(name, by)| *by == branch.provider && Some(name.path()) != path);
    // Of the host's there are many, and none is a reason for the line.
    let imports: Vec<String> = provided.filter(|(_, by)| by.plugin().is_some()).map(|(name, _)| name.to_string()).collect();
    let dependency = branch.dependency.as_ref();
    let (optional, peer) = dependency.map_or((false, false), |dependency| (dependency.optional, dependency.peer));
    let mut details: Vec<String> = Vec::new();
    details.extend(dependency.and_then(|dependency| match &dependency.target {
        Target::Plugin(_) if is_exactly(&dependency.versions, &branch.provider) => None,
        Target::Plugin(_) => Some(dependency.versions.to_string()),
        Target::Interface(_) => Some(dependency.to_string()),
    }));
    details.extend(optional.then(|| "optional".to_owned()));
    details.extend(peer.then(|| "peer".to_owned()));
    if !imports.is_empty() {
        details.push(format!("has {}", imports.join(", ")));
    }
    let mark = match (branch.is_repeated, cut) {
        (true, _) => " (*)",
        (false, true) => " …",
        (false, false) => "",
    };
    let details = if details.is_empty() { String::new() } else { format!("  {}", details.join(", ")) };
    Line {
        depth: branch.depth,
        provider: provider(&branch.provider),
        dependency: dependency.map(ToString::to_string),
        optional,
        peer,
        imports,
        repeated: branch.is_repeated,
        cut,
        text: format!("{}{details}{mark}", branch.provider),
    }
}

/// The lines with their branches.
fn drawn(lines: &[Line]) -> Vec<String> {
    // From the last to the first: of each depth, whether a sibling comes below, before anything nearer to the roots does.
    let mut open: BTreeMap<usize, ()> = BTreeMap::new();
    let mut drawn: Vec<String> = Vec::new();
    for line in lines.iter().rev() {
        let is_last = !open.contains_key(&line.depth);
        open.split_off(&(line.depth + 1));
        open.insert(line.depth, ());
        let stems: String = (1..line.depth).map(|depth| if open.contains_key(&depth) { "│   " } else { "    " }).collect();
        let branch = match (line.depth, is_last) {
            (0, _) => "",
            (_, true) => "└── ",
            (_, false) => "├── ",
        };
        drawn.push(format!("{stems}{branch}{}", line.text));
    }
    drawn.reverse();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_end_where_the_last_sibling_stands() {
        let line = |depth: usize| Line {
            depth,
            provider: String::new(),
            dependency: None,
            optional: false,
            peer: false,
            imports: Vec::new(),
            repeated: false,
            cut: false,
            text: depth.to_string(),
        };
        let lines: Vec<Line> = [0, 1, 2, 3, 1, 2, 0, 1].into_iter().map(line).collect();
        assert_eq!(drawn(&lines), ["0", "├── 1", "│   └── 2", "│       └── 3", "└── 1", "    └── 2", "0", "└── 1"]);
    }
}
