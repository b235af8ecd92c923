//! Client certificates as Kubernetes reads them (`apiserver/pkg/authentication/request/x509`):
//! common name is the user, organizations are groups, `1.3.6.1.4.1.57683.2` is the uid.
//!
//! TLS has verified the chain. Which configured authority stands at its end TLS does not say, and
//! the issuer name alone could be copied by an intermediate of another authority; so the leaf's
//! signature is checked once more against the key of the authority it names. An authority that
//! signs through intermediates is configured by those.

use std::collections::BTreeMap;

use gateway_kubeapi::{Caller, CallerKind, Delegation, UserInfo};
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid;
use x509_parser::oid_registry::{OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, SubjectPublicKeyInfo};

use crate::claims::{CREDENTIAL_ID_KEY, GROUP_COUNT_MAX, NameFault, NameOf, external, printable};

// BOUND: TLS has parsed it already; this is the bound of what is hashed and mapped.
/// Longest client certificate, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// Authorities whose client certificates prove callers of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSpec {
    /// Name of the entry; the caller's issuer.
    pub name: String,
    /// What stands behind the certificates.
    pub kind: CallerKind,
    /// The certificates, in DER, that sign client certificates.
    pub authorities: Vec<Vec<u8>>,
    /// Put before the common name.
    pub username_prefix: String,
    /// Put before each organization.
    pub groups_prefix: String,
}

/// Why a certificate proves nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Longer than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate is longer than {CERTIFICATE_BYTES_MAX} bytes")]
    TooLong,
    /// Not one DER certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// No configured authority signed it.
    #[error("no configured authority signed the certificate")]
    Authority,
    /// Outside its validity.
    #[error("the certificate is not valid now")]
    Validity,
    /// No or several common names.
    #[error("the certificate has not exactly one common name")]
    CommonName,
    /// Several uids.
    #[error("the certificate has more than one uid")]
    Uid,
    /// A name of an odd string type.
    #[error("a name in the certificate is no plain string")]
    StringType,
    /// A name that may not go upstream.
    #[error("{0}")]
    Name(#[from] NameFault),
}

/// A checked entry.
#[derive(Debug, Clone)]
pub(crate) struct CertificateIssuer {
    pub(crate) name: String,
    kind: CallerKind,
    authorities: Vec<Authority>,
    username_prefix: String,
    groups_prefix: String,
}

/// Subject and public key of an authority, in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    subject: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateIssuer {
    /// `None` if there is no authority or one cannot be read.
    pub(crate) fn check(spec: CertificateSpec) -> Option<Self> {
        let authorities: Option<Vec<_>> =
            spec.authorities.iter().map(|a| read_authority(a)).collect();
        Some(Self {
            name: spec.name,
            kind: spec.kind,
            authorities: authorities.filter(|authorities| !authorities.is_empty())?,
            username_prefix: spec.username_prefix,
            groups_prefix: spec.groups_prefix,
        })
    }

    /// True if one certificate could be of both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.authorities
            .iter()
            .any(|authority| other.authorities.contains(authority))
    }

    fn signed(&self, leaf: &X509Certificate<'_>) -> bool {
        self.authorities
            .iter()
            .any(|authority| authority.signed(leaf))
    }

    fn user(&self, leaf: &X509Certificate<'_>) -> Result<UserInfo, CertificateFault> {
        let subject = leaf.subject();
        let names: Vec<_> = subject
            .iter_common_name()
            .map(text)
            .collect::<Result<_, _>>()?;
        let [name] = names.as_slice() else {
            return Err(CertificateFault::CommonName);
        };
        // The prefix must not hide an empty or blank-edged name.
        printable(NameOf::User, name)?;
        let username = format!("{}{name}", self.username_prefix);
        external(NameOf::User, &username)?;
        let mut groups = Vec::new();
        for organization in subject.iter_organization() {
            let organization = text(organization)?;
            printable(NameOf::Group, organization)?;
            let group = format!("{}{organization}", self.groups_prefix);
            external(NameOf::Group, &group)?;
            groups.push(group);
        }
        if groups.len() > GROUP_COUNT_MAX {
            return Err(NameFault::TooManyGroups.into());
        }
        let uid_type = oid!(1.3.6.1.4.1.57683.2);
        let uids: Vec<_> = subject
            .iter_by_oid(&uid_type)
            .map(text)
            .collect::<Result<_, _>>()?;
        let uid = match uids.as_slice() {
            [] => None,
            [uid] => {
                printable(NameOf::Uid, uid)?;
                Some((*uid).to_owned())
            }
            [_, _, ..] => return Err(CertificateFault::Uid),
        };
        Ok(UserInfo {
            username,
            uid,
            groups,
            extra: BTreeMap::new(),
        })
    }
}

impl Authority {
    fn signed(&self, leaf: &X509Certificate<'_>) -> bool {
        let algorithm = &leaf.signature_algorithm.algorithm;
        let weak = *algorithm == OID_PKCS1_SHA1WITHRSA || *algorithm == OID_SHA1_WITH_RSA;
        let key = SubjectPublicKeyInfo::from_der(&self.key);
        leaf.issuer().as_raw() == self.subject
            && !weak
            && key.is_ok_and(|(_, key)| leaf.verify_signature(Some(&key)).is_ok())
    }
}

/// A caller proven by a certificate, and the start of its validity.
pub(crate) struct Holder {
    pub(crate) caller: Caller,
    pub(crate) issued_at: i64,
}

/// Maps the leaf certificate by the entry whose authority signed it.
pub(crate) fn prove(
    issuers: &[CertificateIssuer],
    der: &[u8],
    now: i64,
) -> Result<Holder, CertificateFault> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateFault::TooLong);
    }
    let Ok(([], leaf)) = X509Certificate::from_der(der) else {
        return Err(CertificateFault::Unreadable);
    };
    let issuer = issuers.iter().find(|issuer| issuer.signed(&leaf));
    let issuer = issuer.ok_or(CertificateFault::Authority)?;
    let (from, until) = (
        leaf.validity().not_before.timestamp(),
        leaf.validity().not_after.timestamp(),
    );
    if now < from || now > until {
        return Err(CertificateFault::Validity);
    }
    let mut user = issuer.user(&leaf)?;
    let id = credential_id(der);
    user.extra
        .insert(CREDENTIAL_ID_KEY.to_owned(), vec![id.clone()]);
    let caller = Caller {
        issuer: issuer.name.clone(),
        user,
        kind: issuer.kind,
        attributes: BTreeMap::new(),
        acting_for: None,
        delegation: Delegation::Both,
        expires_at: Some(until),
        credential_id: Some(id),
    };
    Ok(Holder {
        caller,
        issued_at: from,
    })
}

fn read_authority(der: &[u8]) -> Option<Authority> {
    let ([], authority) = X509Certificate::from_der(der).ok()? else {
        return None;
    };
    Some(Authority {
        subject: authority.subject().as_raw().to_vec(),
        key: authority.public_key().raw.to_vec(),
    })
}

fn text<'a>(attribute: &'a AttributeTypeAndValue<'_>) -> Result<&'a str, CertificateFault> {
    attribute
        .as_str()
        .map_or(Err(CertificateFault::StringType), Ok)
}

fn credential_id(der: &[u8]) -> String {
    let digest = Sha256::digest(der);
    digest.iter().fold("X509SHA256=".to_owned(), |text, byte| {
        format!("{text}{byte:02x}")
    })
}

#[cfg(test)]
pub(crate) mod tests;
