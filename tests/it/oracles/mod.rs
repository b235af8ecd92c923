//! Our reading of a request beside Kubernetes' own, on inputs nobody thought of.

mod authentication;
mod requestinfo;
