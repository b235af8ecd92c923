//! When long answers end.

use super::*;

#[test]
fn a_watch_ends_with_its_credential_or_its_limit_whichever_is_first() {
    let watch = forwarded(
        head("GET", "/api/v1/namespaces/shop/pods?watch=1", "reader"),
        b"",
    );
    let long = watch.long.unwrap();
    assert_eq!(
        long.ends_at,
        Some(((NOW + 600) * 1_000_000, EndCause::CredentialExpired))
    );
    assert_eq!(still_allowed(&long, &snapshot(2), now()), None);
    let short = forwarded(
        head("GET", "/api/v1/namespaces/shop/pods?watch=1", "short"),
        b"",
    );
    let long = short.long.unwrap();
    assert_eq!(
        long.ends_at,
        Some(((NOW + 30) * 1_000_000, EndCause::SessionLimit))
    );
    assert_eq!(
        long.ended_at((NOW + 31) * 1_000_000),
        Some(EndCause::SessionLimit)
    );
}

/// Watches were cut where the gateway ended them: over HTTP/2 client-go took the reset for an event it
/// could not read, and listed everything anew (K-3.10).
#[test]
fn the_api_server_ends_a_watch_before_the_gateway_would_cut_it() {
    let path = "/api/v1/namespaces/shop/pods?watch=1";
    for (subject, asked, sent) in [
        ("reader", "", "&timeoutSeconds=599"),
        ("short", "", "&timeoutSeconds=29"),
        ("short", "&timeoutSeconds=300", "&timeoutSeconds=29"),
        ("short", "&timeoutSeconds=0", "&timeoutSeconds=29"),
        ("short", "&timeoutSeconds=7", "&timeoutSeconds=7"),
    ] {
        let request = forwarded(head("GET", &format!("{path}{asked}"), subject), b"");
        assert_eq!(request.target, format!("{path}{sent}"), "{subject} {asked}");
    }
    // Nothing else of this gateway ends a list.
    let list = forwarded(head("GET", "/api/v1/namespaces/shop/pods", "reader"), b"");
    assert_eq!(list.target, "/api/v1/namespaces/shop/pods");
}

#[test]
fn a_watch_that_upstream_ended_for_the_gateway_says_why_it_ended() {
    for (asked, seconds, cause) in [
        ("", 29, Some("session-limit")),
        ("", 28, None),
        ("&timeoutSeconds=7", 29, None),
    ] {
        let target = format!("/api/v1/namespaces/shop/pods?watch=1{asked}");
        let mut exchange = fresh();
        walk(&mut exchange, head("GET", &target, "short"), b"");
        let at = (NOW + seconds) * 1_000_000;
        let event = exchange.close(Closing::Completed, at).unwrap();
        assert_eq!(
            event.annotation("countersign/ended-by"),
            cause,
            "{asked} {seconds}"
        );
    }
}

fn watch() -> LongRunning {
    let target = "/api/v1/namespaces/shop/pods?watch=1";
    forwarded(head("GET", target, "reader"), b"").long.unwrap()
}

#[test]
fn a_newer_policy_that_does_not_know_the_cluster_ends_a_watch() {
    let known = snapshot(2);
    assert_eq!(still_allowed(&watch(), &known, now()), None);
    let gone = Snapshot {
        clusters: BTreeMap::new(),
        authenticator: Arc::clone(&known.authenticator),
        keys: Arc::clone(&known.keys),
        ..empty(2)
    };
    assert_eq!(
        still_allowed(&watch(), &gone, now()),
        Some(EndCause::PolicyChanged)
    );
}

/// A change within the documents of a mask let watches go on under the old one.
#[test]
fn a_watch_ends_when_what_is_masked_changes_at_any_depth() {
    let target = "/api/v1/namespaces/shop/configmaps?watch=1";
    let long = forwarded(head("GET", target, "nested"), b"").long.unwrap();
    assert_eq!(still_allowed(&long, &snapshot(2), now()), None);
    for (from, to, cause) in [
        (r#"at "pin""#, r#"at "*""#, Some(EndCause::PolicyChanged)),
        ("json {", "yaml {", Some(EndCause::PolicyChanged)),
        // Of what concerns others, nothing.
        (r#"detect "aws-key""#, r#"detect "jwt""#, None),
    ] {
        let changed = MASKS.replacen(from, to, 1);
        assert_ne!(changed, MASKS, "{from}");
        let cause_now = still_allowed(&long, &snapshot_of(2, &changed), now());
        assert_eq!(cause_now, cause, "{to}");
    }
}

/// Streams of a withdrawn key or a removed issuer went on until the token's own end (K-3.10).
#[test]
fn a_watch_ends_when_nobody_vouches_for_its_credential_any_more() {
    let known = snapshot(2);
    let withdrawn = Snapshot {
        clusters: known.clusters.clone(),
        authenticator: Arc::clone(&known.authenticator),
        ..empty(2)
    };
    let removed = Snapshot {
        clusters: known.clusters.clone(),
        keys: Arc::clone(&known.keys),
        ..empty(2)
    };
    for snapshot in [withdrawn, removed] {
        let cause = still_allowed(&watch(), &snapshot, now());
        assert_eq!(cause, Some(EndCause::CredentialRevoked));
    }
}

fn empty(epoch: u64) -> Snapshot {
    Snapshot {
        epoch,
        bundle_digest: String::new(),
        authenticator: Arc::default(),
        keys: Arc::default(),
        clusters: BTreeMap::new(),
        hosts: Arc::default(),
    }
}
