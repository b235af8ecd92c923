//! Two registers of 32 bytes.

use std::arch::x86_64::{
    __cpuid, __m256i, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_max_epu8,
    _mm256_min_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setr_epi8,
    _mm256_shuffle_epi8, _mm256_slli_epi16,
};

use super::bits::{compress, expand, prefix_xor};
use super::{BLOCK, Block, Classes, Isa};
use crate::grammar::{self, Carry, Fault};

/// Proof that the machine has AVX2, BMI1, BMI2, LZCNT, POPCNT and PCLMULQDQ: only [`Self::detect`]
/// makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2 {
    /// PEXT and PDEP take a few cycles, as on all machines but AMD's before Zen 3, where they take
    /// some for each bit.
    compresses: bool,
}

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("pclmulqdq");
        found.then(|| Self {
            compresses: !has_slow_pext(),
        })
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

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
fn pass(isa: Avx2, window: &[u8], carry: &mut Carry, blocks: &mut [Block]) -> Result<(), Fault> {
    grammar::pass(isa, window, carry, blocks)
}

impl Isa for Avx2 {
    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK]) -> Classes {
        // SAFETY: `self` proves that the machine has AVX2.
        unsafe { classify(block) }
    }

    #[inline(always)]
    fn is_plain(self, block: &[u8; BLOCK]) -> bool {
        // SAFETY: `self` proves that the machine has AVX2.
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
        self.compresses.then(|| unsafe { compress(bits, mask) })
    }

    #[inline(always)]
    fn expand(self, bits: u64, mask: u64) -> Option<u64> {
        // SAFETY: `self` proves that the machine has BMI2.
        self.compresses.then(|| unsafe { expand(bits, mask) })
    }
}

/// An AMD of family 17h (Zen, Zen+, Zen 2) or older, or a Hygon of family 18h, which is a Zen.
///
/// AMD publication 56305, "Software Optimization Guide for AMD Family 17h Models 30h and Greater":
/// PEXT and PDEP are microcode there. CPUID: publication 25481.
fn has_slow_pext() -> bool {
    // Miri knows no CPUID.
    if cfg!(miri) {
        return false;
    }
    let vendor = __cpuid(0);
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    is_pext_slow(name.as_flattened(), __cpuid(1).eax)
}

/// Of a vendor's name and a signature, both as CPUID gives them.
fn is_pext_slow(vendor: &[u8], signature: u32) -> bool {
    const ZEN_3: u32 = 0x19;
    let family = (signature >> 8 & 0xF) + (signature >> 20 & 0xFF);
    matches!(vendor, b"AuthenticAMD" | b"HygonGenuine") && family < ZEN_3
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(half: &[u8; 32]) -> __m256i {
    // SAFETY: `half` is 32 readable bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

/// Bit 7 of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn bits(low: __m256i, high: __m256i) -> u64 {
    let low = u64::from(_mm256_movemask_epi8(low).cast_unsigned());
    let high = u64::from(_mm256_movemask_epi8(high).cast_unsigned());
    high << 32 | low
}

#[inline]
#[target_feature(enable = "avx2")]
fn classify(block: &[u8; BLOCK]) -> Classes {
    let (halves, _) = block.as_chunks::<32>();
    let [low, high] = halves else {
        return Classes::default();
    };
    let (low, high) = (load(low), load(high));
    let equal = |low, high, byte: u8| {
        let byte = _mm256_set1_epi8(byte.cast_signed());
        bits(_mm256_cmpeq_epi8(low, byte), _mm256_cmpeq_epi8(high, byte))
    };
    let case = _mm256_set1_epi8(0x20);
    let (low_folded, high_folded) = (_mm256_or_si256(low, case), _mm256_or_si256(high, case));
    // White space by its low half byte; a byte of 0x80 and above looks up zero, which it is not.
    let table = _mm256_setr_epi8(
        0x20, -1, -1, -1, -1, -1, -1, -1, -1, 0x09, 0x0A, -1, -1, 0x0D, -1, -1, //
        0x20, -1, -1, -1, -1, -1, -1, -1, -1, 0x09, 0x0A, -1, -1, 0x0D, -1, -1,
    );
    let control = _mm256_set1_epi8(0x1F);
    Classes {
        quote: equal(low, high, b'"'),
        backslash: equal(low, high, b'\\'),
        open: equal(low_folded, high_folded, b'{'),
        close: equal(low_folded, high_folded, b'}'),
        curly: bits(_mm256_slli_epi16::<2>(low), _mm256_slli_epi16::<2>(high)),
        colon: equal(low, high, b':'),
        comma: equal(low, high, b','),
        space: bits(
            _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, low), low),
            _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, high), high),
        ),
        control: bits(
            _mm256_cmpeq_epi8(_mm256_max_epu8(low, control), control),
            _mm256_cmpeq_epi8(_mm256_max_epu8(high, control), control),
        ),
        rare: u8::from(_mm256_movemask_epi8(rare(low, high)) != 0),
        high: u8::from(_mm256_movemask_epi8(_mm256_or_si256(low, high)) != 0),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn is_plain(block: &[u8; BLOCK]) -> bool {
    let (halves, _) = block.as_chunks::<32>();
    let [low, high] = halves else {
        return false;
    };
    let (low, high) = (load(low), load(high));
    let quote = _mm256_set1_epi8(b'"'.cast_signed());
    let quotes = _mm256_or_si256(
        _mm256_cmpeq_epi8(low, quote),
        _mm256_cmpeq_epi8(high, quote),
    );
    _mm256_movemask_epi8(_mm256_or_si256(quotes, rare(low, high))) == 0
}

/// Not zero where one of two bytes is a `\`, below 0x20 or above 0x7F.
#[inline]
#[target_feature(enable = "avx2")]
fn rare(low: __m256i, high: __m256i) -> __m256i {
    let backslash = _mm256_set1_epi8(b'\\'.cast_signed());
    let backslashes = _mm256_or_si256(
        _mm256_cmpeq_epi8(low, backslash),
        _mm256_cmpeq_epi8(high, backslash),
    );
    // With signs: what is above 0x7F is below zero.
    let others = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), _mm256_min_epi8(low, high));
    _mm256_or_si256(backslashes, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_moved_together_by_loops_where_the_instruction_is_slow() {
        for (vendor, signature, is_slow) in [
            ("AuthenticAMD", 0x0060_0F12, true),  // Bulldozer
            ("AuthenticAMD", 0x0080_0F12, true),  // Zen
            ("AuthenticAMD", 0x0083_0F10, true),  // Zen 2
            ("HygonGenuine", 0x0090_0F01, true),  // Dhyana
            ("AuthenticAMD", 0x00A0_0F11, false), // Zen 3
            ("AuthenticAMD", 0x00A1_0F11, false), // Zen 4
            ("GenuineIntel", 0x0003_06C3, false), // Haswell
            ("GenuineIntel", 0x0008_06F8, false), // Sapphire Rapids
        ] {
            assert_eq!(
                is_pext_slow(vendor.as_bytes(), signature),
                is_slow,
                "{vendor} {signature:x}"
            );
        }
    }
}
