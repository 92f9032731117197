//! What is there after the power has failed: all that a flush had covered, and perhaps more.

use super::ops::{
    Ended, FILE, OTHER, Plan, bytes, flush, listed, page, pages, place, prepare, run_plan, stored,
    write, write_durably,
};
use super::{Rig, Script, Shape, no_client};
use crate::runtime::disk::{Directory, FileId};
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::Boot;

pub fn run(rig: &mut impl Rig) {
    a_flush_keeps_what_had_ended_before_it(rig);
    a_durable_write_is_kept_and_says_nothing_of_others(rig);
    what_a_boot_flushed_is_kept_before_any_event(rig);
}

/// That bytes were lost which no flush had covered. A driver that never shows it has a disk that
/// remembers all, and proves nothing about flushes.
pub const LOST: &str = "disk: lost what no flush had covered";

/// True if the page, of which nobody promised anything, is not as it was written.
fn is_lost(directory: &mut dyn Directory, number: u64, fill: u8) -> bool {
    let read = directory.read(FILE, page(number), bytes(1)).expect("read");
    read.filled_bytes().iter().any(|byte| *byte != fill)
}

fn kept(directory: &mut dyn Directory, number: u64) -> u8 {
    let read = directory.read(FILE, page(number), bytes(1)).expect("read");
    super::ops::fills(read.filled_bytes())[0]
}

fn all_well(_: usize, ended: &Ended) {
    assert!(ended.is_well());
}

fn a_flush_keeps_what_had_ended_before_it(rig: &mut impl Rig) {
    let batch = |number| match number {
        0 => vec![prepare(0, FILE, 16)],
        1 => vec![
            write(0, place(FILE, 2, 1), 1),
            write(1, place(FILE, 9, 1), 2),
        ],
        // Only the two before it had ended.
        2 => vec![
            write(0, place(FILE, 4, 1), 3),
            flush(1, FILE),
            write(2, place(FILE, 6, 1), 4),
        ],
        _ => Vec::new(),
    };
    let plan = Plan {
        batch,
        check: all_well,
    };
    let mut lost = false;

    run_plan(rig, plan, |directory| {
        assert_eq!((kept(directory, 2), kept(directory, 9)), (1, 2));
        lost = is_lost(directory, 4, 3) || is_lost(directory, 6, 4);
    });

    if lost {
        rig.note(LOST);
    }
}

fn a_durable_write_is_kept_and_says_nothing_of_others(rig: &mut impl Rig) {
    let batch = |number| match number {
        0 => vec![prepare(0, FILE, 16)],
        1 => vec![write(0, place(FILE, 2, 1), 1)],
        2 => vec![
            write_durably(0, place(FILE, 4, 1), 3),
            write_durably(1, place(FILE, 5, 1), 4),
        ],
        _ => Vec::new(),
    };
    let plan = Plan {
        batch,
        check: all_well,
    };
    let mut lost = false;

    run_plan(rig, plan, |directory| {
        assert_eq!((kept(directory, 4), kept(directory, 5)), (3, 4));
        lost = is_lost(directory, 2, 1);
    });

    if lost {
        rig.note(LOST);
    }
}

fn what_a_boot_flushed_is_kept_before_any_event(rig: &mut impl Rig) {
    const REMOVED: FileId = FileId(77);
    let make = |boot: Boot<'_>| {
        let directory = boot.directory;
        directory.prepare(OTHER, bytes(3)).expect("prepare");
        directory.prepare(REMOVED, bytes(3)).expect("prepare");
        // The flush is of the name, too: this makes the file.
        directory.write(FILE, page(1), &pages(1, 6)).expect("write");
        directory.flush(FILE).expect("flush");
        directory.remove(REMOVED).expect("remove");
        Script(|_, event, actions: &mut Actions<u64>| {
            if let Event::Started = event {
                actions.stopped = Some(0);
            }
        })
    };

    let code = rig.run_and_look(Shape::ONE, make, no_client, |directory| {
        assert_eq!(listed(directory), [(FILE, 2), (OTHER, 3)]);
        assert_eq!(stored(directory, FILE, 2), [0, 6]);
    });

    assert_eq!(code, 0);
}
