//! The whole JSON grammar, checked on bit masks: 64 bytes a step, resumable at any byte.
//!
//! Token order is checked by *following*: from the tokens of one kind to the token after each, over
//! white space and the insides of strings and scalars, by the carry of one addition. With `fo`, `fs`,
//! `fk` and `fc` for the tokens after an open bracket, `:` or `,` (or at the start), after `:` or `,`,
//! where a key is due, and where its colon is due, a text is JSON if and only if in every block
//!
//! - a value or key stands at `fo`, and a comma does not;
//! - no close bracket stands at `fs`;
//! - at `fk` stands a string, or the close of an empty object;
//! - the colons are exactly `fc`;
//! - brackets match by type, scalars and escapes are well formed, no control character is in a string.
//!
//! `fk` needs to know which commas are an object's; that and the matching are the business of
//! [`brackets`]. What most blocks do not have (white space and scalars between tokens, escapes, control
//! characters, bytes above 0x7F) costs them one branch each.

#![forbid(unsafe_code)]

mod brackets;
mod scalar;
mod strings;
mod utf8;

use crate::scan::{BLOCK, Block, Classes, Isa};
use brackets::{DEEP_WORDS, brackets, is_too_deep};
use scalar::Scalar;
use strings::{Strings, rare, strings};
use utf8::Utf8Tail;

pub use brackets::DEPTH_MAX;

/// How many documents a body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Documents {
    /// Exactly one.
    One,
    /// Any number, parted by white space: a watch.
    Many,
}

impl Documents {
    /// Behind which of these ends of documents another may begin.
    #[inline(always)]
    const fn more_after(self, ends: u64) -> u64 {
        match self {
            Self::One => 0,
            Self::Many => ends,
        }
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not JSON in the block that begins at this byte of the window.
    Syntax(usize),
    /// Not UTF-8.
    Utf8,
    /// Deeper than [`DEPTH_MAX`].
    Depth,
}

/// All that is known of the text before the next byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carry {
    documents: Documents,
    state: State,
    /// The containers beyond the innermost 64, outwards.
    deep: [u64; DEEP_WORDS],
    utf8: Utf8Tail,
}

/// The part that every block reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    /// All ones within a string.
    in_string: u64,
    /// Not zero: an escape goes on in the next block.
    escape_due: u64,
    /// The next byte is escaped. This and all below: 0 or 1.
    escaped: u64,
    /// The last byte was of a scalar.
    in_scalar: u64,
    /// The last byte was white space, or there was none.
    spaced: u64,
    /// After an open bracket or a separator: a value or key.
    after_opener: u64,
    after_separator: u64,
    key_due: u64,
    colon_due: u64,
    /// Bit 0: the innermost container is an object; then outwards.
    stack: u64,
    depth: u32,
    scalar: Scalar,
    /// Digits that a `\u` still wants.
    hex_due: u8,
    document_count: u64,
    /// Not zero: a byte above 0x7F was in the window.
    high: u8,
}

impl Carry {
    pub(crate) fn new(documents: Documents) -> Self {
        let state = State {
            in_string: 0,
            escape_due: 0,
            escaped: 0,
            in_scalar: 0,
            spaced: 1,
            after_opener: 1,
            after_separator: 0,
            key_due: 0,
            colon_due: 0,
            stack: 0,
            depth: 0,
            scalar: Scalar::START,
            hex_due: 0,
            document_count: 0,
            high: 0,
        };
        Self {
            documents,
            state,
            deep: [0; DEEP_WORDS],
            utf8: Utf8Tail::default(),
        }
    }

    /// The text may end here.
    pub(crate) fn is_complete(&self) -> bool {
        let state = &self.state;
        let whole = match self.documents {
            Documents::One => state.document_count == 1,
            Documents::Many => true,
        };
        let scalar = state.in_scalar == 0 || state.scalar.is_whole();
        whole && scalar && state.depth == 0 && state.in_string == 0
    }

    /// Documents that have begun.
    pub(crate) const fn document_count(&self) -> u64 {
        self.state.document_count
    }
}

/// Checks one window and writes the masks of its blocks.
#[inline(always)]
pub(crate) fn pass<I: Isa>(
    isa: I,
    window: &[u8],
    carry: &mut Carry,
    blocks: &mut [Block],
) -> Result<(), Fault> {
    let (whole, rest) = window.as_chunks::<BLOCK>();
    let mut state = carry.state;
    let Carry {
        documents, deep, ..
    } = &mut *carry;
    let mut texts = whole.iter();
    let mut to = blocks.iter_mut();
    while let (Some(bytes), Some(block)) = (texts.next(), to.next()) {
        let classes = isa.classify(bytes);
        // One branch: whether a block begins in a string is as good as random.
        if classes.quote | rare(classes, &state) | !state.in_string == 0 {
            // Most blocks of long strings: nothing changes but the place.
            let inner = within_string(&state);
            *block = inner;
            while let Some(bytes) = texts.as_slice().first() {
                if !isa.is_plain(bytes) {
                    break;
                }
                texts.next();
                if let Some(block) = to.next() {
                    *block = inner;
                }
            }
            continue;
        }
        let piece = Piece { bytes, len: BLOCK };
        let text = Text {
            documents: *documents,
            deep,
        };
        step::<I, true>(isa, piece, classes, (&mut state, text, block))
            .map_err(|fault| fault.moved((whole.len() - texts.len() - 1) * BLOCK))?;
    }
    if let (false, Some(block)) = (rest.is_empty(), blocks.get_mut(whole.len())) {
        let mut bytes = [b' '; BLOCK];
        if let Some(bytes) = bytes.get_mut(..rest.len()) {
            bytes.copy_from_slice(rest);
        }
        let classes = isa.classify(&bytes).cut(rest.len());
        let piece = Piece {
            bytes: &bytes,
            len: rest.len(),
        };
        let text = Text {
            documents: *documents,
            deep,
        };
        step::<I, false>(isa, piece, classes, (&mut state, text, block))
            .map_err(|fault| fault.moved(whole.len() * BLOCK))?;
    }
    let is_ascii = std::mem::take(&mut state.high) == 0;
    carry.state = state;
    if carry.utf8.is_pending() || !is_ascii {
        carry.utf8.check(window)?;
    }
    Ok(())
}

impl Fault {
    const fn moved(self, by: usize) -> Self {
        match self {
            Self::Syntax(at) => Self::Syntax(at + by),
            Self::Utf8 => Self::Utf8,
            Self::Depth => Self::Depth,
        }
    }
}

impl Classes {
    /// Only the first `len` bytes, of fewer than 64.
    #[inline(always)]
    fn cut(self, len: usize) -> Self {
        let valid = below(len);
        Self {
            quote: self.quote & valid,
            backslash: self.backslash & valid,
            open: self.open & valid,
            close: self.close & valid,
            curly: self.curly & valid,
            colon: self.colon & valid,
            comma: self.comma & valid,
            space: self.space & valid,
            control: self.control & valid,
            rare: self.rare,
            high: self.high,
        }
    }
}

/// The bits below `len`, of at most 64.
#[inline(always)]
const fn below(len: usize) -> u64 {
    if len >= BLOCK { !0 } else { (1 << len) - 1 }
}

/// One block; the bytes from `len` on are padding.
#[derive(Clone, Copy)]
struct Piece<'a> {
    bytes: &'a [u8; BLOCK],
    len: usize,
}

/// What is rarely looked at.
struct Text<'a> {
    documents: Documents,
    deep: &'a mut [u64; DEEP_WORDS],
}

#[inline(always)]
fn step<I: Isa, const FULL: bool>(
    isa: I,
    piece: Piece<'_>,
    classes: Classes,
    (carry, text, masks): (&mut State, Text<'_>, &mut Block),
) -> Result<(), Fault> {
    let len = piece.len;
    let valid = if FULL { !0 } else { below(len) };

    let Strings {
        quote,
        parity,
        mut wrong,
    } = strings::<I, FULL>(isa, piece, classes, (carry, masks));
    carry.in_string = (parity.cast_signed() >> 63).cast_unsigned();
    let inside = parity & valid;

    let outside = valid & !inside;
    let [open, close] = [classes.open, classes.close].map(|class| class & outside);
    let [colon, comma] = [classes.colon, classes.comma].map(|class| class & outside);
    let string = quote & inside;
    [masks.open, masks.close, masks.comma] = [open, close, comma];
    // Scalars and white space: most blocks have neither.
    let other = outside & !(quote | open | close | colon | comma);
    let mut space = 0;
    let mut scalar = 0;
    let mut scalar_start = 0;
    if other | carry.in_scalar != 0 {
        space = other & classes.space;
        scalar = other & !space;
        scalar_start = scalar & !(scalar << 1 | carry.in_scalar);
        wrong |= scalars(piece, scalar, carry);
    }
    masks.scalar = scalar;

    let depth_before = carry.depth;
    masks.depth = depth_before;
    let nest = brackets(isa, (open, close, classes.curly), carry, text.deep);
    masks.depth_min = nest.depth_min;
    wrong |= u64::from(nest.is_wrong);

    let tokens = Tokens {
        string,
        starts: string | scalar_start,
        open,
        close,
        colon,
        comma,
    };
    let mut roots = 0;
    if nest.depth_min == 0 {
        let ends = top_level(tokens, space, depth_before, carry);
        wrong |= ends.wrong;
        roots = text.documents.more_after(ends.roots);
    }
    carry.spaced = space >> (len - 1) & 1;

    let objects = Objects {
        open: open & classes.curly,
        comma: comma & nest.objects,
        roots,
    };
    let between = Between {
        strings: (inside | quote) & !string,
        is_adjacent: FULL && space == 0 && nest.depth_min != 0,
    };
    let (key, misplaced) = order::<FULL>(tokens, objects, between, (carry, len));
    wrong |= misplaced;
    masks.key = key;
    match wrong {
        0 => Ok(()),
        _ if is_too_deep(carry.depth) => Err(Fault::Depth),
        _ => Err(Fault::Syntax(0)),
    }
}

/// The masks of a block that lies wholly within a string.
#[inline(always)]
fn within_string(carry: &State) -> Block {
    Block {
        depth: carry.depth,
        depth_min: carry.depth,
        ..Block::default()
    }
}

/// First bytes of tokens.
#[derive(Clone, Copy)]
struct Tokens {
    string: u64,
    /// Strings and scalars.
    starts: u64,
    open: u64,
    close: u64,
    colon: u64,
    comma: u64,
}

/// Behind what a key is due, and behind what another document.
#[derive(Clone, Copy)]
struct Objects {
    open: u64,
    comma: u64,
    roots: u64,
}

/// What stands between tokens.
#[derive(Clone, Copy)]
struct Between {
    /// Strings but for their opening quotes.
    strings: u64,
    /// Behind brackets, commas and colons, nothing.
    is_adjacent: bool,
}

/// Keys, and tokens that stand where they must not.
#[inline(always)]
fn order<const FULL: bool>(
    tokens: Tokens,
    objects: Objects,
    between: Between,
    (carry, len): (&mut State, usize),
) -> (u64, u64) {
    let Tokens {
        string,
        starts,
        open,
        close,
        colon,
        comma,
    } = tokens;
    let valid = if FULL { !0 } else { below(len) };
    let follow = |from: u64, filler: u64, due: &mut u64| {
        let (sum, overflow) = (from << 1 | *due).overflowing_add(filler);
        let next = sum & !filler;
        // A token at the last place stops every carry, so that one of the two is zero.
        let out = (from >> 63).wrapping_add(u64::from(overflow));
        *due = if FULL { out } else { next >> len & 1 };
        next & valid
    };
    let separator = colon | comma;
    let opener = open | separator | objects.roots;
    let before_key = objects.open | objects.comma;
    let after_opener;
    let after_separator;
    let key_due;
    let mut filler = between.strings;
    if between.is_adjacent {
        let next = |from: u64, due: &mut u64| {
            let next = from << 1 | *due;
            *due = from >> 63;
            next
        };
        after_opener = next(opener, &mut carry.after_opener);
        after_separator = next(separator, &mut carry.after_separator);
        key_due = next(before_key, &mut carry.key_due);
    } else {
        filler = valid & !(starts | open | close | colon | comma);
        after_opener = follow(opener, filler, &mut carry.after_opener);
        after_separator = follow(separator, filler, &mut carry.after_separator);
        key_due = follow(before_key, filler, &mut carry.key_due);
    }
    let key = string & key_due;
    let colon_due = follow(key, filler, &mut carry.colon_due);
    let values = (starts | open) & !after_opener | comma & after_opener | close & after_separator;
    (
        key,
        values | key_due & !(string | close) | colon_due ^ colon,
    )
}

/// Walks the scalars of a block: which are wrong.
#[inline(never)]
fn scalars(piece: Piece<'_>, scalar: u64, carry: &mut State) -> u64 {
    let mut wrong = 0;
    if carry.in_scalar == 1 && scalar & 1 == 0 && !carry.scalar.is_whole() {
        wrong = 1;
    }
    let mut rest = scalar;
    let mut goes_on = carry.in_scalar & scalar == 1;
    carry.in_scalar = 0;
    while rest != 0 {
        let start = rest.trailing_zeros() as usize;
        let run = (!(rest >> start)).trailing_zeros() as usize;
        let end = start + run;
        if !goes_on {
            if end < piece.len && scalar::is_common(piece.bytes, start, run) {
                // The carry of the addition clears the run.
                rest &= rest + (1 << start);
                continue;
            }
            carry.scalar = Scalar::START;
        }
        goes_on = false;
        for byte in piece.bytes.get(start..end).unwrap_or_default() {
            carry.scalar = carry.scalar.after(*byte);
        }
        if end >= piece.len {
            carry.in_scalar = 1;
            if carry.scalar.is_wrong() {
                wrong |= 1 << start;
            }
            break;
        }
        if !carry.scalar.is_whole() {
            wrong |= 1 << start;
        }
        rest &= !below(end);
    }
    wrong
}

/// What a block holds outside all containers.
struct Ends {
    /// Where documents begin that are no containers, and where others end.
    roots: u64,
    wrong: u64,
}

/// Only for blocks that touch the top level: once a document.
#[cold]
#[inline(never)]
fn top_level(tokens: Tokens, space: u64, depth: u32, carry: &mut State) -> Ends {
    let mut all = tokens.open | tokens.close;
    let mut depth = depth;
    let [mut region, mut opened, mut closed] = [0; 3];
    let mut from = 0;
    while all != 0 {
        let at = all.trailing_zeros() as usize;
        all &= all - 1;
        if tokens.open >> at & 1 == 1 {
            if depth == 0 {
                region |= below(at) & !below(from);
                opened |= 1 << at;
            }
            depth = depth.saturating_add(1);
        } else {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                closed |= 1 << at;
                from = at + 1;
            }
        }
    }
    if depth == 0 {
        region |= !below(from);
    }
    let starts = tokens.starts & region;
    let began = starts | opened;
    carry.document_count += u64::from(began.count_ones());
    Ends {
        roots: starts | closed,
        wrong: region & (tokens.colon | tokens.comma) | began & !(space << 1 | carry.spaced),
    }
}
