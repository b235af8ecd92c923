//! The specification of a kernel, one byte at a time.

use super::{BLOCK, Classes};

/// The classes of 64 bytes.
pub(crate) fn classify(block: &[u8; BLOCK]) -> Classes {
    let mask = |class: fn(u8) -> bool| {
        let bits = block.iter().enumerate().filter(|(_, byte)| class(**byte));
        bits.fold(0_u64, |mask, (bit, _)| mask | 1 << bit)
    };
    Classes {
        quote: mask(|byte| byte == b'"'),
        backslash: mask(|byte| byte == b'\\'),
        open: mask(|byte| byte == b'{' || byte == b'['),
        close: mask(|byte| byte == b'}' || byte == b']'),
        curly: mask(|byte| byte & 0x20 != 0),
        colon: mask(|byte| byte == b':'),
        comma: mask(|byte| byte == b','),
        space: mask(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')),
        control: mask(|byte| byte < 0x20),
        high: block.iter().any(|byte| *byte > 0x7F).into(),
        rare: block
            .iter()
            .any(|byte| !matches!(byte, 0x20..=0x7F) || *byte == b'\\')
            .into(),
    }
}

/// Bit `n` of the result is the parity of bits `0..=n`.
pub(crate) fn prefix_xor(bits: u64) -> u64 {
    let mut parity = 0;
    (0..u64::BITS).fold(0, |sum, bit| {
        parity ^= bits >> bit & 1;
        sum | parity << bit
    })
}
