//! The specification of a kernel, one byte at a time.

use super::{BLOCK, Classes, Looks};

/// All that a kernel says of one block.
pub(crate) fn looks(block: &[u8; BLOCK]) -> Looks {
    let classes = classify(block);
    let brackets = classes.open | classes.close;
    Looks {
        classes,
        is_plain: block
            .iter()
            .all(|byte| matches!(byte, 0x20..=0x7F) && !b"\"\\".contains(byte)),
        parity: prefix_xor(classes.quote),
        compressed: Some(compress(classes.curly, brackets)),
        expanded: Some(expand(classes.curly, brackets)),
    }
}

/// The classes of 64 bytes.
fn classify(block: &[u8; BLOCK]) -> Classes {
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

/// The places of a mask, rising.
fn places(mask: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |place| mask >> place & 1 == 1)
}

fn compress(bits: u64, mask: u64) -> u64 {
    let found = places(mask).map(|place| bits >> place & 1).enumerate();
    found.fold(0, |all, (index, bit)| all | bit << index)
}

fn expand(bits: u64, mask: u64) -> u64 {
    let found = places(mask).enumerate();
    found.fold(0, |all, (index, place)| all | (bits >> index & 1) << place)
}
