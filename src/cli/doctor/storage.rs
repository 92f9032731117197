//! The data directory's file system and device, against what a journal needs.

use std::io;
use std::path::Path;

use super::finding::{Finding, State};
use super::nearest;
use crate::base::ByteCount;
use crate::base::limits::{RESERVE_BYTES, SEGMENT_BYTES};
use crate::cli::data_dir;
use crate::cli::requirements::IN_MEMORY;
use crate::runtime::probe::{self, DirectIo, DirectoryFinding, PreparedFinding, QueueFinding};

const AREA: &str = "data directory";
/// File systems whose flush is a promise of another machine, or of another program.
const REMOTE: [&str; 7] = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "virtiofs"];
/// They leave out zeroes by themselves: holes say nothing of how a file came there.
const SPARSE: [&str; 2] = ["btrfs", "zfs"];
/// Less than this is soon used up: some segments per shard, and the reserve.
const FREE_PLENTY: ByteCount = ByteCount(RESERVE_BYTES.0 + 16 * SEGMENT_BYTES.0);
/// Disks that their host, or their own controller, schedules, whatever they say of themselves.
const SCHEDULED_ELSEWHERE: [&str; 3] = ["nvme", "vd", "xvd"];

/// Everything about the directory.
pub fn look(data_dir: &Path) -> Vec<Finding> {
    let there = nearest(data_dir);
    let found = match probe::directory(&there) {
        Ok(found) => found,
        Err(error) => return vec![unusable(&there, &error)],
    };
    let place = Place {
        directory: data_dir,
        found: &found,
    };
    let mut findings = vec![
        holder(data_dir),
        place.file_system(),
        place.direct_io(),
        place.free_space(),
        place.mount_options(),
    ];
    match &found.device {
        Some(device) => {
            let queue = probe::queue(Path::new("/"), device);
            findings.extend([
                scheduler(device, &queue),
                write_cache(device, &queue),
                place.discard(&queue),
            ]);
        }
        None => findings.push(Finding::ok(AREA, "device", "not a disk of this machine")),
    }
    let shards = data_dir::shard_directories(data_dir);
    let all = shards.iter().map(|shard| probe::prepared(shard));
    findings.push(place.prepared(all.fold(PreparedFinding::default(), PreparedFinding::plus)));
    findings
}

fn unusable(path: &Path, error: &io::Error) -> Finding {
    let shown = path.display();
    let fix = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("sudo mount -o remount,rw $(df --output=target {shown} | tail -n 1)")
        }
        _ => format!("sudo chown -R $(id -un) {shown} && chmod u+rwx {shown}"),
    };
    Finding::ok(
        AREA,
        "access",
        format!("{shown} can not be written: {error}"),
    )
    .but(State::Problem, [fix])
}

fn holder(data_dir: &Path) -> Finding {
    let finding = |found: String| Finding::ok(AREA, "access", found);
    let shown = data_dir.display();
    if !data_dir.is_dir() {
        return finding(format!("{shown} is not there yet and can be made"));
    }
    match data_dir::is_held(data_dir) {
        true => finding(format!("{shown} is in use by a broker")),
        false => finding(format!("{shown} can be written, and no broker uses it")),
    }
}

struct Place<'a> {
    directory: &'a Path,
    found: &'a DirectoryFinding,
}

impl Place<'_> {
    fn file_system(&self) -> Finding {
        let kind = self.found.file_system.as_str();
        let finding = |why: &str| {
            let found = format!("{kind} on {}{why}", self.found.mounted_at);
            Finding::ok(AREA, "file system", found)
        };
        let elsewhere = [
            "thalweg serve --data-dir /var/lib/thalweg",
            "df -h -t ext4 -t xfs    # the local disks there are",
        ];
        if IN_MEMORY.contains(&kind) {
            return finding(": memory, so what is acknowledged ends with the machine")
                .but(State::Problem, elsewhere);
        }
        if REMOTE.contains(&kind) || kind.starts_with("fuse") {
            return finding(": an acknowledgement is worth what that server's flush is worth")
                .but(State::Advice, elsewhere);
        }
        if kind == "overlay" {
            return finding(": a container's own layer, gone with the container")
                .but(State::Advice, ["docker run -v thalweg-data:/data ..."]);
        }
        finding("")
    }

    fn direct_io(&self) -> Finding {
        let finding = |found: String| Finding::ok(AREA, "direct I/O", found);
        match self.found.direct_io {
            DirectIo::Works {
                offset_align: 0, ..
            } => finding("works".to_owned()),
            DirectIo::Works { offset_align, .. } => finding(format!(
                "works, in units of {}",
                ByteCount(offset_align.into())
            )),
            DirectIo::Refused { errno } => finding(format!(
                "{} refuses it ({}); serve does not start",
                self.found.file_system,
                io::Error::from_raw_os_error(errno)
            ))
            .but(
                State::Problem,
                [
                    "thalweg serve --data-dir /var/lib/thalweg    # on ext4 or xfs",
                    "thalweg serve --allow-buffered    # slower, through the page cache",
                ],
            ),
        }
    }

    fn free_space(&self) -> Finding {
        let free = self.found.free;
        let look = format!(
            "sudo du -xh --max-depth=2 {} | sort -h",
            self.found.mounted_at
        );
        let trim = "thalweg topic alter TOPIC --config retention.bytes=1073741824".to_owned();
        let finding = |why: &str| Finding::ok(AREA, "free space", format!("{free}{why}"));
        if free < RESERVE_BYTES {
            return finding(": below the reserve, so producers are refused")
                .but(State::Problem, [look, trim]);
        }
        if free < FREE_PLENTY {
            return finding(": soon used up").but(State::Advice, [look, trim]);
        }
        finding("")
    }

    fn mount_options(&self) -> Finding {
        let point = &self.found.mounted_at;
        let has = |wanted: &str| self.found.options.iter().any(|option| option == wanted);
        let finding = |found: &str| Finding::ok(AREA, "mount options", found);
        let remount = |option: &str| [format!("sudo mount -o remount,{option} {point}")];
        if let Some(bad) = ["nobarrier", "barrier=0"].into_iter().find(|bad| has(bad)) {
            return finding(&format!(
                "{bad}: the file system does not flush the disk's cache, so a loss of power takes \
                 acknowledged records"
            ))
            .but(State::Problem, remount("barrier=1"));
        }
        if has("data=journal") {
            return finding("data=journal: everything is written twice, and not directly").but(
                State::Advice,
                [format!(
                    "sudoedit /etc/fstab    # data=ordered for {point}, then a new mount"
                )],
            );
        }
        if has("sync") {
            return finding("sync: every write waits, those that need not too")
                .but(State::Advice, remount("async"));
        }
        finding("nothing that harms")
    }

    fn discard(&self, queue: &QueueFinding) -> Finding {
        let finding = |found: &str| Finding::ok(AREA, "discard", found);
        let online = self.found.options.iter().any(|option| option == "discard");
        match (queue.discards, online) {
            (true, true) => finding(
                "with every deletion (mount option discard): the device is busy with it when \
                 segments go",
            )
            .but(
                State::Advice,
                [format!(
                    "sudo mount -o remount,nodiscard {} && \
                     sudo systemctl enable --now fstrim.timer",
                    self.found.mounted_at
                )],
            ),
            (true, false) => finding("not with deletions; fstrim now and then is enough"),
            (false, _) => finding("the device knows none"),
        }
    }

    fn prepared(&self, files: PreparedFinding) -> Finding {
        let finding = |found: String| Finding::ok(AREA, "prepared files", found);
        let sparse = SPARSE.contains(&self.found.file_system.as_str());
        if files.files == 0 {
            return finding("none yet; the first start prepares some".to_owned());
        }
        if files.with_holes == 0 || sparse {
            return finding(format!("{} files, {}", files.files, files.bytes));
        }
        let directory = self.directory.display();
        finding(format!(
            "{} of {} files have holes, as a sparse copy has: a write into one costs a flush more",
            files.with_holes, files.files
        ))
        .but(
            State::Advice,
            [format!(
                "find {directory} -name '*.journal' -exec sh -c 'cp --sparse=never \"$1\" \
                 \"$1.full\" && mv \"$1.full\" \"$1\"' _ {{}} \\;    # while the broker is stopped"
            )],
        )
    }
}

fn scheduler(device: &str, queue: &QueueFinding) -> Finding {
    let finding = |found: String| Finding::ok(AREA, "scheduler", found);
    let elsewhere = SCHEDULED_ELSEWHERE
        .iter()
        .any(|prefix| device.starts_with(prefix));
    match queue.scheduler.as_deref() {
        None => finding(format!("{device}: not shown")),
        Some("none") => finding(format!("{device}: none")),
        Some(other) if queue.rotational == Some(true) && !elsewhere => {
            finding(format!("{device}: {other}, which a disk with heads needs"))
        }
        Some(other) => finding(format!(
            "{device}: {other} sorts requests that the device sorts anyway"
        ))
        .but(
            State::Advice,
            [format!(
                "echo none | sudo tee /sys/block/{device}/queue/scheduler"
            )],
        ),
    }
}

fn write_cache(device: &str, queue: &QueueFinding) -> Finding {
    let finding = |found: String| Finding::ok(AREA, "write cache", found);
    match queue.is_volatile() {
        Some(true) => finding(format!(
            "{device}: volatile, and flushed before each acknowledgement"
        )),
        Some(false) => finding(format!(
            "{device}: none, or one that outlives a loss of power; flushes cost nothing"
        )),
        None => finding(format!("{device}: not shown")),
    }
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
