//! Windows of classification masks: the only code that knows of vector instructions.
//!
//! A kernel turns 64 bytes into nine masks ([`Classes`]) and knows a carry-less prefix sum. The pass
//! over a window ([`crate::grammar::pass`]) is safe Rust, inlined into one function per instruction
//! set, so that it too is compiled for it. One call per window crosses the border.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod bits;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod reference;
#[cfg(target_arch = "x86_64")]
mod sse42;
mod swar;
#[cfg(test)]
mod tests;

use crate::grammar::{self, Carry, Fault};

/// Bytes of one block: one bit each in a mask.
pub(crate) const BLOCK: usize = 64;
/// Blocks of one window.
pub(crate) const BLOCKS: usize = 128;
/// Bytes that one call of a kernel looks at: large enough to forget the call, small enough that the
/// masks stay in the first-level cache.
pub(crate) const WINDOW: usize = BLOCK * BLOCKS;

/// The raw classes of 64 bytes, strings not yet known. Bit `n` stands for byte `n`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    /// `"`
    pub quote: u64,
    /// `\`
    pub backslash: u64,
    /// `{` and `[`
    pub open: u64,
    /// `}` and `]`
    pub close: u64,
    /// Bytes with bit 5 set: of the brackets, `{` and `}`.
    pub curly: u64,
    /// `:`
    pub colon: u64,
    /// `,`
    pub comma: u64,
    /// Space, tab, line feed, carriage return.
    pub space: u64,
    /// Below 0x20.
    pub control: u64,
    /// 1 if there is a `\`, a byte below 0x20 or one above 0x7F: cheaper than their masks, which few
    /// blocks need.
    pub rare: u8,
    /// 1 if there is a byte above 0x7F.
    pub high: u8,
}

impl Classes {
    /// With [`Self::rare`] and [`Self::high`], for kernels that have no quicker way to them.
    #[inline(always)]
    fn with_rare(mut self, block: &[u8; BLOCK]) -> Self {
        self.high = u8::from(!block.is_ascii());
        self.rare = self.high | u8::from(self.backslash | self.control != 0);
        self
    }
}

/// What the walk needs to know of 64 bytes. One cache line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Block {
    /// Quotes that open or close a string.
    pub quote: u64,
    /// Opening quotes of keys.
    pub key: u64,
    /// `{` and `[` outside strings.
    pub open: u64,
    /// `}` and `]` outside strings.
    pub close: u64,
    /// `,` outside strings.
    pub comma: u64,
    /// Bytes of numbers, `true`, `false` and `null`.
    pub scalar: u64,
    /// Every `\`.
    pub backslash: u64,
    /// Open containers before the first byte.
    pub depth: u32,
    /// The fewest open containers before the first byte and after any close.
    pub depth_min: u32,
}

/// One instruction set. Each method is inlined into a function compiled for it.
pub(crate) trait Isa: Copy {
    fn classify(self, block: &[u8; BLOCK]) -> Classes;
    /// Bit `n` of the result is the parity of bits `0..=n`.
    fn prefix_xor(self, bits: u64) -> u64;

    /// There is no `"`, no `\` and no byte below 0x20 or above 0x7F.
    #[inline(always)]
    fn is_plain(self, block: &[u8; BLOCK]) -> bool {
        let classes = self.classify(block);
        classes.rare == 0 && classes.quote == 0
    }

    /// The bits at the places of a mask, side by side from bit 0 on; `None` without an instruction
    /// for it.
    #[inline(always)]
    fn compress(self, _bits: u64, _mask: u64) -> Option<u64> {
        None
    }

    /// The lowest bits, one at each place of a mask; `None` without an instruction for it.
    #[inline(always)]
    fn expand(self, _bits: u64, _mask: u64) -> Option<u64> {
        None
    }
}

/// What a kernel says of one block.
#[cfg(any(test, feature = "fuzzing"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks {
    pub classes: Classes,
    pub is_plain: bool,
    pub parity: u64,
    pub compressed: Option<u64>,
    pub expanded: Option<u64>,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Looks {
    /// It is the specification's, but for what the machine has no instructions for.
    pub(crate) fn agrees(self, specified: Self) -> bool {
        let known = Self {
            compressed: self.compressed.or(specified.compressed),
            expanded: self.expanded.or(specified.expanded),
            ..self
        };
        known == specified
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Swar,
    #[cfg(target_arch = "x86_64")]
    Sse42(sse42::Sse42),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

/// An instruction set that this machine was found to have.
///
/// Every kernel gives the same bytes and the same faults; they differ in speed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Choice);

impl Kernel {
    /// The fastest one of this machine.
    #[must_use]
    pub fn best() -> Self {
        Self::found().next().unwrap_or_else(Self::portable)
    }

    /// The one that needs no vector instructions.
    #[must_use]
    pub const fn portable() -> Self {
        Self(Choice::Swar)
    }

    /// All of this machine, the fastest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::found().collect()
    }

    fn found() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let found = [
            avx512::Avx512::detect().map(Choice::Avx512),
            avx2::Avx2::detect().map(Choice::Avx2),
            sse42::Sse42::detect().map(Choice::Sse42),
        ];
        #[cfg(target_arch = "aarch64")]
        let found = [neon::Neon::detect().map(Choice::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let found: [Option<Choice>; 0] = [];
        let kernels = found.into_iter().flatten().chain([Choice::Swar]);
        kernels.map(Self)
    }

    /// For metrics and benches.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Choice::Swar => "swar",
            #[cfg(target_arch = "x86_64")]
            Choice::Sse42(_) => "sse42",
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(_) => "neon",
        }
    }

    /// Checks a window of at most [`WINDOW`] bytes and writes its masks.
    pub(crate) fn pass(
        self,
        window: &[u8],
        carry: &mut Carry,
        blocks: &mut [Block],
    ) -> Result<(), Fault> {
        match self.0 {
            Choice::Swar => grammar::pass(swar::Swar, window, carry, blocks),
            #[cfg(target_arch = "x86_64")]
            Choice::Sse42(isa) => isa.pass(window, carry, blocks),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => isa.pass(window, carry, blocks),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512(isa) => isa.pass(window, carry, blocks),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(isa) => isa.pass(window, carry, blocks),
        }
    }

    /// All that it says of one block, for the comparison of kernels.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn looks(self, block: &[u8; BLOCK]) -> Looks {
        fn all<I: Isa>(isa: I, block: &[u8; BLOCK]) -> Looks {
            let classes = isa.classify(block);
            Looks {
                classes,
                is_plain: isa.is_plain(block),
                parity: isa.prefix_xor(classes.quote),
                compressed: isa.compress(classes.curly, classes.open | classes.close),
                expanded: isa.expand(classes.curly, classes.open | classes.close),
            }
        }
        match self.0 {
            Choice::Swar => all(swar::Swar, block),
            #[cfg(target_arch = "x86_64")]
            Choice::Sse42(isa) => all(isa, block),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(isa) => all(isa, block),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512(isa) => all(isa, block),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon(isa) => all(isa, block),
        }
    }
}
