//! A program on a terminal, as a person sits at one.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::wait::PATIENCE;

/// A running program whose three standard streams are one terminal. It ends with this.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    pieces: Receiver<Vec<u8>>,
    /// Everything shown until now.
    screen: Vec<u8>,
    /// So much of it was awaited.
    awaited: usize,
    child: Child,
}

impl Terminal {
    pub(crate) fn start(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a terminal");
        grantpt(&master).expect("a terminal of ours");
        unlockpt(&master).expect("a terminal of ours");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty()).expect("its other side");
        let stream = || Stdio::from(slave.try_clone().expect("a descriptor"));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        let child = command.spawn().expect("the program starts");
        // The last other side is the program's, so that its end is seen.
        drop((command, slave));
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().expect("a descriptor");
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keyboard,
            pieces,
            screen: Vec::new(),
            awaited: 0,
            child,
        }
    }

    /// Types.
    ///
    /// # Panics
    /// When the program is gone.
    pub fn type_in(&mut self, text: &str) {
        let typed = self.keyboard.write_all(text.as_bytes());
        typed.expect("the terminal takes what is typed");
    }

    /// Waits until this is shown, behind what was awaited before.
    ///
    /// # Panics
    /// When it does not come.
    pub fn await_text(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let fresh = &self.screen[self.awaited..];
            let found = fresh
                .windows(text.len())
                .position(|part| part == text.as_bytes());
            if let Some(at) = found {
                self.awaited += at + text.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.screen.extend(piece),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!(
                    "`{text}` does not come after: {}",
                    String::from_utf8_lossy(&self.screen)
                ),
            }
        }
    }

    /// Waits for the end; gives the exit code and all that was shown.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn finish(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.screen.extend(piece),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no end after: {}", String::from_utf8_lossy(&self.screen))
                }
            }
        }
        let status = self.child.wait().expect("a child of ours");
        let screen = String::from_utf8_lossy(&self.screen).into_owned();
        (status.code().unwrap_or(-1), screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().expect("a child of ours");
            self.child.wait().expect("a child of ours");
        }
    }
}
