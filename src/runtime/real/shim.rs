//! Between machine and ring, only with the feature `faults`: keeps writes volatile, delays flushes,
//! and plays the planted bugs.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::files::Home;
use super::mesh::{Door, Envelope};
use super::volatile::{self, Pending};
use crate::base::ByteCount;
use crate::runtime::block::BlockPool;
use crate::runtime::disk::{DiskDone, DiskError, DiskOp, DiskOutput, FileId, Ticket};
use crate::runtime::faults::{self, Faults};

/// What becomes of an operation.
pub(super) enum Verdict {
    /// The device does it.
    Pass(DiskOp),
    /// It is done.
    Answer(DiskDone),
    /// It will be answered like the helper's work.
    Later,
}

pub(super) struct Shim {
    faults: Faults,
    worker: Sender<Work>,
}

/// A flush that has its time.
struct Work {
    due: Instant,
    local: usize,
    home: Arc<Home>,
    file: FileId,
    writes: Vec<Pending>,
    /// None: it was answered already.
    answer: Option<(Ticket, DiskOutput)>,
}

impl Shim {
    pub(super) fn new<M: std::marker::Send + 'static>(door: Door<M>) -> Self {
        let (worker, work) = channel();
        std::thread::spawn(move || do_work(work, door));
        // `run` has refused a variable that can not be read.
        let faults = faults::current().cloned().unwrap_or_default();
        Self { faults, worker }
    }

    fn is_idle(&self) -> bool {
        self.faults == Faults::default()
    }

    pub(super) fn judge(
        &self,
        local: usize,
        home: &Arc<Home>,
        pool: &BlockPool,
        op: DiskOp,
    ) -> Verdict {
        if self.is_idle() {
            return Verdict::Pass(op);
        }
        match op {
            DiskOp::Write {
                ticket,
                file,
                durable,
                at,
                data,
            } => self.judge_write((local, home), (ticket, file), (at, data, durable)),
            DiskOp::Flush { ticket, file } => {
                let writes = home.volatile.as_ref().map(|all| all.pending(file));
                let writes = writes.unwrap_or_default();
                self.flush(
                    local,
                    home,
                    file,
                    writes,
                    done(ticket, Ok(DiskOutput::Flushed)),
                )
            }
            DiskOp::Read {
                ticket,
                file,
                at,
                length,
            } if home.volatile.is_some() => {
                let mut block = pool.take(length);
                let memory = &mut block.spare()[..length.as_usize()];
                let result = volatile::read(home, file, at, memory);
                let result = result.map(|count| {
                    block.advance(count);
                    DiskOutput::Read(block)
                });
                let result = result.map_err(|error| DiskError { at, ..error });
                Verdict::Answer(done(ticket, result))
            }
            DiskOp::Remove { file, .. } => {
                if let Some(volatile) = &home.volatile {
                    volatile.forget(file);
                }
                Verdict::Pass(op)
            }
            DiskOp::Read { .. } | DiskOp::Prepare { .. } | DiskOp::Space { .. } => {
                Verdict::Pass(op)
            }
        }
    }

    fn judge_write(
        &self,
        (local, home): (usize, &Arc<Home>),
        (ticket, file): (Ticket, FileId),
        (at, data, durable): (crate::base::Position, bytes::Bytes, bool),
    ) -> Verdict {
        let Some(volatile) = &home.volatile else {
            // Without a volatile disk a write that should be durable is a plain one, and what
            // makes it durable comes after the delay; both planted bugs leave that out.
            let planted = ["no-flush", "ack-before-flush"];
            let honest = !planted.iter().any(|plant| self.faults.has_plant(plant));
            if durable && honest && !self.faults.flush_delay.is_zero() {
                let writes = volatile::Volatile::default().put(file, at, data.clone());
                let written = DiskOutput::Written(ByteCount(data.len() as u64));
                return self.flush(local, home, file, writes, done(ticket, Ok(written)));
            }
            return Verdict::Pass(DiskOp::Write {
                ticket,
                file,
                at,
                data,
                durable: durable && honest,
            });
        };
        if let Err(error) = home.open_file(file, false) {
            return Verdict::Answer(done(ticket, Err(DiskError { at, ..error })));
        }
        let written = DiskOutput::Written(ByteCount(data.len() as u64));
        let write = volatile.put(file, at, data);
        let done = done(ticket, Ok(written));
        if durable {
            self.flush(local, home, file, write, done)
        } else {
            Verdict::Answer(done)
        }
    }

    fn flush(
        &self,
        local: usize,
        home: &Arc<Home>,
        file: FileId,
        writes: Vec<Pending>,
        done: DiskDone,
    ) -> Verdict {
        if self.faults.has_plant("no-flush") {
            return Verdict::Answer(done);
        }
        let early = self.faults.has_plant("ack-before-flush");
        let (verdict, answer) = match (early, done) {
            (
                false,
                DiskDone {
                    ticket,
                    result: Ok(output),
                },
            ) => (Verdict::Later, Some((ticket, output))),
            (_, done) => (Verdict::Answer(done), None),
        };
        let work = Work {
            due: Instant::now() + self.faults.flush_delay,
            local,
            home: home.clone(),
            file,
            writes,
            answer,
        };
        // The worker lives until the shim is gone.
        let _ = self.worker.send(work);
        verdict
    }
}

fn done(ticket: Ticket, result: Result<DiskOutput, DiskError>) -> DiskDone {
    DiskDone { ticket, result }
}

fn do_work<M>(works: Receiver<Work>, door: Door<M>) {
    for work in works {
        std::thread::sleep(work.due.saturating_duration_since(Instant::now()));
        let settled = volatile::settle(&work.home, work.file, &work.writes);
        if let Some((ticket, output)) = work.answer {
            door.put(Envelope::Disk {
                local: work.local,
                gone: None,
                done: done(ticket, settled.map(|()| output)),
            });
        }
    }
}
