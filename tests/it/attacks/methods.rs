//! Methods without a verb, and words in paths that override the method (K-1.2, K-1.3, K-1.13 to
//! K-1.15).

use super::{Attack, Outcome, check};

#[test]
fn refuses_methods_without_a_verb() {
    check(|marks| {
        [
            "OPTIONS /api/v1/namespaces/{ns}/pods/shell/proxy/x HTTP/1.1",
            "OPTIONS /api/v1/namespaces/{ns}/pods HTTP/1.1",
            "TRACE /api/v1/namespaces/{ns}/pods HTTP/1.1",
            "PROPFIND /api/v1/namespaces/{ns}/pods HTTP/1.1",
            "LIST /api/v1/namespaces/{ns}/pods HTTP/1.1",
            "get /api/v1/namespaces/{ns}/pods HTTP/1.1",
            "GETT /api/v1/namespaces/{ns}/pods HTTP/1.1",
            "POST /api/v1/watch/namespaces/{ns}/secrets HTTP/1.1",
            "DELETE /api/v1/watch/namespaces/{ns}/secrets/db HTTP/1.1",
        ]
        .into_iter()
        .map(|line| Attack::new(line, marks.request(line, ""), Outcome::Refused(405)))
        .chain(
            [
                "PRI * HTTP/2.0",
                "G\u{0}T /api/v1/nodes HTTP/1.1",
                " GET /api/v1/nodes HTTP/1.1",
            ]
            .into_iter()
            .map(|line| Attack::new(line, marks.request(line, ""), Outcome::Dropped)),
        )
        .collect()
    });
}

/// By any method this is a channel, and judged as one; the route is gone upstream.
#[test]
fn the_old_proxy_path_is_a_channel_by_any_method() {
    check(|marks| {
        ["GET", "DELETE", "POST", "PUT"]
            .map(|method| {
                let line = format!("{method} /api/v1/proxy/namespaces/{{ns}}/pods/shell HTTP/1.1");
                let judged = Outcome::DroppedOrJudged("proxy||pods|{ns}|shell");
                Attack::new("the old proxy path", marks.request(&line, ""), judged)
            })
            .into()
    });
}

#[test]
fn a_method_in_the_query_means_nothing() {
    check(|marks| {
        vec![Attack::new(
            "_method=DELETE",
            marks.request("GET /api/v1/nodes?_method=DELETE HTTP/1.1", ""),
            Outcome::DroppedOrJudged("list||nodes||"),
        )]
    });
}
