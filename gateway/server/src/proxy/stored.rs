//! Reads the live object of a write, as its author, on the gateway's own way upstream (ADR 0011).

use std::time::Duration;

use bytes::Bytes;
use gateway_exchange::{LiveFault, UpstreamRequest};
use http::StatusCode;

use super::body::Roomed;
use super::failure::Failure;
use super::forward::{Delivered, Written, deliver, release};
use crate::state::{State, UpstreamCluster};

/// BOUND: the API server answers a read of one object within milliseconds; a write does not wait longer
/// for what it needs, and is refused then.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Reads it once; the object takes room like a request body of the same user.
pub(super) async fn read(
    id: &str,
    user: &str,
    request: &UpstreamRequest,
    bytes_max: usize,
    state: &State,
) -> Result<(StatusCode, Bytes), LiveFault> {
    let Some(upstream) = state.upstream(&request.cluster) else {
        return Err(LiveFault::NotReached);
    };
    let reading = async {
        let mut delivered = deliver(id, request, &upstream, state).await;
        // BOUND: one more attempt, as a read may be sent twice: the API server may have closed a
        // connection that was kept.
        if let Err(Failure::Unprocessed | Failure::Broken) = delivered {
            delivered = deliver(id, request, &upstream, state).await;
        }
        let delivered = delivered.map_err(|failure| {
            state
                .account
                .upstream_failed(Some(&request.cluster), failure.counted());
            fault(failure)
        })?;
        collect(delivered, user, bytes_max, (state, &upstream)).await
    };
    tokio::time::timeout(ANSWER_MAX, reading)
        .await
        .unwrap_or(Err(LiveFault::TooSlow))
}

async fn collect(
    delivered: Delivered,
    user: &str,
    bytes_max: usize,
    (state, upstream): (&State, &UpstreamCluster),
) -> Result<(StatusCode, Bytes), LiveFault> {
    let Delivered {
        mut client,
        head,
        written,
    } = delivered;
    let mut body = Roomed::new(&state.body_budget, user);
    loop {
        let chunk = client.read_response_body().await.map_err(|error| {
            tracing::warn!(%error, "the live object broke off");
            fault(Failure::of(&error))
        })?;
        let Some(chunk) = chunk else { break };
        if body.len() + chunk.len() > bytes_max {
            client.shutdown().await;
            return Err(LiveFault::TooLarge);
        }
        let room = body.extend(&chunk).await;
        room.map_err(|_no_room| LiveFault::NoRoom)?;
    }
    if written == Written::Whole {
        release(client, &upstream.peers.plain, &state.connector).await;
    } else {
        client.shutdown().await;
    }
    Ok((head.status, Bytes::from_owner(body)))
}

const fn fault(failure: Failure) -> LiveFault {
    match failure {
        Failure::ConnectFailed | Failure::TlsFailed | Failure::Unprocessed => LiveFault::NotReached,
        Failure::TimedOut => LiveFault::TooSlow,
        Failure::Broken => LiveFault::Broken,
    }
}
