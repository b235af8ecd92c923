use super::*;
use rcgen::{CertificateParams, DnType, DnValue, IsCa, Issuer, KeyPair};

pub(crate) const NOT_BEFORE: i64 = 1_735_689_600; // 2025-01-01
pub(crate) const NOT_AFTER: i64 = 1_767_225_600; // 2026-01-01

fn caller_of(
    issuers: &[CertificateIssuer],
    der: &[u8],
    now: i64,
) -> Result<Caller, CertificateFault> {
    prove(issuers, der, now).map(|holder| holder.caller)
}

/// An authority that signs what it is told.
pub(crate) struct TestAuthority {
    pub(crate) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl TestAuthority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params(&[(DnType::CommonName, name)]);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            der,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn sign(&self, subject: &[(DnType, &str)]) -> Vec<u8> {
        self.sign_params(&params(subject))
    }

    fn sign_params(&self, params: &CertificateParams) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }

    pub(crate) fn spec(&self, name: &str) -> CertificateSpec {
        CertificateSpec {
            name: name.to_owned(),
            kind: CallerKind::Service,
            authorities: vec![self.der.clone()],
            username_prefix: "cert:".to_owned(),
            groups_prefix: "cert:".to_owned(),
        }
    }
}

fn params(subject: &[(DnType, &str)]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in subject {
        params
            .distinguished_name
            .push(kind.clone(), DnValue::Utf8String((*value).to_owned()));
    }
    params
}

fn uid() -> DnType {
    DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2])
}

fn check(
    subject: &[(DnType, &str)],
    expected: Result<(&str, &[&str], Option<&str>), CertificateFault>,
) {
    let authority = TestAuthority::new("ca");
    let issuer = CertificateIssuer::check(authority.spec("mtls")).unwrap();
    let found =
        caller_of(&[issuer], &authority.sign(subject), NOT_BEFORE).map(|caller| caller.user);
    let found = found.map(|user| (user.username, user.groups, user.uid));
    let expected = expected.map(|(name, groups, uid)| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        (name.to_owned(), groups, uid.map(str::to_owned))
    });
    assert_eq!(found, expected, "{subject:?}");
}

#[test]
fn maps_common_name_organization_and_uid() {
    let name = (DnType::CommonName, "deployer");
    check(
        std::slice::from_ref(&name),
        Ok(("cert:deployer", &[], None)),
    );
    let group = (DnType::OrganizationName, "ops");
    check(
        &[group, name.clone(), (uid(), "7")],
        Ok(("cert:deployer", &["cert:ops"], Some("7"))),
    );
    check(&[], Err(CertificateFault::CommonName));
    let empty = |of| CertificateFault::Name(NameFault::Empty(of));
    check(&[(DnType::CommonName, "")], Err(empty(NameOf::User)));
    check(
        &[name.clone(), (DnType::OrganizationName, "")],
        Err(empty(NameOf::Group)),
    );
    check(&[name, (uid(), "")], Err(empty(NameOf::Uid)));
}

#[test]
fn names_itself_by_its_fingerprint_and_ends_with_its_validity() {
    let authority = TestAuthority::new("ca");
    let issuer = CertificateIssuer::check(authority.spec("mtls")).unwrap();
    let leaf = authority.sign(&[(DnType::CommonName, "a")]);
    let caller = caller_of(std::slice::from_ref(&issuer), &leaf, NOT_AFTER).unwrap();
    let id = caller.credential_id.unwrap();
    assert_eq!(
        caller.user.extra[CREDENTIAL_ID_KEY],
        std::slice::from_ref(&id)
    );
    assert_eq!(id.len(), "X509SHA256=".len() + 64);
    assert_eq!(
        (caller.expires_at, caller.issuer.as_str()),
        (Some(NOT_AFTER), "mtls")
    );
    for now in [NOT_BEFORE - 1, NOT_AFTER + 1] {
        let found = caller_of(std::slice::from_ref(&issuer), &leaf, now);
        assert_eq!(found, Err(CertificateFault::Validity));
    }
}

#[test]
fn refuses_names_of_the_cluster_without_a_prefix() {
    let authority = TestAuthority::new("ca");
    let spec = CertificateSpec {
        username_prefix: String::new(),
        groups_prefix: String::new(),
        ..authority.spec("mtls")
    };
    let issuer = [CertificateIssuer::check(spec).unwrap()];
    for subject in [
        vec![(DnType::CommonName, "system:node:n1")],
        vec![(DnType::CommonName, "system:serviceaccount:a:b")],
        vec![
            (DnType::CommonName, "a"),
            (DnType::OrganizationName, "system:masters"),
        ],
    ] {
        let found = caller_of(&issuer, &authority.sign(&subject), NOT_BEFORE);
        assert!(
            matches!(found, Err(CertificateFault::Name(NameFault::System(..)))),
            "{subject:?}"
        );
    }
}

#[test]
fn tells_authorities_apart_by_signature_not_by_name() {
    let (own, impostor) = (TestAuthority::new("ca"), TestAuthority::new("ca"));
    let issuers = [CertificateIssuer::check(own.spec("mtls")).unwrap()];
    let subject = [(DnType::CommonName, "a")];
    assert!(caller_of(&issuers, &own.sign(&subject), NOT_BEFORE).is_ok());
    let found = caller_of(&issuers, &impostor.sign(&subject), NOT_BEFORE);
    assert_eq!(found, Err(CertificateFault::Authority));
    let found = caller_of(&[], &own.sign(&subject), NOT_BEFORE);
    assert_eq!(found, Err(CertificateFault::Authority));
}

#[test]
fn refuses_several_common_names() {
    let authority = TestAuthority::new("ca");
    let issuer = [CertificateIssuer::check(authority.spec("mtls")).unwrap()];
    let subject = [
        (DnType::CommonName, "a"),
        (DnType::CustomDnType(vec![2, 5, 4, 3]), "b"),
    ];
    let found = caller_of(&issuer, &authority.sign(&subject), NOT_BEFORE);
    assert_eq!(found, Err(CertificateFault::CommonName));
}

#[test]
fn refuses_bytes_that_are_not_one_certificate() {
    let authority = TestAuthority::new("ca");
    let issuer = [CertificateIssuer::check(authority.spec("mtls")).unwrap()];
    let leaf = authority.sign(&[(DnType::CommonName, "a")]);
    let with_rest = [leaf.clone(), vec![0]].concat();
    for bytes in [&[][..], &[0x30], &with_rest, leaf.split_last().unwrap().1] {
        let found = caller_of(&issuer, bytes, NOT_BEFORE);
        assert_eq!(found, Err(CertificateFault::Unreadable));
    }
    let found = caller_of(&issuer, &vec![0; CERTIFICATE_BYTES_MAX + 1], NOT_BEFORE);
    assert_eq!(found, Err(CertificateFault::TooLong));
    for at in 0..leaf.len() {
        let mut mutated = leaf.clone();
        mutated[at] ^= 0x55;
        // The parser is lenient outside of what is signed; TLS, which comes first, is not.
        if let Ok(caller) = caller_of(&issuer, &mutated, NOT_BEFORE) {
            assert_eq!(caller.user.username, "cert:a", "byte {at}");
        }
    }
}

#[test]
fn an_entry_needs_a_readable_authority() {
    let authority = TestAuthority::new("ca");
    for authorities in [
        vec![],
        vec![vec![0x30]],
        vec![authority.der.clone(), vec![]],
    ] {
        let spec = CertificateSpec {
            authorities,
            ..authority.spec("mtls")
        };
        assert!(CertificateIssuer::check(spec).is_none());
    }
}
