//! What an API server sends in an exec or attach session over WebSocket (K-6.4 to K-6.6).
//!
//! [`SessionReader`] takes the bytes as they come, at any split, and gives the output of each channel
//! decoded, without waiting for the end of a message; [`SessionWriter`] makes messages of the same
//! subprotocol again. What is not understood is a [`SessionFault`]: the session has to end, because
//! nobody knows what its bytes mean.

mod frame;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

pub use frame::{CONTROL_BYTES_MAX, ControlKind, FRAME_BYTES_MAX, FrameFault};
pub(crate) use frame::{DataKind, Frame, FrameReader, write};

/// The number that closes a channel (v5 alone).
const CLOSE: u8 = 255;

/// One of the subprotocols of exec and attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelProtocol {
    kind: DataKind,
    has_status: bool,
    has_close: bool,
}

impl ChannelProtocol {
    /// The subprotocol that `Sec-WebSocket-Protocol` of the answer names; without that header it is
    /// `channel.k8s.io`. `None` for any other.
    #[must_use]
    pub fn of_name(name: Option<&str>) -> Option<Self> {
        let (kind, has_status, has_close) = match name {
            None | Some("channel.k8s.io") => (DataKind::Binary, false, false),
            Some("base64.channel.k8s.io") => (DataKind::Text, false, false),
            Some("v4.channel.k8s.io") => (DataKind::Binary, true, false),
            Some("v4.base64.channel.k8s.io") => (DataKind::Text, true, false),
            Some("v5.channel.k8s.io") => (DataKind::Binary, true, true),
            Some(_) => return None,
        };
        Some(Self {
            kind,
            has_status,
            has_close,
        })
    }

    /// The error channel carries a `Status` as JSON; before v4 it carries text.
    #[must_use]
    pub const fn has_status(self) -> bool {
        self.has_status
    }

    const fn is_base64(self) -> bool {
        match self.kind {
            DataKind::Text => true,
            DataKind::Binary => false,
        }
    }
}

/// A channel on which the API server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Nothing but the empty message that tells that the session is there; it is read as output.
    Stdin,
    /// Standard output, or the whole terminal.
    Stdout,
    /// Standard error.
    Stderr,
    /// How it ended.
    Error,
}

impl Channel {
    const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Stdin),
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            3 => Some(Self::Error),
            _ => None,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Error => 3,
        }
    }
}

/// Why the bytes of a session are not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionFault {
    /// Below the messages.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// Text where the subprotocol has binary messages, or the other way round.
    #[error("a message of the wrong kind for the subprotocol")]
    Kind,
    /// A message without its first byte.
    #[error("a message without a channel")]
    NoChannel,
    /// A channel on which an API server sends nothing.
    #[error("a message on channel {0}")]
    Channel(u8),
    /// A base64 subprotocol and something else in it.
    #[error("a message that is not base64")]
    Base64,
    /// Closes no channel, or more than one.
    #[error("a message that closes no channel")]
    Close,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionPart {
    /// Output of a channel: some of a message, perhaps of no bytes.
    Output {
        /// Which.
        channel: Channel,
        /// Decoded.
        bytes: Bytes,
        /// The message is over; it was not an empty one.
        is_last: bool,
    },
    /// A whole message without any output: the API server begins a session with one.
    Empty(Channel),
    /// Nothing more comes on this channel.
    Closed(Channel),
    /// A control frame, whole.
    Control(ControlKind, Bytes),
}

/// The message under way.
#[derive(Debug, Default)]
enum Message {
    /// None, or its channel did not come yet.
    #[default]
    Begins,
    /// Output.
    On {
        channel: Channel,
        is_empty: bool,
        digits: Digits,
    },
    /// Closes a channel, which did not come yet or did.
    Closes(Option<Channel>),
}

/// Reads the server's side of a session, at any split.
#[derive(Debug)]
pub struct SessionReader {
    protocol: ChannelProtocol,
    frames: FrameReader,
    message: Message,
}

impl SessionReader {
    /// A session at its start, right behind the head of the answer.
    #[must_use]
    pub fn new(protocol: ChannelProtocol) -> Self {
        Self {
            protocol,
            frames: FrameReader::default(),
            message: Message::Begins,
        }
    }

    /// Takes the next part off the front of `input`; `None` when more has to come.
    ///
    /// # Errors
    /// [`SessionFault`]; the session cannot be read any further.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<SessionPart>, SessionFault> {
        while let Some(frame) = self.frames.next(input)? {
            match frame {
                Frame::Control(kind, payload) => {
                    return Ok(Some(SessionPart::Control(kind, payload)));
                }
                Frame::Data {
                    kind,
                    bytes,
                    is_last,
                } => {
                    if kind != self.protocol.kind {
                        return Err(SessionFault::Kind);
                    }
                    if let Some(part) = self.data(bytes, is_last)? {
                        return Ok(Some(part));
                    }
                }
            }
        }
        Ok(None)
    }

    fn data(
        &mut self,
        mut bytes: Bytes,
        is_last: bool,
    ) -> Result<Option<SessionPart>, SessionFault> {
        if matches!(self.message, Message::Begins) {
            let Some(first) = bytes.first().copied() else {
                return if is_last {
                    Err(SessionFault::NoChannel)
                } else {
                    Ok(None)
                };
            };
            bytes = bytes.slice(1..);
            self.message = self.begin(first)?;
        }
        let part = match &mut self.message {
            Message::Begins => None,
            Message::On {
                channel,
                is_empty,
                digits,
            } => {
                let channel = *channel;
                *is_empty &= bytes.is_empty();
                if *is_empty && is_last {
                    Some(SessionPart::Empty(channel))
                } else {
                    if self.protocol.is_base64() {
                        bytes = digits.decode(&bytes, is_last)?;
                    }
                    let is_part = is_last || !bytes.is_empty();
                    is_part.then_some(SessionPart::Output {
                        channel,
                        bytes,
                        is_last,
                    })
                }
            }
            Message::Closes(closed) => {
                for byte in bytes {
                    let channel = Channel::of_number(byte).ok_or(SessionFault::Close)?;
                    if closed.replace(channel).is_some() {
                        return Err(SessionFault::Close);
                    }
                }
                if is_last {
                    Some(SessionPart::Closed(closed.ok_or(SessionFault::Close)?))
                } else {
                    None
                }
            }
        };
        if is_last {
            self.message = Message::Begins;
        }
        Ok(part)
    }

    fn begin(&self, first: u8) -> Result<Message, SessionFault> {
        if first == CLOSE && self.protocol.has_close {
            return Ok(Message::Closes(None));
        }
        let number = if self.protocol.is_base64() {
            first.wrapping_sub(b'0')
        } else {
            first
        };
        let channel = Channel::of_number(number).ok_or(SessionFault::Channel(first))?;
        Ok(Message::On {
            channel,
            is_empty: true,
            digits: Digits::default(),
        })
    }
}

/// Base64 of one message, as it comes.
#[derive(Debug, Default)]
struct Digits {
    /// Fewer than four.
    rest: Vec<u8>,
    /// The padding came: there is nothing behind it.
    is_over: bool,
}

impl Digits {
    fn decode(&mut self, piece: &[u8], is_last: bool) -> Result<Bytes, SessionFault> {
        if self.is_over && !piece.is_empty() {
            return Err(SessionFault::Base64);
        }
        let mut digits = std::mem::take(&mut self.rest);
        digits.extend_from_slice(piece);
        let whole = digits.len() - digits.len() % 4;
        self.rest = digits.split_off(whole);
        self.is_over |= digits.last() == Some(&b'=');
        if (is_last || self.is_over) && !self.rest.is_empty() {
            return Err(SessionFault::Base64);
        }
        let decoded = STANDARD.decode(digits);
        decoded.map(Bytes::from).map_err(|error| match error {
            base64::DecodeError::InvalidByte(..)
            | base64::DecodeError::InvalidLength(_)
            | base64::DecodeError::InvalidLastSymbol(..)
            | base64::DecodeError::InvalidPadding => SessionFault::Base64,
        })
    }
}

/// Writes messages of a subprotocol as an API server does.
#[derive(Debug, Clone, Copy)]
pub struct SessionWriter(ChannelProtocol);

impl SessionWriter {
    /// For a session of this subprotocol.
    #[must_use]
    pub const fn new(protocol: ChannelProtocol) -> Self {
        Self(protocol)
    }

    /// Output of a channel, in a message of its own.
    pub fn output(self, channel: Channel, output: &[u8], out: &mut Vec<u8>) {
        if self.0.is_base64() {
            let text = STANDARD.encode(output);
            let first = [b'0' + channel.number()];
            write(self.0.kind.opcode(), &[&first, text.as_bytes()], out);
        } else {
            let first = [channel.number()];
            write(self.0.kind.opcode(), &[&first, output], out);
        }
    }

    /// Nothing more comes on this channel.
    pub fn closed(self, channel: Channel, out: &mut Vec<u8>) {
        let payload = [CLOSE, channel.number()];
        write(self.0.kind.opcode(), &[&payload], out);
    }

    /// A control frame; its payload is cut to what one may hold.
    pub fn control(self, kind: ControlKind, payload: &[u8], out: &mut Vec<u8>) {
        let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
        write(kind.opcode(), &[payload], out);
    }
}
