//! Sessions: what any split of their bytes has to give, and a slow twin that reads them whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::session::{Channel, ChannelProtocol, ControlKind, SessionPart, SessionReader};
use crate::session::{FRAME_BYTES_MAX, SessionWriter};

const NAMES: [Option<&str>; 6] = [
    None,
    Some("channel.k8s.io"),
    Some("base64.channel.k8s.io"),
    Some("v4.channel.k8s.io"),
    Some("v4.base64.channel.k8s.io"),
    Some("v5.channel.k8s.io"),
];

/// A message: its channel (that it closes), what came of it, whether it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    channel: Channel,
    closes: bool,
    bytes: Vec<u8>,
    is_over: bool,
}

/// A session, however it was cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    messages: Vec<Message>,
    controls: Vec<(ControlKind, Vec<u8>)>,
    is_understood: bool,
}

impl Heard {
    fn add(&mut self, part: SessionPart) {
        let (channel, closes, bytes, is_over) = match part {
            SessionPart::Control(kind, payload) => {
                self.controls.push((kind, payload.to_vec()));
                return;
            }
            SessionPart::Output {
                channel,
                bytes,
                is_last,
            } => (channel, false, bytes, is_last),
            SessionPart::Empty(channel) => (channel, false, Bytes::new(), true),
            SessionPart::Closed(channel) => (channel, true, Bytes::new(), true),
        };
        match self.messages.last_mut().filter(|last| !last.is_over) {
            Some(open) => {
                assert_eq!(open.channel, channel, "within one message");
                open.bytes.extend_from_slice(&bytes);
                open.is_over = is_over;
            }
            None => self.messages.push(Message {
                channel,
                closes,
                bytes: bytes.to_vec(),
                is_over,
            }),
        }
    }

    /// All that was heard is the beginning of what `other` heard.
    fn begins(&self, other: &Self) -> bool {
        let messages = self.messages.iter().zip(&other.messages);
        let alike = messages.enumerate().all(|(index, (own, others))| {
            let is_last = index + 1 == self.messages.len();
            own == others || is_last && others.bytes.starts_with(&own.bytes)
        });
        alike
            && self.messages.len() <= other.messages.len()
            && other.controls.starts_with(&self.controls)
    }
}

fn hear(protocol: ChannelProtocol, pieces: &[&[u8]]) -> Heard {
    let mut reader = SessionReader::new(protocol);
    let mut heard = Heard::default();
    for piece in pieces {
        let mut bytes = Bytes::copy_from_slice(piece);
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(part)) => heard.add(part),
                Ok(None) => break,
                Err(_) => return heard,
            }
        }
        assert!(bytes.is_empty(), "what came was read");
    }
    heard.is_understood = true;
    heard
}

/// The first byte chooses the subprotocol, the second the cut; the rest comes from a server. Any
/// split gives the same, the slow twin hears the same, and what is written again is read again.
pub(super) fn check(input: &[u8]) {
    let Some(([choice, cut], bytes)) = input.split_first_chunk() else {
        return;
    };
    let name = NAMES.get(usize::from(*choice) % NAMES.len());
    let Some(protocol) = name.and_then(|name| ChannelProtocol::of_name(*name)) else {
        return;
    };
    let whole = hear(protocol, &[bytes]);
    let pair = bytes.split_at_checked(usize::from(*cut).min(bytes.len()));
    let (front, back) = pair.unwrap_or_default();
    let cut = hear(protocol, &[front, back]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let single = hear(protocol, &single);
    let twin = twin(protocol, bytes);
    assert_eq!(whole.is_understood, twin.is_understood, "another verdict");
    assert_eq!(cut.is_understood, twin.is_understood, "another verdict");
    assert_eq!(single.is_understood, twin.is_understood, "another verdict");
    if twin.is_understood {
        assert_eq!(whole, twin, "other parts than the twin");
        assert_eq!(cut, twin, "the split matters");
        assert_eq!(single, twin, "the split matters");
        check_writer(protocol, &twin);
    } else {
        assert!(
            whole.begins(&single) && cut.begins(&single),
            "the split matters"
        );
    }
}

fn check_writer(protocol: ChannelProtocol, heard: &Heard) {
    let writer = SessionWriter::new(protocol);
    let mut out = Vec::new();
    for message in &heard.messages {
        if message.closes {
            writer.closed(message.channel, &mut out);
        } else {
            writer.output(message.channel, &message.bytes, &mut out);
        }
    }
    for (kind, payload) in &heard.controls {
        writer.control(*kind, payload, &mut out);
    }
    let mut again = hear(protocol, &[&out]);
    let mut expected = heard.messages.clone();
    for message in &mut expected {
        message.is_over = true;
    }
    assert!(again.is_understood, "what is written is understood");
    assert_eq!(again.messages, expected, "what is written is read");
    again.messages.clear();
    assert_eq!(again.controls, heard.controls, "what is written is read");
}

/// A frame of a whole text, perhaps cut by its end.
struct Raw<'a> {
    opcode: u8,
    is_final: bool,
    payload: &'a [u8],
    is_whole: bool,
}

/// What a whole text is made of.
struct Cut<'a> {
    frames: Vec<Raw<'a>>,
    /// Behind them stands a part of a head.
    has_more: bool,
    /// Each head is one that a server may send.
    is_sound: bool,
}

fn frames(bytes: &[u8]) -> Cut<'_> {
    let mut cut = Cut {
        frames: Vec::new(),
        has_more: false,
        is_sound: false,
    };
    let mut rest = bytes;
    while let [first, second, behind @ ..] = rest {
        let (opcode, is_final) = (first & 15, first & 128 != 0);
        let is_known = opcode < 3 || (8..11).contains(&opcode);
        let is_small = opcode < 8 || is_final && *second < 126;
        if first & 112 != 0 || second & 128 != 0 || !is_known || !is_small {
            return cut;
        }
        let digits = match second {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        let Some((digits, behind)) = behind.split_at_checked(digits) else {
            break;
        };
        let long = digits
            .iter()
            .fold(0, |sum, digit| sum * 256 + u64::from(*digit));
        let (length, least) = match digits.len() {
            8 => (long, 65_536),
            2 => (long, 126),
            _ => (u64::from(*second), 0),
        };
        if length < least || length > FRAME_BYTES_MAX {
            return cut;
        }
        let here = behind.len().min(usize::try_from(length).unwrap_or(0));
        let (payload, behind) = behind.split_at_checked(here).unwrap_or_default();
        rest = behind;
        cut.frames.push(Raw {
            opcode,
            is_final,
            payload,
            is_whole: here as u64 == length,
        });
    }
    cut.has_more = !rest.is_empty();
    cut.is_sound = true;
    cut
}

/// The session as a whole: its frames, then their messages, each whole or cut by the end.
fn twin(protocol: ChannelProtocol, bytes: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let mut message: Option<(u8, Vec<u8>)> = None;
    let mut is_closed = false;
    let Cut {
        frames,
        has_more,
        is_sound,
    } = frames(bytes);
    for frame in frames {
        let is_control = frame.opcode > 7;
        if is_closed || !is_control && (frame.opcode == 0) != message.is_some() {
            return heard;
        }
        if is_control {
            if !frame.is_whole {
                continue;
            }
            let kind = match frame.opcode {
                8 => ControlKind::Close,
                9 => ControlKind::Ping,
                _ => ControlKind::Pong,
            };
            is_closed = kind == ControlKind::Close;
            if is_closed && frame.payload.len() == 1 {
                return heard;
            }
            heard.controls.push((kind, frame.payload.to_vec()));
            continue;
        }
        let (kind, mut content) = message.take().unwrap_or((frame.opcode, Vec::new()));
        content.extend_from_slice(frame.payload);
        // A head alone says what kind it is, but nothing is said before bytes or the end come.
        let speaks = !frame.payload.is_empty() || frame.is_whole;
        if speaks && (kind == 1) != is_base64(protocol) {
            return heard;
        }
        if frame.is_final && frame.is_whole {
            if !interpret(protocol, &mut heard, &content, true) {
                return heard;
            }
        } else {
            message = Some((kind, content));
        }
    }
    let is_read = message.is_none_or(|(_, content)| {
        // What came of a message that is not over.
        interpret(protocol, &mut heard, &content, false)
    });
    heard.is_understood = is_sound && is_read && !(is_closed && has_more);
    heard
}

fn is_base64(protocol: ChannelProtocol) -> bool {
    let texts = NAMES
        .iter()
        .filter(|name| name.is_some_and(|name| name.contains("base64")));
    texts
        .map(|name| ChannelProtocol::of_name(*name))
        .any(|text| text == Some(protocol))
}

fn channel(number: u8) -> Option<Channel> {
    let all = [
        Channel::Stdin,
        Channel::Stdout,
        Channel::Stderr,
        Channel::Error,
    ];
    all.into_iter().nth(usize::from(number))
}

/// Adds a message; false if it is not understood.
fn interpret(protocol: ChannelProtocol, heard: &mut Heard, content: &[u8], is_over: bool) -> bool {
    let Some((first, rest)) = content.split_first() else {
        return !is_over;
    };
    let has_close = ChannelProtocol::of_name(Some("v5.channel.k8s.io")) == Some(protocol);
    if *first == 255 && has_close {
        return closes(heard, rest, is_over);
    }
    let (number, bytes) = if is_base64(protocol) {
        (first.wrapping_sub(48), decoded(rest, is_over))
    } else {
        (*first, Some(rest.to_vec()))
    };
    let (Some(channel), Some(bytes)) = (channel(number), bytes) else {
        return false;
    };
    if is_over || !bytes.is_empty() {
        heard.messages.push(Message {
            channel,
            closes: false,
            bytes,
            is_over,
        });
    }
    true
}

fn closes(heard: &mut Heard, rest: &[u8], is_over: bool) -> bool {
    let closed = match rest {
        [] => return !is_over,
        [one] => channel(*one),
        _ => None,
    };
    if let (Some(channel), true) = (closed, is_over) {
        heard.messages.push(Message {
            channel,
            closes: true,
            bytes: Vec::new(),
            is_over,
        });
    }
    closed.is_some()
}

/// Four digits at a time.
fn decoded(digits: &[u8], is_over: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut is_padded = false;
    for quad in digits.chunks(4) {
        if is_padded {
            return None;
        }
        if quad.len() < 4 {
            return (!is_over).then_some(bytes);
        }
        is_padded = quad.contains(&b'=');
        bytes.extend(STANDARD.decode(quad).ok()?);
    }
    Some(bytes)
}
