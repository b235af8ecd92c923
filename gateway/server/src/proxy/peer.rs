//! The upstream of one cluster, as pingora wants it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::{H1UpgradePolicy, HttpPeer};
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};

use super::gate::UpgradeConnector;

/// BOUND: concurrent streams on one upstream h2 connection (kube-apiserver allows 250 and more).
const STREAMS_PER_CONNECTION: usize = 250;
/// T5: one slow reader may fill its own stream window, never the connection's.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 20;
/// BOUND: TCP connect, then TCP and TLS together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const CONNECT_AND_TLS_DEADLINE: Duration = Duration::from_secs(10);
/// A dead upstream connection is noticed by an unanswered PING.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// BOUND: an unused upstream connection is closed after this: before kube-apiserver does, which keeps
/// idle connections for 90 s, so that a request does not meet a connection that is just being closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Where and as whom the gateway connects.
#[derive(Clone)]
pub(crate) struct UpstreamEndpoint {
    /// Resolved address.
    pub(crate) address: SocketAddr,
    /// Name or IP the certificate must carry; never empty.
    pub(crate) server_name: String,
    /// `Host` sent upstream.
    pub(crate) authority: String,
    /// Authorities the upstream certificate must chain to, DER. Never empty.
    pub(crate) authorities: Vec<Vec<u8>>,
    /// Client certificate chain and key, DER.
    pub(crate) client: Option<(Vec<Vec<u8>>, Vec<u8>)>,
}

impl std::fmt::Debug for UpstreamEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamEndpoint")
            .field("address", &self.address)
            .field("server_name", &self.server_name)
            .field("client", &self.client.as_ref().map(|_| "[secret]"))
            .finish_non_exhaustive()
    }
}

/// Ready-made peers of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    pub(crate) plain: HttpPeer,
    pub(crate) upgrade: HttpPeer,
    pub(crate) authority: String,
}

impl Peers {
    /// Certificates must have been checked before: pingora panics on bad DER.
    pub(crate) fn new(endpoint: &UpstreamEndpoint) -> Self {
        let mut plain = HttpPeer::new(endpoint.address, true, endpoint.server_name.clone());
        let authorities: Vec<WrappedX509> = endpoint
            .authorities
            .iter()
            .map(|der| WrappedX509::new(der.clone(), parse_x509))
            .collect();
        plain.options.ca = Some(authorities.into());
        plain.client_cert_key = endpoint
            .client
            .as_ref()
            .map(|(chain, key)| Arc::new(CertKey::new(chain.clone(), key.clone())));
        plain.group_key = group_key(endpoint);
        plain.options.alpn = ALPN::H2H1;
        plain.options.max_h2_streams = STREAMS_PER_CONNECTION;
        plain.options.h2_stream_window_size = Some(STREAM_WINDOW_BYTES);
        plain.options.h2_connection_window_size = Some(CONNECTION_WINDOW_BYTES);
        plain.options.connection_timeout = Some(CONNECT_DEADLINE);
        plain.options.total_connection_timeout = Some(CONNECT_AND_TLS_DEADLINE);
        plain.options.h2_ping_interval = Some(PING_INTERVAL);
        plain.options.idle_timeout = Some(IDLE_MAX);
        // Upgrades are re-added by the exchange after its own checks, never by the library.
        plain.options.http_upstream_request_policy.h1_upgrade = H1UpgradePolicy::Deny;

        let mut upgrade = plain.clone();
        upgrade.options.alpn = ALPN::H1;
        upgrade.options.custom_l4 = Some(Arc::new(UpgradeConnector));
        // A connection made through the gate is never shared with plain requests, nor the reverse.
        upgrade.group_key = plain.group_key.wrapping_add(1);
        Self {
            plain,
            upgrade,
            authority: endpoint.authority.clone(),
        }
    }
}

/// T4: pingora's pool key leaves out the authority, the ALPN and the client certificate's issuer.
fn group_key(endpoint: &UpstreamEndpoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    endpoint.server_name.hash(&mut hasher);
    endpoint.authorities.hash(&mut hasher);
    endpoint.client.hash(&mut hasher);
    hasher.finish()
}
