//! Who calls: made by the identity crate, judged by the policy crate.

use std::collections::BTreeMap;

/// The user as the API server will see it (`authentication.k8s.io/v1` `UserInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct UserInfo {
    /// The unique name, prefix included. Never empty on a proven caller (K-7.2).
    pub username: String,
    /// A stable id, if the issuer gives one.
    pub uid: Option<String>,
    /// Groups, prefixes included, in the order of the credential.
    pub groups: Vec<String>,
    /// Further attributes; keys are lower-case domain paths.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What stands behind a credential. It is fixed by the issuer, never read from a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerKind {
    /// A person.
    Human,
    /// A program that is not an agent: CI, a controller.
    Service,
    /// An AI agent.
    Agent,
    /// A shared static token: whoever holds it. Policy can see it as such.
    Legacy,
}

impl CallerKind {
    /// The word that stands in policy, audit and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Service => "service",
            Self::Agent => "agent",
            Self::Legacy => "legacy",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Human, Self::Service, Self::Agent, Self::Legacy]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// For whom a delegated request is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delegation {
    /// One decision for the agent and one for the principal behind it; the stricter holds.
    Both,
    /// The agent alone; the principal is offered to rules as `acting-for`.
    Agent,
}

/// A proven caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the `issuer` block that proved the credential.
    pub issuer: String,
    /// Who the API server will see.
    pub user: UserInfo,
    /// What stands behind the credential.
    pub kind: CallerKind,
    /// Identity attributes for rules (`attr` lines). A missing attribute is *unknown* to a rule.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// The principal this caller acts for, if the credential names one.
    pub acting_for: Option<Box<Self>>,
    /// How `acting_for` takes part in the decision.
    pub delegation: Delegation,
    /// Seconds since 1970 at which the credential ends; `None` for credentials without an end.
    pub expires_at: Option<i64>,
    /// `JTI=…`, `X509SHA256=…`: the key for revocation and audit (K-8.4).
    pub credential_id: Option<String>,
}
