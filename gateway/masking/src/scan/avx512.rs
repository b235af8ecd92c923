//! One register of 64 bytes, compared straight into masks.

use std::arch::x86_64::{
    __m512i, _mm_setr_epi8, _mm512_broadcast_i32x4, _mm512_cmpeq_epi8_mask, _mm512_cmplt_epi8_mask,
    _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_or_si512,
    _mm512_set1_epi8, _mm512_shuffle_epi8, _mm512_test_epi8_mask,
};

use super::bits::{compress, expand, prefix_xor};
use super::{BLOCK, Block, Classes, Isa};
use crate::grammar::{self, Carry, Fault};

/// Proof that the machine has AVX-512 F, BW and VL, BMI1, BMI2, LZCNT, POPCNT and PCLMULQDQ: only
/// [`Self::detect`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
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

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
fn pass(isa: Avx512, window: &[u8], carry: &mut Carry, blocks: &mut [Block]) -> Result<(), Fault> {
    grammar::pass(isa, window, carry, blocks)
}

impl Isa for Avx512 {
    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK]) -> Classes {
        // SAFETY: `self` proves that the machine has AVX-512 F and BW.
        unsafe { classify(block) }
    }

    #[inline(always)]
    fn is_plain(self, block: &[u8; BLOCK]) -> bool {
        // SAFETY: `self` proves that the machine has AVX-512 F and BW.
        unsafe { is_plain(block) }
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        // SAFETY: `self` proves that the machine has PCLMULQDQ.
        unsafe { prefix_xor(bits) }
    }

    #[inline(always)]
    fn compress(self, bits: u64, mask: u64) -> Option<u64> {
        // SAFETY: `self` proves that the machine has BMI2.
        Some(unsafe { compress(bits, mask) })
    }

    #[inline(always)]
    fn expand(self, bits: u64, mask: u64) -> Option<u64> {
        // SAFETY: `self` proves that the machine has BMI2.
        Some(unsafe { expand(bits, mask) })
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: `block` is 64 readable bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn classify(block: &[u8; BLOCK]) -> Classes {
    let bytes = load(block);
    let equal =
        |bytes, byte: u8| _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()));
    let case = _mm512_set1_epi8(0x20);
    let folded = _mm512_or_si512(bytes, case);
    // White space by its low half byte; a byte of 0x80 and above looks up zero, which it is not.
    let table = _mm512_broadcast_i32x4(_mm_setr_epi8(
        0x20, -1, -1, -1, -1, -1, -1, -1, -1, 0x09, 0x0A, -1, -1, 0x0D, -1, -1,
    ));
    Classes {
        quote: equal(bytes, b'"'),
        backslash: equal(bytes, b'\\'),
        open: equal(folded, b'{'),
        close: equal(folded, b'}'),
        curly: _mm512_test_epi8_mask(bytes, case),
        colon: equal(bytes, b':'),
        comma: equal(bytes, b','),
        space: _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(table, bytes), bytes),
        control: _mm512_cmplt_epu8_mask(bytes, case),
        rare: u8::from(rare(bytes) != 0),
        high: u8::from(_mm512_movepi8_mask(bytes) != 0),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn is_plain(block: &[u8; BLOCK]) -> bool {
    let bytes = load(block);
    let quote = _mm512_set1_epi8(b'"'.cast_signed());
    rare(bytes) | _mm512_cmpeq_epi8_mask(bytes, quote) == 0
}

/// Bytes that are a `\`, below 0x20 or above 0x7F.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rare(bytes: __m512i) -> u64 {
    let backslash = _mm512_set1_epi8(b'\\'.cast_signed());
    // With signs: what is above 0x7F is below zero.
    let others = _mm512_cmplt_epi8_mask(bytes, _mm512_set1_epi8(0x20));
    _mm512_cmpeq_epi8_mask(bytes, backslash) | others
}
