//! The jq language: jaq as a library, jq and gojq as programs.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, ensure};
use gateway_masking::Step;
use jaq_core::load::{Arena, File as Source, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read, write};
use tempfile::TempDir;

use super::{Job, MARKER, Peer};

/// jaq in this process.
pub struct Jaq(jaq_core::Filter<data::JustLut<Val>>);

/// A program that is started for each document.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    filter: String,
    directory: TempDir,
}

fn filter(job: &Job) -> Result<String> {
    let filters: Result<Vec<String>> = job.paths.iter().map(|path| change(path)).collect();
    Ok(filters?.join(" | "))
}

/// Members that are not there must not be made.
fn change(steps: &[Step]) -> Result<String> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(format!("\"{MARKER}\""));
    };
    let rest = change(rest)?;
    Ok(match step {
        Step::Key(name) => {
            let name = serde_json::to_string(&**name)?;
            format!("if has({name}) then .[{name}] |= ({rest}) else . end")
        }
        Step::AnyKey => format!("map_values({rest})"),
        Step::AnyElement => format!("map({rest})"),
        Step::Element { .. } | Step::AnyDepth => anyhow::bail!("no bench asks for this step"),
    })
}

impl Jaq {
    /// For this job.
    ///
    /// # Errors
    /// It does not take the filter.
    pub fn new(job: &Job) -> Result<Self> {
        let filter = filter(job)?;
        let definitions = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs());
        let functions = jaq_core::funs()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs());
        let arena = Arena::default();
        let source = Source {
            code: filter.as_str(),
            path: (),
        };
        let modules = Loader::new(definitions)
            .load(&arena, source)
            .map_err(|errors| anyhow!("{} faults in the filter", errors.len()))?;
        let filter = Compiler::default()
            .with_funs(functions)
            .compile(modules)
            .map_err(|errors| anyhow!("{} faults in the filter", errors.len()))?;
        Ok(Self(filter))
    }
}

impl std::fmt::Debug for Jaq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jaq")
    }
}

impl Peer for Jaq {
    fn name(&self) -> &'static str {
        "jaq"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let value = read::parse_single(document).map_err(|error| anyhow!("{error}"))?;
        let context = Ctx::<data::JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        for value in self.0.id.run((context, value)).map(unwrap_valr) {
            let value = value.map_err(|error| anyhow!("{error}"))?;
            write::write(out, &write::Pp::default(), 0, &value)?;
        }
        Ok(())
    }
}

impl Program {
    /// If it is installed.
    #[must_use]
    pub fn find(name: &'static str, job: &Job) -> Option<Self> {
        let mut command = Command::new(name);
        command.arg("--version").stdout(Stdio::null());
        command
            .status()
            .ok()
            .filter(std::process::ExitStatus::success)?;
        Some(Self {
            name,
            filter: filter(job).ok()?,
            directory: tempfile::tempdir().ok()?,
        })
    }
}

impl Peer for Program {
    fn name(&self) -> &'static str {
        self.name
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let [input, output] = ["in", "out"].map(|name| self.directory.path().join(name));
        fs::write(&input, document)?;
        let status = Command::new(self.name)
            .args(["-c", &self.filter])
            .stdin(File::open(&input)?)
            .stdout(File::create(&output)?)
            .stderr(Stdio::null())
            .status()
            .context("cannot be started")?;
        ensure!(status.success(), "it ended with {status}");
        out.extend_from_slice(&fs::read(&output)?);
        Ok(())
    }
}
