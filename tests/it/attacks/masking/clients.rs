//! kubectl by every form of a name and of an output, on what is masked.

use gateway_tests::Kubectl;

use super::{Vault, each};

/// Runs each; none shows the canary, all succeed.
fn run(vault: &Vault, kubectl: &Kubectl, commands: &[&[&str]]) {
    let halves: Vec<_> = commands.chunks(commands.len().div_ceil(2)).collect();
    each(&halves, |commands| {
        for arguments in *commands {
            let finished = kubectl.run(arguments);
            let what = format!("{arguments:?}");
            let text = [finished.stdout, finished.stderr].concat();
            vault.canary.assert_absent(&what, text.as_bytes());
            assert_eq!(finished.code, 0, "{what}: {text}");
        }
    });
}

/// Names in all their forms end in the same path, and outputs are made of what came.
#[test]
fn no_form_of_a_name_or_of_an_output_shows_a_masked_value() {
    let vault = Vault::new();
    let kubectl = vault.kubectl();
    let raw = vault.path("/db");
    let raw_list = vault.path("?limit=5");
    run(
        &vault,
        &kubectl,
        &[
            &["get", "secret"],
            &["get", "secrets.v1."],
            &["get", "secrets.", "db"],
            &["get", "secret/db", "secret/other", "-o", "yaml"],
            &["get", "secrets,configmaps", "-o", "json"],
            &["get", "secrets", "-A", "-l", "app=vault", "-o", "yaml"],
            &[
                "get",
                "secrets",
                "--field-selector",
                "type=Opaque",
                "-o",
                "name",
            ],
            &["get", "secrets", "-o", "wide", "--show-labels", "-L", "app"],
            &["get", "secrets", "--sort-by=.data.password"],
            &["get", "secrets", "--chunk-size=1", "-o", "json"],
            &["get", "secret", "db", "-o", "jsonpath={.data.password}"],
            &[
                "get",
                "secret",
                "db",
                "-o",
                "jsonpath={.metadata.annotations}",
            ],
            &[
                "get",
                "secret",
                "db",
                "-o",
                "go-template={{.data.password | base64decode}}",
            ],
            &[
                "get",
                "secrets",
                "-o",
                "custom-columns=A:.data.password,B:.metadata.annotations",
            ],
            &["get", "secret", "db", "-o", "yaml", "--show-managed-fields"],
            &["get", "--raw", &raw],
            &["get", "--raw", &raw_list],
        ],
    );
    let table = kubectl.ok(&["get", "secrets"]);
    let rich = table.contains("TYPE") && table.contains("Opaque");
    assert!(rich, "rich columns stay: {table}");
    let decoded = kubectl.ok(&[
        "get",
        "secret",
        "db",
        "-o",
        "go-template={{.data.password | base64decode}}",
    ]);
    assert_eq!(decoded, "countersign-masked:secret-like");
}

/// Commands that write print what they were answered.
#[test]
fn no_command_that_writes_shows_a_masked_value() {
    let vault = Vault::new();
    let kubectl = vault.kubectl();
    let manifest = vault.secret("applied").to_string();
    run(
        &vault,
        &kubectl,
        &[
            &["describe", "secrets"],
            &["label", "secret", "db", "team=shop", "-o", "yaml"],
            &[
                "annotate",
                "secret",
                "other",
                "team=shop",
                "--dry-run=server",
                "-o",
                "yaml",
            ],
            &[
                "patch",
                "secret",
                "other",
                "--type=merge",
                "-p",
                "{}",
                "-o",
                "json",
            ],
            &[
                "patch",
                "secret",
                "other",
                "--type=json",
                "-p",
                "[]",
                "-o",
                "json",
                "--dry-run=server",
            ],
        ],
    );
    let finished = kubectl.run_with_input(&["apply", "-f", "-", "-o", "yaml"], &manifest);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let text = [finished.stdout, finished.stderr].concat();
    vault.canary.assert_absent("apply", text.as_bytes());
    let delete = "delete secret applied --dry-run=server -o name";
    let finished = kubectl.run(&delete.split(' ').collect::<Vec<_>>());
    let what = "delete";
    vault.canary.assert_absent(what, finished.stdout.as_bytes());
    let refused = r#"patch secret db --type=merge -p {"data":{"x":1}}"#;
    let finished = kubectl.run(&refused.split(' ').collect::<Vec<_>>());
    assert_ne!(finished.code, 0);
    let what = "a refused patch";
    vault.canary.assert_absent(what, finished.stderr.as_bytes());
}

/// Events of a watch, as kubectl prints them.
#[test]
fn no_watch_of_kubectl_shows_a_masked_value() {
    let vault = Vault::new();
    let kubectl = vault.kubectl();
    let watch = [
        "get",
        "secrets",
        "-w",
        "-o",
        "yaml",
        "--output-watch-events",
        "--request-timeout=2s",
    ];
    let finished = kubectl.run(&watch);
    assert!(finished.stdout.contains("ADDED"), "{}", finished.stderr);
    vault
        .canary
        .assert_absent("a watch", finished.stdout.as_bytes());
}
