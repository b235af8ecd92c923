//! The harness holds what it promises, past the gateway.

use gateway_tests::{Cluster, fresh, get};

#[test]
fn the_api_servers_audit_log_tells_what_it_understood() {
    let cluster = Cluster::shared();
    let agent = fresh("smoke");
    let request = get("/api/v1/namespaces/default/pods?watch=0").agent(&agent);
    let answer = cluster.wire().ask(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let event = cluster.journal().await_agent(&agent, "ResponseComplete");
    assert_eq!(event.vector(), "list||pods|default|");
    assert_eq!(event.text("/user/username"), "kubernetes-admin");
}
