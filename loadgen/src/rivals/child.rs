//! A broker process that does not outlive us.

use std::env;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How often a row of free ports is looked for.
const FREE_TRIES_MAX: usize = 64;

/// A broker that we started. Dropping it kills it.
pub struct Broker {
    pub name: &'static str,
    pub address: SocketAddr,
    /// Where it tells of its shards, if it is one of ours.
    pub metrics: Option<SocketAddr>,
    child: Child,
}

impl Broker {
    pub fn new(name: &'static str, address: SocketAddr, child: Child) -> Self {
        Self {
            name,
            address,
            metrics: None,
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it left behind, if it is gone.
    pub fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("{} ended: {status}", self.name)),
            Err(e) => Some(format!("{}: {e}", self.name)),
        }
    }

    /// Waits until it ends by itself, or until we are told to stop; then kills it.
    pub fn stay(mut self) -> Result<(), String> {
        let pid = self.pid();
        stop_when_told(pid);
        let status = self.child.wait().map_err(|e| e.to_string())?;
        Err(format!("{} ended: {status}", self.name))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `program`, killed by the kernel when the thread that starts it dies, where `setpriv` exists:
/// a signal that we cannot catch would otherwise leave a broker behind.
pub fn dies_with_us(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    match find_in_path("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The first of so many in a row that were free a moment ago.
pub fn free_ports(count: usize) -> io::Result<u16> {
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..FREE_TRIES_MAX {
        let first = free_port()?;
        let others = (first..)
            .take(count)
            .map(|port| TcpListener::bind(("127.0.0.1", port)));
        match others.collect::<io::Result<Vec<_>>>() {
            Ok(held) if held.len() == count => return Ok(first),
            Ok(_) => {}
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// `wanted` if nobody listens there, or a free port. Another broker on it would answer for ours.
pub fn choose_port(wanted: Option<u16>) -> Result<u16, String> {
    match wanted {
        Some(port) => match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => Ok(port),
            Err(error) => Err(format!("port {port} cannot be had: {error}")),
        },
        None => free_port().map_err(|error| error.to_string()),
    }
}

pub fn find_in_path(program: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Ends this process on SIGTERM, SIGINT, SIGHUP, or when a pipe on its standard input closes.
fn stop_when_told(child: u32) {
    let stop = move || {
        let _ = Command::new("kill")
            .args(["-9", &child.to_string()])
            .status();
        std::process::exit(0)
    };
    if let Ok(mut signals) = Signals::new([SIGTERM, SIGINT, SIGHUP]) {
        thread::spawn(move || {
            if signals.forever().next().is_some() {
                stop();
            }
        });
    }
    if standard_input_is_a_pipe() {
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            stop();
        });
    }
}

/// A job in the background has /dev/null there, which ends at once and means nothing.
fn standard_input_is_a_pipe() -> bool {
    fs::metadata("/proc/self/fd/0")
        .map(|it| it.file_type().is_fifo() || it.file_type().is_socket())
        .unwrap_or(false)
}
