//! Who takes part in the demo, and the tokens that prove it.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use gateway_identity::mint::MintKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::files::{Layout, write_private};

/// Short enough to be of little use to a thief, long enough for a kubectl command.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// The audience that `policies/demo` demands. The API server does not accept it (K-7.13).
const AUDIENCE: &str = "countersign-demo";

/// How a subject proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    /// By a token of the demo's issuer.
    Issued,
    /// By a static token whose digest stands in the gateway's configuration.
    Static,
}

/// One caller of the demo.
#[derive(Debug)]
pub(super) struct Subject {
    /// The name on the command line, and the token's `sub`.
    pub(super) name: &'static str,
    /// The token's `kind`; empty for the one that has no token of the issuer.
    pub(super) kind: &'static str,
    /// The token's `groups`.
    pub(super) groups: &'static [&'static str],
    /// The user that the API server sees.
    pub(super) user: &'static str,
    /// The groups that the API server sees.
    pub(super) groups_upstream: &'static [&'static str],
    /// How it proves itself.
    pub(super) credential: Credential,
    /// What the tour says about it.
    pub(super) about: &'static str,
}

/// Everybody in `policies/demo`.
pub(super) const SUBJECTS: [Subject; 4] = [
    Subject {
        name: "reader-agent",
        kind: "agent",
        groups: &["agents"],
        user: "demo:reader-agent",
        groups_upstream: &["demo:agents"],
        credential: Credential::Issued,
        about: "an agent that may look, but sees no Secret",
    },
    Subject {
        name: "deploy-agent",
        kind: "agent",
        groups: &["agents"],
        user: "demo:deploy-agent",
        groups_upstream: &["demo:agents"],
        credential: Credential::Issued,
        about: "an agent that releases",
    },
    Subject {
        name: "sre-human",
        kind: "human",
        groups: &["sre"],
        user: "demo:sre-human",
        groups_upstream: &["demo:sre"],
        credential: Credential::Issued,
        about: "a person on call",
    },
    LEGACY,
];

/// The old CI job with its static token.
pub(super) const LEGACY: Subject = Subject {
    name: "legacy-ci",
    kind: "",
    groups: &[],
    user: "legacy:ci",
    groups_upstream: &["legacy:tools"],
    credential: Credential::Static,
    about: "an old CI job with a static token",
};

/// A static token of the demo, new for each run.
pub(super) struct StaticToken(String);

impl StaticToken {
    /// A token nobody can guess: 122 random bits.
    pub(super) fn new() -> Self {
        Self(format!("demo-{}", Uuid::new_v4().simple()))
    }

    /// The token itself.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What the gateway's configuration holds of it.
    pub(super) fn hash(&self) -> String {
        Sha256::digest(&self.0)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Keeps it where `demo token` finds it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write(&self, layout: &Layout) -> Result<()> {
        write_private(&static_token_file(layout), &self.0)
    }
}

/// Makes the issuer's P-256 key and keeps it for those who sign with it.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn create_key(layout: &Layout) -> Result<()> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    write_private(&key_file(layout), key.serialized_der())
}

/// Reads the issuer's key.
///
/// # Errors
/// If no demo runs in the directory.
pub(super) fn read_key(layout: &Layout) -> Result<MintKey> {
    let key = fs::read(key_file(layout)).with_context(|| {
        format!(
            "no demo runs in `{}`; start one with `make demo`",
            layout.root().display()
        )
    })?;
    Ok(MintKey::from_pkcs8(&key)?)
}

fn key_file(layout: &Layout) -> PathBuf {
    layout.path("issuer/signing.key")
}

/// Where the issuer says under which URL it is to be found.
pub(super) fn issuer_file(layout: &Layout) -> PathBuf {
    layout.path("issuer/url")
}

fn static_token_file(layout: &Layout) -> PathBuf {
    layout.path("issuer/legacy-ci.token")
}

/// `countersign demo token`.
#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// The directory of the running demo.
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    dir: PathBuf,
    /// Who is to be proved.
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: SubjectName,
    /// Print an ExecCredential, as kubectl expects from a credential plugin.
    #[arg(long)]
    exec_credential: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SubjectName {
    ReaderAgent,
    DeployAgent,
    SreHuman,
    LegacyCi,
}

impl SubjectName {
    fn subject(self) -> &'static Subject {
        let [reader, deploy, sre, legacy] = &SUBJECTS;
        match self {
            Self::ReaderAgent => reader,
            Self::DeployAgent => deploy,
            Self::SreHuman => sre,
            Self::LegacyCi => legacy,
        }
    }
}

/// Prints a fresh token.
///
/// # Errors
/// If no demo runs in the directory.
pub(super) fn run(arguments: &TokenArguments) -> Result<ExitCode> {
    let layout = Layout::at(&arguments.dir)?;
    let now = Timestamp::now();
    let subject = arguments.subject.subject();
    let token = match subject.credential {
        Credential::Issued => {
            let issuer = fs::read_to_string(issuer_file(&layout)).with_context(|| {
                format!(
                    "no demo runs in `{}`; start one with `make demo`",
                    layout.root().display()
                )
            })?;
            let claims = claims(subject, issuer.trim(), now, &Uuid::new_v4().to_string());
            read_key(&layout)?.sign(&claims, &json!({}))?
        }
        Credential::Static => fs::read_to_string(static_token_file(&layout))?,
    };
    let mut out = std::io::stdout().lock();
    if arguments.exec_credential {
        let asked = std::env::var("KUBERNETES_EXEC_INFO").ok();
        writeln!(out, "{}", exec_credential(&token, now, asked.as_deref()))?;
    } else {
        writeln!(out, "{token}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn claims(subject: &Subject, issuer: &str, now: Timestamp, id: &str) -> Value {
    json!({
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject.name,
        "kind": subject.kind,
        "groups": subject.groups,
        "iat": now.as_second(),
        "nbf": now.as_second(),
        "exp": (now + TOKEN_LIFETIME).as_second(),
        "jti": id,
    })
}

/// The answer of a credential plugin, in the version that kubectl asked for.
fn exec_credential(token: &str, now: Timestamp, asked: Option<&str>) -> Value {
    let asked: Option<Value> = asked.and_then(|text| serde_json::from_str(text).ok());
    let version = asked
        .as_ref()
        .and_then(|info| info.get("apiVersion")?.as_str())
        // kubectl 1.20 sends nothing unless the kubeconfig demands it.
        .unwrap_or("client.authentication.k8s.io/v1beta1");
    let expires = Timestamp::from_second((now + TOKEN_LIFETIME).as_second()).unwrap_or(now);
    json!({
        "apiVersion": version,
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": expires.to_string()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-18T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn names_every_subject_as_the_command_line_does() {
        for (name, subject) in SubjectName::value_variants().iter().zip(&SUBJECTS) {
            assert_eq!(name.to_possible_value().unwrap().get_name(), subject.name);
            assert_eq!(name.subject().name, subject.name);
        }
    }

    #[test]
    fn mints_claims_for_ten_minutes() {
        let claims = claims(&SUBJECTS[0], "https://127.0.0.1:1", noon(), "id");
        assert_eq!(
            claims.to_string(),
            r#"{"iss":"https://127.0.0.1:1","aud":"countersign-demo","sub":"reader-agent","kind":"agent","groups":["agents"],"iat":1795003200,"nbf":1795003200,"exp":1795003800,"jti":"id"}"#
        );
    }

    #[test]
    fn answers_in_the_version_that_kubectl_speaks() {
        let version = |asked| {
            let answer = exec_credential("t", noon(), asked);
            answer["apiVersion"].as_str().unwrap().to_owned()
        };
        assert_eq!(version(None), "client.authentication.k8s.io/v1beta1");
        assert_eq!(
            version(Some(
                r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}"#
            )),
            "client.authentication.k8s.io/v1"
        );
    }

    #[test]
    fn tells_kubectl_when_to_ask_again() {
        let answer = exec_credential("t", noon(), None);
        assert_eq!(
            answer["status"]["expirationTimestamp"],
            "2026-11-18T12:10:00Z"
        );
    }

    #[test]
    fn configures_a_static_token_by_its_digest() {
        let token = StaticToken("test".to_owned());
        assert_eq!(
            token.hash(),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        );
    }
}
