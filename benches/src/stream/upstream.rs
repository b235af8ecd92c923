//! What stands for the API server: lists that are made while they are sent, watches with the time of
//! each event, one small object.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::list::Shapes;
use crate::corpus::Corpus;
use crate::load::Protocol;

/// Events of one watch.
pub const EVENT_COUNT: usize = 1_500;
/// Between two events: each has long arrived when the next one leaves.
const EVENT_PAUSE: Duration = Duration::from_millis(2);
/// Events are these in turn.
const EVENT_SHAPES: usize = 64;
/// A watch has begun when its client sees the first bytes; only then events are sent.
const WATCH_PAUSE: Duration = Duration::from_millis(100);
/// BOUND: a request head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// When things left; of the last list and the last watch.
#[derive(Debug, Default)]
struct Times {
    first_byte: Option<Instant>,
    events: Vec<Instant>,
}

/// What is answered.
#[derive(Debug, Clone)]
struct Answers {
    object: Bytes,
    shapes: Shapes,
    events: Arc<[Bytes]>,
    times: Arc<Mutex<Times>>,
}

/// The body of one answer.
#[derive(Debug)]
enum Body {
    Whole(Bytes),
    List(super::list::PodList),
    Watch(std::ops::Range<usize>),
    Missing,
}

/// It ends with the runtime it was started on.
#[derive(Debug)]
pub struct Upstream {
    times: Arc<Mutex<Times>>,
}

impl Upstream {
    /// Serves at that address.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn start(
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        protocol: Protocol,
        object: String,
        shapes: Shapes,
    ) -> Result<Self> {
        let listener = TcpListener::bind(address).await.context("the upstream")?;
        let events = Corpus::Secrets.events(EVENT_SHAPES);
        let answers = Answers {
            object: object.into(),
            shapes,
            events: events.into_iter().map(Bytes::from).collect(),
            times: Arc::default(),
        };
        let times = Arc::clone(&answers.times);
        let acceptor = TlsAcceptor::from(tls);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, answers) = (acceptor.clone(), answers.clone());
                tokio::spawn(async move {
                    // A client that goes away ends its own connection only.
                    drop(serve(socket, &acceptor, protocol, answers).await);
                });
            }
        });
        Ok(Self { times })
    }

    /// When the first byte of the last list left.
    #[must_use]
    pub fn first_byte(&self) -> Option<Instant> {
        self.times.lock().ok()?.first_byte
    }

    /// When each event of the last watch left.
    #[must_use]
    pub fn take_events(&self) -> Vec<Instant> {
        let times = self.times.lock();
        times
            .map(|mut times| std::mem::take(&mut times.events))
            .unwrap_or_default()
    }
}

impl Answers {
    fn to(&self, target: &str) -> Body {
        let query = |name: &str| {
            let (_, query) = target.split_once('?')?;
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        if query("watch").is_some() {
            if let Ok(mut times) = self.times.lock() {
                times.events.clear();
            }
            return Body::Watch(0..EVENT_COUNT);
        }
        match query("limit").and_then(|count| count.parse().ok()) {
            Some(count) => Body::List(self.shapes.list(count)),
            None if target == crate::stage::OBJECT => Body::Whole(self.object.clone()),
            None => Body::Missing,
        }
    }

    /// The next piece, noted as sent now.
    async fn next(&self, body: &mut Body) -> Option<Bytes> {
        match body {
            Body::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Body::List(list) => {
                let block = list.next();
                if block
                    .as_ref()
                    .is_some_and(|block| block.starts_with(b"{\"kind"))
                {
                    self.times.lock().ok()?.first_byte = Some(Instant::now());
                }
                block
            }
            Body::Watch(numbers) => {
                let number = numbers.next()?;
                let pause = if number == 0 {
                    WATCH_PAUSE
                } else {
                    EVENT_PAUSE
                };
                tokio::time::sleep(pause).await;
                self.times.lock().ok()?.events.push(Instant::now());
                self.events.get(number % EVENT_SHAPES).cloned()
            }
            Body::Missing => None,
        }
    }
}

async fn serve(
    socket: TcpStream,
    acceptor: &TlsAcceptor,
    protocol: Protocol,
    answers: Answers,
) -> Result<()> {
    socket.set_nodelay(true)?;
    let stream = acceptor.accept(socket).await?;
    match protocol {
        Protocol::Http1 => serve_http1(stream, answers).await,
        Protocol::Http2 => serve_http2(stream, answers).await,
    }
}

async fn serve_http1(mut stream: TlsStream<TcpStream>, answers: Answers) -> Result<()> {
    let mut read = BytesMut::new();
    loop {
        let Some(target) = read_target(&mut stream, &mut read).await? else {
            return Ok(());
        };
        let mut body = answers.to(&target);
        if let Body::Missing = body {
            let head = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
            stream.write_all(head.as_bytes()).await?;
            stream.flush().await?;
            continue;
        }
        let framing = match &body {
            Body::Whole(bytes) => format!("Content-Length: {}", bytes.len()),
            Body::List(_) | Body::Watch(_) | Body::Missing => {
                "Transfer-Encoding: chunked".to_owned()
            }
        };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let is_chunked = !matches!(body, Body::Whole(_));
        if is_chunked {
            stream.flush().await?;
        }
        while let Some(piece) = answers.next(&mut body).await {
            if is_chunked {
                let size = format!("{:x}\r\n", piece.len());
                stream.write_all(size.as_bytes()).await?;
            }
            stream.write_all(&piece).await?;
            if is_chunked {
                stream.write_all(b"\r\n").await?;
            }
            stream.flush().await?;
        }
        if is_chunked {
            stream.write_all(b"0\r\n\r\n").await?;
            stream.flush().await?;
        }
    }
}

/// Of requests without a body. `None` at the end of the connection.
async fn read_target(
    stream: &mut TlsStream<TcpStream>,
    read: &mut BytesMut,
) -> Result<Option<String>> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = read.split_to(end + 4);
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).context("a request has a target")?;
            return Ok(Some(target.to_owned()));
        }
        anyhow::ensure!(read.len() < HEAD_BYTES_MAX, "a request head is too long");
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

async fn serve_http2(stream: TlsStream<TcpStream>, answers: Answers) -> Result<()> {
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(250)
        .handshake::<_, Bytes>(stream)
        .await?;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        let target = request.uri().path_and_query();
        let target = target.map(ToString::to_string).unwrap_or_default();
        let answers = answers.clone();
        tokio::spawn(async move {
            // As above.
            drop(respond_http2(respond, &answers, &target).await);
        });
    }
    Ok(())
}

async fn respond_http2(
    mut respond: h2::server::SendResponse<Bytes>,
    answers: &Answers,
    target: &str,
) -> Result<()> {
    let mut body = answers.to(target);
    let status = if matches!(body, Body::Missing) {
        404
    } else {
        200
    };
    let head = http::Response::builder()
        .status(status)
        .header("content-type", "application/json");
    let mut stream = respond.send_response(head.body(())?, false)?;
    while let Some(mut piece) = answers.next(&mut body).await {
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
            let capacity = capacity.context("the stream is gone")??;
            let now = piece.split_to(piece.len().min(capacity));
            stream.send_data(now, false)?;
        }
    }
    stream.send_data(Bytes::new(), true)?;
    Ok(())
}
