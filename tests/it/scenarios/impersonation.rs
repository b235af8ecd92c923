//! `kubectl --as`, where policy grants it (K-7.15).

use gateway_tests::{fresh, get};

use super::Stage;
use crate::ground::{DISCOVERY, EVERYTHING, assert_status};

const ACTS_AS_ROBOTS: &str = r#"
allow "acts-as-robots" {
    why "Administrators look at what a robot sees"
    who { group "it:admins" }
    can impersonate
    on "users"
    in "@cluster"
    named "it:robot-*"
}
allow "acts-as-readers" {
    why "Robots are readers"
    who { group "it:admins" }
    can impersonate
    on "groups"
    in "@cluster"
    named "it:readers"
}
"#;

/// The API server carries it out with the rights of whom the caller acts as, and its log says so.
#[test]
fn an_allowed_caller_acts_as_another_with_the_others_rights() {
    let rules = [DISCOVERY, EVERYTHING, ACTS_AS_ROBOTS].concat();
    let stage = Stage::new(|setup| setup.with_rules(&rules));
    let robot = fresh("it:robot");
    let kubectl = stage.gateway.kubectl(&stage.issuer.token("admin"));
    let kubectl = kubectl.with(&[
        &format!("--as={robot}"),
        "--as-group=it:readers",
        "-n",
        &stage.ground.namespace,
    ]);
    assert_eq!(
        kubectl.ok(&["get", "configmap", "cm", "-o", "name"]).trim(),
        "configmap/cm"
    );
    let denied = kubectl.run(&["delete", "configmap", "cm"]);
    assert_eq!(denied.code, 1, "{denied:?}");
    let says = format!("User \"{robot}\" cannot delete resource \"configmaps\"");
    assert!(
        denied.stderr.contains(&says),
        "the cluster's own words: {denied:?}"
    );
    let journal = stage.ground.cluster.journal();
    for (verb, code) in [("get", 200), ("delete", 403)] {
        let events = journal.matching(|event| {
            event.text("/impersonatedUser/username") == robot
                && event.text("/verb") == verb
                && event.text("/objectRef/resource") == "configmaps"
                && event.text("/stage") == "ResponseComplete"
        });
        assert_eq!(events.len(), 1, "{verb}: {events:?}");
        assert_eq!(events[0].code(), code, "{verb}");
        assert_eq!(events[0].text("/user/username"), "countersign-gateway");
        let groups = events[0].texts("/impersonatedUser/groups");
        assert_eq!(groups, ["it:readers", "system:authenticated"]);
    }
}

/// Each name needs a grant of its own; what has none never goes upstream.
#[test]
fn every_name_a_caller_acts_as_must_be_allowed() {
    let rules = [DISCOVERY, EVERYTHING, ACTS_AS_ROBOTS].concat();
    let stage = Stage::new(|setup| setup.with_rules(&rules));
    let robot = fresh("it:robot");
    let stranger = fresh("it:stranger");
    let target = format!(
        "/api/v1/namespaces/{}/configmaps/cm",
        stage.ground.namespace
    );
    for (user, group) in [(&stranger, "it:readers"), (&robot, "it:admins")] {
        let request = get(&target)
            .token(&stage.issuer.token("admin"))
            .header("Impersonate-User", user)
            .header("Impersonate-Group", group);
        let answer = stage.gateway.wire().ask(&request);
        assert_status(&format!("{user} in {group}"), &answer, 403);
    }
    stage.ground.sentinel();
    let seen = stage.ground.cluster.journal().matching(|event| {
        let user = event.text("/impersonatedUser/username");
        user == stranger || user == robot
    });
    assert_eq!(seen.len(), 0, "{seen:?}");
}
