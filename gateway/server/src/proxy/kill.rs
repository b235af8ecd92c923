//! Races every request against its own end, so that expiry, a stricter policy or the end of a drain
//! cut it at once on both sides.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;

use super::hooks::{Gateway, h2_options};
use super::live::LiveExchanges;
use super::tls::{Answers, PeerTls};
use crate::state::State;
use crate::telemetry::Metrics;

/// BOUND: a downstream h2 connection without streams is closed after this.
const IDLE_H2_MAX: Duration = Duration::from_secs(300);

/// The application of one listener.
pub(crate) struct KillApp {
    proxy: Arc<HttpProxy<Gateway>>,
    live: Arc<LiveExchanges>,
    metrics: Arc<Metrics>,
    options: HttpServerOptions,
}

impl KillApp {
    pub(crate) fn new(mut proxy: HttpProxy<Gateway>, state: &State) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(IDLE_H2_MAX);
        // Not to be proxied: the exchange refuses it, with an id and an event like anything else.
        options.allow_connect_method_proxying = true;
        proxy.server_options = Some(options.clone());
        Self {
            proxy: Arc::new(proxy),
            live: Arc::clone(&state.live),
            metrics: Arc::clone(&state.metrics),
            options,
        }
    }
}

/// The answers of one HTTP/1.1 connection; none of an HTTP/2 connection, whose library refuses a head
/// before there is a stream to speak of.
fn answers(session: &ServerSession) -> Option<Answers> {
    session.as_http1()?;
    let tls = session.digest()?.ssl_digest.as_ref()?;
    Some(tls.extension.get::<PeerTls>()?.answers.clone())
}

#[async_trait]
impl HttpServerApp for KillApp {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let live = LiveExchanges::enter(&self.live);
        let answers = answers(&session);
        let before = answers.as_ref().map(Answers::count);
        let work = self.proxy.process_new_http(session, shutdown);
        let reused = live.run(work).await.flatten();
        // The library answers a head that it cannot read before there is an exchange.
        if !live.has_begun() && answers.as_ref().map(Answers::count) != before {
            self.metrics.head_unread();
        }
        reused
    }

    /// Closes connections that wait for a next request: the gateway stops.
    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(h2_options())
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}
