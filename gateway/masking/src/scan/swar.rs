//! Eight bytes in a register, on any machine.

#![forbid(unsafe_code)]

use super::{BLOCK, Classes, Isa};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Swar;

const LOW: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Bit 7 of each byte that is zero, exactly: no borrow crosses a byte.
const fn zero_bytes(word: u64) -> u64 {
    !((word & !HIGH).wrapping_add(!HIGH) | word) & HIGH
}

const fn equal(word: u64, byte: u8) -> u64 {
    zero_bytes(word ^ LOW.wrapping_mul(byte as u64))
}

/// Gathers bit 7 of each byte into eight bits.
const fn gather(bits: u64) -> u64 {
    // Byte `n` adds its bit at 56 + n; no two products meet.
    (bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

impl Isa for Swar {
    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK]) -> Classes {
        let mut classes = Classes::default();
        let (words, _) = block.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let at = index * 8;
            let folded = word | LOW.wrapping_mul(0x20);
            let space = equal(word, b' ') | equal(word, b'\t') | equal(word, b'\n');
            classes.quote |= gather(equal(word, b'"')) << at;
            classes.backslash |= gather(equal(word, b'\\')) << at;
            classes.open |= gather(equal(folded, b'{')) << at;
            classes.close |= gather(equal(folded, b'}')) << at;
            classes.curly |= gather((word << 2) & HIGH) << at;
            classes.colon |= gather(equal(word, b':')) << at;
            classes.comma |= gather(equal(word, b',')) << at;
            classes.space |= gather(space | equal(word, b'\r')) << at;
            classes.control |= gather(zero_bytes(word & LOW.wrapping_mul(0xE0))) << at;
        }
        classes.with_rare(block)
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        let mut sum = bits;
        sum ^= sum << 1;
        sum ^= sum << 2;
        sum ^= sum << 4;
        sum ^= sum << 8;
        sum ^= sum << 16;
        sum ^ sum << 32
    }
}
