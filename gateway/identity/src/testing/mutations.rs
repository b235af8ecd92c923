//! What can be special about a token, one row each.

mod claims;
mod literals;
mod signing;
mod written;

use serde_json::Value;

use super::draft::{Draft, Verdict, Which};

/// What a mutation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    Key,
    Header,
    Issuer,
    Audience,
    Time,
    User,
    Groups,
    Misc,
    /// The written JSON.
    Text,
    /// The signed token.
    Whole,
}

pub(super) struct Mutation {
    pub(super) area: Area,
    pub(super) issuer: Which,
    pub(super) name: String,
    change: Change,
}

enum Change {
    Header(&'static str, &'static str, Verdict),
    Claim(&'static str, &'static str, Verdict),
    Free(fn(&mut Draft)),
}

/// Area, name of a header or claim, its value as JSON, and what comes of it.
type Literal = (Area, &'static str, &'static str, Verdict);

/// Area, issuer, name, and the change.
type Free = (Area, Which, &'static str, fn(&mut Draft));

impl Mutation {
    pub(super) fn apply(&self, draft: &mut Draft) {
        let value = |written: &str| serde_json::from_str::<Value>(written).unwrap_or_default();
        match self.change {
            Change::Header(name, written, verdict) => {
                draft.header(name, value(written));
                draft.becomes(verdict);
            }
            Change::Claim(name, written, verdict) => {
                draft.claim(name, value(written));
                draft.becomes(verdict);
            }
            Change::Free(apply) => apply(draft),
        }
    }
}

impl Area {
    // Two changes of one area would undo each other, and changes of the written text reach into
    // every claim.
    pub(super) fn goes_with(self, other: Self) -> bool {
        let written = [Self::Text, Self::Whole];
        self != other && !written.contains(&self) && !written.contains(&other)
    }
}

/// Every mutation.
pub(super) fn all() -> Vec<Mutation> {
    let header = |(area, name, written, verdict): &Literal| Mutation {
        area: *area,
        issuer: Which::Plain,
        name: format!("header {name} {written}"),
        change: Change::Header(name, written, *verdict),
    };
    let claim = |issuer| {
        move |(area, name, written, verdict): &Literal| Mutation {
            area: *area,
            issuer,
            name: format!("claim {name} {written}"),
            change: Change::Claim(name, written, *verdict),
        }
    };
    let free = |(area, issuer, name, apply): &Free| Mutation {
        area: *area,
        issuer: *issuer,
        name: (*name).to_owned(),
        change: Change::Free(*apply),
    };
    let literals = literals::HEADERS.iter().map(header);
    let literals = literals.chain(literals::CLAIMS.iter().map(claim(Which::Plain)));
    let literals = literals.chain(literals::MAIL_CLAIMS.iter().map(claim(Which::Mail)));
    let rows = signing::ROWS
        .iter()
        .chain(claims::ROWS)
        .chain(written::ROWS);
    literals.chain(rows.map(free)).collect()
}
