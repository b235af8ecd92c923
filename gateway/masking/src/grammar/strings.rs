//! Strings: where they begin and end, and what must not be in them.

#![forbid(unsafe_code)]

use super::{Piece, State, below};
use crate::scan::{Block, Classes, Isa};

const EVEN: u64 = 0x5555_5555_5555_5555;

/// Where strings are.
pub(super) struct Strings {
    /// Quotes that open or close one.
    pub quote: u64,
    /// Strings without their closing quotes; means nothing beyond the block's length.
    pub parity: u64,
    pub wrong: u64,
}

/// Not zero if escapes, control characters or bytes above 0x7F must be looked at.
#[inline(always)]
pub(super) const fn rare(classes: Classes, carry: &State) -> u64 {
    classes.rare as u64 | carry.escape_due
}

/// The strings of a block.
#[inline(always)]
pub(super) fn strings<I: Isa, const FULL: bool>(
    isa: I,
    piece: Piece<'_>,
    classes: Classes,
    (carry, masks): (&mut State, &mut Block),
) -> Strings {
    let is_rare = rare(classes, carry) != 0;
    let strings = if is_rare {
        escaped_strings::<I, FULL>(isa, piece, classes, carry)
    } else {
        Strings {
            quote: classes.quote,
            parity: isa.prefix_xor(classes.quote) ^ carry.in_string,
            wrong: 0,
        }
    };
    // What is known is written at once, so that it need not be kept in a register.
    masks.quote = strings.quote;
    masks.backslash = if is_rare { classes.backslash } else { 0 };
    strings
}

/// Of a block with escapes, control characters or bytes above 0x7F.
#[inline(always)]
fn escaped_strings<I: Isa, const FULL: bool>(
    isa: I,
    piece: Piece<'_>,
    classes: Classes,
    carry: &mut State,
) -> Strings {
    let valid = if FULL { !0 } else { below(piece.len) };
    let escaped = escaped_ends::<FULL>(classes.backslash, piece.len, carry) & valid;
    let quote = classes.quote & !escaped;
    let parity = isa.prefix_xor(quote) ^ carry.in_string;
    let inside = parity & valid;
    let mut wrong = classes.control & inside;
    let special = escaped & inside & !classes.quote;
    if special != 0 || carry.hex_due != 0 {
        wrong |= escapes(piece, special, &mut carry.hex_due);
    }
    carry.escape_due = carry.escaped | u64::from(carry.hex_due);
    carry.high |= classes.high;
    Strings {
        quote,
        parity,
        wrong,
    }
}

/// The bytes after an odd run of backslashes, none of them a backslash.
#[inline(always)]
fn escaped_ends<const FULL: bool>(backslash: u64, len: usize, carry: &mut State) -> u64 {
    let first = carry.escaped;
    if backslash | first == 0 {
        return 0;
    }
    // A backslash that is itself escaped begins no run.
    let runs = backslash & !first;
    let starts = runs & !(runs << 1);
    let (even, _) = runs.overflowing_add(starts & EVEN);
    let (odd, overflow) = runs.overflowing_add(starts & !EVEN);
    // From an even start to an odd end, or the other way round, is an odd number of backslashes.
    let ends = (even & !EVEN | odd & EVEN) & !runs;
    carry.escaped = if FULL {
        u64::from(overflow)
    } else {
        ends >> len & 1
    };
    ends | first & !backslash
}

/// The escapes that are neither `\"` nor `\\`: which are wrong. Digits wanted by the last are left
/// in `hex_due`.
#[inline(never)]
fn escapes(piece: Piece<'_>, mut special: u64, hex_due: &mut u8) -> u64 {
    let bytes = piece.bytes.get(..piece.len).unwrap_or(piece.bytes);
    let mut wrong = 0;
    let mut digits = |from: usize, due: u8| {
        let mut due = due;
        for (at, byte) in bytes.iter().enumerate().skip(from) {
            if due == 0 {
                break;
            }
            due -= 1;
            if !byte.is_ascii_hexdigit() {
                wrong |= 1 << at;
                return 0;
            }
        }
        due
    };
    let mut due = digits(0, *hex_due);
    while special != 0 {
        let at = special.trailing_zeros() as usize;
        special &= special - 1;
        match bytes.get(at) {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'/') => {}
            Some(b'u') => due = digits(at + 1, 4),
            Some(_) | None => return 1 << at,
        }
    }
    *hex_due = due;
    wrong
}
