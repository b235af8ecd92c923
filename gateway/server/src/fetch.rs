//! A small HTTPS client for the gateway's own calls: discovery documents, key sets, token reviews.
//! It never carries a client's request and follows no redirect.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

/// BOUND: connections kept open per host; these calls are rare.
const IDLE_CONNECTIONS_PER_HOST: usize = 2;

/// Whom the client trusts and who it is.
#[derive(Clone, Default)]
pub(crate) struct ClientTls {
    /// DER authorities; empty means the system's.
    pub(crate) authorities: Vec<Vec<u8>>,
    /// Certificate chain and PKCS#8/PKCS#1/SEC1 key, DER.
    pub(crate) identity: Option<(Vec<Vec<u8>>, Vec<u8>)>,
}

/// Why a call gave no usable answer.
#[derive(Debug, Error)]
pub(crate) enum FetchFault {
    /// The trust anchors or the client certificate cannot be used.
    #[error("TLS set-up failed: {0}")]
    Tls(String),
    /// The request cannot be written.
    #[error("bad request: {0}")]
    Request(String),
    /// No answer: connection refused, TLS failure, reset.
    #[error("no answer from {host}: {detail}")]
    Transport {
        /// Host and port.
        host: String,
        /// The library's answer, with its sources.
        detail: String,
    },
    /// The deadline passed.
    #[error("no answer from {host} within {seconds} s")]
    Deadline {
        /// Host and port.
        host: String,
        /// Seconds waited.
        seconds: u64,
    },
    /// The answer is larger than the bound.
    #[error("answer from {host} exceeds {limit} bytes or broke off")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The bound.
        limit: usize,
    },
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) answer_bytes_max: usize,
    pub(crate) deadline: Duration,
}

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Fetcher {
    /// # Errors
    /// The trust anchors are empty or the client certificate does not fit its key.
    pub(crate) fn new(tls: &ClientTls) -> Result<Self, FetchFault> {
        let roots = roots(&tls.authorities)?;
        let builder = rustls::ClientConfig::builder_with_provider(
            rustls::crypto::ring::default_provider().into(),
        )
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchFault::Tls(error.to_string()))?
        .with_root_certificates(roots);
        let config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = chain.iter().cloned().map(CertificateDer::from).collect();
                let key = PrivateKeyDer::try_from(key.clone())
                    .unwrap_or_else(|_| PrivatePkcs8KeyDer::from(key.clone()).into());
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| FetchFault::Tls(error.to_string()))?
            }
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
            .build(connector);
        Ok(Self { client })
    }

    /// # Errors
    /// [`FetchFault`]; an answer with an error status is an answer, not a fault.
    pub(crate) async fn call(&self, call: Call) -> Result<(StatusCode, Bytes), FetchFault> {
        let host = call
            .uri
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut request = Request::builder().method(call.method).uri(call.uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(call.headers);
        }
        let request = request
            .body(Full::new(call.body))
            .map_err(|error| FetchFault::Request(error.to_string()))?;
        let limit = call.answer_bytes_max;
        let exchange = async {
            let answer =
                self.client
                    .request(request)
                    .await
                    .map_err(|error| FetchFault::Transport {
                        host: host.clone(),
                        detail: chain(&error),
                    })?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), limit)
                .collect()
                .await
                .map_err(|error| {
                    tracing::debug!(%error, host, "answer cut");
                    FetchFault::TooLarge {
                        host: host.clone(),
                        limit,
                    }
                })?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(call.deadline, exchange).await {
            Ok(result) => result,
            Err(_elapsed) => Err(FetchFault::Deadline {
                host: host.clone(),
                seconds: call.deadline.as_secs(),
            }),
        }
    }
}

fn roots(authorities: &[Vec<u8>]) -> Result<RootCertStore, FetchFault> {
    let mut roots = RootCertStore::empty();
    if authorities.is_empty() {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
    } else {
        for der in authorities {
            roots
                .add(CertificateDer::from(der.clone()))
                .map_err(|error| FetchFault::Tls(error.to_string()))?;
        }
    }
    if roots.is_empty() {
        return Err(FetchFault::Tls("no certificate authority to trust".into()));
    }
    Ok(roots)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
