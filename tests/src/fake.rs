//! An upstream that misbehaves on demand, for claims about connections and framing only.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::{ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::certificate::Authority;
use crate::frames::ServerFrames;
use crate::setup::write_file;
use crate::stream::runtime;
use crate::tls::server_config;
use crate::wait::PATIENCE;

/// A server's side of an HTTP/1.1 connection.
pub type Connection = BufReader<StreamOwned<ServerConnection, TcpStream>>;
/// A server's side of an HTTP/2 stream.
pub type Stream = (
    http::Request<h2::RecvStream>,
    h2::server::SendResponse<bytes::Bytes>,
);
type H1Script = Arc<dyn Fn(&mut Connection, &Log) -> Result<()> + Send + Sync>;
type FramesScript = Arc<dyn Fn(&mut ServerFrames) -> Result<()> + Send + Sync>;
type H2Script = Arc<dyn Fn(Stream) -> Boxed + Send + Sync>;
type Boxed = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done with each connection or stream.
#[derive(Clone)]
pub enum Script {
    /// HTTP/1.1: the whole connection, on a thread of its own.
    Http1(H1Script),
    /// HTTP/2: each stream.
    Http2(H2Script),
    /// HTTP/2 frame by frame: the whole connection, on a thread of its own.
    Frames(FramesScript),
}

/// What arrived, in order.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Received>>>);

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The request line, HTTP/1.1 only.
    pub line: String,
    /// Header lines, HTTP/1.1 only.
    pub headers: Vec<String>,
    /// Body bytes as they stood on the wire, framing included.
    pub body: Vec<u8>,
}

/// A TLS server with a script.
#[derive(Debug)]
pub struct FakeUpstream {
    authority: Authority,
    address: SocketAddr,
    log: Log,
    directory: TempDir,
}

impl Script {
    /// A script for whole HTTP/1.1 connections.
    pub fn http1(
        script: impl Fn(&mut Connection, &Log) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::Http1(Arc::new(script))
    }

    /// A script for HTTP/2 streams.
    pub fn http2<F>(script: impl Fn(Stream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::Http2(Arc::new(move |stream| Box::pin(script(stream))))
    }

    /// A script for whole HTTP/2 connections, frame by frame.
    pub fn frames(
        script: impl Fn(&mut ServerFrames) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::Frames(Arc::new(script))
    }

    const fn alpn(&self) -> &'static str {
        match self {
            Self::Http1(_) => "http/1.1",
            Self::Http2(_) | Self::Frames(_) => "h2",
        }
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Script({})", self.alpn())
    }
}

impl Log {
    /// Notes a request.
    pub fn add(&self, received: Received) {
        self.0.lock().expect("no script panicked").push(received);
    }

    /// Requests until now.
    #[must_use]
    pub fn all(&self) -> Vec<Received> {
        self.0.lock().expect("no script panicked").clone()
    }
}

impl FakeUpstream {
    /// Serves until the process ends.
    #[must_use]
    pub fn start(script: Script) -> Self {
        Self::start_at("127.0.0.1:0", script)
    }

    /// Serves at that address.
    #[must_use]
    pub fn start_at(address: &str, script: Script) -> Self {
        let authority = Authority::new("fake upstream CA");
        let config = server_config(&authority.server(&["127.0.0.1"]), &[script.alpn()]);
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("own address");
        let log = Log::default();
        match script {
            Script::Http1(script) => {
                let log = log.clone();
                serve_threads(listener, config, move |tls| {
                    script(&mut BufReader::new(tls), &log)
                });
            }
            Script::Frames(script) => serve_threads(listener, config, move |tls| {
                script(&mut ServerFrames::accept(tls)?)
            }),
            Script::Http2(script) => serve_http2(listener, config, script),
        }
        Self {
            authority,
            address,
            log,
            directory: tempfile::tempdir().expect("a folder"),
        }
    }

    /// What arrived until now.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.log.all()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig that trusts it.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_trusting(&self.authority.pem())
    }

    /// A kubeconfig for it that trusts that CA.
    #[must_use]
    pub fn kubeconfig_trusting(&self, ca_pem: &str) -> PathBuf {
        let name = crate::wait::fresh("fake");
        let path = self.directory.path().join(format!("{name}.kubeconfig"));
        write_kubeconfig(&path, self.address, ca_pem);
        path
    }
}

/// Reads one request with its body. `None` at the end of the connection.
///
/// # Errors
/// Whatever the connection says.
pub fn read_request(connection: &mut Connection) -> Result<Option<Received>> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        connection.read_line(&mut header)?;
        if header.trim_end().is_empty() {
            break;
        }
        headers.push(header.trim_end().to_owned());
    }
    let value = |name: &str| {
        headers.iter().find_map(|line: &String| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let mut body = Vec::new();
    if let Some(length) = value("content-length") {
        body = vec![0; length.parse().expect("a length")];
        connection.read_exact(&mut body)?;
    } else if value("transfer-encoding").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte)?;
            body.extend(byte);
        }
    }
    Ok(Some(Received {
        line: line.trim_end().to_owned(),
        headers,
        body,
    }))
}

/// Writes an answer with a length and leaves the connection open.
///
/// # Errors
/// Whatever the connection says.
pub fn write_answer(connection: &mut Connection, status: &str, body: &str) -> Result<()> {
    let stream = connection.get_mut();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}

fn serve_threads(
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
    serve: impl Fn(StreamOwned<ServerConnection, TcpStream>) -> Result<()> + Send + Sync + 'static,
) {
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for socket in listener.incoming().filter_map(Result::ok) {
            let (serve, config) = (Arc::clone(&serve), Arc::clone(&config));
            std::thread::spawn(move || -> Result<()> {
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                let tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
                serve(StreamOwned::new(tls, socket))
            });
        }
    });
}

fn serve_http2(listener: TcpListener, config: Arc<rustls::ServerConfig>, script: H2Script) {
    listener.set_nonblocking(true).expect("nonblocking");
    runtime().spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&config));
            let script = Arc::clone(&script);
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(socket).await else {
                    return;
                };
                let Ok(mut connection) = h2::server::Builder::new()
                    .initial_window_size(4 << 20)
                    .initial_connection_window_size(16 << 20)
                    .max_concurrent_streams(250)
                    .handshake::<_, bytes::Bytes>(tls)
                    .await
                else {
                    return;
                };
                while let Some(Ok(stream)) = connection.accept().await {
                    tokio::spawn(script(stream));
                }
            });
        }
    });
}

fn write_kubeconfig(path: &Path, address: SocketAddr, ca_pem: &str) {
    let ca = path.with_extension("ca.crt");
    write_file(&ca, ca_pem);
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Config","current-context":"fake",
        "clusters":[{{"name":"fake","cluster":{{"server":"https://{address}","certificate-authority":"{}"}}}}],
        "users":[{{"name":"fake","user":{{"token":"upstream-credential"}}}}],
        "contexts":[{{"name":"fake","context":{{"cluster":"fake","user":"fake"}}}}]}}"#,
        ca.display()
    );
    write_file(path, &text);
}
