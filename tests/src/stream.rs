//! An HTTP/2 client that is a good one.

use std::net::SocketAddr;
use std::sync::OnceLock;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, StatusCode, Uri};
use rustls::pki_types::ServerName;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::tls::client_config;
use crate::wait::PATIENCE;
use crate::wire::Request;

/// Runs a future to its end.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

/// The runtime of everything asynchronous here.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

/// One connection; clones share it.
#[derive(Debug, Clone)]
pub struct H2Client {
    sender: SendRequest<Bytes>,
    authority: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body as far as it came.
    pub body: Vec<u8>,
    /// Trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

impl H2Client {
    /// Connects.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn connect(address: SocketAddr, ca_pem: &str) -> Self {
        let config = client_config(ca_pem, &["h2"], None);
        block_on(async move {
            let socket = tokio::net::TcpStream::connect(address)
                .await
                .expect("a TCP connection");
            let name = ServerName::try_from("127.0.0.1").expect("a name");
            let tls = TlsConnector::from(config)
                .connect(name, socket)
                .await
                .expect("a TLS connection");
            let (sender, connection) = h2::client::Builder::new()
                .initial_window_size(1 << 20)
                .handshake(tls)
                .await
                .expect("an HTTP/2 connection");
            // It ends when the last handle to it is gone; what broke it shows in the requests.
            tokio::spawn(connection);
            Self {
                sender,
                authority: "127.0.0.1".to_owned(),
            }
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the stream is reset or the connection ends.
    pub fn ask(&self, request: &Request) -> Result<Answer, h2::Error> {
        block_on(async {
            let (response, mut body) = self.open(request).await?;
            let mut answer = response;
            while let Some(piece) = within(body.data()).await {
                let piece = piece?;
                answer.body.extend(&piece);
                body.flow_control().release_capacity(piece.len())?;
            }
            answer.trailers = body.trailers().await?;
            Ok(answer)
        })
    }

    /// Sends a request and reads the answer's head; the body streams.
    ///
    /// # Errors
    /// When the stream is reset or the connection ends.
    pub async fn open(&self, request: &Request) -> Result<(Answer, RecvStream), h2::Error> {
        let (future, mut stream) = self.start(request, request.body.is_none()).await?;
        if let Some(body) = &request.body {
            stream.send_data(Bytes::copy_from_slice(body), true)?;
        }
        let (head, body) = within(future).await?.into_parts();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            trailers: None,
        };
        Ok((answer, body))
    }

    /// Sends only the head; the caller sends the body frame by frame.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn start(
        &self,
        request: &Request,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let uri = Uri::builder()
            .scheme("https")
            .authority(self.authority.as_str())
            .path_and_query(request.target.as_str())
            .build()
            .expect("a target");
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(uri);
        for (name, value) in request.headers.iter().filter(|(name, _)| name != "Host") {
            builder = builder.header(name, value);
        }
        let head = builder.body(()).expect("a request");
        let mut sender = self.sender.clone().ready().await?;
        sender.send_request(head, end)
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("an answer in time")
}
