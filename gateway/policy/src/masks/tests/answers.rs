//! What a mask does to answers that show an object in another form, and to questions about it.

use super::*;

fn at(masking: &Masking, mounts: &[Mount], body: &Value) -> Value {
    let program = masking.program(mounts).expect("compiles");
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let pushed = masker.push(&Bytes::from(body.to_string()), &mut out);
    pushed.expect("JSON");
    masker.finish().expect("whole");
    serde_json::from_slice(&out.concat()).expect("JSON")
}

/// A Scale of a custom kind showed a masked field: its definition says where the numbers and the
/// selector come from, and that may be anywhere in `spec` and `status`.
#[test]
fn a_scale_shows_no_field_that_is_masked_in_the_object() {
    let body = json!({
        "kind": "Scale", "metadata": {"name": "x"},
        "spec": {"replicas": 4711},
        "status": {"replicas": 4711, "selector": "secret"},
    });
    for (names, about, masked) in [
        (&["wide"][..], "things.example.com/scale", true),
        (&["wide"], "deployments.apps/scale", false),
        (&["selector"], "deployments.apps/scale", true),
    ] {
        let masking = masking(names, about).expect("concerned");
        let found = at(&masking, &[Mount::Root], &body);
        let selector = &found["status"]["selector"];
        assert_eq!(selector != "secret", masked, "{names:?} {about}: {found}");
        assert_eq!(masking.touches_pointer("/status/selector"), masked);
        let wanted = if about.starts_with("things") { 0 } else { 4711 };
        assert_eq!(found["spec"]["replicas"], wanted, "{names:?} {about}");
        // What is counted in the status comes from the status, and nothing there is masked.
        assert_eq!(found["status"]["replicas"], 4711, "{names:?} {about}");
    }
    // The object itself keeps what nobody masks.
    let masking = masking(&["wide"], "things.example.com").expect("concerned");
    assert_eq!(at(&masking, &[Mount::Root], &body), body);
}

/// A patch asked for the last element as `-1`, and no mask knew the place.
#[test]
fn elements_are_known_however_they_are_counted() {
    let masking = masking(&["env"], "pods").expect("concerned");
    for place in ["0", "-1", "+0", "-", "00"] {
        let pointer = format!("/spec/containers/{place}/env/{place}/value");
        assert!(masking.touches_pointer(&pointer), "{pointer}");
    }
    assert!(masking.touches_field("spec['x'].y"));
    assert!(!masking.touches_field("spec.nodeName"));
}

/// A revision copies the annotations of its owner, the applied manifest among them, and there the
/// template stands where the owner has it.
#[test]
fn the_applied_manifest_in_a_revision_is_that_of_its_owner() {
    let pod =
        json!({"spec": {"containers": [{"name": "c", "env": [{"name": "N", "value": "secret"}]}]}});
    let applied = json!({"kind": "StatefulSet", "spec": {"template": pod}}).to_string();
    let body = json!({
        "metadata": {"annotations": {LAST_APPLIED: applied}},
        "data": {"spec": {"template": pod}},
    });
    let masking = masking(&["env"], "controllerrevisions.apps").expect("concerned");
    let found = at(&masking, &[Mount::Root], &body).to_string();
    assert!(!found.contains("secret"), "{found}");
}
