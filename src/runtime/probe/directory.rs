//! What the file system below a directory offers.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::base::ByteCount;
use crate::base::limits::ALIGN_BYTES;
use crate::runtime::block::BlockPool;
use crate::runtime::system::{self, Errno};

/// A directory's file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryFinding {
    /// As the mount table names it: `ext4`, `xfs`, `tmpfs`.
    pub file_system: String,
    pub free: ByteCount,
    pub direct_io: DirectIo,
    /// The whole disk's name in /sys/block, where there is one.
    pub device: Option<String>,
    /// Where it is mounted, and the options of the mount and of the file system.
    pub mounted_at: String,
    pub options: Vec<String>,
}

/// Whether files can be written past the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectIo {
    /// In our units of 4 KiB. The alignments are what statx tells; zero: it does not.
    Works {
        memory_align: u32,
        offset_align: u32,
    },
    Refused {
        errno: Errno,
    },
}

/// Asks about `path`, which must be a directory that can be written.
///
/// # Errors
/// What the system said when it was asked for the directory, or for a file in it.
pub fn directory(path: &Path) -> std::io::Result<DirectoryFinding> {
    let path = path.canonicalize()?;
    let device = fs::metadata(&path)?.dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = mount_of(&mounts, &path).unwrap_or_default();
    let opened = fs::File::open(&path)?;
    let free = system::space_of(&opened).map_err(std::io::Error::from_raw_os_error)?;
    Ok(DirectoryFinding {
        free: free.usable,
        direct_io: try_direct_io(&path)?,
        device: disk_of(&format!("{major}:{minor}"), &mount.source),
        file_system: mount.file_system,
        mounted_at: mount.point,
        options: mount.options,
    })
}

/// The flushes that a disk (a name in /sys/block) has carried out since boot.
pub fn device_flushes(device: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/sys/block/{device}/stat")).ok()?;
    stat.split_whitespace().nth(15)?.parse().ok()
}

/// A line of the mount table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mount {
    point: String,
    file_system: String,
    source: String,
    options: Vec<String>,
}

/// The file system that holds `path`: of the mounts above it the longest, and of these the last,
/// which hides the others.
fn mount_of(mounts: &str, path: &Path) -> Option<Mount> {
    let above = mounts.lines().filter_map(mount_in);
    let above = above.filter(|mount| path.starts_with(&mount.point));
    // Of equals `max_by_key` takes the last.
    above.max_by_key(|mount| mount.point.len())
}

fn mount_in(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(4);
    let (point, own) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (file_system, source) = (right.next()?, right.next()?);
    let shared = right.next().unwrap_or_default();
    let options = own.split(',').chain(shared.split(','));
    Some(Mount {
        point: point.replace("\\040", " "),
        file_system: file_system.to_owned(),
        source: source.to_owned(),
        options: options.map(str::to_owned).collect(),
    })
}

/// The whole disk of a device number; by the mount's source where that names none (btrfs).
fn disk_of(number: &str, source: &str) -> Option<String> {
    let by_number = fs::canonicalize(format!("/sys/dev/block/{number}"));
    let by_source = || {
        let name = Path::new(source).file_name()?;
        fs::canonicalize(Path::new("/sys/class/block").join(name)).ok()
    };
    let mut node = by_number.ok().or_else(by_source)?;
    // A partition's flushes are counted by its disk.
    if node.join("partition").exists() {
        node.pop();
    }
    Some(node.file_name()?.to_str()?.to_owned())
}

/// What is taken for true of a disk too full to try.
const UNTRIED: DirectIo = DirectIo::Works {
    memory_align: 0,
    offset_align: 0,
};

fn try_direct_io(path: &Path) -> std::io::Result<DirectIo> {
    let name = path.join(format!(".probe-{}", std::process::id()));
    let opened = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&name);
    match opened {
        Ok(file) => drop(file),
        // A full disk is no reason to refuse: a start needs no space, and reads go on.
        Err(error) if system::errno_of(&error) == libc::ENOSPC => return Ok(UNTRIED),
        Err(error) => return Err(error),
    }
    let found = try_direct_io_on(&name);
    fs::remove_file(&name)?;
    found
}

fn try_direct_io_on(name: &Path) -> std::io::Result<DirectIo> {
    let direct = fs::OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(name);
    let refused = |error: std::io::Error| match system::errno_of(&error) {
        errno @ (libc::EINVAL | libc::EOPNOTSUPP) => Ok(DirectIo::Refused { errno }),
        libc::ENOSPC => Ok(UNTRIED),
        _ => Err(error),
    };
    let file = match direct {
        Ok(file) => file,
        Err(error) => return refused(error),
    };
    let mut block = BlockPool::default().take(ALIGN_BYTES);
    let unit = ALIGN_BYTES.as_usize();
    block.spare()[..unit].fill(0);
    block.advance(unit);
    if let Err(errno) = system::write_at(&file, block.filled_bytes(), 0) {
        return refused(std::io::Error::from_raw_os_error(errno));
    }
    let (memory_align, offset_align) = alignment_of(name).unwrap_or((0, 0));
    Ok(DirectIo::Works {
        memory_align,
        offset_align,
    })
}

/// What statx says about direct I/O on a file (Linux 6.1).
fn alignment_of(name: &Path) -> Option<(u32, u32)> {
    let name = CString::new(name.as_os_str().as_bytes()).ok()?;
    // SAFETY: all zero is a valid `statx`, valid for writes; the name ends with a zero byte.
    let stat = unsafe {
        let mut stat: libc::statx = std::mem::zeroed();
        let mask = libc::STATX_DIOALIGN;
        if libc::statx(libc::AT_FDCWD, name.as_ptr(), 0, mask, &mut stat) != 0 {
            return None;
        }
        stat
    };
    let told = stat.stx_mask & libc::STATX_DIOALIGN != 0;
    told.then_some((stat.stx_dio_mem_align, stat.stx_dio_offset_align))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts_and_of_two_at_one_place_the_last() {
        let mounts = "\
            1 0 8:1 / / rw - ext4 /dev/sda1 rw,nobarrier\n\
            2 1 0:30 / /data rw shared:1 - tmpfs tmpfs rw\n\
            3 1 8:17 / /data rw - xfs /dev/sdb1 rw\n\
            4 1 8:33 / /data\\040two rw - btrfs /dev/sdc1 rw\n";
        let kind = |path| mount_of(mounts, Path::new(path)).map(|found| found.file_system);

        assert_eq!(kind("/var/lib"), Some("ext4".to_owned()));
        assert_eq!(kind("/data/x"), Some("xfs".to_owned()));
        assert_eq!(kind("/data two/x"), Some("btrfs".to_owned()));
        assert_eq!(kind("/database"), Some("ext4".to_owned()));
        let options = mount_of(mounts, Path::new("/")).expect("the root").options;
        assert_eq!(options, ["rw", "rw", "nobarrier"]);
    }

    #[test]
    fn a_directory_that_is_there_is_described_and_one_that_is_not_refused() {
        let found = directory(&std::env::temp_dir()).expect("it is there");

        assert!(!found.file_system.is_empty());
        assert!(found.free > ByteCount::mib(1));
        if let Some(device) = found.device {
            assert!(device_flushes(&device).is_some(), "{device}");
        }
        assert!(directory(Path::new("/nowhere/at/all")).is_err());
    }
}
