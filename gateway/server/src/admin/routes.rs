//! What each path answers.

use std::time::Instant;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::AdminState;
use crate::telemetry::{BundleStatus, Metrics, Rejection, field};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn router(state: AdminState) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/policy/status", get(policy_status))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

/// The process lives and its runtime turns; nothing else is asked, so that a broken dependency does
/// not get the process killed.
async fn healthz() -> Response {
    answer(StatusCode::OK, TEXT, "ok\n")
}

async fn readyz(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let failures = state.readiness.failures();
    let status = if failures.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let lines = if is_verbose(query.as_deref()) {
        state.readiness.report()
    } else if failures.is_empty() {
        vec!["ok".to_owned()]
    } else {
        failures
    };
    answer(status, TEXT, lines.join("\n") + "\n")
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair == "verbose" || pair.starts_with("verbose="))
    })
}

async fn metrics(State(state): State<AdminState>) -> Response {
    match state
        .metrics
        .render(state.readiness.is_ready(), Instant::now())
    {
        Ok(text) => answer(StatusCode::OK, Metrics::CONTENT_TYPE, text),
        Err(fault) => {
            tracing::error!({ field::FAULT } = %fault, "metrics cannot be written");
            answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                format!("{fault}\n"),
            )
        }
    }
}

async fn policy_status(State(state): State<AdminState>) -> Response {
    let active = state.policy.active();
    let rejected = state.policy.rejected();
    let status = StatusBody {
        active: Option::as_ref(&active).map(BundleBody::of),
        last_rejection: Option::as_ref(&rejected).map(RejectionBody::of),
    };
    match serde_json::to_vec_pretty(&status) {
        Ok(body) => answer(StatusCode::OK, JSON, body),
        Err(fault) => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            TEXT,
            format!("{fault}\n"),
        ),
    }
}

async fn not_found() -> Response {
    let paths = "not found; paths are /healthz, /readyz, /metrics and /policy/status\n";
    answer(StatusCode::NOT_FOUND, TEXT, paths)
}

async fn method_not_allowed() -> Response {
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET or HEAD\n");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<axum::body::Body>,
) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body.into()).into_response()
}

#[derive(Serialize)]
struct StatusBody<'a> {
    active: Option<BundleBody<'a>>,
    #[serde(rename = "lastRejection")]
    last_rejection: Option<RejectionBody<'a>>,
}

#[derive(Serialize)]
struct BundleBody<'a> {
    bundle: &'a str,
    digest: &'a str,
    source: &'a str,
    #[serde(rename = "publishedAt")]
    published_at: String,
    rules: RulesBody,
}

#[derive(Serialize)]
struct RulesBody {
    allow: usize,
    deny: usize,
    require: usize,
    shadow: usize,
}

#[derive(Serialize)]
struct RejectionBody<'a> {
    at: String,
    report: &'a str,
}

impl<'a> BundleBody<'a> {
    fn of(bundle: &'a BundleStatus) -> Self {
        Self {
            bundle: &bundle.name,
            digest: &bundle.digest,
            source: &bundle.source,
            published_at: instant(bundle.published_at_micros),
            rules: RulesBody {
                allow: bundle.rules.allow,
                deny: bundle.rules.deny,
                require: bundle.rules.require,
                shadow: bundle.rules.shadow,
            },
        }
    }
}

impl<'a> RejectionBody<'a> {
    fn of(rejection: &'a Rejection) -> Self {
        Self {
            at: instant(rejection.at_micros),
            report: &rejection.report,
        }
    }
}

fn instant(micros: i64) -> String {
    gateway_audit::MicroTime::from_micros(micros).to_string()
}
