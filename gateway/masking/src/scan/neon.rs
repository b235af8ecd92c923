//! Four registers of 16 bytes. Tested under QEMU, measured on no machine yet.

use std::arch::aarch64::{
    uint8x16_t, vaddv_u8, vandq_u8, vceqq_u8, vcltq_u8, vdupq_n_u8, vget_high_u8, vget_low_u8,
    vld1q_u8, vorrq_u8, vtstq_u8,
};

use super::{BLOCK, Block, Classes, Isa};
use crate::grammar::{self, Carry, Fault};

/// Proof that the machine has NEON: only [`Self::detect`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neon(());

const WEIGHTS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

impl Neon {
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
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

#[target_feature(enable = "neon")]
fn pass(isa: Neon, window: &[u8], carry: &mut Carry, blocks: &mut [Block]) -> Result<(), Fault> {
    grammar::pass(isa, window, carry, blocks)
}

impl Isa for Neon {
    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK]) -> Classes {
        // SAFETY: `self` proves that the machine has NEON.
        unsafe { classify(block) }
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        super::swar::Swar.prefix_xor(bits)
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn load(quarter: &[u8; 16]) -> uint8x16_t {
    // SAFETY: `quarter` is 16 readable bytes.
    unsafe { vld1q_u8(quarter.as_ptr()) }
}

/// One bit per byte that is 0xFF: each keeps its weight, and halves are summed.
#[inline]
#[target_feature(enable = "neon")]
fn bits(mask: uint8x16_t) -> u64 {
    let weighted = vandq_u8(mask, load(&WEIGHTS));
    let low = u64::from(vaddv_u8(vget_low_u8(weighted)));
    let high = u64::from(vaddv_u8(vget_high_u8(weighted)));
    high << 8 | low
}

#[inline]
#[target_feature(enable = "neon")]
fn classify(block: &[u8; BLOCK]) -> Classes {
    let mut classes = Classes::default();
    let (quarters, _) = block.as_chunks::<16>();
    let case = vdupq_n_u8(0x20);
    for (index, quarter) in quarters.iter().enumerate() {
        let bytes = load(quarter);
        let folded = vorrq_u8(bytes, case);
        let at = index * 16;
        let equal = |bytes, byte: u8| vceqq_u8(bytes, vdupq_n_u8(byte));
        let space = vorrq_u8(
            vorrq_u8(equal(bytes, b' '), equal(bytes, b'\t')),
            vorrq_u8(equal(bytes, b'\n'), equal(bytes, b'\r')),
        );
        classes.quote |= bits(equal(bytes, b'"')) << at;
        classes.backslash |= bits(equal(bytes, b'\\')) << at;
        classes.open |= bits(equal(folded, b'{')) << at;
        classes.close |= bits(equal(folded, b'}')) << at;
        classes.curly |= bits(vtstq_u8(bytes, case)) << at;
        classes.colon |= bits(equal(bytes, b':')) << at;
        classes.comma |= bits(equal(bytes, b',')) << at;
        classes.space |= bits(space) << at;
        classes.control |= bits(vcltq_u8(bytes, case)) << at;
    }
    classes.with_rare(block)
}
