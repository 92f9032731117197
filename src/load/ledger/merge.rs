//! One reading out of many: what the members of a group have read between them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::{Reading, StreamReading};

/// Disjoint, ascending.
type Ranges = Vec<Range<u64>>;

impl Reading {
    /// What a group has read, from what each member read in each generation, and how much of it
    /// was read once more after a rebalance. That is allowed: what was not committed yet is read
    /// again by whoever comes next. Two members that read the same in one generation are not.
    pub fn of_group(mut parts: Vec<(i32, Reading)>) -> (Self, u64) {
        parts.sort_by_key(|it| it.0);
        let mut whole = Reading::default();
        let mut generations: BTreeMap<i32, HashMap<u32, Ranges>> = BTreeMap::new();
        for (generation, part) in parts {
            whole.verdict.absorb(part.verdict);
            whole.offsets.extend(part.offsets);
            let streams = generations.entry(generation).or_default();
            for (stream, reading) in part.streams {
                let twice = add(streams.entry(stream).or_default(), reading.covered());
                whole.verdict.duplicated += twice;
                if twice > 0 {
                    whole.verdict.example(|| {
                        format!("two members read {twice} records of stream {stream} at once")
                    });
                }
            }
        }
        let mut all: HashMap<u32, Ranges> = HashMap::new();
        let mut reread = 0;
        for (stream, ranges) in generations.into_values().flatten() {
            reread += add(all.entry(stream).or_default(), ranges);
        }
        let streams = all.into_iter();
        whole.streams = streams
            .map(|(stream, ranges)| (stream, StreamReading::that_covers(&ranges)))
            .collect();
        (whole, reread)
    }
}

impl StreamReading {
    fn covered(&self) -> Ranges {
        let mut gaps = self.gaps.clone();
        gaps.sort_by_key(|it| it.start);
        let mut covered = Vec::new();
        let mut at = 0;
        for gap in gaps {
            covered.push(at..gap.start);
            at = gap.end;
        }
        covered.push(at..self.next);
        covered.retain(|it| !it.is_empty());
        covered
    }

    fn that_covers(ranges: &Ranges) -> Self {
        let mut reading = Self::default();
        for range in ranges {
            if range.start > reading.next {
                reading.gaps.push(reading.next..range.start);
            }
            reading.next = range.end;
        }
        reading
    }
}

/// Adds `more` to `ranges`; returns how much of it was there already.
fn add(ranges: &mut Ranges, more: Ranges) -> u64 {
    let length = |it: &Ranges| it.iter().map(|it| it.end - it.start).sum::<u64>();
    let before = length(ranges) + length(&more);
    ranges.extend(more);
    ranges.sort_by_key(|it| it.start);
    let mut whole: Ranges = Vec::new();
    for range in ranges.drain(..) {
        match whole.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => whole.push(range),
        }
    }
    *ranges = whole;
    before - length(ranges)
}

#[cfg(test)]
mod tests {
    use super::super::{Ledger, Seen};
    use super::*;

    const STREAM: u32 = 3;

    fn reading(runs: &[(u64, u64)]) -> Reading {
        let mut reading = Reading::default();
        for (first, end) in runs {
            reading.records(Seen {
                stream: STREAM,
                first: *first,
                count: end - first,
            });
        }
        reading
    }

    /// Ten batches of ten.
    fn ledger() -> Ledger {
        Ledger {
            batch_records: 10,
            streams: [(STREAM, (0..10).map(|it| it * 10).collect())].into(),
            ..Ledger::default()
        }
    }

    #[test]
    fn a_group_that_hands_a_partition_over_has_read_everything_once() {
        let (whole, reread) = Reading::of_group(vec![
            (1, reading(&[(0, 40)])),
            (2, reading(&[(40, 70)])),
            (5, reading(&[(70, 100)])),
        ]);

        let verdict = whole.judge(&ledger(), true);
        assert_eq!((reread, verdict.lost, verdict.duplicated), (0, 0, 0));
        assert!(verdict.holds() && verdict.read == 100, "{verdict:?}");
    }

    #[test]
    fn what_is_read_again_after_a_rebalance_is_counted_and_allowed() {
        let (whole, reread) =
            Reading::of_group(vec![(2, reading(&[(20, 100)])), (1, reading(&[(0, 40)]))]);

        let verdict = whole.judge(&ledger(), true);
        assert_eq!(reread, 20);
        assert!(verdict.holds() && verdict.read == 120, "{verdict:?}");
    }

    #[test]
    fn two_members_that_read_the_same_in_one_generation_fail() {
        let (whole, reread) =
            Reading::of_group(vec![(1, reading(&[(0, 100)])), (1, reading(&[(30, 40)]))]);

        let verdict = whole.judge(&ledger(), true);
        assert_eq!((reread, verdict.duplicated), (0, 10));
        assert!(!verdict.holds());
    }

    #[test]
    fn what_no_member_read_is_lost() {
        let (whole, _) = Reading::of_group(vec![
            (1, reading(&[(0, 30), (50, 60)])),
            (2, reading(&[(40, 50), (60, 90)])),
        ]);

        let verdict = whole.judge(&ledger(), true);

        assert_eq!(verdict.lost, 20, "{verdict:?}");
    }
}
