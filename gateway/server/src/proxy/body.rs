//! Request bodies that policy judges are read whole, under a bound and a deadline.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateway_exchange::BodyFault;
use pingora_proxy::Session;
use tokio::sync::Semaphore;

/// BOUND: a body must be complete by then; an upload of 3 MiB needs 50 KiB/s.
const READ_DEADLINE: Duration = Duration::from_secs(60);
/// BOUND: bytes of request bodies held at once; one more body waits, then is refused.
pub(crate) const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// BOUND: how long a body waits for room.
const ROOM_DEADLINE: Duration = Duration::from_secs(10);

/// Reads the body into memory.
pub(super) async fn read_body(
    session: &mut Session,
    bytes_max: usize,
    budget: &Semaphore,
) -> Result<Bytes, BodyFault> {
    let wanted = u32::try_from(bytes_max.min(HELD_BYTES_MAX)).unwrap_or(u32::MAX);
    let room = tokio::time::timeout(ROOM_DEADLINE, budget.acquire_many(wanted)).await;
    let Ok(Ok(_room)) = room else {
        return Err(BodyFault::NoRoom);
    };
    let reading = async {
        if expects_continue(session) {
            session
                .write_continue_response()
                .await
                .map_err(|error| broken(&error))?;
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = session
            .downstream_session
            .read_request_body()
            .await
            .map_err(|error| broken(&error))?
        {
            if body.len() + chunk.len() > bytes_max {
                return Err(BodyFault::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        // The HTTP library reads a chunk without a size as the last one, so an empty chunked body
        // may hide bytes that would be taken for the next request (K-1.23).
        if body.is_empty()
            && session
                .get_header(http::header::TRANSFER_ENCODING)
                .is_some()
        {
            return Err(BodyFault::Broken);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(READ_DEADLINE, reading)
        .await
        .unwrap_or(Err(BodyFault::TooSlow))
}

fn expects_continue(session: &Session) -> bool {
    session
        .get_header(http::header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn broken(error: &pingora_error::Error) -> BodyFault {
    tracing::debug!(%error, "request body broke off");
    BodyFault::Broken
}
