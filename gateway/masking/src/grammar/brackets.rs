//! Brackets: their match by type, how deep they nest, and what is an object's.
//!
//! Nearly all blocks, empty containers left out, hold first closes and then opens. These are taken at
//! once where the machine can move bits together: closes are compared with the top of the stack, opens
//! become its new top. All others are walked.

#![forbid(unsafe_code)]

use super::{State, below};
use crate::scan::Isa;

/// BOUND: Kubernetes nests to about 30; a text that opens more containers than this is refused.
pub const DEPTH_MAX: usize = 512;
/// Containers beyond the innermost 64, in words.
pub(super) const DEEP_WORDS: usize = DEPTH_MAX / 64 - 1;

/// Fewer than none are not.
pub(super) const fn is_too_deep(depth: u32) -> bool {
    depth.cast_signed() > 0 && depth as usize > DEPTH_MAX
}

/// What the brackets of a block say.
pub(super) struct Nest {
    /// Positions whose innermost container is an object.
    pub objects: u64,
    pub depth_min: u32,
    /// A close is of the wrong type or has no open, or there are too many opens.
    pub is_wrong: bool,
}

#[inline(always)]
pub(super) fn brackets<I: Isa>(
    isa: I,
    (open, close, curly): (u64, u64, u64),
    carry: &mut State,
    deep: &mut [u64; DEEP_WORDS],
) -> Nest {
    let innermost = carry.stack & 1;
    if open | close == 0 {
        return Nest {
            objects: innermost.wrapping_neg(),
            depth_min: carry.depth,
            is_wrong: false,
        };
    }
    // An empty container changes nothing, and most of `managedFields` is `{}`.
    let empty = open & close >> 1 & !(curly ^ curly >> 1);
    let opens = open & !empty;
    let closes = close & !(empty << 1);
    let open_count = opens.count_ones();
    // One branch for all: no close behind an open, fewer than eight opens, on at most 56 containers.
    let others = closes & opens.wrapping_neg()
        | u64::from(open_count >> 3)
        | u64::from((carry.depth + 7) >> 6);
    let ordered = (
        isa.compress(curly, closes),
        isa.expand(carry.stack >> 1, closes),
        isa.compress(curly, opens),
    );
    let ((Some(closed), Some(outer), Some(opened)), 0) = (ordered, others) else {
        return if carry.depth + open_count > 64 {
            deep_brackets((open, close, curly), carry, deep)
        } else {
            mixed_brackets((opens, closes, curly), carry)
        };
    };
    // First all closes, then all opens: nine blocks of ten.
    let close_count = closes.count_ones();
    let mismatch = (closed ^ carry.stack) & !(!0_u64).wrapping_shl(close_count);
    let depth_min = carry.depth.wrapping_sub(close_count);
    let reversed = REVERSED.get((opened & 255) as usize).copied();
    let lifted = u64::from(reversed.unwrap_or_default()) >> (8 - open_count);
    carry.stack = carry.stack.wrapping_shr(close_count) << open_count | lifted;
    carry.depth = depth_min.wrapping_add(open_count);
    let behind = outer | curly & opens;
    Nest {
        // The carry of the addition runs from each bracket that leaves an object to the next.
        objects: !(behind << 1 | innermost).wrapping_add(!(opens | closes)),
        depth_min,
        is_wrong: mismatch != 0 || depth_min.cast_signed() < 0,
    }
}

/// The same one by one. Of at most 64 brackets on at most 64 containers: nothing here can wrap.
#[inline(never)]
fn mixed_brackets((open, close, curly): (u64, u64, u64), carry: &mut State) -> Nest {
    let mut all = open | close;
    let mut stack = carry.stack;
    let mut objects = (stack & 1).wrapping_neg();
    let mut depth = carry.depth.cast_signed();
    let mut depth_min = depth;
    let mut mismatch = 0;
    while all != 0 {
        let at = all.trailing_zeros();
        all &= all.wrapping_sub(1);
        let kind = curly >> at & 1;
        let is_open = open >> at & 1;
        mismatch |= (stack ^ kind) & !is_open;
        let next = if is_open == 1 {
            stack << 1 | kind
        } else {
            stack >> 1
        };
        // From here on the innermost container is another.
        objects ^= ((stack ^ next) & 1).wrapping_neg() << at;
        stack = next;
        depth = depth.wrapping_add(if is_open == 1 { 1 } else { -1 });
        depth_min = depth_min.min(depth);
    }
    carry.stack = stack;
    carry.depth = depth.cast_unsigned();
    Nest {
        objects,
        depth_min: depth_min.cast_unsigned(),
        is_wrong: mismatch & 1 == 1 || depth_min < 0,
    }
}

/// Each byte's bits the other way round.
static REVERSED: [u8; 256] = reversed_table();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks it"
)]
#[expect(clippy::cast_possible_truncation, reason = "there are 256")]
const fn reversed_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).reverse_bits();
        byte += 1;
    }
    table
}

/// The same beyond what one register holds.
#[cold]
#[inline(never)]
fn deep_brackets(
    (open, close, curly): (u64, u64, u64),
    carry: &mut State,
    deep: &mut [u64; DEEP_WORDS],
) -> Nest {
    let mut all = open | close;
    let mut nest = Nest {
        objects: 0,
        depth_min: carry.depth,
        is_wrong: false,
    };
    let mut from = 0;
    while all != 0 {
        let at = all.trailing_zeros() as usize;
        all &= all - 1;
        let innermost = carry.stack & 1;
        nest.objects |= innermost.wrapping_neg() & below(at) & !below(from);
        from = at;
        let kind = curly >> at & 1;
        if open >> at & 1 == 1 {
            let mut lifted = kind;
            for word in [&mut carry.stack].into_iter().chain(deep.iter_mut()) {
                let top = *word >> 63;
                *word = *word << 1 | lifted;
                lifted = top;
            }
            carry.depth += 1;
            nest.is_wrong |= is_too_deep(carry.depth);
        } else {
            nest.is_wrong |= innermost != kind || carry.depth == 0;
            let mut lowered = 0;
            for word in deep.iter_mut().rev().chain([&mut carry.stack]) {
                let bottom = *word << 63;
                *word = *word >> 1 | lowered;
                lowered = bottom;
            }
            carry.depth = carry.depth.saturating_sub(1);
        }
        nest.depth_min = nest.depth_min.min(carry.depth);
    }
    nest.objects |= (carry.stack & 1).wrapping_neg() & !below(from);
    nest
}
