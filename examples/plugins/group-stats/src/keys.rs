//! Which group each row belongs to: distinct values of the `by` columns, numbered as they appear.
//!
//! Lives here: [`Keys`]. Not here: what is computed for a group. May be misread: null is a value like any other here, and
//! makes a group of its own.
//!
//! A batch is taken column by column, not row by row: each column turns into numbers of distinct values, then
//! two columns of numbers turn into one, until one is left. So no key is built or allocated per row, only per distinct value.

use std::ops::Range;

use crate::column::Column;
use crate::issue::Issue;

/// Bytes that the distinct values of all `by` columns may take together.
pub const KEY_BYTES_MAX: usize = 16 << 20;

/// The distinct keys seen so far.
#[derive(Debug)]
pub(crate) struct Keys {
    dictionaries: Vec<Dictionary>,
    /// One for every column after the first: (number so far, number in this column) to number.
    pairs: Vec<Pairs>,
    groups_max: usize,
    codes: Vec<u32>,
}

impl Keys {
    /// For columns of these Arrow formats. More than `groups_max` distinct keys are an [`Issue`].
    pub(crate) fn new(formats: &[&str], groups_max: usize) -> Keys {
        Keys {
            dictionaries: formats.iter().map(|format| Dictionary::new(format)).collect(),
            pairs: formats.iter().skip(1).map(|_| Pairs::default()).collect(),
            groups_max,
            codes: Vec::new(),
        }
    }

    /// Numbers up to this one (not included) have been given out; without columns there is one group.
    pub(crate) fn count(&self) -> usize {
        self.pairs.last().map_or_else(|| self.dictionaries.first().map_or(1, Dictionary::count), |pairs| pairs.keys.len())
    }

    /// Writes the group number of every row to `groups`. The columns must be as many, and of the formats, as were given
    /// to [`Keys::new`]; without columns `groups` stays empty and every row belongs to group 0.
    pub(crate) fn number(&mut self, rows: usize, columns: &[Column<'_>], groups: &mut Vec<u32>) -> Result<(), Issue> {
        groups.clear();
        for (position, (dictionary, column)) in self.dictionaries.iter_mut().zip(columns).enumerate() {
            let target = if position == 0 { &mut *groups } else { &mut self.codes };
            target.clear();
            dictionary.number(rows, column, target);
            if dictionary.count() > self.groups_max {
                return Err(Issue::too_many_groups(self.groups_max));
            }
            if position > 0 {
                let pairs = &mut self.pairs[position - 1];
                for (group, code) in groups.iter_mut().zip(&self.codes) {
                    *group = pairs.number(u64::from(*group) << 32 | u64::from(*code));
                }
                if pairs.keys.len() > self.groups_max {
                    return Err(Issue::too_many_groups(self.groups_max));
                }
            }
        }
        if self.dictionaries.iter().map(|dictionary| dictionary.values.len()).sum::<usize>() > KEY_BYTES_MAX {
            return Err(Issue::too_many_key_bytes());
        }
        Ok(())
    }

    /// The value of the `by` column at `position` for a group, as its raw bytes; `None` for null.
    pub(crate) fn value(&self, mut group: u32, position: usize) -> Option<&[u8]> {
        for later in (position.max(1)..self.dictionaries.len()).rev() {
            let key = self.pairs[later - 1].keys[group as usize];
            if later == position {
                return self.dictionaries[position].value(key as u32);
            }
            group = (key >> 32) as u32;
        }
        self.dictionaries[position].value(group)
    }
}

/// The distinct values of one column.
#[derive(Debug)]
struct Dictionary {
    format: String,
    slots: Slots,
    /// Bytes of every distinct value, one after another; `ends[number]` is where it ends.
    values: Vec<u8>,
    ends: Vec<usize>,
    /// The value of at most 8 bytes under each number, so that numbers are compared as numbers.
    words: Vec<u64>,
    /// The number of null, once there was one.
    null: Option<u32>,
}

impl Dictionary {
    fn new(format: &str) -> Dictionary {
        Dictionary {
            format: format.to_owned(),
            slots: Slots::default(),
            values: Vec::new(),
            ends: Vec::new(),
            words: Vec::new(),
            null: None,
        }
    }

    fn count(&self) -> usize {
        self.ends.len()
    }

    fn value(&self, number: u32) -> Option<&[u8]> {
        (self.null != Some(number)).then(|| &self.values[range(&self.ends, number)])
    }

    fn null(&mut self) -> u32 {
        *self.null.get_or_insert_with(|| {
            self.ends.push(self.values.len());
            self.words.push(0);
            self.ends.len() as u32 - 1
        })
    }

    fn number(&mut self, rows: usize, column: &Column<'_>, codes: &mut Vec<u32>) {
        match self.format.as_bytes() {
            b"c" | b"C" => self.number_words::<1>(column, codes, |bytes| u64::from(bytes[0])),
            b"s" | b"S" => self.number_words::<2>(column, codes, |bytes| u64::from(u16::from_le_bytes(bytes))),
            b"f" => self.number_words::<4>(column, codes, |bytes| u64::from((f32::from_le_bytes(bytes) + 0.0).to_bits())),
            b"i" | b"I" | b"tdD" => self.number_words::<4>(column, codes, |bytes| u64::from(u32::from_le_bytes(bytes))),
            // Adding zero turns -0.0 into 0.0: they are one key.
            b"g" => self.number_words::<8>(column, codes, |bytes| (f64::from_le_bytes(bytes) + 0.0).to_bits()),
            b"l" | b"L" | [b't', b'd' | b's', ..] => self.number_words::<8>(column, codes, u64::from_le_bytes),
            b"b" => codes.extend((0..rows).map(|row| match column.is_present(row) {
                true => self.word(u64::from(column.values[row / 8] >> (row % 8) & 1), 1),
                false => self.null(),
            })),
            [b'd', b':', ..] => codes.extend((0..rows).map(|row| match column.is_present(row) {
                true => self.bytes(&column.values[row * 16..row * 16 + 16]),
                false => self.null(),
            })),
            _ => {
                let offsets = column.offsets.unwrap_or_default().as_chunks::<4>().0;
                let at = |row: usize| i32::from_le_bytes(offsets[row]) as usize;
                codes.extend((0..rows).map(|row| match column.is_present(row) {
                    true => self.bytes(&column.values[at(row)..at(row + 1)]),
                    false => self.null(),
                }));
            }
        }
    }

    fn number_words<const WIDTH: usize>(&mut self, column: &Column<'_>, codes: &mut Vec<u32>, read: impl Fn([u8; WIDTH]) -> u64) {
        // Equal keys often follow one another; then nothing is looked up.
        let (mut last, mut last_number) = (None, 0);
        for (row, bytes) in column.values.as_chunks::<WIDTH>().0.iter().enumerate() {
            if !column.is_present(row) {
                codes.push(self.null());
                continue;
            }
            let word = read(*bytes);
            if last != Some(word) {
                (last, last_number) = (Some(word), self.word(word, WIDTH));
            }
            codes.push(last_number);
        }
    }

    #[inline]
    fn word(&mut self, word: u64, width: usize) -> u32 {
        let hash = mix(word);
        if let Some(number) = self.slots.find(hash, |number| self.words[number as usize] == word) {
            return number;
        }
        self.values.extend_from_slice(&word.to_le_bytes()[..width]);
        self.push(hash, word)
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let hash = hash_bytes(bytes);
        let (values, ends) = (&self.values, &self.ends);
        if let Some(number) = self.slots.find(hash, |number| &values[range(ends, number)] == bytes) {
            return number;
        }
        self.values.extend_from_slice(bytes);
        self.push(hash, 0)
    }

    fn push(&mut self, hash: u32, word: u64) -> u32 {
        self.ends.push(self.values.len());
        self.words.push(word);
        self.slots.insert(hash, self.ends.len() as u32 - 1)
    }
}

/// Where the value of a number lies, from where each one ends.
#[inline]
fn range(ends: &[usize], number: u32) -> Range<usize> {
    let number = number as usize;
    number.checked_sub(1).map_or(0, |before| ends[before])..ends[number]
}

#[derive(Debug, Default)]
struct Pairs {
    slots: Slots,
    keys: Vec<u64>,
}

impl Pairs {
    #[inline]
    fn number(&mut self, key: u64) -> u32 {
        let hash = mix(key);
        if let Some(number) = self.slots.find(hash, |number| self.keys[number as usize] == key) {
            return number;
        }
        self.keys.push(key);
        self.slots.insert(hash, self.keys.len() as u32 - 1)
    }
}

/// An open-addressing table from hash to number; the keys stay with whoever asks.
#[derive(Debug, Default)]
struct Slots {
    /// Hash, and number + 1 (0: empty). A power of two of them, at most half full.
    slots: Vec<(u32, u32)>,
    used: usize,
}

impl Slots {
    #[inline]
    fn find(&self, hash: u32, is_key: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut index = hash as usize & mask;
        loop {
            let (other, number) = self.slots[index];
            if number == 0 {
                return None;
            }
            if other == hash && is_key(number - 1) {
                return Some(number - 1);
            }
            index = (index + 1) & mask;
        }
    }

    #[cold]
    fn insert(&mut self, hash: u32, number: u32) -> u32 {
        if (self.used + 1) * 2 > self.slots.len() {
            let roomier = vec![(0, 0); (self.slots.len() * 2).max(64)];
            for (hash, number) in std::mem::replace(&mut self.slots, roomier).into_iter().filter(|(_, number)| *number > 0) {
                self.place(hash, number);
            }
        }
        self.used += 1;
        self.place(hash, number + 1);
        number
    }

    fn place(&mut self, hash: u32, number: u32) {
        let mask = self.slots.len() - 1;
        let mut index = hash as usize & mask;
        while self.slots[index].1 != 0 {
            index = (index + 1) & mask;
        }
        self.slots[index] = (hash, number);
    }
}

// Not a defence against keys made to collide: those cost this analysis its own deadline, and nobody else anything.
#[inline]
fn mix(word: u64) -> u32 {
    let product = (word ^ word >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (product ^ product >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(24) as u32
}

#[inline]
fn hash_bytes(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut tail = [0; 8];
    tail[..rest.len()].copy_from_slice(rest);
    let start = bytes.len() as u64 ^ u64::from_le_bytes(tail);
    let word =
        words.iter().fold(start, |hash, word| (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mix(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> (Vec<u8>, Vec<u8>) {
        let mut end = 0i32;
        let ends = texts.iter().map(|text| {
            end += text.len() as i32;
            end
        });
        (std::iter::once(0).chain(ends).flat_map(i32::to_le_bytes).collect(), texts.concat().into_bytes())
    }

    #[test]
    fn numbers_pairs_of_text_and_number() {
        let (offsets, values) = texts(&["a", "b", "a", "", "a"]);
        let days: Vec<u8> = [1i32, 1, 2, 1, 1].into_iter().flat_map(i32::to_le_bytes).collect();
        let columns = [
            Column { name: "net", format: "u", validity: Some(&[0b1_0111]), offsets: Some(&offsets), values: &values },
            Column { name: "day", format: "i", validity: None, offsets: None, values: &days },
        ];
        let mut keys = Keys::new(&["u", "i"], 10);
        let mut groups = Vec::new();
        keys.number(5, &columns, &mut groups).unwrap();
        assert_eq!(groups, [0, 1, 2, 3, 0]);
        assert_eq!(keys.count(), 4);
        assert_eq!((keys.value(2, 0), keys.value(2, 1)), (Some(&b"a"[..]), Some(&2i32.to_le_bytes()[..])));
        assert_eq!((keys.value(3, 0), keys.value(3, 1)), (None, Some(&1i32.to_le_bytes()[..])));
    }

    #[test]
    fn a_third_column_is_unwound_too() {
        let bytes = [1u8, 2, 1];
        let column = Column { name: "x", format: "C", validity: None, offsets: None, values: &bytes };
        let flags = Column { name: "y", format: "b", validity: None, offsets: None, values: &[0b100] };
        let mut keys = Keys::new(&["C", "C", "b"], 10);
        let mut groups = Vec::new();
        keys.number(3, &[column, column, flags], &mut groups).unwrap();
        assert_eq!(groups, [0, 1, 2]);
        let key = |group| [0, 1, 2].map(|position| keys.value(group, position).unwrap()[0]);
        assert_eq!([key(0), key(1), key(2)], [[1, 1, 0], [2, 2, 0], [1, 1, 1]]);
    }

    #[test]
    fn keeps_thousands_of_keys_apart() {
        let values: Vec<u8> = (0..8_192i64).flat_map(|row| (row % 4_096 * 1_000_003).to_le_bytes()).collect();
        let column = Column { name: "x", format: "l", validity: None, offsets: None, values: &values };
        let mut keys = Keys::new(&["l"], 4_096);
        let mut groups = Vec::new();
        keys.number(8_192, &[column], &mut groups).unwrap();
        assert_eq!(keys.count(), 4_096);
        assert!((0..8_192).all(|row| groups[row] as usize == row % 4_096));
    }

    #[test]
    fn refuses_one_group_too_many() {
        let values: Vec<u8> = (0..4u8).collect();
        let column = |rows: usize| Column { name: "x", format: "C", validity: None, offsets: None, values: &values[..rows] };
        let mut groups = Vec::new();
        assert!(Keys::new(&["C"], 3).number(3, &[column(3)], &mut groups).is_ok());
        assert_eq!(Keys::new(&["C"], 3).number(4, &[column(4)], &mut groups).unwrap_err().at, "/groups-max");
    }

    #[test]
    fn null_is_a_key_of_its_own() {
        let values: Vec<u8> = [0i32, 0, 5, 0].into_iter().flat_map(i32::to_le_bytes).collect();
        let column = Column { name: "x", format: "i", validity: Some(&[0b0101]), offsets: None, values: &values };
        let mut keys = Keys::new(&["i"], 3);
        let mut groups = Vec::new();
        keys.number(4, &[column], &mut groups).unwrap();
        assert_eq!(groups, [0, 1, 2, 1]);
        assert_eq!([0, 1, 2].map(|group| keys.value(group, 0).map(<[u8]>::to_vec)), [Some(vec![0; 4]), None, Some(vec![5, 0, 0, 0])]);
    }

    #[test]
    fn minus_zero_is_zero() {
        let values: Vec<u8> = [0.0f64, -0.0].into_iter().flat_map(f64::to_le_bytes).collect();
        let column = Column { name: "x", format: "g", validity: None, offsets: None, values: &values };
        let mut groups = Vec::new();
        Keys::new(&["g"], 3).number(2, &[column], &mut groups).unwrap();
        assert_eq!(groups, [0, 0]);
    }
}
