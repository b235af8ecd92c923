//! What is checked beside the tour: the audit log, and a policy that changes under a running
//! gateway.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use super::check::{End, http_get, run};
use super::files::Layout;
use super::gateway::Addresses;

/// The bundle is looked at every second; the rest is for a busy machine.
const RELOAD_LIMIT: Duration = Duration::from_secs(10);

/// It has long fetched the issuer's keys by then.
const READY_LIMIT: Duration = Duration::from_secs(10);

/// How often a command is repeated until its answer changes.
const POLL: Duration = Duration::from_millis(200);

/// A file that `policies/demo` does not have.
const EXTRA: &str = "bundle/rules/extra.kdl";

/// Lets the reader see what nobody else's rule does.
const ALLOW: &str = r#"defaults { owner "platform" }

allow "reader-sees-accounts" {
    why "Shows that a new rule holds without a restart"
    who { identity "reader-agent" }
    can read
    on "serviceaccounts"
    in "*"
}
"#;

/// What the reader may not do without that rule.
const QUESTION: &str = "kubectl get serviceaccounts";

/// A decision's id, as refusals print it.
pub(super) fn decision_in(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("(decision ")?;
    Some(rest.split_once(')')?.0.to_owned())
}

/// The gateway's readiness, as a cluster would ask for it.
///
/// # Errors
/// If it does not become ready; the message says why.
pub(super) async fn gateway_is_ready(addresses: &Addresses) -> Result<()> {
    let admin = addresses.admin.trim_start_matches("http://");
    let begin = Instant::now();
    loop {
        let response = http_get(admin, "/readyz").await?;
        let (head, body) = response
            .split_once("\r\n\r\n")
            .context("no HTTP response")?;
        if head.split(' ').nth(1) == Some("200") {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < READY_LIMIT,
            "after {READY_LIMIT:?}: {}",
            body.trim()
        );
        sleep(POLL).await;
    }
}

/// Every refusal that a caller was told of stands in the audit log: soon, for nothing waits for the
/// events of refusals.
///
/// # Errors
/// If one is missing.
pub(super) async fn refusals_are_audited(layout: &Layout, decisions: &[String]) -> Result<()> {
    ensure!(!decisions.is_empty(), "no refusal has told a decision id");
    let begin = Instant::now();
    loop {
        let log = fs::read_to_string(layout.path("audit.jsonl"))?;
        match decisions.iter().try_for_each(|id| is_audited(&log, id)) {
            Err(_) if begin.elapsed() < READY_LIMIT => sleep(POLL).await,
            audited => return audited,
        }
    }
}

fn is_audited(log: &str, decision: &str) -> Result<()> {
    let event = log.lines().find(|line| line.contains(decision));
    let event = event.with_context(|| format!("no audit event for decision {decision}"))?;
    ensure!(
        event.contains("\"countersign/decision\":\"deny\""),
        "not a denial: {event}"
    );
    Ok(())
}

/// No Secret's value and no token stands in the audit log.
///
/// # Errors
/// If one does.
pub(super) fn audit_holds_no_secrets(layout: &Layout) -> Result<()> {
    let log = fs::read_to_string(layout.path("audit.jsonl"))?;
    for secret in ["canary-", "Y2FuYXJ5L", "eyJhbGciOi"] {
        ensure!(!log.contains(secret), "`{secret}` stands in the audit log");
    }
    Ok(())
}

/// A rule that is added holds without a restart.
///
/// # Errors
/// If it does not.
pub(super) async fn new_rule_holds(layout: &Layout) -> Result<()> {
    run(layout, "reader-agent", QUESTION).await?.has_code(1)?;
    fs::write(layout.path(EXTRA), ALLOW)?;
    becomes(layout, 0).await
}

/// A bundle with a fault is not taken; the last good one stays.
///
/// # Errors
/// If it is taken, or nothing at all holds any more.
pub(super) async fn faulty_bundle_is_not_taken(layout: &Layout) -> Result<()> {
    fs::write(layout.path(EXTRA), ALLOW.replace("can read", "cna read"))?;
    let log = layout.path("log/gateway.log");
    let begin = Instant::now();
    while !fs::read_to_string(&log)?.contains("GP201") {
        ensure!(
            begin.elapsed() < RELOAD_LIMIT,
            "the gateway's log does not tell of the fault"
        );
        sleep(POLL).await;
    }
    run(layout, "reader-agent", QUESTION).await?.has_code(0)
}

/// A rule that is removed no longer holds.
///
/// # Errors
/// If it still does.
pub(super) async fn removed_rule_is_gone(layout: &Layout) -> Result<()> {
    fs::remove_file(layout.path(EXTRA))?;
    becomes(layout, 1).await
}

async fn becomes(layout: &Layout, code: i32) -> Result<()> {
    let begin = Instant::now();
    loop {
        let end: End = run(layout, "reader-agent", QUESTION).await?;
        match end.has_code(code) {
            Ok(()) => return Ok(()),
            Err(fault) if begin.elapsed() > RELOAD_LIMIT => {
                bail!("after {RELOAD_LIMIT:?}: {fault}")
            }
            Err(_not_yet) => sleep(POLL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_decision_in_a_refusal() {
        let refusal = "Error from server (Forbidden): pods is forbidden: no (decision 01-ab)\n";
        assert_eq!(decision_in(refusal).as_deref(), Some("01-ab"));
        assert_eq!(decision_in("pods is forbidden"), None);
    }
}
