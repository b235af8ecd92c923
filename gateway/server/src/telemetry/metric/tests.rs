use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prometheus::proto::{MetricFamily, MetricType};

use super::*;

const ALERTS: &str = include_str!("../../../../../deploy/prometheus/alerts.yaml");
const ALERT_TESTS: &str = include_str!("../../../../../deploy/prometheus/alerts_test.yaml");
const DASHBOARD: &str = include_str!("../../../../../deploy/grafana/countersign.json");

/// Labels whose values come from the configuration, the bundle or the build.
const OPEN_LABELS: [&str; 4] = ["cluster", "digest", "issuer", "version"];

/// Metrics with one cluster, one issuer and a bundle.
fn metrics(now: Instant) -> Arc<Metrics> {
    let metrics = Arc::new(Metrics::new(now).unwrap());
    drop(metrics.for_cluster("prod"));
    drop(metrics.for_issuer("ci", now));
    metrics.published("9f2c", now);
    metrics
}

fn families() -> Vec<MetricFamily> {
    let now = Instant::now();
    let metrics = metrics(now);
    metrics.render(true, now).unwrap();
    metrics.registry.gather()
}

fn rendered(metrics: &Metrics, now: Instant) -> String {
    String::from_utf8(metrics.render(true, now).unwrap()).unwrap()
}

/// The value of a series, by its name and labels as they stand in the exposition.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn document() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         Served as `/metrics` by the admin listener. This list is generated from the registry by a test; labels come from\n\
         closed sets or from the configuration, never from a request. Times are in seconds.\n\n\
         | name | type | labels | meaning |\n| --- | --- | --- | --- |\n",
    );
    let mut sets: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for family in families() {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            other @ (MetricType::SUMMARY | MetricType::UNTYPED) => panic!("{other:?}"),
        };
        let mut labels = Vec::new();
        for metric in family.get_metric() {
            for label in metric.get_label() {
                let name = label.name().to_owned();
                let set = sets
                    .entry((family.name().to_owned(), name.clone()))
                    .or_default();
                set.insert(label.value().to_owned());
                if !labels.contains(&name) {
                    labels.push(name);
                }
            }
        }
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, help) = (family.name(), family.help());
        writeln!(
            text,
            "| `{name}` | {kind} | {} | {help} |",
            labels.join(", ")
        )
        .unwrap();
    }
    text.push_str(
        "\n## Label values\n\n\
         `cluster`: a cluster of the configuration, empty if the request named none. `issuer`: an issuer of the bundle. `digest`: the\n\
         active bundle's. `version`: the gateway's.\n\n\
         | metric | label | values |\n| --- | --- | --- |\n",
    );
    for ((metric, label), values) in sets {
        if !OPEN_LABELS.contains(&label.as_str()) {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            writeln!(text, "| `{metric}` | `{label}` | {} |", values.join(", ")).unwrap();
        }
    }
    text.push_str(
        "\n`cause` of answers that cannot be masked: `encoding` it came compressed; `media-type` not JSON, text or a session that can be read;\n\
         `malformed` broken JSON, UTF-8 or frames; `truncated` it ended early; `bound` deeper than 512, or above 64 KiB of white space or key\n\
         where a member is dropped; `watch-event` not as the API server writes it; `program` too many masks meet.\n\n\
         `effect` `deny` includes requests refused because of their masks (`reason` `obligation-failed`), which the audit log calls `refuse`.\n\
         \n## Phases\n\n\
         | phase | from | to |\n| --- | --- | --- |\n\
         | `authenticate` | the head | its caller is proven, waits for keys and reviews included; not of callers that are remembered |\n\
         | `judge` | the head, or the body that decides | the decision, for a caller that is remembered |\n\
         | `audit` | the decision | the audit log has it: on disk for writes and sessions |\n\
         | `upstream_first_byte` | the way upstream, a new connection included | the head of the answer |\n\
         | `total` | the head | the last byte of the answer; not of watches, followed logs and sessions |\n",
    );
    text
}

/// `INSTA_UPDATE=always`, as for every golden file, writes it anew.
#[test]
fn the_document_lists_every_metric() {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let document = document();
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(&path, &document).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), document);
}

#[test]
fn names_and_labels_keep_the_rules() {
    for family in families() {
        let name = family.name();
        let is_ours = name.starts_with("countersign_");
        assert!(is_ours || name.starts_with("process_"), "{name}");
        let is_counter = family.get_field_type() == MetricType::COUNTER;
        assert_eq!(is_counter, name.ends_with("_total"), "{name}");
        assert!(!is_ours || family.help().ends_with('.'), "{name}");
        assert!(family.get_metric().len() <= 64, "{name}");
    }
}

/// Every metric name that stands in a file of queries.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_name(c))
        .filter(|word| word.starts_with("countersign_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

fn exposed_names() -> BTreeSet<String> {
    let now = Instant::now();
    let text = rendered(&metrics(now), now);
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let exposed = exposed_names();
    for (file, text) in [
        ("alerts", ALERTS),
        ("alert tests", ALERT_TESTS),
        ("dashboard", DASHBOARD),
    ] {
        let named = names_in(text);
        assert!(named.len() > 10, "{file}");
        let unknown: Vec<_> = named.difference(&exposed).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn alerts_and_dashboard_name_label_values_that_exist() {
    let now = Instant::now();
    let text = rendered(&metrics(now), now);
    for queries in [ALERTS, ALERT_TESTS, DASHBOARD] {
        let plain = queries.replace("\\\"", "\"");
        for label in [
            "result", "reason", "effect", "kind", "phase", "code", "verb", "cause",
        ] {
            for operator in ["=", "!=", "=~", "!~"] {
                check_label_values(&plain, &format!("{label}{operator}\""), label, &text);
            }
        }
    }
}

fn check_label_values(queries: &str, start: &str, label: &str, exposition: &str) {
    for rest in queries.split(start).skip(1) {
        let values = rest.split('"').next().unwrap();
        for value in values.split('|') {
            let pair = format!("{label}=\"{value}\"");
            assert!(exposition.contains(&pair), "{pair}");
        }
    }
}

#[test]
fn the_dashboard_is_json_and_every_alert_is_tested() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    assert_eq!(dashboard["title"], "Countersign");
    let alerts: Vec<&str> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        assert!(ALERT_TESTS.contains(alert), "{alert}");
    }
}

#[test]
fn counts_by_handles_made_once() {
    let now = Instant::now();
    let metrics = metrics(now);
    let cluster = metrics.for_cluster("prod");
    cluster.answered(VerbClass::Write, CodeClass::of(201));
    cluster.upstream_ended(UpstreamResult::ConnectFailed);
    cluster.upstream_connected();
    metrics
        .for_no_cluster()
        .answered(VerbClass::Other, CodeClass::of(400));
    metrics.decided(Reason::DeniedByRule);
    metrics.took(Phase::Judge, Duration::from_micros(20));
    metrics.authentication_failed(AuthenticationFailure::TokenExpired);
    metrics.connection_rejected(ConnectionRejection::Limit);
    metrics.reloaded(Reload::Rejected);
    cluster.masked(3, 500);
    metrics.unmaskable(Unmaskable::WatchEvent);
    let text = rendered(&metrics, now);
    for (series, expected) in [
        (
            "countersign_requests_total{cluster=\"prod\",code=\"2xx\",verb=\"write\"}",
            1.0,
        ),
        (
            "countersign_requests_total{cluster=\"prod\",code=\"4xx\",verb=\"write\"}",
            0.0,
        ),
        (
            "countersign_requests_total{cluster=\"\",code=\"4xx\",verb=\"other\"}",
            1.0,
        ),
        (
            "countersign_upstream_requests_total{cluster=\"prod\",result=\"connect-failed\"}",
            1.0,
        ),
        (
            "countersign_decisions_total{effect=\"deny\",reason=\"denied-by-rule\"}",
            1.0,
        ),
        (
            "countersign_phase_seconds_bucket{phase=\"judge\",le=\"0.00003\"}",
            1.0,
        ),
        (
            "countersign_phase_seconds_bucket{phase=\"judge\",le=\"0.00001\"}",
            0.0,
        ),
        (
            "countersign_authentication_failures_total{reason=\"token-expired\"}",
            1.0,
        ),
        (
            "countersign_connections_rejected_total{reason=\"limit\"}",
            1.0,
        ),
        (
            "countersign_upstream_connections_total{cluster=\"prod\"}",
            1.0,
        ),
        ("countersign_bundle_reloads_total{result=\"rejected\"}", 1.0),
        ("countersign_masked_values_total{cluster=\"prod\"}", 3.0),
        ("countersign_masked_bytes_total{cluster=\"prod\"}", 500.0),
        (
            "countersign_unmaskable_answers_total{cause=\"watch-event\"}",
            1.0,
        ),
        ("countersign_ready", 1.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    }
}

#[test]
fn live_things_are_counted_until_they_are_dropped() {
    let now = Instant::now();
    let metrics = metrics(now);
    let live = [
        metrics.connection(),
        metrics.exchange(),
        metrics.watch(),
        metrics.session(SessionKind::Exec),
    ];
    let series = [
        "countersign_connections",
        "countersign_exchanges",
        "countersign_watches",
        "countersign_sessions{kind=\"exec\"}",
    ];
    let text = rendered(&metrics, now);
    assert!(
        series
            .iter()
            .all(|series| value(&text, series) == Some(1.0)),
        "{text}"
    );
    drop(live);
    let text = rendered(&metrics, now);
    assert!(
        series
            .iter()
            .all(|series| value(&text, series) == Some(0.0)),
        "{text}"
    );
}

#[test]
fn ages_grow_until_there_is_something_younger() {
    let start = Instant::now();
    let later = |seconds| start + Duration::from_secs(seconds);
    let metrics = Arc::new(Metrics::new(start).unwrap());
    let bundle = "countersign_bundle_age_seconds";
    let keys = "countersign_jwks_age_seconds{issuer=\"ci\"}";
    let text = rendered(&metrics, later(5));
    assert_eq!(
        (value(&text, bundle), value(&text, keys)),
        (Some(5.0), None)
    );
    assert!(!text.contains("countersign_bundle_active_info"));

    let issuer = metrics.for_issuer("ci", later(10));
    issuer.failed();
    metrics.published("one", later(20));
    let text = rendered(&metrics, later(30));
    assert_eq!(
        (value(&text, bundle), value(&text, keys)),
        (Some(10.0), Some(20.0))
    );

    issuer.fetched(later(40));
    metrics.published("two", later(41));
    // A second handle is no fetch.
    drop(metrics.for_issuer("ci", later(45)));
    let text = rendered(&metrics, later(50));
    assert_eq!(
        (value(&text, bundle), value(&text, keys)),
        (Some(9.0), Some(10.0))
    );
    assert_eq!(text.matches("countersign_bundle_active_info{").count(), 1);
    assert_eq!(
        value(&text, "countersign_bundle_active_info{digest=\"two\"}"),
        Some(1.0)
    );
    let fetches = "countersign_jwks_fetches_total{issuer=\"ci\",result=\"fetched\"}";
    assert_eq!(value(&text, fetches), Some(1.0));
}

#[test]
fn forgets_issuers_the_bundle_dropped() {
    let now = Instant::now();
    let metrics = metrics(now);
    let dropped = metrics.for_issuer("old", now);
    assert!(rendered(&metrics, now).contains("countersign_jwks_age_seconds{issuer=\"old\"}"));
    metrics.keep_issuers(&["ci"]);
    // A fetch that was under way does not bring it back.
    dropped.fetched(now);
    let text = rendered(&metrics, now);
    assert!(!text.contains("issuer=\"old\""));
    assert!(text.contains("countersign_jwks_age_seconds{issuer=\"ci\"}"));
}
