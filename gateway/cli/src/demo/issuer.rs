//! A local OIDC issuer: the discovery document and the keys, over HTTPS.
//!
//! For development only: `demo token` mints whatever name it is asked for. It is a process of its
//! own and never part of the gateway.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use gateway_identity::mint::{MintKey, jwks};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::files::{Layout, write_private};
use super::process::Part;
use super::tokens::{issuer_file, read_key};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

/// BOUND: a peer that does not finish its handshake or its request line by then is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that only binds a port needs no more.
const START_LIMIT: Duration = Duration::from_secs(10);

/// `countersign demo issuer`.
#[derive(Debug, Args)]
pub(crate) struct IssuerArguments {
    /// The directory of the demo; holds the key and the certificate.
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    dir: PathBuf,
    /// Stop when standard input ends.
    #[arg(long, hide = true)]
    stdin_eof_stops: bool,
}

/// What the issuer answers.
struct Documents {
    discovery: Bytes,
    keys: Bytes,
}

/// Starts the issuer as a process of its own.
///
/// # Errors
/// If this program cannot start itself.
pub(super) fn start(layout: &Layout) -> Result<Part> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command
        .args(["demo", "issuer", "--stdin-eof-stops", "--dir"])
        .arg(layout.root());
    Part::start("the issuer", command, &layout.path("log/issuer.log"))
}

/// Waits until the issuer answers, and gives its URL.
///
/// # Errors
/// If it ends or is not ready in time.
pub(super) async fn started(layout: &Layout, part: &mut Part) -> Result<String> {
    part.ready(&issuer_file(layout), START_LIMIT).await
}

/// Serves until told to stop.
///
/// # Errors
/// If the key or the certificate is missing or no port can be had.
pub(super) async fn run(arguments: &IssuerArguments) -> Result<ExitCode> {
    let layout = Layout::at(&arguments.dir)?;
    let key = read_key(&layout)?;
    let acceptor = TlsAcceptor::from(Arc::new(tls(&layout)?));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("https://{}", listener.local_addr()?);
    let documents = Arc::new(documents(&url, &key));
    write_private(&issuer_file(&layout), &url)?;
    writeln!(std::io::stdout().lock(), "{url}")?;
    if arguments.stdin_eof_stops {
        super::stop_when_stdin_ends();
    }
    // A signal ends it as it ends any program: there is nothing to put in order.
    accept(&listener, &acceptor, &documents).await
}

fn tls(layout: &Layout) -> Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(layout.path("pki/issuer.crt"))
        .context("cannot read the issuer's certificate; does the demo run in this DIR?")?;
    let key = PrivateKeyDer::from_pem_file(layout.path("pki/issuer.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?)
}

fn documents(url: &str, key: &MintKey) -> Documents {
    let text = |value: &Value| Bytes::from(value.to_string());
    Documents {
        discovery: text(&json!({
            "issuer": url,
            "jwks_uri": format!("{url}{KEYS}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })),
        keys: Bytes::from(jwks([key])),
    }
}

async fn accept(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
    documents: &Arc<Documents>,
) -> Result<ExitCode> {
    loop {
        let (stream, _peer) = listener.accept().await?;
        let (acceptor, documents) = (acceptor.clone(), Arc::clone(documents));
        tokio::spawn(async move {
            // A peer that goes away or speaks nonsense is its own fault alone.
            drop(converse(stream, &acceptor, &documents).await);
        });
    }
}

async fn converse(stream: TcpStream, acceptor: &TlsAcceptor, documents: &Documents) -> Result<()> {
    let stream = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await??;
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(async |request| Ok::<_, Infallible>(answer(&request, documents))),
        )
        .await?;
    Ok(())
}

fn answer(request: &Request<Incoming>, documents: &Documents) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, DISCOVERY) => (StatusCode::OK, documents.discovery.clone()),
        (&Method::GET, KEYS) => (StatusCode::OK, documents.keys.clone()),
        (&Method::GET, _) => (StatusCode::NOT_FOUND, Bytes::from_static(b"{}")),
        _ => (StatusCode::METHOD_NOT_ALLOWED, Bytes::from_static(b"{}")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
