//! The API servers behind the gateway: address, trust, the gateway's own credential, discovery.

mod credential;
mod discovery;
pub(crate) mod kubeconfig;

pub(crate) use credential::CredentialSource;
pub(crate) use discovery::Discovery;
