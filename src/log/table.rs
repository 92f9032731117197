//! Which partitions there are.

use std::sync::Arc;

use super::config::TopicConfig;
use super::error::LogError;
use super::offset::LeaderEpoch;
use super::partition::Partition;
use super::partitions::{Partitions, partition_at};
use crate::journal::{Journal, JournalError, StreamId};

impl Partitions {
    pub fn count(&self) -> usize {
        self.places.len()
    }

    pub fn contains(&self, stream: StreamId) -> bool {
        self.places.contains_key(&stream)
    }

    /// Streams whose producers could not be recovered, because their checkpoint is not readable.
    pub fn unreadable(&self) -> &[StreamId] {
        &self.unreadable
    }

    /// Streams that may have lost their last records to damage: their offsets go on beyond what may
    /// have been given, and a fetch of the offsets between is an error.
    pub fn cut_short(&self) -> &[StreamId] {
        &self.cut_short
    }

    /// After the journal has opened and the metadata is known: `wanted` are this shard's partitions
    /// (`cluster::Metadata::partitions_of`). Partitions without a stream yet are empty; streams
    /// that no partition wants belong to deleted topics and are dropped.
    pub fn reconcile(
        &mut self,
        wanted: &mut dyn Iterator<Item = (StreamId, LeaderEpoch, Arc<TopicConfig>)>,
        journal: &mut Journal,
    ) -> Result<(), LogError> {
        let mut keep = vec![false; self.slots.len()];
        for (stream, epoch, config) in wanted {
            self.create(stream, epoch, config);
            let place = self.places[&stream] as usize;
            if let Some(kept) = keep.get_mut(place) {
                *kept = true;
            }
        }
        let unwanted = keep.into_iter().zip(&self.slots);
        let unwanted = unwanted.filter_map(|(kept, slot)| (!kept).then_some(slot.as_ref()?.stream));
        let unwanted: Vec<StreamId> = unwanted.collect();
        for stream in unwanted {
            self.forget(stream);
            self.dropping.push_back(stream);
        }
        self.drop_streams(journal)
    }

    /// A new, empty partition. Nothing is written until its first batch.
    pub fn create(&mut self, stream: StreamId, epoch: LeaderEpoch, config: Arc<TopicConfig>) {
        match self.find_mut(stream) {
            Some(_) => self.configure(stream, epoch, config),
            None => self.insert(Partition::new(stream, epoch, config)),
        }
    }

    /// The topic's configuration or the leader epoch changed. Fetches that wait are woken if the
    /// epoch changed.
    pub fn configure(&mut self, stream: StreamId, epoch: LeaderEpoch, config: Arc<TopicConfig>) {
        let Some(partition) = self.find_mut(stream) else {
            return;
        };
        partition.config = config;
        if partition.epoch < epoch {
            partition.epoch = epoch;
            self.waiters.disturbed(stream);
            self.watches.changed(stream);
        }
    }

    /// Gives up the partition and all its records. Fetches that wait for it are woken by the next
    /// `settle`; what awaits durability is still acknowledged.
    pub fn delete(&mut self, journal: &mut Journal, stream: StreamId) -> Result<(), LogError> {
        if !self.forget(stream) {
            return Err(LogError::UnknownPartition);
        }
        self.waiters.disturbed(stream);
        self.watches.changed(stream);
        self.dropping.push_back(stream);
        self.drop_streams(journal)
    }

    pub(super) fn find(&self, stream: StreamId) -> Option<&Partition> {
        let place = *self.places.get(&stream)?;
        self.slots[place as usize].as_ref()
    }

    pub(super) fn find_mut(&mut self, stream: StreamId) -> Option<&mut Partition> {
        let place = *self.places.get(&stream)?;
        self.slots[place as usize].as_mut()
    }

    /// The partition of `stream`, made if recovery speaks of one that is not known yet.
    pub(super) fn found_at_recovery(&mut self, stream: StreamId) -> &mut Partition {
        if !self.contains(stream) {
            let config = self.unconfigured.clone();
            self.insert(Partition::new(stream, LeaderEpoch(0), config));
        }
        let place = self.places[&stream] as usize;
        partition_at(&mut self.slots, place)
    }

    /// Forgets the partition; what the journal has of it is not touched. False: it is not here.
    pub(super) fn forget(&mut self, stream: StreamId) -> bool {
        let Some(place) = self.places.remove(&stream) else {
            return false;
        };
        self.slots[place as usize] = None;
        self.free.push(place);
        true
    }

    /// Drops what the journal still has of deleted partitions. What it is too busy or too full for
    /// now is done by a later call, and at the latest by the next start.
    pub(super) fn drop_streams(&mut self, journal: &mut Journal) -> Result<(), LogError> {
        while let Some(stream) = self.dropping.front().copied() {
            if journal.range(stream).is_some() {
                match journal.drop_stream(stream) {
                    Ok(_) => {}
                    Err(JournalError::Busy | JournalError::Full) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            self.dropping.pop_front();
        }
        Ok(())
    }

    pub(super) fn place(&self, stream: StreamId) -> Result<usize, LogError> {
        let place = self.places.get(&stream).ok_or(LogError::UnknownPartition)?;
        Ok(*place as usize)
    }

    fn insert(&mut self, partition: Partition) {
        let stream = partition.stream;
        assert!(
            stream.0 >= StreamId::FIRST_FREE,
            "not a partition: {stream:?}"
        );
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[place as usize] = Some(partition);
        self.places.insert(stream, place);
    }
}
