//! The charts: one figure each, with its specification as a data block that `page.js` hands to a sandboxed frame.
//!
//! Nothing is drawn here. Easy to get wrong: the description is visible under every chart, not only where drawing fails, so that
//! those who cannot see a chart and those who can read the same sentence.

use super::data::{Chart, Report, limits};
use super::escape::Html;
use super::specification::{self, VEGA_LITE};
use serde_json::Value;

/// Characters of an unknown chart type that are shown.
const SOURCE_CHARACTERS: usize = 20_000;

/// What becomes of one chart.
pub(super) enum Verdict {
    /// Its specification goes into the page.
    Draw(Value),
    /// Its body is shown as text.
    Show,
    /// It is only named, with this reason.
    Refuse(String),
}

/// One verdict for each chart. Made once: it parses every body.
pub(super) fn judge(charts: &[Chart]) -> Vec<Verdict> {
    let mut total = 0_usize;
    charts.iter().map(|chart| verdict(chart, &mut total)).collect()
}

/// Whether any chart needs the renderer.
pub(super) fn any_drawn(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| matches!(verdict, Verdict::Draw(_)))
}

fn verdict(chart: &Chart, total: &mut usize) -> Verdict {
    if chart.media_type != VEGA_LITE {
        return Verdict::Show;
    }
    *total = total.saturating_add(chart.body.len());
    if *total > limits::CHARTS_TOTAL_BYTES {
        return Verdict::Refuse(format!("the charts of one page may have {} bytes together", limits::CHARTS_TOTAL_BYTES));
    }
    match specification::accept(chart) {
        Ok(specification) => Verdict::Draw(specification),
        Err(reason) => Verdict::Refuse(reason),
    }
}

pub(super) fn section(html: &mut Html, report: &Report, verdicts: &[Verdict]) {
    if report.charts.is_empty() {
        return;
    }
    html.markup("<section id=\"charts\" aria-labelledby=\"charts-heading\">\n<h2 id=\"charts-heading\">Charts</h2>\n")
        .markup("<noscript><p class=\"note\">Charts need this page's own script. Without it, read their descriptions.</p></noscript>\n");
    for (index, (chart, verdict)) in report.charts.iter().zip(verdicts).enumerate() {
        let heading = format!("chart-{}", index + 1);
        html.markup("<figure class=\"chart\"").attribute("id", &heading).attribute("aria-labelledby", &format!("{heading}-title"));
        html.markup(">\n<h3").attribute("id", &format!("{heading}-title")).markup(">");
        html.text_cut(title(chart), limits::LINE_CHARACTERS).markup("</h3>\n");
        body(html, chart, verdict);
        caption(html, chart);
        html.markup("</figure>\n");
    }
    html.markup("</section>\n");
}

fn title(chart: &Chart) -> &str {
    if chart.title.is_empty() { &chart.name } else { &chart.title }
}

fn body(html: &mut Html, chart: &Chart, verdict: &Verdict) {
    match verdict {
        Verdict::Draw(specification) => {
            html.markup("<div class=\"drawing\"></div>\n<p class=\"trouble\" role=\"status\" hidden></p>\n")
                .markup("<script type=\"application/json\">")
                .json(specification)
                .markup("</script>\n");
        }
        Verdict::Show => {
            html.markup("<p class=\"trouble\">Shown as text: this page does not draw <code>")
                .text_cut(&chart.media_type, limits::LINE_CHARACTERS)
                .markup("</code>.</p>\n<pre tabindex=\"0\">")
                .text_cut(&chart.body, SOURCE_CHARACTERS)
                .markup("</pre>\n");
        }
        Verdict::Refuse(reason) => {
            html.markup("<p class=\"trouble\">This chart was not drawn: ").text_cut(reason, limits::TEXT_CHARACTERS).markup(".</p>\n");
        }
    }
}

fn caption(html: &mut Html, chart: &Chart) {
    html.markup("<figcaption><span class=\"description\">").text_cut(&chart.description, limits::TEXT_CHARACTERS).markup("</span>");
    if !chart.step.is_empty() {
        html.markup(" <span class=\"origin\">Drawn by step <code>")
            .text_cut(&chart.step, limits::LINE_CHARACTERS)
            .markup("</code>.</span>");
    }
    html.markup("</figcaption>\n");
}
