//! Many disk operations at once: each ends once, as itself; what is not there is refused; files
//! come and go.

use super::Rig;
use super::ops::{
    ENOENT, Ended, FILE, OTHER, Place, Plan, flush, listed, page, place, prepare, read, remove,
    run_plan, stored, write, write_durably,
};
use crate::runtime::disk::{DiskOp, FileId, Ticket};

pub fn run(rig: &mut impl Rig) {
    each_of_many_in_flight_ends_once_and_as_it_was_asked(rig);
    reads_end_where_the_file_does(rig);
    what_is_not_there_is_refused_and_is_not_made(rig);
    a_file_prepared_again_is_zeroes_in_front_and_keeps_the_rest(rig);
    a_file_that_was_removed_and_made_anew_is_not_the_old_one(rig);
}

/// Operations of the large batches, the pages from the start of one to that of the next, and the
/// most that one has: some are so large that the real driver has the kernel's workers begin them.
const MANY: u64 = 24;
const STRIDE: u64 = 18;
const SPAN: u64 = MANY * STRIDE;

fn length(number: u64) -> u64 {
    1 + number * 5 % (STRIDE - 1)
}

/// The pages of one operation, in the first or the second half of the file.
fn part(half: u64, number: u64) -> Place {
    place(FILE, half * SPAN + number * STRIDE, length(number))
}

fn fill(half: u64, number: u64) -> u8 {
    (1 + half * 100 + number) as u8
}

fn many_writes(half: u64) -> Vec<DiskOp> {
    let write = |number: u64| {
        let write = if number.is_multiple_of(3) {
            write_durably
        } else {
            write
        };
        // Not in the order of handing over.
        write(1_000 - number, part(half, number), fill(half, number))
    };
    (0..MANY).map(write).collect()
}

fn many_reads(half: u64) -> Vec<DiskOp> {
    let read = |number: u64| {
        let first = half * SPAN + number * STRIDE;
        read(number, place(FILE, first, STRIDE))
    };
    (0..MANY).map(read).collect()
}

fn many(batch: usize) -> Vec<DiskOp> {
    let mixed = || {
        let mut all = many_writes(1);
        all.extend(many_reads(0));
        all.push(flush(2_000, FILE));
        all.push(prepare(2_001, OTHER, 4));
        all.push(DiskOp::Space {
            ticket: Ticket(2_002),
        });
        all
    };
    match batch {
        0 => vec![prepare(0, FILE, 2 * SPAN)],
        1 => many_writes(0),
        2 => mixed(),
        3 => many_reads(1),
        _ => Vec::new(),
    }
}

fn check_many(batch: usize, ended: &Ended) {
    assert!(ended.is_well());
    for number in (0..MANY).filter(|_| matches!(batch, 1 | 2)) {
        assert_eq!(ended.written(1_000 - number), length(number));
    }
    for number in (0..MANY).filter(|_| matches!(batch, 2 | 3)) {
        let half = batch as u64 - 2;
        let mut expected = vec![0; STRIDE as usize];
        expected[..length(number) as usize].fill(fill(half, number));
        assert_eq!(ended.read(number), expected, "{number} of {half}");
    }
}

fn each_of_many_in_flight_ends_once_and_as_it_was_asked(rig: &mut impl Rig) {
    let plan = Plan {
        batch: many,
        check: check_many,
    };

    run_plan(rig, plan, |directory| {
        assert_eq!(listed(directory), [(FILE, 2 * SPAN), (OTHER, 4)]);
    });
}

fn reads_end_where_the_file_does(rig: &mut impl Rig) {
    let batch = |number| match number {
        0 => vec![prepare(0, FILE, 4)],
        1 => vec![write_durably(0, place(FILE, 3, 1), 8)],
        2 => vec![
            read(0, place(FILE, 2, 40)),
            read(1, place(FILE, 4, 1)),
            read(2, place(FILE, 400, 2)),
            read(3, place(FILE, 0, 4)),
        ],
        _ => Vec::new(),
    };
    let check = |number, ended: &Ended| {
        assert!(ended.is_well());
        if number == 2 {
            assert_eq!(ended.read(0), [0, 8]);
            assert!(ended.read(1).is_empty());
            assert!(ended.read(2).is_empty());
            assert_eq!(ended.read(3), [0, 0, 0, 8]);
        }
    };

    run_plan(rig, Plan { batch, check }, |_| {});
}

/// All that needs a file, on one that is not there.
fn all_of(file: FileId) -> Vec<DiskOp> {
    vec![
        write(0, place(file, 1, 2), 1),
        write_durably(1, place(file, 2, 1), 2),
        read(2, place(file, 1, 1)),
        flush(3, file),
    ]
}

fn what_is_not_there_is_refused_and_is_not_made(rig: &mut impl Rig) {
    let batch = |number| match number {
        0 => all_of(OTHER),
        1 => vec![prepare(0, FILE, 4)],
        2 => vec![write(0, place(FILE, 0, 4), 9)],
        3 => vec![remove(0, FILE), remove(1, OTHER)],
        4 => all_of(FILE),
        _ => Vec::new(),
    };
    let check = |number, ended: &Ended| {
        let file = match number {
            0 => OTHER,
            4 => FILE,
            _ => return assert!(ended.is_well()),
        };
        for (ticket, at) in [(0, page(1)), (1, page(2)), (2, page(1)), (3, page(0))] {
            let error = ended.error(ticket).expect("there is no such file");
            assert_eq!((error.errno, error.file, error.at), (ENOENT, file, at));
        }
    };

    run_plan(rig, Plan { batch, check }, |directory| {
        assert_eq!(listed(directory), []);
    });
}

fn a_file_prepared_again_is_zeroes_in_front_and_keeps_the_rest(rig: &mut impl Rig) {
    let batch = |number| match number {
        0 => vec![prepare(0, FILE, 8)],
        1 => vec![write(0, place(FILE, 0, 8), 5)],
        2 => vec![prepare(0, FILE, 2)],
        3 => vec![read(0, place(FILE, 0, 8))],
        _ => Vec::new(),
    };
    let check = |number, ended: &Ended| {
        assert!(ended.is_well());
        if number == 3 {
            assert_eq!(ended.read(0), [0, 0, 5, 5, 5, 5, 5, 5]);
        }
    };

    run_plan(rig, Plan { batch, check }, |directory| {
        assert_eq!(listed(directory), [(FILE, 8)]);
        assert_eq!(stored(directory, FILE, 2), [0, 0]);
    });
}

/// A read that comes while a file is removed may find it or not, but must not keep it alive.
fn a_file_that_was_removed_and_made_anew_is_not_the_old_one(rig: &mut impl Rig) {
    let batch = |number| match number {
        0 => vec![prepare(0, FILE, 4)],
        1 => vec![write_durably(0, place(FILE, 1, 1), 7)],
        2 => vec![remove(0, FILE), read(1, place(FILE, 0, 4))],
        3 => vec![prepare(0, FILE, 4)],
        4 => vec![write_durably(0, place(FILE, 2, 1), 9)],
        5 => vec![read(0, place(FILE, 0, 4))],
        _ => Vec::new(),
    };
    let check = |number, ended: &Ended| match number {
        2 => match ended.error(1) {
            Some(error) => assert_eq!(error.errno, ENOENT),
            None => assert_eq!(ended.read(1), [0, 7, 0, 0]),
        },
        5 => assert_eq!(ended.read(0), [0, 0, 9, 0]),
        _ => assert!(ended.is_well()),
    };

    run_plan(rig, Plan { batch, check }, |directory| {
        assert_eq!(listed(directory), [(FILE, 4)]);
        assert_eq!(stored(directory, FILE, 4), [0, 0, 9, 0]);
    });
}
