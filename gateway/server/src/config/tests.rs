use super::*;

const WHOLE: &str = r#"
listen "main" {
    address "127.0.0.1:0"
    certificate "pki/gw.crt" key="pki/gw.key"
    cluster "demo"
}
admin "127.0.0.1:0"
cluster "demo" { kubeconfig "gw.yaml"; hosts "demo.example" }
policy { directory "bundle" }
issuer "demo" { ca "ca.pem" }
legacy "ci" {
    hash "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    user "legacy:ci"
    expires "2027-01-01"
}
audit { file "audit.jsonl"; rotate "100MiB" keep=5 }
drain { deadline "5s" }
log { level "debug"; format json }
"#;

#[test]
fn reads_a_whole_file_with_paths_relative_to_it() {
    let config = decode("countersign.kdl", WHOLE.as_bytes(), Path::new("/etc/cs")).unwrap();
    assert_eq!(config.policy.directory, Path::new("/etc/cs/bundle"));
    assert_eq!(
        config.listeners["main"].tls.key,
        Path::new("/etc/cs/pki/gw.key")
    );
    assert_eq!(config.drain_deadline, Duration::from_secs(5));
    assert_eq!(config.connections_max, CONNECTIONS_MAX);
    assert_eq!(config.legacy["ci"].user, "legacy:ci");
    assert_eq!(config.log_filter, "debug");
}

fn check(text: &str, expected: &[&str]) {
    let report = decode("countersign.kdl", text.as_bytes(), Path::new(".")).unwrap_err();
    for part in expected {
        assert!(report.contains(part), "`{part}` is not in:\n{report}");
    }
}

#[test]
fn reports_every_fault_in_one_run() {
    let text = WHOLE
        .replace("address", "adress")
        .replace("user \"legacy:ci\"", "");
    check(&text, &["adress", "did you mean `address`", "user"]);
}

#[test]
fn names_an_undefined_cluster() {
    check(
        &WHOLE.replace("cluster \"demo\"\n", "cluster \"prod\"\n"),
        &["no cluster `prod` is configured"],
    );
}

#[test]
fn wants_one_way_to_the_api_server() {
    check(
        &WHOLE.replace("kubeconfig \"gw.yaml\";", ""),
        &["either `kubeconfig` or `in-cluster`"],
    );
}

#[test]
fn wants_a_hash_not_a_token() {
    check(
        &WHOLE.replace("sha256:9f86", "hunter2"),
        &["64 lower-case hex digits", "sha256sum"],
    );
}
