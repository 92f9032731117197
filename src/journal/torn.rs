//! Telling a torn tail from damage.
//!
//! A bad group is a torn tail only if nothing later claims that it was flushed: then it and what
//! follows was never acknowledged, and is cut. Otherwise it had been acknowledged: it is kept,
//! reported, and what follows is served.

use super::entry::Sequence;
use super::scan::Item;

/// An item of a scan and the segment that it lies in.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub segment: u32,
    pub item: Item,
}

/// Acknowledged groups that cannot be read, or not wholly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// The number of the item where it was noticed; the count of items for a loss at the end.
    pub item: usize,
    pub first: Sequence,
    pub last: Sequence,
}

impl Loss {
    /// True unless the lost group is the one that noticed it: then only payloads are lost, and the
    /// table names them.
    pub fn rows_unknown(&self, noticed_by: Option<Sequence>) -> bool {
        noticed_by != Some(self.first)
    }
}

/// What to make of the items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// So many items, from the first, are the log; the rest is cut.
    pub kept: usize,
    pub losses: Vec<Loss>,
    /// The last sequence of the log.
    pub last: Sequence,
    /// Groups up to here were known to be flushed; later ones are whole but may be volatile.
    pub flushed: Sequence,
}

/// What is known of the log besides its items.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The last sequence ahead of the items, unless nobody knows.
    pub before: Option<Sequence>,
    /// A superblock claims everything up to here.
    pub flushed: Sequence,
    /// Segments from this one on have never been freed.
    pub freed_below: u32,
}

/// Judges the items.
pub(super) fn judge(items: &[Found], known: Known) -> Verdict {
    let claims = claims(items, known.flushed);
    let mut verdict = Verdict {
        last: known.before.unwrap_or_default(),
        flushed: claims[0],
        ..Verdict::default()
    };
    let mut last_known = known.before;
    let mut cut_at = None;
    for (number, found) in items.iter().enumerate() {
        let Item::Group(group) = &found.item else {
            continue;
        };
        let (sequence, claim) = (group.header.sequence, claims[number]);
        // Where others were freed, nothing is lost between two segments. Only what is claimed is
        // freed; an unclaimed segment was torn as a whole.
        if may_be_freed(items, number, known.freed_below) && claim.0 + 1 >= sequence.0 {
            last_known = None;
        }
        let lost = last_known.is_some_and(|last| sequence.0 > last.0 + 1);
        if lost {
            let first = Sequence(verdict.last.0 + 1);
            let last = Sequence(sequence.0 - 1);
            if claim < first {
                cut_at = Some(gap_before(items, number));
                break;
            }
            verdict.losses.push(Loss {
                item: number,
                first,
                last: last.min(claim),
            });
            if claim < last {
                verdict.last = claim;
                cut_at = Some(number);
                break;
            }
        }
        if !group.whole {
            if claim < sequence {
                cut_at = Some(number);
                break;
            }
            verdict.losses.push(Loss {
                item: number,
                first: sequence,
                last: sequence,
            });
        }
        verdict.last = sequence;
        last_known = Some(sequence);
    }
    verdict.kept = cut_at.unwrap_or(items.len());
    verdict.miss_claimed_end(known.flushed);
    verdict
}

/// True if the item's segment does not follow that of the one before it, and one between may have
/// been freed: not from where restarts begin, as the newest superblock has it, for `sweep` stops
/// there. Numbers that no segment was given, or one that was cut, leave no gap between sequences.
fn may_be_freed(items: &[Found], number: usize, freed_below: u32) -> bool {
    let before = number.checked_sub(1).map(|before| items[before].segment);
    before.is_some_and(|before| before + 1 < items[number].segment.min(freed_below))
}

impl Verdict {
    /// What the superblock claims beyond the last group is lost.
    fn miss_claimed_end(&mut self, flushed: Sequence) {
        if flushed > self.last {
            self.losses.push(Loss {
                item: self.kept,
                first: Sequence(self.last.0 + 1),
                last: flushed,
            });
            self.last = flushed;
        }
    }
}

/// For each item, and for the end: the highest sequence that it, a later one or the superblock
/// claims to be flushed.
fn claims(items: &[Found], flushed: Sequence) -> Vec<Sequence> {
    let mut claims = vec![flushed; items.len() + 1];
    for (number, found) in items.iter().enumerate().rev() {
        let own = match &found.item {
            Item::Group(group) => group.header.flushed,
            Item::Gap => flushed,
        };
        claims[number] = claims[number + 1].max(own);
    }
    claims
}

/// The gap right before an item, or the item itself.
fn gap_before(items: &[Found], number: usize) -> usize {
    match number.checked_sub(1).map(|before| &items[before].item) {
        Some(Item::Gap) => number - 1,
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Header;
    use super::super::scan::ScannedGroup;
    use super::*;

    fn group(sequence: u64, flushed: u64, whole: bool) -> Found {
        group_in(1, sequence, flushed, whole)
    }

    fn group_in(segment: u32, sequence: u64, flushed: u64, whole: bool) -> Found {
        let header = Header {
            incarnation: 1,
            sequence: Sequence(sequence),
            flushed: Sequence(flushed),
            segment,
            at: 0,
            session: 1,
            length: 4096,
            table_at: 64,
            rows: 0,
            previous: 0,
        };
        Found {
            segment,
            item: Item::Group(ScannedGroup {
                header,
                sum: 0,
                whole,
            }),
        }
    }

    fn gap() -> Found {
        Found {
            segment: 1,
            item: Item::Gap,
        }
    }

    fn check(items: &[Found], flushed: u64, kept: usize, losses: &[(u64, u64)]) {
        check_where_freed_below(1, items, flushed, kept, losses);
    }

    fn check_where_freed_below(
        freed_below: u32,
        items: &[Found],
        flushed: u64,
        kept: usize,
        losses: &[(u64, u64)],
    ) {
        let known = Known {
            before: Some(Sequence(0)),
            flushed: Sequence(flushed),
            freed_below,
        };
        let verdict = judge(items, known);
        let found: Vec<_> = verdict
            .losses
            .iter()
            .map(|l| (l.first.0, l.last.0))
            .collect();
        assert_eq!(
            (verdict.kept, found.as_slice()),
            (kept, losses),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_bad_group_that_nobody_claims_is_cut_with_all_that_follows() {
        check(&[group(1, 0, true), gap(), group(3, 1, true)], 1, 1, &[]);
        check(
            &[group(1, 0, true), group(2, 1, false), group(3, 1, true)],
            1,
            1,
            &[],
        );
    }

    #[test]
    fn a_bad_group_that_a_later_one_claims_is_kept_and_reported() {
        let items = [group(1, 0, true), gap(), group(3, 2, true)];
        check(&items, 0, 3, &[(2, 2)]);
        let items = [group(1, 0, true), group(2, 1, false), group(3, 2, true)];
        check(&items, 0, 3, &[(2, 2)]);
    }

    #[test]
    fn a_bad_group_that_the_superblock_claims_is_reported_even_at_the_end() {
        check(&[group(1, 0, true)], 2, 1, &[(2, 2)]);
    }

    #[test]
    fn of_two_lost_groups_the_unclaimed_one_ends_the_log() {
        let items = [group(1, 0, true), gap(), group(4, 2, true)];
        check(&items, 0, 2, &[(2, 2)]);
    }

    #[test]
    fn a_segment_that_is_not_there_was_freed_if_it_is_claimed_and_torn_if_not() {
        let items = [group_in(1, 1, 0, true), group_in(3, 5, 1, true)];

        check_where_freed_below(3, &items, 4, 2, &[]);
        check_where_freed_below(3, &items, 1, 1, &[]);
        check_where_freed_below(u32::MAX, &items, 4, 2, &[]);
    }

    #[test]
    fn a_claimed_segment_that_is_not_there_and_can_not_have_been_freed_is_lost() {
        let items = [group_in(1, 1, 0, true), group_in(3, 5, 1, true)];

        for freed_below in [1, 2] {
            check_where_freed_below(freed_below, &items, 4, 2, &[(2, 4)]);
            check_where_freed_below(freed_below, &items, 1, 1, &[]);
        }
    }

    #[test]
    fn a_number_that_no_segment_has_is_no_loss_where_the_sequences_go_on() {
        let items = [group_in(1, 1, 0, true), group_in(4, 2, 1, true)];

        check(&items, 2, 2, &[]);
    }

    #[test]
    fn a_whole_log_is_kept_whole() {
        check(
            &[group(1, 0, true), group(2, 0, true), group(3, 2, true)],
            2,
            3,
            &[],
        );
    }
}
