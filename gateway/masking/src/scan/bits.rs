//! Bits of a mask moved by instructions that all kernels for x86 share.

use std::arch::x86_64::{
    _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _pdep_u64, _pext_u64,
};

#[inline]
#[target_feature(enable = "pclmulqdq")]
pub(super) fn prefix_xor(bits: u64) -> u64 {
    let ones = _mm_set1_epi8(-1);
    let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits.cast_signed()), ones);
    _mm_cvtsi128_si64(product).cast_unsigned()
}

#[inline]
#[target_feature(enable = "bmi2")]
pub(super) fn compress(bits: u64, mask: u64) -> u64 {
    _pext_u64(bits, mask)
}

#[inline]
#[target_feature(enable = "bmi2")]
pub(super) fn expand(bits: u64, mask: u64) -> u64 {
    _pdep_u64(bits, mask)
}
