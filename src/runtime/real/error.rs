//! What keeps a process from running, and what to do about it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::ShardId;
use crate::runtime::system::Errno;

/// Why `run` could not begin, or had to end.
#[derive(Debug)]
pub enum RunError {
    /// No shards, no cores, or a shard named twice.
    Config(&'static str),
    /// THALWEG_FAULTS can not be read.
    #[cfg(any(test, feature = "faults"))]
    Faults(String),
    /// A processor that the process may not use.
    Pin { cpu: usize, errno: Errno },
    /// The system refused a call that everything rests on.
    System { call: &'static str, errno: Errno },
    /// glommio would not start.
    Executor(String),
    /// A shard's directory can not be used.
    Directory { path: PathBuf, errno: Errno },
    /// A machine did not come up; the message is its own.
    Boot { shard: ShardId, message: String },
}

/// Why an address could not be had.
#[derive(Debug)]
pub struct BindError {
    pub address: SocketAddr,
    pub error: io::Error,
}

impl BindError {
    /// Somebody has the port.
    pub fn is_taken(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }
}

fn text(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => write!(f, "{what}"),
            #[cfg(any(test, feature = "faults"))]
            Self::Faults(what) => write!(f, "{what}"),
            Self::Pin { cpu, errno } => write!(
                f,
                "processor {cpu} can not be used ({}); name others, or fewer, with --cores",
                text(*errno)
            ),
            Self::System { call, errno } => {
                write!(f, "{call}: {}; {}", text(*errno), advice(call, *errno))
            }
            Self::Executor(message) => write!(
                f,
                "the executor did not start: {message}; it needs io_uring and 512 KiB of locked \
                 memory per core (`ulimit -l`)"
            ),
            Self::Directory { path, errno } => {
                write!(f, "{}: {}", path.display(), text(*errno))
            }
            Self::Boot { shard, message } => write!(f, "shard {shard}: {message}"),
        }
    }
}

fn advice(call: &str, errno: Errno) -> &'static str {
    match (call, errno) {
        ("io_uring_setup", libc::ENOSYS) => "Linux 5.15 or newer is needed",
        ("io_uring_setup", libc::EPERM) => {
            "set the sysctl kernel.io_uring_disabled to 0; in a container allow the io_uring calls \
             (docker run --security-opt seccomp=unconfined)"
        }
        ("io_uring_setup", libc::ENOMEM) => "raise the limit of locked memory (`ulimit -l`)",
        (_, libc::EMFILE | libc::ENFILE) => "raise the limit of open files (`ulimit -n`)",
        (_, libc::EAGAIN) => "raise the limit of threads (`ulimit -u`, cgroup pids.max)",
        _ => "the system gives no other reason",
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                "another process listens there; stop it, or choose another port with --listen"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege",
            _ => "choose another address with --listen",
        };
        write!(f, "{}: {}; {advice}", self.address, self.error)
    }
}

impl std::error::Error for RunError {}
impl std::error::Error for BindError {}
