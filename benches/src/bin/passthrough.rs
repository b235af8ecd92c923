//! Raw Pingora as a peer: TLS in, TLS out, nothing judged, nothing written down.
//!
//!   passthrough LISTEN CERTIFICATE KEY UPSTREAM UPSTREAM_CA

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::protocols::ALPN;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// The allocator of the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct PassThrough {
    peer: HttpPeer,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(self.peer.clone()))
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, certificate, key, upstream, ca] = arguments.as_slice() else {
        bail!("usage: passthrough LISTEN CERTIFICATE KEY UPSTREAM UPSTREAM_CA");
    };
    let peer = peer(
        upstream.parse().context("UPSTREAM is no address")?,
        &read_certificate(ca)?,
    );
    // One thread: one core is all that a proxy under test has.
    let conf = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, PassThrough { peer });
    let mut tls = TlsSettings::intermediate(certificate, key)?;
    tls.enable_h2();
    service.add_tls_with_settings(listen, None, tls);
    server.add_service(service);
    server.run_forever()
}

/// With the options of the gateway's own peers.
fn peer(address: SocketAddr, ca: &[u8]) -> HttpPeer {
    let name = address.ip().to_string();
    let mut hasher = DefaultHasher::new();
    (&name, ca).hash(&mut hasher);
    let mut peer = HttpPeer::new(address, true, name);
    peer.options.ca = Some(vec![WrappedX509::new(ca.to_vec(), parse_x509)].into());
    peer.group_key = hasher.finish();
    peer.options.alpn = ALPN::H2H1;
    peer.options.max_h2_streams = 250;
    peer.options.h2_stream_window_size = Some(1 << 20);
    peer.options.h2_connection_window_size = Some(256 << 20);
    peer.options.connection_timeout = Some(Duration::from_secs(5));
    peer.options.total_connection_timeout = Some(Duration::from_secs(10));
    peer.options.h2_ping_interval = Some(Duration::from_secs(30));
    peer.options.idle_timeout = Some(Duration::from_secs(90));
    peer
}

/// DER of a certificate file.
fn read_certificate(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {path}"))
}
