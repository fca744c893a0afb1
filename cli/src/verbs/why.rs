//! `plugwork why`: for which reasons a plugin is there, in sentences.
//!
//! The ways are those of `plugwork_core::why::ways`. Easy to get wrong: a plugin that there is a package of need not be there: nobody may need it.

use plugwork_core::PackageName;
use plugwork_core::resolve::Resolution;
use plugwork_core::why::{Way, ways};
use serde::Serialize;

use super::words::closest;
use crate::dependencies::{How, Question, Said, Where, because};
use crate::exit::Failure;
use crate::host::Place;
use crate::print;

/// Ways that are told.
const WAYS_MAX: usize = 20;
/// Names that are told where one is not there.
const NAMES_MAX: usize = 8;

/// Says why a plugin is there: every way to it from what is asked for.
///
/// The shortest ways come first, at most 20 of them. Which versions: see `plugwork resolve`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork why acme:geo                       of the application in this folder
  plugwork why acme:geo shop
  plugwork why acme:math acme:maps@^1 --from packages --json

The JSON has: plugin, ways (root, said, steps), is_all (whether there is no
other way). `steps` has plugin and because: the first is what the root came to,
the last is the plugin. Where there is no answer: error (code, message, reasons,
hints). Exit code 4 where nobody needs a plugin of this name.")]
pub(crate) struct Why {
    /// A plugin, by its name.
    #[arg(value_name = "NAME")]
    name: PackageName,
    #[command(flatten)]
    inputs: Where,
    #[command(flatten)]
    how: How,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The JSON of `plugwork why --json`.
#[derive(Serialize)]
struct Document<'a> {
    plugin: &'a str,
    ways: Vec<Told<'a>>,
    is_all: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    root: String,
    said: &'a [Said],
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    plugin: String,
    /// Why it is there; in the first because of the root, in each other because of the step before.
    because: String,
}

impl Why {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let question = Question::read(&self.inputs, &self.how, place).map_err(|complaint| complaint.told(self.json))?;
        let resolution = question.resolve().map_err(|complaint| complaint.told(self.json))?;
        Question::order(&resolution);
        let found = ways(&resolution, &self.name, WAYS_MAX);
        if found.ways.is_empty() {
            return Err(crate::dependencies::Complaint::from(nobody(&question, &resolution, &self.name)).told(self.json));
        }
        let told: Vec<Told<'_>> = found.ways.iter().map(|way| told(&question, &resolution, way)).collect();
        if self.json {
            print::json(&Document { plugin: self.name.as_str(), ways: told, is_all: found.is_all });
            return Ok(());
        }
        let versions = resolution.members.iter().filter(|member| member.id.name == self.name).map(|member| member.id.to_string());
        for version in versions {
            print::data(format_args!("`{version}` is there because"));
            for way in told.iter().filter(|way| way.steps.last().is_some_and(|step| step.plugin == version)) {
                print::data(format_args!("  {}", sentence(way)));
            }
        }
        if !found.is_all {
            print::data(format_args!("… and there are more ways than these {}", found.ways.len()));
        }
        Ok(())
    }
}

fn told<'a>(question: &'a Question, resolution: &Resolution, way: &Way) -> Told<'a> {
    let said = question.roots.said(&way.root.target);
    let first = way.steps.first().map(|id| Step { plugin: id.to_string(), because: Said::sentence(said, id) });
    let others = way.steps.windows(2).map(|pair| Step {
        plugin: pair[1].to_string(),
        because: resolution.member(&pair[0]).map(|member| because(member, &pair[1])).unwrap_or_default(),
    });
    Told { root: way.root.to_string(), said, steps: first.into_iter().chain(others).collect() }
}

/// `you ask for \`acme:maps@^1\`; \`acme:maps@1.1.0\` needs \`acme:geo@^1\``.
fn sentence(way: &Told<'_>) -> String {
    let mut parts: Vec<String> = way.steps.first().map(|step| step.because.clone()).into_iter().collect();
    parts.extend(way.steps.windows(2).map(|pair| format!("`{}` {}", pair[0].plugin, pair[1].because)));
    parts.join("; ")
}

/// That a plugin is not there, and what is.
fn nobody(question: &Question, resolution: &Resolution, name: &PackageName) -> Failure {
    let mut names: Vec<&str> = resolution.members.iter().map(|member| member.id.name.as_str()).collect();
    names.dedup();
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > NAMES_MAX { format!(" and {} more", names.len() - NAMES_MAX) } else { String::new() };
    let there = if names.is_empty() { "no plugin is there at all".to_owned() } else { format!("there are {}{more}", shown.join(", ")) };
    let optional = || {
        let members = resolution.members.iter().filter_map(|member| question.release(&member.id).map(|release| (member, release)));
        members
            .flat_map(|(member, release)| release.dependencies.iter().map(move |dependency| (member, dependency)))
            .find(|(_, dependency)| dependency.optional && !dependency.peer && dependency.target.to_string() == name.as_str())
    };
    let hint = match optional() {
        Some((member, _)) => format!("`{}` works with it and without; `--with {name}` takes it", member.id),
        None => match closest(name.as_str(), names.iter().copied()) {
            Some(meant) => format!("was `{meant}` meant?"),
            None => there.clone(),
        },
    };
    let told = if question.has(name) { format!("nothing here needs `{name}`") } else { format!("there is no `{name}`") };
    match hint == there {
        true => Failure::not_found(format_args!("{told}\nhint: {hint}")),
        false => Failure::not_found(format_args!("{told}; {there}\nhint: {hint}")),
    }
}
