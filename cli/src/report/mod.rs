//! The report of one run: a page that opens from disk, asks no network for anything, and believes nothing it shows.
//!
//! Data in, text out: no file is read or written here, and no clock. What a run *was* is [`data`]; how it looks is `page` and
//! the sections beside it; what keeps hostile text harmless is `escape`, `specification` and `policy`, and in the browser
//! `assets/report/frame.js`. Easy to get wrong: the digests in `assets/report/hashes.txt` are part of the page. Whoever edits
//! a style sheet or a script there writes them anew (`npm run build`, or the line that the failing test prints), otherwise a
//! browser shows the report without them.

mod cell;
mod charts;
pub(crate) mod data;
mod escape;
mod page;
mod plugins;
mod policy;
mod quantity;
mod specification;
mod summary;
mod tables;

#[cfg(test)]
mod tests;

pub(crate) use data::Report;

/// The whole page, as the text of one HTML file in UTF-8.
///
/// Never fails: a chart that may not be drawn, a table that is too long and a text with control characters are each shown as
/// what they are, with the reason. About 850 KB of it are the chart renderer, which is left out when there is no chart.
/// Names of output files become links relative to the page, so it belongs in the folder of the outputs.
///
/// ```
/// use plugwork_cli::report::{self, data::Report};
///
/// let page = report::render(&Report { pipeline: "earthquakes".into(), ..Report::default() });
/// assert!(page.starts_with("<!doctype html>"));
/// ```
#[must_use]
pub(crate) fn render(report: &Report) -> String {
    page::page(report)
}
