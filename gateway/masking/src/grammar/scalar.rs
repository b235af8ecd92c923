//! Numbers and the three words, one byte at a time, resumable, of any length.

#![forbid(unsafe_code)]

/// Where in a scalar the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scalar(u8);

const WRONG: u8 = 0;
const START: u8 = 1;
// Numbers.
const MINUS: u8 = 2;
const ZERO: u8 = 3;
const INTEGER: u8 = 4;
const POINT: u8 = 5;
const FRACTION: u8 = 6;
const EXPONENT: u8 = 7;
const SIGN: u8 = 8;
const POWER: u8 = 9;
// Words: state `WORD + n` has read n + 1 letters of the joined text, each word closed by `WORD_END`.
const WORD_END: u8 = 10;
const TRUE: u8 = 11;
const FALSE: u8 = 14;
const NULL: u8 = 18;
const STATES: usize = 21;

const CLASSES: usize = 16;
const BYTES: [&[u8]; CLASSES] = [
    b"",
    b"0",
    b"123456789",
    b"-",
    b"+",
    b".",
    b"e",
    b"E",
    b"t",
    b"r",
    b"u",
    b"f",
    b"a",
    b"l",
    b"s",
    b"n",
];

/// The class of each byte.
static CLASS: [u8; 256] = class_table();
/// The state after a state and a class, at `state * 16 + class`.
static NEXT: [u8; STATES * CLASSES] = next_table();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks it"
)]
#[expect(clippy::cast_possible_truncation, reason = "there are 16 classes")]
const fn class_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut class = 0;
    while class < CLASSES {
        let mut index = 0;
        while index < BYTES[class].len() {
            table[BYTES[class][index] as usize] = class as u8;
            index += 1;
        }
        class += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks it"
)]
const fn next_table() -> [u8; STATES * CLASSES] {
    /// From, bytes, to.
    const EDGES: &[(u8, &[u8], u8)] = &[
        (START, b"-", MINUS),
        (START, b"0", ZERO),
        (START, b"1", INTEGER),
        (MINUS, b"0", ZERO),
        (MINUS, b"1", INTEGER),
        (INTEGER, b"01", INTEGER),
        (ZERO, b".", POINT),
        (INTEGER, b".", POINT),
        (POINT, b"01", FRACTION),
        (FRACTION, b"01", FRACTION),
        (ZERO, b"eE", EXPONENT),
        (INTEGER, b"eE", EXPONENT),
        (FRACTION, b"eE", EXPONENT),
        (EXPONENT, b"+-", SIGN),
        (EXPONENT, b"01", POWER),
        (SIGN, b"01", POWER),
        (POWER, b"01", POWER),
        (START, b"t", TRUE),
        (TRUE, b"r", TRUE + 1),
        (TRUE + 1, b"u", TRUE + 2),
        (TRUE + 2, b"e", WORD_END),
        (START, b"f", FALSE),
        (FALSE, b"a", FALSE + 1),
        (FALSE + 1, b"l", FALSE + 2),
        (FALSE + 2, b"s", FALSE + 3),
        (FALSE + 3, b"e", WORD_END),
        (START, b"n", NULL),
        (NULL, b"u", NULL + 1),
        (NULL + 1, b"l", NULL + 2),
        (NULL + 2, b"l", WORD_END),
    ];
    let classes = class_table();
    let mut table = [WRONG; STATES * CLASSES];
    let mut edge = 0;
    while edge < EDGES.len() {
        let (from, bytes, to) = EDGES[edge];
        let mut index = 0;
        while index < bytes.len() {
            table[from as usize * CLASSES + classes[bytes[index] as usize] as usize] = to;
            index += 1;
        }
        edge += 1;
    }
    table
}

/// The run of a block is a word, or a whole number of at most eight digits. False says nothing.
#[inline(always)]
pub(super) fn is_common(block: &[u8; 64], start: usize, run: usize) -> bool {
    const TRUE: u64 = u64::from_le_bytes(*b"true\0\0\0\0");
    const FALSE: u64 = u64::from_le_bytes(*b"false\0\0\0");
    const NULL: u64 = u64::from_le_bytes(*b"null\0\0\0\0");
    let Some(bytes) = block.get(start..).and_then(|rest| rest.first_chunk::<8>()) else {
        return false;
    };
    if run > 8 {
        return false;
    }
    let mask = !0 >> (64 - 8 * run);
    let text = u64::from_le_bytes(*bytes) & mask;
    // By length too: a zero byte in the text is no end of it.
    let is_word = (run == 4) & ((text == TRUE) | (text == NULL)) | (run == 5) & (text == FALSE);
    let digits = text ^ (u64::from_le_bytes([b'0'; 8]) & mask);
    let above_nine = (digits.wrapping_add(u64::from_le_bytes([0x76; 8])) | digits)
        & u64::from_le_bytes([0x80; 8]);
    let leads_with_zero = (digits & 0xFF == 0) & (run > 1);
    is_word | ((above_nine == 0) & !leads_with_zero)
}

impl Scalar {
    pub(super) const START: Self = Self(START);

    #[inline(always)]
    pub(super) fn after(self, byte: u8) -> Self {
        let class = CLASS.get(usize::from(byte)).copied().unwrap_or_default();
        let at = usize::from(self.0) * CLASSES + usize::from(class);
        Self(NEXT.get(at).copied().unwrap_or(WRONG))
    }

    /// A scalar may end here.
    #[inline(always)]
    pub(super) const fn is_whole(self) -> bool {
        const WHOLE: u32 = 1 << ZERO | 1 << INTEGER | 1 << FRACTION | 1 << POWER | 1 << WORD_END;
        WHOLE >> self.0 & 1 == 1
    }

    pub(super) const fn is_wrong(self) -> bool {
        self.0 == WRONG
    }
}
