//! The content security policies of the page and of the chart frames, made from `assets/report/hashes.txt`.
//!
//! No digest is computed here: they are text beside the assets, and a test recomputes them. Easy to get wrong: a `srcdoc` frame
//! inherits the page's policy *and* adds its own, so whatever a frame may run must be allowed by both.

/// The digests of the assets, one `name sha256-…` a line.
const HASHES: &str = include_str!("../../assets/report/hashes.txt");

/// Policy of the whole page. `frame-src 'none'` still allows the `srcdoc` frames (nothing is fetched for them) and keeps them
/// from navigating anywhere else, which would carry data out.
pub(super) fn page() -> String {
    format!(
        "default-src 'none'; script-src {} {} {}; style-src {} {}; worker-src blob:; frame-src 'none'; base-uri 'none'; form-action 'none'",
        source("page.js"),
        source("vega.bundle.js"),
        source("frame.js"),
        source("page.css"),
        source("frame.css"),
    )
}

/// Policy of a chart frame: the renderer, its style sheet, and the worker in which a chart is tried first.
pub(super) fn frame() -> String {
    format!(
        "default-src 'none'; script-src {} {}; style-src {}; worker-src blob:; base-uri 'none'; form-action 'none'",
        source("vega.bundle.js"),
        source("frame.js"),
        source("frame.css"),
    )
}

/// `'sha256-…'` of one asset.
fn source(asset: &str) -> String {
    let hash = HASHES
        .lines()
        .find_map(|line| line.strip_prefix(asset)?.strip_prefix(' '))
        .expect("every asset has its line in `hashes.txt`: the tests compare them");
    format!("'{hash}'")
}
