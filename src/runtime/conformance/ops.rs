//! Disk operations in short, and a machine that hands them over batch by batch.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{PAGE, Rig, Shape, no_client};
use crate::base::{ByteCount, Now, Position};
use crate::runtime::block::BlockPool;
use crate::runtime::disk::{Directory, DiskError, DiskOp, DiskOutput, FileId, Ticket};
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::{Boot, Machine};

pub const FILE: FileId = FileId(3);
pub const OTHER: FileId = FileId(12);

/// What Linux calls a file that is not there.
pub const ENOENT: i32 = 2;

/// So many pages of one byte.
pub fn pages(count: u64, fill: u8) -> Bytes {
    let pool = BlockPool::default();
    let mut block = pool.take(bytes(count));
    block.append(&vec![fill; bytes(count).as_usize()]);
    block.freeze()
}

pub fn bytes(pages: u64) -> ByteCount {
    ByteCount(PAGE.0 * pages)
}

pub fn page(number: u64) -> Position {
    Position(PAGE.0 * number)
}

/// What each page holds, which is one byte throughout.
pub fn fills(bytes: &[u8]) -> Vec<u8> {
    let fill = |page: &[u8]| {
        assert!(page.iter().all(|byte| *byte == page[0]), "a page is mixed");
        page[0]
    };
    bytes.chunks(PAGE.as_usize()).map(fill).collect()
}

/// The pages of `file` from the first on, as a start finds them.
pub fn stored(directory: &mut dyn Directory, file: FileId, count: u64) -> Vec<u8> {
    let read = directory.read(file, page(0), bytes(count)).expect("read");
    fills(read.filled_bytes())
}

/// The files, and how many pages each has.
pub fn listed(directory: &mut dyn Directory) -> Vec<(FileId, u64)> {
    let listed = directory.list().expect("list").into_iter();
    let lengths = listed.map(|found| (found.file, found.length.0 / PAGE.0));
    lengths.collect()
}

/// So many pages of a file, from one on.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub file: FileId,
    pub page: u64,
    pub count: u64,
}

pub const fn place(file: FileId, page: u64, count: u64) -> Place {
    Place { file, page, count }
}

pub fn write(ticket: u64, to: Place, fill: u8) -> DiskOp {
    DiskOp::Write {
        ticket: Ticket(ticket),
        file: to.file,
        at: page(to.page),
        data: pages(to.count, fill),
        durable: false,
    }
}

pub fn write_durably(number: u64, to: Place, fill: u8) -> DiskOp {
    let mut op = write(number, to, fill);
    if let DiskOp::Write { durable, .. } = &mut op {
        *durable = true;
    }
    op
}

pub fn read(ticket: u64, from: Place) -> DiskOp {
    DiskOp::Read {
        ticket: Ticket(ticket),
        file: from.file,
        at: page(from.page),
        length: bytes(from.count),
    }
}

pub fn flush(ticket: u64, file: FileId) -> DiskOp {
    let ticket = Ticket(ticket);
    DiskOp::Flush { ticket, file }
}

pub fn prepare(ticket: u64, file: FileId, pages: u64) -> DiskOp {
    DiskOp::Prepare {
        ticket: Ticket(ticket),
        file,
        length: bytes(pages),
    }
}

pub fn remove(ticket: u64, file: FileId) -> DiskOp {
    let ticket = Ticket(ticket);
    DiskOp::Remove { ticket, file }
}

/// How the operations of one batch ended.
pub struct Ended(BTreeMap<u64, Result<DiskOutput, DiskError>>);

impl Ended {
    fn of(&self, ticket: u64) -> &DiskOutput {
        match &self.0[&ticket] {
            Ok(output) => output,
            Err(error) => panic!("operation {ticket} failed: {error:?}"),
        }
    }

    /// How many pages were written.
    pub fn written(&self, ticket: u64) -> u64 {
        match self.of(ticket) {
            DiskOutput::Written(count) => count.0 / PAGE.0,
            other => panic!("a write brought {other:?}"),
        }
    }

    /// What the pages that were read hold.
    pub fn read(&self, ticket: u64) -> Vec<u8> {
        match self.of(ticket) {
            DiskOutput::Read(block) => fills(block.filled_bytes()),
            other => panic!("a read brought {other:?}"),
        }
    }

    pub fn error(&self, ticket: u64) -> Option<&DiskError> {
        self.0[&ticket].as_ref().err()
    }

    /// Nothing was refused.
    pub fn is_well(&self) -> bool {
        self.0.values().all(Result::is_ok)
    }
}

/// Operations in batches: the next is handed over when every one of the last has ended. An empty
/// one is the end.
#[derive(Clone, Copy)]
pub struct Plan {
    pub batch: fn(usize) -> Vec<DiskOp>,
    pub check: fn(usize, &Ended),
}

struct Batches {
    plan: Plan,
    number: usize,
    /// Handed over, in that order, and not ended.
    due: Vec<u64>,
    ended: Ended,
    /// One ended before another that was handed over earlier.
    reordered: bool,
}

impl Machine for Batches {
    type Message = u64;

    fn handle(&mut self, _: Now, event: Event<u64>, actions: &mut Actions<u64>) {
        match event {
            Event::Started => {}
            Event::Disk(done) => {
                let ticket = done.ticket.0;
                let place = self.due.iter().position(|due| *due == ticket);
                let place = place.unwrap_or_else(|| panic!("{ticket} is not under way"));
                self.reordered |= place > 0;
                self.due.remove(place);
                self.ended.0.insert(ticket, done.result);
                if !self.due.is_empty() {
                    return;
                }
                (self.plan.check)(self.number, &self.ended);
                self.number += 1;
                self.ended.0.clear();
            }
            other => panic!("nobody asked for {other:?}"),
        }
        actions.disk = (self.plan.batch)(self.number);
        self.due = actions.disk.iter().map(|op| op.ticket().0).collect();
        if self.due.is_empty() {
            actions.stopped = Some(u8::from(self.reordered));
        }
    }

    fn end_turn(&mut self, _: Now, _: &mut Actions<u64>) {}
}

/// That operations ended in another order than that in which they were handed over.
pub const REORDERED: &str = "disk: ended in another order";

/// Runs a plan over an empty directory, then shows what is left of it.
pub fn run_plan(rig: &mut impl Rig, plan: Plan, look: impl FnOnce(&mut dyn Directory)) {
    let make = move |_: Boot<'_>| Batches {
        plan,
        number: 0,
        due: Vec::new(),
        ended: Ended(BTreeMap::new()),
        reordered: false,
    };

    let code = rig.run_and_look(Shape::ONE, make, no_client, look);

    assert!(code <= 1, "{code}");
    if code == 1 {
        rig.note(REORDERED);
    }
}
