//! Pingora's hooks. They carry values between the session and the exchange and have no opinions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use gateway_exchange::{
    Ask, Carriage, Closing, Exchange, Input, Output, Protocol, Refusal, RequestHead,
    UpstreamRequest,
};
use http::{HeaderMap, Method, Version, header};
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use super::body::read_body;
use super::failure::Failure;
use super::forward;
use super::live::{Listed, Live};
use super::stored;
use super::tls::PeerTls;
use crate::state::{State, Walk};
use crate::telemetry::{self, Phase};

/// BOUND: a downstream that takes no byte for this long is cut. Watches and sessions send at least
/// pings or bookmarks; a reader that is merely slow takes some bytes.
const WRITE_STALL_MAX: Duration = Duration::from_secs(120);
/// BOUND: bytes of a request that are left unread after a refusal are drained for this long.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// One gateway listener's application.
pub(crate) struct Gateway {
    pub(crate) state: Arc<State>,
    /// The cluster this listener speaks for; without one the host name decides.
    pub(crate) cluster: Option<String>,
}

/// What one request carries through the hooks.
pub(crate) struct Context {
    exchange: Option<Exchange>,
    upstream: Option<UpstreamRequest>,
    live: Option<Arc<Live>>,
    listed: Option<Listed>,
    /// Counts the exchange among those that are not over.
    _counted: telemetry::Live,
    /// When it went upstream, until the head of the answer comes.
    forwarded_at: Option<Instant>,
    /// T7: set when upstream says 101, before any byte of the session is seen.
    upgraded: bool,
    state: Arc<State>,
}

/// For whom something is found out.
struct Asker {
    id: String,
    user: String,
}

impl Context {
    /// Whose body is read; a body is asked for only after its sender was proven.
    fn asker(&self) -> Asker {
        let summary = self.exchange.as_ref().map(Exchange::summary);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Asker {
            id: text(summary.map(|summary| summary.id)),
            user: text(summary.and_then(|summary| summary.username)),
        }
    }
}

impl Drop for Context {
    /// The only place that also runs when an exchange is ended from outside or its task panics.
    fn drop(&mut self) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        let closing = match self.live.as_ref().and_then(|live| live.cause()) {
            Some(cause) => Closing::Ended(cause),
            None if std::thread::panicking() => Closing::Panicked,
            None => Closing::DownstreamGone,
        };
        self.state.close(&mut exchange, closing);
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        let exchange = self.state.begin();
        Context {
            exchange: Some(exchange),
            upstream: None,
            live: Live::begin(),
            listed: None,
            _counted: self.state.metrics.exchange(),
            forwarded_at: None,
            upgraded: false,
            state: Arc::clone(&self.state),
        }
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        session.set_write_timeout(Some(WRITE_STALL_MAX));
        session.set_total_drain_timeout(Some(DRAIN_MAX));
        if session.get_header(header::TRANSFER_ENCODING).is_some() {
            // The HTTP library takes a chunk without a size for the last one; another reader may
            // not. So nothing that follows chunks is a request (K-1.23).
            session.set_keepalive(None);
        }
        let Some(exchange) = ctx.exchange.as_mut() else {
            return Ok(true);
        };
        let head = head_of(session, self.cluster.clone());
        let walk = Walk::of(&head);
        let known = self.state.known(walk.key);
        let head = Input::Head(Box::new(head), known);
        let mut output = self.state.step(exchange, head, walk);
        loop {
            let input = match output {
                Output::Ask(ask) => {
                    let asker = ctx.asker();
                    // On the heap: what is rare must not make the state of every request large.
                    Box::pin(self.find_out(session, &asker, ask)).await
                }
                Output::Record { event, durable } => {
                    Input::Recorded(self.state.record(&event, durable).await)
                }
                Output::Refuse(refusal) => {
                    Box::pin(respond(session, *refusal, &self.state)).await?;
                    return Ok(true);
                }
                Output::Forward(request) => return self.forward(session, ctx, *request).await,
            };
            let Some(exchange) = ctx.exchange.as_mut() else {
                return Ok(true);
            };
            output = self.state.step(exchange, input, walk);
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        let request = ctx.upstream.as_ref().ok_or_else(not_admitted)?;
        let upstream = self
            .state
            .upstream(&request.cluster)
            .ok_or_else(not_admitted)?;
        let peer = match request.carriage {
            Carriage::Upgrade => upstream.peers.upgrade.clone(),
            Carriage::Read | Carriage::Write(_) | Carriage::Review(_) | Carriage::Tunnel => {
                upstream.peers.plain.clone()
            }
        };
        Ok(Box::new(peer))
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        ctx: &mut Context,
    ) -> Result<()> {
        if let (false, Some(request)) = (reused, &ctx.upstream) {
            self.state.account.upstream_connected(&request.cluster);
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let request = ctx.upstream.as_ref().ok_or_else(not_admitted)?;
        let upstream = self
            .state
            .upstream(&request.cluster)
            .ok_or_else(not_admitted)?;
        let framing = framing_of(head);
        let version = head.version;
        *head = forward::upstream_head(request, &upstream, version)?;
        if matches!(request.carriage, Carriage::Tunnel) {
            for (name, value) in framing {
                head.insert_header(name, value)?;
            }
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        _ctx: &mut Context,
    ) -> Result<()> {
        // T9: an empty last frame would be written as a second chunk terminator.
        if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
            ctx.upgraded = true;
        }
        if let Some(at) = ctx.forwarded_at.take() {
            let waited = at.elapsed();
            self.state.metrics.took(Phase::UpstreamFirstByte, waited);
        }
        let Some(exchange) = ctx.exchange.as_mut() else {
            return Err(not_admitted());
        };
        let now = self.state.clock.micros();
        let answered = exchange.response_head(head.status, &head.headers, now);
        let answered = answered.map_err(forward::unfit)?;
        forward::rewrite_response(head, &answered, session.req_header().version)?;
        if let Some(event) = answered.event {
            self.state.submit(&event);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        let exchange = ctx.exchange.as_mut().ok_or_else(not_admitted)?;
        let next = exchange.response_body(body.take(), end_of_stream);
        *body = next.map_err(forward::unfit)?;
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        _trailers: &mut HeaderMap,
        ctx: &mut Context,
    ) -> Result<Option<Bytes>> {
        // T8: where trailers come, the end of the body was not told.
        let exchange = ctx.exchange.as_mut().ok_or_else(not_admitted)?;
        exchange.response_body(None, true).map_err(forward::unfit)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        // T6: only what may safely be sent twice is sent again, and only on a connection that died
        // before it could be used.
        let read = matches!(
            ctx.upstream.as_ref().map(|request| &request.carriage),
            Some(Carriage::Read)
        );
        if read
            && !session.as_ref().retry_buffer_truncated()
            && session.response_written().is_none()
        {
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Context,
    ) -> FailToProxy {
        let refused = FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
        let Some(exchange) = ctx.exchange.as_mut() else {
            return refused;
        };
        if session.response_written().is_some() || *error.esource() == ErrorSource::Downstream {
            return refused;
        }
        let failure = Failure::of(error);
        tracing::warn!(exchange.id = exchange.id(), %error, "upstream failed");
        self.state
            .account
            .upstream_failed(exchange.summary().cluster, failure.counted());
        let refusal = exchange.upstream_failed(failure.told());
        let error_code = refusal.status.as_u16();
        if let Err(error) = respond(session, refusal, &self.state).await {
            tracing::debug!(%error, "refusal not written");
        }
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, _session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        let Some(mut exchange) = ctx.exchange.take() else {
            return;
        };
        let closing = match (ctx.live.as_ref().and_then(|live| live.cause()), error) {
            (Some(cause), _) => Closing::Ended(cause),
            (None, None) => Closing::Completed,
            (None, Some(error)) if *error.esource() == ErrorSource::Upstream => {
                Closing::UpstreamBroke
            }
            // A session ends with either side's close; that is no failure.
            (None, Some(_)) if ctx.upgraded => Closing::Completed,
            (None, Some(_)) => Closing::DownstreamGone,
        };
        self.state.close(&mut exchange, closing);
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Context, _error: &Error) -> bool {
        // Failures are logged with the exchange's id in `fail_to_proxy` and audited at the close.
        true
    }
}

impl Gateway {
    async fn find_out(&self, session: &mut Session, asker: &Asker, ask: Ask) -> Input {
        let Asker { id, user } = asker;
        match ask {
            Ask::Keys { issuer } => Input::Keys(self.state.fetch_keys(&issuer).await),
            Ask::TokenReview { issuer, body } => {
                Input::Reviewed(self.state.review_token(&issuer, body).await)
            }
            Ask::Scope { cluster } => Input::Scope(self.state.resolve_scope(&cluster).await),
            Ask::Live { request, bytes_max } => {
                Input::Live(stored::read(id, user, &request, bytes_max, &self.state).await)
            }
            Ask::Body { bytes_max } => {
                Input::Body(read_body(session, bytes_max, user, &self.state.body_budget).await)
            }
        }
    }

    /// Bodies that were judged are sent by the gateway's own forwarder (T2, T3); everything else
    /// goes on through pingora.
    async fn forward(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        request: UpstreamRequest,
    ) -> Result<bool> {
        if let (Some(long), Some(live)) = (request.long.clone(), ctx.live.as_ref()) {
            // An idle watch or session is quiet, not dead.
            session.set_read_timeout(None);
            ctx.listed = Some(live.list(long, &self.state));
            // Once it is listed every later publish reviews it; one may have come before.
            live.judge_by(&self.state);
        }
        match request.carriage {
            Carriage::Read | Carriage::Upgrade | Carriage::Tunnel => {
                ctx.upstream = Some(request);
                ctx.forwarded_at = Some(Instant::now());
                Ok(false)
            }
            Carriage::Write(_) | Carriage::Review(_) => {
                let Some(exchange) = ctx.exchange.as_mut() else {
                    return Ok(true);
                };
                Box::pin(forward::send(session, exchange, &request, &self.state)).await?;
                Ok(true)
            }
        }
    }
}

/// Limits of downstream HTTP/2 connections.
pub(crate) fn h2_options() -> H2Options {
    // BOUND: streams per connection; agents list and watch many resources over one connection.
    const STREAMS_MAX: u32 = 250;
    // BOUND: header list; kube-apiserver itself takes about 1 MiB, tokens are at most 64 KiB.
    const HEADER_LIST_BYTES_MAX: u32 = 256 * 1024;
    let mut options = pingora_core::protocols::http::v2::server::default_h2_options();
    options.max_concurrent_streams(STREAMS_MAX);
    options.max_header_list_size(HEADER_LIST_BYTES_MAX);
    options
}

fn head_of(session: &Session, listener_cluster: Option<String>) -> RequestHead {
    let head = session.req_header();
    let tls = session
        .digest()
        .and_then(|digest| digest.ssl_digest.as_ref())
        .and_then(|digest| digest.extension.get::<PeerTls>());
    RequestHead {
        method: head.method.clone(),
        target: head.raw_path().to_vec(),
        protocol: match head.version {
            Version::HTTP_2 => Protocol::Http2,
            Version::HTTP_11 => Protocol::Http11,
            _ => Protocol::Http10,
        },
        headers: head.headers.clone(),
        ambiguous_framing: session
            .as_http1()
            .is_some_and(|h1| ambiguous(&h1.get_headers_raw_bytes())),
        has_body: has_body(session),
        host: host(head),
        authority_conflict: authority_conflict(head),
        peer: session
            .client_addr()
            .and_then(|address| address.as_inet().copied())
            .unwrap_or_else(|| ([0, 0, 0, 0], 0).into()),
        server_name: tls.and_then(|tls| tls.server_name.clone()),
        client_certificate: tls.and_then(|tls| tls.certificate.clone()),
        listener_cluster,
    }
}

/// `Host`, or `:authority` of HTTP/2, without its port.
fn host(head: &RequestHeader) -> Option<String> {
    let text = match head.headers.get(header::HOST) {
        Some(value) => value.to_str().ok()?.to_owned(),
        None => head.uri.authority()?.to_string(),
    };
    let authority: http::uri::Authority = text.parse().ok()?;
    Some(authority.host().to_owned())
}

/// HTTP/2 may carry both `:authority` and `Host`; two that differ are two targets (K-1.33).
fn authority_conflict(head: &RequestHeader) -> bool {
    match (head.headers.get(header::HOST), head.uri.authority()) {
        (Some(host), Some(authority)) => !host
            .as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes()),
        (Some(_), None) | (None, Some(_) | None) => false,
    }
}

fn has_body(session: &Session) -> bool {
    if let Some(h2) = session.as_http2() {
        return !h2.is_body_empty();
    }
    let headers = &session.req_header().headers;
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
}

/// Pingora drops `Content-Length` when `Transfer-Encoding` is there too (its issue 945), so the raw
/// head is the only witness.
fn ambiguous(raw: &[u8]) -> bool {
    let mut length = false;
    let mut encoding = false;
    for line in raw.split(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let name = name.trim_ascii();
        length |= name.eq_ignore_ascii_case(b"content-length");
        encoding |= name.eq_ignore_ascii_case(b"transfer-encoding");
    }
    length && encoding
}

fn framing_of(head: &RequestHeader) -> Vec<(header::HeaderName, header::HeaderValue)> {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .into_iter()
        .filter_map(|name| {
            head.headers
                .get(&name)
                .map(|value| (name.clone(), value.clone()))
        })
        .collect()
}

/// Writes an answer of the gateway itself.
pub(super) async fn respond(session: &mut Session, refusal: Refusal, state: &State) -> Result<()> {
    if refusal.close {
        session.set_keepalive(None);
    }
    let mut head = ResponseHeader::build(refusal.status, Some(refusal.headers.len() + 1))?;
    for (name, value) in &refusal.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    head.insert_header(header::CONTENT_LENGTH, refusal.body.len())?;
    if let Some(event) = refusal.event {
        state.submit(&event);
    }
    let bodiless = session.req_header().method == Method::HEAD;
    session
        .write_response_header(Box::new(head), bodiless)
        .await?;
    if !bodiless {
        session
            .write_response_body(Some(refusal.body), true)
            .await?;
    }
    Ok(())
}

fn not_admitted() -> Box<Error> {
    // INVARIANT 1: nothing is sent upstream without a decision.
    Error::explain(ErrorType::InternalError, "no admitted request")
}
