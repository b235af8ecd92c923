//! The closed label sets (house rule 28): a label is a variant of one of these enums, or a name
//! from the configuration. Nothing a caller sends becomes a label.

use gateway_kubeapi::Verb;

/// A closed set of label values.
pub(crate) trait Label: Copy + 'static {
    /// Every value, each at the index of its variant.
    const ALL: &'static [Self];

    /// The value as it stands in the exposition.
    fn as_str(self) -> &'static str;

    /// The place in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! labels {
    ($($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The value as it stands in the exposition.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value of that word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                <Self as Label>::ALL.iter().copied().find(|label| label.as_str() == word)
            }
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn as_str(self) -> &'static str {
                Self::as_str(self)
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    )+};
}

labels! {
    /// What a request wants.
    pub enum VerbClass {
        /// get, list, watch.
        Read = "read",
        /// create, update, patch, delete, deletecollection.
        Write = "write",
        /// exec, attach, port-forward, proxy.
        Connect = "connect",
        /// Not understood, or impersonation.
        Other = "other",
    }

    /// First digit of the answer's status code.
    pub enum CodeClass {
        /// 1xx: 101 of a session.
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirection = "3xx",
        /// 4xx.
        Caller = "4xx",
        /// 5xx.
        Gateway = "5xx",
        /// The downstream went away before an answer.
        None = "none",
    }

    /// How an exchange was answered.
    pub enum Effect {
        /// Policy allowed it.
        Allow = "allow",
        /// Policy denied it.
        Deny = "deny",
        /// The gateway refused it.
        Refuse = "refuse",
    }

    /// Why an exchange was answered so.
    pub enum Reason {
        /// A rule allows it and no rule denies it.
        Allowed = "allowed",
        /// No rule allows it.
        NoAllow = "no-allow",
        /// A rule denies it.
        DeniedByRule = "denied-by-rule",
        /// An obligation cannot be fulfilled.
        ObligationFailed = "obligation-failed",
        /// No credential, or none that proves a caller.
        Unauthenticated = "unauthenticated",
        /// The request can be read in two ways, or in none.
        Malformed = "malformed",
        /// The request is understood and not supported.
        Unsupported = "unsupported",
        /// A bound on head, body or count was reached.
        TooLarge = "too-large",
        /// The request asks to act as somebody whom the gateway never acts as.
        Impersonation = "impersonation",
        /// The host or path names no cluster.
        UnknownCluster = "unknown-cluster",
        /// No bundle is published.
        NoPolicy = "no-policy",
        /// The audit log cannot be written.
        AuditUnavailable = "audit-unavailable",
        /// The upstream cannot be reached or broke off.
        UpstreamUnavailable = "upstream-unavailable",
        /// The answer does not fit the judged request.
        UpstreamAnswer = "upstream-answer",
        /// Too many exchanges, watches or sessions.
        Overloaded = "overloaded",
        /// A phase took longer than it may.
        Timeout = "timeout",
        /// A fault of the gateway.
        Internal = "internal",
    }

    /// The timed parts of an exchange.
    pub enum Phase {
        /// Proving a caller that is not remembered.
        Authenticate = "authenticate",
        /// Deciding for one that is.
        Judge = "judge",
        /// Waiting for the audit log.
        Audit = "audit",
        /// From the way upstream, a new connection included, to the head of the answer.
        UpstreamFirstByte = "upstream_first_byte",
        /// From the head of the request to the last byte of the answer; not of streams.
        Total = "total",
    }

    /// Why an answer could not be given masked: the words of the exchange.
    pub enum Unmaskable {
        /// It came compressed.
        Encoding = "encoding",
        /// It came in a form that cannot be masked.
        MediaType = "media-type",
        /// It is not JSON, not UTF-8, or a session of frames that are not understood.
        Malformed = "malformed",
        /// It ended too early.
        Truncated = "truncated",
        /// It passed a bound.
        Bound = "bound",
        /// An event of a watch was not understood.
        WatchEvent = "watch-event",
        /// The masks that meet on it are more than a program may hold.
        Program = "program",
    }

    /// How a request upstream ended.
    pub enum UpstreamResult {
        /// The API server answered.
        Answered = "answered",
        /// No connection.
        ConnectFailed = "connect-failed",
        /// No TLS session, or not with the expected server.
        TlsFailed = "tls-failed",
        /// The API server said that it did nothing for the request: GOAWAY, REFUSED_STREAM.
        Unprocessed = "unprocessed",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection broke before the answer was complete.
        Broken = "broken",
        /// The downstream went away first.
        Cancelled = "cancelled",
    }

    /// Sessions: connections that were upgraded.
    pub enum SessionKind {
        /// exec.
        Exec = "exec",
        /// attach.
        Attach = "attach",
        /// port-forward.
        PortForward = "portforward",
        /// Upgrades through a proxy subresource.
        Proxy = "proxy",
    }

    /// Why no caller was proven: the words of the identity crate's faults.
    pub enum AuthenticationFailure {
        /// No credential.
        NoCredential = "no-credential",
        /// More than one credential, or one that cannot be read.
        CredentialMalformed = "credential-malformed",
        /// The token is not well formed.
        TokenMalformed = "token-malformed",
        /// No issuer of that name.
        IssuerUnknown = "issuer-unknown",
        /// An opaque token nobody knows.
        TokenUnknown = "token-unknown",
        /// An algorithm outside the list (K-8.3).
        AlgorithmRefused = "algorithm-refused",
        /// The signature does not fit.
        SignatureInvalid = "signature-invalid",
        /// The issuer's keys were never fetched, or are too old.
        KeysUnavailable = "keys-unavailable",
        /// The issuer has no key that verifies the token.
        KeyUnknown = "key-unknown",
        /// For somebody else.
        AudienceMismatch = "audience-mismatch",
        /// The token fits two issuer blocks.
        IssuerAmbiguous = "issuer-ambiguous",
        /// Past its end.
        TokenExpired = "token-expired",
        /// Before its beginning.
        TokenNotYetValid = "token-not-yet-valid",
        /// Older, or of a longer life, than the issuer block lets it be.
        TokenAge = "token-age",
        /// A claim is missing, of the wrong type or of the wrong value.
        ClaimsRefused = "claims-refused",
        /// The delegation is not acceptable.
        DelegationRefused = "delegation-refused",
        /// The cluster does not accept the token.
        ReviewRefused = "review-refused",
        /// The cluster could not be asked.
        ReviewUnavailable = "review-unavailable",
        /// A client certificate that does not prove a caller.
        CertificateRefused = "certificate-refused",
        /// A shared token past its end.
        SharedTokenExpired = "shared-token-expired",
        /// Token and certificate name two users.
        IdentitiesDiffer = "identities-differ",
    }

    /// How a look at the policy source ended.
    pub enum Reload {
        /// A new bundle was published.
        Published = "published",
        /// The source has what is active.
        Unchanged = "unchanged",
        /// A new bundle was rejected; the last good one stays.
        Rejected = "rejected",
        /// The source cannot be read.
        Unreadable = "unreadable",
    }

    /// How a fetch of an issuer's keys ended.
    pub enum Fetch {
        /// Keys were fetched.
        Fetched = "fetched",
        /// They were not.
        Failed = "failed",
    }

    /// Why a connection was closed before its first request.
    pub enum ConnectionRejection {
        /// All connections of the listener are in use.
        Limit = "limit",
        /// The TLS handshake failed.
        Handshake = "handshake",
        /// The TLS handshake took too long.
        HandshakeTimeout = "handshake-timeout",
    }
}

impl VerbClass {
    /// The class of a policy verb.
    #[must_use]
    pub const fn of(verb: Verb) -> Self {
        match verb {
            Verb::Get | Verb::List | Verb::Watch => Self::Read,
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
                Self::Write
            }
            Verb::Connect => Self::Connect,
            Verb::Impersonate => Self::Other,
        }
    }
}

impl CodeClass {
    /// The class of a status code.
    #[must_use]
    pub const fn of(code: u16) -> Self {
        match code {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::Caller,
            500..=599 => Self::Gateway,
            0..=99 | 600.. => Self::None,
        }
    }
}

impl Reason {
    /// The effect this reason belongs to.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Allowed => Effect::Allow,
            Self::NoAllow | Self::DeniedByRule | Self::ObligationFailed => Effect::Deny,
            Self::Unauthenticated
            | Self::Malformed
            | Self::Unsupported
            | Self::TooLarge
            | Self::Impersonation
            | Self::UnknownCluster
            | Self::NoPolicy
            | Self::AuditUnavailable
            | Self::UpstreamUnavailable
            | Self::UpstreamAnswer
            | Self::Overloaded
            | Self::Timeout
            | Self::Internal => Effect::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check<L: Label>() {
        let mut words = BTreeSet::new();
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index);
            assert!(words.insert(label.as_str()), "{}", label.as_str());
        }
    }

    #[test]
    fn parses_the_words_it_writes_and_no_other() {
        assert_eq!(Reason::parse("no-allow"), Some(Reason::NoAllow));
        assert_eq!(Reason::parse("No-Allow"), None);
    }

    #[test]
    fn every_label_has_its_own_word_and_place() {
        check::<VerbClass>();
        check::<CodeClass>();
        check::<Effect>();
        check::<Reason>();
        check::<Phase>();
        check::<UpstreamResult>();
        check::<SessionKind>();
        check::<AuthenticationFailure>();
        check::<Reload>();
        check::<Fetch>();
        check::<ConnectionRejection>();
    }

    #[test]
    fn classes_cover_every_verb_and_code() {
        assert_eq!(VerbClass::of(Verb::Watch), VerbClass::Read);
        assert_eq!(VerbClass::of(Verb::DeleteCollection), VerbClass::Write);
        for (code, class) in [
            (101, "1xx"),
            (204, "2xx"),
            (304, "3xx"),
            (429, "4xx"),
            (503, "5xx"),
        ] {
            assert_eq!(CodeClass::of(code).as_str(), class);
        }
        assert_eq!(CodeClass::of(0), CodeClass::None);
        assert_eq!(CodeClass::of(u16::MAX), CodeClass::None);
    }
}
