//! Accept headers: what the API server would pick, and what the gateway sends instead.

use http::HeaderValue;

use crate::target::RequestTarget;

/// BOUND: kubectl sends four clauses. Above twelve, Go's sort is no longer stable and the order
/// of equal clauses is lost; more are cut off.
const CLAUSE_COUNT_MAX: usize = 12;

/// Parameters that change what a JSON answer holds (K-2.2); others are dropped.
const KEPT_PARAMETERS: [&str; 4] = ["as", "g", "v", "pretty"];

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// One clause of an Accept line, as `goautoneg` reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptClause {
    /// `application`.
    pub kind: String,
    /// `json`.
    pub subkind: String,
    /// `q`, 1 if absent.
    pub quality: f64,
    /// The other parameters, the last of a repeated key.
    pub parameters: Vec<(String, String)>,
}

/// Which Accept goes upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AcceptPlan {
    /// The client's first line as it is.
    Forward,
    /// JSON only, so that the answer can be read (K-2.13).
    RewriteToJson,
    /// JSON and no Table, whose cells may show what cannot be told apart (K-4.9).
    RewriteToObjects,
}

/// Whether the rewrite may touch a request: never discovery, OpenAPI and other non-resource paths,
/// and never what a workload answers (K-2.15).
#[must_use]
pub fn may_rewrite_accept(target: &RequestTarget) -> bool {
    target.info().is_resource() && !target.is_connect()
}

/// The one Accept line to forward: the first is all the API server reads (K-2.2).
#[must_use]
pub fn forward_accept<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
) -> Option<HeaderValue> {
    values.into_iter().next().cloned()
}

/// The rewrite of K-2.13: the client's JSON clauses in the order in which the API server would try
/// them, with their transforms; wildcards become JSON; all else goes.
#[must_use]
pub fn rewrite_accept<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> HeaderValue {
    rewrite(values, |_clause| true)
}

/// The same without Tables: kubectl then prints names and ages from the objects themselves.
#[must_use]
pub fn rewrite_accept_to_objects<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
) -> HeaderValue {
    let is_table = |(key, value): &(String, String)| key == "as" && value == "Table";
    rewrite(values, |clause| !clause.parameters.iter().any(is_table))
}

fn rewrite<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    is_wanted: impl Fn(&AcceptClause) -> bool,
) -> HeaderValue {
    let Some(line) = values
        .into_iter()
        .next()
        .and_then(|value| value.to_str().ok())
    else {
        return JSON;
    };
    let mut clauses = parse_accept(line);
    clauses.retain(is_wanted);
    let kept: Vec<String> = clauses
        .iter()
        .filter(|clause| means_json(clause))
        .map(print)
        .collect();
    let text = if kept.is_empty() {
        clauses
            .iter()
            .find(|clause| has_transform(clause))
            .map_or_else(String::new, print)
    } else {
        kept.join(",")
    };
    if text.is_empty() {
        JSON
    } else {
        HeaderValue::try_from(text).unwrap_or(JSON)
    }
}

/// Reads an Accept line as the API server does: by quality, then specificity, then order.
#[must_use]
pub fn parse_accept(line: &str) -> Vec<AcceptClause> {
    let mut clauses: Vec<AcceptClause> = line
        .split(',')
        .filter_map(parse_clause)
        .take(CLAUSE_COUNT_MAX)
        .collect();
    clauses.sort_by(|a, b| {
        b.quality
            .total_cmp(&a.quality)
            .then(wildcards(a).cmp(&wildcards(b)))
    });
    clauses
}

fn parse_clause(text: &str) -> Option<AcceptClause> {
    let (range, parameters) = text.trim_matches(' ').split_once(';').unwrap_or((text, ""));
    let (kind, subkind) = match range.split_once('/') {
        Some((kind, subkind)) if !subkind.is_empty() => (kind.trim_matches(' '), subkind),
        Some((kind, _)) if kind.trim_matches(' ') == "*" => ("*", "*"),
        None if range.trim_matches(' ') == "*" => ("*", "*"),
        Some(_) | None => return None,
    };
    if subkind.contains('/') {
        return None;
    }
    let mut clause = AcceptClause {
        kind: kind.to_owned(),
        subkind: subkind.trim_matches(' ').to_owned(),
        quality: 1.0,
        parameters: Vec::new(),
    };
    for parameter in parameters.split(';') {
        let Some((key, value)) = parameter.split_once('=') else {
            continue;
        };
        if value.is_empty() || value.contains('=') {
            continue;
        }
        let key = key.trim_matches(' ');
        if key == "q" {
            // Go yields 0 for what is no number.
            clause.quality = value
                .parse()
                .ok()
                .filter(|q: &f64| q.is_finite())
                .unwrap_or(0.0);
        } else {
            clause.parameters.retain(|(known, _)| known != key);
            clause
                .parameters
                .push((key.to_owned(), value.trim_matches(' ').to_owned()));
        }
    }
    Some(clause)
}

fn wildcards(clause: &AcceptClause) -> u8 {
    u8::from(clause.kind == "*") + u8::from(clause.subkind == "*")
}

fn means_json(clause: &AcceptClause) -> bool {
    matches!(
        (clause.kind.as_str(), clause.subkind.as_str()),
        ("application", "json" | "*") | ("*", "*")
    )
}

fn has_transform(clause: &AcceptClause) -> bool {
    clause.parameters.iter().any(|(key, _)| key == "as")
}

fn print(clause: &AcceptClause) -> String {
    let mut text = String::from("application/json");
    for (key, value) in &clause.parameters {
        let is_word = !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if KEPT_PARAMETERS.contains(&key.as_str()) && is_word {
            text.push_str(&format!(";{key}={value}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: &str) {
        let values: Vec<HeaderValue> = lines
            .iter()
            .map(|line| HeaderValue::from_str(line).unwrap())
            .collect();
        assert_eq!(
            rewrite_accept(&values).to_str().unwrap(),
            expected,
            "{lines:?}"
        );
    }

    #[test]
    fn rewrites_accept_to_json_with_the_same_transforms() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        check(&[], "application/json");
        check(&[""], "application/json");
        check(&["*/*"], "application/json");
        check(&["*"], "application/json");
        check(&["application/*"], "application/json");
        check(&["text/html"], "application/json");
        check(&["application/yaml"], "application/json");
        check(
            &["application/vnd.kubernetes.protobuf,application/json"],
            "application/json",
        );
        check(
            &[&format!("{table},application/json")],
            &format!("{table},application/json"),
        );
        check(
            &["application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"],
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        );
        check(
            &[
                "application/json;q=0.1;pretty=1, application/json;as=Table;q=0.9;v=v1;g=meta.k8s.io",
            ],
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;pretty=1",
        );
        check(
            &["*/*, application/json;as=Table;g=meta.k8s.io;v=v1"],
            &format!(
                "{},application/json",
                "application/json;as=Table;g=meta.k8s.io;v=v1"
            ),
        );
    }

    #[test]
    fn tables_can_be_left_out() {
        let kubectl = HeaderValue::from_static(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
        );
        assert_eq!(rewrite_accept_to_objects([&kubectl]), "application/json");
        let alone = HeaderValue::from_static("application/json;as=Table;v=v1;g=meta.k8s.io");
        assert_eq!(rewrite_accept_to_objects([&alone]), "application/json");
    }

    #[test]
    fn reads_only_the_first_accept_line() {
        check(
            &["application/json", "application/vnd.kubernetes.protobuf"],
            "application/json",
        );
        check(
            &[
                "application/cbor",
                "application/json;as=Table;v=v1;g=meta.k8s.io",
            ],
            "application/json",
        );
        let lines = [
            HeaderValue::from_static("application/json"),
            HeaderValue::from_static("application/yaml"),
        ];
        assert_eq!(
            forward_accept(&lines),
            Some(HeaderValue::from_static("application/json"))
        );
    }

    #[test]
    fn drops_parameters_that_could_hide_another_clause() {
        check(
            &["application/json;as=\"Table, application/yaml\""],
            "application/json",
        );
        check(
            &["application/json;as=Table=x;stream=watch;profile=nopeer"],
            "application/json",
        );
        check(
            &["application/json;as=Table;as=None"],
            "application/json;as=None",
        );
        check(&["application/JSON"], "application/json");
    }
}
