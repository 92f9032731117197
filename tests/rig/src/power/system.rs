//! The system calls and tools that the rig stands on.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Moves this process to a mount namespace of its own, so that its mounts end with it.
///
/// To be called before any thread is started: a namespace is a thread's, and inherited.
pub fn own_mounts() -> Result<(), String> {
    // SAFETY: no pointers; only this process's view of mounts changes.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(format!("a mount namespace: {}", io::Error::last_os_error()));
    }
    run(Command::new("mount").args(["--make-rprivate", "/"])).map(drop)
}

/// The child is killed when the thread that started it ends, even by kill -9.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    // SAFETY: prctl is safe to call between fork and exec, and takes no pointers here.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            },
        )
    }
}

/// Runs a tool to its end; its output, or what it said when it failed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().map_err(|e| format!("{shown}: {e}"))?;
    if !status.success() {
        return Err(format!(
            "{shown}: {status}: {}",
            String::from_utf8_lossy(&stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&stdout).trim().to_string())
}
