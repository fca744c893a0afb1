//! `plugwork resolve`: which versions go together, who provides which import, and the lock. Nothing of a plugin is compiled or run.
//!
//! What is asked and how is read in `dependencies`; the rules are in `plugwork_core::resolve`. Easy to get wrong: nothing is written without `--write`, and nothing that
//! cannot be started is locked.

use plugwork_core::Issue;
use plugwork_core::resolve::{Link, Member, Provider, Resolution};
use plugwork_core::startup::Order;
use serde::Serialize;

use super::words::count;
use crate::dependencies::{Complaint, How, Nameless, Question, Said, Where, changes, is_exactly, provider, told, write};
use crate::exit::Failure;
use crate::host::Place;
use crate::print;

/// Finds versions of plugins that go together, and keeps them in a lock.
///
/// Reads what the named components, and all packages in their folders or in `--from`, depend on, import and export. Tells which version of which
/// plugin is chosen, who provides each import, and the order of starting; or in sentences why nothing fits, and what would help. What resolves
/// also links. Nothing of a plugin runs.
///
/// A lock (`plugwork.lock` beside `plugwork.toml`, `NAME.lock` beside the pipeline `NAME.toml`) keeps what was chosen: where there is one,
/// its versions and providers come first, so that the answer stays the same until something asks for another. `--strategy highest --write`
/// brings everything up to date. The lock also says what an application or pipeline grants.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork resolve acme:maps@^1 --from packages
  plugwork resolve shop --write       writes shop/plugwork.lock
  plugwork resolve shop --check       whether that still fits, for CI
  plugwork resolve shop --strategy highest --write    takes newer versions
  plugwork resolve acme:maps acme:geo@^1 --from packages --strategy lowest
  plugwork resolve shop --host acme:shop/prices@1.0.0 --json

The JSON has: roots (asked, said, provider), nameless (file, said), plugins
(name, version, digest, file, needs, imports), start (batches), concerns,
held_back, lock (file, state, changes; null without a place for one); state is
one of missing, same, differs, written. `needs` has dependency, optional, peer,
provider; a provider is NAME@VERSION or `host`. With --check: file, fits, code,
misfits (at, what, expected). Where there is no answer: error (code, message,
reasons, hints). Codes: E-RESOLVE-ROOTS, E-RESOLVE-CONFLICT, E-RESOLVE-STEPS,
E-RESOLVE-CYCLE, E-LOCK-MISFIT.

Exit code 1 where nothing fits, what fits cannot be started, or the lock does
not fit; 2 where what is asked for makes no sense; 4 where it is not there.")]
pub(crate) struct Resolve {
    #[command(flatten)]
    inputs: Where,
    #[command(flatten)]
    how: How,
    /// Writes the lock.
    #[arg(long)]
    write: bool,
    /// Says whether the lock still fits, with everything for which it does not. With the same `--duplicates`, `--with` and `--host` as when it
    /// was written.
    #[arg(long, conflicts_with_all = ["write", "strategy"])]
    check: bool,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The JSON of `plugwork resolve --json`.
#[derive(Serialize)]
struct Resolved<'a> {
    roots: Vec<Root<'a>>,
    nameless: &'a [Nameless],
    plugins: Vec<Chosen<'a>>,
    start: Vec<Vec<String>>,
    concerns: Vec<Concern<'a>>,
    held_back: Vec<HeldBack<'a>>,
    lock: Option<LockState>,
}

#[derive(Serialize)]
struct Root<'a> {
    asked: String,
    said: &'a [Said],
    provider: String,
}

#[derive(Serialize)]
struct Chosen<'a> {
    name: &'a str,
    version: String,
    digest: String,
    file: &'a str,
    needs: Vec<Need>,
    imports: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Need {
    dependency: String,
    optional: bool,
    peer: bool,
    provider: String,
}

#[derive(Serialize)]
struct Concern<'a> {
    plugin: String,
    what: &'a str,
}

#[derive(Serialize)]
struct HeldBack<'a> {
    plugin: String,
    version: String,
    why: &'a str,
}

/// What became of the lock, or what would.
#[derive(Serialize)]
struct LockState {
    file: String,
    state: &'static str,
    changes: Vec<String>,
}

/// The JSON of `plugwork resolve --check --json`.
#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    fits: bool,
    code: Option<&'static str>,
    misfits: &'a [Issue],
}

impl Resolve {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let question = Question::read(&self.inputs, &self.how, place).map_err(|complaint| complaint.told(self.json))?;
        if self.check {
            return self.check(&question);
        }
        if self.write {
            // Before anything is looked for: there has to be a place.
            question.lock_place()?;
        }
        let resolution = question.resolve().map_err(|complaint| complaint.told(self.json))?;
        let order = Order::of(&resolution).map_err(|cycle| Complaint::cycle(&cycle).told(self.json))?;
        let lock = self.lock(&question, &resolution)?;
        if self.json {
            print::json(&resolved(&question, &resolution, &order, lock));
            return Ok(());
        }
        page(&question, &resolution, &order);
        summary(&question, &resolution, lock.as_ref());
        Ok(())
    }

    fn check(&self, question: &Question) -> Result<(), Failure> {
        let misfits = question.misfits()?;
        let path = question.lock_place()?;
        if self.json {
            let (fits, code) = (misfits.is_empty(), (!misfits.is_empty()).then_some(Complaint::MISFIT));
            print::json(&Checked { file: path.display().to_string(), fits, code, misfits: &misfits });
        }
        if !misfits.is_empty() {
            return Err(Complaint::misfits(path, &misfits).told(false));
        }
        let plugins = question.lock.as_ref().map_or(0, |lock| lock.plugins.len());
        print::narrate(format_args!("`{}` fits: {}", path.display(), count(plugins, "plugin")));
        Ok(())
    }

    /// What the lock says otherwise; written if that is wanted.
    fn lock(&self, question: &Question, resolution: &Resolution) -> Result<Option<LockState>, Failure> {
        let Some(path) = &question.lock_path else { return Ok(None) };
        let (file, lock) = (path.display().to_string(), question.lock_of(resolution));
        let changes = question.lock.as_ref().map(|before| changes(before, &lock)).unwrap_or_default();
        let state = match &question.lock {
            _ if self.write && write(path, &lock)? => "written",
            _ if self.write => "same",
            None => "missing",
            Some(before) if *before == lock => "same",
            Some(_) => "differs",
        };
        Ok(Some(LockState { file, state, changes }))
    }
}

fn resolved<'a>(question: &'a Question, resolution: &'a Resolution, order: &Order, lock: Option<LockState>) -> Resolved<'a> {
    let roots = resolution.roots.iter().map(|link| Root {
        asked: link.dependency.to_string(),
        said: question.roots.said(&link.dependency.target),
        provider: provider(&link.provider),
    });
    let concerns = resolution.concerns.iter().map(|concern| Concern { plugin: concern.plugin.to_string(), what: &concern.what });
    let held_back = resolution.held_back.iter().map(|held| HeldBack {
        plugin: held.plugin.to_string(),
        version: held.version.to_string(),
        why: &held.why,
    });
    Resolved {
        roots: roots.collect(),
        nameless: &question.roots.nameless,
        plugins: resolution.members.iter().map(|member| chosen(question, member)).collect(),
        start: order.batches.iter().map(|batch| batch.iter().map(ToString::to_string).collect()).collect(),
        concerns: concerns.collect(),
        held_back: held_back.collect(),
        lock,
    }
}

fn chosen<'a>(question: &'a Question, member: &'a Member) -> Chosen<'a> {
    let needs = member.links.iter().map(|link| Need {
        dependency: link.dependency.to_string(),
        optional: link.dependency.optional,
        peer: link.dependency.peer,
        provider: provider(&link.provider),
    });
    Chosen {
        name: member.id.name.as_str(),
        version: member.id.version.to_string(),
        digest: member.digest.to_string(),
        file: question.place(member.digest),
        needs: needs.collect(),
        imports: member.imports.iter().map(|(import, by)| (import.to_string(), provider(by).into())).collect(),
    }
}

fn page(question: &Question, resolution: &Resolution, order: &Order) {
    let document = question.roots.document();
    let mut roots: Vec<Vec<String>> = resolution.roots.iter().map(|link| root(question, link, document)).collect();
    let nameless = question.roots.nameless.iter();
    roots.extend(nameless.map(|Nameless { file, said }| {
        vec![format!("  {file}"), "no `plugin.toml`: no name, depends on nothing".to_owned(), Said::places(said, document)]
    }));
    // A column of nothing would only be blanks.
    for column in (0..3).rev().filter(|column| roots.iter().all(|row| row[*column].is_empty())).collect::<Vec<_>>() {
        roots.iter_mut().for_each(|row| drop(row.remove(column)));
    }
    let heading = document.map_or_else(|| "asked for".to_owned(), |document| format!("asked for by {document}"));
    print::data(heading);
    print::rows(&roots);
    if !resolution.members.is_empty() {
        print::data("");
        print::data("chosen");
    }
    let width = resolution.members.iter().map(|member| member.id.to_string().chars().count()).max().unwrap_or(0);
    for member in &resolution.members {
        print::data(format_args!("  {:<width$}  {}", member.id.to_string(), question.place(member.digest)).to_string().trim_end());
        for (import, by) in member.imports.iter().filter(|(_, by)| by.plugin().is_some()) {
            print::data(format_args!("    {import} from {by}"));
        }
        let of_host = member.imports.iter().filter(|(_, by)| *by == Provider::Host).count();
        if of_host > 0 {
            print::data(format_args!("    {} from the host", count(of_host, "interface")));
        }
    }
    if order.batches.len() > 1 {
        print::data("");
        print::data("started in this order");
        for (at, batch) in order.batches.iter().enumerate() {
            let batch: Vec<String> = batch.iter().map(ToString::to_string).collect();
            print::data(format_args!("  {}. {}", at + 1, batch.join(", ")));
        }
    }
    section("what speaks against some of them", resolution.concerns.iter().map(|concern| format!("{}: {}", concern.plugin, concern.what)));
    section(
        "newer ones that were left out",
        resolution.held_back.iter().map(|held| format!("{} instead of {}: {}", held.plugin, held.version, held.why)),
    );
}

fn root(question: &Question, link: &Link, document: Option<&str>) -> Vec<String> {
    let said = Said::places(question.roots.said(&link.dependency.target), document);
    match is_exactly(&link.dependency.versions, &link.provider) {
        true => vec![format!("  {}", link.provider), String::new(), said],
        false => vec![format!("  {}", told(&link.dependency)), link.provider.to_string(), said],
    }
}

fn section(heading: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        print::data("");
        print::data(heading);
        lines.iter().for_each(|line| print::data(format_args!("  {line}")));
    }
}

fn summary(question: &Question, resolution: &Resolution, lock: Option<&LockState>) {
    let plugins = count(resolution.members.len(), "plugin");
    print::narrate(format_args!(
        "{plugins}, chosen from {} in `{}`",
        count(question.versions(), "version"),
        question.looked_in.join("`, `")
    ));
    let Some(LockState { file, state, changes }) = lock else { return };
    match *state {
        "same" => print::narrate(format_args!("as `{file}` has it")),
        "missing" => print::narrate(format_args!("there is no `{file}`; `--write` writes it")),
        _ => {
            changes.iter().for_each(|change| print::narrate(format_args!("  {change}")));
            match *state {
                "written" => print::narrate(format_args!("wrote `{file}`")),
                _ => print::narrate(format_args!("`{file}` has it otherwise; `--write` writes it anew")),
            }
        }
    }
}
