//! Masks of one set as bits, for verdicts.

/// BOUND: masks of one bundle, the one that comes with the language included: one bit each in a
/// verdict. More reject the bundle.
pub const MASKS_MAX: usize = 256;

const WORD_BITS: usize = 64;
const WORDS: usize = MASKS_MAX / WORD_BITS;

/// A set of masks of one `PolicySet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct MaskSet([u64; WORDS]);

impl MaskSet {
    /// No mask.
    pub const NONE: Self = Self([0; WORDS]);

    /// One mask; `None` past [`MASKS_MAX`].
    pub(crate) fn of(index: usize) -> Option<Self> {
        let mut set = Self::NONE;
        *set.0.get_mut(index / WORD_BITS)? |= 1 << (index % WORD_BITS);
        Some(set)
    }

    /// Both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let mut words = self.0;
        for (own, other) in words.iter_mut().zip(other.0) {
            *own |= other;
        }
        Self(words)
    }

    /// True if there is none: answers pass untouched.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// The indexes of its masks, rising.
    pub(crate) fn indexes(self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| (0..WORD_BITS).filter(move |bit| word >> bit & 1 == 1);
        self.0
            .into_iter()
            .enumerate()
            .flat_map(move |(place, word)| bits(word).map(move |bit| place * WORD_BITS + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_as_many_masks_as_its_bound() {
        let all = [0, 1, 63, 64, 128, 255];
        let set = all.into_iter().fold(MaskSet::NONE, |set, index| {
            set.union(MaskSet::of(index).unwrap())
        });
        assert_eq!(set.indexes().collect::<Vec<_>>(), all);
        assert!(!set.is_empty() && MaskSet::NONE.is_empty());
        assert_eq!(MaskSet::of(MASKS_MAX), None);
    }
}
