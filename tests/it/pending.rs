//! The fifty attacks of the Kubernetes surface, and where each is tested or why not yet. A test
//! counts them, so that none is left out in silence.

/// Where an attack is tested.
enum Standing {
    /// In this module, as a test that runs.
    Tested(&'static str),
    /// The refusal is tested here; what remains waits for the work named.
    Partly(&'static str, &'static str),
    /// It waits for the work named.
    Pending(&'static str),
}

use Standing::{Partly, Pending, Tested};

const MASKING: &str = "masking is not built: policy grants or denies the whole object";
const BODY_RULES: &str =
    "rules on fields of the body are not built: kind, namespace and name are judged";
const APPROVALS: &str = "approvals are not built: no exchange is held";

/// Number, title, standing; numbers as in the list.
const ATTACKS: [(u8, &str, Standing); 50] = [
    (
        1,
        "dot segments through the forwarder",
        Tested("attacks::paths"),
    ),
    (2, "encoded slash", Tested("attacks::paths")),
    (3, "empty namespace", Tested("attacks::paths")),
    (4, "semicolon in the query", Tested("attacks::paths")),
    (5, "forms of ?watch", Tested("attacks::verbs")),
    (
        6,
        "/watch/ for a Secret and for a custom resource",
        Tested("attacks::verbs"),
    ),
    (
        7,
        "proxy subpath with dot segments",
        Tested("attacks::paths"),
    ),
    (
        8,
        "Table default rows carry the annotation",
        Pending(MASKING),
    ),
    (9, "Table rows with includeObject=Object", Pending(MASKING)),
    (
        10,
        "protobuf Accept on Secret get, list, watch",
        Partly("attacks::content", MASKING),
    ),
    (
        11,
        "PartialObjectMetadata in protobuf",
        Partly("attacks::content", MASKING),
    ),
    (12, "gzip list above 128 KiB", Tested("attacks::content")),
    (13, "YAML Accept", Partly("attacks::content", MASKING)),
    (14, "two Accept header lines", Tested("attacks::content")),
    (15, "WebSocket watch and log", Tested("attacks::upgrades")),
    (16, "WatchList", Partly("attacks::verbs", MASKING)),
    (17, "DELETED events", Pending(MASKING)),
    (
        18,
        "empty PATCH and dryRun=All echo the object",
        Partly("attacks::content", MASKING),
    ),
    (
        19,
        "DELETE with a finalizer echoes the object",
        Pending(MASKING),
    ),
    (
        20,
        "deletecollection dryRun=All lists",
        Partly("attacks::verbs", MASKING),
    ),
    (
        21,
        "merge-patch type error quotes the object",
        Pending(MASKING),
    ),
    (22, "the same with fieldValidation=Strict", Pending(MASKING)),
    (23, "JSON-patch test on a masked path", Pending(MASKING)),
    (24, "JSON-patch copy to an annotation", Pending(MASKING)),
    (25, "JSON-patch move of an ancestor", Pending(MASKING)),
    (26, "selectableFields as an oracle", Pending(MASKING)),
    (27, "apply and immutable guesses", Pending(MASKING)),
    (28, "duplicate keys", Tested("attacks::content")),
    (29, "YAML merge key", Tested("attacks::content")),
    (
        30,
        "protobuf create of a privileged pod",
        Partly("attacks::content", BODY_RULES),
    ),
    (31, "gzip request body", Tested("attacks::content")),
    (32, "placeholder write-back", Pending(MASKING)),
    (33, "$patch: replace, JSON-patch move", Pending(BODY_RULES)),
    (
        34,
        "exec by GET with a read-only policy",
        Tested("attacks::upgrades"),
    ),
    (35, "fallback after a denial", Tested("attacks::upgrades")),
    (
        36,
        "exec with no subprotocol, base64, v4",
        Tested("attacks::upgrades"),
    ),
    (
        37,
        "tunnelled port-forward to a forbidden port",
        Pending("rules on ports are not built"),
    ),
    (
        38,
        "nodes/proxy exec by WebSocket GET",
        Tested("attacks::upgrades"),
    ),
    (
        39,
        "ephemeral containers and attach",
        Tested("attacks::upgrades"),
    ),
    (40, "empty mapped user", Tested("attacks::identity")),
    (
        41,
        "Connection: Impersonate-User",
        Tested("attacks::headers"),
    ),
    (
        42,
        "group claim system:masters",
        Tested("attacks::identity"),
    ),
    (
        43,
        "client Impersonate-*, X-Remote-*, Audit-ID",
        Tested("attacks::headers"),
    ),
    (
        44,
        "subprotocol bearer reaching upstream",
        Tested("traps::heads"),
    ),
    (
        45,
        "watch outliving its token",
        Tested("scenarios::credentials"),
    ),
    (46, "client gone while held", Pending(APPROVALS)),
    (47, "retry of a held create", Pending(APPROVALS)),
    (
        48,
        "DeleteOptions in body and query",
        Tested("attacks::content"),
    ),
    (49, "token subresource", Tested("attacks::upgrades")),
    (
        50,
        "continue token under filtering",
        Pending("filtered lists are not built"),
    ),
];

#[test]
fn every_attack_is_tested_or_says_why_not() {
    let mut tested = 0;
    for (index, (number, title, standing)) in ATTACKS.iter().enumerate() {
        assert_eq!(usize::from(*number), index + 1, "in order, none missing");
        match standing {
            Tested(module) => {
                assert_module(module);
                tested += 1;
            }
            Partly(module, why) => {
                assert_module(module);
                println!("{number:2} {title}: in {module}; {why}");
            }
            Pending(why) => println!("{number:2} {title}: pending, {why}"),
        }
    }
    println!("{tested} of {} attacks are tested whole", ATTACKS.len());
    assert!(tested >= 26, "an attack lost its test");
}

/// The module exists, so that a rename does not leave a promise behind.
fn assert_module(module: &str) {
    let path = format!("tests/it/{}.rs", module.replace("::", "/"));
    assert!(gateway_tests::repository().join(&path).is_file(), "{path}");
}
