//! Downstream TLS: certificates by file with hot reload, optional client certificates.

use std::any::Any;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pingora_core::listeners::TlsAccept;
use pingora_core::listeners::tls::{Acceptor, TlsSettings};
use pingora_core::protocols::tls::TlsRef;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// Files of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// PEM chain, leaf first.
    pub(crate) certificate: PathBuf,
    /// PEM key (PKCS#8, PKCS#1 or SEC1).
    pub(crate) key: PathBuf,
    /// PEM bundle of authorities for client certificates; none asks for none.
    pub(crate) client_ca: Option<PathBuf>,
}

/// What is known of the peer once its handshake is done.
#[derive(Debug)]
pub(crate) struct PeerTls {
    /// Verified client certificate, DER.
    pub(crate) certificate: Option<Vec<u8>>,
    /// Server name the client asked for.
    pub(crate) server_name: Option<String>,
    /// What is written to it.
    pub(crate) answers: Answers,
}

/// Counts the writes of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<AtomicUsize>);

impl Answers {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Only its change says something.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why TLS files cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TlsFault {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file holds no usable PEM block.
    #[error("`{path}` holds no {what} in PEM form")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Certificate and key do not work together.
    #[error("certificate `{path}` cannot be used with its key: {detail}")]
    Unusable {
        /// The certificate file.
        path: PathBuf,
        /// The TLS library's answer.
        detail: String,
    },
}

/// Loads and checks the files, then builds an acceptor that offers h2 and http/1.1. Nothing is
/// swapped in before all of it was checked: pingora panics on bad files.
///
/// # Errors
/// [`TlsFault`] names the file and what is wrong with it.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<Acceptor, TlsFault> {
    let key = Arc::new(certified_key(files)?);
    let unusable = |detail: String| TlsFault::Unusable {
        path: files.certificate.clone(),
        detail,
    };
    let mut settings = TlsSettings::with_callbacks(Box::new(RememberPeer))
        .map_err(|error| unusable(error.to_string()))?;
    settings.set_cert_resolver(Arc::new(FixedKey(key)));
    settings.enable_h2();
    if let Some(path) = &files.client_ca {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| TlsFault::Unusable {
                path: path.clone(),
                detail: error.to_string(),
            })?;
        }
        // A request may come without a certificate: it then needs another credential.
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::new(ring::default_provider()),
        )
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsFault::Unusable {
            path: path.clone(),
            detail: error.to_string(),
        })?;
        settings.set_client_cert_verifier(verifier);
    }
    Ok(settings.build())
}

fn certified_key(files: &TlsFiles) -> Result<CertifiedKey, TlsFault> {
    let chain = certificates(&files.certificate)?;
    let pem = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        tracing::debug!(%error, "private key not parsed");
        TlsFault::Empty {
            path: files.key.clone(),
            what: "private key",
        }
    })?;
    let unusable = |error: rustls::Error| TlsFault::Unusable {
        path: files.certificate.clone(),
        detail: error.to_string(),
    };
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(unusable)?;
    key.keys_match().map_err(unusable)?;
    Ok(key)
}

/// All certificates of a PEM file.
///
/// # Errors
/// The file cannot be read or holds none.
pub(crate) fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| TlsFault::Unusable {
        path: path.clone(),
        detail: error.to_string(),
    })?;
    if found.is_empty() {
        return Err(TlsFault::Empty {
            path: path.clone(),
            what: "certificate",
        });
    }
    Ok(found)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, TlsFault> {
    fs::read(path).map_err(|source| TlsFault::Read {
        path: path.clone(),
        source,
    })
}

#[derive(Debug)]
struct FixedKey(Arc<CertifiedKey>);

impl ResolvesServerCert for FixedKey {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

struct RememberPeer;

#[async_trait]
impl TlsAccept for RememberPeer {
    async fn handshake_complete_callback(
        &self,
        tls: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(PeerTls {
            certificate: tls.peer_certificate_der().map(<[u8]>::to_vec),
            server_name: tls.server_name().map(str::to_owned),
            answers: Answers::default(),
        }))
    }
}
