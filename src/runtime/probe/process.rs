//! What the kernel grants this process: io_uring, limits, processors, memory.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use io_uring::{IoUring, Probe, opcode};

use crate::runtime::system::{self, Errno};

/// Why io_uring can not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub errno: Errno,
    /// The sysctl kernel.io_uring_disabled, where there is one: 0 allows, 2 forbids to all.
    pub sysctl: Option<u32>,
}

impl Refused {
    /// The system's own words.
    pub fn error(&self) -> std::io::Error {
        std::io::Error::from_raw_os_error(self.errno)
    }

    /// Who refuses.
    pub fn why(&self) -> String {
        match (self.errno, self.sysctl) {
            (libc::EPERM, Some(value @ 1..)) => {
                format!("the sysctl kernel.io_uring_disabled is {value}")
            }
            (libc::EPERM | libc::EACCES, _) => "a container's seccomp profile forbids it".into(),
            (libc::ENOSYS, _) => "the kernel was built without it or a container's profile hides \
                                  it; Linux 5.15 or newer is needed"
                .into(),
            (libc::EOPNOTSUPP, _) => "Linux 5.15 or newer is needed".into(),
            (libc::ENOMEM, _) => "the limit of locked memory is too low".into(),
            _ => "the system gives no other reason".into(),
        }
    }

    /// Commands, each of which mends it.
    pub fn fixes(&self) -> Vec<&'static str> {
        match (self.errno, self.sysctl) {
            (libc::EPERM, Some(1..)) => vec!["sudo sysctl -w kernel.io_uring_disabled=0"],
            (libc::ENOMEM, _) => vec!["sudo prlimit --pid $$ --memlock=8388608:8388608"],
            (libc::EPERM | libc::EACCES | libc::ENOSYS, _) => vec![
                "docker run --security-opt seccomp=tuning/seccomp.json ...",
                "docker run --security-opt seccomp=unconfined ...",
            ],
            _ => vec!["uname -r    # Linux 5.15 or newer"],
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fixes = self.fixes().join(", or: ");
        write!(
            f,
            "io_uring is refused ({}): {}; {fixes}",
            self.error(),
            self.why()
        )
    }
}

impl std::error::Error for Refused {}

/// Makes a small ring and asks for the operations that the driver uses.
pub fn ring() -> Result<(), Refused> {
    let refused = |errno| {
        let sysctl = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        Refused {
            errno,
            sysctl: sysctl.and_then(|text| text.trim().parse().ok()),
        }
    };
    let ring = IoUring::new(8).map_err(|error| refused(system::errno_of(&error)))?;
    let mut probe = Probe::new();
    let asked = ring.submitter().register_probe(&mut probe);
    asked.map_err(|error| refused(system::errno_of(&error)))?;
    let needed = [
        opcode::PollAdd::CODE,
        opcode::Timeout::CODE,
        opcode::Write::CODE,
        opcode::Read::CODE,
        opcode::Fsync::CODE,
    ];
    let all = needed.iter().all(|code| probe.is_supported(*code));
    all.then_some(()).ok_or(refused(libc::EOPNOTSUPP))
}

/// A resource limit; None: unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// The limits that a broker runs into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Locked memory in bytes (`ulimit -l`): at least 512 KiB per core.
    pub locked_memory: Limit,
    /// Open descriptors (`ulimit -n`): one per connection, some hundreds per shard.
    pub open_files: Limit,
}

pub fn limits() -> Limits {
    Limits {
        locked_memory: limit_of(libc::RLIMIT_MEMLOCK),
        open_files: limit_of(libc::RLIMIT_NOFILE),
    }
}

fn limit_of(resource: libc::__rlimit_resource_t) -> Limit {
    // SAFETY: all zero is a valid `rlimit`, and it is valid for writes.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(resource, &mut limit);
        limit
    };
    let finite = |value| (value != libc::RLIM_INFINITY).then_some(value);
    Limit {
        soft: finite(limit.rlim_cur),
        hard: finite(limit.rlim_max),
    }
}

/// Raises the soft limits of open descriptors and of locked memory to the hard ones.
pub fn raise_limits() {
    for resource in [libc::RLIMIT_NOFILE, libc::RLIMIT_MEMLOCK] {
        // SAFETY: all zero is a valid `rlimit`; it is valid for writes, then for reads.
        unsafe {
            let mut limit: libc::rlimit = std::mem::zeroed();
            if libc::getrlimit(resource, &mut limit) == 0 {
                limit.rlim_cur = limit.rlim_max;
                libc::setrlimit(resource, &limit);
            }
        }
    }
}

/// The processors of this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Processors {
    /// The affinity mask.
    pub allowed: Vec<usize>,
    /// Processors' worth of time that the cgroup grants; None: no quota.
    pub quota: Option<f64>,
}

impl Processors {
    /// The default of `--cores`: the mask, at most the quota rounded up.
    pub fn cores(&self) -> Vec<usize> {
        let quota = self.quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
        let count = self.allowed.len().min(quota.max(1));
        self.allowed[..count].to_vec()
    }
}

pub fn processors() -> Processors {
    let quotas = own_cgroups().into_iter().filter_map(|group| {
        let v2 = fs::read_to_string(group.join("cpu.max")).ok();
        let v1 = |name| fs::read_to_string(group.join(name)).ok();
        v2.or_else(|| {
            let quota = v1("cpu.cfs_quota_us")?;
            Some(format!("{} {}", quota.trim(), v1("cpu.cfs_period_us")?))
        })
        .and_then(|text| quota_of(&text))
    });
    Processors {
        quota: quotas.reduce(f64::min),
        allowed: allowed_processors(),
    }
}

fn allowed_processors() -> Vec<usize> {
    // SAFETY: all zero is the empty set, and it is valid for writes of its size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            // More processors than the set can name: take what the standard library counts.
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            return (0..count).collect();
        }
        set
    };
    let has = |cpu: &usize| {
        // SAFETY: `cpu` is below the set's size.
        unsafe { libc::CPU_ISSET(*cpu, &set) }
    };
    (0..libc::CPU_SETSIZE as usize).filter(has).collect()
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    /// The least limit of the cgroups that hold this process.
    pub cgroup_limit: Option<u64>,
}

pub fn memory() -> Memory {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| {
        let count = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        count.trim().parse::<u64>().ok()
    });
    let total = total.unwrap_or(0) << 10;
    let limits = own_cgroups().into_iter().filter_map(|group| {
        let v2 = fs::read_to_string(group.join("memory.max")).ok();
        let text = v2.or_else(|| fs::read_to_string(group.join("memory.limit_in_bytes")).ok());
        text?.trim().parse::<u64>().ok()
    });
    // Version 1 writes "no limit" as a number beyond any memory.
    let cgroup_limit = limits.filter(|limit| *limit < total.max(1)).min();
    Memory {
        total,
        cgroup_limit,
    }
}

/// The directories of the cgroups that hold this process, innermost first, of both versions.
fn own_cgroups() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut all = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let root = Path::new("/sys/fs/cgroup").join(controllers);
        let mut group = root.join(path.trim_start_matches('/'));
        while group.starts_with(&root) {
            all.push(group.clone());
            if !group.pop() {
                break;
            }
        }
    }
    all
}

/// `QUOTA PERIOD`, as `cpu.max` has it; None: no quota.
fn quota_of(text: &str) -> Option<f64> {
    let mut fields = text.split_whitespace();
    let quota: f64 = fields.next()?.parse().ok()?;
    let period: f64 = fields.next()?.parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_and_max_is_none() {
        assert_eq!(quota_of("150000 100000\n"), Some(1.5));
        assert_eq!(quota_of("max 100000\n"), None);
        assert_eq!(quota_of("-1 100000\n"), None);
        assert_eq!(quota_of(""), None);
    }

    #[test]
    fn the_default_cores_are_the_mask_cut_to_the_quota_rounded_up() {
        let of = |quota| {
            let allowed = vec![1, 3, 5];
            Processors { allowed, quota }.cores()
        };

        assert_eq!(of(None), [1, 3, 5]);
        assert_eq!(of(Some(1.5)), [1, 3]);
        assert_eq!(of(Some(0.1)), [1]);
        assert_eq!(of(Some(64.0)), [1, 3, 5]);
    }

    #[test]
    fn this_machine_answers_every_question() {
        ring().expect("the tests need io_uring");
        assert!(!processors().allowed.is_empty());
        assert!(memory().total > 1 << 20);
        assert_ne!(limits().open_files.soft, Some(0));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |errno, sysctl| Refused { errno, sysctl }.to_string();

        assert!(refused(libc::EPERM, Some(2)).contains("sysctl -w"));
        assert!(refused(libc::EPERM, Some(0)).contains("seccomp"));
        assert!(refused(libc::ENOSYS, None).contains("5.15"));
    }
}
