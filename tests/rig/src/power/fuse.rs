//! The FUSE daemon: a file system of one file, `disk`, whose bytes a `VolatileDisk` holds.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, LockOwner,
    MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyWrite, Request,
    Session, TimeOrNow, WriteFlags,
};

use super::disk::{Cut, VolatileDisk};

const DISK: INodeNo = INodeNo(2);
/// Attributes never change while it is mounted.
const KEPT: Duration = Duration::from_secs(3600);

/// Serves an image as `mount`/disk until standard input ends.
///
/// Prints `mounted` when it serves. A line `cut all` or `cut SEED` cuts the power and is answered
/// by `cut` once nothing more can reach the medium.
pub fn serve(image: &Path, mount: &Path) -> io::Result<()> {
    let medium = File::options().read(true).write(true).open(image)?;
    let disk = Arc::new(Mutex::new(VolatileDisk::new(medium)?));
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("volatile".into())];
    config.n_threads = Some(4);
    let mut session = Session::new(OneFile(disk.clone()), mount, &config)?;
    let mut unmounter = session.unmount_callable();
    std::thread::spawn(move || session.run());
    say("mounted")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let word = line.strip_prefix("cut ").ok_or_else(|| unknown(&line))?;
        let cut: Cut = word.parse().map_err(|_| unknown(&line))?;
        lock(&disk).cut(cut)?;
        say("cut")?;
    }
    // The rig has unmounted it already, unless it died; then the end of this process does.
    drop(unmounter.unmount());
    Ok(())
}

fn say(word: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}

fn unknown(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("not an order: {line}"))
}

fn lock(disk: &Mutex<VolatileDisk>) -> MutexGuard<'_, VolatileDisk> {
    disk.lock().expect("a request does not panic")
}

struct OneFile(Arc<Mutex<VolatileDisk>>);

impl OneFile {
    fn attributes(&self, inode: INodeNo) -> Result<FileAttr, Errno> {
        let (kind, size) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0),
            DISK => (FileType::RegularFile, lock(&self.0).length()),
            _ => return Err(Errno::ENOENT),
        };
        Ok(FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        })
    }
}

impl Filesystem for OneFile {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent != INodeNo::ROOT || name != "disk" {
            return reply.error(Errno::ENOENT);
        }
        match self.attributes(DISK) {
            Ok(attributes) => reply.entry(&KEPT, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Ok(attributes) => reply.attr(&KEPT, &attributes),
            Err(error) => reply.error(error),
        }
    }

    /// The kernel stamps the file when it is written to; a disk has no such stamps.
    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match self.attributes(inode) {
            Ok(attributes) => reply.attr(&KEPT, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match lock(&self.0).read(offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error.into()),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match lock(&self.0).write(offset, data) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error.into()),
        }
    }

    /// Sent when a descriptor is closed: not a reason to keep anything.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match lock(&self.0).flush() {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error.into()),
        }
    }
}
