//! The book (`docs/`) and the README: links lead to files and headings that exist, and the tables of limits have today's numbers.
//!
//! Not here: links to other sites, which no test can rely on. Easily got wrong: a heading's address is made as GitHub makes it, and text
//! between fences is no link.

use std::fs;
use std::path::{Path, PathBuf};

use plugwork::component::{Measured, StructureLimits};
use plugwork::core::Limits;
use plugwork::core::limits;
use plugwork::core::table::limits as table;

use crate::{repository, text_of};

/// README and every page of the book.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![repository().join("README.md")];
    let mut folders = vec![repository().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The lines of a page that are not between fences.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    let outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(outside).collect()
}

/// The targets of all links of a page.
fn targets(text: &str) -> Vec<String> {
    let after = |line: &&str| {
        line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect::<Vec<_>>()
    };
    prose(text).iter().flat_map(after).collect()
}

/// The addresses of a page's headings.
fn anchors(text: &str) -> Vec<String> {
    let address = |heading: &str| {
        let kept =
            heading.trim().to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>();
        kept.replace(' ', "-")
    };
    prose(text).iter().filter(|line| line.starts_with('#')).map(|line| address(line.trim_start_matches('#'))).collect()
}

fn complaint(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { page.to_owned() } else { page.parent()?.join(file) };
    if !path.exists() {
        return Some(format!("{}: `{target}`: there is no such file", page.display()));
    }
    let found = anchor.is_none_or(|anchor| fs::read_to_string(&path).is_ok_and(|text| anchors(&text).iter().any(|found| found == anchor)));
    (!found).then(|| format!("{}: `{target}`: there is no such heading", page.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut complaints = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        complaints.extend(targets(&text).iter().filter_map(|target| complaint(&page, target)));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_page_is_in_the_contents() {
    let contents = text_of("docs/README.md");
    for page in pages() {
        let name = page.strip_prefix(repository().join("docs")).map(|name| name.display().to_string()).unwrap_or_default();
        assert!(name.is_empty() || name == "README.md" || contents.contains(&format!("]({name})")), "`{name}` is in no contents");
    }
}

#[test]
fn a_link_between_fences_is_none_and_a_broken_one_is_found() {
    assert_eq!(targets("a [b](c.md)\n```\n[d](e.md)\n```\n[f](#g) [h](i)"), ["c.md", "#g", "i"]);
    assert_eq!(anchors("# A `b` (c), d\n```\n# no\n```\n## E-f"), ["a-b-c-d", "e-f"]);
    let page = repository().join("README.md");
    assert!(complaint(&page, "nowhere.md").is_some() && complaint(&page, "#nowhere").is_some());
    assert!(complaint(&page, "docs/README.md").is_none());
}

/// `1,048,576`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Whether a row of the page begins with this name and this number.
fn has_row(page: &str, name: &str, number: u64) -> bool {
    page.lines().any(|line| line.starts_with(&format!("| `{name}` | {} |", grouped(number))))
}

#[test]
fn every_structural_limit_stands_in_the_book_with_its_number() {
    let page = text_of("docs/limits.md");
    for (name, _, allowed) in Measured::default().against(&StructureLimits::default()) {
        assert!(has_row(&page, name, allowed), "docs/limits.md lacks `| `{name}` | {} |`", grouped(allowed));
    }
}

#[test]
fn the_constants_of_core_stand_in_the_book_with_their_numbers() {
    let page = text_of("docs/limits.md");
    let rows = [
        ("OPTIONS_BYTES_MAX", limits::OPTIONS_BYTES_MAX as u64),
        ("LOG_RECORD_BYTES_MAX", limits::LOG_RECORD_BYTES_MAX as u64),
        ("LOG_RECORDS_MAX", limits::LOG_RECORDS_MAX),
        ("LOG_BYTES_MAX", limits::LOG_BYTES_MAX),
        ("LAST_WORDS_BYTES_MAX", limits::LAST_WORDS_BYTES_MAX as u64),
        ("MANIFEST_BYTES_MAX", limits::MANIFEST_BYTES_MAX as u64),
        ("DESCRIPTOR_BYTES_MAX", limits::DESCRIPTOR_BYTES_MAX as u64),
        ("FETCH_BODY_BYTES_MAX", limits::FETCH_BODY_BYTES_MAX as u64),
        ("FETCH_REQUESTS_MAX", limits::FETCH_REQUESTS_MAX as u64),
        ("RANDOM_BYTES_MAX", limits::RANDOM_BYTES_MAX),
        ("KEYVALUE_VALUE_BYTES_MAX", limits::KEYVALUE_VALUE_BYTES_MAX as u64),
        ("KEYVALUE_PAGE_KEYS_MAX", limits::KEYVALUE_PAGE_KEYS_MAX as u64),
        ("KEYVALUE_BATCH_KEYS_MAX", limits::KEYVALUE_BATCH_KEYS_MAX as u64),
        ("KEYVALUE_HELD_BYTES_MAX", limits::KEYVALUE_HELD_BYTES_MAX as u64),
        ("BLOB_OPEN_MAX", limits::BLOB_OPEN_MAX as u64),
        ("BLOB_NAMES_MAX", limits::BLOB_NAMES_MAX as u64),
        ("BLOB_CHUNK_BYTES_MAX", limits::BLOB_CHUNK_BYTES_MAX as u64),
        ("BLOB_WHOLE_BYTES_MAX", limits::BLOB_WHOLE_BYTES_MAX),
        ("SECRET_BYTES_MAX", limits::SECRET_BYTES_MAX as u64),
        ("SECRET_HEADERS_MAX", limits::SECRET_HEADERS_MAX as u64),
        ("EVENT_PAYLOAD_BYTES_MAX", limits::EVENT_PAYLOAD_BYTES_MAX as u64),
        ("EVENT_QUEUE_EVENTS", limits::EVENT_QUEUE_EVENTS.into()),
        ("EVENT_QUEUE_EVENTS_MAX", limits::EVENT_QUEUE_EVENTS_MAX.into()),
        ("EVENT_QUEUE_BYTES_MAX", limits::EVENT_QUEUE_BYTES_MAX as u64),
        ("EVENTS_AT_ONCE_MAX", limits::EVENTS_AT_ONCE_MAX.into()),
        ("EVENTS_AT_ONCE_BYTES_MAX", limits::EVENTS_AT_ONCE_BYTES_MAX as u64),
        ("EVENTS_PER_SECOND", limits::EVENTS_PER_SECOND),
        ("EVENT_BLOCK_MS_MAX", limits::EVENT_BLOCK_MS_MAX),
        ("EVENT_SUBSCRIPTIONS_MAX", limits::EVENT_SUBSCRIPTIONS_MAX as u64),
        ("EVENT_ROUTES_MAX", limits::EVENT_ROUTES_MAX as u64),
        ("ROWS_MAX", u64::from(table::ROWS_MAX)),
        ("COLUMNS_MAX", table::COLUMNS_MAX as u64),
        ("NAME_BYTES_MAX", table::NAME_BYTES_MAX as u64),
        ("BUFFER_BYTES_MAX", table::BUFFER_BYTES_MAX),
        ("ZONE_BYTES_MAX", table::ZONE_BYTES_MAX as u64),
        ("DECIMAL_PRECISION_DIGITS_MAX", u64::from(table::DECIMAL_PRECISION_DIGITS_MAX)),
    ];
    for (name, number) in rows {
        assert!(has_row(&page, name, number), "docs/limits.md lacks `| `{name}` | {} |`", grouped(number));
    }
}

#[test]
fn the_two_presets_stand_in_the_book_with_their_numbers() {
    let page = text_of("docs/limits.md");
    let (one, two) = (Limits::interactive(), Limits::batch());
    let rows = [
        ("deadline-ms", one.deadline_ms, two.deadline_ms),
        ("memory-bytes", one.memory_bytes, two.memory_bytes),
        ("call-data-bytes", one.call_data_bytes, two.call_data_bytes),
        ("handles", u64::from(one.handles), u64::from(two.handles)),
        ("core-instances", u64::from(one.core_instances), u64::from(two.core_instances)),
        ("memories", u64::from(one.memories), u64::from(two.memories)),
        ("tables", u64::from(one.tables), u64::from(two.tables)),
        ("plugin-memory-bytes", one.plugin_memory_bytes, two.plugin_memory_bytes),
        ("requests", u64::from(one.requests), u64::from(two.requests)),
        ("storage-bytes", one.storage_bytes, two.storage_bytes),
        ("storage-keys", one.storage_keys, two.storage_keys),
        ("log-bytes-per-second", one.log_bytes_per_second, two.log_bytes_per_second),
        ("log-records-per-second", one.log_records_per_second, two.log_records_per_second),
        ("random-bytes-per-second", one.random_bytes_per_second, two.random_bytes_per_second),
    ];
    let optional = [
        ("cpu-percent", one.cpu_percent.map(u64::from), two.cpu_percent.map(u64::from)),
        ("fuel", one.fuel, two.fuel),
        ("host-calls-per-second", one.host_calls_per_second, two.host_calls_per_second),
        ("egress-bytes-per-second", one.egress_bytes_per_second, two.egress_bytes_per_second),
    ];
    let given = rows.map(|(name, one, two)| (name, Some(one), Some(two)));
    let said = |number: Option<u64>| number.map_or("none".to_owned(), grouped);
    for (name, interactive, batch) in given.into_iter().chain(optional) {
        let row = format!("| `{name}` | {} | {} |", said(interactive), said(batch));
        assert!(page.contains(&row), "docs/limits.md lacks `{row}`");
    }
}
