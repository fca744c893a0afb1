//! Things that are put down one by one and stay where they are, so that they can be pointed at while more are put beside them.
//!
//! What a reader may get wrong: nothing is taken away. A shelf lives as long as one resolution.

use std::cell::{Cell, OnceCell};

/// Boards of which each is twice as long as the one before.
const BOARDS: usize = 32;
/// The bits of the length of the first.
const FIRST_BITS: u32 = 4;

pub(super) struct Shelf<T> {
    boards: [OnceCell<Box<[OnceCell<T>]>>; BOARDS],
    used: Cell<usize>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { boards: [const { OnceCell::new() }; BOARDS], used: Cell::new(0) }
    }
}

impl<T> Shelf<T> {
    /// Puts it down.
    pub(super) fn put(&self, value: T) -> &T {
        // As if there were a board of every length below the first one, all of them full.
        let at = self.used.get() + (1 << FIRST_BITS);
        self.used.set(self.used.get() + 1);
        let bits = at.ilog2();
        let board = &self.boards[(bits - FIRST_BITS) as usize];
        let places = board.get_or_init(|| (0..1_usize << bits).map(|_| OnceCell::new()).collect());
        places[at - (1 << bits)].get_or_init(|| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_down_stays_where_it_is() {
        let shelf = Shelf::default();
        let put: Vec<&String> = (0..1_000).map(|at| shelf.put(at.to_string())).collect();
        assert!(put.iter().enumerate().all(|(at, text)| **text == at.to_string()));
    }
}
