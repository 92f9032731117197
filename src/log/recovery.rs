//! How partitions are rebuilt from a journal, and what they give it to keep.

use super::offset::Offset;
use super::partitions::Partitions;
use super::snapshot;
use crate::journal::{EntryHead, Index, Replay, Snapshots, StreamId};

/// The journal's own streams and the metadata's are not partitions.
fn is_partition(stream: StreamId) -> bool {
    stream.0 >= StreamId::FIRST_FREE
}

impl Replay for Partitions {
    fn restored(&mut self, stream: StreamId, first: Index, end: Index, snapshot: &[u8]) {
        if !is_partition(stream) {
            return;
        }
        let started = self.started;
        let state = match snapshot.is_empty() {
            true => Some(Default::default()),
            false => snapshot::decode(snapshot, started),
        };
        if state.is_none() {
            self.unreadable.push(stream);
        }
        let (epochs, producers) = state.unwrap_or_default();
        let partition = self.found_at_recovery(stream);
        partition.log_start = first.into();
        partition.end = end.into();
        partition.high_watermark = end.into();
        partition.epoch = epochs.latest().unwrap_or(partition.epoch);
        partition.epochs = epochs;
        partition.producers = producers;
    }

    fn entry(&mut self, head: &EntryHead) {
        if !is_partition(head.stream) {
            return;
        }
        let started = self.started;
        // One that is not known yet begins at 0: what lies before `head`, if anything does, is lost
        // and was not deleted, or a note would have said so. So the log start stays in front of it,
        // and a reader from there is told.
        self.found_at_recovery(head.stream).recovered(head, started);
    }

    fn trimmed(&mut self, stream: StreamId, first: Index) {
        if !is_partition(stream) {
            return;
        }
        let partition = self.found_at_recovery(stream);
        // All entries may be gone, and the note alone be left.
        partition.end = partition.end.max(first.into());
        partition.trim(Offset::from(first));
    }

    fn dropped(&mut self, stream: StreamId) {
        self.forget(stream);
    }

    fn lost(&mut self, stream: StreamId, end: Index) {
        if is_partition(stream) {
            let partition = self.found_at_recovery(stream);
            partition.end = end.into();
            partition.high_watermark = end.into();
            self.cut_short.push(stream);
        }
    }
}

impl Snapshots for Partitions {
    fn snapshot(&self, stream: StreamId, out: &mut Vec<u8>) {
        if let Some(partition) = self.find(stream) {
            snapshot::encode(partition, out);
        }
    }
}
