//! Values that occur many times and are held once, each with a number.
//!
//! What a reader may get wrong: once it is frozen numbers lead to values, and no value to its number any more.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::ptr;

/// Values, in the order in which they came.
#[derive(Debug)]
pub(super) struct Interned<T> {
    values: Vec<T>,
    /// By hash; where two values have the same, the second is at the next number that is free.
    numbers: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    hasher: RandomState,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashMap::default(), hasher: RandomState::new() }
    }
}

impl<T> Interned<T> {
    pub(super) fn number(&self, value: &T) -> Option<u32>
    where
        T: Hash + Eq,
    {
        self.at(value).or_else(|| self.find(value).ok())
    }

    /// The number of what is not only equal to a value but is the one that is held here, as what leads from one to the next mostly is.
    fn at(&self, value: &T) -> Option<u32> {
        let from = self.values.as_ptr().addr();
        let at = ptr::from_ref(value).addr().checked_sub(from)? / size_of::<T>();
        let is_it = self.values.get(at).is_some_and(|own| ptr::eq(own, value));
        is_it.then_some(at as u32)
    }

    /// The number of a value, which is made where it is new.
    pub(super) fn intern<Q: Hash + Eq + ?Sized>(&mut self, value: &Q, make: impl FnOnce() -> T) -> u32
    where
        T: Borrow<Q>,
    {
        self.find(value).unwrap_or_else(|free| {
            // Memory ends long before four thousand million values do.
            let number = self.values.len() as u32;
            self.numbers.insert(free, number);
            self.values.push(make());
            number
        })
    }

    pub(super) fn value(&self, number: u32) -> &T {
        &self.values[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// No value is looked for or added any more.
    pub(super) fn freeze(&mut self) {
        self.values.shrink_to_fit();
        self.numbers = HashMap::default();
    }

    fn find<Q: Hash + Eq + ?Sized>(&self, value: &Q) -> Result<u32, u64>
    where
        T: Borrow<Q>,
    {
        let mut key = self.hasher.hash_one(value);
        while let Some(&number) = self.numbers.get(&key) {
            if self.value(number).borrow() == value {
                return Ok(number);
            }
            key = key.wrapping_add(1);
        }
        Err(key)
    }
}

/// What is a hash already, of a key that nobody knows, is not hashed again.
#[derive(Debug, Default, Clone, Copy)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number() {
        let mut interned: Interned<String> = Interned::default();
        let numbers = ["a", "b", "a", "c", "b"].map(|text| interned.intern(text, || text.to_owned()));
        assert_eq!(numbers, [0, 1, 0, 2, 1]);
        let number = |text: &str| interned.number(&text.to_owned());
        assert_eq!((number("c"), number("d"), interned.len()), (Some(2), None, 3));
        assert!((0..3).all(|number| interned.number(interned.value(number)) == Some(number)));
        assert_eq!(interned.value(1), "b");
    }
}
