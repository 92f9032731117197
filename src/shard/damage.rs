//! What recovery could not read and what fetches find damaged, said once each in words that name
//! the partition and the way on.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Metadata;
use crate::journal::{Damage, JournalError, StreamId};
use crate::log::LogError;

use super::machine::Shard;

/// Partitions named in one line of the log; more are counted.
const NAMED_MAX: usize = 10;
/// Damaged places that are remembered as told.
const TOLD_MAX: usize = 10_000;

const WAY_ON: &str = "records before and after are served; a fetch there gets CORRUPT_MESSAGE \
    until the consumer seeks past it, or the records up to there are deleted (DeleteRecords)";

/// Damaged places that fetches met, by partition and first offset: each is told once.
pub type Told = BTreeSet<(String, i32, i64)>;

impl Shard {
    /// Once the partitions are open and their names are known.
    pub(super) fn report_damage(&self) {
        let partitions = &self.owner.partitions;
        let damage = self.owner.journal.damage();
        if damage.is_empty() && partitions.unreadable().is_empty() {
            return;
        }
        let names = self.metadata.as_ref().map(names).unwrap_or_default();
        for damage in damage {
            report_one(damage, &names);
        }
        if let Some(names) = list(partitions.cut_short(), &names) {
            tracing::error!(
                shard = %self.id,
                partitions = names,
                "damage may have cost these partitions their last records; their offsets go on \
                 beyond all that may have been given; {WAY_ON}"
            );
        }
        if let Some(names) = list(partitions.unreadable(), &names) {
            tracing::error!(
                shard = %self.id,
                partitions = names,
                "what was known of the idempotent producers of these partitions can not be read: a \
                 producer that is under way may get OUT_OF_ORDER_SEQUENCE_NUMBER; start it anew"
            );
        }
    }

    /// A fetch of a partition ended with this error.
    pub(super) fn note_damage_met(&mut self, topic: &str, partition: i32, error: &LogError) {
        let LogError::Journal(JournalError::Lost {
            file,
            at,
            first,
            end,
        }) = error
        else {
            return;
        };
        let place = (topic.to_owned(), partition, end.0);
        if self.told.len() < TOLD_MAX && self.told.insert(place) {
            tracing::error!(
                topic,
                partition,
                first = first.0,
                last = end.0 - 1,
                seek_to = end.0,
                file = format!("{:08}.journal", file.0),
                at = at.0,
                "a fetch met damaged records; {WAY_ON}"
            );
        }
    }
}

fn report_one(damage: &Damage, names: &BTreeMap<StreamId, String>) {
    let offsets = damage.streams.iter().map(|(stream, end, next)| {
        let name = name_of(*stream, names);
        format!("{name} offsets {} to {}", end.0, next.0 - 1)
    });
    let offsets: Vec<String> = offsets.take(NAMED_MAX).collect();
    tracing::error!(
        file = format!("{:08}.journal", damage.file.0),
        at = damage.at.0,
        gone = damage.gone,
        groups = damage.last.0 - damage.first.0 + 1,
        missing = offsets.join(", "),
        "acknowledged records can not be read from the journal; {WAY_ON}"
    );
}

fn names(metadata: &Metadata) -> BTreeMap<StreamId, String> {
    let topics = metadata.topics();
    let places = topics.flat_map(|topic| {
        let places = (0..).zip(topic.partitions_from(0));
        places.map(|(number, place)| (place.stream, format!("{}-{number}", topic.name)))
    });
    places.collect()
}

fn name_of(stream: StreamId, names: &BTreeMap<StreamId, String>) -> String {
    match names.get(&stream) {
        Some(name) => name.clone(),
        None => format!("stream {} (of no topic any more)", stream.0),
    }
}

/// The first names, and how many more there are; None for none at all.
fn list(streams: &[StreamId], names: &BTreeMap<StreamId, String>) -> Option<String> {
    let named = streams.iter().take(NAMED_MAX);
    let mut listed: Vec<String> = named.map(|stream| name_of(*stream, names)).collect();
    if streams.len() > NAMED_MAX {
        listed.push(format!("{} more", streams.len() - NAMED_MAX));
    }
    (!listed.is_empty()).then(|| listed.join(", "))
}
