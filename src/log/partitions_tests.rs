use super::*;
use crate::log::Offset;
use crate::log::test_world::{P, Q, World, batch, config, produced};

#[test]
fn a_batch_is_acknowledged_and_visible_only_when_it_is_flushed() {
    let mut world = World::with(&[]);

    let (appended, token) = world.append(&batch(&[1, 2, 3])).expect("appended");
    world.settle();
    assert_eq!(appended.base_offset, Offset(0));
    assert_eq!((world.end(P), world.high_watermark(P)), (3, 0));
    assert!(world.acked.is_empty());

    world.flush();
    assert_eq!(world.high_watermark(P), 3);
    assert!(world.acked.contains(&token));
}

#[test]
fn nothing_is_acknowledged_that_a_power_cut_at_that_moment_would_lose() {
    let mut world = World::with(&[]);
    let mut acked = 0;
    for n in 0..30 {
        world.append(&batch(&[n])).expect("appended");
        world.step();
        acked = world.acked.len() as i64;
    }

    world.crash();

    assert!(acked > 0);
    assert!(world.end(P) >= acked, "{} of {acked}", world.end(P));
}

#[test]
fn offsets_of_each_partition_follow_each_other_without_gaps() {
    let mut world = World::with(&[]);

    let bases = [(P, 2), (Q, 1), (P, 1), (Q, 3), (P, 1)].map(|(stream, count)| {
        let (appended, _) = world
            .append_to(stream, &batch(&vec![1; count]))
            .expect("appended");
        appended.base_offset.0
    });

    assert_eq!(bases, [0, 0, 2, 1, 3]);
}

#[test]
fn a_retry_on_its_way_gets_the_original_offset_and_waits_for_the_same_flush() {
    let mut world = World::with(&[]);
    world.append(&produced(7, 0)).expect("appended");

    let (again, token) = world.append(&produced(7, 0)).expect("a repetition");
    world.settle();
    assert_eq!(
        (again.base_offset, again.duplicate, again.settled),
        (Offset(0), true, false)
    );
    assert!(!world.acked.contains(&token));

    world.flush();
    assert!(world.acked.contains(&token));
    assert_eq!(world.end(P), 3);
}

#[test]
fn a_retry_of_what_is_durable_waits_for_nothing() {
    let mut world = World::with(&[]);
    world.append(&produced(7, 0)).expect("appended");
    world.flush();

    let (again, _) = world.append(&produced(7, 0)).expect("a repetition");

    assert_eq!(
        (again.base_offset, again.duplicate, again.settled),
        (Offset(0), true, true)
    );
}

#[test]
fn a_retry_after_a_power_cut_is_still_recognised_and_a_gap_still_refused() {
    let mut world = World::with(&[]);
    world.append(&produced(7, 0)).expect("appended");
    world.append(&produced(7, 3)).expect("appended");
    world.flush();

    world.crash();

    let (again, _) = world.append(&produced(7, 0)).expect("a repetition");
    assert_eq!((again.base_offset, again.settled), (Offset(0), true));
    let (expected, found) = (6, 7);
    assert_eq!(
        world.append(&produced(7, 7)),
        Err(LogError::OutOfOrderSequence { expected, found })
    );
    assert!(world.append(&produced(7, 6)).is_ok());
}

#[test]
fn a_relaxed_topic_is_acknowledged_when_written() {
    for relaxed in [("flush.messages", "1000"), ("flush.ms", "5000")] {
        let mut world = World::with(&[relaxed]);
        world.append(&batch(&[1])).expect("appended");

        while world.acked.is_empty() {
            assert!(world.journal.written() <= world.journal.staged());
            world.step();
        }

        assert_eq!(world.high_watermark(P), 1);
    }
}

#[test]
fn every_third_message_waits_for_the_flush_of_all_if_the_topic_says_so() {
    let mut world = World::with(&[("flush.messages", "3")]);
    let mut flushed = Vec::new();

    for n in 0..7 {
        let (_, token) = world.append(&batch(&[n])).expect("appended");
        while !world.acked.contains(&token) {
            world.step();
        }
        flushed.push(world.journal.flushed() == world.journal.written());
    }

    assert_eq!(flushed, [false, false, true, false, false, true, false]);
}

#[test]
fn deleted_records_stay_deleted_after_a_power_cut() {
    let mut world = World::with(&[]);
    for n in 0..5 {
        world.append(&batch(&[n, n])).expect("appended");
    }
    world.flush();

    assert_eq!(world.trim(Some(5)), Ok(Offset(5)));
    assert_eq!(world.trim(Some(2)), Ok(Offset(5)));
    world.flush();
    world.crash();

    assert_eq!((world.facts(P).log_start, world.end(P)), (Offset(5), 10));
    assert_eq!(world.trim(None), Ok(Offset(10)));
    world.flush();
    world.crash();
    assert_eq!((world.facts(P).log_start, world.end(P)), (Offset(10), 10));
    world.append(&batch(&[1])).expect("appended");
    assert_eq!(world.end(P), 11);
}

#[test]
fn only_what_is_visible_can_be_deleted() {
    let mut world = World::with(&[]);
    world.append(&batch(&[1, 2])).expect("appended");

    let (start, end) = (Offset(0), Offset(0));
    assert_eq!(
        world.trim(Some(1)),
        Err(LogError::OffsetOutOfRange { start, end })
    );
    assert_eq!(
        world.trim(Some(-5)),
        Err(LogError::OffsetOutOfRange { start, end })
    );
}

#[test]
fn a_waiting_fetch_is_woken_by_the_commit_and_by_nothing_before() {
    let mut world = World::with(&[]);
    world.partitions.wait(FetchToken(5), &[P, Q], ByteCount(1));

    world.append_to(Q, &batch(&[1])).expect("appended");
    world.settle();
    assert!(world.woken.is_empty());
    world.flush();

    assert_eq!(world.woken, [5]);
}

#[test]
fn deleting_a_partition_wakes_its_fetches_and_frees_its_stream() {
    let mut world = World::with(&[]);
    world.append(&batch(&[1])).expect("appended");
    world.flush();
    world.partitions.wait(FetchToken(5), &[P], ByteCount(1));

    world
        .partitions
        .delete(&mut world.journal, P)
        .expect("deleted");
    world.flush();

    assert_eq!(world.woken, [5]);
    assert_eq!(world.journal.range(P), None);
    assert_eq!(world.append(&batch(&[1])), Err(LogError::UnknownPartition));
    world.crash();
    assert!(!world.partitions.contains(P));
}

#[test]
fn a_partition_deleted_while_a_batch_is_on_its_way_disturbs_nobody() {
    let mut world = World::with(&[]);
    let (_, token) = world.append(&batch(&[1])).expect("appended");

    world
        .partitions
        .delete(&mut world.journal, P)
        .expect("deleted");
    world.create(crate::journal::StreamId(99), &[]);
    world.flush();

    assert!(world.acked.contains(&token));
    assert_eq!(world.high_watermark(crate::journal::StreamId(99)), 0);
}

#[test]
fn at_the_start_streams_of_deleted_topics_are_dropped_and_new_partitions_are_empty() {
    let mut world = World::with(&[]);
    world.append_to(P, &batch(&[1])).expect("appended");
    world.append_to(Q, &batch(&[1])).expect("appended");
    world.flush();
    world.crash();

    let new = crate::journal::StreamId(30);
    let wanted = [(Q, LeaderEpoch(2)), (new, LeaderEpoch(0))];
    let mut wanted = wanted
        .into_iter()
        .map(|(stream, epoch)| (stream, epoch, config(&[])));
    let (partitions, journal) = (&mut world.partitions, &mut world.journal);
    partitions
        .reconcile(&mut wanted, journal)
        .expect("reconciled");

    assert_eq!(world.partitions.count(), 2);
    assert_eq!(
        (world.end(Q), world.facts(Q).leader_epoch),
        (1, LeaderEpoch(2))
    );
    assert_eq!(world.end(new), 0);
    world.flush();
    assert_eq!(world.journal.range(P), None);
}

#[test]
fn a_journal_that_failed_gives_every_token_back_and_takes_nothing() {
    let mut world = World::with(&[]);
    let mut faults = crate::runtime::sim::DiskFaults::NONE;
    (faults.write_error, faults.flush_error) = (1, 1);
    let (_, token) = world.append(&batch(&[1])).expect("appended");

    world.disk.set_faults(faults);
    world.step();
    world.step();

    assert!(world.journal.failure().is_some());
    assert!(world.acked.is_empty());
    assert_eq!(world.partitions.abandon(), [AckToken(token)]);
    let stopped = Err(LogError::Journal(JournalError::Stopped));
    assert_eq!(world.append(&batch(&[1])), stopped);
    assert_eq!(world.high_watermark(P), 0);
}

#[test]
fn a_hundred_thousand_idle_partitions_take_less_than_200_bytes_each() {
    // The slot, the map's share, and the one leader epoch that a used partition has.
    let slot = size_of::<Option<Partition>>();
    let map = (size_of::<(StreamId, u32)>() + 1) * 2;

    assert!(slot + map + 16 <= 200, "{slot} + {map} + 16");
}
