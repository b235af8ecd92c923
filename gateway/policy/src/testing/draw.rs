//! Numbers from a seed.

/// A sequence of numbers that looks random and depends on the seed alone (SplitMix64).
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// A sequence of its own for each seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        let number = self.number().checked_rem(bound).unwrap_or_default();
        usize::try_from(number).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of the values; the default for none.
    pub fn pick<T: Clone + Default>(&mut self, values: &[T]) -> T {
        values
            .get(self.below(values.len()))
            .cloned()
            .unwrap_or_default()
    }

    /// So many values, each drawn anew.
    pub fn several<T>(&mut self, count: usize, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..count).map(|_| draw(self)).collect()
    }

    /// A number below `bound`, small ones far more often: Zipf's law with exponent 1, by inversion.
    pub fn zipf(&mut self, bound: usize) -> usize {
        // Sum of 1/k up to n is close to ln(n) + 0.577; a rank is e^(u·ln(n+1)) − 1.
        let unit =
            f64::from(u32::try_from(self.number() >> 32).unwrap_or_default()) / f64::from(u32::MAX);
        let ranks = f64::from(u32::try_from(bound).unwrap_or(u32::MAX));
        let rank = ((ranks + 1.0).ln() * unit).exp() - 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the rank lies between 0 and the bound, which came from a usize"
        )]
        let rank = rank as usize;
        rank.min(bound.saturating_sub(1))
    }
}
