//! HTTP/2 frame by frame, for requests that no HTTP/2 library would send.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

use crate::tls::{Tls, client_config, connect};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types this harness sends or looks at (RFC 9113 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// DATA
    Data,
    /// HEADERS
    Headers,
    /// RST_STREAM
    Reset,
    /// SETTINGS
    Settings,
    /// PING
    Ping,
    /// GOAWAY
    GoAway,
    /// WINDOW_UPDATE
    WindowUpdate,
    /// CONTINUATION
    Continuation,
    /// Any other.
    Other(u8),
}

/// One frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Type.
    pub kind: FrameKind,
    /// Flags.
    pub flags: u8,
    /// Stream.
    pub stream: u32,
    /// Payload.
    pub payload: Vec<u8>,
}

/// A connection of frames; the preface is already exchanged.
pub struct Frames<S = Tls> {
    stream: S,
}

/// A server's side of a connection of frames.
pub type ServerFrames = Frames<StreamOwned<ServerConnection, TcpStream>>;

/// END_STREAM and END_HEADERS.
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

impl FrameKind {
    const fn number(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Headers => 1,
            Self::Reset => 3,
            Self::Settings => 4,
            Self::Ping => 6,
            Self::GoAway => 7,
            Self::WindowUpdate => 8,
            Self::Continuation => 9,
            Self::Other(number) => number,
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Data,
            1 => Self::Headers,
            3 => Self::Reset,
            4 => Self::Settings,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            other => Self::Other(other),
        }
    }
}

/// A header block of literal fields without indexing and without Huffman coding, so that every byte
/// is as written.
#[must_use]
pub fn header_block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x00);
        literal(&mut block, name.as_bytes());
        literal(&mut block, value.as_bytes());
    }
    block
}

fn literal(block: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).expect("below 127"));
    } else {
        block.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).expect("below 128") | 0x80);
            rest /= 128;
        }
        block.push(u8::try_from(rest).expect("below 128"));
    }
    block.extend(text);
}

impl Frame {
    /// HEADERS with a whole block; `end` ends the stream too.
    #[must_use]
    pub fn headers(stream: u32, block: Vec<u8>, end: bool) -> Self {
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        Self {
            kind: FrameKind::Headers,
            flags,
            stream,
            payload: block,
        }
    }

    /// DATA.
    #[must_use]
    pub fn data(stream: u32, payload: &[u8], end: bool) -> Self {
        Self {
            kind: FrameKind::Data,
            flags: u8::from(end),
            stream,
            payload: payload.to_vec(),
        }
    }

    /// RST_STREAM with CANCEL.
    #[must_use]
    pub fn cancel(stream: u32) -> Self {
        Self::reset(stream, 8)
    }

    /// RST_STREAM with REFUSED_STREAM.
    #[must_use]
    pub fn refuse(stream: u32) -> Self {
        Self::reset(stream, 7)
    }

    fn reset(stream: u32, code: u32) -> Self {
        Self {
            kind: FrameKind::Reset,
            flags: 0,
            stream,
            payload: code.to_be_bytes().to_vec(),
        }
    }

    /// GOAWAY with NO_ERROR: streams above `last` were not processed.
    #[must_use]
    pub fn go_away(last: u32) -> Self {
        Self {
            kind: FrameKind::GoAway,
            flags: 0,
            stream: 0,
            payload: [last.to_be_bytes(), [0; 4]].concat(),
        }
    }

    /// The `:status` of a response's HEADERS frame, if this is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        (self.kind == FrameKind::Headers)
            .then(|| status_of(&self.payload))
            .flatten()
    }

    fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a frame's length");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.push(self.kind.number());
        bytes.push(self.flags);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

impl ServerFrames {
    /// Takes the preface and sends settings.
    ///
    /// # Errors
    /// When the other side does not speak HTTP/2.
    pub(crate) fn accept(stream: StreamOwned<ServerConnection, TcpStream>) -> Result<Self> {
        let mut frames = Self { stream };
        let mut preface = [0; PREFACE.len()];
        frames.stream.read_exact(&mut preface)?;
        frames.send(&Frame {
            kind: FrameKind::Settings,
            flags: 0,
            stream: 0,
            payload: Vec::new(),
        })?;
        Ok(frames)
    }

    /// The stream of the next request, whose body is read and left out.
    ///
    /// # Errors
    /// Whatever the connection says.
    pub fn next_request(&mut self) -> Result<u32> {
        loop {
            let frame = self.next_frame()?;
            let is_message = matches!(frame.kind, FrameKind::Headers | FrameKind::Data);
            if is_message && frame.flags & END_STREAM != 0 {
                return Ok(frame.stream);
            }
        }
    }
}

impl Frames {
    /// Connects with ALPN `h2`, sends the preface and settings.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn connect(address: SocketAddr, ca_pem: &str) -> Self {
        let config = client_config(ca_pem, &["h2"], None);
        let stream = connect(address, "127.0.0.1", config).expect("a TLS connection");
        let mut frames = Self { stream };
        frames.stream.write_all(PREFACE).expect("the preface");
        frames
            .send(&Frame {
                kind: FrameKind::Settings,
                flags: 0,
                stream: 0,
                // SETTINGS_HEADER_TABLE_SIZE 0: answers refer to nothing but the static table.
                payload: vec![0, 1, 0, 0, 0, 0],
            })
            .expect("settings");
        frames
    }

    /// Reads give up after this long.
    pub fn set_patience(&self, patience: Duration) {
        let set = self.stream.sock.set_read_timeout(Some(patience));
        set.expect("a read timeout");
    }

    /// What became of a stream: its status, or `None` if it was reset or the connection was ended.
    #[must_use]
    pub fn outcome(&mut self, stream: u32) -> Option<u16> {
        loop {
            match self.next_frame() {
                Ok(frame) if frame.kind == FrameKind::GoAway => return None,
                Ok(frame) if frame.stream != stream => {}
                Ok(frame) if frame.kind == FrameKind::Reset => return None,
                Ok(frame) if frame.kind == FrameKind::Headers => return frame.status(),
                Ok(_) => {}
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                    panic!("no answer on stream {stream}")
                }
                Err(_) => return None,
            }
        }
    }
}

impl<S: Read + Write> Frames<S> {
    /// Sends one frame.
    ///
    /// # Errors
    /// When the other side closed.
    pub fn send(&mut self, frame: &Frame) -> Result<()> {
        self.stream.write_all(&frame.bytes())?;
        self.stream.flush()
    }

    /// The next frame; settings and pings are answered on the way.
    ///
    /// # Errors
    /// `UnexpectedEof` at the end.
    pub fn next_frame(&mut self) -> Result<Frame> {
        loop {
            let frame = self.read()?;
            let own = frame.kind == FrameKind::Settings || frame.kind == FrameKind::Ping;
            if !own && frame.kind != FrameKind::WindowUpdate {
                return Ok(frame);
            }
            if own && frame.flags & 1 == 0 {
                let payload = if frame.kind == FrameKind::Ping {
                    frame.payload
                } else {
                    Vec::new()
                };
                self.send(&Frame {
                    kind: frame.kind,
                    flags: 1,
                    stream: 0,
                    payload,
                })?;
            }
        }
    }

    fn read(&mut self) -> Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame {
            kind: FrameKind::of(head[3]),
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
            payload,
        })
    }
}

impl<S> std::fmt::Debug for Frames<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

/// `:status` comes first: as an entry of the static table (RFC 7541 appendix A, 8 to 14), or as a
/// literal with the name of entry 8.
fn status_of(block: &[u8]) -> Option<u16> {
    // Dynamic table size updates may stand before it.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    let first = *block.get(start)?;
    let known = [200, 204, 206, 304, 400, 404, 500];
    if first & 0x80 != 0 {
        let index = usize::from(first & 0x7f).checked_sub(8)?;
        return known.get(index).copied();
    }
    let length = *block.get(start + 1)?;
    let value = block.get(start + 2..start + 2 + usize::from(length & 0x7f))?;
    if length & 0x80 == 0 {
        return std::str::from_utf8(value).ok()?.parse().ok();
    }
    huffman_digits(value)
}

/// Digits only: `0` to `2` have five bits, `3` to `9` six (RFC 7541 appendix B).
fn huffman_digits(bytes: &[u8]) -> Option<u16> {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1))
        .collect();
    let mut rest = bits.as_slice();
    let mut number = 0;
    for _ in 0..3 {
        let five = rest
            .get(..5)?
            .iter()
            .fold(0_u16, |sum, bit| sum * 2 + u16::from(*bit));
        let (digit, used) = if five <= 2 {
            (five, 5)
        } else {
            let six = five * 2 + u16::from(*rest.get(5)?);
            (six.checked_sub(25)? + 3, 6)
        };
        number = number * 10 + digit;
        rest = rest.get(used..)?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_status_in_each_coding() {
        assert_eq!(status_of(&[0x8c]), Some(400));
        assert_eq!(status_of(&[0x48, 0x03, b'4', b'0', b'3']), Some(403));
        // 403 in Huffman: 011010 00000 011001, padded with ones.
        assert_eq!(status_of(&[0x48, 0x83, 0x68, 0x0c, 0xff]), Some(403));
        // 302 as in RFC 7541 C.6.1.
        assert_eq!(status_of(&[0x48, 0x82, 0x64, 0x02]), Some(302));
    }

    #[test]
    fn long_literals_carry_their_length_in_seven_bit_groups() {
        let value = "v".repeat(300);
        let block = header_block(&[("n", &value)]);
        assert_eq!(&block[..6], &[0x00, 0x01, b'n', 127, 0xad, 0x01]);
        assert_eq!(block.len(), 6 + 300);
    }
}
