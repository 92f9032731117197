//! Where each leader epoch began in a partition (KIP-101, KIP-320).

use super::offset::{LeaderEpoch, Offset};

/// An epoch and the first offset written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochStart {
    pub epoch: LeaderEpoch,
    pub start: Offset,
}

/// The epochs that have records, oldest first; both numbers rise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Epochs {
    starts: Vec<EpochStart>,
}

impl Epochs {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &EpochStart> {
        self.starts.iter()
    }

    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.starts.last().map(|last| last.epoch)
    }

    /// A batch of `epoch` begins at `start`.
    pub fn note(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.latest().is_none_or(|latest| latest < epoch) {
            self.starts.reserve_exact(1);
            self.starts.push(EpochStart { epoch, start });
        }
    }

    /// The epoch that the record at `offset` was written in.
    pub fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.starts.partition_point(|entry| entry.start <= offset);
        Some(self.starts[after.checked_sub(1)?].epoch)
    }

    /// Records below `start` are gone: forgets epochs that have none left.
    pub fn trim(&mut self, start: Offset) {
        let after = self.starts.partition_point(|entry| entry.start <= start);
        if let Some(first) = after.checked_sub(1) {
            self.starts.drain(..first);
            self.starts[0].start = start;
        }
    }

    /// The largest epoch not above `asked` and the offset after its last record, given that the
    /// log ends at `end`. As Kafka's `LeaderEpochFileCache.endOffsetFor`: an epoch older than all
    /// that is kept ends where the oldest begins, one newer than all is unknown.
    pub fn end_of(&self, asked: LeaderEpoch, end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let after = self.starts.partition_point(|entry| entry.epoch <= asked);
        let floor = after.checked_sub(1).map(|floor| self.starts[floor]);
        match (floor, self.starts.get(after)) {
            (Some(floor), Some(next)) => Some((floor.epoch, next.start)),
            (Some(floor), None) if floor.epoch == asked => Some((asked, end)),
            (Some(_), None) => None,
            (None, Some(next)) => Some((asked, next.start)),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(starts: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, start) in starts {
            epochs.note(LeaderEpoch(*epoch), Offset(*start));
        }
        epochs
    }

    fn end_of(epochs: &Epochs, asked: i32) -> Option<(i32, i64)> {
        let found = epochs.end_of(LeaderEpoch(asked), Offset(100));
        found.map(|(epoch, end)| (epoch.0, end.0))
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let epochs = epochs(&[(1, 0), (1, 5), (4, 20), (6, 50)]);

        assert_eq!(end_of(&epochs, 1), Some((1, 20)));
        assert_eq!(end_of(&epochs, 5), Some((4, 50)));
    }

    #[test]
    fn the_latest_epoch_ends_with_the_log_and_a_newer_one_is_unknown() {
        let epochs = epochs(&[(1, 0), (6, 50)]);

        assert_eq!(end_of(&epochs, 6), Some((6, 100)));
        assert_eq!(end_of(&epochs, 7), None);
    }

    #[test]
    fn an_epoch_older_than_all_ends_where_the_oldest_begins() {
        assert_eq!(end_of(&epochs(&[(3, 10)]), 2), Some((2, 10)));
        assert_eq!(end_of(&epochs(&[]), 0), None);
    }

    #[test]
    fn trimming_forgets_epochs_without_records_and_moves_the_oldest_start() {
        let mut epochs = epochs(&[(1, 0), (4, 20), (6, 50)]);

        epochs.trim(Offset(30));

        assert_eq!(epochs.at(Offset(30)), Some(LeaderEpoch(4)));
        assert_eq!(end_of(&epochs, 1), Some((1, 30)));
        assert_eq!(epochs.iter().len(), 2);
    }
}
