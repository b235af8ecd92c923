//! Our reading of a request beside Kubernetes' own, and masked answers beside an oracle's, on inputs nobody
//! thought of.

mod authentication;
mod masking;
mod requestinfo;
