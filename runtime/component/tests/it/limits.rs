//! Every structural limit, at the limit and one past it.
//!
//! The test goes through the table of limits itself, so that a limit added there without a test here fails.

use plugwork_component::{LimitExceeded, ReadErrorKind, Report, StructureLimits, read_within};

use crate::components::{RICH, component};

fn with(limit: &str, value: u64) -> StructureLimits {
    let mut limits = StructureLimits::default();
    *limits.by_name(limit).expect("the table names its own fields") = value;
    limits
}

fn exceeded(bytes: &[u8], limits: &StructureLimits) -> LimitExceeded {
    match read_within(bytes, limits).expect_err("must be refused").kind() {
        ReadErrorKind::Limit(over) => over.clone(),
        other => panic!("expected a limit, got {other:?}"),
    }
}

fn rich() -> (Vec<u8>, Report) {
    let bytes = component(RICH);
    // Bodies are searched for `br_table` only where they have more bytes than this limit.
    let report = read_within(&bytes, &with("br_table_targets_count", 3)).unwrap();
    (bytes, report)
}

#[test]
fn every_limit_holds_at_the_limit_and_one_past_it() {
    let (bytes, report) = rich();
    for (limit, measured, _) in report.measured.against(&StructureLimits::default()) {
        assert!(measured > 0, "the rich component has no `{limit}`");
        assert!(read_within(&bytes, &with(limit, measured)).is_ok(), "`{limit}` at {measured}");
        let over = exceeded(&bytes, &with(limit, measured - 1));
        assert_eq!((over.limit, over.measured, over.allowed), (limit, measured, measured - 1));
    }
}

#[test]
fn a_limit_names_the_function() {
    let (bytes, report) = rich();
    let over = exceeded(&bytes, &with("function_body_bytes", report.measured.function_body_bytes - 1));
    assert_eq!(over.place, "module 0, defined function 1");
}

#[test]
fn a_limit_says_what_was_measured_and_what_is_allowed() {
    let bytes = component("(component (component) (component))");
    let message = read_within(&bytes, &with("components_count", 1)).unwrap_err().to_string();
    let expected = "`components_count` is 2 at component, but at most 1 is allowed\n\
        hint: make the component smaller, or raise the limit";
    assert_eq!(message, expected);
}

#[test]
fn a_million_levels_of_types_are_refused_before_anything_recurses() {
    let levels = 1_000_000;
    let mut section = vec![1];
    for _ in 0..levels {
        section.extend([0x42, 1, 1]);
    }
    section.push(0x7f);
    let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
    let mut length = section.len();
    while length > 0 {
        let more = if length > 0x7f { 0x80 } else { 0 };
        bytes.push((length & 0x7f) as u8 | more);
        length >>= 7;
    }
    bytes.extend(section);
    assert_eq!(exceeded(&bytes, &StructureLimits::default()).limit, "type_depth_levels");
}

#[test]
fn a_memory_of_4_gib_is_refused() {
    let bytes = component("(component (core module (memory 65536)))");
    assert_eq!(exceeded(&bytes, &StructureLimits::default()).limit, "memory_initial_bytes");
}
