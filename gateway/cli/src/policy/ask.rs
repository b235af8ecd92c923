//! `countersign policy explain` and `countersign policy can-i`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use gateway_kubeapi::Attributes;
use gateway_policy::PolicySet;
use gateway_policy::cases::attributes_of;
use gateway_policy::explain::{Cell, cells, who_can};
use gateway_policy::masks::{MaskKeys, MaskSet};
use gateway_policy::model::{Bundle, Subject, TestRequest};
use gateway_policy::wording;
use jiff::Timestamp;

use super::{bundle, request};
use crate::exit::{self, Usage};

/// Where and when a question is asked.
#[derive(Debug, Args)]
struct Place {
    /// The cluster; may be left out if the bundle names only one.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The instant of the request; now, if left out.
    #[arg(long, value_name = "INSTANT")]
    at: Option<Timestamp>,
}

/// A question about one request.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The directory of the bundle.
    #[arg(value_name = "BUNDLE", default_value = ".")]
    bundle: PathBuf,
    /// Who asks: a `subject` of the bundle's tests.
    #[arg(long = "as", value_name = "SUBJECT")]
    subject: String,
    #[command(flatten)]
    place: Place,
    /// The request, as one would type it for kubectl: `get pods -n shop`, `exec web-1 -n shop`,
    /// or as HTTP: `GET /api/v1/namespaces/shop/pods`.
    #[arg(last = true, required = true, value_name = "REQUEST")]
    request: Vec<String>,
}

/// A question about a right.
#[derive(Debug, Args)]
pub(crate) struct CanIArguments {
    /// The directory of the bundle.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Who asks: a `subject` of the bundle's tests.
    #[arg(long = "as", value_name = "SUBJECT", required_unless_present = "who")]
    subject: Option<String>,
    /// Print every rule that speaks about the subject, instead of asking for one right.
    #[arg(long, conflicts_with_all = ["who", "right"])]
    list: bool,
    /// Print which subjects of the bundle's tests have the right.
    #[arg(long, conflicts_with = "subject")]
    who: bool,
    #[command(flatten)]
    place: Place,
    /// A namespace.
    #[arg(short, long, value_name = "NAME", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Every namespace.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// The right: `VERB RESOURCE [NAME]`, as in `get secrets`.
    #[arg(value_name = "RIGHT", required_unless_present = "list")]
    right: Vec<String>,
}

/// A bundle made ready for one cluster and instant.
struct Asked {
    bundle: Bundle,
    set: PolicySet,
    at: Timestamp,
}

impl Asked {
    /// `None` if the bundle has faults; they are printed.
    fn open(path: &Path, place: &Place) -> Result<Option<Self>> {
        let Some(bundle) = bundle::decoded(path)? else {
            return Ok(None);
        };
        let cluster = cluster_of(&bundle, place.cluster.as_deref())?;
        // The gateway's keys are not here, and no value is masked.
        let keys = MaskKeys::offline(&bundle);
        let set = PolicySet::compile_with(&bundle, cluster, &keys).context(Usage)?;
        Ok(Some(Self {
            set,
            at: place.at.unwrap_or_else(Timestamp::now),
            bundle,
        }))
    }

    fn subject(&self, name: &str) -> Result<&Subject> {
        let subjects = &self.bundle.tests.subjects;
        let subject = subjects.get(name).with_context(|| {
            let known: Vec<&str> = subjects.keys().map(String::as_str).collect();
            format!(
                "the bundle's tests have no subject `{name}`; they have {}",
                known.join(" ")
            )
        });
        subject.context(Usage)
    }
}

fn cluster_of<'a>(bundle: &'a Bundle, asked: Option<&'a str>) -> Result<&'a str> {
    match (asked, bundle.clusters.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [only]) => Ok(&only.name),
        (None, several) => {
            let names: Vec<&str> = several
                .iter()
                .map(|cluster| cluster.name.as_str())
                .collect();
            let text = format!("say which cluster with `--cluster`: {}", names.join(" "));
            Err(anyhow::anyhow!(text).context(Usage))
        }
    }
}

/// What is judged; a request may need several decisions, and then all must allow.
fn attributes(request: &TestRequest) -> Result<Vec<Attributes>> {
    attributes_of(request).map_err(|fault| {
        // The fault speaks of a test's `ns=`; here it is an option.
        let text = fault.to_string();
        let text = text
            .replace("`ns=`", "`-n NAME`")
            .replace("`all-namespaces=#true`", "`-A`");
        anyhow::anyhow!(text.replace("`all-namespaces=`", "`-A`")).context(Usage)
    })
}

/// Prints every rule that speaks about a request, and what came of it.
///
/// # Errors
/// If the bundle cannot be read, or the question is none.
pub(super) fn explain(arguments: &ExplainArguments) -> Result<ExitCode> {
    let Some(asked) = Asked::open(&arguments.bundle, &arguments.place)? else {
        return Ok(exit::clean_if(false));
    };
    let caller = &asked.subject(&arguments.subject)?.caller;
    let mut out = std::io::stdout().lock();
    for attributes in attributes(&request::parse_command(&arguments.request).context(Usage)?)? {
        write!(out, "{}", asked.set.explain(caller, &attributes, asked.at))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints `yes`, or `no` and why; or the rules of a subject; or the subjects of a right.
///
/// # Errors
/// If the bundle cannot be read, or the question is none.
pub(super) fn can_i(arguments: &CanIArguments) -> Result<ExitCode> {
    let Some(asked) = Asked::open(&arguments.bundle, &arguments.place)? else {
        return Ok(exit::clean_if(false));
    };
    let mut out = std::io::stdout().lock();
    if let (Some(subject), true) = (&arguments.subject, arguments.list) {
        let rules = cells(&asked.set, &asked.subject(subject)?.caller, asked.at);
        print_cells(&mut out, &rules)?;
        return Ok(exit::clean_if(!rules.is_empty()));
    }
    let requests = attributes(&request::parse_right(&right(arguments)).context(Usage)?)?;
    let good = match &arguments.subject {
        Some(subject) => print_answer(&mut out, &asked, subject, &requests)?,
        None => print_who(&mut out, &asked, &requests)?,
    };
    Ok(exit::clean_if(good))
}

/// The right with its options back in place, for one parser of both commands.
fn right(arguments: &CanIArguments) -> Vec<String> {
    let namespace = arguments
        .namespace
        .iter()
        .map(|name| format!("--namespace={name}"));
    let every = arguments.all_namespaces.then(|| "-A".to_owned());
    arguments
        .right
        .iter()
        .cloned()
        .chain(namespace)
        .chain(every)
        .collect()
}

fn print_answer(
    out: &mut impl Write,
    asked: &Asked,
    subject: &str,
    requests: &[Attributes],
) -> Result<bool> {
    let caller = &asked.subject(subject)?.caller;
    let identity = asked.set.identify(caller);
    let mut masks = MaskSet::NONE;
    for attributes in requests {
        let verdict = asked.set.decide(&identity, attributes, asked.at);
        if !verdict.is_allowed() {
            let decision = asked.set.describe(&verdict, caller, attributes, asked.at);
            writeln!(out, "no - {}", decision.told(attributes))?;
            return Ok(false);
        }
        masks = masks.union(verdict.obligations.masks);
    }
    let names: Vec<&str> = asked.set.mask_names(masks).collect();
    match names.as_slice() {
        [] => writeln!(out, "yes")?,
        names => writeln!(out, "yes - masked by {}", names.join(" "))?,
    }
    Ok(true)
}

fn print_who(out: &mut impl Write, asked: &Asked, requests: &[Attributes]) -> Result<bool> {
    let subjects = &asked.bundle.tests.subjects;
    let mut may: Vec<&String> = subjects.keys().collect();
    for attributes in requests {
        let verdicts = who_can(&asked.set, subjects, attributes, asked.at);
        may.retain(|name| {
            verdicts
                .iter()
                .any(|(own, verdict)| own == *name && verdict.is_allowed())
        });
    }
    for name in &may {
        writeln!(out, "{name}")?;
    }
    Ok(!may.is_empty())
}

fn print_cells(out: &mut impl Write, rules: &[Cell]) -> Result<()> {
    let width = rules
        .iter()
        .map(|cell| cell.rule.len())
        .max()
        .unwrap_or_default();
    for cell in rules {
        let mut line = format!("{:<7} {:width$}", wording::effect(cell.effect), cell.rule);
        line += &format!("  can {}  on {}", cell.verbs, cell.on);
        if !cell.places.is_empty() {
            line += &format!("  in {}", cell.places);
        }
        for part in &cell.limits {
            line += &format!("  {part}");
        }
        if !cell.obligations.is_empty() {
            line += &format!("  → {}", cell.obligations.join(", "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
