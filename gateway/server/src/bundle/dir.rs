//! A bundle from a directory.
//!
//! The directory is looked at once per interval instead of by kernel notification: that also works
//! on network mounts and on Kubernetes volumes, which are swapped by renaming a symlink.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// BOUND (policy-language §9.2): files of one bundle.
const FILES_MAX: usize = 2_000;
/// BOUND: bytes of one file; the decoder reports larger ones with their own code, so one byte more
/// is read.
const FILE_BYTES_MAX: u64 = 256 * 1024 + 1;
/// BOUND: bytes of the bundle.
const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// BOUND: directories below each other.
const DEPTH_MAX: usize = 6;

/// Files of a bundle by their path inside it, `/` separated.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What tells one state of a directory from another without reading the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fingerprint(Vec<(PathBuf, FileState)>);

/// The same of one file: its length, time and inode. A volume of Kubernetes swaps the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    length: u64,
    modified: (i64, i64),
    inode: u64,
}

impl FileState {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// Why a directory cannot be read as a bundle.
#[derive(Debug, Error)]
pub enum DirectoryFault {
    /// The system refused.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// What was being read.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A name is not UTF-8.
    #[error("`{path}` has a name that is not UTF-8: rename it")]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A bound is exceeded.
    #[error("`{path}` exceeds the bundle limit of {limit} {what}")]
    Limit {
        /// Where the bound was met.
        path: PathBuf,
        /// The bound.
        limit: u64,
        /// Its unit.
        what: &'static str,
    },
}

/// Looks at names, sizes and times only.
///
/// # Errors
/// [`DirectoryFault`]: the directory cannot be read or exceeds a bound.
pub(crate) fn fingerprint(root: &Path) -> Result<Fingerprint, DirectoryFault> {
    let mut seen = Vec::new();
    for (path, metadata) in walk(root)? {
        seen.push((path, FileState::of(&metadata)));
    }
    Ok(Fingerprint(seen))
}

/// Reads every file. Hidden files and directories are left out: `.git`, editor files, and the
/// `..data` machinery of Kubernetes volumes.
///
/// # Errors
/// [`DirectoryFault`]: the directory cannot be read or exceeds a bound.
pub fn read(root: &Path) -> Result<Files, DirectoryFault> {
    let mut files = Files::new();
    let mut total = 0_u64;
    for (path, _metadata) in walk(root)? {
        let fault = |source| DirectoryFault::Read {
            path: path.clone(),
            source,
        };
        let mut bytes = Vec::new();
        fs::File::open(&path)
            .map_err(fault)?
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(fault)?;
        total = total.saturating_add(bytes.len() as u64);
        if total > BUNDLE_BYTES_MAX {
            return Err(DirectoryFault::Limit {
                path,
                limit: BUNDLE_BYTES_MAX,
                what: "bytes",
            });
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        let name = name
            .to_str()
            .ok_or_else(|| DirectoryFault::Name { path: path.clone() })?;
        files.insert(name.to_owned(), bytes);
    }
    Ok(files)
}

fn walk(root: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>, DirectoryFault> {
    let mut found = Vec::new();
    let mut pending = vec![(root.to_path_buf(), 0_usize)];
    while let Some((directory, depth)) = pending.pop() {
        let fault = |source| DirectoryFault::Read {
            path: directory.clone(),
            source,
        };
        for entry in fs::read_dir(&directory).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            let hidden = path
                .file_name()
                .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            let metadata = fs::metadata(&path).map_err(|source| DirectoryFault::Read {
                path: path.clone(),
                source,
            })?;
            if metadata.is_dir() {
                if depth >= DEPTH_MAX {
                    let limit = DEPTH_MAX as u64;
                    return Err(DirectoryFault::Limit {
                        path,
                        limit,
                        what: "directory levels",
                    });
                }
                pending.push((path, depth + 1));
            } else if found.len() < FILES_MAX {
                found.push((path, metadata));
            } else {
                return Err(DirectoryFault::Limit {
                    path,
                    limit: FILES_MAX as u64,
                    what: "files",
                });
            }
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

/// Reads every file, if the directory is still as it was `seen`: of one that is being written to, a
/// part might pass for the whole.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_settled(
    root: &Path,
    seen: &Fingerprint,
) -> Result<Option<Files>, DirectoryFault> {
    let files = read(root)?;
    Ok((fingerprint(root)? == *seen).then_some(files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nested_files_and_leaves_hidden_ones_out() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("rules/team")).unwrap();
        fs::create_dir_all(root.path().join(".git")).unwrap();
        fs::write(root.path().join("bundle.kdl"), "a").unwrap();
        fs::write(root.path().join("rules/team/x.kdl"), "b").unwrap();
        fs::write(root.path().join(".git/config"), "c").unwrap();
        let files = read(root.path()).unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["bundle.kdl", "rules/team/x.kdl"]);
    }

    /// A bundle of several files, copied while it was looked at, was published half old and half new.
    #[test]
    fn reads_nothing_of_a_directory_that_changes_meanwhile() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("bundle.kdl"), "a").unwrap();
        let seen = fingerprint(root.path()).unwrap();
        assert!(read_settled(root.path(), &seen).unwrap().is_some());
        fs::write(root.path().join("identities.kdl"), "b").unwrap();
        assert!(read_settled(root.path(), &seen).unwrap().is_none());
    }

    #[test]
    fn fingerprint_changes_with_content() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("bundle.kdl"), "a").unwrap();
        let before = fingerprint(root.path()).unwrap();
        assert_eq!(before, fingerprint(root.path()).unwrap());
        fs::write(root.path().join("bundle.kdl"), "ab").unwrap();
        assert_ne!(before, fingerprint(root.path()).unwrap());
    }

    #[test]
    fn names_a_directory_that_is_not_there() {
        let fault = read(Path::new("/does/not/exist")).unwrap_err();
        assert!(
            fault
                .to_string()
                .starts_with("cannot read `/does/not/exist`")
        );
    }
}
