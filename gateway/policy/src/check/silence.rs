//! `// countersign: allow GP504 until=2027-01-01 reason`: silences one warning in the block below,
//! until a day. A silencer that has passed or silences nothing is itself found.

use jiff::Timestamp;

use crate::decode::{Place, place};
use crate::diagnostic::{CATALOGUE, Code, Finding, Level, Report};
use crate::model::Location;
use crate::shape::parse_date_end;
use crate::source::{self, Files, Node, Silencer, SourceFile};

/// A silencer that was understood.
struct Silence {
    code: Code,
    until: Timestamp,
    /// The block it stands above.
    scope: Location,
    location: Location,
}

pub(super) fn apply(files: &Files, now: Timestamp, report: &mut Report) {
    let mut silences = Vec::new();
    let mut ignored = Report::new();
    for (path, bytes) in files {
        let Place::Blocks(_) = place(path) else {
            continue;
        };
        let Some(file) = SourceFile::new(path, bytes, &mut ignored) else {
            continue;
        };
        let parsed = source::parse(&file, &mut ignored);
        for silencer in parsed.silencers {
            match understand(&silencer, &parsed.nodes) {
                Ok(silence) => silences.push(silence),
                Err(message) => {
                    let help = "write `// countersign: allow GP504 until=2027-01-31 reason`, \
                                right above a block or line";
                    let place = silencer.location;
                    report.add(Finding::new(Code::GP508, message, place).help(help));
                }
            }
        }
    }
    for silence in silences {
        settle(&silence, now, report);
    }
}

fn settle(silence: &Silence, now: Timestamp, report: &mut Report) {
    let meant = |finding: &Finding| {
        finding.code == silence.code
            && finding.location.file == silence.scope.file
            && finding.location.offset >= silence.scope.offset
            && finding.location.offset < silence.scope.offset + silence.scope.length
    };
    if silence.until <= now {
        let message = format!("silencer of {} has expired", silence.code);
        let finding = Finding::new(Code::GP504, message, silence.location.clone());
        report.add(finding.help("remove it, or renew its date"));
        return;
    }
    if !report.findings().into_iter().any(meant) {
        let message = format!("silencer of {} silences nothing", silence.code);
        let finding = Finding::new(Code::GP508, message, silence.location.clone());
        report.add(finding.help("remove it"));
        return;
    }
    report.retain(|finding| !meant(finding));
}

fn understand(silencer: &Silencer, nodes: &[Node]) -> Result<Silence, String> {
    let mut words = silencer.text.split_whitespace();
    if words.next() != Some("allow") {
        return Err("comment begins with `countersign:` and is no silencer".to_owned());
    }
    let written = words.next().unwrap_or_default();
    let entry = CATALOGUE
        .iter()
        .find(|entry| entry.code.as_str() == written);
    let code = match entry {
        None => return Err(format!("silencer of `{written}`, which is no code")),
        Some(entry) if entry.level == Level::Error => {
            return Err(format!("silencer of {written}, which is an error"));
        }
        Some(entry) => entry.code,
    };
    let until = words
        .next()
        .and_then(|word| word.strip_prefix("until="))
        .and_then(parse_date_end);
    let Some(until) = until else {
        return Err(format!("silencer of {code} without `until=` and a date"));
    };
    if words.next().is_none() {
        return Err(format!("silencer of {code} without a reason"));
    }
    let Some(scope) = below(nodes, silencer.location.offset) else {
        return Err(format!("silencer of {code} stands above nothing"));
    };
    Ok(Silence {
        code,
        until,
        scope,
        location: silencer.location.clone(),
    })
}

/// The first node that begins behind an offset.
fn below(nodes: &[Node], offset: usize) -> Option<Location> {
    for node in nodes {
        if node.location.offset > offset {
            return Some(node.location.clone());
        }
        if node.location.offset + node.location.length > offset {
            return below(node.below(), offset);
        }
    }
    None
}
