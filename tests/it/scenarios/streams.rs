//! What was allowed once and goes on for long is judged again.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use gateway_tests::{Authority, client_config, connect, eventually, eventually_within, get};

use super::{Stage, Watch};

/// K-3.10: a watch went on until its token's own end although the key that vouched for it was gone.
#[test]
fn a_watch_ends_when_the_key_behind_it_is_withdrawn() {
    let stage = Stage::new(|setup| setup);
    let namespace = &stage.ground.namespace;
    let target = format!("/api/v1/namespaces/{namespace}/configmaps?watch=1");
    let watch = Watch::open(&stage.gateway, &target, &stage.issuer.token("agent"));
    let id = watch.id.clone();
    stage.issuer.rotate("key-2", false);
    // A token of the new key makes the gateway ask for keys, at most every 30 s.
    let new = stage.issuer.token("another-agent");
    eventually_within(Duration::from_secs(45), "the new key to be known", || {
        (stage
            .gateway
            .wire()
            .ask(&get("/version").token(&new))
            .status
            == 200)
            .then_some(())
    });
    // The connection is closed under it: how that looks to the client depends on what was under way.
    watch.end().unwrap_or_default();
    let event = stage.gateway.journal().await_stage(&id, "ResponseComplete");
    assert_eq!(
        event.annotation("countersign/ended-by"),
        "credential-revoked"
    );
}

/// After a rotation of the authority, new certificates passed TLS and then proved nobody until a
/// restart.
#[test]
fn a_new_authority_of_client_certificates_counts_without_a_restart() {
    let (old, new) = (Authority::new("old mesh"), Authority::new("new mesh"));
    let rules = r#"
allow "workloads-ask" {
    why "Whoever holds a certificate may ask for the version"
    who { user "mesh:worker" }
    can read
    urls "/version"
}
"#;
    let stage = Stage::new(|setup| {
        setup
            .with_rules(rules)
            .with_listener_lines("main", "    client-ca \"mesh.crt\"\n    cluster \"one\"\n")
            .with_file("mesh.crt", &old.pem())
            .with_line(
                "client-certificates \"mesh\" { kind service; username-prefix \"mesh:\"; groups-prefix \"mesh:\" }",
            )
    });
    let counts = |authority: &Authority| {
        let leaf = authority.client("worker", &[]);
        let gateway = &stage.gateway;
        let config = client_config(&gateway.ca_pem(), &["http/1.1"], Some(&leaf));
        // TLS 1.3 tells of a refusal only at the first read.
        connect(gateway.address(), "127.0.0.1", config).is_ok_and(|mut stream| {
            let mut line = [0; 12];
            let sent = stream.write_all(&get("/version").bytes());
            sent.is_ok() && stream.read_exact(&mut line).is_ok() && line == *b"HTTP/1.1 200"
        })
    };
    assert!(counts(&old));
    let file = stage.gateway.directory().join("mesh.crt");
    std::fs::write(file, new.pem()).expect("written");
    eventually("certificates of the new authority to count", || {
        counts(&new).then_some(())
    });
    eventually("certificates of the old one to count no more", || {
        (!counts(&old)).then_some(())
    });
}
