//! Sets of small numbers as bits.

/// Words that are looked at together. Four fill two vector registers of every x86-64 and aarch64;
/// sets are padded to a multiple, so that no rest has to be treated.
const WORDS: usize = 4;

/// A set of numbers below a fixed size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Box<[[u64; WORDS]]>,
}

impl Bits {
    /// An empty set that can hold the numbers below `size`.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            words: vec![[0; WORDS]; size.div_ceil(64 * WORDS)].into(),
        }
    }

    /// Puts a number in. Numbers past the size are not kept; no caller has any.
    pub(crate) fn insert(&mut self, number: u32) {
        let (place, bit) = (number as usize / 64, number % 64);
        let word = self
            .words
            .get_mut(place / WORDS)
            .and_then(|four| four.get_mut(place % WORDS));
        if let Some(word) = word {
            *word |= 1 << bit;
        }
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let (place, bit) = (number as usize / 64, number % 64);
        let word = self
            .words
            .get(place / WORDS)
            .and_then(|four| four.get(place % WORDS));
        word.is_some_and(|word| word >> bit & 1 == 1)
    }

    /// How many words a walk over the set looks at.
    pub(crate) fn word_count(&self) -> usize {
        self.words.len() * WORDS
    }

    /// The numbers, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        let words = self.words.iter().flatten().zip((0_u32..).step_by(64));
        words.flat_map(|(word, base)| ones(*word).map(move |place| base + place))
    }

    /// Calls `step` with the numbers that are in all three sets, in order, until it returns
    /// something.
    pub(crate) fn find_in_all<T>(
        [a, b, c]: [&Self; 3],
        mut step: impl FnMut(u32) -> Option<T>,
    ) -> Option<T> {
        let fours = a
            .words
            .iter()
            .zip(&b.words)
            .zip(&c.words)
            .zip((0_u32..).step_by(64 * WORDS));
        let mut fours = fours.map(|(((a, b), c), base)| (and(*a, *b, *c), base));
        fours.find_map(|(four, base)| find_in(four, base, &mut step))
    }
}

fn find_in<T>(four: [u64; WORDS], base: u32, step: &mut impl FnMut(u32) -> Option<T>) -> Option<T> {
    if four == [0; WORDS] {
        return None;
    }
    let mut words = four.into_iter().zip((base..).step_by(64));
    words.find_map(|(word, base)| ones(word).find_map(|place| step(base + place)))
}

fn and([a0, a1, a2, a3]: [u64; WORDS], b: [u64; WORDS], c: [u64; WORDS]) -> [u64; WORDS] {
    let [b0, b1, b2, b3] = b;
    let [c0, c1, c2, c3] = c;
    [a0 & b0 & c0, a1 & b1 & c1, a2 & b2 & c2, a3 & b3 & c3]
}

/// The places of the ones in a word, the lowest first.
fn ones(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = word.trailing_zeros();
        // Takes the lowest one away.
        word &= word.checked_sub(1)?;
        Some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_of_bits_is_a_set(
            a in proptest::collection::btree_set(0_u32..300, 0..40),
            b in proptest::collection::btree_set(0_u32..300, 0..40),
        ) {
            let bits = |numbers: &BTreeSet<u32>| {
                let mut bits = Bits::new(300);
                numbers.iter().for_each(|number| bits.insert(*number));
                bits
            };
            let (mine, theirs) = (bits(&a), bits(&b));
            prop_assert_eq!(mine.iter().collect::<Vec<_>>(), a.iter().copied().collect::<Vec<_>>());
            let both: Vec<u32> =
                a.intersection(&b).copied().filter(|number| number % 2 == 0).collect();
            let even = bits(&(0..300).step_by(2).collect());
            let mut found = Vec::new();
            let stopped = Bits::find_in_all([&mine, &theirs, &even], |number| {
                found.push(number);
                None::<()>
            });
            prop_assert_eq!(stopped, None);
            prop_assert_eq!(&found, &both);
            let first = Bits::find_in_all([&mine, &theirs, &even], Some);
            prop_assert_eq!(first, both.first().copied());
            prop_assert!((0..400).all(|number| mine.contains(number) == a.contains(&number)));
        }
    }
}
