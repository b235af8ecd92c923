//! TLS for the harness's own clients and servers.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::certificate::Leaf;
use crate::wait::PATIENCE;

/// A client's side of a TLS connection.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts the CA in `ca_pem`, offers these protocols, and shows `leaf` if asked.
#[must_use]
pub fn client_config(ca_pem: &str, alpn: &[&str], leaf: Option<&Leaf>) -> Arc<ClientConfig> {
    let identity = leaf.map(|leaf| (leaf.chain(), leaf.private_key()));
    build_client(ca_pem, alpn, identity)
}

/// As [`client_config`], with certificate and key from PEM text.
pub(crate) fn client_config_pem(
    ca_pem: &str,
    alpn: &[&str],
    certificate: &str,
    key: &str,
) -> Arc<ClientConfig> {
    let chain = certificates(certificate);
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM key");
    build_client(ca_pem, alpn, Some((chain, key)))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn build_client(ca_pem: &str, alpn: &[&str], identity: Option<Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_pem) {
        roots.add(certificate).expect("CA certificate");
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .expect("client certificate"),
    };
    config.alpn_protocols = protocols(alpn);
    // A resumed session would hide which certificate a server shows now.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// A server with this certificate.
pub(crate) fn server_config(leaf: &Leaf, alpn: &[&str]) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(leaf.chain(), leaf.private_key())
        .expect("server certificate");
    config.alpn_protocols = protocols(alpn);
    Arc::new(config)
}

/// Connects and does the handshake.
///
/// # Errors
/// Whatever TCP or TLS says.
pub fn connect(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> std::io::Result<Tls> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    let connection = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .expect("PEM certificates")
}

fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
