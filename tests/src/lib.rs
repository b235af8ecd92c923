//! What the tests stand on: a real cluster, a local issuer, the gateway as the program it is, byte
//! level clients, and an upstream that misbehaves on demand.
//!
//! Claims about Kubernetes are only ever made against [`Cluster`]; [`FakeUpstream`] exists for
//! claims about connections and framing.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::map_err_ignore,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a fault of the harness is a failed test; there is nobody to hand an error to"
)]

mod canary;
mod certificate;
mod cluster;
mod fake;
mod frames;
mod gateway;
mod issuer;
mod journal;
mod kubectl;
mod place;
mod setup;
mod site;
mod stream;
mod terminal;
mod tls;
mod wait;
mod websocket;
mod wire;

pub use canary::Canary;
pub use certificate::{Authority, Leaf};
pub use cluster::{Cluster, Published};
pub use fake::{
    Connection, FakeUpstream, Log, Received, Script, Stream, read_request, write_answer,
};
pub use frames::{Frame, FrameKind, Frames, ServerFrames, header_block};
pub use gateway::Gateway;
pub use issuer::{Claims, Issuer, SigningKey, discovery, sha256_hex};
pub use journal::{Event, Journal};
pub use kubectl::{Finished, Kubectl};
pub use place::{cluster_command, countersign, repository, scratch};
pub use setup::{Bundle, Setup, issuer_block};
pub use site::Site;
pub use stream::{Answer as StreamAnswer, H2Client, block_on, runtime};
pub use terminal::Terminal;
pub use tls::{client_config, connect};
pub use wait::{PATIENCE, eventually, eventually_within, fresh};
pub use websocket::WebSocket;
pub use wire::{Answer, Request, Wire, get};
