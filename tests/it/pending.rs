//! The fifty attacks of the Kubernetes surface, and where each is tested or why not yet. A test
//! counts them, so that none is left out in silence.

/// Where an attack is tested.
enum Standing {
    /// In these tests.
    Tested(&'static [&'static str]),
    /// The refusal is tested here; what remains waits for the work named.
    Partly(&'static [&'static str], &'static str),
    /// It waits for the work named.
    Pending(&'static str),
}

use Standing::{Partly, Pending, Tested};

use crate::tidy::read;

const BODY_RULES: &str =
    "rules on fields of the body are not built: kind, namespace and name are judged";
const PORTS: &str = "rules on ports are not built: a tunnel is granted or denied whole";
const APPROVALS: &str = "approvals are not built: no exchange is held";

/// Number, title, standing; numbers as in the list.
const ATTACKS: [(u8, &str, Standing); 50] = [
    (
        1,
        "dot segments through the forwarder",
        Tested(&["attacks::paths::refuses_dot_segments_raw_and_encoded"]),
    ),
    (
        2,
        "encoded slash",
        Tested(&["attacks::paths::refuses_an_encoded_separator"]),
    ),
    (
        3,
        "empty namespace",
        Tested(&["attacks::paths::refuses_an_empty_segment"]),
    ),
    (
        4,
        "semicolon in the query",
        Tested(&["attacks::paths::refuses_a_query_that_readers_split_differently"]),
    ),
    (
        5,
        "forms of ?watch",
        Tested(&["attacks::verbs::every_form_of_watch_is_a_watch"]),
    ),
    (
        6,
        "/watch/ for a Secret and for a custom resource",
        Tested(&[
            "attacks::verbs::the_old_watch_paths_are_watches",
            "attacks::masking::watches::no_form_of_a_watch_shows_a_masked_value",
            "attacks::masking::custom::no_read_of_a_custom_object_shows_a_masked_value",
        ]),
    ),
    (
        7,
        "proxy subpath with dot segments",
        Tested(&["attacks::paths::refuses_a_proxy_subpath_that_climbs"]),
    ),
    (
        8,
        "Table default rows carry the annotation",
        Tested(&["attacks::masking::reads::no_shape_of_a_read_shows_a_masked_value"]),
    ),
    (
        9,
        "Table rows with includeObject=Object",
        Tested(&["attacks::masking::reads::no_shape_of_a_read_shows_a_masked_value"]),
    ),
    (
        10,
        "protobuf Accept on Secret get, list, watch",
        Tested(&[
            "attacks::content::no_form_of_an_answer_gets_around_a_denial",
            "attacks::masking::reads::no_shape_of_a_read_shows_a_masked_value",
            "attacks::masking::watches::no_form_of_a_watch_shows_a_masked_value",
        ]),
    ),
    (
        11,
        "PartialObjectMetadata in protobuf",
        Tested(&[
            "attacks::content::no_form_of_an_answer_gets_around_a_denial",
            "attacks::masking::reads::no_shape_of_a_read_shows_a_masked_value",
        ]),
    ),
    (
        12,
        "gzip list above 128 KiB",
        Tested(&[
            "attacks::content::a_big_list_comes_back_plain",
            "attacks::masking::reads::a_masked_list_that_the_api_server_would_compress_is_masked",
        ]),
    ),
    (
        13,
        "YAML Accept",
        Tested(&[
            "attacks::content::no_form_of_an_answer_gets_around_a_denial",
            "attacks::masking::reads::no_shape_of_a_read_shows_a_masked_value",
        ]),
    ),
    (
        14,
        "two Accept header lines",
        Tested(&["attacks::content::two_accept_lines_are_read_as_the_api_server_reads_them"]),
    ),
    (
        15,
        "WebSocket watch and log",
        Tested(&[
            "attacks::upgrades::refuses_an_upgrade_where_none_belongs",
            "attacks::masking::watches::a_watch_over_a_websocket_is_refused",
        ]),
    ),
    (
        16,
        "WatchList",
        Tested(&[
            "attacks::verbs::a_watch_list_is_a_watch",
            "attacks::masking::watches::a_watch_list_is_masked_and_its_bookmark_ends_the_initial_list",
        ]),
    ),
    (
        17,
        "DELETED events",
        Tested(&["attacks::masking::watches::a_watch_shows_every_change_and_no_masked_value"]),
    ),
    (
        18,
        "empty PATCH and dryRun=All echo the object",
        Tested(&[
            "attacks::content::no_form_of_an_answer_gets_around_a_denial",
            "attacks::masking::writes::no_echo_of_a_write_shows_a_masked_value",
        ]),
    ),
    (
        19,
        "DELETE with a finalizer echoes the object",
        Tested(&["attacks::masking::writes::no_deletion_shows_a_masked_value"]),
    ),
    (
        20,
        "deletecollection dryRun=All lists",
        Tested(&[
            "attacks::verbs::a_dry_deletion_of_a_collection_is_no_read_and_no_deletion_of_one",
            "attacks::masking::writes::no_deletion_shows_a_masked_value",
        ]),
    ),
    (
        21,
        "merge-patch type error quotes the object",
        Tested(&["attacks::masking::refusals::no_refusal_quotes_a_masked_value"]),
    ),
    (
        22,
        "the same with fieldValidation=Strict",
        Tested(&["attacks::masking::refusals::no_refusal_quotes_a_masked_value"]),
    ),
    (
        23,
        "JSON-patch test on a masked path",
        Tested(&[
            "attacks::masking::questions::nothing_asks_about_a_masked_value_or_moves_it",
            "attacks::masking::questions::a_patch_that_one_reader_stumbles_over_is_still_read",
        ]),
    ),
    (
        24,
        "JSON-patch copy to an annotation",
        Tested(&[
            "attacks::masking::questions::nothing_asks_about_a_masked_value_or_moves_it",
            "attacks::masking::questions::elements_counted_from_the_end_are_the_same_elements",
        ]),
    ),
    (
        25,
        "JSON-patch move of an ancestor",
        Tested(&["attacks::masking::questions::nothing_asks_about_a_masked_value_or_moves_it"]),
    ),
    (
        26,
        "selectableFields as an oracle",
        Tested(&["attacks::masking::questions::no_selector_asks_about_a_masked_value"]),
    ),
    (
        27,
        "apply and immutable guesses",
        Tested(&["attacks::write_back::no_guess_by_writing_is_answered"]),
    ),
    (
        28,
        "duplicate keys",
        Tested(&["attacks::content::refuses_json_that_two_readers_understand_differently"]),
    ),
    (
        29,
        "YAML merge key",
        Tested(&["attacks::content::refuses_yaml_that_two_readers_understand_differently"]),
    ),
    (
        30,
        "protobuf create of a privileged pod",
        Partly(
            &["attacks::content::judges_what_a_protobuf_body_says"],
            BODY_RULES,
        ),
    ),
    (
        31,
        "gzip request body",
        Tested(&["attacks::content::refuses_coded_bodies_and_unknown_media_types"]),
    ),
    (
        32,
        "placeholder write-back",
        Tested(&[
            "attacks::masking::questions::nothing_asks_about_a_masked_value_or_moves_it",
            "attacks::write_back::a_value_is_put_back_at_its_own_place_alone",
            "attacks::write_back::a_value_is_put_back_into_its_own_object_alone",
            "attacks::write_back::every_form_of_a_write_puts_the_value_back",
            "attacks::write_back::a_mask_that_refuses_has_no_marker_written_and_lets_the_rest_pass",
            "attacks::write_back::kubectl_changes_what_its_user_changed_and_nothing_else",
        ]),
    ),
    (33, "$patch: replace, JSON-patch move", Pending(BODY_RULES)),
    (
        34,
        "exec by GET with a read-only policy",
        Tested(&["attacks::upgrades::a_read_only_policy_opens_no_channel"]),
    ),
    (
        35,
        "fallback after a denial",
        Tested(&[
            "attacks::upgrades::a_denied_exec_stays_denied_when_kubectl_falls_back",
            "clients::masked_sessions::a_session_over_spdy_is_refused_with_the_way_out",
        ]),
    ),
    (
        36,
        "exec with no subprotocol, base64, v4",
        Tested(&[
            "attacks::upgrades::every_subprotocol_is_the_same_session_upstream",
            "attacks::sessions::no_subprotocol_shows_a_secret",
        ]),
    ),
    (
        37,
        "tunnelled port-forward to a forbidden port",
        Partly(
            &["attacks::upgrades::a_read_only_policy_opens_no_channel"],
            PORTS,
        ),
    ),
    (
        38,
        "nodes/proxy exec by WebSocket GET",
        Tested(&["attacks::upgrades::a_read_only_policy_opens_no_channel"]),
    ),
    (
        39,
        "ephemeral containers and attach",
        Tested(&["attacks::upgrades::a_read_only_policy_opens_no_channel"]),
    ),
    (
        40,
        "empty mapped user",
        Tested(&["attacks::identity::refuses_a_caller_without_a_name"]),
    ),
    (
        41,
        "Connection: Impersonate-User",
        Tested(&[
            "attacks::headers::nothing_the_client_nominates_removes_the_gateways_own_headers",
        ]),
    ),
    (
        42,
        "group claim system:masters",
        Tested(&["attacks::identity::refuses_names_of_the_api_servers_own"]),
    ),
    (
        43,
        "client Impersonate-*, X-Remote-*, Audit-ID",
        Tested(&[
            "attacks::headers::refuses_impersonation_that_policy_does_not_grant",
            "attacks::headers::identity_headers_of_proxies_mean_nothing",
        ]),
    ),
    (
        44,
        "subprotocol bearer reaching upstream",
        Tested(&["traps::heads::a_bearer_subprotocol_does_not_reach_upstream"]),
    ),
    (
        45,
        "watch outliving its token",
        Tested(&["scenarios::credentials::a_watch_ends_with_its_token"]),
    ),
    (46, "client gone while held", Pending(APPROVALS)),
    (47, "retry of a held create", Pending(APPROVALS)),
    (
        48,
        "DeleteOptions in body and query",
        Tested(&["attacks::content::refuses_delete_options_that_contradict_each_other"]),
    ),
    (
        49,
        "token subresource",
        Tested(&["attacks::upgrades::a_read_only_policy_opens_no_channel"]),
    ),
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
            Tested(tests) => {
                assert_tests(tests);
                tested += 1;
            }
            Partly(tests, why) => {
                assert_tests(tests);
                println!("{number:2} {title}: in {}; {why}", tests.join(", "));
            }
            Pending(why) => println!("{number:2} {title}: pending, {why}"),
        }
    }
    println!("{tested} of {} attacks are tested whole", ATTACKS.len());
    assert!(tested >= 44, "an attack lost its test");
}

/// The tests exist, so that neither a rename nor a deletion leaves a promise behind.
fn assert_tests(tests: &[&str]) {
    for test in tests {
        let (module, name) = test.rsplit_once("::").expect("a path");
        let source = read(&format!("tests/it/{}.rs", module.replace("::", "/")));
        let found = source.contains(&format!("#[test]\nfn {name}()"));
        assert!(found, "there is no test {test}");
    }
}
