//! `plugwork logs`: what plugins said, asked of the hosts that run them; what went wrong in them, read from the records.
//!
//! Easy to get wrong: what a plugin says lives as long as its host and not longer. What outlives it is what the host put on record: faults and
//! refusals. Nothing that a plugin said begins a line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use plugwork::observer::{self, Kept, Question};
use plugwork_core::record::{ConsentKey, Event, Records};
use plugwork_core::{PackageName, Subject};
use plugwork_store::Store;
use serde::Serialize;
use serde_json::json;

use super::words::{count, grouped, instant};
use crate::consent::given::duration_ms;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, now_ms};
use crate::live::ask::{self, Host};
use crate::print;

/// Between two looks of `--follow`.
const EVERY: Duration = Duration::from_millis(300);
/// How many of the latest records are looked through for faults and refusals.
const RECORDS_MAX: u64 = 10_000;
/// Records read at once.
const PAGE: u32 = 500;

/// Shows what plugins said, and what went wrong in them.
///
/// Every host on this state folder keeps the last 1,000 log records (1 MiB) of each of its plugins, 64 MiB in all, until it ends. Faults and refusals
/// are on record and outlive it: the last 10,000 records are looked through, and lines from there say which record they are.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork logs acme:markdown --level warn
  plugwork logs --follow --since 10m

The JSON is one object a line: at_ms, plugin, tenant, instance, digest, level,
message, from. `from` is the process and the number of the record among those
of its plugin (process, number), or what is on record (record, event, code,
count, running).")]
pub(crate) struct Logs {
    /// Its name: `namespace:name`. Default: all.
    #[arg(value_name = "NAME", value_parser = installed::package)]
    plugin: Option<PackageName>,
    #[command(flatten)]
    which: Which,
    /// Goes on until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// Only records of this level and above. Faults are errors, refusals warnings.
    #[arg(long, value_name = "LEVEL", default_value = "trace")]
    level: Level,
    /// Only what is not older: `90s`, `10m`, `12h`, `30d`.
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    since: Option<u64>,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn of(word: &str) -> Self {
        <Self as clap::ValueEnum>::from_str(word, false).unwrap_or(Self::Error)
    }
}

/// One line, wherever it comes from.
struct Line {
    at_ms: u64,
    subject: Subject,
    level: String,
    message: String,
    from: From,
}

#[derive(Serialize)]
#[serde(untagged)]
enum From {
    Host { process: u32, number: u64 },
    Record { record: u64, event: &'static str, code: String, count: u64, running: bool },
}

/// How far one has read.
#[derive(Default)]
struct Read {
    hosts: BTreeMap<u32, u64>,
    /// The last number of each plugin of each process.
    numbers: BTreeMap<(u32, ConsentKey), u64>,
    record: u64,
    complained: BTreeSet<u32>,
}

impl Logs {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let state = place.state()?;
        host::io_runtime()?.block_on(async {
            let records = host::store(place).await?;
            let head = records.head().await?.map_or(0, |head| head.sequence);
            let mut read = Read { record: head.saturating_sub(RECORDS_MAX), ..Read::default() };
            let mut lines = self.look(&state, &records, &mut read).await?;
            if lines.is_empty() {
                self.tell_nothing(&state, &records).await?;
            }
            loop {
                lines.sort_by_key(|line| line.at_ms);
                lines.iter().for_each(|line| self.tell(line));
                if !self.follow {
                    return Ok(());
                }
                tokio::time::sleep(EVERY).await;
                lines = self.look(&state, &records, &mut read).await?;
            }
        })
    }

    /// Everything that is new since the last look.
    async fn look(&self, state: &Path, records: &Store, read: &mut Read) -> Result<Vec<Line>, Failure> {
        let since = self.since.map_or(0, |since| now_ms().saturating_sub(since));
        let mut lines = self.said(state, read)?;
        let faults = self.on_record(state, records, read).await?;
        lines.extend(faults);
        lines.retain(|line| line.at_ms >= since && Level::of(&line.level) >= self.level);
        Ok(lines)
    }

    /// What plugins of running hosts said.
    fn said(&self, state: &Path, read: &mut Read) -> Result<Vec<Line>, Failure> {
        let cannot = |error| Failure::failed(format_args!("cannot look for running hosts: {error}"));
        let package = self.plugin.as_ref().map(ToString::to_string);
        let mut lines = Vec::new();
        loop {
            let question = |pid| Question::Logs { after: read.hosts.get(&pid).copied().unwrap_or(0), package: package.clone() };
            let mut more = false;
            for Host { pid, answer } in ask::every(state, question).map_err(cannot)? {
                let answer = answer.and_then(|answer| Ok(serde_json::from_value::<observer::Logs>(answer)?));
                match answer {
                    Err(error) if read.complained.insert(pid) => {
                        print::narrate(format_args!("process {pid} does not answer: {error}"));
                    }
                    Err(_) => {}
                    Ok(answer) => {
                        more |= answer.more;
                        lines.extend(answer.records.into_iter().filter_map(|kept| self.line(pid, kept, read)));
                    }
                }
            }
            if !more {
                return Ok(lines);
            }
        }
    }

    /// One record of a host as a line, if it is one of those that are meant; says what was forgotten before it.
    fn line(&self, process: u32, kept: Kept, read: &mut Read) -> Option<Line> {
        read.hosts.insert(process, kept.sequence);
        let key = ConsentKey::from(&kept.subject);
        if !self.which.leaves(&key) {
            return None;
        }
        let before = read.numbers.insert((process, key), kept.number).unwrap_or(0);
        let lost = kept.number.saturating_sub(before + 1);
        if lost > 0 {
            print::narrate(format_args!(
                "{} of `{}` in process {process} are not kept any more",
                count(usize::try_from(lost).unwrap_or(usize::MAX), "earlier record"),
                kept.subject
            ));
        }
        let from = From::Host { process, number: kept.number };
        Some(Line { at_ms: kept.at_ms, subject: kept.subject, level: kept.level, message: kept.message, from })
    }

    /// Faults and refusals that are on record.
    async fn on_record(&self, state: &Path, records: &Store, read: &mut Read) -> Result<Vec<Line>, Failure> {
        let mut found = Vec::new();
        loop {
            let page = records.read(read.record, PAGE).await?;
            for record in &page {
                read.record = record.sequence;
                // A record of a later version tells of something that nobody here has a word for.
                let Ok(event) = record.event() else { continue };
                let (subject, level, event, code, message, count) = match event {
                    Event::Faulted { subject, code, message, count } => (subject, "error", "faulted", code, message, count),
                    Event::Refused { subject, code, message, count } => (subject, "warn", "refused", code, message, count),
                    _ => continue,
                };
                if self.plugin.as_ref().is_some_and(|plugin| *plugin != subject.package) || !self.which.leaves(&ConsentKey::from(&subject))
                {
                    continue;
                }
                let from = From::Record { record: record.sequence, event, code, count, running: false };
                found.push(Line { at_ms: record.at_ms, subject, level: level.to_owned(), message, from });
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        let running = if found.is_empty() { BTreeSet::new() } else { running(state)? };
        for line in &mut found {
            if let From::Record { running: runs, .. } = &mut line.from {
                *runs = running.contains(&ConsentKey::from(&line.subject));
            }
        }
        Ok(found)
    }

    fn tell(&self, line: &Line) {
        let Line { at_ms, subject, level, message, from } = line;
        if self.json {
            return print::json_line(&json!({
                "at_ms": at_ms, "plugin": subject.package, "tenant": subject.tenant, "instance": subject.instance,
                "digest": subject.digest, "level": level, "message": message, "from": from,
            }));
        }
        // What stands behind a line break is set in: only lines of ours begin with a time.
        let message = message.trim_end().replace('\n', "\n    | ");
        let when = instant(*at_ms);
        match from {
            From::Host { .. } => print::data(format_args!("{when}  {level:5}  {subject}  {message}")),
            From::Record { record, event, code, count, running } => {
                let times = if *count == 1 { String::new() } else { format!(" {} times", grouped(*count)) };
                let gone = if *running { "" } else { ", its host is gone" };
                print::data(format_args!("{when}  {level:5}  {subject}  [record {record}{gone}] {event} ({code}){times}: {message}"));
            }
        }
    }

    /// Nothing yet; a name that nobody knows is an error.
    async fn tell_nothing(&self, state: &Path, records: &Store) -> Result<(), Failure> {
        if let Some(plugin) = &self.plugin {
            let known = installed::latest(records, None).await?.iter().any(|latest| latest.event.subject().package == *plugin);
            if !known && !running(state)?.iter().any(|key| key.package == *plugin) {
                return Err(installed::unknown(records, plugin).await);
            }
        }
        let what = "neither a log record of a running host";
        let of = self.plugin.as_ref().map(|plugin| format!(" of `{plugin}`")).unwrap_or_default();
        print::narrate(format_args!("nothing yet{of}: there is {what} nor a fault on record in `{}`", state.display()));
        Ok(())
    }
}

/// Whom running hosts have loaded, in whichever version.
fn running(state: &Path) -> Result<BTreeSet<ConsentKey>, Failure> {
    let asked = ask::top(state).map_err(|error| Failure::failed(format_args!("cannot look for running hosts: {error}")))?;
    let answers = asked.into_iter().filter_map(|host| host.answer.ok());
    let subjects = answers.flat_map(|mut answer| match answer["plugins"].take() {
        serde_json::Value::Array(plugins) => plugins,
        _ => Vec::new(),
    });
    Ok(subjects.filter_map(|plugin| serde_json::from_value(plugin["subject"].clone()).ok()).collect())
}
