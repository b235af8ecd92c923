//! Who may be proven besides the bundle's issuers: client certificates and shared tokens of the
//! configuration file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gateway_exchange::StaticIdentities;
use gateway_identity::{CertificateSpec, LegacySpec};

use crate::config::Config;
use crate::proxy::certificates;

/// Where they come from. The authorities are files and may be replaced at any time.
#[derive(Debug)]
pub(crate) struct IdentitySources {
    authorities: Vec<PathBuf>,
    certificates: Vec<CertificateSpec>,
    legacy: Vec<LegacySpec>,
    reviewed: BTreeSet<String>,
}

impl IdentitySources {
    pub(crate) fn new(config: &Config) -> Self {
        let authorities = config
            .listeners
            .values()
            .filter_map(|listener| listener.tls.client_ca.clone())
            .collect();
        let certificates = config.certificates.iter().map(|mapping| CertificateSpec {
            name: mapping.name.clone(),
            kind: mapping.kind,
            authorities: Vec::new(),
            username_prefix: mapping.username_prefix.clone(),
            groups_prefix: mapping.groups_prefix.clone(),
        });
        let legacy = config.legacy.iter().map(|(name, token)| LegacySpec {
            name: name.clone(),
            hash: token.hash.clone(),
            username: token.user.clone(),
            groups: token.groups.clone(),
            expires_at: token.expires_at,
        });
        let reviewed = config
            .issuers
            .iter()
            .filter(|(_, issuer)| issuer.token_review.is_some())
            .map(|(name, _)| name.clone());
        Self {
            authorities,
            certificates: certificates.collect(),
            legacy: legacy.collect(),
            reviewed: reviewed.collect(),
        }
    }

    /// The authorities as their files stand now, each once.
    pub(crate) fn authorities(&self) -> Result<BTreeSet<Vec<u8>>, String> {
        let mut found = BTreeSet::new();
        for path in &self.authorities {
            let read = certificates(path).map_err(|fault| fault.to_string())?;
            found.extend(read.into_iter().map(|der| der.to_vec()));
        }
        Ok(found)
    }

    /// All of it, with these authorities.
    pub(crate) fn with(&self, authorities: &BTreeSet<Vec<u8>>) -> StaticIdentities {
        let certificates = self
            .certificates
            .iter()
            .cloned()
            .map(|spec| CertificateSpec {
                authorities: authorities.iter().cloned().collect(),
                ..spec
            });
        StaticIdentities {
            certificates: certificates.collect(),
            legacy: self.legacy.clone(),
            reviewed: self.reviewed.clone(),
        }
    }
}
