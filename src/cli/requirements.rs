//! What a broker needs of its machine, asked before anything is touched. Each refusal is one
//! sentence that ends with the remedy.

use std::path::{Path, PathBuf};

use crate::base::ByteCount;
use crate::base::limits::{LOCKED_MEMORY_BYTES_MIN, OPEN_FILES_MIN, RESERVE_BYTES};
use crate::runtime::probe::{self, DirectIo, DirectoryFinding, Limit, Processors};

use super::Failure;

/// Below this many descriptors the operator is told how few clients fit.
pub(super) const OPEN_FILES_PLENTY: u64 = 4_096;
/// File systems that live in memory.
pub(super) const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// The machine as `serve` will use it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processors, one thread each.
    pub cores: Vec<usize>,
    /// Tie each thread to its processor. Not done when more cores were asked for than there are.
    pub pin: bool,
    pub memory: ByteCount,
    /// What the operator should know, though it does not keep the broker from running.
    pub notes: Vec<String>,
}

/// How files of a data directory are written.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Through the page cache, because the file system allows nothing else.
    pub buffered: bool,
    /// What the devices below offer, a line each.
    pub devices: Vec<String>,
    /// As of `Machine`.
    pub notes: Vec<String>,
}

/// Fails with the remedy if this machine can not run a broker.
pub fn check_machine(cores: Option<u16>) -> Result<Machine, Failure> {
    probe::raise_limits();
    let limits = probe::limits();
    // Asked first: with too few descriptors the next question would get a wrong answer.
    let mut notes = Vec::new();
    notes.extend(check_open_files(limits.open_files).map_err(Failure::unavailable)?);
    check_locked_memory(limits.locked_memory).map_err(Failure::unavailable)?;
    probe::ring().map_err(|refused| Failure::unavailable(refused.to_string()))?;
    let processors = probe::processors();
    let (cores, pin, note) = choose_cores(&processors, cores);
    notes.extend(note);
    let memory = probe::memory();
    let memory = memory.cgroup_limit.unwrap_or(memory.total);
    Ok(Machine {
        cores,
        pin,
        memory: ByteCount(memory),
        notes,
    })
}

/// Asks the file systems below `paths`, directories that are there.
pub fn check_data_dirs(paths: &[PathBuf], allow_buffered: bool) -> Result<Storage, Failure> {
    let mut all = Storage {
        buffered: false,
        devices: Vec::new(),
        notes: Vec::new(),
    };
    for path in paths {
        let one = check_data_dir(path, allow_buffered)?;
        all.buffered |= one.buffered;
        all.devices.extend(one.devices);
        all.notes.extend(one.notes);
    }
    all.devices.dedup();
    Ok(all)
}

fn check_data_dir(path: &Path, allow_buffered: bool) -> Result<Storage, Failure> {
    let found = probe::directory(path).map_err(|error| {
        Failure::data_dir(format!(
            "{} can not be used: {error}; make it a directory on a local disk that this user can \
             write, or choose another with --data-dir",
            path.display()
        ))
    })?;
    let buffered = match found.direct_io {
        DirectIo::Works { .. } => false,
        DirectIo::Refused { .. } if allow_buffered => true,
        DirectIo::Refused { .. } => {
            return Err(Failure::data_dir(format!(
                "{} is on {}, which refuses direct I/O: choose a --data-dir on a local disk with \
                 ext4 or xfs, or allow slower writes through the page cache with --allow-buffered",
                path.display(),
                found.file_system
            )));
        }
    };
    let mut notes = Vec::new();
    if IN_MEMORY.contains(&found.file_system.as_str()) {
        notes.push(format!(
            "{} is memory: what is written ends with the machine",
            found.file_system
        ));
    }
    if found.free < RESERVE_BYTES {
        notes.push(format!(
            "only {} are free on the disk: reads and deletes work, producers are refused",
            found.free
        ));
    }
    Ok(Storage {
        buffered,
        devices: vec![offer_of(&found)],
        notes,
    })
}

/// What the device below a directory offers, in a line.
fn offer_of(found: &DirectoryFinding) -> String {
    let device = found.device.as_deref();
    let queue = device.map(|device| probe::queue(Path::new("/"), device));
    let name = device.unwrap_or("no disk of its own");
    let mut parts = vec![format!("{name}, {}", found.file_system)];
    parts.push(match found.direct_io {
        DirectIo::Refused { .. } => "no direct I/O".to_owned(),
        DirectIo::Works { offset_align, .. } if offset_align > 0 => {
            format!("direct I/O in units of {offset_align} bytes")
        }
        DirectIo::Works { .. } => "direct I/O".to_owned(),
    });
    match queue.and_then(|queue| queue.is_volatile()) {
        Some(true) => parts.push("a volatile write cache, flushed each time".to_owned()),
        Some(false) => {
            parts.push("no volatile write cache, so flushes cost nothing".to_owned());
        }
        None => {}
    }
    parts.push(format!("{} free", found.free));
    parts.join("; ")
}

fn check_open_files(limit: Limit) -> Result<Option<String>, String> {
    match limit.soft {
        Some(count) if count < OPEN_FILES_MIN => Err(format!(
            "{count} open files are allowed and at least {OPEN_FILES_MIN} are needed: raise the \
             limit (ulimit -n 65536; LimitNOFILE=65536 in a systemd unit; docker run --ulimit \
             nofile=65536)"
        )),
        Some(count) if count < OPEN_FILES_PLENTY => Ok(Some(format!(
            "{count} open files are allowed, so few clients fit; ulimit -n raises it"
        ))),
        Some(_) | None => Ok(None),
    }
}

fn check_locked_memory(limit: Limit) -> Result<(), String> {
    match limit.soft {
        Some(bytes) if bytes < LOCKED_MEMORY_BYTES_MIN.0 => Err(format!(
            "{} of locked memory are allowed and at least {LOCKED_MEMORY_BYTES_MIN} are needed: \
             raise the limit (ulimit -l 8192; LimitMEMLOCK=8M in a systemd unit; docker run \
             --ulimit memlock=8388608)",
            ByteCount(bytes)
        )),
        Some(_) | None => Ok(()),
    }
}

/// The processors to run on, whether to keep each thread on its own, and what to say of it.
fn choose_cores(has: &Processors, asked: Option<u16>) -> (Vec<usize>, bool, Option<String>) {
    let usual = has.cores();
    let wanted = asked.map_or(usual.len(), usize::from);
    if wanted > has.allowed.len() {
        let note = format!(
            "{wanted} cores were asked for and {} are there: threads share them",
            has.allowed.len()
        );
        return ((0..wanted).collect(), false, Some(note));
    }
    let note = (wanted > usual.len()).then(|| {
        format!(
            "{wanted} cores were asked for and the cgroup grants the time of {}: threads will \
             be held up",
            has.quota.unwrap_or_default()
        )
    });
    (has.allowed[..wanted].to_vec(), true, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(soft: Option<u64>) -> Limit {
        Limit { soft, hard: soft }
    }

    #[test]
    fn few_descriptors_are_refused_some_are_remarked_on_and_many_are_not() {
        let refusal = check_open_files(limit(Some(64))).expect_err("64 are too few");

        assert!(refusal.contains("ulimit -n"), "{refusal}");
        assert!(matches!(check_open_files(limit(Some(1_024))), Ok(Some(_))));
        assert_eq!(check_open_files(limit(Some(65_536))), Ok(None));
        assert_eq!(check_open_files(limit(None)), Ok(None));
    }

    #[test]
    fn too_little_locked_memory_is_refused_with_the_remedy() {
        let refusal = check_locked_memory(limit(Some(65_536))).expect_err("64 KiB are too few");

        assert!(refusal.contains("ulimit -l"), "{refusal}");
        assert_eq!(check_locked_memory(limit(Some(8 << 20))), Ok(()));
        assert_eq!(check_locked_memory(limit(None)), Ok(()));
    }

    #[test]
    fn threads_are_pinned_to_allowed_processors_only() {
        let has = Processors {
            allowed: vec![2, 5],
            quota: Some(0.5),
        };

        assert_eq!(choose_cores(&has, None), (vec![2], true, None));
        let (cores, pin, note) = choose_cores(&has, Some(2));
        assert_eq!((cores, pin), (vec![2, 5], true));
        assert!(note.is_some_and(|note| note.contains("cgroup")));
        let (cores, pin, note) = choose_cores(&has, Some(3));
        assert_eq!((cores.len(), pin), (3, false));
        assert!(note.is_some());
    }
}
