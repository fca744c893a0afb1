//! What a report says: one run of one pipeline, as plain data that also serialises to JSON.
//!
//! No markup and no measuring here. Every text may come from a plugin and is treated as hostile by the page. Easy to get wrong:
//! the lists are not cut here but when they are shown; [`limits`] says where, and the page says what it left out.

use serde::{Deserialize, Serialize};

/// How much of a run a page shows. Beyond a limit the page says how much is missing.
pub(crate) mod limits {
    /// Bytes of one chart's body; the contract's own limit (`plugwork:points/visualization`).
    pub(crate) const CHART_BODY_BYTES: usize = 4 << 20;
    /// Bytes of all chart bodies in one page. Past it the remaining charts are named and not drawn.
    pub(crate) const CHARTS_TOTAL_BYTES: usize = 32 << 20;
    /// Rows of one table.
    pub(crate) const TABLE_ROWS: usize = 500;
    /// Columns of one table.
    pub(crate) const TABLE_COLUMNS: usize = 64;
    /// Characters of one cell, name, title or line.
    pub(crate) const LINE_CHARACTERS: usize = 300;
    /// Characters of one description, message or cause.
    pub(crate) const TEXT_CHARACTERS: usize = 4_000;
    /// Plugins that one plugin calls.
    pub(crate) const CALLS: usize = 16;
    /// Messages in the log section.
    pub(crate) const MESSAGES: usize = 500;
}

/// One run of one pipeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    /// The pipeline's name; the page's heading.
    pub pipeline: String,
    /// What the pipeline is for, in a sentence; may be empty.
    pub description: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began, as text that is shown as it is; RFC 3339 in UTC is expected.
    pub started_at: String,
    /// When it ended, in the same form.
    pub finished_at: String,
    /// Milliseconds of wall time for the whole run.
    pub total_ms: f64,
    /// What made the report, such as `plugwork 0.1.0`; shown in the footer.
    pub generator: String,
    /// In the order of the pipeline.
    pub steps: Vec<Step>,
    /// Files that stand under their final name.
    pub outputs: Vec<Output>,
    /// Results of analyzers, in the order to show them.
    pub tables: Vec<Table>,
    /// In the order to show them.
    pub charts: Vec<Chart>,
    /// Warnings of the run and excerpts of the plugins' logs.
    pub messages: Vec<Message>,
    /// Messages that were not kept.
    pub messages_dropped: u64,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub(crate) enum Outcome {
    /// Every step did its work.
    #[default]
    Finished,
    /// One step failed and the run stopped.
    Failed {
        /// The step's name in the pipeline.
        step: String,
        /// What went wrong, in words.
        cause: String,
    },
    /// A person stopped it.
    Interrupted,
}

/// What a step does in the pipeline, which is also the point its plugin was called at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepKind {
    /// `plugwork:points/data-source`
    Source,
    /// `plugwork:points/transformer`
    Transformer,
    /// `plugwork:points/analyzer`
    Analyzer,
    /// `plugwork:points/exporter`
    Exporter,
    /// `plugwork:points/visualization`
    Visualization,
}

/// One step: which plugin, what went through it, what it spent and what it could reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// The step's name in the pipeline.
    pub name: String,
    /// What it does.
    pub kind: StepKind,
    /// The plugin that did it.
    pub plugin: Plugin,
    /// Rows it took in; none where it takes none (a source).
    #[serde(default)]
    pub rows_in: Option<u64>,
    /// Rows it handed out; none where it hands out none (an exporter, a visualization).
    #[serde(default)]
    pub rows_out: Option<u64>,
    /// Batches that went in, or out of a source.
    #[serde(default)]
    pub batches: u64,
    /// Milliseconds inside the plugin's own code, all calls together.
    #[serde(default)]
    pub guest_ms: f64,
    /// Milliseconds from the step's first call to its last answer, waiting for its neighbours included.
    #[serde(default)]
    pub wall_ms: f64,
    /// The most memory the plugin held at once, in bytes, summed over all its memories.
    #[serde(default)]
    pub memory_peak_bytes: u64,
    /// Calls from the plugin to the host.
    #[serde(default)]
    pub host_calls: u64,
    /// Records it wrote to its log, dropped ones included.
    #[serde(default)]
    pub log_lines: u64,
    /// The most bytes of memory it was allowed; none when unknown.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// What it could reach, one line for each interface or permission. Type-only interfaces are left out.
    #[serde(default)]
    pub reach: Vec<Reach>,
}

/// Which plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Plugin {
    /// `namespace:name`.
    pub name: String,
    /// Such as `0.1.0`.
    pub version: String,
    /// What it is, in one line; may be empty.
    pub description: String,
    /// Of the component file, `sha256:` and hexadecimal digits.
    pub digest: String,
    /// `Rust`, `JavaScript`, `Python`, …; empty when unknown.
    pub language: String,
    /// Size of the component file in bytes.
    pub component_bytes: u64,
    /// Plugins that it calls, and how: `acme:geo 1.2.0, brokered`.
    pub calls: Vec<String>,
}

/// One thing a plugin could, or could not, reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// What became of it.
    pub access: Access,
    /// The interface, such as `wasi:filesystem/types@0.2.6`, or the permission, such as `filesystem`.
    pub interface: String,
    /// The grant's bounds or the reason, in words; may be empty.
    #[serde(default)]
    pub detail: String,
}

/// What became of an import. The fourth kind, *refused*, has no row: such a plugin does not load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    /// Linked, within the bounds of the grant.
    Granted,
    /// Asked for as optional and not granted: answers the interface's own denial.
    Denied,
    /// Linked because language runtimes import it, and leads nowhere.
    Inert,
}

/// One file that was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Output {
    /// Relative to the report, with `/` between folders.
    pub file: String,
    /// The exporter step that wrote it.
    pub step: String,
    /// Size of the file.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
}

/// One table of a result: its first rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Table {
    /// The analyzer step it came from.
    pub step: String,
    /// The table's name.
    pub name: String,
    /// What the table says, in a sentence; may be empty.
    pub description: String,
    /// In the order to show them.
    pub columns: Vec<Column>,
    /// As many cells as columns in each; a short row is shown with missing cells, a long one is cut.
    pub rows: Vec<Vec<Cell>>,
    /// Rows of the whole table, of which `rows` are the first.
    pub rows_total: u64,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    /// The heading.
    pub name: String,
    /// Arrow format string (`plugwork:table/types`), which says how its cells are written: `tsm:UTC` shows milliseconds since
    /// 1970 as a time. An unknown one is shown as it comes.
    pub format: String,
}

/// One value. Decimals and bytes are text that the caller made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    /// Null in the table. A number that is not finite becomes this when the report goes through JSON.
    Missing,
    /// A bool.
    Flag(bool),
    /// An integer, a date or a time, in the unit of the column's format.
    Integer(i64),
    /// An integer above `i64::MAX`.
    Unsigned(u64),
    /// A float.
    Number(f64),
    /// Text, and anything else the caller wrote out.
    Text(String),
}

/// One chart, as its plugin handed it out (`plugwork:points/visualization`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Chart {
    /// The visualization step it came from.
    pub step: String,
    /// For links within the page.
    pub name: String,
    /// The heading.
    pub title: String,
    /// What it shows, in a sentence; shown under the chart, and instead of it where it cannot be drawn.
    pub description: String,
    /// `application/vnd.vegalite.v6+json` is drawn; any other is shown as text.
    pub media_type: String,
    /// The specification.
    pub body: String,
}

/// One line of the log section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// How bad it is.
    pub level: Level,
    /// The step it belongs to; empty for the run itself.
    #[serde(default)]
    pub step: String,
    /// What was said.
    pub text: String,
}

/// Severity, as in `plugwork:host/log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// Finest.
    Trace,
    /// For whoever writes the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Error,
}
