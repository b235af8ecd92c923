//! A file as a sink: appended to, repaired, put aside by size, looked up anew.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::sink::{Durability, Sink};
use super::{FileConfig, Rotation};
use crate::telemetry::field;

/// Only the gateway's own user reads who did what.
const FILE_MODE: u32 = 0o600;
/// BOUND: bytes read at a time when looking for the last newline.
const REPAIR_CHUNK_BYTES: u64 = 64 * 1024;

/// Why a file cannot take audit events.
#[derive(Debug, Error)]
pub enum FileFault {
    /// The system refuses it.
    #[error("`{path}` cannot be opened for the audit log: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A pipe, a device or a folder: events could be neither synced nor repaired.
    #[error("`{path}` is not a regular file; write `-` to send the audit log to standard output")]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Repairing it could destroy what it holds.
    #[error("`{path}` holds something else than an audit log; name another file")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Two writers would cut each other's lines.
    #[error("`{path}` is being written by another process; give each gateway its own file")]
    Locked {
        /// The file.
        path: PathBuf,
    },
}

/// An open audit file.
#[derive(Debug)]
pub(super) struct FileSink {
    config: FileConfig,
    file: File,
    /// Bytes up to the end of the last batch that was stored.
    length: u64,
    /// The last batch failed and could not be taken back yet.
    is_torn: bool,
}

impl FileSink {
    /// Opens the file or makes it, and cuts off a line that was never finished.
    pub(super) fn open(config: FileConfig) -> Result<Self, FileFault> {
        let (file, length) = open(&config.path)?;
        Ok(Self {
            config,
            file,
            length,
            is_torn: false,
        })
    }

    fn append(&mut self, lines: &[u8], durability: Durability) -> io::Result<()> {
        self.file.write_all(lines)?;
        match durability {
            Durability::Written => Ok(()),
            Durability::Synced => self.file.sync_data(),
        }
    }

    /// Cuts off what a failed batch left behind, so that writing it again doubles nothing.
    fn take_back(&mut self) -> io::Result<()> {
        // Somebody may have emptied the file meanwhile; it must not grow a hole.
        self.length = self.length.min(self.file.metadata()?.len());
        self.file.set_len(self.length)
    }

    fn make_room(&mut self, rotation: Rotation, line_bytes: usize) {
        let grown = self
            .length
            .saturating_add(u64::try_from(line_bytes).unwrap_or(u64::MAX));
        if self.length == 0 || grown <= rotation.file_bytes_max {
            return;
        }
        // A file that is too long is better than an event that is lost.
        if let Err(fault) = self.rotate(rotation) {
            tracing::error!(
                { field::FAULT } = %fault,
                { field::FILE_PATH } = %self.config.path.display(),
                "audit file cannot be put aside and grows on"
            );
        }
    }

    fn rotate(&mut self, rotation: Rotation) -> io::Result<()> {
        self.file.sync_data()?;
        // After an attempt that failed half-way the file may have been put aside already.
        if self.is_at_its_path()? {
            for number in (1..rotation.kept_count_max.get()).rev() {
                rename_if_there(&self.aside(number), &self.aside(number + 1))?;
            }
            fs::rename(&self.config.path, self.aside(1))?;
        }
        self.reopen()
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.config.path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    fn is_at_its_path(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.config.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

impl Sink for FileSink {
    fn store(&mut self, lines: &[u8], durability: Durability) -> io::Result<()> {
        if self.is_torn {
            self.take_back()?;
            self.is_torn = false;
        }
        if self.file.metadata()?.nlink() == 0 {
            tracing::error!(
                { field::FILE_PATH } = %self.config.path.display(),
                "audit file was deleted while open; a new one is made"
            );
            self.reopen()?;
        }
        if let Some(rotation) = self.config.rotation {
            self.make_room(rotation, lines.len());
        }
        match self.append(lines, durability) {
            Ok(()) => {
                self.length += u64::try_from(lines.len()).unwrap_or(0);
                Ok(())
            }
            Err(fault) => {
                self.is_torn = self.take_back().is_err();
                Err(fault)
            }
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        // The lock belongs to the open file; our own must not keep us out.
        self.file.unlock()?;
        match open(&self.config.path) {
            Ok((file, length)) => {
                self.file = file;
                self.length = length;
                self.is_torn = false;
                Ok(())
            }
            Err(fault) => {
                lock(&self.file, &self.config.path).map_err(io::Error::other)?;
                Err(io::Error::other(fault))
            }
        }
    }
}

fn open(path: &Path) -> Result<(File, u64), FileFault> {
    let fault = |source| FileFault::Open {
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(FILE_MODE);
    let mut file = options.open(path).map_err(fault)?;
    if !file.metadata().map_err(fault)?.is_file() {
        return Err(FileFault::NotRegular {
            path: path.to_owned(),
        });
    }
    lock(&file, path)?;
    if !begins_as_audit_log(&mut file).map_err(fault)? {
        return Err(FileFault::Foreign {
            path: path.to_owned(),
        });
    }
    let length = cut_unfinished_line(&mut file, path).map_err(fault)?;
    sync_folder(path).map_err(fault)?;
    Ok((file, length))
}

fn lock(file: &File, path: &Path) -> Result<(), FileFault> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(FileFault::Locked {
            path: path.to_owned(),
        }),
        // Some network file systems have no locks; the operator was told to keep files apart.
        Err(TryLockError::Error(fault)) if fault.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(source)) => Err(FileFault::Open {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Only an empty file, or one whose first line is an object, may be cut.
fn begins_as_audit_log(file: &mut File) -> io::Result<bool> {
    let mut first = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    Read::take(&*file, 1).read_to_end(&mut first)?;
    Ok(first.is_empty() || first == b"{")
}

/// A crash in the middle of a write leaves a line without its newline. It was never acknowledged.
fn cut_unfinished_line(file: &mut File, path: &Path) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut end = length;
    let mut chunk = Vec::new();
    let kept = loop {
        if end == 0 {
            break 0;
        }
        let start = end.saturating_sub(REPAIR_CHUNK_BYTES);
        chunk.clear();
        file.seek(SeekFrom::Start(start))?;
        Read::take(&*file, end - start).read_to_end(&mut chunk)?;
        if let Some(position) = chunk.iter().rposition(|byte| *byte == b'\n') {
            break start + u64::try_from(position).unwrap_or(0) + 1;
        }
        end = start;
    };
    if kept < length {
        tracing::warn!(
            { field::FILE_PATH } = %path.display(),
            { field::BYTES } = length - kept,
            "unfinished last line cut off the audit file"
        );
        file.set_len(kept)?;
        file.sync_data()?;
    }
    Ok(kept)
}

/// Makes a new name of the file survive the end of the machine.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
