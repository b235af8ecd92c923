//! Long answers and watches through the gateway: an upstream that makes them, a client that reads
//! and checks them. Both are here, so that they share a clock.

pub mod client;
pub mod list;
pub mod upstream;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::load::Protocol;

const fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http1 => b"http/1.1",
        Protocol::Http2 => b"h2",
    }
}

/// TLS of an upstream that speaks one protocol.
///
/// # Errors
/// A file cannot be read.
pub fn server_config(
    certificate: &Path,
    key: &Path,
    protocol: Protocol,
) -> Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(certificate).context("the certificate")?;
    let key = PrivateKeyDer::from_pem_file(key).context("its key")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![alpn(protocol).to_vec()];
    Ok(Arc::new(config))
}

/// TLS of a client that speaks one protocol and trusts one authority.
///
/// # Errors
/// The authority's file cannot be read.
pub fn client_config(authority: &Path, protocol: Protocol) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).context("the authority")?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn(protocol).to_vec()];
    Ok(Arc::new(config))
}
