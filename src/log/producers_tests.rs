use super::*;

const DAY: Span = Span::seconds(86_400);
const NOW: Ticks = Ticks(1_000);

/// One producer's partition: what was written, from offset 0.
#[derive(Default)]
struct World {
    producers: Producers,
    end: i64,
}

impl World {
    /// Writes if it may, as the partition does.
    fn write(&mut self, claim: Claim) -> Result<Offset, LogError> {
        self.write_at(claim, NOW)
    }

    fn write_at(&mut self, claim: Claim, now: Ticks) -> Result<Offset, LogError> {
        if let Some(kept) = self.producers.repeated(&claim) {
            return Ok(kept.base_offset);
        }
        self.producers.check(&claim, now, DAY)?;
        let base = Offset(self.end);
        self.producers.note(&claim, base, -1, now);
        self.end += i64::from(claim.count);
        Ok(base)
    }
}

fn claim(epoch: i16, base_sequence: i32, count: u32) -> Claim {
    Claim {
        id: 7,
        epoch,
        base_sequence,
        count,
    }
}

#[test]
fn each_of_the_last_five_batches_is_recognised_and_the_sixth_last_is_out_of_order() {
    let mut world = World::default();
    for n in 0..6 {
        assert_eq!(
            world.write(claim(0, n * 10, 10)),
            Ok(Offset(i64::from(n) * 10))
        );
    }

    for n in 1..6 {
        assert_eq!(
            world.write(claim(0, n * 10, 10)),
            Ok(Offset(i64::from(n) * 10))
        );
    }
    let (expected, found) = (60, 0);
    assert_eq!(
        world.write(claim(0, 0, 10)),
        Err(LogError::OutOfOrderSequence { expected, found })
    );
    assert_eq!(world.end, 60);
}

#[test]
fn a_repetition_must_have_the_same_first_and_last_sequence() {
    let mut world = World::default();
    world.write(claim(0, 0, 10)).expect("the first batch");

    assert!(world.write(claim(0, 0, 9)).is_err());
    assert!(world.write(claim(0, 1, 9)).is_err());
    assert_eq!(world.write(claim(0, 0, 10)), Ok(Offset(0)));
}

#[test]
fn a_gap_is_out_of_order() {
    let mut world = World::default();
    world.write(claim(0, 0, 10)).expect("the first batch");

    let (expected, found) = (10, 11);
    assert_eq!(
        world.write(claim(0, 11, 1)),
        Err(LogError::OutOfOrderSequence { expected, found })
    );
    assert_eq!(world.write(claim(0, 10, 1)), Ok(Offset(10)));
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut world = World::default();

    assert_eq!(world.write(claim(3, 4_711, 2)), Ok(Offset(0)));
}

#[test]
fn a_new_epoch_begins_at_sequence_0_and_forgets_the_batches_of_the_old() {
    let mut world = World::default();
    world.write(claim(0, 0, 5)).expect("the first batch");

    assert!(world.write(claim(1, 5, 5)).is_err());
    assert_eq!(world.write(claim(1, 0, 5)), Ok(Offset(5)));
    assert_eq!(world.write(claim(1, 0, 5)), Ok(Offset(5)));
}

#[test]
fn an_old_epoch_is_fenced_even_where_it_repeats() {
    let mut world = World::default();
    world.write(claim(1, 0, 5)).expect("the old epoch");
    world.write(claim(2, 0, 5)).expect("the new epoch");

    let (current, found) = (2, 1);
    assert_eq!(
        world.write(claim(1, 0, 5)),
        Err(LogError::InvalidProducerEpoch { current, found })
    );
}

#[test]
fn sequences_wrap_from_the_largest_number_to_0_between_and_within_batches() {
    let mut world = World::default();
    world
        .write(claim(0, i32::MAX - 1, 2))
        .expect("up to the last");
    assert_eq!(world.write(claim(0, 0, 3)), Ok(Offset(2)));

    let mut world = World::default();
    world
        .write(claim(0, i32::MAX - 1, 5))
        .expect("over the last");
    assert_eq!(world.write(claim(0, 3, 1)), Ok(Offset(5)));
    assert_eq!(world.write(claim(0, i32::MAX - 1, 5)), Ok(Offset(0)));
}

#[test]
fn a_producer_that_was_silent_too_long_may_go_on_anywhere_but_still_not_with_an_old_epoch() {
    let later = Ticks(NOW.0 + DAY.0);
    let mut world = World::default();
    world.write(claim(1, 0, 5)).expect("the first batch");

    assert!(world.write_at(claim(0, 77, 1), later).is_err());
    assert_eq!(world.write_at(claim(1, 77, 1), later), Ok(Offset(5)));
}

#[test]
fn expired_producers_leave_and_give_their_memory_back() {
    let mut world = World::default();
    world.write(claim(0, 0, 5)).expect("a batch");

    world.producers.expire(Ticks(NOW.0 + DAY.0 - 1), DAY);
    assert_eq!(world.producers.len(), 1);
    world.producers.expire(Ticks(NOW.0 + DAY.0), DAY);

    assert_eq!(world.producers.len(), 0);
    assert_eq!(world.producers.list.capacity(), 0);
}

#[test]
fn beyond_the_bound_those_that_wrote_longest_ago_by_offset_are_forgotten() {
    let mut producers = Producers::default();
    for n in 0..=PRODUCERS_PER_PARTITION_MAX as i64 {
        // Ids fall while offsets rise: it is the offset that counts.
        let claim = Claim {
            id: 1_000_000 - n,
            ..claim(0, 0, 1)
        };
        producers.note(&claim, Offset(n), -1, NOW);
    }

    assert!(producers.len() < PRODUCERS_PER_PARTITION_MAX);
    let known = |id| producers.find(id).is_ok();
    assert!(!known(1_000_000));
    assert!(known(1_000_000 - PRODUCERS_PER_PARTITION_MAX as i64));
}
