//! System calls that std has no name for, each with its result as a `Result`.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use bytes::Bytes;

use super::disk::DiskSpace;
use crate::base::{ByteCount, Now, Ticks, WallMs};

/// An errno, as every call of this file gives it.
pub(super) type Errno = i32;

pub(super) fn last_errno() -> Errno {
    errno_of(&io::Error::last_os_error())
}

pub(super) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Both clocks. `Ticks` count from the boot of the machine.
pub(super) fn now() -> Now {
    Now {
        ticks: ticks(),
        wall: WallMs((read_clock(libc::CLOCK_REALTIME) / 1_000_000) as i64),
    }
}

/// The monotonic clock alone.
pub(super) fn ticks() -> Ticks {
    Ticks(read_clock(libc::CLOCK_MONOTONIC))
}

/// The processor's time that the calling thread has had.
pub(super) fn thread_time() -> Duration {
    Duration::from_nanos(read_clock(libc::CLOCK_THREAD_CPUTIME_ID))
}

fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writes. The clocks used here exist on every Linux, so the
    // call can not fail.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Ties the calling thread to one processor.
pub(super) fn pin_to(cpu: usize) -> Result<(), Errno> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(libc::EINVAL);
    }
    // SAFETY: a `cpu_set_t` is plain bits, and all zero is the empty set; `cpu` is below its size.
    let outcome = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    check(outcome as isize).map(drop)
}

/// The calling thread gets a tenth of a core beside others that would take all of it.
pub(super) fn be_modest() {
    // SAFETY: no pointers; 0 is the calling thread. Refused, it runs like the others.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

/// An eventfd that reads block on; who reads it takes all that was counted.
pub(super) fn new_eventfd() -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed; a descriptor that is returned is ours alone.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) } as isize)? as RawFd;
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets a closed pipe end this process without a word, as tools do; a broker must not ask for it.
pub fn end_with_closed_pipe() {
    // SAFETY: no handler is installed; the signal gets back what the system does by default.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// How long the allocator keeps memory that was freed before the kernel gets it back.
const FREED_MEMORY_WAIT_MS: i64 = 10_000;

/// `mi_option_purge_delay`, which the bindings leave out.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Lets the allocator keep freed memory for longer than its own second: it takes it again a moment
/// later, and pages that the kernel has had meanwhile can be very dear (`fresh`). With a hundred
/// producers of 1 KiB batches on the 2-core reference machine, three runs each in turn, the slowest
/// of 1,000 requests took 88-175 ms before and 49-72 ms after.
pub fn keep_freed_memory() {
    // SAFETY: an option of the allocator's own, of which it takes any value.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, FREED_MEMORY_WAIT_MS) };
}

/// Adds one to an eventfd. Safe inside a signal handler.
pub(super) fn count_up(eventfd: RawFd) {
    let one = 1u64;
    // SAFETY: eight bytes are read from `one`. It fails only when the counter is full, and then a
    // reader is awake anyway.
    unsafe { libc::write(eventfd, (&raw const one).cast(), 8) };
}

/// Waits until an eventfd was counted up, and takes the count.
pub(super) fn await_count(eventfd: RawFd) {
    let mut count = 0u64;
    // SAFETY: eight bytes are written to `count`. An interrupted read counts as one that returned.
    unsafe { libc::read(eventfd, (&raw mut count).cast(), 8) };
}

/// A number nobody could foretell; the time, should the system have none.
pub(super) fn fresh_seed() -> u64 {
    let mut seed = 0u64;
    // SAFETY: eight bytes are written to `seed`.
    let count = unsafe { libc::getrandom((&raw mut seed).cast(), 8, 0) };
    if count == 8 { seed } else { ticks().0 }
}

/// Receives what is there into `memory`; zero bytes: the peer has finished sending.
pub(super) fn receive(socket: RawFd, memory: &mut [u8]) -> Result<usize, Errno> {
    loop {
        // SAFETY: `memory` is valid for writes of its length.
        let count = unsafe {
            let start = memory.as_mut_ptr().cast();
            libc::recv(socket, start, memory.len(), libc::MSG_DONTWAIT)
        };
        match check(count) {
            Err(libc::EINTR) => continue,
            other => return other,
        }
    }
}

/// Sends as much of `pieces` as the socket takes; returns how much.
pub(super) fn send(socket: RawFd, pieces: &[libc::iovec]) -> Result<usize, Errno> {
    loop {
        // SAFETY: all zero is a valid `msghdr`. The caller keeps the pieces alive over the call;
        // the kernel only reads through them.
        let count = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = pieces.as_ptr().cast_mut();
            message.msg_iovlen = pieces.len() as _;
            libc::sendmsg(socket, &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        };
        match check(count) {
            Err(libc::EINTR) => continue,
            other => return other,
        }
    }
}

/// A piece as the kernel wants to hear of it. Valid while the bytes live.
pub(super) fn piece(bytes: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}

/// Reads at a position; less than asked at the end of the file.
pub(super) fn read_at(file: &File, memory: &mut [u8], at: u64) -> Result<usize, Errno> {
    let mut done = 0;
    while done < memory.len() {
        let rest = &mut memory[done..];
        // SAFETY: `rest` is valid for writes of its length.
        let count = check(unsafe {
            let start = rest.as_mut_ptr().cast();
            libc::pread(file.as_raw_fd(), start, rest.len(), at as i64 + done as i64)
        });
        match count {
            Err(libc::EINTR) => continue,
            Err(errno) => return Err(errno),
            Ok(0) => break,
            Ok(count) => done += count,
        }
        // A direct read that ends inside a unit has met the end of the file, and the next one
        // would be refused for its odd position.
        if done % 512 != 0 {
            break;
        }
    }
    Ok(done)
}

/// Writes all of `data` at a position.
pub(super) fn write_at(file: &File, data: &[u8], at: u64) -> Result<(), Errno> {
    let mut done = 0;
    while done < data.len() {
        let rest = &data[done..];
        // SAFETY: `rest` is valid for reads of its length.
        let count = check(unsafe {
            let start = rest.as_ptr().cast();
            libc::pwrite(file.as_raw_fd(), start, rest.len(), at as i64 + done as i64)
        });
        match count {
            Err(libc::EINTR) => continue,
            Err(errno) => return Err(errno),
            Ok(0) => return Err(libc::EIO),
            Ok(count) => done += count,
        }
    }
    Ok(())
}

/// Writes all of `data` at a position; it is on stable storage when this returns.
pub(super) fn write_durably(file: &File, data: &[u8], at: u64) -> Result<(), Errno> {
    let whole = piece(data);
    // SAFETY: the piece lies in `data`, which outlives the call.
    let count =
        check(unsafe { libc::pwritev2(file.as_raw_fd(), &whole, 1, at as i64, libc::RWF_DSYNC) })?;
    if count == data.len() {
        Ok(())
    } else {
        Err(libc::EIO)
    }
}

/// Makes the range allocated and zero without writing it, where kernel and device can
/// (Linux 6.17, `FALLOC_FL_WRITE_ZEROES`).
pub(super) fn write_zeroes(file: &File, length: u64) -> Result<(), Errno> {
    const FALLOC_FL_WRITE_ZEROES: i32 = 0x80;
    allocate_as(file, FALLOC_FL_WRITE_ZEROES, length)
}

/// Gives the file room for `length` bytes, so that writing them can not run out of it.
pub(super) fn allocate(file: &File, length: u64) -> Result<(), Errno> {
    allocate_as(file, 0, length)
}

fn allocate_as(file: &File, mode: i32, length: u64) -> Result<(), Errno> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::fallocate(file.as_raw_fd(), mode, 0, length as i64) } as isize).map(drop)
}

/// What a file system that does not count its space is taken to have.
const SPACE_UNCOUNTED: u64 = 1 << 60;

/// The bytes of the file system of `file`.
pub(super) fn space_of(file: &File) -> Result<DiskSpace, Errno> {
    // SAFETY: all zero is a valid `statvfs`, and it is valid for writes.
    let stat = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        check(libc::fstatvfs(file.as_raw_fd(), &mut stat) as isize)?;
        stat
    };
    // A file system in memory may count no blocks at all; it ends where memory does.
    if stat.f_blocks == 0 {
        let all = ByteCount(SPACE_UNCOUNTED);
        return Ok(DiskSpace {
            usable: all,
            total: all,
        });
    }
    Ok(DiskSpace {
        usable: ByteCount(stat.f_bavail as u64 * stat.f_frsize as u64),
        total: ByteCount(stat.f_blocks as u64 * stat.f_frsize as u64),
    })
}

/// Both ends of a connection, `(peer, local)`.
pub(super) fn ends_of(socket: &socket2::Socket) -> Option<(SocketAddr, SocketAddr)> {
    let peer = socket.peer_addr().ok()?.as_socket()?;
    let local = socket.local_addr().ok()?.as_socket()?;
    Some((peer, local))
}

/// The bytes after the first `count` of `pieces`' front; pieces used up are taken off.
pub(super) fn consume(pieces: &mut std::collections::VecDeque<Bytes>, mut count: usize) {
    while count > 0 {
        let front = pieces.front_mut().expect("more was sent than there was");
        if front.len() > count {
            bytes::Buf::advance(front, count);
            return;
        }
        count -= front.len();
        pieces.pop_front();
    }
}

fn check(outcome: isize) -> Result<usize, Errno> {
    if outcome < 0 {
        Err(last_errno())
    } else {
        Ok(outcome as usize)
    }
}
