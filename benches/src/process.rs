//! Programs under test: started on one core, watched through /proc, ended by their own id.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// Ticks per second of the times in /proc: fixed for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// BOUND: nothing here takes longer to begin.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Core {
    /// Upstream and load.
    Around,
    /// The proxy that is measured, alone.
    UnderTest,
}

/// A running program; it ends with the value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

/// The command, pinned to a core.
#[must_use]
pub fn pinned(core: Core, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c");
    command.arg(match core {
        Core::Around => "0",
        Core::UnderTest => "1",
    });
    command.arg(program);
    command
}

impl Process {
    /// Starts a command; what it prints goes to `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    /// Asks until there is an answer.
    ///
    /// # Errors
    /// The program ends, or [`PATIENCE`] does.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T> {
        let begin = Instant::now();
        loop {
            if let Some(answer) = ask(self) {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before {what}", self.name);
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "{}: no {what} in {PATIENCE:?}",
                self.name
            );
            sleep(POLL);
        }
    }

    /// Processor time so far, user and system.
    ///
    /// # Errors
    /// The program has ended.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        // The name in parentheses may hold spaces: fields are counted from behind it.
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has a name")?;
        let mut times = fields.split_whitespace().skip(11);
        let mut ticks =
            || -> Result<f64> { Ok(times.next().context("/proc/PID/stat is short")?.parse()?) };
        Ok((ticks()? + ticks()?) / TICKS_PER_SECOND)
    }

    /// Memory held now, in kB.
    ///
    /// # Errors
    /// The program has ended.
    pub fn resident_kb(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// The most memory held since [`Self::forget_peak`], in kB.
    ///
    /// # Errors
    /// The program has ended.
    pub fn peak_kb(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    /// The peak counts from now on.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn forget_peak(&self) -> Result<()> {
        fs::write(self.proc("clear_refs"), "5").context("cannot reset the peak of memory")
    }

    fn status(&self, field: &str) -> Result<f64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let value = line.and_then(|line| line.split_whitespace().next());
        let value = value.with_context(|| format!("/proc/PID/status has {field}"))?;
        Ok(value.parse()?)
    }

    /// Open files and sockets.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd"))
            .map(Iterator::count)
            .unwrap_or_default()
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only fails if it ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_time_and_memory_of_a_program_and_ends_it() {
        let mut command = Command::new("sleep");
        let mut process =
            Process::start("sleep", command.arg("60"), Path::new("/dev/null")).unwrap();
        let memory = process
            .wait_until("memory", |process| process.resident_kb().ok())
            .unwrap();
        assert!(memory >= 0.0);
        process.forget_peak().unwrap();
        assert!(process.peak_kb().unwrap() >= memory);
        assert!(process.cpu_seconds().unwrap() < 5.0);
        let id = process.child.id();
        drop(process);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }
}
