//! What the report page is told about a run.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use plugwork::log::{Level, Sink};
use plugwork_core::Subject;
use plugwork_core::reach::Kind as ReachKind;
use plugwork_core::table::{self, CheckedColumn, TimeUnit, calendar};
use plugwork_points::Batch;

use super::load::Loaded;
use super::plan::Kind;
use super::run::Ran;
use super::step::{Done, Found};
use crate::print;
use crate::report::data::{
    Access, Cell, Chart, Column, Level as PageLevel, Message, Outcome, Output, Plugin, Reach, Report, Step, StepKind, Table, limits,
};

/// The report's name in the output folder.
pub(crate) const FILE: &str = "report.html";

/// The plugins' log, kept for the report; warnings and errors are told at once.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    kept: Arc<Mutex<(Vec<Message>, u64)>>,
    verbose: bool,
}

impl Journal {
    pub(crate) fn new(verbose: bool) -> Self {
        Self { verbose, ..Self::default() }
    }
}

impl Sink for Journal {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        if self.verbose || level >= Level::Warn {
            print::end_progress();
            // Set in: only lines of ours begin with a level.
            let shown = message.trim_end().replace('\n', "\n    | ");
            print::narrate(format_args!("{level:5} {}: {shown}", subject.instance));
        }
        let level = match level {
            Level::Trace => PageLevel::Trace,
            Level::Debug => PageLevel::Debug,
            Level::Info => PageLevel::Info,
            Level::Warn => PageLevel::Warn,
            Level::Error => PageLevel::Error,
        };
        let mut kept = self.kept.lock().expect("no panic happens under this lock");
        if kept.0.len() < limits::MESSAGES {
            kept.0.push(Message { level, step: subject.instance.clone(), text: message.to_owned() });
        } else {
            kept.1 += 1;
        }
    }
}

/// When and how long.
pub(crate) struct Times {
    pub(crate) started: SystemTime,
    pub(crate) total: Duration,
}

/// Everything the page shows.
pub(crate) fn report(name: &str, description: &str, loaded: &[Loaded], ran: &Ran, journal: &Journal, times: &Times) -> Report {
    let messages = journal.kept.lock().expect("no panic happens under this lock").clone();
    let steps = || loaded.iter().zip(&ran.done).zip(&ran.finished);
    let finished = || steps().filter(|(_, finished)| **finished).filter_map(|((loaded, done), _)| Some((loaded, done.as_ref()?)));
    Report {
        pipeline: name.to_owned(),
        description: description.to_owned(),
        outcome: match (&ran.failure, ran.interrupted) {
            (Some((index, failure)), _) => Outcome::Failed { step: loaded[*index].step.raw.name.clone(), cause: failure.to_string() },
            (None, true) => Outcome::Interrupted,
            (None, false) => Outcome::Finished,
        },
        started_at: instant(times.started),
        finished_at: instant(times.started + times.total),
        total_ms: times.total.as_secs_f64() * 1000.0,
        generator: format!("plugwork {}", env!("CARGO_PKG_VERSION")),
        steps: loaded.iter().zip(&ran.done).map(|(loaded, done)| step(loaded, done.as_ref())).collect(),
        outputs: finished().filter_map(|(loaded, done)| output(loaded, done)).collect(),
        tables: finished().flat_map(|(loaded, done)| done.tables.iter().map(|found| found_table(&loaded.step.raw.name, found))).collect(),
        charts: finished().flat_map(|(loaded, done)| charts(&loaded.step.raw.name, done)).collect(),
        messages: messages.0,
        messages_dropped: messages.1,
    }
}

fn step(loaded: &Loaded, done: Option<&Done>) -> Step {
    let nothing = Done::default();
    let done = done.unwrap_or(&nothing);
    let kind = loaded.step.kind;
    let manifest = loaded.plugin.manifest();
    Step {
        name: loaded.step.raw.name.clone(),
        kind: match kind {
            Kind::Source => StepKind::Source,
            Kind::Transformer => StepKind::Transformer,
            Kind::Analyzer => StepKind::Analyzer,
            Kind::Exporter => StepKind::Exporter,
            Kind::Chart => StepKind::Visualization,
        },
        plugin: Plugin {
            name: loaded.plugin.subject().package.to_string(),
            version: manifest.map(|manifest| manifest.version.to_string()).unwrap_or_default(),
            description: manifest.map(|manifest| manifest.description.clone()).unwrap_or_default(),
            digest: loaded.plugin.subject().digest.to_string(),
            language: loaded.language.clone(),
            component_bytes: loaded.component_bytes,
            calls: loaded.calls.clone(),
        },
        rows_in: (kind != Kind::Source).then_some(done.rows_in),
        rows_out: matches!(kind, Kind::Source | Kind::Transformer | Kind::Analyzer).then_some(done.rows_out),
        batches: done.batches,
        guest_ms: done.spend.time.as_secs_f64() * 1000.0,
        wall_ms: done.wall_ms,
        memory_peak_bytes: done.spend.memory_peak_bytes,
        host_calls: done.spend.host_calls,
        log_lines: done.spend.log_records,
        memory_limit_bytes: Some(loaded.plugin.limits().memory_bytes),
        reach: reach(loaded),
    }
}

fn reach(loaded: &Loaded) -> Vec<Reach> {
    let grants = loaded.plugin.grants();
    let imports = loaded.plugin.reach().iter().filter_map(|reach| {
        let access = match reach.kind {
            ReachKind::Granted => Access::Granted,
            ReachKind::Denied => Access::Denied,
            ReachKind::Inert => Access::Inert,
            ReachKind::Types | ReachKind::Refused => return None,
        };
        let granted = reach.capability.as_deref().filter(|_| access == Access::Granted);
        let grant = granted.and_then(|capability| grants.iter().find(|grant| grant.capability == capability));
        let detail = grant.map_or_else(|| reach.because.clone(), |grant| grant.to_string());
        Some(Reach { access, interface: reach.interface.to_string(), detail })
    });
    imports.collect()
}

fn output(loaded: &Loaded, done: &Done) -> Option<Output> {
    let file = loaded.step.raw.file.clone()?;
    Some(Output { file, step: loaded.step.raw.name.clone(), bytes: done.output_bytes?, rows: done.rows_in })
}

fn charts(step: &str, done: &Done) -> Vec<Chart> {
    let page = |chart: &plugwork_points::Chart| Chart {
        step: step.to_owned(),
        name: chart.name.clone(),
        title: chart.title.clone(),
        description: chart.description.clone(),
        media_type: chart.media_type.clone(),
        body: chart.body.clone(),
    };
    done.charts.iter().map(page).collect()
}

fn found_table(step: &str, found: &Found) -> Table {
    let columns = |batch: &Batch| {
        let column = |column: &plugwork_points::Column| Column { name: column.name.clone(), format: column.format.clone() };
        batch.columns().iter().map(column).collect()
    };
    Table {
        step: step.to_owned(),
        name: found.name.clone(),
        description: String::new(),
        columns: found.shown.first().map(|batch| columns(batch)).unwrap_or_default(),
        rows: found.shown.iter().flat_map(|batch| rows(batch)).take(limits::TABLE_ROWS).collect(),
        rows_total: found.rows,
    }
}

fn rows(batch: &Batch) -> Vec<Vec<Cell>> {
    // Validated when it came; a batch that is not valid has no rows to show.
    let Ok(checked) = table::validate(batch.rows(), batch.views()) else { return Vec::new() };
    let rows = (checked.rows() as usize).min(limits::TABLE_ROWS);
    (0..rows).map(|row| checked.columns().iter().map(|column| cell(column, row)).collect()).collect()
}

fn cell(column: &CheckedColumn<'_>, row: usize) -> Cell {
    match column.cell(row) {
        None | Some(table::Cell::Null) => Cell::Missing,
        Some(table::Cell::Bool(value)) => Cell::Flag(value),
        Some(table::Cell::Int(value)) => Cell::Integer(value),
        Some(table::Cell::UInt(value)) => Cell::Unsigned(value),
        Some(table::Cell::Float(value)) => Cell::Number(value),
        Some(table::Cell::Text(value)) => Cell::Text(value.to_owned()),
        Some(_) => Cell::Text(column.preview(row).as_str().unwrap_or_default().to_owned()),
    }
}

/// RFC 3339 in UTC, to the second.
fn instant(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{}Z", calendar::instant(i64::try_from(seconds).unwrap_or(i64::MAX), TimeUnit::Seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_time() {
        let at = |seconds| instant(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_219_200), "2026-11-21T00:00:00Z");
    }
}
