//! Numbers that look thrown and are the same in every run (xorshift).
//!
//! May be misread: each use has a name, so that what is thrown for one says nothing about another.

/// A row of numbers.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(number: usize, of: &str) -> Self {
        let seed =
            of.bytes().fold(number as u64 + 1, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23));
        let mut dice = Self(seed | 1);
        dice.below(2);
        dice
    }

    /// A number below this one.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides as u64) as usize
    }

    pub(super) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// True once in so many.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A number below this one, of which each from 2^n to 2^(n+1) is as likely as any other such range: as popularity is spread (Zipf).
    pub(super) fn rank(&mut self, sides: usize) -> usize {
        let from = 1_usize << self.below(sides.ilog2() as usize + 1);
        let to = (from * 2).min(sides + 1);
        from - 1 + self.below(to - from)
    }
}
