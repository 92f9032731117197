//! A program on a terminal: a pseudo-terminal whose other end is read here.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

/// Ctrl-D: the end of what is typed.
const END: &[u8] = b"\x04";

/// All that a program shows where its three streams are a terminal at which nobody types, and how
/// it ended.
pub fn run_on_terminal(mut command: Command) -> (ExitStatus, String) {
    let (master, slave) = open();
    let other = || Stdio::from(slave.try_clone().expect("a second descriptor"));
    command.stdin(other()).stdout(other()).stderr(other());
    command.env("TERM", "xterm-256color");
    let mut child = command.spawn().expect("it can be started");
    // The last ends of the terminal are the child's from here on.
    drop((command, slave));

    let mut master = File::from(master);
    master.write_all(END).expect("it is open");
    let reader = thread::spawn(move || {
        let (mut shown, mut part) = (Vec::new(), [0; 4096]);
        // At the end, when nobody has the terminal any more, reading fails with EIO.
        while let Ok(count @ 1..) = master.read(&mut part) {
            shown.extend_from_slice(&part[..count]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    });
    let status = child.wait().expect("ours");
    (status, reader.join().expect("it only reads"))
}

fn open() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    let size = libc::winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: both descriptors are valid for writes, and the size for reads; no name and no other
    // settings are asked for. What is returned is nobody else's.
    unsafe {
        let (name, settings) = (std::ptr::null_mut(), std::ptr::null());
        let opened = libc::openpty(&mut master, &mut slave, name, settings, &size);
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // Held by the child, the other end would keep the terminal alive.
        libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC);
        (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave))
    }
}
