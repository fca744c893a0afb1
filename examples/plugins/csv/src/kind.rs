//! The types a column may have, found from its texts.
//!
//! Inference asks each value of a sample what it could be, and takes the first type, in the order of `Kind::ALL`, that all
//! of them could be. Numbers with leading zeros are not numbers: postal codes and identifiers would lose them.

use plugwork_guest::prelude::*;
use plugwork_guest::{Kind as ColumnKind, time};

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Float,
    Bool,
    Date,
    /// With an offset, so that it is UTC.
    Timestamp,
    /// A clock on the wall.
    LocalTimestamp,
    Text,
}

impl Kind {
    /// Narrow before wide.
    const ALL: [Self; 7] = [Self::Int, Self::Float, Self::Bool, Self::Date, Self::Timestamp, Self::LocalTimestamp, Self::Text];

    pub(crate) fn field(self, name: &str) -> Field {
        let kind = match self {
            Self::Int => ColumnKind::I64,
            Self::Float => ColumnKind::F64,
            Self::Bool => ColumnKind::Bool,
            Self::Date => ColumnKind::Days,
            Self::Timestamp => ColumnKind::TimestampMs("UTC".into()),
            Self::LocalTimestamp => ColumnKind::TimestampMs(String::new()),
            Self::Text => ColumnKind::Text,
        };
        Field::new(name, kind)
    }

    /// The value of a text, where it is one of this type.
    pub(crate) fn value(self, text: &str) -> Option<Value<'_>> {
        match self {
            Self::Int => plain_number(text).then(|| text.parse().ok().map(Value::I64))?,
            Self::Float => float(text).map(Value::F64),
            Self::Bool => match text {
                "true" | "True" | "TRUE" => Some(Value::Bool(true)),
                "false" | "False" | "FALSE" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Date => time::parse_date(text).map(Value::from),
            Self::Timestamp => time::parse_timestamp(text).filter(|time| time.zoned).map(|time| time.milliseconds.into()),
            Self::LocalTimestamp => time::parse_timestamp(text).filter(|time| !time.zoned).map(|time| time.milliseconds.into()),
            Self::Text => Some(Value::Text(text)),
        }
    }

    /// What a value of this type looks like.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Int => "an integer such as -12",
            Self::Float => "a number such as 4.5",
            Self::Bool => "true or false",
            Self::Date => "a date such as 2018-02-07",
            Self::Timestamp => "a time such as 2018-02-07T01:26:13Z",
            Self::LocalTimestamp => "a time such as 2018-02-07T01:26:13, without an offset",
            Self::Text => "text",
        }
    }
}

/// Which types a column may still have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidates {
    fits: [bool; Kind::ALL.len()],
    seen: bool,
}

impl Candidates {
    pub(crate) fn new() -> Self {
        Self { fits: [true; Kind::ALL.len()], seen: false }
    }

    /// Takes a value into account; nulls are not shown.
    pub(crate) fn see(&mut self, text: &str) {
        self.seen = true;
        for (fits, kind) in self.fits.iter_mut().zip(Kind::ALL) {
            *fits = *fits && kind.value(text).is_some();
        }
    }

    /// The narrowest type that all values had; text where there were none.
    pub(crate) fn kind(&self) -> Kind {
        let mut fitting = Kind::ALL.into_iter().zip(self.fits).filter(|(_, fits)| *fits).map(|(kind, _)| kind);
        fitting.next().filter(|_| self.seen).unwrap_or(Kind::Text)
    }
}

/// Whether the digits before any point have no needless zero at the front.
fn plain_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
    !matches!(digits, [b'0', b'0'..=b'9', ..])
}

fn float(text: &str) -> Option<f64> {
    let numeric = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    // Rust reads more spellings of these; only those that the exporter writes count.
    let named = matches!(text, "NaN" | "inf" | "-inf");
    ((numeric && plain_number(text)) || named).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(texts: &[&str]) -> Kind {
        let mut candidates = Candidates::new();
        texts.iter().for_each(|text| candidates.see(text));
        candidates.kind()
    }

    #[test]
    fn the_narrowest_type_that_fits_all_is_taken() {
        assert_eq!(inferred(&["1", "-2", "+3", "0"]), Kind::Int);
        assert_eq!(inferred(&["1", "2.5", "1e-3", ".5", "NaN"]), Kind::Float);
        assert_eq!(inferred(&["true", "FALSE"]), Kind::Bool);
        assert_eq!(inferred(&["2018-02-07"]), Kind::Date);
        assert_eq!(inferred(&["2018-02-07T00:00Z", "2018-02-07 00:00:00+01:00"]), Kind::Timestamp);
        assert_eq!(inferred(&["2018-02-07T00:00"]), Kind::LocalTimestamp);
        assert_eq!(inferred(&["2018-02-07", "2018-02-07T00:00"]), Kind::Text);
        assert_eq!(inferred(&["1", "x"]), Kind::Text);
        assert_eq!(inferred(&[]), Kind::Text);
    }

    #[test]
    fn numbers_with_leading_zeros_stay_text() {
        assert_eq!(inferred(&["1010", "0042"]), Kind::Text);
        assert_eq!(inferred(&["00.5"]), Kind::Text);
        assert_eq!(inferred(&["0", "0.5", "-0.5"]), Kind::Float);
    }

    #[test]
    fn an_integer_of_more_than_64_bits_is_a_float() {
        assert_eq!(inferred(&["9223372036854775807"]), Kind::Int);
        assert_eq!(inferred(&["9223372036854775808"]), Kind::Float);
    }

    #[test]
    fn words_that_rust_takes_for_numbers_stay_text() {
        for text in ["infinity", "nan", "INF", "e", "-", ".", ""] {
            assert_eq!(inferred(&[text]), Kind::Text, "{text}");
        }
    }
}
