//! Request bodies that policy judges are read whole, under bounds and a deadline.
//!
//! Room is taken by what has arrived, not by what is announced, and travels with the body until its
//! last byte is gone: neither a slow upload nor a slow API server holds what it does not use, and no
//! user holds everybody's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use gateway_exchange::BodyFault;
use http::header;
use pingora_proxy::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// BOUND: a body must be complete by then; an upload of 3 MiB needs 50 KiB/s.
const READ_DEADLINE: Duration = Duration::from_secs(60);
/// BOUND: bytes of request bodies held at once; one step more waits, then is refused.
const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// BOUND: bytes of one user among them, whatever its credentials and connections; one step more is
/// refused with 429, which clients repeat by themselves.
const USER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Room is taken in steps of this size, or in one of the announced length, if that is smaller.
const STEP_BYTES: usize = 64 * 1024;
/// BOUND: how long a body waits for room.
const ROOM_DEADLINE: Duration = Duration::from_secs(10);

/// The room that all bodies share.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    room: Arc<Semaphore>,
    /// Bytes held by user. BOUND: users with a body under way, as an entry goes with its last byte.
    users: DashMap<String, usize>,
}

/// The room that one body has taken.
#[derive(Debug)]
struct Held {
    budget: Arc<BodyBudget>,
    user: String,
    bytes: usize,
    room: Option<OwnedSemaphorePermit>,
}

/// A body with its room, which is given back with the last reference to the bytes.
#[derive(Debug)]
pub(super) struct Roomed {
    bytes: Vec<u8>,
    held: Held,
}

impl BodyBudget {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            room: Arc::new(Semaphore::new(HELD_BYTES_MAX)),
            users: DashMap::new(),
        })
    }

    fn hold(self: &Arc<Self>, user: &str) -> Held {
        Held {
            budget: Arc::clone(self),
            user: user.to_owned(),
            bytes: 0,
            room: None,
        }
    }
}

impl Held {
    async fn grow(&mut self, bytes: usize) -> Result<(), BodyFault> {
        {
            let mut of_user = self.budget.users.entry(self.user.clone()).or_default();
            if of_user.saturating_add(bytes) > USER_BYTES_MAX {
                return Err(BodyFault::NoRoomForUser);
            }
            *of_user += bytes;
        }
        self.bytes += bytes;
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.budget.room).acquire_many_owned(wanted);
        let Ok(Ok(room)) = tokio::time::timeout(ROOM_DEADLINE, room).await else {
            return Err(BodyFault::NoRoom);
        };
        match &mut self.room {
            Some(held) => held.merge(room),
            None => self.room = Some(room),
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.users.remove_if_mut(&self.user, |_, of_user| {
            *of_user = of_user.saturating_sub(self.bytes);
            *of_user == 0
        });
    }
}

impl AsRef<[u8]> for Roomed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the body of a user's request into memory.
pub(super) async fn read_body(
    session: &mut Session,
    bytes_max: usize,
    user: &str,
    budget: &Arc<BodyBudget>,
) -> Result<Bytes, BodyFault> {
    let reading = async {
        let mut body = Roomed::new(budget, user);
        body.grow(announced(session).map_or(STEP_BYTES, |length| length.min(STEP_BYTES)))
            .await?;
        if expects_continue(session) {
            session
                .write_continue_response()
                .await
                .map_err(|error| broken(&error))?;
        }
        while let Some(chunk) = session
            .downstream_session
            .read_request_body()
            .await
            .map_err(|error| broken(&error))?
        {
            if body.bytes.len() + chunk.len() > bytes_max {
                return Err(BodyFault::TooLarge);
            }
            body.extend(&chunk).await?;
        }
        // The HTTP library reads a chunk without a size as the last one, so an empty chunked body
        // may hide bytes that would be taken for the next request (K-1.23).
        if body.bytes.is_empty() && session.get_header(header::TRANSFER_ENCODING).is_some() {
            return Err(BodyFault::Broken);
        }
        Ok(Bytes::from_owner(body))
    };
    tokio::time::timeout(READ_DEADLINE, reading)
        .await
        .unwrap_or(Err(BodyFault::TooSlow))
}

impl Roomed {
    pub(super) fn new(budget: &Arc<BodyBudget>, user: &str) -> Self {
        Self {
            bytes: Vec::new(),
            held: budget.hold(user),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes room first, so that memory never runs ahead of it.
    async fn grow(&mut self, bytes: usize) -> Result<(), BodyFault> {
        self.held.grow(bytes).await?;
        self.bytes.reserve_exact(bytes);
        Ok(())
    }

    pub(super) async fn extend(&mut self, chunk: &[u8]) -> Result<(), BodyFault> {
        let missing = (self.bytes.len() + chunk.len()).saturating_sub(self.held.bytes);
        if missing > 0 {
            self.grow(missing.next_multiple_of(STEP_BYTES)).await?;
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

fn announced(session: &Session) -> Option<usize> {
    let length = session.get_header(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn expects_continue(session: &Session) -> bool {
    session
        .get_header(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn broken(error: &pingora_error::Error) -> BodyFault {
    tracing::debug!(%error, "request body broke off");
    BodyFault::Broken
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(budget: &Arc<BodyBudget>, user: &str, bytes: usize) -> Result<Bytes, BodyFault> {
        let mut body = Roomed::new(budget, user);
        for _ in 0..bytes / 1024 {
            body.extend(&[b'x'; 1024]).await?;
        }
        Ok(Bytes::from_owner(body))
    }

    fn free(budget: &BodyBudget) -> usize {
        budget.room.available_permits()
    }

    /// The room was given back when the body was read, while the body lived on.
    #[tokio::test]
    async fn room_travels_with_the_body_until_its_last_reference_is_gone() {
        let budget = BodyBudget::new();
        let whole = body(&budget, "a", 100 * 1024).await.unwrap();
        assert_eq!(free(&budget), HELD_BYTES_MAX - 2 * STEP_BYTES);
        let part = whole.slice(10..20);
        drop(whole);
        assert_eq!(free(&budget), HELD_BYTES_MAX - 2 * STEP_BYTES);
        drop(part);
        assert_eq!(free(&budget), HELD_BYTES_MAX);
        assert!(budget.users.is_empty());
    }

    /// Every request took room for the largest body there may be, so some eighty slow uploads of one
    /// user had everybody's writes refused.
    #[tokio::test]
    async fn one_user_cannot_take_the_room_of_all() {
        let budget = BodyBudget::new();
        let mut held = Vec::new();
        let fault = loop {
            match body(&budget, "a", 3 << 20).await {
                Ok(body) => held.push(body),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, BodyFault::NoRoomForUser);
        assert_eq!(held.len(), USER_BYTES_MAX / (3 << 20));
        let whole = body(&budget, "b", 3 << 20).await.unwrap();
        assert_eq!(whole.len(), 3 << 20);
        held.pop();
        assert!(body(&budget, "a", 3 << 20).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_room_and_gives_back_what_it_had() {
        let budget = BodyBudget::new();
        let all = u32::try_from(HELD_BYTES_MAX - STEP_BYTES).unwrap();
        let others = budget.room.acquire_many(all).await.unwrap();
        assert_eq!(
            body(&budget, "a", 2 * STEP_BYTES).await,
            Err(BodyFault::NoRoom)
        );
        assert_eq!(free(&budget), STEP_BYTES);
        assert!(budget.users.is_empty());
        let waiting = body(&budget, "a", 2 * STEP_BYTES);
        let release = async {
            tokio::time::sleep(ROOM_DEADLINE / 2).await;
            drop(others);
        };
        let (body, ()) = tokio::join!(waiting, release);
        assert_eq!(body.unwrap().len(), 2 * STEP_BYTES);
    }
}
