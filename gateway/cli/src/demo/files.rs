//! Where the demo's files are, and that none of them stays.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Stands in a directory that the demo may clear.
const MARKER: &str = ".countersign-demo";

/// Everything the demo writes, besides the marker. Nothing else in the directory is touched.
const ENTRIES: [&str; 12] = [
    "audit.jsonl",
    "bin",
    "bundle",
    "cache",
    "cluster",
    "countersign.kdl",
    "issuer",
    "kubeconfig",
    "log",
    "pki",
    "ports.env",
    "work",
];

/// The demo's directory.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below `dir`, which need not exist.
    ///
    /// # Errors
    /// If there is no current directory to read `dir` from.
    pub(super) fn at(dir: &Path) -> Result<Self> {
        let root = std::path::absolute(dir)
            .with_context(|| format!("`{}` is not a usable path", dir.display()))?;
        Ok(Self { root })
    }

    /// A path below the directory.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The directory itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The kubeconfig of a subject, or of `admin`.
    pub(super) fn kubeconfig(&self, subject: &str) -> PathBuf {
        self.path("kubeconfig").join(format!("{subject}.yaml"))
    }

    /// Makes the directory ready for a new run; what a killed run left is removed. The directory
    /// is this run's own for as long as the answer is held.
    ///
    /// # Errors
    /// If another demo runs there, or the directory holds files that may be someone else's.
    pub(super) fn claim(&self) -> Result<File> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("cannot make `{}`", self.root.display()))?;
        let marker = self.path(MARKER);
        if !marker.exists()
            && let Some(foreign) = ENTRIES.iter().find(|name| self.path(name).exists())
        {
            bail!(
                "`{}` holds `{foreign}`, which no demo has written; choose another DIR",
                self.root.display()
            );
        }
        let mut lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&marker)
            .with_context(|| format!("cannot write `{}`", marker.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "another demo runs in `{}`; choose another DIR",
                self.root.display()
            );
        }
        lock.write_all(b"files beside this one are removed when the demo ends\n")?;
        self.clear()?;
        for name in ["bin", "cache", "issuer", "kubeconfig", "log", "pki", "work"] {
            let dir = self.path(name);
            fs::create_dir_all(&dir)?;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        }
        Ok(lock)
    }

    /// Removes what the demo wrote, and the directory if that was all.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub(super) fn release(&self) -> Result<()> {
        self.clear()?;
        fs::remove_file(self.path(MARKER))?;
        if fs::read_dir(&self.root)?.next().is_none() {
            fs::remove_dir(&self.root)?;
        }
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        for name in ENTRIES {
            let path = self.path(name);
            let Ok(kind) = fs::symlink_metadata(&path) else {
                continue;
            };
            if kind.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            }
            .with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
        Ok(())
    }
}

/// Writes a file that only its owner may read; a reader never sees half of it.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write_private(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    write_with_mode(path, content.as_ref(), 0o600)
}

/// Writes a script that its owner may run.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write_script(path: &Path, content: &str) -> Result<()> {
    write_with_mode(path, content.as_bytes(), 0o700)
}

fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&unfinished)?;
        file.write_all(content)?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// Copies a directory tree; `change` may rewrite each file's text.
///
/// # Errors
/// If a file cannot be read as text or written.
pub(super) fn copy_tree(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make `{}`", to.display()))?;
    let entries =
        fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target, change)?;
        } else {
            let text = fs::read_to_string(entry.path())
                .with_context(|| format!("cannot read `{}`", entry.path().display()))?;
            fs::write(&target, change(&text))
                .with_context(|| format!("cannot write `{}`", target.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_behind_of_its_own_directory() {
        let outer = tempfile::tempdir().unwrap();
        let layout = Layout::at(&outer.path().join("demo")).unwrap();
        let _lock = layout.claim().unwrap();
        write_private(&layout.kubeconfig("admin"), "x").unwrap();
        layout.release().unwrap();
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 0);
    }

    #[test]
    fn keeps_files_that_it_did_not_write() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("notes"), "mine").unwrap();
        let layout = Layout::at(outer.path()).unwrap();
        let _lock = layout.claim().unwrap();
        layout.release().unwrap();
        let left: Vec<_> = fs::read_dir(outer.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["notes"]);
    }

    #[test]
    fn refuses_a_directory_whose_files_may_be_someone_elses() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("bundle")).unwrap();
        let refused = Layout::at(outer.path()).unwrap().claim().unwrap_err();
        assert!(refused.to_string().contains("choose another DIR"));
        assert!(outer.path().join("bundle").exists());
    }

    #[test]
    fn clears_what_a_killed_run_left() {
        let outer = tempfile::tempdir().unwrap();
        let layout = Layout::at(outer.path()).unwrap();
        drop(layout.claim().unwrap());
        fs::write(layout.path("audit.jsonl"), "old").unwrap();
        let _lock = layout.claim().unwrap();
        assert!(!layout.path("audit.jsonl").exists());
    }

    #[test]
    fn refuses_a_directory_in_which_another_demo_runs() {
        let outer = tempfile::tempdir().unwrap();
        let layout = Layout::at(outer.path()).unwrap();
        let _lock = layout.claim().unwrap();
        fs::write(layout.path("ports.env"), "GATEWAY=x").unwrap();
        assert!(
            layout
                .claim()
                .unwrap_err()
                .to_string()
                .contains("another demo runs")
        );
        assert!(layout.path("ports.env").exists());
    }

    #[test]
    fn writes_keys_for_their_owner_only() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("key");
        write_private(&path, "secret").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
