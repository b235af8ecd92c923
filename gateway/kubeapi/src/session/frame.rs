//! Frames of RFC 6455 from a server: unmasked, without extensions, in the shortest form.
//!
//! Own code: what there is to read is a head of two to ten bytes, and libraries read whole messages
//! from a socket of their own, or take forms that nobody here may send.

use bytes::{Buf as _, Bytes};

/// BOUND: an API server copies output in pieces of 32 KiB; a frame that says it is longer than this
/// is none of its, and ends the session.
pub const FRAME_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// BOUND: RFC 6455 section 5.5; a longer control frame ends the session. It is the most that is
/// waited for.
pub const CONTROL_BYTES_MAX: usize = 125;

/// The longest head of an unmasked frame.
const HEAD_BYTES_MAX: usize = 10;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// Why bytes are no frames of an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// An extension that nobody agreed on, such as compression.
    #[error("a frame with reserved bits")]
    ReservedBits,
    /// Neither data nor close, ping, pong.
    #[error("a frame of the unknown kind {0}")]
    Opcode(u8),
    /// Only clients mask.
    #[error("a masked frame from a server")]
    Masked,
    /// Not in the shortest form, or longer than [`FRAME_BYTES_MAX`].
    #[error("a frame whose length is malformed or absurd")]
    Length,
    /// A control frame in parts or longer than [`CONTROL_BYTES_MAX`].
    #[error("a control frame that is fragmented or too long")]
    Control,
    /// A message within a message, or the rest of none.
    #[error("fragments out of order")]
    Fragments,
    /// A close has no code of one byte.
    #[error("a close without a whole code")]
    Code,
    /// Nothing follows a close.
    #[error("bytes after the close")]
    AfterClose,
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataKind {
    Text,
    Binary,
}

impl DataKind {
    pub(crate) const fn opcode(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
        }
    }
}

/// Kinds of control frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// The session ends: a code of two bytes and perhaps a reason.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping with its bytes.
    Pong,
}

impl ControlKind {
    pub(crate) const fn opcode(self) -> u8 {
        match self {
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Some of a message, as much as is there.
    Data {
        kind: DataKind,
        bytes: Bytes,
        /// The message ends with it.
        is_last: bool,
    },
    /// A whole control frame.
    Control(ControlKind, Bytes),
}

/// The payload under way.
#[derive(Debug, Clone, Copy)]
enum Payload {
    Data {
        kind: DataKind,
        left: u64,
        is_last: bool,
    },
    Control(ControlKind, usize),
}

/// Reads frames, at any split.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// At most [`HEAD_BYTES_MAX`] of a head, or a control frame's payload.
    held: Vec<u8>,
    payload: Option<Payload>,
    /// The message whose further fragments are awaited.
    open: Option<DataKind>,
    is_closed: bool,
}

impl FrameReader {
    /// Takes a frame, or what is there of a data frame, off the front of `input`.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<Option<Frame>, FrameFault> {
        let payload = match self.payload {
            Some(payload) => payload,
            None => match self.head(input)? {
                Some(payload) => payload,
                None => return Ok(None),
            },
        };
        match payload {
            Payload::Data {
                kind,
                left,
                is_last,
            } => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                if here == 0 && left > 0 {
                    self.payload = Some(payload);
                    return Ok(None);
                }
                let bytes = input.split_to(here);
                let left = left - here as u64;
                let rest = Payload::Data {
                    kind,
                    left,
                    is_last,
                };
                self.payload = (left > 0).then_some(rest);
                Ok(Some(Frame::Data {
                    kind,
                    bytes,
                    is_last: is_last && left == 0,
                }))
            }
            Payload::Control(kind, length) => {
                self.hold(length, input);
                if self.held.len() < length {
                    self.payload = Some(payload);
                    return Ok(None);
                }
                self.payload = None;
                let payload = Bytes::from(std::mem::take(&mut self.held));
                if kind == ControlKind::Close {
                    self.is_closed = true;
                    if payload.len() == 1 {
                        return Err(FrameFault::Code);
                    }
                }
                Ok(Some(Frame::Control(kind, payload)))
            }
        }
    }

    /// Holds so many bytes, if they are there.
    fn hold(&mut self, count: usize, input: &mut Bytes) {
        let missing = count.saturating_sub(self.held.len()).min(input.len());
        self.held
            .extend_from_slice(input.get(..missing).unwrap_or_default());
        input.advance(missing);
    }

    fn head(&mut self, input: &mut Bytes) -> Result<Option<Payload>, FrameFault> {
        if self.is_closed && !input.is_empty() {
            return Err(FrameFault::AfterClose);
        }
        self.hold(2, input);
        let [first, second, ..] = *self.held.as_slice() else {
            return Ok(None);
        };
        check(first, second)?;
        let more = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        self.hold(2 + more, input);
        if self.held.len() < 2 + more {
            return Ok(None);
        }
        debug_assert!(self.held.len() <= HEAD_BYTES_MAX, "a head");
        let long = self.held.iter().skip(2);
        let long = long.fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        self.held.clear();
        let (length, least) = match second {
            126 => (long, 126),
            127 => (long, 1 << 16),
            short => (u64::from(short), 0),
        };
        if length < least || length > FRAME_BYTES_MAX {
            return Err(FrameFault::Length);
        }
        self.begin(first, length).map(Some)
    }

    fn begin(&mut self, first: u8, length: u64) -> Result<Payload, FrameFault> {
        let is_last = first & FIN != 0;
        let control = |kind| {
            // `check` let no longer one through.
            let length = usize::try_from(length).unwrap_or(CONTROL_BYTES_MAX);
            Ok(Payload::Control(kind, length))
        };
        let kind = match (first & 0x0f, self.open) {
            (0, Some(kind)) => kind,
            (1, None) => DataKind::Text,
            (2, None) => DataKind::Binary,
            (8, _) => return control(ControlKind::Close),
            (9, _) => return control(ControlKind::Ping),
            (10, _) => return control(ControlKind::Pong),
            _ => return Err(FrameFault::Fragments),
        };
        self.open = (!is_last).then_some(kind);
        Ok(Payload::Data {
            kind,
            left: length,
            is_last,
        })
    }
}

/// What the first two bytes may say.
const fn check(first: u8, second: u8) -> Result<(), FrameFault> {
    let opcode = first & 0x0f;
    let is_control = opcode >= 8;
    if first & RESERVED != 0 {
        return Err(FrameFault::ReservedBits);
    }
    if !matches!(opcode, 0..=2 | 8..=10) {
        return Err(FrameFault::Opcode(opcode));
    }
    if second & MASKED != 0 {
        return Err(FrameFault::Masked);
    }
    if is_control && (first & FIN == 0 || second as usize > CONTROL_BYTES_MAX) {
        return Err(FrameFault::Control);
    }
    Ok(())
}

/// Writes one whole frame, its payload in parts.
pub(crate) fn write(opcode: u8, payload: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    out.push(FIN | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => out.push(short),
        (_, Ok(long)) => {
            out.push(126);
            out.extend_from_slice(&long.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    for part in payload {
        out.extend_from_slice(part);
    }
}
