//! The keys of a bundle's masks, from where the bundle says they are.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use gateway_policy::masks::MaskKeys;
use gateway_policy::model::{Bundle, MaskKeyOrigin};

use crate::bundle::FileState;

/// BOUND: bytes that are read of one file; a key has 32 at least, and nobody makes one of a kilobyte.
const FILE_BYTES_MAX: u64 = 4096;

/// What tells one state of files with keys from another without reading them. Of a file that cannot be
/// seen, nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KeyFiles(BTreeMap<String, Option<FileState>>);

impl KeyFiles {
    /// Of the files that a bundle names.
    pub(crate) fn of(bundle: &Bundle) -> Self {
        let origins = bundle.mask_keys.values().map(|source| &source.origin);
        Self::seen(origins.filter_map(|origin| match origin {
            MaskKeyOrigin::File(path) => Some(path),
            MaskKeyOrigin::Environment(_) => None,
        }))
    }

    /// Of the same files now.
    pub(crate) fn again(&self) -> Self {
        Self::seen(self.0.keys())
    }

    fn seen<'a>(paths: impl Iterator<Item = &'a String>) -> Self {
        let state = |path: &String| fs::metadata(path).ok().as_ref().map(FileState::of);
        Self(paths.map(|path| (path.clone(), state(path))).collect())
    }
}

/// Reads them all. A bundle whose keys are not there is not good.
pub(crate) fn mask_keys(bundle: &Bundle) -> Result<MaskKeys, String> {
    let mut keys = MaskKeys::none();
    for (name, source) in &bundle.mask_keys {
        let content = match &source.origin {
            MaskKeyOrigin::Environment(variable) => std::env::var_os(variable)
                .map(std::os::unix::ffi::OsStringExt::into_vec)
                .ok_or_else(|| {
                    format!("hmac-key `{name}`: the variable `{variable}` is not set")
                })?,
            MaskKeyOrigin::File(path) => read(path)
                .map_err(|error| format!("hmac-key `{name}`: cannot read `{path}`: {error}"))?,
        };
        keys.add(name, &content)
            .map_err(|fault| fault.to_string())?;
    }
    Ok(keys)
}

fn read(path: &str) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        let why = format!("it has more than {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::other(why));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_comes_changes_or_goes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key").display().to_string();
        let missing = KeyFiles::seen([&path].into_iter());
        assert_eq!(missing.again(), missing);
        fs::write(&path, "0123456789abcdef").unwrap();
        let there = missing.again();
        assert_ne!(there, missing);
        assert_eq!(there.again(), there);
        // As Kubernetes swaps what a volume shows: another file in its place.
        let other = folder.path().join("other");
        fs::write(&other, "fedcba9876543210").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(there.again(), there);
        fs::remove_file(&path).unwrap();
        assert_eq!(there.again(), missing);
    }

    #[test]
    fn what_is_no_key_is_not_read_to_its_end() {
        let fault = read("/dev/zero").unwrap_err();
        assert!(
            fault.to_string().contains("more than 4096 bytes"),
            "{fault}"
        );
    }
}
