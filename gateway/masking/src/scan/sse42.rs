//! Four registers of 16 bytes.

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_max_epu8, _mm_movemask_epi8,
    _mm_or_si128, _mm_set1_epi8, _mm_setr_epi8, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_slli_epi16,
};

use super::bits::prefix_xor;
use super::{BLOCK, Block, Classes, Isa};
use crate::grammar::{self, Carry, Fault};

/// Proof that the machine has SSE4.2, POPCNT and PCLMULQDQ: only [`Self::detect`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sse42(());

impl Sse42 {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("sse4.2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("pclmulqdq");
        found.then_some(Self(()))
    }

    pub(super) fn pass(
        self,
        window: &[u8],
        carry: &mut Carry,
        blocks: &mut [Block],
    ) -> Result<(), Fault> {
        // SAFETY: `self` proves that the machine has the features of `pass`.
        unsafe { pass(self, window, carry, blocks) }
    }
}

#[target_feature(enable = "sse4.2,popcnt,pclmulqdq")]
fn pass(isa: Sse42, window: &[u8], carry: &mut Carry, blocks: &mut [Block]) -> Result<(), Fault> {
    grammar::pass(isa, window, carry, blocks)
}

impl Isa for Sse42 {
    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK]) -> Classes {
        // SAFETY: `self` proves that the machine has SSE4.2.
        unsafe { classify(block) }
    }

    #[inline(always)]
    fn is_plain(self, block: &[u8; BLOCK]) -> bool {
        // SAFETY: `self` proves that the machine has SSE4.2.
        unsafe { is_plain(block) }
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        // SAFETY: `self` proves that the machine has PCLMULQDQ.
        unsafe { prefix_xor(bits) }
    }
}

#[inline]
#[target_feature(enable = "sse4.2")]
fn load(quarter: &[u8; 16]) -> __m128i {
    // SAFETY: `quarter` is 16 readable bytes, and the load needs no alignment.
    unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse4.2")]
fn classify(block: &[u8; BLOCK]) -> Classes {
    let mut classes = Classes::default();
    let (quarters, _) = block.as_chunks::<16>();
    let case = _mm_set1_epi8(0x20);
    // White space by its low half byte; a byte of 0x80 and above looks up zero, which it is not.
    let table = _mm_setr_epi8(
        0x20, -1, -1, -1, -1, -1, -1, -1, -1, 0x09, 0x0A, -1, -1, 0x0D, -1, -1,
    );
    let control = _mm_set1_epi8(0x1F);
    for (index, quarter) in quarters.iter().enumerate() {
        let bytes = load(quarter);
        let folded = _mm_or_si128(bytes, case);
        let at = index * 16;
        let bits = |mask| u64::from(_mm_movemask_epi8(mask).cast_unsigned()) << at;
        let equal =
            |bytes, byte: u8| bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed())));
        classes.quote |= equal(bytes, b'"');
        classes.backslash |= equal(bytes, b'\\');
        classes.open |= equal(folded, b'{');
        classes.close |= equal(folded, b'}');
        classes.curly |= bits(_mm_slli_epi16::<2>(bytes));
        classes.colon |= equal(bytes, b':');
        classes.comma |= equal(bytes, b',');
        classes.space |= bits(_mm_cmpeq_epi8(_mm_shuffle_epi8(table, bytes), bytes));
        classes.control |= bits(_mm_cmpeq_epi8(_mm_max_epu8(bytes, control), control));
    }
    classes.with_rare(block)
}

#[inline]
#[target_feature(enable = "sse4.2")]
fn is_plain(block: &[u8; BLOCK]) -> bool {
    let (quarters, _) = block.as_chunks::<16>();
    let [quote, backslash, space] = [b'"', b'\\', b' ']
        .map(u8::cast_signed)
        .map(|byte| _mm_set1_epi8(byte));
    let found = quarters.iter().fold(_mm_setzero_si128(), |found, quarter| {
        let bytes = load(quarter);
        let either = _mm_or_si128(
            _mm_cmpeq_epi8(bytes, quote),
            _mm_cmpeq_epi8(bytes, backslash),
        );
        // With signs: what is above 0x7F is below zero.
        _mm_or_si128(found, _mm_or_si128(either, _mm_cmplt_epi8(bytes, space)))
    });
    _mm_movemask_epi8(found) == 0
}
