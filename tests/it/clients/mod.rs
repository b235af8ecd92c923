//! Clients as they are released, through the gateway.

mod churn;
mod helm;
mod kubectl;
mod libraries;
mod masked;
pub(crate) mod masked_sessions;
mod normal;
mod rust;
mod script;
mod sessions;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use gateway_tests::repository;

/// Runs an installer of `tests/clients`, which prints where the program is. It fails where the
/// client cannot be had: these tests never skip.
///
/// One at a time: two tests that want the same client would install it into the same folder.
pub(crate) fn installed(installer: &str) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(repository().join("tests/clients").join(installer))
        .stderr(Stdio::inherit())
        .output()
        .expect("the installer runs");
    assert!(output.status.success(), "tests/clients/{installer} failed");
    let text = String::from_utf8(output.stdout).expect("a path");
    PathBuf::from(text.trim())
}
