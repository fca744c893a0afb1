//! What each plugin could reach and what it spent: the part of the page for whoever decides whether to trust one.
//!
//! No decision is made here; the rows come from the host that linked and metered the plugins. Easy to get wrong: *inert* is
//! neither granted nor denied and is never counted as either.

use super::data::{Access, Reach, Report, Step, limits};
use super::escape::Html;
use super::quantity::{bytes, counted, duration, grouped};

pub(super) fn section(html: &mut Html, report: &Report) {
    if report.steps.is_empty() {
        return;
    }
    let slowest_ms = report.steps.iter().map(|step| step.guest_ms).filter(|ms| ms.is_finite()).fold(0.0, f64::max);
    let largest = report.steps.iter().map(|step| step.memory_peak_bytes).max().unwrap_or(0);
    html.markup("<section id=\"plugins\" aria-labelledby=\"plugins-heading\">\n")
        .markup("<h2 id=\"plugins-heading\">What each plugin could reach and what it spent</h2>\n")
        .markup("<p class=\"legend\"><span class=\"badge granted\">granted</span> was linked, within the bounds shown. ")
        .markup("<span class=\"badge denied\">denied</span> was asked for, not granted, and answered with a denial. ")
        .markup("<span class=\"badge inert\">inert</span> is there because a language runtime imports it, and leads nowhere. ")
        .markup("Whatever is not listed was not linked, so there was nothing to call. Every plugin can write to its own log.</p>\n")
        .markup("<div class=\"scroll\" role=\"region\" aria-label=\"Plugins\" tabindex=\"0\"><table class=\"plugins\">\n<caption class=\"unseen\">One row for each step</caption>\n<thead><tr>")
        .markup("<th scope=\"col\">Step and plugin</th><th scope=\"col\">Could reach</th><th scope=\"col\" class=\"number\">Rows in → out</th>")
        .markup("<th scope=\"col\" class=\"number\">Time inside</th><th scope=\"col\" class=\"number\">Peak memory</th><th scope=\"col\" class=\"number\">Host calls</th></tr></thead>\n<tbody>\n");
    for step in &report.steps {
        html.markup("<tr><th scope=\"row\">");
        identity(html, step);
        html.markup("</th><td class=\"reach\" data-label=\"Could reach\">");
        reach(html, &step.reach);
        html.markup("</td>");
        spending(html, step, slowest_ms, largest);
        html.markup("</tr>\n");
    }
    html.markup("</tbody></table></div>\n</section>\n");
}

fn identity(html: &mut Html, step: &Step) {
    let plugin = &step.plugin;
    html.markup("<span class=\"step\">").text_cut(&step.name, limits::LINE_CHARACTERS).markup("</span> <span class=\"plugin\">");
    html.text_cut(&plugin.name, limits::LINE_CHARACTERS).markup(" ").text_cut(&plugin.version, limits::LINE_CHARACTERS).markup("</span>");
    if !plugin.description.is_empty() {
        html.markup(" <span class=\"description\">").text_cut(&plugin.description, limits::LINE_CHARACTERS).markup("</span>");
    }
    for calls in plugin.calls.iter().take(limits::CALLS) {
        html.markup(" <span class=\"description\">calls ").text_cut(calls, limits::LINE_CHARACTERS).markup("</span>");
    }
    html.markup(" <span class=\"facts\">");
    if !plugin.language.is_empty() {
        html.markup("<span class=\"language\">").text_cut(&plugin.language, limits::LINE_CHARACTERS).markup("</span> ");
    }
    if plugin.component_bytes > 0 {
        html.text(&bytes(plugin.component_bytes)).markup(" ");
    }
    html.markup("<code class=\"digest\"")
        .attribute("title", &plugin.digest)
        .markup(">")
        .text(&short(&plugin.digest))
        .markup("</code></span>");
}

/// The first twelve hexadecimal digits: enough to compare by eye. The whole digest is the element's title.
fn short(digest: &str) -> String {
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.chars().take(12).collect()
}

fn reach(html: &mut Html, reach: &[Reach]) {
    let of = |access: Access| reach.iter().filter(move |line| line.access == access);
    if of(Access::Granted).next().is_none() && of(Access::Denied).next().is_none() {
        html.markup("<p class=\"nothing\">Nothing but its log</p>\n");
    }
    html.markup("<ul>\n");
    for line in of(Access::Granted) {
        html.markup("<li><span class=\"badge granted\">granted</span> ");
        words(html, line);
    }
    for line in of(Access::Denied) {
        html.markup("<li><span class=\"badge denied\">denied</span> ");
        words(html, line);
    }
    html.markup("</ul>\n");
    let inert = of(Access::Inert).count() as u64;
    if inert > 0 {
        html.markup("<details><summary><span class=\"badge inert\">inert</span> ").text(&counted(inert, "interface", "interfaces"));
        html.markup("</summary><ul>\n");
        for line in of(Access::Inert) {
            html.markup("<li>");
            words(html, line);
        }
        html.markup("</ul></details>\n");
    }
}

fn words(html: &mut Html, line: &Reach) {
    html.markup("<code>").text_cut(&line.interface, limits::LINE_CHARACTERS).markup("</code>");
    if !line.detail.is_empty() {
        html.markup(" <span class=\"detail\">").text_cut(&line.detail, limits::TEXT_CHARACTERS).markup("</span>");
    }
    html.markup("</li>\n");
}

fn spending(html: &mut Html, step: &Step, slowest_ms: f64, largest: u64) {
    let rows = |rows: Option<u64>| rows.map_or_else(|| "–".to_owned(), grouped);
    html.markup("<td class=\"number\" data-label=\"Rows in → out\">").text(&format!("{} → {}", rows(step.rows_in), rows(step.rows_out)));
    html.markup(" <small>").text(&counted(step.batches, "batch", "batches")).markup("</small></td>");

    html.markup("<td class=\"number\" data-label=\"Time inside\">").text(&duration(step.guest_ms));
    html.markup(" <small>of ").text(&duration(step.wall_ms)).markup("</small>");
    bar(html, if slowest_ms > 0.0 { step.guest_ms / slowest_ms } else { 0.0 });
    html.markup("</td><td class=\"number\" data-label=\"Peak memory\">").text(&bytes(step.memory_peak_bytes));
    if let Some(limit) = step.memory_limit_bytes {
        html.markup(" <small>of ").text(&bytes(limit)).markup("</small>");
    }
    bar(html, if largest > 0 { step.memory_peak_bytes as f64 / largest as f64 } else { 0.0 });
    html.markup("</td><td class=\"number\" data-label=\"Host calls\">").text(&grouped(step.host_calls));
    html.markup(" <small>").text(&counted(step.log_lines, "log line", "log lines")).markup("</small></td>");
}

/// A share of the largest, drawn with attributes because the policy allows no inline style.
fn bar(html: &mut Html, share: f64) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    html.markup("<svg class=\"bar\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect height=\"4\"");
    html.attribute("width", &format!("{:.1}", share * 100.0)).markup("/></svg>");
}
