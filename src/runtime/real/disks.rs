//! The disk operations of one core's shards: writes, flushes and reads through the ring, the rest
//! through a helper thread, because making, removing and measuring files waits in the kernel.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use io_uring::{opcode, squeue, types};

use super::error::RunError;
use super::files::{Files, Home, failed};
use super::mesh::{Door, Envelope};
use super::patience::Wait;
use super::ring::{Completion, Ring, Tag};
use crate::base::{ByteCount, Position};
use crate::runtime::block::{Block, BlockPool};
use crate::runtime::disk::{DiskDone, DiskError, DiskOp, DiskOutput, FileId, Ticket};
use crate::runtime::system;

/// An operation that the kernel holds. What it points to lives here until it ends.
struct UnderWay {
    local: usize,
    ticket: Ticket,
    file: FileId,
    at: Position,
    open: Arc<File>,
    kind: Kind,
}

enum Kind {
    Write { data: Bytes, durable: bool },
    Flush,
    Read { block: Block, length: ByteCount },
}

/// Larger ones are begun by a worker of the kernel's, not by the core itself. Its pages are pinned
/// and its requests made one by one; memory for a read that nobody has touched is made meanwhile;
/// and a durable write that the device ends before it was wholly handed over is flushed on the
/// spot, by whoever began it. On the 2-core reference machine a core was held up by these for up to
/// 300 ms while readers were behind the tail, in which it served nobody.
const BEGUN_BY_CORE_MAX: usize = 64 << 10;

impl UnderWay {
    /// True if a worker of the kernel's is to begin it.
    fn is_for_worker(&self) -> bool {
        match &self.kind {
            Kind::Write { data, .. } => data.len() > BEGUN_BY_CORE_MAX,
            Kind::Flush => false,
            Kind::Read { length, .. } => length.as_usize() > BEGUN_BY_CORE_MAX,
        }
    }

    fn entry(&mut self) -> squeue::Entry {
        let flags = match self.is_for_worker() {
            true => squeue::Flags::ASYNC,
            false => squeue::Flags::empty(),
        };
        let file = types::Fd(self.open.as_raw_fd());
        let entry = match &mut self.kind {
            Kind::Write { data, durable } => {
                opcode::Write::new(file, data.as_ptr(), data.len() as u32)
                    .offset(self.at.0)
                    .rw_flags(if *durable { libc::RWF_DSYNC } else { 0 })
                    .build()
            }
            Kind::Flush => opcode::Fsync::new(file)
                .flags(types::FsyncFlags::DATASYNC)
                .build(),
            Kind::Read { block, length } => {
                let memory = &mut block.spare()[..length.as_usize()];
                opcode::Read::new(file, memory.as_mut_ptr(), memory.len() as u32)
                    .offset(self.at.0)
                    .build()
            }
        };
        entry.flags(flags)
    }

    fn done(self, result: i32) -> DiskDone {
        let count = ByteCount(result.max(0) as u64);
        let (call, output) = match self.kind {
            Kind::Write { .. } => ("write", DiskOutput::Written(count)),
            Kind::Flush => ("fdatasync", DiskOutput::Flushed),
            Kind::Read { mut block, .. } => {
                block.advance(count.as_usize());
                ("read", DiskOutput::Read(block))
            }
        };
        let error = DiskError {
            call,
            file: self.file,
            at: self.at,
            errno: -result,
        };
        DiskDone {
            ticket: self.ticket,
            result: if result < 0 { Err(error) } else { Ok(output) },
        }
    }
}

/// The disks of a core, one directory per shard.
pub(super) struct Disks {
    shards: Vec<Files>,
    pool: BlockPool,
    under_way: Vec<Option<UnderWay>>,
    free: Vec<usize>,
    helper: Sender<Job>,
    /// Ended without the kernel: refused at once.
    ended: VecDeque<(usize, DiskDone)>,
    #[cfg(any(test, feature = "faults"))]
    shim: Option<super::shim::Shim>,
}

impl Disks {
    pub(super) fn new(homes: Vec<Arc<Home>>, pool: BlockPool, helper: Sender<Job>) -> Self {
        Self {
            shards: homes.into_iter().map(Files::new).collect(),
            pool,
            under_way: Vec::new(),
            free: Vec::new(),
            helper,
            ended: VecDeque::new(),
            #[cfg(any(test, feature = "faults"))]
            shim: None,
        }
    }

    pub(super) fn begin(&mut self, ring: &mut Ring, local: usize, op: DiskOp) {
        op.assert_aligned();
        #[cfg(any(test, feature = "faults"))]
        let Some(op) = self.judge(local, op) else {
            return;
        };
        let (ticket, file, at, kind) = match op {
            DiskOp::Write {
                ticket,
                file,
                at,
                data,
                durable,
            } => (ticket, file, at, Kind::Write { data, durable }),
            DiskOp::Flush { ticket, file } => (ticket, file, Position(0), Kind::Flush),
            DiskOp::Read {
                ticket,
                file,
                at,
                length,
            } => {
                let block = self.pool.take(length);
                (ticket, file, at, Kind::Read { block, length })
            }
            DiskOp::Prepare { .. } | DiskOp::Space { .. } => return self.delegate(local, op),
            DiskOp::Remove { file, .. } => {
                self.shards[local].forget(file);
                return self.delegate(local, op);
            }
        };
        match self.shards[local].get(file, false) {
            Ok(open) => self.hand_over(
                ring,
                UnderWay {
                    local,
                    ticket,
                    file,
                    at,
                    open,
                    kind,
                },
            ),
            Err(error) => {
                let result = Err(DiskError { at, ..error });
                self.ended.push_back((local, DiskDone { ticket, result }));
            }
        }
    }

    #[cfg(any(test, feature = "faults"))]
    pub(super) fn with_faults(self, shim: super::shim::Shim) -> Self {
        Self {
            shim: Some(shim),
            ..self
        }
    }

    /// Plays the faults; None: the device is not asked.
    #[cfg(any(test, feature = "faults"))]
    fn judge(&mut self, local: usize, op: DiskOp) -> Option<DiskOp> {
        use super::shim::Verdict;
        let Some(shim) = &self.shim else {
            return Some(op);
        };
        match shim.judge(local, self.shards[local].home(), &self.pool, op) {
            Verdict::Pass(op) => Some(op),
            Verdict::Answer(done) => {
                self.ended.push_back((local, done));
                None
            }
            Verdict::Later => None,
        }
    }

    fn hand_over(&mut self, ring: &mut Ring, operation: UnderWay) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.under_way.push(None);
            self.under_way.len() - 1
        });
        let entry = self.under_way[slot].insert(operation).entry();
        // SAFETY: what the entry points to is owned by the slot, in memory that does not move when
        // the slot does, and the slot is emptied only by the completion.
        unsafe { ring.push_tagged(entry, Tag::Disk(slot as u64)) };
    }

    fn delegate(&mut self, local: usize, op: DiskOp) {
        let home = self.shards[local].home().clone();
        // The helper outlives the core's loop.
        let _ = self.helper.send(Job { local, home, op });
    }

    /// The operation in `slot` ended; None if it must be tried again.
    pub(super) fn completed(
        &mut self,
        ring: &mut Ring,
        slot: u64,
        completion: Completion,
    ) -> Option<(usize, DiskDone)> {
        let slot = slot as usize;
        let operation = self.under_way.get_mut(slot)?.take()?;
        self.free.push(slot);
        // Nothing was begun: this is no failure of the medium.
        if matches!(-completion.result, libc::EINTR | libc::EAGAIN) {
            self.hand_over(ring, operation);
            return None;
        }
        Some((operation.local, operation.done(completion.result)))
    }

    /// A file is gone. What was handed over while that was under way may have opened it once more,
    /// and would go on with a file that no name leads to.
    pub(super) fn are_without(&mut self, local: usize, gone: Option<FileId>) {
        if let Some(file) = gone {
            self.shards[local].forget(file);
        }
    }

    /// The next operation that ended without the kernel.
    pub(super) fn next_ended(&mut self) -> Option<(usize, DiskDone)> {
        self.ended.pop_front()
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// What a core with nothing to do waits for.
    pub(super) fn waits_for(&self) -> Wait {
        let mut under_way = self.under_way.iter().flatten().peekable();
        if under_way.peek().is_none() {
            return Wait::Others;
        }
        match under_way.any(UnderWay::is_for_worker) {
            true => Wait::Workers,
            false => Wait::Device,
        }
    }

    /// True while the kernel may touch our memory.
    pub(super) fn is_under_way(&self) -> bool {
        self.free.len() < self.under_way.len()
    }
}

/// Work for the helper thread.
pub(super) struct Job {
    local: usize,
    home: Arc<Home>,
    op: DiskOp,
}

/// Starts the helper of one core. It ends when the sender is gone. Called on a thread that is not
/// pinned, so that the helper is not either.
pub(super) fn start_helper<M: std::marker::Send + 'static>(
    core: usize,
    door: Door<M>,
) -> Result<(Sender<Job>, JoinHandle<()>), RunError> {
    let (sender, jobs) = channel();
    let thread = std::thread::Builder::new()
        .name(format!("disk-helper-{core}"))
        .spawn(move || help(jobs, door))
        .map_err(|error| RunError::System {
            call: "clone",
            errno: system::errno_of(&error),
        })?;
    Ok((sender, thread))
}

fn help<M>(jobs: Receiver<Job>, door: Door<M>) {
    for Job { local, home, op } in jobs {
        let mut gone = None;
        let (ticket, result) = match op {
            DiskOp::Prepare {
                ticket,
                file,
                length,
            } => (
                ticket,
                home.prepare(file, length).map(|()| DiskOutput::Prepared),
            ),
            DiskOp::Remove { ticket, file } => {
                gone = Some(file);
                (ticket, home.remove(file).map(|()| DiskOutput::Removed))
            }
            DiskOp::Space { ticket } => (ticket, home.space().map(DiskOutput::Space)),
            DiskOp::Write { ticket, file, .. }
            | DiskOp::Flush { ticket, file }
            | DiskOp::Read { ticket, file, .. } => (
                ticket,
                Err(failed("not for the helper", file, libc::EINVAL)),
            ),
        };
        door.put(Envelope::Disk {
            local,
            gone,
            done: DiskDone { ticket, result },
        });
    }
}
