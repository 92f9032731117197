//! How the kernel drives a block device, and how a journal's files lie on it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::host::chosen;
use crate::base::ByteCount;

/// What /sys/block says of a disk. What can not be read is None.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFinding {
    /// The I/O scheduler in force.
    pub scheduler: Option<String>,
    /// A disk with heads to move, or one that does not say.
    pub rotational: Option<bool>,
    /// `write back`: what was written is volatile until it is flushed; `write through`: it is not.
    pub write_cache: Option<String>,
    /// The device can be told what is no longer used.
    pub discards: bool,
}

impl QueueFinding {
    /// Whether what was written is lost with the power until it is flushed, if the disk says.
    pub fn is_volatile(&self) -> Option<bool> {
        match self.write_cache.as_deref()? {
            "write back" => Some(true),
            "write through" => Some(false),
            _ => None,
        }
    }
}

/// Reads what `/sys/block/DEVICE` below `root` says; `root` is `/` but in tests.
pub fn queue(root: &Path, device: &str) -> QueueFinding {
    let folder = root.join("sys/block").join(device).join("queue");
    let read = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        Some(text.trim().to_owned())
    };
    QueueFinding {
        scheduler: read("scheduler").and_then(|text| chosen(&text)),
        rotational: read("rotational").map(|text| text == "1"),
        write_cache: read("write_cache"),
        discards: read("discard_max_bytes").is_some_and(|text| text != "0"),
    }
}

/// Files of a directory that were prepared for writing, and how many of them have holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreparedFinding {
    pub files: usize,
    /// Files with fewer blocks than their length needs: a copy that left zeroes out. Each write
    /// into a hole makes the file system allocate, and write its own journal, within our flush.
    pub with_holes: usize,
    /// Their lengths, summed.
    pub bytes: ByteCount,
}

impl PreparedFinding {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            with_holes: self.with_holes + other.with_holes,
            bytes: ByteCount(self.bytes.0 + other.bytes.0),
        }
    }
}

/// Looks at the journal files of `directory`; nothing if it is not there.
pub fn prepared(directory: &Path) -> PreparedFinding {
    let mut found = PreparedFinding::default();
    let Ok(entries) = fs::read_dir(directory) else {
        return found;
    };
    for entry in entries.flatten() {
        let is_journal = entry.path().extension().is_some_and(|end| end == "journal");
        let Some(file) = entry
            .metadata()
            .ok()
            .filter(|file| is_journal && file.is_file())
        else {
            continue;
        };
        found.files += 1;
        found.bytes.0 += file.len();
        // st_blocks counts 512 bytes, whatever the file system's own unit is.
        found.with_holes += usize::from(file.blocks() * 512 < file.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_read_from_its_files() {
        let root = std::env::temp_dir().join(format!("thalweg-queue-{}", std::process::id()));
        let folder = root.join("sys/block/sdx/queue");
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in [
            ("scheduler", "none [bfq]\n"),
            ("rotational", "0\n"),
            ("write_cache", "write back\n"),
            ("discard_max_bytes", "0\n"),
        ] {
            fs::write(folder.join(name), text).expect("a file");
        }

        let found = queue(&root, "sdx");

        assert_eq!(found.scheduler.as_deref(), Some("bfq"));
        assert_eq!(found.rotational, Some(false));
        assert_eq!(found.write_cache.as_deref(), Some("write back"));
        assert!(!found.discards);
        assert_eq!(queue(&root, "sdy"), QueueFinding::default());
        fs::remove_dir_all(&root).expect("ours");
    }

    #[test]
    fn a_file_that_was_copied_without_its_zeroes_has_holes() {
        let folder = std::env::temp_dir().join(format!("thalweg-holes-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("00000001.journal"), vec![7; 8192]).expect("a file");
        let sparse = fs::File::create(folder.join("00000002.journal")).expect("a file");
        sparse.set_len(1 << 20).expect("a hole");
        fs::write(folder.join("lock"), "").expect("a file");

        let found = prepared(&folder);

        assert_eq!((found.files, found.with_holes), (2, 1));
        assert_eq!(found.bytes, ByteCount((1 << 20) + 8192));
        fs::remove_dir_all(&folder).expect("ours");
    }
}
