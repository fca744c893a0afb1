//! The first thing a reader sees: how the run ended, how long it took, what went through it, and which files it wrote.
//!
//! What each plugin spent is not here but in `plugins`. Easy to get wrong: rows read are those the sources handed out, not the
//! sum over all steps, which would count one row several times.

use super::data::{Outcome, Report, Step, StepKind, limits};
use super::escape::Html;
use super::quantity::{bytes, counted, duration, grouped};

/// The stages in the order data flows through them, with their headings.
const STAGES: [(StepKind, &str); 5] = [
    (StepKind::Source, "Read"),
    (StepKind::Transformer, "Transform"),
    (StepKind::Analyzer, "Analyze"),
    (StepKind::Visualization, "Draw"),
    (StepKind::Exporter, "Write"),
];

pub(super) fn section(html: &mut Html, report: &Report) {
    html.markup("<section id=\"summary\" aria-labelledby=\"summary-heading\">\n<h2 id=\"summary-heading\" class=\"unseen\">Summary</h2>\n");
    outcome(html, report);
    figures(html, report);
    stages(html, report);
    outputs(html, report);
    html.markup("</section>\n");
}

fn outcome(html: &mut Html, report: &Report) {
    match &report.outcome {
        Outcome::Finished => html.markup("<p class=\"outcome finished\"><b>Finished.</b> Every step did its work."),
        Outcome::Failed { step, cause } => html
            .markup("<p class=\"outcome failed\"><b>Failed</b> at step <code>")
            .text_cut(step, limits::LINE_CHARACTERS)
            .markup("</code>: <span class=\"said\">")
            .text_cut(cause, limits::TEXT_CHARACTERS)
            .markup("</span>"),
        Outcome::Interrupted => {
            html.markup("<p class=\"outcome failed\"><b>Interrupted</b> before every step was done. Finished files were kept.")
        }
    };
    html.markup("</p>\n");
    if report.started_at.is_empty() {
        return;
    }
    html.markup("<p class=\"when\">From ").markup("<time>").text_cut(&report.started_at, limits::LINE_CHARACTERS).markup("</time>");
    if !report.finished_at.is_empty() {
        html.markup(" to <time>").text_cut(&report.finished_at, limits::LINE_CHARACTERS).markup("</time>");
    }
    html.markup("</p>\n");
}

fn figures(html: &mut Html, report: &Report) {
    let read: u64 = steps(report, StepKind::Source).filter_map(|step| step.rows_out).sum();
    let written: u64 = report.outputs.iter().map(|output| output.bytes).sum();
    let memory = report.steps.iter().map(|step| step.memory_peak_bytes).max().unwrap_or(0);
    let mut plugins: Vec<_> = report.steps.iter().map(|step| (&step.plugin.name, &step.plugin.version, &step.plugin.digest)).collect();
    plugins.sort_unstable();
    plugins.dedup();
    html.markup("<dl class=\"figures\">\n");
    figure(html, "took", &duration(report.total_ms), "");
    figure(html, "rows read", &grouped(read), "");
    figure(html, "files written", &grouped(report.outputs.len() as u64), &bytes(written));
    figure(html, "plugins", &grouped(plugins.len() as u64), &languages(report));
    figure(html, "most memory in one plugin", &bytes(memory), "");
    html.markup("</dl>\n");
}

fn figure(html: &mut Html, name: &'static str, value: &str, more: &str) {
    html.markup("<div><dt>").markup(name).markup("</dt><dd>").text(value).markup("</dd>");
    if !more.is_empty() {
        html.markup("<dd>").text_cut(more, limits::LINE_CHARACTERS).markup("</dd>");
    }
    html.markup("</div>\n");
}

/// `JavaScript, Python, Rust`.
fn languages(report: &Report) -> String {
    let mut languages: Vec<&str> = report.steps.iter().map(|step| step.plugin.language.as_str()).filter(|name| !name.is_empty()).collect();
    languages.sort_unstable();
    languages.dedup();
    languages.join(", ")
}

fn steps(report: &Report, kind: StepKind) -> impl Iterator<Item = &Step> {
    report.steps.iter().filter(move |step| step.kind == kind)
}

fn stages(html: &mut Html, report: &Report) {
    html.markup("<ol class=\"stages\" aria-label=\"What ran\">\n");
    for (kind, heading) in STAGES {
        if steps(report, kind).next().is_none() {
            continue;
        }
        html.markup("<li><h3>").markup(heading).markup("</h3>\n<ul>\n");
        for step in steps(report, kind) {
            html.markup("<li><span class=\"step\">")
                .text_cut(&step.name, limits::LINE_CHARACTERS)
                .markup("</span> <span class=\"plugin\">")
                .text_cut(&step.plugin.name, limits::LINE_CHARACTERS)
                .markup("</span> <span class=\"amount\">")
                .text(&amount(step))
                .markup("</span></li>\n");
        }
        html.markup("</ul></li>\n");
    }
    html.markup("</ol>\n");
}

/// Rows in and out, and the time inside the plugin.
fn amount(step: &Step) -> String {
    let rows = match (step.rows_in, step.rows_out) {
        (Some(rows_in), Some(rows_out)) => format!("{} → {}", grouped(rows_in), counted(rows_out, "row", "rows")),
        (Some(rows), None) | (None, Some(rows)) => counted(rows, "row", "rows"),
        (None, None) => return duration(step.guest_ms),
    };
    format!("{rows} · {}", duration(step.guest_ms))
}

fn outputs(html: &mut Html, report: &Report) {
    if report.outputs.is_empty() {
        html.markup("<p class=\"note\">No file was written but this page.</p>\n");
        return;
    }
    html.markup("<div class=\"scroll\" role=\"region\" aria-label=\"Files written\" tabindex=\"0\"><table class=\"outputs\">\n<caption>Files written</caption>\n")
        .markup("<thead><tr><th scope=\"col\">File</th><th scope=\"col\">By step</th><th scope=\"col\" class=\"number\">Rows</th><th scope=\"col\" class=\"number\">Size</th></tr></thead>\n<tbody>\n");
    for output in &report.outputs {
        html.markup("<tr><th scope=\"row\"><a").link(&output.file).markup(">").text_cut(&output.file, limits::LINE_CHARACTERS);
        html.markup("</a></th><td>").text_cut(&output.step, limits::LINE_CHARACTERS);
        html.markup("</td><td class=\"number\">").text(&grouped(output.rows));
        html.markup("</td><td class=\"number\">").text(&bytes(output.bytes)).markup("</td></tr>\n");
    }
    html.markup("</tbody></table></div>\n");
}
