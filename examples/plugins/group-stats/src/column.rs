//! One column as the raw buffers of the contract, and its values as numbers.
//!
//! Lives here: [`Column`], [`Kind`], and the loop that hands a column's values to a closure. Not here: validation
//! (whoever made the column has done it; see `plugwork_core::table`) and anything about groups. May be misread: values
//! are read with `from_le_bytes` out of byte chunks, which needs no alignment and compiles to plain loads, so nothing
//! is copied and nothing is `unsafe`.

/// One column of a batch, borrowed: the fields of `plugwork:table/types.column`, already validated.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// Arrow format string.
    pub format: &'a str,
    /// One bit a row, least significant first, 1 for present; `None` where nothing is null.
    pub validity: Option<&'a [u8]>,
    /// `rows + 1` little-endian 32 bit integers, for text and bytes only.
    pub offsets: Option<&'a [u8]>,
    /// The values, little endian.
    pub values: &'a [u8],
}

/// What a column holds, as far as statistics are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers: quantiles are whole numbers.
    Whole,
    /// Floats and decimals.
    Real,
    /// Dates and timestamps; the text is the Arrow format, which the results keep.
    Time(String),
    /// Nothing that can be averaged: bool, text, bytes.
    Other,
}

impl Kind {
    /// Reads an Arrow format string; a format that the contract does not know is [`Kind::Other`].
    pub fn of(format: &str) -> Kind {
        match format.as_bytes() {
            [b'c' | b'C' | b's' | b'S' | b'i' | b'I' | b'l' | b'L'] => Kind::Whole,
            [b'f' | b'g'] | [b'd', b':', ..] => Kind::Real,
            [b't', b'd' | b's', ..] => Kind::Time(format.to_owned()),
            _ => Kind::Other,
        }
    }

    /// Whether the column can be described by numbers at all.
    pub fn is_measurable(&self) -> bool {
        *self != Kind::Other
    }
}

impl Column<'_> {
    /// Whether the row has a value.
    #[inline]
    pub fn is_present(&self, row: usize) -> bool {
        self.validity.is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1)
    }

    /// The first value of a date or timestamp column that is not null, in the column's own unit.
    pub fn first_time(&self) -> Option<i64> {
        let time = |row: usize| match self.format {
            "tdD" => self.values.as_chunks::<4>().0.get(row).map(|bytes| i64::from(i32::from_le_bytes(*bytes))),
            _ => self.values.as_chunks::<8>().0.get(row).map(|bytes| i64::from_le_bytes(*bytes)),
        };
        (0..).map_while(|row| time(row).map(|value| (row, value))).find(|(row, _)| self.is_present(*row)).map(|(_, value)| value)
    }

    /// Calls `take(row, value)` for every row that is not null, in order. Dates and timestamps count from `origin`
    /// (in their own unit), because a float holds a distance of years to the microsecond but not a date.
    ///
    /// A column of [`Kind::Other`] has no numbers: `take` is never called.
    #[inline]
    pub fn each(&self, origin: i64, mut take: impl FnMut(usize, f64)) {
        match self.format.as_bytes() {
            b"c" => self.each_of::<1>(|bytes| f64::from(i8::from_le_bytes(bytes)), &mut take),
            b"C" => self.each_of::<1>(|bytes| f64::from(u8::from_le_bytes(bytes)), &mut take),
            b"s" => self.each_of::<2>(|bytes| f64::from(i16::from_le_bytes(bytes)), &mut take),
            b"S" => self.each_of::<2>(|bytes| f64::from(u16::from_le_bytes(bytes)), &mut take),
            b"i" => self.each_of::<4>(|bytes| f64::from(i32::from_le_bytes(bytes)), &mut take),
            b"I" => self.each_of::<4>(|bytes| f64::from(u32::from_le_bytes(bytes)), &mut take),
            b"l" => self.each_of::<8>(|bytes| i64::from_le_bytes(bytes) as f64, &mut take),
            b"L" => self.each_of::<8>(|bytes| u64::from_le_bytes(bytes) as f64, &mut take),
            b"f" => self.each_of::<4>(|bytes| f64::from(f32::from_le_bytes(bytes)), &mut take),
            b"g" => self.each_of::<8>(f64::from_le_bytes, &mut take),
            b"tdD" => self.each_of::<4>(|bytes| since(i32::from_le_bytes(bytes).into(), origin), &mut take),
            [b't', b'd' | b's', ..] => self.each_of::<8>(|bytes| since(i64::from_le_bytes(bytes), origin), &mut take),
            [b'd', b':', ..] => {
                let unit =
                    self.format.rsplit(',').next().and_then(|scale| scale.parse::<i32>().ok()).map_or(1.0, |scale| 10f64.powi(scale));
                self.each_of::<16>(|bytes| i128::from_le_bytes(bytes) as f64 / unit, &mut take);
            }
            _ => {}
        }
    }

    #[inline]
    fn each_of<const WIDTH: usize>(&self, read: impl Fn([u8; WIDTH]) -> f64, take: &mut impl FnMut(usize, f64)) {
        let values = self.values.as_chunks::<WIDTH>().0;
        match self.validity {
            // The usual case has its own loop: no test per row.
            None => {
                for (row, bytes) in values.iter().enumerate() {
                    take(row, read(*bytes));
                }
            }
            Some(validity) => {
                for (eight, (bits, values)) in validity.iter().zip(values.chunks(8)).enumerate() {
                    for (bit, bytes) in values.iter().enumerate() {
                        if bits >> bit & 1 == 1 {
                            take(eight * 8 + bit, read(*bytes));
                        }
                    }
                }
            }
        }
    }
}

/// Distance in a column's unit. Exact up to 2^53 units; the subtraction cannot overflow.
fn since(value: i64, origin: i64) -> f64 {
    (i128::from(value) - i128::from(origin)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(format: &str, validity: Option<&[u8]>, values: &[u8], origin: i64) -> Vec<(usize, f64)> {
        let mut seen = Vec::new();
        Column { name: "x", format, validity, offsets: None, values }.each(origin, |row, value| seen.push((row, value)));
        seen
    }

    #[test]
    fn reads_every_numeric_format() {
        assert_eq!(numbers("c", None, &[255], 0), [(0, -1.0)]);
        assert_eq!(numbers("C", None, &[255], 0), [(0, 255.0)]);
        assert_eq!(numbers("s", None, &(-2i16).to_le_bytes(), 0), [(0, -2.0)]);
        assert_eq!(numbers("S", None, &65_535u16.to_le_bytes(), 0), [(0, 65_535.0)]);
        assert_eq!(numbers("i", None, &(-3i32).to_le_bytes(), 0), [(0, -3.0)]);
        assert_eq!(numbers("I", None, &u32::MAX.to_le_bytes(), 0), [(0, 4_294_967_295.0)]);
        assert_eq!(numbers("l", None, &(-4i64).to_le_bytes(), 0), [(0, -4.0)]);
        assert_eq!(numbers("L", None, &5u64.to_le_bytes(), 0), [(0, 5.0)]);
        assert_eq!(numbers("f", None, &0.5f32.to_le_bytes(), 0), [(0, 0.5)]);
        assert_eq!(numbers("g", None, &0.25f64.to_le_bytes(), 0), [(0, 0.25)]);
        assert_eq!(numbers("d:10,2", None, &(-1_234i128).to_le_bytes(), 0), [(0, -12.34)]);
        assert_eq!(numbers("tdD", None, &17_568i32.to_le_bytes(), 17_000), [(0, 568.0)]);
        assert_eq!(numbers("tsm:UTC", None, &i64::MIN.to_le_bytes(), i64::MAX), [(0, -(u64::MAX as f64))]);
    }

    #[test]
    fn skips_nulls_and_keeps_row_numbers() {
        let values: Vec<u8> = (0..10i32).flat_map(i32::to_le_bytes).collect();
        let seen = numbers("i", Some(&[0b1000_0010, 0b0000_0010]), &values, 0);
        assert_eq!(seen, [(1, 1.0), (7, 7.0), (9, 9.0)]);
    }

    #[test]
    fn text_has_no_numbers() {
        assert_eq!(numbers("u", None, b"12", 0), []);
        assert!(!Kind::of("u").is_measurable());
        assert_eq!(Kind::of("tss:Europe/Berlin"), Kind::Time("tss:Europe/Berlin".to_owned()));
    }

    #[test]
    fn first_time_is_the_first_that_is_not_null() {
        let values: Vec<u8> = [7i64, 8, 9].into_iter().flat_map(i64::to_le_bytes).collect();
        let column = Column { name: "t", format: "tsm:", validity: Some(&[0b100]), offsets: None, values: &values };
        assert_eq!(column.first_time(), Some(9));
        assert_eq!(Column { validity: Some(&[0]), ..column }.first_time(), None);
    }
}
