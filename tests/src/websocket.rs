//! Enough of RFC 6455 to speak with exec, attach and port-forward.

use std::io::{Error, ErrorKind, Result};

use crate::wire::{Answer, Request, Wire};

/// An upgraded connection.
#[derive(Debug)]
pub struct WebSocket {
    wire: Wire,
}

impl WebSocket {
    /// The upgrade request for that target and these subprotocols.
    #[must_use]
    pub fn request(target: &str, protocols: &[&str]) -> Request {
        let request = Request::new("GET", target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        if protocols.is_empty() {
            return request;
        }
        request.header("Sec-WebSocket-Protocol", &protocols.join(", "))
    }

    /// Upgrades, or gives the answer that was no 101.
    ///
    /// # Errors
    /// The refusal.
    pub fn open(mut wire: Wire, request: &Request) -> std::result::Result<Self, Box<Answer>> {
        wire.send(&request.bytes()).expect("the request is sent");
        let mut head = wire.head().expect("an answer is read");
        if head.status == 101 {
            return Ok(Self { wire });
        }
        while let Ok(Some(piece)) = wire.piece() {
            head.body.extend(piece);
        }
        Err(Box::new(head))
    }

    /// The connection below.
    pub const fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Sends a binary message. Its mask is zero, which is a mask like any other.
    ///
    /// # Errors
    /// When the other side closed.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        let mut frame = vec![0x82];
        match message.len() {
            length @ 0..=125 => frame.push(0x80 | u8::try_from(length).expect("at most 125")),
            length => {
                frame.push(0x80 | 126);
                let length = u16::try_from(length).expect("messages here are short");
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(message);
        self.wire.send(&frame)
    }

    /// The next data message; `None` when the other side says close. Pings are answered.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection ends without a close.
    pub fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        loop {
            let head = self.wire.exactly(2)?;
            let (fin, code) = (head[0] & 0x80 != 0, head[0] & 0x0f);
            let length = match head[1] & 0x7f {
                126 => u64::from(u16::from_be_bytes(self.array()?)),
                127 => u64::from_be_bytes(self.array()?),
                length => u64::from(length),
            };
            let length = usize::try_from(length).expect("a 64-bit machine");
            let payload = self.wire.exactly(length)?;
            match code {
                0..=2 => message.extend(payload),
                8 => return Ok(None),
                9 => {
                    let length = u8::try_from(payload.len()).expect("a ping is short");
                    let mut pong = vec![0x8a, 0x80 | length, 0, 0, 0, 0];
                    pong.extend(payload);
                    self.wire.send(&pong)?;
                    continue;
                }
                _ => continue,
            }
            if fin {
                return Ok(Some(message));
            }
        }
    }

    /// All data messages up to the close, each with its channel in front.
    ///
    /// # Errors
    /// When the connection ends without a close.
    pub fn messages(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut messages = Vec::new();
        while let Some(message) = self.receive()? {
            messages.push(message);
        }
        Ok(messages)
    }

    /// Messages of one channel until that many bytes of it came.
    ///
    /// # Errors
    /// When the session ends before.
    pub fn channel(&mut self, channel: u8, count: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let message = self.receive()?.ok_or(ErrorKind::UnexpectedEof)?;
            if message.first() == Some(&channel) {
                bytes.extend(&message[1..]);
            }
        }
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.wire.exactly(N)?;
        bytes
            .try_into()
            .map_err(|_| Error::from(ErrorKind::UnexpectedEof))
    }
}
