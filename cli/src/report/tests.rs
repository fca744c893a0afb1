//! What the whole page promises: nothing from a run becomes markup, and the policy fits the scripts and styles that are in it.
//!
//! Rules of one file are tested in that file; a browser is not started here. Easy to get wrong: `hashes.txt` is
//! itself under test, so its digests are computed anew (`tests/digest.rs`) and not read from it.

mod digest;

use super::data::{Access, Chart, Column, Level, Message, Outcome, Output, Plugin, Reach, Report, Step, StepKind, Table, limits};
use super::{data::Cell, policy, render, specification::VEGA_LITE};
use digest::{base64, sha256};

const ASSETS: [(&str, &str); 5] = [
    ("page.css", include_str!("../../assets/report/page.css")),
    ("page.js", include_str!("../../assets/report/page.js")),
    ("frame.css", include_str!("../../assets/report/frame.css")),
    ("frame.js", include_str!("../../assets/report/frame.js")),
    ("vega.bundle.js", include_str!("../../assets/report/vega.bundle.js")),
];
const HASHES: &str = include_str!("../../assets/report/hashes.txt");
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script><!--\u{202e}\0";

/// A report in which every text is the given one.
fn report_of(text: &str) -> Report {
    let text = || text.to_owned();
    let specification = serde_json::json!({ "mark": "bar", "title": text(), "data": { "values": [{ (text()): text() }] } });
    Report {
        pipeline: text(),
        description: text(),
        outcome: Outcome::Failed { step: text(), cause: text() },
        started_at: text(),
        finished_at: text(),
        total_ms: 12.5,
        generator: text(),
        steps: vec![Step {
            name: text(),
            kind: StepKind::Source,
            plugin: Plugin {
                name: text(),
                version: text(),
                description: text(),
                digest: text(),
                language: text(),
                component_bytes: 1,
                calls: vec![text()],
            },
            rows_in: None,
            rows_out: Some(1_707),
            batches: 1,
            guest_ms: 14.2,
            wall_ms: 22.8,
            memory_peak_bytes: 3 << 20,
            host_calls: 41,
            log_lines: 2,
            memory_limit_bytes: Some(64 << 20),
            reach: [Access::Granted, Access::Denied, Access::Inert]
                .map(|access| Reach { access, interface: text(), detail: text() })
                .into(),
        }],
        outputs: vec![Output { file: text(), step: text(), bytes: 812_345, rows: 1_707 }],
        tables: vec![Table {
            step: text(),
            name: text(),
            description: text(),
            columns: vec![Column { name: text(), format: text() }],
            rows: vec![vec![Cell::Text(text())], vec![]],
            rows_total: 2,
        }],
        charts: vec![
            Chart {
                step: text(),
                name: text(),
                title: text(),
                description: text(),
                media_type: VEGA_LITE.to_owned(),
                body: specification.to_string(),
            },
            Chart { step: text(), name: text(), title: text(), description: text(), media_type: text(), body: text() },
        ],
        messages: vec![Message { level: Level::Warn, step: text(), text: text() }],
        messages_dropped: 3,
    }
}

/// The page without our own scripts and styles, so that what is left is markup and a run's text.
fn without_assets(page: &str) -> String {
    ASSETS.iter().fold(page.to_owned(), |page, (_, asset)| page.replace(asset, ""))
}

#[test]
fn hostile_text_makes_no_element_that_harmless_text_does_not_make() {
    let tags = |text: &str| without_assets(&render(&report_of(text))).matches('<').count();
    assert_eq!(tags(HOSTILE), tags("plain"));
}

#[test]
fn hostile_text_is_nowhere_in_the_page_as_it_came() {
    let page = without_assets(&render(&report_of(HOSTILE)));
    for piece in ["<img", "alert(2)</script>", "<!--", "\u{202e}", "\0"] {
        assert!(!page.contains(piece), "{piece:?}");
    }
}

#[test]
fn specification_in_the_page_reads_back_as_it_came() {
    let report = report_of(HOSTILE);
    let page = render(&report);
    let block = page.split("<script type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let read: serde_json::Value = serde_json::from_str(block).unwrap();
    assert_eq!(read, serde_json::from_str::<serde_json::Value>(&report.charts[0].body).unwrap());
}

#[test]
fn digests_in_the_policy_are_those_of_the_assets() {
    let expected: String = ASSETS.iter().map(|(name, text)| format!("{name} sha256-{}\n", base64(&sha256(text.as_bytes())))).collect();
    assert_eq!(HASHES, expected, "`assets/report/hashes.txt` is out of date: write the text on the right into it");
}

#[test]
fn the_one_style_and_the_one_script_that_run_are_in_the_policy() {
    let page = render(&report_of("plain"));
    let markup = without_assets(&page);
    for (opening, (_, asset), closing) in [("<style>", ASSETS[0], "</style>"), ("<script>", ASSETS[1], "</script>")] {
        assert_eq!(markup.matches(opening).count(), 1, "{opening}");
        assert!(page.contains(&format!("{opening}{asset}{closing}")), "{opening}");
        assert!(policy::page().contains(&format!("'sha256-{}'", base64(&sha256(asset.as_bytes())))), "{opening}");
    }
}

#[test]
fn frames_are_allowed_nothing_that_the_page_is_not() {
    let page = policy::page();
    for source in policy::frame().split([' ', ';']).filter(|word| word.starts_with("'sha256-")) {
        assert!(page.contains(source), "{source}");
    }
    assert!(!format!("{page}{}", policy::frame()).contains("unsafe"));
}

#[test]
fn assets_neither_end_their_element_nor_change_when_parsed() {
    for (name, text) in ASSETS {
        for piece in ["</script", "</style", "<!--", "\r", "\0"] {
            assert!(!text.to_lowercase().contains(piece), "{name}: {piece:?}");
        }
        assert!(text.is_ascii(), "{name}");
    }
}

#[test]
fn page_loads_nothing() {
    let page = without_assets(&render(&report_of("plain")));
    for loader in [" src=", "<link", "@import", "url(", "<base", "http-equiv=\"refresh"] {
        assert!(!page.contains(loader), "{loader}");
    }
}

#[test]
fn renderer_is_left_out_without_a_chart_and_under_a_million_bytes_with_one() {
    let with = render(&report_of("plain"));
    let without = render(&Report { charts: vec![], ..report_of("plain") });
    assert!(with.len() < 1_000_000 && with.contains("frame-renderer\">/*!"), "{}", with.len());
    assert!(without.len() < 50_000, "{}", without.len());
}

#[test]
fn reach_names_each_kind_and_says_when_there_is_none() {
    let mut report = report_of("plain");
    let page = render(&report);
    for kind in ["granted", "denied", "inert"] {
        assert!(page.contains(&format!("<span class=\"badge {kind}\">{kind}</span> ")), "{kind}");
    }
    report.steps[0].reach.clear();
    assert!(render(&report).contains("Nothing but its log"));
}

#[test]
fn says_how_many_rows_and_messages_are_missing() {
    let mut report = report_of("plain");
    report.tables[0].rows = vec![vec![Cell::Integer(1)]; limits::TABLE_ROWS + 1];
    report.messages = vec![report.messages[0].clone(); limits::MESSAGES + 1];
    let page = render(&report);
    assert!(page.contains("501 rows, the first 500 shown"));
    assert!(page.contains("4 more messages are not shown."));
}

#[test]
fn charts_past_the_total_are_named_and_not_drawn() {
    let mut report = report_of("plain");
    let body = format!(r#"{{"mark":"bar","x":"{}"}}"#, "a".repeat(limits::CHART_BODY_BYTES - 21));
    let chart = Chart { body, ..report.charts[0].clone() };
    report.charts = vec![chart; limits::CHARTS_TOTAL_BYTES / limits::CHART_BODY_BYTES + 1];
    let page = render(&report);
    assert_eq!(page.matches("<script type=\"application/json\">").count(), 8);
    assert_eq!(page.matches("charts of one page may have").count(), 1);
}

#[test]
fn report_survives_json() {
    let report = report_of(HOSTILE);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}
