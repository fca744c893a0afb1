//! Arrow format strings of the flat types, parsed and written.
//!
//! The strings are those of the Arrow C data interface. Nested, dictionary and view types are not here: the
//! contract names them `invalid`. A reader may expect `d:10,2,256` or a negative scale, which Arrow allows, to
//! parse: the contract has 128 bit decimals with scale 0 to precision only.

use std::fmt;

use super::limits::{DECIMAL_PRECISION_DIGITS_MAX, ZONE_BYTES_MAX};

/// What the values of one column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format<'a> {
    /// `b`: one bit a row, least significant first.
    Bool,
    /// `c`: signed, 8 bits.
    Int8,
    /// `C`: unsigned, 8 bits.
    UInt8,
    /// `s`: signed, 16 bits.
    Int16,
    /// `S`: unsigned, 16 bits.
    UInt16,
    /// `i`: signed, 32 bits.
    Int32,
    /// `I`: unsigned, 32 bits.
    UInt32,
    /// `l`: signed, 64 bits.
    Int64,
    /// `L`: unsigned, 64 bits.
    UInt64,
    /// `f`: IEEE 754, 32 bits.
    Float32,
    /// `g`: IEEE 754, 64 bits.
    Float64,
    /// `u`: UTF-8 text, cut by offsets.
    Text,
    /// `z`: bytes, cut by offsets.
    Bytes,
    /// `tdD`: days since 1970-01-01, signed, 32 bits.
    DateDays,
    /// `tdm`: milliseconds since 1970-01-01, signed, 64 bits.
    DateMilliseconds,
    /// `tss:Z`, `tsm:Z`, `tsu:Z`, `tsn:Z`: units since 1970-01-01T00:00:00, signed, 64 bits.
    Timestamp {
        /// What one step is.
        unit: TimeUnit,
        /// Time zone name (`Europe/Vienna`, `+07:30`, `UTC`); empty for local time without a zone.
        zone: &'a str,
    },
    /// `d:P,S`: a whole number of 128 bits, to be divided by 10 to the power of `scale`.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
}

/// One step of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// `tss`.
    Seconds,
    /// `tsm`.
    Milliseconds,
    /// `tsu`.
    Microseconds,
    /// `tsn`.
    Nanoseconds,
}

impl TimeUnit {
    /// How many steps make one second: 1, 1,000, 1,000,000 or 1,000,000,000.
    pub const fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }
}

impl<'a> Format<'a> {
    /// Reads an Arrow format string; `None` for everything the contract does not name, also for a decimal whose
    /// precision or scale is out of range and for numbers written with a sign or a leading zero, so that equal
    /// formats are equal strings.
    pub fn parse(text: &'a str) -> Option<Self> {
        Some(match text {
            "b" => Self::Bool,
            "c" => Self::Int8,
            "C" => Self::UInt8,
            "s" => Self::Int16,
            "S" => Self::UInt16,
            "i" => Self::Int32,
            "I" => Self::UInt32,
            "l" => Self::Int64,
            "L" => Self::UInt64,
            "f" => Self::Float32,
            "g" => Self::Float64,
            "u" => Self::Text,
            "z" => Self::Bytes,
            "tdD" => Self::DateDays,
            "tdm" => Self::DateMilliseconds,
            _ => return Self::parse_timestamp(text).or_else(|| Self::parse_decimal(text)),
        })
    }

    fn parse_timestamp(text: &'a str) -> Option<Self> {
        let (unit, zone) = text.strip_prefix("ts")?.split_once(':')?;
        let unit = match unit {
            "s" => TimeUnit::Seconds,
            "m" => TimeUnit::Milliseconds,
            "u" => TimeUnit::Microseconds,
            "n" => TimeUnit::Nanoseconds,
            _ => return None,
        };
        // A zone ends up in reports and file headers; nothing that could break a line or open markup gets through.
        let plain = zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-/:".contains(&byte));
        (plain && zone.len() <= ZONE_BYTES_MAX).then_some(Self::Timestamp { unit, zone })
    }

    fn parse_decimal(text: &str) -> Option<Self> {
        let (precision, scale) = text.strip_prefix("d:")?.split_once(',')?;
        let (precision, scale) = (parse_digits(precision)?, parse_digits(scale)?);
        let known = (1..=DECIMAL_PRECISION_DIGITS_MAX).contains(&precision) && scale <= precision;
        known.then_some(Self::Decimal { precision, scale })
    }

    /// Bytes of one value; `None` for `Bool`, which takes a bit, and for `Text` and `Bytes`, which offsets cut.
    pub const fn width(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Text | Self::Bytes => None,
            Self::Int8 | Self::UInt8 => Some(1),
            Self::Int16 | Self::UInt16 => Some(2),
            Self::Int32 | Self::UInt32 | Self::Float32 | Self::DateDays => Some(4),
            Self::Int64 | Self::UInt64 | Self::Float64 | Self::DateMilliseconds | Self::Timestamp { .. } => Some(8),
            Self::Decimal { .. } => Some(16),
        }
    }

    /// Whether a column of this format has an `offsets` buffer.
    pub const fn has_offsets(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }
}

fn parse_digits(text: &str) -> Option<u8> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    canonical.then(|| text.parse().ok())?
}

/// Writes the Arrow format string; [`Format::parse`] of it gives the same format again.
impl fmt::Display for Format<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Bool => "b",
            Self::Int8 => "c",
            Self::UInt8 => "C",
            Self::Int16 => "s",
            Self::UInt16 => "S",
            Self::Int32 => "i",
            Self::UInt32 => "I",
            Self::Int64 => "l",
            Self::UInt64 => "L",
            Self::Float32 => "f",
            Self::Float64 => "g",
            Self::Text => "u",
            Self::Bytes => "z",
            Self::DateDays => "tdD",
            Self::DateMilliseconds => "tdm",
            Self::Timestamp { unit, zone } => {
                let unit = match unit {
                    TimeUnit::Seconds => 's',
                    TimeUnit::Milliseconds => 'm',
                    TimeUnit::Microseconds => 'u',
                    TimeUnit::Nanoseconds => 'n',
                };
                return write!(out, "ts{unit}:{zone}");
            }
            Self::Decimal { precision, scale } => return write!(out, "d:{precision},{scale}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_of_the_contract_is_written_as_it_was_read() {
        let known = "b c C s S i I l L f g u z tdD tdm tss: tsm:UTC tsu:Europe/Vienna tsn:+07:30 d:1,0 d:38,38 d:10,2";
        for text in known.split(' ') {
            assert_eq!(Format::parse(text).map(|format| format.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn formats_outside_the_contract_are_not_read() {
        let unknown = [
            "",
            "B",
            "e",
            "U",
            "Z",
            "vu",
            "w:16",
            "tts",
            "tdd",
            "tiD",
            "+l",
            "+s",
            "n",
            "b ",
            " b",
            "ts",
            "tss",
            "tsx:",
            "ts:UTC",
            "tss:a b",
            "tss:<b>",
            "tss:\n",
            "d:",
            "d:10",
            "d:10,2,128",
            "d:10,2,256",
            "d:+1,0",
            "d:01,0",
            "d:1,00",
            "d:1,-1",
            "d:1,",
            "d:,0",
            "d:256,0",
            "d:1,256",
            "d: 1,0",
        ];
        for text in unknown {
            assert_eq!(Format::parse(text), None, "{text}");
        }
    }

    #[test]
    fn decimal_precision_is_1_to_38_and_scale_at_most_precision() {
        assert_eq!(Format::parse("d:38,38"), Some(Format::Decimal { precision: 38, scale: 38 }));
        assert_eq!(Format::parse("d:0,0"), None);
        assert_eq!(Format::parse("d:39,0"), None);
        assert_eq!(Format::parse("d:5,6"), None);
    }

    #[test]
    fn a_zone_has_at_most_64_bytes() {
        let zone = |bytes: usize| format!("tss:{}", "z".repeat(bytes));
        assert!(Format::parse(&zone(64)).is_some());
        assert!(Format::parse(&zone(65)).is_none());
    }
}
