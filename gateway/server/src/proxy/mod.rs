//! The data path: listeners, pingora's hooks, the way upstream.

mod body;
mod buffered;
mod failure;
mod forward;
mod gate;
mod hooks;
mod kill;
mod listener;
mod live;
mod peer;
mod stored;
mod tls;

use std::time::Duration;

pub(crate) use body::BodyBudget;
pub(crate) use hooks::Gateway;
pub(crate) use kill::KillApp;
pub(crate) use listener::Listener;
pub(crate) use live::LiveExchanges;
pub(crate) use peer::Peers;
pub(crate) use peer::UpstreamEndpoint;
pub(crate) use tls::TlsFiles;
pub(crate) use tls::{acceptor, certificates};

/// BOUND: the API server ends non-streaming requests after 60 s (K-9.13); admission webhooks may
/// take 30 s of them.
const UPSTREAM_WRITE_ANSWER_MAX: Duration = Duration::from_secs(70);
