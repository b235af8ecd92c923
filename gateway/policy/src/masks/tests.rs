mod answers;

use bytes::Bytes;
use gateway_masking::{Kernel, Masker};
use serde_json::{Value, json};

use super::*;
use crate::compile::CompileFault;
use crate::decode::tests::split_files;
use crate::model::Bundle;
use crate::testing::written_bundle;

const HEAD: &str = r#"bundle "tests" { format 1; owners "**" "platform"; cluster "prod" }"#;

const MASKS: &str = r#"
hmac-key "k" env="COUNTERSIGN_MASK_KEY"
mask "env" {
    for "pods" {
        at "spec.containers[*].env[*].value" redact
        at "metadata.annotations['x']" drop
        at "status.message" redact
    }
    write-back restore
}
mask "hashed" { for "secrets" { at "data.*" hash key="k"; at "**.stringData" redact } }
mask "wide" { for "*" { at "spec.token" redact } }
mask "not-deployments" { for "pods" "!deployments.apps" { at "spec.nodeName" redact } }
mask "logs" { for "pods/log" { detect "jwt" (re)"pin=[0-9]{4}" redact } }
mask "no-text" { for "pods/log" { at "spec.x" redact } }
mask "hosts" {
    for "things.example.com" { at "spec.hosts[*]" redact }
    for "pods" { at "metadata.finalizers[*]" redact }
}
mask "selector" { for "deployments.apps" { at "spec.selector.matchLabels.*" redact } }
mask "mail" { for "pods" { detect "email" redact in="spec.containers[*].args[*]" } }
mask "anywhere" { for "configmaps" "things.example.com" { detect "jwt" redact } }
mask "values" { for "configmaps" { detect "jwt" redact in="data" } }
mask "scaled" {
    for "things.example.com" { at "spec.pin" hash key="k"; detect "email" redact in="spec.mail" }
    for "deployments.apps" { at "spec.selector.matchLabels.pin" redact; at "spec.paused" redact }
}
mask "numbers" { for "pods" { detect "card" fpe in="spec.containers[*].args[*]" key="k" } }
mask "parts" {
    for "configmaps" {
        detect "card" partial in="data.*" keep-last=4
        detect "email" hash in="data.*" key="k"
        detect "iban" fpe in="data.*" key="k"
    }
}
"#;

fn bundle(masks: &str) -> Bundle {
    written_bundle(&[("bundle.kdl", HEAD), ("masks.kdl", masks)])
        .unwrap_or_else(|findings| panic!("{findings}"))
}

fn set() -> PolicySet {
    let bundle = bundle(MASKS);
    PolicySet::compile_with(&bundle, "prod", &MaskKeys::offline(&bundle)).expect("compiles")
}

fn resource(text: &str) -> ResourceId {
    let (plain, subresource) = text.split_once('/').unwrap_or((text, ""));
    let (resource, group) = plain.split_once('.').unwrap_or((plain, ""));
    ResourceId {
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
    }
}

fn masking(names: &[&str], about: &str) -> Option<Masking> {
    let set = set();
    let masks = names
        .iter()
        .map(|name| set.mask_table().set_of(name).expect("a mask of the bundle"))
        .fold(MaskSet::NONE, MaskSet::union);
    set.masking(masks, &resource(about))
}

fn masked(names: &[&str], about: &str, body: &Value) -> Value {
    let masking = masking(names, about).expect("a mask concerns it");
    let program = masking
        .program(&[Mount::Root, Mount::Items])
        .expect("compiles");
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    masker
        .push(&Bytes::from(body.to_string()), &mut out)
        .expect("JSON");
    masker.finish().expect("whole");
    serde_json::from_slice(&out.concat()).expect("JSON")
}

/// base64 of a marker.
fn encoded(mask: &str) -> Value {
    use base64::Engine as _;
    let text = format!("countersign-masked:{mask}");
    base64::engine::general_purpose::STANDARD
        .encode(text)
        .into()
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[test]
fn the_builtin_mask_hides_secrets_wherever_they_stand() {
    let inner = json!({"data": {"pw": "c2VjcmV0"}, "stringData": {"x": "secret"}});
    let body = json!({
        "metadata": {
            "name": "db",
            "annotations": {
                LAST_APPLIED: inner.to_string(),
                "kapp.k14s.io/original": "{\"data\":1}",
                "plain": "stays",
            },
            "managedFields": [{"fieldsV1": {"f:data": {"f:pw": {}}}}],
        },
        "data": {"pw": "c2VjcmV0", "release": "SDRzSUFBQUE="},
        "stringData": {"x": "secret"},
        "type": "helm.sh/release.v1",
    });
    let found = masked(&["@secret-like"], "secrets", &body);
    let marker = Value::from("countersign-masked:secret-like");
    assert_eq!(found["data"]["pw"], encoded("secret-like"));
    assert_eq!(found["data"]["release"], encoded("secret-like"));
    assert_eq!(found["stringData"]["x"], marker);
    let annotations = &found["metadata"]["annotations"];
    assert_eq!(annotations["kapp.k14s.io/original"], marker);
    assert_eq!(annotations["plain"], "stays");
    // Key names are no secret (K-4.4).
    assert_eq!(
        found["metadata"]["managedFields"],
        body["metadata"]["managedFields"]
    );
    assert_eq!(found["type"], body["type"]);
    let again: Value =
        serde_json::from_str(annotations[LAST_APPLIED].as_str().expect("text")).expect("JSON");
    assert_eq!(again["data"]["pw"], encoded("secret-like"));
    assert_eq!(again["stringData"]["x"], marker);
    let list = masked(&["@secret-like"], "secrets", &json!({"items": [body]}));
    assert_eq!(list["items"][0]["data"]["pw"], encoded("secret-like"));
}

#[test]
fn the_builtin_mask_knows_the_other_kinds_of_secrets() {
    for (about, path) in [
        ("serviceaccounts/token", "/status/token"),
        (
            "certificatesigningrequests.certificates.k8s.io",
            "/status/certificate",
        ),
        (
            "certificatesigningrequests.certificates.k8s.io/approval",
            "/status/certificate",
        ),
        ("sealedsecrets.bitnami.com", "/spec/encryptedData/x"),
        (
            "externalsecrets.external-secrets.io",
            "/spec/target/template/data/x",
        ),
        ("pushsecrets.external-secrets.io", "/spec/template/data/x"),
    ] {
        let mut body = json!("c2VjcmV0");
        for name in path.split('/').rev().filter(|name| !name.is_empty()) {
            body = json!({ name: body });
        }
        let found = masked(&["@secret-like"], about, &body);
        let found = found.pointer(path).expect("still there");
        assert!(found != "c2VjcmV0", "{about}: {found}");
    }
    assert!(masking(&["@secret-like"], "configmaps").is_none());
    assert!(masking(&["@secret-like"], "serviceaccounts").is_none());
}

#[test]
fn a_mask_for_pods_works_in_every_embedded_template() {
    let pod = json!({
        "metadata": {"annotations": {"x": "secret", "y": "stays"}},
        "spec": {"containers": [{"name": "c", "env": [{"name": "N", "value": "secret"}]}]},
    });
    for (about, place) in [
        ("pods", ""),
        ("pods/status", ""),
        ("pods/ephemeralcontainers", ""),
        ("pods/resize", ""),
        ("podtemplates", "/template"),
        ("replicationcontrollers", "/spec/template"),
        ("controllerrevisions.apps", "/data/spec/template"),
        ("daemonsets.apps", "/spec/template"),
        ("deployments.apps", "/spec/template"),
        ("deployments.apps/status", "/spec/template"),
        ("replicasets.apps", "/spec/template"),
        ("statefulsets.apps", "/spec/template"),
        ("cronjobs.batch", "/spec/jobTemplate/spec/template"),
        ("jobs.batch", "/spec/template"),
    ] {
        let mut body = pod.clone();
        for name in place.split('/').rev().filter(|name| !name.is_empty()) {
            body = json!({ name: body });
        }
        let applied = json!({"metadata": {"annotations": {LAST_APPLIED: body.to_string()}}});
        let copy = masked(&["env"], about, &applied);
        let copy = &copy["metadata"]["annotations"][LAST_APPLIED];
        let copy: Value = serde_json::from_str(copy.as_str().expect("text")).expect("JSON");
        for found in [masked(&["env"], about, &body), copy] {
            assert!(!found.to_string().contains("secret"), "{about}: {found}");
            let found = found.pointer(place).expect("still there");
            assert_eq!(found["metadata"]["annotations"], json!({"y": "stays"}));
            assert_eq!(found["spec"]["containers"][0]["env"][0]["name"], "N");
        }
    }
    for about in [
        "pods/log",
        "pods/exec",
        "services",
        "deployments.example.com",
        "pods/eviction",
    ] {
        assert!(masking(&["env"], about).is_none(), "{about}");
    }
}

#[test]
fn what_is_taken_out_is_not_implied() {
    assert!(masking(&["not-deployments"], "pods").is_some());
    assert!(masking(&["not-deployments"], "replicasets.apps").is_some());
    assert!(masking(&["not-deployments"], "deployments.apps").is_none());
}

#[test]
fn bytes_stay_base64_whatever_the_mask_says_of_them() {
    let body = json!({"data": {"a": "YQ==", "b": "YQ==", "c": "Yg=="}});
    let found = masked(&["hashed"], "secrets", &body);
    use base64::Engine as _;
    let plain = |name: &str| {
        let text = found["data"][name].as_str().expect("text");
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .expect("base64");
        String::from_utf8(bytes).expect("text")
    };
    assert!(
        plain("a").starts_with("countersign-masked:hashed:k:"),
        "{}",
        plain("a")
    );
    assert_eq!(plain("a"), plain("b"));
    assert_ne!(plain("a"), plain("c"));
    // A path with `**` reaches into `data` too, and there it must leave base64.
    let all = r#"mask "all" { for "secrets" { at "**.pw" redact } }"#;
    let bundle = bundle(all);
    let set = PolicySet::compile(&bundle, "prod").expect("compiles");
    let masks = set.mask_table().set_of("all").expect("a mask");
    let masking = set
        .masking(masks, &resource("secrets"))
        .expect("it is concerned");
    let paths: Vec<String> = masking.paths().iter().map(ToString::to_string).collect();
    assert!(paths.contains(&"data.pw".to_owned()), "{paths:?}");
}

#[test]
fn managed_fields_go_where_they_show_values() {
    let body = json!({
        "metadata": {"finalizers": ["a"], "managedFields": [{"fieldsV1": {"v:\"a\"": {}}}]},
        "spec": {"hosts": ["a"]},
    });
    for (about, goes) in [("things.example.com", true), ("pods", true)] {
        let found = masked(&["hosts"], about, &body);
        assert_eq!(
            found["metadata"].get("managedFields").is_none(),
            goes,
            "{about}"
        );
    }
    let found = masked(&["not-deployments"], "pods", &body);
    assert!(found["metadata"].get("managedFields").is_some());
}

/// Detectors did not count: what they find in a list that is a set stayed readable in managedFields.
#[test]
fn managed_fields_go_where_they_show_what_detectors_find() {
    let body = json!({"metadata": {"managedFields": [{"fieldsV1": {"f:x": {"v:\"eyJ\"": {}}}}]}});
    for (mask, about, goes) in [
        ("anywhere", "configmaps", true),
        ("anywhere", "things.example.com", true),
        ("mail", "pods", true),
        ("mail", "deployments.apps", true),
        // Of a map they hold the names alone.
        ("values", "configmaps", false),
    ] {
        let found = masked(&[mask], about, &body);
        let gone = found["metadata"].get("managedFields").is_none();
        assert_eq!(gone, goes, "{mask} on {about}");
    }
}

/// A Scale printed the masked selector of its object.
#[test]
fn a_scale_shows_no_masked_selector() {
    let scale = |selector: &str| json!({"spec": {"replicas": 2}, "status": {"replicas": 2, "selector": selector}});
    let marker = "countersign-masked:scaled";
    for (about, selector, replicas) in [
        ("deployments.apps/scale", marker, 2),
        // Any field of a custom kind may be its selector or its number.
        ("things.example.com/scale", marker, 0),
        // The object itself has other fields there.
        ("things.example.com", "pin=1", 2),
        ("things.example.com/status", "pin=1", 2),
    ] {
        let found = masked(&["scaled"], about, &scale("pin=1"));
        assert_eq!(found["status"]["selector"], selector, "{about}");
        assert_eq!(found["spec"]["replicas"], replicas, "{about}");
    }
    let found = masked(
        &["not-deployments"],
        "replicasets.apps/scale",
        &scale("pin=1"),
    );
    assert_eq!(
        found["status"]["selector"], "pin=1",
        "nothing else is hidden"
    );
}

#[test]
fn streams_are_masked_by_detectors_alone() {
    assert!(matches!(
        masking(&["logs"], "pods/log").expect("concerned").stream(),
        StreamMasking::Detect(_)
    ));
    assert!(matches!(
        masking(&["no-text"], "pods/log")
            .expect("concerned")
            .stream(),
        StreamMasking::Impossible
    ));
    assert!(matches!(
        masking(&["no-text", "logs"], "pods/log")
            .expect("concerned")
            .stream(),
        StreamMasking::Detect(_)
    ));
    assert!(masking(&["logs"], "pods").is_none());
}

#[test]
fn detectors_bound_to_a_path_watch_templates_and_the_annotation() {
    let pod =
        json!({"spec": {"containers": [{"args": ["--to=ana@corp.example"], "image": "a@b.cd"}]}});
    let body = json!({
        "metadata": {"annotations": {LAST_APPLIED: pod.to_string()}},
        "spec": {"template": pod},
    });
    let found = masked(&["mail"], "deployments.apps", &body);
    assert!(!found.to_string().contains("ana@corp.example"), "{found}");
    assert_eq!(
        found["spec"]["template"]["spec"]["containers"][0]["image"],
        "a@b.cd"
    );
}

#[test]
fn what_detectors_find_is_left_in_part_digested_or_encrypted() {
    let body = json!({"data": {
        "card": "card 4111 1111 1111 1111, thanks",
        "from": "ana@corp.example",
        "to": "to ana@corp.example",
        "iban": "DE89370400440532013000",
        "none": "nothing here",
    }});
    let found = masked(&["parts"], "configmaps", &body);
    let text = |key: &str| found["data"][key].as_str().expect("text").to_owned();
    assert_eq!(text("card"), "card countersign-masked:parts:…1111, thanks");
    assert!(text("from").starts_with("countersign-masked:parts:k:"));
    assert_eq!(text("to"), format!("to {}", text("from")));
    assert!(text("iban").starts_with("DE") && text("iban").len() == 22);
    assert_ne!(found["data"]["iban"], body["data"]["iban"]);
    assert_eq!(text("none"), "nothing here");
    let described = masking(&["parts"], "configmaps")
        .expect("concerned")
        .describe();
    assert_eq!(
        described,
        [
            "card in data.* partial by parts",
            "email in data.* hash by parts",
            "iban in data.* fpe by parts",
        ]
    );
}

/// What was written as `stringData` stood in clear in the annotation, under a mask of `data`.
#[test]
fn a_mask_of_data_masks_what_was_written_as_string_data() {
    let set = |line: &str| {
        let bundle = bundle(&format!("mask \"m\" {{ for \"secrets\" {{ {line} }} }}"));
        PolicySet::compile_with(&bundle, "prod", &MaskKeys::none()).expect("compiles")
    };
    let written = json!({"stringData": {"pw": "secret", "x": "plain"}, "kind": "Secret"});
    for (line, all) in [
        (r#"at "data.*" redact"#, true),
        (r#"at "data.pw" redact"#, false),
        (r#"at "data['pw']" drop"#, false),
        (r#"at "data" redact"#, true),
        (r#"at "data" drop"#, true),
        (r#"at "data.pw" partial keep-last=2"#, false),
        (r#"at "data.*" redact; at "stringData.*" redact"#, true),
        (r#"at "metadata.labels.*" redact"#, false),
    ] {
        let set = set(line);
        let masks = set.mask_table().set_of("m").expect("is there");
        let masking = set.masking(masks, &resource("secrets")).expect("concerned");
        let mut body = written.clone();
        body["metadata"] = json!({"annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": written.to_string(),
        }});
        let program = masking.program(&[Mount::Root]).expect("compiles");
        let mut masker = Masker::new(program, Kernel::best());
        let mut out = Vec::new();
        masker
            .push(&Bytes::from(body.to_string()), &mut out)
            .expect("JSON");
        let shown = String::from_utf8(out.concat()).expect("text");
        let is_masked = !line.contains("labels");
        assert_eq!(!shown.contains("secret\\\""), is_masked, "{line}: {shown}");
        assert_eq!(!shown.contains("\"secret\""), is_masked, "{line}: {shown}");
        assert_eq!(shown.contains("plain"), !all, "{line}: {shown}");
    }
    let set = set(r#"at "data.pw" redact"#);
    let masks = set.mask_table().set_of("m").expect("is there");
    let masking = set.masking(masks, &resource("secrets")).expect("concerned");
    assert!(masking.touches_pointer("/stringData/pw") && !masking.touches_pointer("/stringData/x"));
    assert_eq!(masking.describe(), ["data.pw redact by m"]);
}

#[test]
fn masks_are_the_same_if_all_that_they_do_is() {
    let masking = |mask: &str, secret: &[u8]| {
        let head = r#"hmac-key "k" env="COUNTERSIGN_MASK_KEY"; hmac-key "l" env="OTHER_KEY""#;
        let bundle = bundle(&format!(
            "{head}\nmask \"m\" {{ for \"configmaps\" {{ {mask} }} }}"
        ));
        let mut keys = MaskKeys::none();
        for name in ["k", "l"] {
            keys.add(name, secret).expect("long enough");
        }
        let set = PolicySet::compile_with(&bundle, "prod", &keys).expect("compiles");
        let masks = set.mask_table().set_of("m").expect("is there");
        set.masking(masks, &resource("configmaps"))
            .expect("concerned")
    };
    let one = b"0123456789abcdef0123456789abcdef";
    for (mask, other) in [
        (r#"at "data.a" redact"#, r#"at "data.b" redact"#),
        (r#"at "data.a" redact"#, r#"at "data.a" drop"#),
        (
            r#"at "data.a" json { at "b" redact }"#,
            r#"at "data.a" json { at "c" redact }"#,
        ),
        (
            r#"at "data.a" json { at "b" base64 { at "c" redact } }"#,
            r#"at "data.a" json { at "b" base64 { at "d" redact } }"#,
        ),
        (
            r#"at "data.a" partial keep-last=2"#,
            r#"at "data.a" partial keep-last=4"#,
        ),
        (r#"at "data.a" hash key="k""#, r#"at "data.a" hash key="l""#),
        (r#"detect "jwt" redact"#, r#"detect "pem" redact"#),
        (
            r#"detect "jwt" redact"#,
            r#"detect "jwt" redact in="data.*""#,
        ),
        (
            r#"detect "card" partial keep-last=2"#,
            r#"detect "card" partial keep-last=4"#,
        ),
    ] {
        assert!(masking(mask, one).masks_as(&masking(mask, one)), "{mask}");
        assert!(
            !masking(mask, one).masks_as(&masking(other, one)),
            "{other}"
        );
    }
    let hashed = r#"at "data.a" hash key="k""#;
    let rotated = masking(hashed, b"fedcba9876543210fedcba9876543210");
    assert!(!masking(hashed, one).masks_as(&rotated));
}

#[test]
fn refuse_wins_over_restore() {
    let mode = |names: &[&str]| masking(names, "pods").expect("concerned").write_back();
    assert_eq!(mode(&["env"]), WriteBack::Restore);
    assert_eq!(mode(&["env", "not-deployments"]), WriteBack::Refuse);
    let masking = masking(&["env", "wide", "hashed"], "pods").expect("concerned");
    let masks: Vec<_> = masking.masks().collect();
    assert_eq!(
        masks,
        [("env", WriteBack::Restore), ("wide", WriteBack::Refuse)]
    );
}

#[test]
fn selectors_and_patches_learn_what_they_may_not_name() {
    let masking = masking(&["env"], "pods").expect("concerned");
    for (pointer, expected) in [
        ("/spec/containers/0/env/1/value", true),
        ("/spec/containers/0/env", true),
        ("/spec", true),
        ("", true),
        ("/spec/containers/0/image", false),
        ("/metadata/annotations/x", true),
        ("/metadata/annotations/x~1y", false),
        (
            "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
            true,
        ),
        ("/metadata/name", false),
    ] {
        assert_eq!(masking.touches_pointer(pointer), expected, "{pointer}");
    }
    assert!(!masking.touches_field("spec.nodeName"));
    let masking = self::masking(&["not-deployments"], "pods").expect("concerned");
    assert!(masking.touches_field("spec.nodeName"));
    assert!(!masking.touches_label("app"));
}

#[test]
fn cells_are_safe_only_where_they_are_known() {
    for (names, about, expected) in [
        (&["@secret-like"][..], "secrets", true),
        (&["hashed"], "secrets", false),
        (&["env"], "pods", false),
        (&["env"], "deployments.apps", true),
        (&["env"], "cronjobs.batch", true),
        (&["not-deployments"], "pods", false),
        (&["wide"], "configmaps", true),
        (&["wide"], "widgets.example.com", false),
        (&["hosts"], "things.example.com", false),
        (&["mail"], "pods", true),
    ] {
        let masking = masking(names, about).expect("concerned");
        assert_eq!(masking.cells_are_safe(), expected, "{names:?} {about}");
    }
}

#[test]
fn a_key_that_is_not_there_rejects_the_bundle_and_names_its_variable() {
    let bundle = bundle(MASKS);
    let fault = PolicySet::compile(&bundle, "prod").expect_err("a key is missing");
    assert_eq!(
        fault.to_string(),
        "mask `hashed` needs the key `k` and it is not there; set environment variable \
         `COUNTERSIGN_MASK_KEY`"
    );
}

#[test]
fn a_mask_that_no_program_can_hold_rejects_the_bundle() {
    let names: String = (0..40)
        .map(|number| format!("at \"**.a{number}.**.b{number}.**.c{number}\" redact; "))
        .collect();
    let bundle = bundle(&format!("mask \"big\" {{ for \"pods\" {{ {names} }} }}"));
    let fault = PolicySet::compile(&bundle, "prod").expect_err("too many states");
    assert!(matches!(fault, CompileFault::Mask { .. }), "{fault}");
}

#[test]
fn a_rule_with_an_undefined_mask_is_no_rule() {
    use crate::model::{Effect, Obligation};
    let mut bundle = bundle("");
    let mut rule = crate::testing::plain_rule("r", Effect::Require);
    rule.obligations = vec![Obligation::Mask(vec!["gone".to_owned()])];
    bundle.rules.push(rule);
    let fault = PolicySet::compile(&bundle, "prod").expect_err("undefined");
    assert_eq!(
        fault.to_string(),
        "rule `r` names the mask `gone`, which is not defined"
    );
}

#[test]
fn programs_are_compiled_once() {
    let set = set();
    let masks = set.mask_table().set_of("env").expect("a mask");
    let one = set.masking(masks, &resource("pods")).expect("concerned");
    let other = set
        .masking(masks, &resource("pods/status"))
        .expect("concerned");
    let program = |masking: &Masking| masking.program(&[Mount::Root]).expect("compiles");
    assert!(Arc::ptr_eq(&program(&one), &program(&other)));
}

/// Nothing of the test's own: the example of the language's design decodes as far as masks go.
#[test]
fn the_masks_of_the_example_decode() {
    let files = split_files(include_str!("../../testdata/harbour.kdl"));
    let masks = String::from_utf8(files["masks.kdl"].clone()).expect("text");
    let kept: Vec<&str> = masks
        .lines()
        .filter(|line| !line.starts_with("record") && !line.starts_with("budget"))
        .collect();
    assert_eq!(bundle(&kept.join("\n")).masks.len(), 2);
}

/// The law of §3.2: what one more mask does is never milder.
#[test]
fn a_further_mask_only_adds() {
    let names = [
        "env",
        "hashed",
        "wide",
        "logs",
        "no-text",
        "hosts",
        "mail",
        "@secret-like",
    ];
    let resources = [
        "pods",
        "pods/status",
        "pods/log",
        "secrets",
        "deployments.apps",
        "things.example.com",
        "serviceaccounts/token",
    ];
    let strength = |masking: &Masking, path: &FieldPath| {
        let word = masking.strategy_at(path);
        let words = crate::decode::grammar::STRATEGIES;
        words.iter().position(|own| Some(*own) == word)
    };
    for about in resources {
        for (one, other) in names
            .iter()
            .flat_map(|one| names.map(|other| (*one, other)))
        {
            let both = masking(&[one, other], about);
            let Some(alone) = masking(&[one], about) else {
                continue;
            };
            let both = both.expect("what one concerns, both do");
            for path in alone.paths() {
                assert!(both.paths().contains(path), "{one} {other} {about} {path}");
                let (weaker, stronger) = (strength(&alone, path), strength(&both, path));
                assert!(
                    stronger <= weaker || weaker.is_none(),
                    "{one} {other} {about} {path}"
                );
            }
            assert!(both.write_back() <= alone.write_back());
            assert!(!both.cells_are_safe() || alone.cells_are_safe());
        }
    }
}

/// One more document is around them: the last-applied annotation.
#[test]
fn documents_may_be_three_deep() {
    let nested = |depth: usize| {
        let inner = (0..depth).fold("at \"x\" redact".to_owned(), |inner, _| {
            format!("at \"a\" json {{ {inner} }}")
        });
        written_bundle(&[
            ("bundle.kdl", HEAD),
            (
                "masks.kdl",
                &format!("mask \"m\" {{ for \"configmaps\" \"pods\" {{ {inner} }} }}"),
            ),
        ])
    };
    let bundle = nested(EMBEDDED_DEPTH_MAX).expect("it decodes");
    assert!(PolicySet::compile(&bundle, "prod").is_ok());
    let fault = nested(EMBEDDED_DEPTH_MAX + 1).expect_err("too deep");
    assert!(fault.contains("more than 3 deep"), "{fault}");
}

#[test]
fn knows_where_a_mask_leaves_something_else_than_a_marker() {
    for (masks, about, expected) in [
        (&["hashed"][..], "secrets", false),
        (&["env"], "pods", false),
        (&["wide"], "secrets", true),
        (&["wide"], "things.example.com", false),
        (&["hosts"], "pods", true),
        (&["mail"], "pods", true),
        (&["numbers"], "pods", false),
    ] {
        let masking = masking(masks, about).expect("it is masked");
        assert_eq!(masking.marks_everything(), expected, "{masks:?} {about}");
    }
    let resource = resource("secrets");
    let set = set();
    let own = set
        .mask_table()
        .set_of(crate::model::SECRET_LIKE)
        .expect("built in");
    let masking = set.masking(own, &resource).expect("it is masked");
    assert!(masking.marks_everything(), "Secrets need no live object");
}
