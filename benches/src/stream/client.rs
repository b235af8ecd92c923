//! A client that reads answers as they come.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::load::Protocol;

const READ_BYTES: usize = 64 * 1024;
/// BOUND: an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How much a client takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appetite {
    /// Windows that are never what bounds the rate.
    Large,
    /// Little waits for it in the system's buffers or in its windows.
    Small,
}

/// One connection.
#[derive(Debug)]
pub enum Connection {
    /// HTTP/1.1.
    Http1(Box<Http1>),
    /// HTTP/2.
    Http2(h2::client::SendRequest<Bytes>),
}

/// A connection over HTTP/1.1 and what was read of it already.
#[derive(Debug)]
pub struct Http1 {
    stream: TlsStream<TcpStream>,
    read: BytesMut,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body<'a> {
    /// In chunks.
    Chunked {
        /// Where they come from.
        connection: &'a mut Http1,
        /// Bytes until the end of this chunk.
        left: usize,
        /// Whether a chunk went before.
        is_first: bool,
    },
    /// So many bytes.
    Sized {
        /// Where they come from.
        connection: &'a mut Http1,
        /// Bytes until the end.
        left: usize,
    },
    /// Of a stream.
    Http2(h2::RecvStream),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Whatever TCP, TLS or HTTP/2 say.
    pub async fn open(
        address: SocketAddr,
        tls: Arc<ClientConfig>,
        protocol: Protocol,
        appetite: Appetite,
    ) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if appetite == Appetite::Small {
            socket.set_recv_buffer_size(32 * 1024)?;
        }
        let socket = socket.connect(address).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("127.0.0.1")?;
        let stream = TlsConnector::from(tls).connect(name, socket).await?;
        match protocol {
            Protocol::Http1 => Ok(Self::Http1(Box::new(Http1 {
                stream,
                read: BytesMut::new(),
            }))),
            Protocol::Http2 => {
                let mut builder = h2::client::Builder::new();
                if appetite == Appetite::Large {
                    builder
                        .initial_window_size(4 << 20)
                        .initial_connection_window_size(16 << 20);
                }
                let (sender, connection) = builder.handshake(stream).await?;
                // What breaks it shows in the requests.
                tokio::spawn(async move { drop(connection.await) });
                Ok(Self::Http2(sender))
            }
        }
    }

    /// Asks, and returns when the head of a good answer is there.
    ///
    /// # Errors
    /// The connection broke, or the answer is a refusal.
    pub async fn get<'a>(&'a mut self, target: &str, headers: &[String]) -> Result<Body<'a>> {
        match self {
            Self::Http1(connection) => connection.get(target, headers).await,
            Self::Http2(sender) => {
                let uri = format!("https://127.0.0.1{target}");
                let mut request = http::Request::builder().uri(uri);
                for header in headers {
                    let (name, value) = header.split_once(": ").context("a header")?;
                    request = request.header(name, value);
                }
                let mut sender = sender.clone().ready().await?;
                let (answer, _) = sender.send_request(request.body(())?, true)?;
                let answer = answer.await?;
                ensure!(answer.status() == 200, "{target}: {}", answer.status());
                Ok(Body::Http2(answer.into_body()))
            }
        }
    }

    /// Asks, and reads the answer to its end.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn read(&mut self, target: &str, headers: &[String]) -> Result<Vec<u8>> {
        let mut body = self.get(target, headers).await?;
        let mut whole = Vec::new();
        while let Some(piece) = body.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

impl Http1 {
    async fn get(&mut self, target: &str, headers: &[String]) -> Result<Body<'_>> {
        let mut request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        for header in headers {
            request.extend([header.as_str(), "\r\n"]);
        }
        request.push_str("\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break self.read.split_to(end + 4);
            }
            ensure!(self.read.len() < HEAD_BYTES_MAX, "a head is too long");
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let line = head.lines().next().unwrap_or_default();
        ensure!(line.starts_with("http/1.1 200"), "{target}: {line}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        Ok(match length {
            Some(length) => Body::Sized {
                left: length.trim().parse()?,
                connection: self,
            },
            None => Body::Chunked {
                connection: self,
                left: 0,
                is_first: true,
            },
        })
    }

    async fn fill(&mut self) -> Result<()> {
        self.read.reserve(READ_BYTES);
        let count = self.stream.read_buf(&mut self.read).await?;
        ensure!(count > 0, "the connection ended");
        Ok(())
    }

    /// At least one byte and at most so many.
    async fn take(&mut self, most: usize) -> Result<Bytes> {
        if self.read.is_empty() {
            self.fill().await?;
        }
        let length = self.read.len().min(most);
        Ok(self.read.split_to(length).freeze())
    }

    /// No trailers come, so nothing but the last line end.
    async fn end(&mut self) -> Result<()> {
        while self.read.len() < 2 {
            self.fill().await?;
        }
        ensure!(self.read.split_to(2) == "\r\n", "no end");
        Ok(())
    }

    async fn chunk_size(&mut self, is_first: bool) -> Result<usize> {
        let begin = if is_first { 0 } else { 2 };
        loop {
            let line = self.read.get(begin..).unwrap_or_default();
            if let Some(end) = line.windows(2).position(|two| two == b"\r\n") {
                let text = std::str::from_utf8(line.get(..end).unwrap_or_default())?;
                let size = usize::from_str_radix(text, 16)?;
                self.read.advance(begin + end + 2);
                return Ok(size);
            }
            self.fill().await?;
        }
    }
}

impl Body<'_> {
    /// The next piece.
    ///
    /// # Errors
    /// The answer does not end well.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Sized { left: 0, .. } => Ok(None),
            Self::Sized { connection, left } => {
                let piece = connection.take(*left).await?;
                *left -= piece.len();
                Ok(Some(piece))
            }
            Self::Chunked {
                connection,
                left,
                is_first,
            } => {
                if *left == 0 {
                    *left = connection.chunk_size(*is_first).await?;
                    *is_first = false;
                }
                if *left == 0 {
                    connection.end().await?;
                    return Ok(None);
                }
                let piece = connection.take(*left).await?;
                *left -= piece.len();
                Ok(Some(piece))
            }
            Self::Http2(stream) => match stream.data().await {
                None => Ok(None),
                Some(piece) => {
                    let piece = piece?;
                    stream.flow_control().release_capacity(piece.len())?;
                    Ok(Some(piece))
                }
            },
        }
    }
}
