//! The system calls and tools that the rig stands on.

use std::env;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
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

/// Whether power cuts can be made here; otherwise one sentence that says what is missing.
pub fn required() -> Result<(), String> {
    // SAFETY: no arguments, and it cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let writable = |device: &str| File::options().read(true).write(true).open(device).is_ok();
    let has_device = |device: &str| !is_root || writable(device);
    let has_tool = |tool: &str| {
        let path = env::var_os("PATH").unwrap_or_default();
        let usual = ["/sbin", "/usr/sbin"].map(PathBuf::from);
        let mut folders = env::split_paths(&path).chain(usual);
        folders.any(|folder| folder.join(tool).is_file())
    };
    missing(is_root, has_device, has_tool).map_or(Ok(()), Err)
}

fn missing(
    is_root: bool,
    has_device: impl Fn(&str) -> bool,
    has_tool: impl Fn(&str) -> bool,
) -> Option<String> {
    if !is_root {
        return Some("power cuts need root, to mount a disk that forgets: try with sudo".into());
    }
    let devices = ["/dev/fuse", "/dev/loop-control"];
    if let Some(device) = devices.iter().find(|it| !has_device(it)) {
        return Some(format!("power cuts need {device}, which cannot be opened"));
    }
    let tools = ["mkfs.ext4", "losetup", "mount", "umount"];
    let tool = tools.iter().find(|it| !has_tool(it))?;
    Some(format!(
        "power cuts need {tool}: install e2fsprogs and mount"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_the_power_from_being_cut_is_named() {
        let all = |_: &str| true;
        let said = |is_root, without: &'static str| {
            missing(is_root, |it| it != without, |it| it != without).unwrap_or_default()
        };

        assert_eq!(missing(true, all, all), None);
        assert!(said(false, "").contains("need root"));
        assert!(said(true, "/dev/fuse").contains("/dev/fuse"));
        assert!(said(true, "losetup").contains("losetup"));
    }
}
