//! `countersign policy init`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;

macro_rules! starter {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../../policies/starter/", $path)))),*]
    };
}

/// The files of `policies/starter`, which has tests and lints of its own in this repository.
const STARTER: [(&str, &str); 9] = starter![
    "README.md",
    "bundle.kdl",
    "guardrails/org.kdl",
    "identities.kdl",
    "rules/agents.kdl",
    "rules/base.kdl",
    "rules/people.kdl",
    "sets.kdl",
    "tests/agents.kdl",
];

/// Where the bundle goes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// An empty directory; made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Writes the starter bundle.
///
/// # Errors
/// If the directory is not empty or cannot be written to.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let dir = &arguments.dir;
    write(dir)?;
    writeln!(
        std::io::stdout().lock(),
        "wrote {} files; begin with the issuers in {} and the clusters in {}",
        STARTER.len(),
        dir.join("identities.kdl").display(),
        dir.join("bundle.kdl").display(),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn write(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    if let Some(entry) = fs::read_dir(dir)?.next() {
        let name = entry?.file_name();
        bail!(
            "`{}` is not empty: it holds `{}`",
            dir.display(),
            name.display()
        );
    }
    for (path, text) in STARTER {
        let target = dir.join(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&target, text).with_context(|| format!("cannot write `{}`", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::bundle;

    /// A file added to the starter bundle must be added to the list here too.
    #[test]
    fn writes_the_whole_starter_bundle() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/starter");
        assert_eq!(
            bundle::read(dir.path()).unwrap(),
            bundle::read(&source).unwrap()
        );
    }

    #[test]
    fn refuses_a_directory_that_is_not_empty() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine"), "").unwrap();
        assert!(
            write(dir.path())
                .unwrap_err()
                .to_string()
                .contains("`mine`")
        );
    }
}
