//! What the harm that was done to stored bytes explains, record by record.
//!
//! It is read from the bytes that were harmed, as they were before, with a reader of our own: the
//! broker has no say in what is forgiven it. A journal's group lists what it holds, so that the
//! groups that harm lies in name the streams and the offsets; everything else is owed, on the same
//! shard and on every other.

use std::collections::{BTreeMap, BTreeSet};

use thalweg::base::ShardId;
use thalweg::base::crc::{crc32c, crc32c_append};
use thalweg::journal::StreamId;
use thalweg::runtime::sim::Harm;

use super::broker::World;
use super::history::{History, Tp};

/// What a violation is about, if harm may be the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The record at this offset is not there, or another is in its place.
    Record(Tp, i64),
    /// What the partition knows of its producers.
    Producers(Tp),
    /// The topic is not there, or not as it was created.
    Topic(usize),
    /// Shard 0 does not start, for its metadata can not be read.
    Metadata,
}

/// The places of a partition.
#[derive(Clone, Copy, Debug)]
struct Place {
    shard: ShardId,
    stream: u64,
}

#[derive(Debug, Default)]
pub struct Explained {
    /// Offsets of each stream that stood in harmed groups: first and end.
    entries: BTreeMap<u64, Vec<(i64, i64)>>,
    /// Streams that a harmed group had anything about, checkpoints included.
    touched: BTreeSet<u64>,
    places: BTreeMap<Tp, Place>,
    /// Harm of each shard that was looked at.
    seen: BTreeMap<u16, usize>,
    /// Harmed groups of which no crash has shown whether something behind them says that they
    /// were flushed.
    open: BTreeMap<u16, Vec<u64>>,
}

impl Explained {
    /// Notes where partitions are, and what has been harmed since the last look. `hidden` is harm
    /// that is not to be known.
    pub fn look(&mut self, world: &mut World, history: &History, hidden: &[(ShardId, usize)]) {
        let metadata = world
            .machine(ShardId::ZERO)
            .and_then(|it| it.known_metadata());
        for topic in metadata.into_iter().flat_map(|it| it.topics()) {
            let Some(index) = history.topic_named(&topic.name) else {
                continue;
            };
            for place in topic.partitions() {
                let (shard, stream) = (place.shard, place.stream.0);
                let partition = place.partition as i32;
                let tp = Tp {
                    topic: index,
                    partition,
                };
                self.places.insert(tp, Place { shard, stream });
            }
        }
        for (shard, disk) in (0..).zip(world.disks()) {
            let known = self.seen.entry(shard).or_default();
            let first = std::mem::replace(known, disk.harms().len());
            for (number, harm) in disk.harms().iter().enumerate().skip(first) {
                if !hidden.contains(&(ShardId(shard), number)) {
                    self.harmed(shard, harm);
                }
            }
        }
    }

    fn harmed(&mut self, shard: u16, harm: &Harm) {
        let image = harm.image_before();
        let hit = |group: &Group| {
            let end = group.at + group.length;
            group.at < harm.range.end && harm.range.start < end
        };
        let mut groups: Vec<Group> = groups_of(&image).into_iter().filter(hit).collect();
        if let Some((at, data)) = &harm.strayed {
            groups.extend(group_at(data, 0, at.0));
        }
        for group in groups {
            self.open.entry(shard).or_default().push(group.sequence);
            self.take(&group);
        }
    }

    fn take(&mut self, group: &Group) {
        for row in &group.rows {
            self.touched.insert(row.stream);
            if row.is_data {
                let ranges = self.entries.entry(row.stream).or_default();
                ranges.push((row.first, row.end));
            }
        }
    }

    /// The process is gone. If nothing on a disk says that a harmed group was flushed, it looks as
    /// a torn one, and the groups behind it are rightly cut.
    pub fn crashed(&mut self, world: &mut World) {
        for (shard, disk) in (0..).zip(world.disks()) {
            let open = self.open.remove(&shard).unwrap_or_default();
            if open.is_empty() {
                continue;
            }
            let groups: Vec<Group> = disk.images().flat_map(|image| groups_of(&image)).collect();
            let flushed = groups.iter().map(|group| group.flushed).max();
            let torn = open.into_iter().filter(|it| Some(*it) > flushed).min();
            let is_cut = |group: &&Group| torn.is_some_and(|torn| group.sequence >= torn);
            for group in groups.iter().filter(is_cut) {
                self.take(group);
            }
        }
    }

    pub fn place_of(&self, tp: Tp) -> Option<ShardId> {
        self.places.get(&tp).map(|place| place.shard)
    }

    /// True if the record at this offset stood in bytes that were harmed.
    pub fn is_harmed(&self, tp: Tp, offset: i64) -> bool {
        let place = self.places.get(&tp);
        let ranges = place.and_then(|place| self.entries.get(&place.stream));
        let mut ranges = ranges.into_iter().flatten();
        ranges.any(|(first, end)| (*first..*end).contains(&offset))
    }

    pub fn explains(&self, claim: Claim) -> bool {
        let is_touched = |stream: u64| self.touched.contains(&stream);
        match claim {
            Claim::Record(tp, offset) => self.is_harmed(tp, offset),
            Claim::Producers(tp) => self.places.get(&tp).is_some_and(|it| is_touched(it.stream)),
            Claim::Topic(_) | Claim::Metadata => is_touched(StreamId::METADATA.0),
        }
    }
}

/// A group of a journal, as `journal::format` describes it.
struct Group {
    at: u64,
    length: u64,
    segment: u32,
    sequence: u64,
    flushed: u64,
    rows: Vec<Row>,
}

struct Row {
    stream: u64,
    first: i64,
    end: i64,
    /// An entry, or one that was carried here.
    is_data: bool,
}

const PAGE_BYTES: u64 = 4096;
const HEADER_BYTES: usize = 64;
const ROW_BYTES: usize = 64;

/// All groups of the segment that a file holds. Those of an earlier one, which the file held
/// before, are not.
fn groups_of(image: &[u8]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut at = 0;
    while at < image.len() as u64 {
        let group = group_at(image, at as usize, at);
        let first = groups.first().map(|first| first.segment);
        let group = group.filter(|group| first.is_none_or(|first| first == group.segment));
        at += group.as_ref().map_or(PAGE_BYTES, |group| group.length);
        groups.extend(group);
    }
    groups
}

/// The group whose bytes begin at `from`, if they are whole and belong to `at` in their file.
fn group_at(bytes: &[u8], from: usize, at: u64) -> Option<Group> {
    let bytes = bytes.get(from..)?;
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (table, rows) = (word(48)? as usize, word(52)? as usize);
    let belongs = bytes.starts_with(b"TWG1") && u64::from(word(36)?) * PAGE_BYTES == at;
    if !belongs || table < HEADER_BYTES {
        return None;
    }
    let table = bytes.get(table..table.checked_add(rows.checked_mul(ROW_BYTES)?)?)?;
    if crc32c_append(crc32c(&bytes[..60]), table) != word(60)? {
        return None;
    }
    let rows = table.chunks_exact(ROW_BYTES).map(|row| {
        let long = |at: usize| u64::from_le_bytes(*row[at..].first_chunk().expect("a whole row"));
        let count = u32::from_le_bytes(*row[44..].first_chunk().expect("a whole row"));
        let first = long(8).cast_signed();
        Row {
            stream: long(0),
            first,
            end: first + i64::from(count),
            is_data: matches!(row[62], 0 | 4),
        }
    });
    Some(Group {
        at,
        length: u64::from(word(44)?),
        segment: word(32)?,
        sequence: long(16)?,
        flushed: long(24)?,
        rows: rows.collect(),
    })
}
