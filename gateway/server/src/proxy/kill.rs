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

/// BOUND: a downstream h2 connection without streams is closed after this.
const IDLE_H2_MAX: Duration = Duration::from_secs(300);

/// The application of one listener.
pub(crate) struct KillApp {
    proxy: Arc<HttpProxy<Gateway>>,
    live: Arc<LiveExchanges>,
    options: HttpServerOptions,
}

impl KillApp {
    pub(crate) fn new(proxy: HttpProxy<Gateway>, live: Arc<LiveExchanges>) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(IDLE_H2_MAX);
        Self {
            proxy: Arc::new(proxy),
            live,
            options,
        }
    }
}

#[async_trait]
impl HttpServerApp for KillApp {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let live = LiveExchanges::enter(&self.live);
        live.run(self.proxy.process_new_http(session, shutdown))
            .await
            .flatten()
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
