//! The gateway's own way upstream for judged bodies.
//!
//! Pingora's proxy keeps at most 64 KiB of a body that was read before the upstream is chosen (T2)
//! and hangs on some errors (T3). A judged body is small and whole, so it is sent here, once: there
//! is no second attempt unless the API server says that it did nothing in the first.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use gateway_exchange::{
    Answered, Carriage, Exchange, Framing, Unfit, UpstreamFailure, UpstreamRequest,
};
use http::{StatusCode, Version, header};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::failure::{Failure, is_unprocessed};
use super::hooks::respond;
use crate::state::{State, UpstreamCluster};
use crate::telemetry::Phase;

/// BOUND: a self-subject review's answer; a rules review of a large cluster is some 100 KiB.
const REVIEW_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The head that goes upstream: judged values, the configured authority, the gateway's credential.
pub(super) fn upstream_head(
    request: &UpstreamRequest,
    upstream: &UpstreamCluster,
    version: Version,
) -> Result<RequestHeader> {
    let size = request.headers.len() + 3;
    // Names are written in lower case: their case means nothing (RFC 9110 §5.1).
    let mut head = RequestHeader::build_no_case(
        request.method.clone(),
        request.target.as_bytes(),
        Some(size),
    )?;
    head.set_version(version);
    if version == Version::HTTP_2 {
        let uri = http::Uri::builder()
            .scheme("https")
            .authority(upstream.peers.authority.as_str())
            .path_and_query(request.target.as_str())
            .build()
            .or_err(ErrorType::InternalError, "upstream URI")?;
        head.set_uri(uri);
    } else {
        head.insert_header(header::HOST, upstream.peers.authority.as_str())?;
    }
    for (name, value) in &request.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    if let Some(bearer) = upstream.bearer() {
        head.insert_header(header::AUTHORIZATION, bearer)?;
    }
    Ok(head)
}

/// Puts the judged answer head in place of upstream's. Its framing stays, unless the body that goes on
/// is another one.
pub(super) fn rewrite_response(
    head: &mut ResponseHeader,
    answered: &Answered,
    downstream: Version,
) -> Result<()> {
    let upgrade = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let names: Vec<_> = head.headers.keys().cloned().collect();
    for name in names {
        let length = name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
        let framing = (length && answered.framing == Framing::Kept)
            || (upgrade && (name == header::CONNECTION || name == header::UPGRADE));
        if !framing {
            head.remove_header(&name);
        }
    }
    for (name, value) in &answered.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    if answered.framing == Framing::Anew && downstream != Version::HTTP_2 {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

/// Sends one judged request and relays its answer.
pub(super) async fn send(
    session: &mut Session,
    exchange: &mut Exchange,
    request: &UpstreamRequest,
    state: &State,
) -> Result<()> {
    let Some(upstream) = state.upstream(&request.cluster) else {
        return fail(session, exchange, Failure::ConnectFailed, state).await;
    };
    let sent = Instant::now();
    let mut delivered = deliver(exchange.id(), request, &upstream, state).await;
    // BOUND: one more attempt, and only where the API server said that it did nothing: one with
    // `--goaway-chance`, or about to end, says so to whatever it does not take any more.
    if let Err(failure @ Failure::Unprocessed) = delivered {
        let cluster = Some(request.cluster.as_str());
        state.account.upstream_failed(cluster, failure.counted());
        delivered = deliver(exchange.id(), request, &upstream, state).await;
    }
    let Delivered {
        mut client,
        head,
        written,
    } = match delivered {
        Ok(delivered) => delivered,
        Err(failure) => return fail(session, exchange, failure, state).await,
    };
    let waited = sent.elapsed();
    state.metrics.took(Phase::UpstreamFirstByte, waited);
    let whole = match request.carriage {
        Carriage::Review(_) => review(session, exchange, &mut client, head, state).await?,
        Carriage::Read | Carriage::Write(_) | Carriage::Upgrade | Carriage::Tunnel => {
            relay(session, exchange, &mut client, head, state).await?
        }
    };
    if whole && written == Written::Whole {
        release(client, &upstream.peers.plain, &state.connector).await;
    } else {
        client.shutdown().await;
    }
    Ok(())
}

/// Tells and counts that there is no answer.
async fn fail(
    session: &mut Session,
    exchange: &mut Exchange,
    failure: Failure,
    state: &State,
) -> Result<()> {
    let cluster = exchange.summary().cluster;
    state.account.upstream_failed(cluster, failure.counted());
    let refusal = exchange.upstream_failed(failure.told());
    respond(session, refusal, state).await
}

/// A request that was answered.
pub(super) struct Delivered {
    pub(super) client: HttpSession,
    pub(super) head: ResponseHeader,
    pub(super) written: Written,
}

pub(super) async fn deliver(
    id: &str,
    request: &UpstreamRequest,
    upstream: &UpstreamCluster,
    state: &State,
) -> std::result::Result<Delivered, Failure> {
    let connected = state.connector.get_http_session(&upstream.peers.plain);
    let (mut client, reused) = connected.await.map_err(|error| {
        tracing::warn!(exchange.id = id, %error, "upstream not reached");
        Failure::of_connecting(&error)
    })?;
    if !reused {
        state.account.upstream_connected(&request.cluster);
    }
    client.set_read_timeout(Some(super::UPSTREAM_WRITE_ANSWER_MAX));
    client.set_write_timeout(Some(super::UPSTREAM_WRITE_ANSWER_MAX));
    let written = match write_request(&mut client, request, upstream).await {
        Ok(written) => written,
        Err(error) => {
            tracing::warn!(exchange.id = id, %error, "upstream broke while it was written to");
            client.shutdown().await;
            // Some bytes may have arrived, so this is "may have happened" (K-9.12), unless the API
            // server itself says that it did not.
            return Err(Failure::of(&error));
        }
    };
    let Some(head) = client.response_header().cloned() else {
        client.shutdown().await;
        return Err(Failure::Broken);
    };
    Ok(Delivered {
        client,
        head,
        written,
    })
}

/// How much of the request upstream took before it answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Whole,
    /// Upstream answered and closed its side first: nothing more may be sent on this connection.
    Part,
}

/// Sends the request and reads the answer's head. An API server may refuse before it has read the
/// body, and then takes no more of it (RFC 9110 §7.5, RFC 9113 §8.1): that answer counts, so a
/// failed write is the outcome only where no answer came.
async fn write_request(
    client: &mut HttpSession,
    request: &UpstreamRequest,
    upstream: &UpstreamCluster,
) -> Result<Written> {
    let body = match &request.carriage {
        Carriage::Write(body) | Carriage::Review(body) => body.clone(),
        Carriage::Read | Carriage::Upgrade | Carriage::Tunnel => Bytes::new(),
    };
    let version = if client.as_http2().is_some() {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    };
    let mut head = upstream_head(request, upstream, version)?;
    head.insert_header(header::CONTENT_LENGTH, body.len())?;
    client.write_request_header(Box::new(head)).await?;
    let written = write_body(client, body).await;
    let answered = read_head(client).await;
    match (written, answered) {
        (Ok(()), Ok(())) => Ok(Written::Whole),
        (Err(_), Ok(())) => Ok(Written::Part),
        // Why it could not be written is less than the API server's own word on it.
        (Err(_), Err(error)) if is_unprocessed(&error) => Err(error),
        (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
    }
}

async fn write_body(client: &mut HttpSession, body: Bytes) -> Result<()> {
    if !body.is_empty() {
        client.write_request_body(body, true).await?;
    }
    client.finish_request_body().await
}

async fn read_head(client: &mut HttpSession) -> Result<()> {
    client.read_response_header().await?;
    // Informational answers are not the answer.
    while client
        .response_header()
        .is_some_and(|head| head.status.is_informational())
    {
        client.read_response_header().await?;
    }
    Ok(())
}

async fn relay(
    session: &mut Session,
    exchange: &mut Exchange,
    client: &mut HttpSession,
    mut head: ResponseHeader,
    state: &State,
) -> Result<bool> {
    let now = state.clock.micros();
    let Ok(answered) = exchange.response_head(head.status, &head.headers, now) else {
        let refusal = exchange.upstream_failed(UpstreamFailure::Broke);
        respond(session, refusal, state).await?;
        return Ok(false);
    };
    let downstream = session.req_header().version;
    rewrite_response(&mut head, &answered, downstream)?;
    if let Some(event) = answered.event {
        state.submit(&event);
    }
    frame(&mut head, downstream)?;
    let written = session.write_response_header(Box::new(head), false).await;
    written.map_err(|error| error.into_down())?;
    loop {
        let chunk = client
            .read_response_body()
            .await
            .map_err(|error| error.into_up())?;
        let end = chunk.is_none();
        let chunk = exchange.response_body(chunk, end).map_err(unfit)?;
        if chunk.is_none() && !end {
            continue;
        }
        let written = session.write_response_body(chunk, end).await;
        written.map_err(|error| error.into_down())?;
        if end {
            return Ok(true);
        }
    }
}

/// Ends both sides: what was given so far must not look whole.
pub(super) fn unfit(_unfit: Unfit) -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the answer cannot be masked").into_up()
}

/// The framing of the downstream hop: upstream's coding was taken off when its body was read, and
/// pingora writes a head only in the version of its own connection.
fn frame(head: &mut ResponseHeader, downstream: Version) -> Result<()> {
    if downstream == Version::HTTP_2 {
        head.set_version(Version::HTTP_2);
        return Ok(());
    }
    head.set_version(Version::HTTP_11);
    let bodiless = matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if !bodiless && !head.headers.contains_key(header::CONTENT_LENGTH) {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(())
}

async fn review(
    session: &mut Session,
    exchange: &mut Exchange,
    client: &mut HttpSession,
    head: ResponseHeader,
    state: &State,
) -> Result<bool> {
    let mut body = BytesMut::new();
    while let Some(chunk) = client.read_response_body().await? {
        if body.len() + chunk.len() > REVIEW_BYTES_MAX {
            fail(session, exchange, Failure::Broken, state).await?;
            return Ok(false);
        }
        body.extend_from_slice(&chunk);
    }
    let now = state.clock.micros();
    let refusal = exchange.review_answer(head.status, &head.headers, body.freeze(), now);
    respond(session, refusal, state).await?;
    Ok(true)
}

pub(super) async fn release(mut client: HttpSession, peer: &HttpPeer, connector: &Connector) {
    if let HttpSession::H1(h1) = &mut client {
        h1.respect_keepalive();
    }
    connector
        .release_http_session(client, peer, peer.options.idle_timeout)
        .await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A released connection was kept for ever: the API server had closed it long before the next
    /// write, which was then told 504.
    #[tokio::test]
    async fn a_released_connection_is_closed_after_the_idle_time_of_its_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.idle_timeout = Some(Duration::from_millis(50));
        let connector = Connector::new(None);
        let upstream = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.read(&mut [0]).await.unwrap()
        };
        let downstream = async {
            let (mut client, _) = connector.get_http_session(&peer).await.unwrap();
            // Names are written in lower case: their case means nothing (RFC 9110 §5.1).
            let mut head = RequestHeader::build_no_case("GET", b"/", None).unwrap();
            head.insert_header(header::HOST, "a").unwrap();
            client.write_request_header(Box::new(head)).await.unwrap();
            client.finish_request_body().await.unwrap();
            read_head(&mut client).await.unwrap();
            while client.read_response_body().await.unwrap().is_some() {}
            release(client, &peer, &connector).await;
        };
        let both = Box::pin(async { tokio::join!(upstream, downstream) });
        let (read, ()) = tokio::time::timeout(Duration::from_secs(5), both)
            .await
            .unwrap();
        assert_eq!(read, 0, "closed");
    }
}
