//! Claims about validation and reading, one for each limit and each lie.
//!
//! Batches are written here byte by byte on purpose: a builder that is right cannot tell a lie.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use super::limits::{BUFFER_BYTES_MAX, COLUMNS_MAX, NAME_BYTES_MAX, ROWS_MAX};
use super::*;

pub(super) fn le32(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn column<'a>(format: &'a str, values: &'a [u8]) -> ColumnRef<'a> {
    ColumnRef { name: "x", format, values, ..ColumnRef::default() }
}

fn text<'a>(format: &'a str, offsets: &'a [u8], values: &'a [u8]) -> ColumnRef<'a> {
    ColumnRef { offsets: Some(offsets), ..column(format, values) }
}

fn problem(rows: u32, column: ColumnRef<'_>) -> TableProblem {
    validate(rows, [column]).expect_err("must be refused").problem().clone()
}

#[test]
fn rows_are_at_most_8192() {
    let values = vec![0; ROWS_MAX as usize + 1];
    assert!(validate(ROWS_MAX, [column("c", &values[1..])]).is_ok());
    assert_eq!(problem(ROWS_MAX + 1, column("c", &values)), TableProblem::TooManyRows { rows: 8_193 });
}

#[test]
fn columns_are_at_most_256() {
    let names: Vec<String> = (0..=COLUMNS_MAX).map(|index| index.to_string()).collect();
    let columns = |count| names[..count].iter().map(|name| ColumnRef { name, ..column("c", &[]) });
    assert_eq!(validate(0, columns(256)).map(|batch| batch.columns().len()), Ok(256));
    assert_eq!(validate(0, columns(257)).unwrap_err().problem(), &TableProblem::TooManyColumns);
}

#[test]
fn an_endless_list_of_columns_is_not_read_to_its_end() {
    let names: Vec<String> = (0..1_000).map(|index| index.to_string()).collect();
    let mut asked = 0;
    let columns = names.iter().inspect(|_| asked += 1).map(|name| ColumnRef { name, ..column("c", &[]) });
    assert!(validate(0, columns).is_err());
    assert_eq!(asked, COLUMNS_MAX + 1);
}

#[test]
fn buffers_are_at_most_1_mib_over_all_columns() {
    let half = usize::try_from(BUFFER_BYTES_MAX / 2).unwrap();
    let (first, second) = (vec![b'a'; half - 8], vec![b'b'; half - 7]);
    let offsets = |bytes: usize| le32(&[0, i32::try_from(bytes).unwrap()]);
    let (first_offsets, at, past) = (offsets(first.len()), offsets(second.len() - 1), offsets(second.len()));
    let one = ColumnRef { name: "one", ..text("u", &first_offsets, &first) };
    assert_eq!(validate(1, [one, text("u", &at, &second[1..])]).map(|batch| batch.buffer_bytes()), Ok(1 << 20));
    let error = validate(1, [one, text("u", &past, &second)]).unwrap_err();
    assert_eq!(error.problem(), &TableProblem::TooManyBytes { bytes: (1 << 20) + 1 });
    assert_eq!(error.place().map(|place| place.index), Some(1));
}

#[test]
fn validity_and_offsets_count_towards_1_mib() {
    let over = vec![0; (1 << 20) + 1];
    for lie in [ColumnRef { validity: Some(&over), ..column("c", &[]) }, ColumnRef { offsets: Some(&over), ..column("c", &[]) }] {
        assert_eq!(problem(0, lie), TableProblem::TooManyBytes { bytes: (1 << 20) + 1 });
    }
}

#[test]
fn names_have_1_to_128_bytes() {
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    let named = |name| validate(0, [ColumnRef { name, ..column("c", &[]) }]);
    assert!(named("n").is_ok() && named(&long[1..]).is_ok());
    assert_eq!(named("").unwrap_err().problem(), &TableProblem::NameLength { bytes: 0 });
    assert_eq!(named(&long).unwrap_err().problem(), &TableProblem::NameLength { bytes: 129 });
}

#[test]
fn a_name_stands_once() {
    let error = validate(0, [column("c", &[]), column("g", &[])]).unwrap_err();
    assert_eq!(error.problem(), &TableProblem::NameTwice { first_index: 0 });
    assert_eq!(error.to_string(), "column `x`: the name is also that of column 0; expected every name once");
}

#[test]
fn an_unknown_format_is_refused_by_name() {
    assert_eq!(problem(0, column("+s", &[])), TableProblem::FormatUnknown { format: "+s".into() });
}

#[test]
fn values_have_exactly_rows_times_width_bytes() {
    for (format, width) in [("c", 1), ("S", 2), ("i", 4), ("f", 4), ("tdD", 4), ("g", 8), ("tsm:UTC", 8), ("d:9,2", 16)] {
        let values = vec![0; 3 * width + 1];
        assert!(validate(3, [column(format, &values[1..])]).is_ok(), "{format}");
        for bytes in [3 * width - 1, 3 * width + 1] {
            let expected = 3 * width;
            assert_eq!(problem(3, column(format, &values[..bytes])), TableProblem::ValuesLength { bytes, expected });
        }
    }
}

#[test]
fn bools_take_one_bit_a_row() {
    assert!(validate(9, [column("b", &[0, 0])]).is_ok());
    assert_eq!(problem(9, column("b", &[0])), TableProblem::ValuesLength { bytes: 1, expected: 2 });
    assert_eq!(problem(8, column("b", &[0, 0])), TableProblem::ValuesLength { bytes: 2, expected: 1 });
}

#[test]
fn validity_has_exactly_one_bit_a_row() {
    let with = |validity| ColumnRef { validity: Some(validity), ..column("c", &[0; 9]) };
    assert!(validate(9, [with(&[0, 0])]).is_ok());
    assert_eq!(problem(9, with(&[0])), TableProblem::ValidityLength { bytes: 1, expected: 2 });
    assert_eq!(problem(9, with(&[0; 3])), TableProblem::ValidityLength { bytes: 3, expected: 2 });
}

#[test]
fn text_without_offsets_is_refused() {
    assert_eq!(problem(0, column("u", &[])), TableProblem::OffsetsMissing);
    assert_eq!(problem(0, column("z", &[])), TableProblem::OffsetsMissing);
}

#[test]
fn numbers_with_offsets_are_refused() {
    assert_eq!(problem(0, text("c", &le32(&[0]), &[])), TableProblem::OffsetsUnexpected);
}

#[test]
fn offsets_are_rows_plus_one() {
    let offsets = le32(&[0, 1, 2, 3]);
    assert!(validate(3, [text("u", &offsets, b"abc")]).is_ok());
    assert_eq!(problem(2, text("u", &offsets, b"abc")), TableProblem::OffsetsLength { bytes: 16, expected: 12 });
    assert_eq!(problem(4, text("u", &offsets, b"abc")), TableProblem::OffsetsLength { bytes: 16, expected: 20 });
    assert_eq!(problem(3, text("u", &offsets[1..], b"abc")), TableProblem::OffsetsLength { bytes: 15, expected: 16 });
}

#[test]
fn offsets_start_at_zero() {
    assert_eq!(problem(1, text("u", &le32(&[1, 3]), b"abc")), TableProblem::OffsetsStart { offset: 1 });
    assert_eq!(problem(1, text("u", &le32(&[-1, 3]), b"abc")), TableProblem::OffsetsStart { offset: -1 });
}

#[test]
fn offsets_never_fall() {
    let fall = TableProblem::OffsetsFall { row: 1, from: 3, to: 2 };
    assert_eq!(problem(3, text("z", &le32(&[0, 3, 2, 3]), b"abc")), fall);
}

#[test]
fn offsets_are_never_negative() {
    let fall = TableProblem::OffsetsFall { row: 0, from: 0, to: i32::MIN };
    assert_eq!(problem(2, text("z", &le32(&[0, i32::MIN, 3]), b"abc")), fall);
}

#[test]
fn offsets_never_pass_the_end_of_values() {
    let past = TableProblem::OffsetsPastEnd { row: 0, offset: 4, bytes: 3 };
    assert_eq!(problem(2, text("z", &le32(&[0, 4, 4]), b"abc")), past);
}

#[test]
fn offsets_leave_no_bytes_over() {
    let end = TableProblem::OffsetsEnd { offset: 2, bytes: 3 };
    assert_eq!(problem(1, text("z", &le32(&[0, 2]), b"abc")), end);
}

#[test]
fn text_that_is_not_utf8_is_refused_and_bytes_are_not() {
    let offsets = le32(&[0, 3]);
    assert_eq!(problem(1, text("u", &offsets, b"ab\xff")), TableProblem::TextNotUtf8 { byte: 2 });
    assert!(validate(1, [text("z", &offsets, b"ab\xff")]).is_ok());
}

#[test]
fn text_cut_within_a_character_is_refused_and_bytes_are_not() {
    let offsets = le32(&[0, 1, 2]);
    assert_eq!(problem(2, text("u", &offsets, "é".as_bytes())), TableProblem::TextCut { row: 0, byte: 1 });
    assert!(validate(2, [text("z", &offsets, "é".as_bytes())]).is_ok());
}

#[test]
fn decimal_digits_fit_the_precision() {
    let values = |digits: i128| digits.to_le_bytes();
    assert!(validate(1, [column("d:3,1", &values(999))]).is_ok());
    assert!(validate(1, [column("d:3,1", &values(-999))]).is_ok());
    let wide = TableProblem::DecimalTooWide { row: 0, precision: 3 };
    assert_eq!(problem(1, column("d:3,1", &values(1_000))), wide);
    assert_eq!(problem(1, column("d:3,1", &values(i128::MIN))), wide);
}

#[test]
fn a_decimal_under_a_null_may_be_anything() {
    let null = ColumnRef { validity: Some(&[0]), ..column("d:3,1", &[0xff; 16]) };
    assert!(validate(1, [null]).is_ok());
}

#[test]
fn a_decimal_of_unknown_precision_is_an_unknown_format() {
    assert_eq!(problem(0, column("d:39,0", &[])), TableProblem::FormatUnknown { format: "d:39,0".into() });
}

#[test]
fn a_batch_without_rows_or_columns_is_a_batch() {
    assert_eq!(validate(0, []).map(|batch| batch.rows()), Ok(0));
    assert_eq!(validate(7, []).map(|batch| batch.rows()), Ok(7));
    assert!(validate(0, [ColumnRef { validity: Some(&[]), ..text("u", &[0; 4], &[]) }]).is_ok());
}

#[test]
fn values_are_read_with_their_nulls() {
    let floats: Vec<u8> = [1.5_f64, f64::NAN, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let offsets = le32(&[0, 2, 2, 4]);
    let batch = validate(
        3,
        [
            ColumnRef { name: "mag", validity: Some(&[0b1111_1101]), ..column("g", &floats) },
            ColumnRef { name: "place", ..text("u", &offsets, "éab".as_bytes()) },
            ColumnRef { name: "felt", ..column("b", &[0b101]) },
        ],
    )
    .unwrap();
    let read = |name| batch.column(name).unwrap();
    assert_eq!(read("mag").read::<f64>().unwrap().collect::<Vec<_>>(), [Some(1.5), None, Some(-2.0)]);
    assert_eq!(read("place").read::<&str>().unwrap().collect::<Vec<_>>(), [Some("é"), Some(""), Some("ab")]);
    assert_eq!(read("felt").read::<bool>().unwrap().collect::<Vec<_>>(), [Some(true), Some(false), Some(true)]);
    assert_eq!((read("mag").nulls(), read("place").nulls()), (1, 0));
    assert_eq!(read("mag").cell(3), None);
}

#[test]
fn nulls_are_counted_without_the_bits_after_the_last_row() {
    for rows in [0_u32, 1, 7, 8, 9, 16] {
        let values = vec![0; rows as usize];
        let validity = vec![0xfe; (rows as usize).div_ceil(8)];
        let batch = validate(rows, [ColumnRef { validity: Some(&validity), ..column("c", &values) }]).unwrap();
        let column = &batch.columns()[0];
        let slow = (0..column.rows()).filter(|row| !column.is_present(*row)).count();
        assert_eq!(column.nulls(), slow, "{rows} rows");
    }
}

#[test]
fn a_column_is_not_read_as_what_it_is_not() {
    let batch = validate(1, [column("L", &[0xff; 8])]).unwrap();
    let column = &batch.columns()[0];
    assert_eq!(column.read::<u64>().unwrap().next(), Some(Some(u64::MAX)));
    assert!(column.read::<i64>().is_err());
    let error = column.read::<&str>().unwrap_err();
    assert_eq!(error.to_string(), "column `x`: the format is `L`; expected text (`u`)");
}

#[test]
fn a_preview_shows_rows_as_json() {
    let decimals = (-5_i128).to_le_bytes();
    let batch = validate(
        1,
        [
            ColumnRef { name: "price", ..column("d:9,2", &decimals) },
            ColumnRef { name: "day", ..column("tdD", &[1, 0, 0, 0]) },
            ColumnRef { name: "raw", ..text("z", &[0, 0, 0, 0, 2, 0, 0, 0], b"\x00\xff") },
        ],
    )
    .unwrap();
    let expected = serde_json::json!({ "price": "-0.05", "day": "1970-01-02", "raw": "00ff" });
    assert_eq!(batch.preview(10), [expected]);
}

#[test]
fn a_later_batch_has_the_schema_of_the_first() {
    let batch = |columns: &[(&'static str, &'static str)]| {
        let empty = |&(name, format): &(&'static str, &'static str)| ColumnRef { name, ..column(format, &[]) };
        validate(0, columns.iter().map(empty)).unwrap()
    };
    let schema = Schema::of(&batch(&[("a", "c"), ("b", "tss:UTC")]));
    assert_eq!(schema.check(&batch(&[("a", "c"), ("b", "tss:UTC")])), Ok(()));
    let found = |columns: &[_]| schema.check(&batch(columns)).unwrap_err().to_string();
    assert_eq!(found(&[("a", "c")]), "batch: has 1 columns; expected 2, as in the first batch");
    let message = "column `b`: the name differs from the first batch; expected `a`, as in the first batch";
    assert_eq!(found(&[("b", "tss:UTC"), ("a", "c")]), message);
    let message = "column `b`: the format is `tss:`; expected `tss:UTC`, as in the first batch";
    assert_eq!(found(&[("a", "c"), ("b", "tss:")]), message);
}
