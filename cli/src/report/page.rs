//! The page around the sections: head, policy, heading, log, footer and scripts.
//!
//! No section's content but the log's. Easy to get wrong: the text inside a `<style>` or `<script>` must be the asset byte for
//! byte, without a line end added before it, or its digest no longer fits the policy.

use super::data::{Level, Report, limits};
use super::escape::Html;
use super::quantity::counted;
use super::{charts, plugins, policy, summary, tables};

/// Everything.
pub(super) fn page(report: &Report) -> String {
    let verdicts = charts::judge(&report.charts);
    let drawn = charts::any_drawn(&verdicts);
    let mut html = Html::default();
    head(&mut html, report);
    html.markup("<body>\n<a class=\"skip\" href=\"#main\">Skip to the report</a>\n");
    banner(&mut html, report);
    html.markup("<main id=\"main\">\n");
    summary::section(&mut html, report);
    charts::section(&mut html, report, &verdicts);
    tables::section(&mut html, report);
    plugins::section(&mut html, report);
    log(&mut html, report);
    html.markup("</main>\n");
    footer(&mut html, report, drawn);
    scripts(&mut html, drawn);
    html.markup("</body>\n</html>\n");
    html.finish()
}

fn head(html: &mut Html, report: &Report) {
    // The charset and the policy come before anything that either could apply to.
    html.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\"")
        .attribute("content", &policy::page())
        .markup(">\n<meta name=\"referrer\" content=\"no-referrer\">\n")
        .markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .markup("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .text_cut(&report.pipeline, limits::LINE_CHARACTERS)
        .markup(" · plugwork report</title>\n<style>")
        .markup(include_str!("../../assets/report/page.css"))
        .markup("</style>\n</head>\n");
}

fn banner(html: &mut Html, report: &Report) {
    html.markup("<header class=\"banner\">\n<p class=\"kicker\">plugwork · report of one run</p>\n<h1>")
        .text_cut(&report.pipeline, limits::LINE_CHARACTERS)
        .markup("</h1>\n");
    if !report.description.is_empty() {
        html.markup("<p class=\"lede\">").text_cut(&report.description, limits::TEXT_CHARACTERS).markup("</p>\n");
    }
    html.markup("<nav aria-label=\"Sections\"><a href=\"#summary\">Summary</a>");
    if !report.charts.is_empty() {
        html.markup(" <a href=\"#charts\">Charts</a>");
    }
    if !report.tables.is_empty() {
        html.markup(" <a href=\"#results\">Results</a>");
    }
    if !report.steps.is_empty() {
        html.markup(" <a href=\"#plugins\">Plugins</a>");
    }
    if has_log(report) {
        html.markup(" <a href=\"#log\">Log</a>");
    }
    html.markup("</nav>\n</header>\n");
}

fn has_log(report: &Report) -> bool {
    !report.messages.is_empty() || report.messages_dropped > 0
}

fn log(html: &mut Html, report: &Report) {
    if !has_log(report) {
        return;
    }
    html.markup("<section id=\"log\" aria-labelledby=\"log-heading\">\n<h2 id=\"log-heading\">Log</h2>\n<ol class=\"log\">\n");
    for message in report.messages.iter().take(limits::MESSAGES) {
        html.markup(match message.level {
            Level::Error => "<li class=\"error\"><b>error</b>",
            Level::Warn => "<li class=\"warn\"><b>warn</b>",
            Level::Info => "<li><b>info</b>",
            Level::Debug => "<li><b>debug</b>",
            Level::Trace => "<li><b>trace</b>",
        });
        html.markup(" <span class=\"who\">")
            .text_cut(if message.step.is_empty() { "run" } else { &message.step }, limits::LINE_CHARACTERS)
            .markup("</span> <span class=\"said\">")
            .text_cut(&message.text, limits::TEXT_CHARACTERS)
            .markup("</span></li>\n");
    }
    html.markup("</ol>\n");
    let missing = report.messages_dropped + report.messages.len().saturating_sub(limits::MESSAGES) as u64;
    if missing > 0 {
        html.markup("<p class=\"note\">").text(&counted(missing, "more message is", "more messages are")).markup(" not shown.</p>\n");
    }
    html.markup("</section>\n");
}

fn footer(html: &mut Html, report: &Report, drawn: bool) {
    html.markup("<footer>\n<p>This page is one file. It loads nothing, sends nothing, and draws each chart in a sandbox of its own.");
    if !report.generator.is_empty() {
        html.markup(" Written by ").text_cut(&report.generator, limits::LINE_CHARACTERS).markup(".");
    }
    html.markup("</p>\n");
    if drawn {
        html.markup("<details class=\"notices\"><summary>Charts are drawn by Vega and Vega-Lite: licences</summary>\n<pre tabindex=\"0\">")
            .text(include_str!("../../assets/report/vega.licences.txt"))
            .markup("</pre></details>\n");
    }
    html.markup("</footer>\n");
}

/// The renderer lies in the page once, as text that no browser runs; `page.js` puts it into each chart's frame.
fn scripts(html: &mut Html, drawn: bool) {
    if drawn {
        html.markup("<script type=\"text/plain\" id=\"frame-style\"")
            .attribute("data-policy", &policy::frame())
            .markup(">")
            .markup(include_str!("../../assets/report/frame.css"))
            .markup("</script>\n<script type=\"text/plain\" id=\"frame-script\">")
            .markup(include_str!("../../assets/report/frame.js"))
            .markup("</script>\n<script type=\"text/plain\" id=\"frame-renderer\">")
            .markup(include_str!("../../assets/report/vega.bundle.js"))
            .markup("</script>\n");
    }
    html.markup("<script>").markup(include_str!("../../assets/report/page.js")).markup("</script>\n");
}
