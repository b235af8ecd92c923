//! A bundle from a directory, as the gateway reads it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use gateway_policy::decode::decode;
use gateway_policy::diagnostic::human;
use gateway_policy::model::Bundle;
use gateway_policy::source::Files;

use crate::exit::Usage;

/// BOUND: the decoder reports a bundle with more files than it takes; what is past this is not even
/// read, so that a wrong path does not read a whole disk.
const FILES_MAX: usize = 10_000;

/// BOUND: likewise for the bytes of all files.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads every file below `root` but hidden ones (`.git`, editors' files).
///
/// # Errors
/// If something cannot be read, or there is far too much of it.
pub(super) fn read(root: &Path) -> Result<Files> {
    if !root.join("bundle.kdl").is_file() {
        let text = format!(
            "`{}` holds no `bundle.kdl`; name a bundle's directory",
            root.display()
        );
        return Err(anyhow::anyhow!(text).context(Usage));
    }
    let mut files = Files::new();
    let mut bytes = 0;
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        let entries =
            fs::read_dir(&dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            let hidden = path
                .file_name()
                .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            let metadata = fs::metadata(&path)?;
            if metadata.is_dir() {
                pending.push(path);
                continue;
            }
            bytes += metadata.len();
            if files.len() >= FILES_MAX || bytes > BYTES_MAX {
                bail!("`{}` holds too much to be a bundle", root.display());
            }
            files.insert(name_of(root, &path)?, read_file(&path)?);
        }
    }
    Ok(files)
}

fn name_of(root: &Path, path: &Path) -> Result<String> {
    let name = path.strip_prefix(root)?.to_str();
    Ok(name
        .with_context(|| format!("`{}` has a name that is not UTF-8", path.display()))?
        .to_owned())
}

fn read_file(path: &PathBuf) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Reads a bundle that is to be asked something; its faults are printed.
///
/// # Errors
/// If it cannot be read.
pub(super) fn decoded(root: &Path) -> Result<Option<Bundle>> {
    let files = read(root)?;
    let (bundle, report) = decode(&files);
    if bundle.is_none() {
        write!(std::io::stderr().lock(), "{}", human(&report, &files))?;
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nested_files_and_leaves_hidden_ones_out() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("rules/team")).unwrap();
        fs::create_dir_all(root.path().join(".git")).unwrap();
        for name in [
            "bundle.kdl",
            "rules/team/a.kdl",
            ".git/config",
            "rules/.swp",
        ] {
            fs::write(root.path().join(name), name).unwrap();
        }
        let files = read(root.path()).unwrap();
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            ["bundle.kdl", "rules/team/a.kdl"]
        );
    }

    #[test]
    fn refuses_a_directory_that_is_no_bundle() {
        let root = tempfile::tempdir().unwrap();
        assert!(format!("{:#}", read(root.path()).unwrap_err()).contains("bundle.kdl"));
    }
}
