//! HTTP/1.1 byte by byte: what is sent is what the test wrote.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;

use crate::tls::{Tls, connect};

/// One connection.
pub struct Wire {
    stream: Tls,
    buffer: Vec<u8>,
    framing: Framing,
}

/// How the body under way ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Done,
    Length(usize),
    Chunked,
    UntilClose,
}

/// A request as text.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

/// A GET of that target.
#[must_use]
pub fn get(target: &str) -> Request {
    Request::new("GET", target)
}

impl Request {
    /// A request with nothing but a `Host`.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        let headers = vec![("Host".to_owned(), "127.0.0.1".to_owned())];
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: None,
        }
    }

    /// One more header line, repeated ones included.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The `Host` in place of the usual one.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.headers[0].1 = host.to_owned();
        self
    }

    /// `Authorization: Bearer`.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// `User-Agent`, by which the API server's audit event is found.
    #[must_use]
    pub fn agent(self, agent: &str) -> Self {
        self.header("User-Agent", agent)
    }

    /// A body with its length.
    #[must_use]
    pub fn body(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        let mut request = self
            .header("Content-Type", media_type)
            .header("Content-Length", &length);
        request.body = Some(body);
        request
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

impl Answer {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|fault| {
            panic!(
                "status {} and no JSON ({fault}): {}",
                self.status,
                self.text()
            )
        })
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    /// Connects and does the TLS handshake.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn connect(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> Self {
        let stream = connect(address, name, config).expect("a TLS connection");
        Self::over(stream)
    }

    pub(crate) fn over(stream: Tls) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            framing: Framing::Done,
        }
    }

    /// Reads give up after this long.
    pub fn set_patience(&self, patience: Duration) {
        let set = self.stream.sock.set_read_timeout(Some(patience));
        set.expect("a read timeout");
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// When the other side closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn ask(&mut self, request: &Request) -> Answer {
        self.send(&request.bytes()).expect("the request is sent");
        self.answer(request.method != "HEAD")
            .expect("an answer is read")
    }

    /// Reads one whole answer; `with_body` is false for answers to HEAD.
    ///
    /// # Errors
    /// When the connection ends before the answer does.
    pub fn answer(&mut self, with_body: bool) -> Result<Answer> {
        let mut answer = self.head()?;
        if !with_body {
            self.framing = Framing::Done;
        }
        while let Some(piece) = self.piece()? {
            answer.body.extend(piece);
        }
        Ok(answer)
    }

    /// Reads an answer's head; informational ones are skipped.
    ///
    /// # Errors
    /// When the connection ends before it does.
    pub fn head(&mut self) -> Result<Answer> {
        loop {
            let mut lines = Vec::new();
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                lines.push(line);
            }
            let answer = parse_head(&lines)?;
            if answer.status >= 200 || answer.status == 101 {
                self.framing = framing(&answer);
                return Ok(answer);
            }
        }
    }

    /// The next piece of the body; `None` at its proper end.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection ends before the body does.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>> {
        match self.framing {
            Framing::Done | Framing::Length(0) => {
                self.framing = Framing::Done;
                Ok(None)
            }
            Framing::Length(left) => {
                if self.buffer.is_empty() {
                    self.fill()?;
                }
                let taken = left.min(self.buffer.len());
                self.framing = Framing::Length(left - taken);
                Ok(Some(self.buffer.drain(..taken).collect()))
            }
            Framing::Chunked => self.chunk(),
            Framing::UntilClose => {
                if !self.buffer.is_empty() {
                    return Ok(Some(std::mem::take(&mut self.buffer)));
                }
                match self.fill() {
                    Ok(()) => Ok(Some(std::mem::take(&mut self.buffer))),
                    Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => {
                        self.framing = Framing::Done;
                        Ok(None)
                    }
                    Err(fault) => Err(fault),
                }
            }
        }
    }

    /// Reads until the other side closes; gives everything after the last answer.
    #[must_use]
    pub fn rest(mut self) -> Vec<u8> {
        while self.fill().is_ok() {}
        self.buffer
    }

    /// The next bytes as they come, past any framing.
    ///
    /// # Errors
    /// `UnexpectedEof` at the end.
    pub fn raw(&mut self) -> Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Exactly this many bytes, past any framing.
    ///
    /// # Errors
    /// `UnexpectedEof` when fewer come.
    pub fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// True when nothing comes after what was read but the end, within the patience.
    #[must_use]
    pub fn is_closed(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return false;
        }
        match self.fill() {
            Ok(()) => false,
            Err(fault) => fault.kind() != ErrorKind::WouldBlock,
        }
    }

    fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| Error::new(ErrorKind::InvalidData, format!("chunk size `{line}`")))?;
        if size == 0 {
            while !self.line()?.is_empty() {}
            self.framing = Framing::Done;
            return Ok(None);
        }
        let chunk = self.exactly(size)?;
        self.line()?;
        Ok(Some(chunk))
    }

    fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend(&piece[..count]);
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({:?})", self.stream.sock)
    }
}

fn parse_head(lines: &[String]) -> Result<Answer> {
    let invalid = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
    let status = lines
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid("no status line"))?;
    let mut headers = Vec::new();
    for line in &lines[1..] {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| invalid("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Answer {
        status,
        headers,
        body: Vec::new(),
    })
}

fn framing(answer: &Answer) -> Framing {
    if matches!(answer.status, 101 | 204 | 304) {
        return Framing::Done;
    }
    if answer
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        return Framing::Chunked;
    }
    match answer
        .header("content-length")
        .and_then(|length| length.parse().ok())
    {
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    }
}
