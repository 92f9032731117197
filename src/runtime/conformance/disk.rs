//! The directory, by events and for a machine that boots.

use super::ops::{FILE, OTHER, page, pages};
use super::{PAGE, Rig, Script, Shape, no_client};
use crate::base::ByteCount;
use crate::runtime::disk::{Directory, DiskDone, DiskOp, DiskOutput, Ticket};
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::Boot;

const PAGES: u64 = 16;

pub fn run(rig: &mut impl Rig) {
    a_boot_reads_what_it_wrote(rig);
    operations_end_as_they_should(rig);
}

fn a_boot_reads_what_it_wrote(rig: &mut impl Rig) {
    let make = |boot: Boot<'_>| {
        check_directory(boot.directory);
        Script(|_, event, actions: &mut Actions<u64>| {
            if let Event::Started = event {
                actions.stopped = Some(0);
            }
        })
    };

    let code = rig.run(Shape::ONE, make, no_client);

    assert_eq!(code, 0);
}

fn check_directory(directory: &mut dyn Directory) {
    assert_eq!(directory.list().expect("list"), []);
    assert!(directory.read(FILE, page(0), PAGE).is_err(), "no such file");
    directory
        .prepare(OTHER, ByteCount(PAGE.0 * 4))
        .expect("prepare");
    directory
        .write(FILE, page(1), &pages(2, 7))
        .expect("write makes it");
    directory.flush(FILE).expect("flush");

    let listed = directory.list().expect("list");
    let listed: Vec<_> = listed
        .iter()
        .map(|found| (found.file, found.length.0 / PAGE.0))
        .collect();
    assert_eq!(listed, [(FILE, 3), (OTHER, 4)]);
    let read = directory
        .read(FILE, page(0), ByteCount(PAGE.0 * 8))
        .expect("read");
    assert_eq!(read.filled_bytes()[..4096], [0; 4096]);
    assert_eq!(read.filled_bytes()[4096..], [7; 8192]);
    let beyond = directory.read(OTHER, page(9), PAGE).expect("read");
    assert_eq!(beyond.filled(), 0, "nothing is beyond the end");
    let zeroes = directory.read(OTHER, page(3), PAGE).expect("read");
    assert_eq!(zeroes.filled_bytes(), [0; 4096]);

    directory.remove(FILE).expect("remove");
    directory.remove(FILE).expect("remove again");
    assert_eq!(directory.list().expect("list").len(), 1);
    assert!(directory.space().expect("space").usable > ByteCount::mib(1));
}

/// One operation after the other, and what each must bring.
struct Steps {
    step: u64,
}

impl Steps {
    fn op(&self) -> Option<DiskOp> {
        let ticket = Ticket(self.step);
        let file = FILE;
        let write = |at, data, durable| DiskOp::Write {
            ticket,
            file,
            at,
            data,
            durable,
        };
        let length = ByteCount(PAGE.0 * PAGES);
        Some(match self.step {
            0 => DiskOp::Prepare {
                ticket,
                file,
                length,
            },
            1 => write(page(2), pages(1, 1), false),
            2 => DiskOp::Flush { ticket, file },
            3 => write(page(3), pages(2, 2), true),
            4 => DiskOp::Read {
                ticket,
                file,
                at: page(1),
                length: ByteCount(PAGE.0 * 5),
            },
            5 => DiskOp::Read {
                ticket,
                file,
                at: page(PAGES - 1),
                length: ByteCount(PAGE.0 * 4),
            },
            6 => DiskOp::Space { ticket },
            7 => DiskOp::Read {
                ticket,
                file: OTHER,
                at: page(0),
                length: PAGE,
            },
            8 => DiskOp::Prepare {
                ticket,
                file,
                length: PAGE,
            },
            9 => DiskOp::Remove { ticket, file },
            10 => DiskOp::Remove { ticket, file },
            _ => return None,
        })
    }

    fn check(&self, done: DiskDone) {
        assert_eq!(done.ticket, Ticket(self.step));
        match (self.step, done.result) {
            (0 | 8, Ok(DiskOutput::Prepared)) => {}
            (1, Ok(DiskOutput::Written(count))) => assert_eq!(count, PAGE),
            (2, Ok(DiskOutput::Flushed)) => {}
            (3, Ok(DiskOutput::Written(count))) => assert_eq!(count, ByteCount(PAGE.0 * 2)),
            (4, Ok(DiskOutput::Read(block))) => {
                let firsts: Vec<u8> = block.filled_bytes().chunks(4096).map(|p| p[0]).collect();
                assert_eq!(firsts, [0, 1, 2, 2, 0]);
            }
            (5, Ok(DiskOutput::Read(block))) => assert_eq!(block.filled(), 4096),
            (6, Ok(DiskOutput::Space(space))) => assert!(space.usable > ByteCount::mib(1)),
            (7, Err(error)) => assert_eq!(error.errno, 2, "{error:?}"),
            (9 | 10, Ok(DiskOutput::Removed)) => {}
            (step, result) => panic!("step {step} brought {result:?}"),
        }
    }
}

fn operations_end_as_they_should(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut steps = Steps { step: 0 };
        Script(move |_, event, actions: &mut Actions<u64>| {
            match event {
                Event::Started => {}
                Event::Disk(done) => {
                    steps.check(done);
                    steps.step += 1;
                }
                other => panic!("nobody asked for {other:?}"),
            }
            match steps.op() {
                Some(op) => actions.disk.push(op),
                None => actions.stopped = Some(0),
            }
        })
    };

    let code = rig.run(Shape::ONE, make, no_client);

    assert_eq!(code, 0);
}
