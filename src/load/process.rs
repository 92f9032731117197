//! What the kernel says about a process and about the disk under a folder.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The kernel's unit of CPU time in /proc; 100 on every Linux that we know.
const TICKS_PER_SECOND: f64 = 100.0;
const SECTOR_BYTES: u64 = 512;

/// A process, at one moment. Counts are since its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessSample {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    /// Of the threads that there are now: the kernel keeps no count of those that have ended.
    pub context_switches: u64,
}

/// A whole disk, at one moment. Counts are since boot, and of everybody on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskSample {
    pub written_bytes: u64,
    /// Given back to the device, by a file system that tells it of freed blocks.
    pub discarded_bytes: u64,
    pub flushes: u64,
}

impl ProcessSample {
    /// None if there is no such process, or none that has memory: one that has ended and was not
    /// waited for has none.
    pub fn of(pid: u32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The name in parentheses may hold spaces; what follows does not.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: f64 =
            fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let resident = number_after(&status, "VmRSS:")? * 1024;
        Some(Self {
            cpu_seconds: ticks / TICKS_PER_SECOND,
            resident_bytes: resident,
            context_switches: context_switches(&folder),
        })
    }

    pub fn of_self() -> Option<Self> {
        Self::of(std::process::id())
    }
}

/// Of all threads but the kernel's own that work for io_uring: they come and go by the second, and
/// take their counts with them.
fn context_switches(folder: &Path) -> u64 {
    let Ok(tasks) = fs::read_dir(folder.join("task")) else {
        return 0;
    };
    let statuses = tasks
        .flatten()
        .flat_map(|it| fs::read_to_string(it.path().join("status")));
    statuses
        .filter(|status| !status.starts_with("Name:\tiou-wrk-"))
        .map(|status| {
            number_after(&status, "\nvoluntary_ctxt_switches:").unwrap_or(0)
                + number_after(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0)
        })
        .sum()
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    text.split_once(name)?
        .1
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

impl DiskSample {
    /// The disk that holds `folder`.
    pub fn under(folder: &Path) -> Option<Self> {
        let stat = fs::read_to_string(disk_folder(folder)?.join("stat")).ok()?;
        let fields: Vec<u64> = stat.split_whitespace().flat_map(str::parse).collect();
        Some(Self {
            written_bytes: fields.get(6)? * SECTOR_BYTES,
            discarded_bytes: fields.get(13).copied().unwrap_or(0) * SECTOR_BYTES,
            flushes: fields.get(15).copied().unwrap_or(0),
        })
    }

    /// Bytes written and given back since an earlier sample.
    pub fn work_since(self, before: Self) -> u64 {
        let written = self.written_bytes.saturating_sub(before.written_bytes);
        written + self.discarded_bytes.saturating_sub(before.discarded_bytes)
    }
}

/// /sys's folder of the whole disk: flushes are not counted by partition.
fn disk_folder(folder: &Path) -> Option<PathBuf> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (
        (device >> 8) & 0xfff,
        (device & 0xff) | ((device >> 12) & 0xfff00),
    );
    let folder = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    if folder.join("partition").exists() {
        return folder.parent().map(Path::to_path_buf);
    }
    Some(folder)
}

/// What stands at the head of every report.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
}

impl Machine {
    pub fn here() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu
            .lines()
            .find(|it| it.starts_with("model name"))
            .unwrap_or("unknown");
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: cpu
                .rsplit(": ")
                .next()
                .unwrap_or("unknown")
                .trim()
                .to_string(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: number_after(&memory, "MemTotal:").unwrap_or(0) * 1024,
            kernel: kernel.trim().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_switches() {
        let sample = ProcessSample::of_self().unwrap();

        assert!(sample.resident_bytes > 100_000, "{sample:?}");
        assert!(sample.context_switches > 0, "{sample:?}");
    }

    #[test]
    fn a_process_that_has_ended_has_no_memory_of_zero() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        // Until it is waited for it has a status, but no memory.
        let ended = || fs::read_to_string(&status).unwrap().contains("\nState:\tZ");
        while !ended() {
            std::thread::yield_now();
        }

        assert!(ProcessSample::of(child.id()).is_none());
        child.wait().unwrap();
    }
}
