//! Issuers that could be mistaken for one another (GP311).

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Finding, Report};
use crate::model::{Bundle, ClaimText, Issuer};

/// Users and groups that the API server itself gives; no issuer maps them.
const SYSTEM: &str = "system:";

pub(super) fn check(bundle: &Bundle, report: &mut Report) {
    for (at, one) in bundle.issuers.iter().enumerate() {
        for other in bundle.issuers.iter().skip(at + 1) {
            compare(one, other, report);
        }
    }
}

fn compare(one: &Issuer, other: &Issuer, report: &mut Report) {
    if one.url == other.url {
        if !are_disjoint(one, other) {
            let message = format!(
                "one token could match the issuers `{}` and `{}`",
                one.name, other.name
            );
            let help = "give them different audiences, or `expect` different values of one claim";
            report.add(found(message, one, other).help(help));
        }
        // One URL is one authority: it names each subject once, whichever block reads the token.
        return;
    }
    if overlap(&user_prefix(one), &user_prefix(other)) {
        let message = format!(
            "issuers `{}` and `{}` can produce the same user",
            one.name, other.name
        );
        let help = "give each a `prefix=` of its own on `username`, none the beginning of another";
        report.add(found(message, one, other).help(help));
    }
    if let (Some((_, first)), Some((_, second))) = (&one.groups, &other.groups)
        && overlap(first, second)
    {
        let message = format!(
            "issuers `{}` and `{}` can produce the same group",
            one.name, other.name
        );
        let help = "give each a `prefix=` of its own on `groups`, none the beginning of another";
        report.add(found(message, one, other).help(help));
    }
}

fn found(message: String, one: &Issuer, other: &Issuer) -> Finding {
    Finding::new(Code::GP311, message, other.location.clone())
        .also(one.location.clone(), "the other issuer")
}

/// No token can pass both: no audience in common, or a claim that must have two values.
fn are_disjoint(one: &Issuer, other: &Issuer) -> bool {
    let audiences: BTreeSet<&String> = one.audiences.iter().collect();
    let apart = !other
        .audiences
        .iter()
        .any(|audience| audiences.contains(audience));
    let expected = one.expect.iter().any(|(claim, value)| {
        other
            .expect
            .iter()
            .any(|(same, another)| same == claim && another != value)
    });
    apart || expected
}

/// What every user name of an issuer begins with.
pub(super) fn user_prefix(issuer: &Issuer) -> String {
    if issuer.service_accounts && issuer.username_prefix.is_empty() {
        return "system:serviceaccount:".to_owned();
    }
    let literal = match &issuer.username {
        ClaimText::Claim(_) => "",
        ClaimText::Template(text) => text.split('{').next().unwrap_or(""),
    };
    format!("{}{literal}", issuer.username_prefix)
}

fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// True if an issuer of the bundle can give such a user.
pub(super) fn can_give_user(bundle: &Bundle, literal_start: &str, whole: bool) -> bool {
    let fits = |prefix: &str| begins_alike(prefix, literal_start, whole);
    bundle
        .issuers
        .iter()
        .any(|issuer| fits(&user_prefix(issuer)))
        || literal_start.starts_with(SYSTEM)
}

/// True if an issuer of the bundle can give such a group.
pub(super) fn can_give_group(bundle: &Bundle, literal_start: &str, whole: bool) -> bool {
    let groups = bundle
        .issuers
        .iter()
        .filter_map(|issuer| issuer.groups.as_ref());
    groups
        .into_iter()
        .any(|(_, prefix)| begins_alike(prefix, literal_start, whole))
        || literal_start.starts_with(SYSTEM)
}

/// A text that begins with `start` (or is it, if `whole`) can begin with `prefix`.
fn begins_alike(prefix: &str, start: &str, whole: bool) -> bool {
    start.starts_with(prefix) || (!whole && prefix.starts_with(start))
}
