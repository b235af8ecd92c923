//! The accept loop: connection cap, handshake deadline, keep-alive, drain.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::l4::ext::TcpKeepalive;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::protocols::{GetSocketDigest, SocketDigest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::buffered::Buffered;
use crate::telemetry::{ConnectionRejection, Metrics};

/// BOUND: a peer that has not finished its TLS handshake by then is dropped.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// BOUND: pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A silently dead client is noticed after about this long without an answer (pingora sends no
/// downstream h2 PING).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: usize = 3;
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// One TLS listener of the gateway.
pub(crate) struct Listener<A> {
    pub(crate) socket: TcpListener,
    /// Swapped when certificates change on disk; connections under way keep theirs.
    pub(crate) acceptor: Arc<ArcSwap<Acceptor>>,
    pub(crate) app: Arc<A>,
    /// BOUND: open downstream connections of all listeners together; one more is closed at once.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
}

impl<A: ServerApp + Send + Sync + 'static> Listener<A> {
    /// Accepts until `shutdown` turns true. Connections run in `tracker`, which the caller joins.
    pub(crate) async fn run(self, mut shutdown: watch::Receiver<bool>, tracker: TaskTracker) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
                self.metrics.connection_rejected(ConnectionRejection::Limit);
                continue;
            };
            let connection = Connection {
                acceptor: self.acceptor.load_full(),
                app: Arc::clone(&self.app),
                metrics: Arc::clone(&self.metrics),
                shutdown: shutdown.clone(),
            };
            tracker.spawn(async move {
                connection.serve(stream, peer).await;
                drop(permit);
            });
        }
    }
}

/// What one connection needs.
struct Connection<A> {
    acceptor: Arc<Acceptor>,
    app: Arc<A>,
    metrics: Arc<Metrics>,
    shutdown: watch::Receiver<bool>,
}

impl<A: ServerApp + Send + Sync + 'static> Connection<A> {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let open = self.metrics.connection();
        let l4 = prepare(stream, peer);
        let handshake = self.acceptor.tls_handshake(l4);
        match tokio::time::timeout(HANDSHAKE_DEADLINE, handshake).await {
            Ok(Ok(tls)) => {
                let stream = Box::new(Buffered::new(Box::new(tls)));
                self.app.process_new(stream, &self.shutdown).await;
            }
            Ok(Err(error)) => {
                self.metrics
                    .connection_rejected(ConnectionRejection::Handshake);
                tracing::debug!(%peer, %error, "TLS handshake failed");
            }
            Err(_elapsed) => {
                self.metrics
                    .connection_rejected(ConnectionRejection::HandshakeTimeout);
                tracing::debug!(%peer, "TLS handshake timed out");
            }
        }
        drop(open);
    }
}

fn prepare(stream: TcpStream, peer: SocketAddr) -> L4Stream {
    let fd = stream.as_raw_fd();
    let mut l4 = L4Stream::from(stream);
    let keepalive = TcpKeepalive {
        idle: KEEPALIVE_IDLE,
        interval: KEEPALIVE_INTERVAL,
        count: KEEPALIVE_PROBES,
        #[cfg(target_os = "linux")]
        user_timeout: UNACKNOWLEDGED_MAX,
    };
    if let Err(error) = l4.set_nodelay().and_then(|()| l4.set_keepalive(&keepalive)) {
        tracing::debug!(%peer, %error, "socket options not set");
    }
    let digest = SocketDigest::from_raw_fd(fd);
    // The cell is fresh, so this cannot fail; a lookup by descriptor would give the same address.
    if digest.peer_addr.set(Some(PingoraAddr::Inet(peer))).is_ok() {
        l4.set_socket_digest(digest);
    }
    l4
}
