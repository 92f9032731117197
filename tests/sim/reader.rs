//! A consumer without a group: polls partitions from the start, from an offset, or from the end,
//! and asks where they begin and end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use thalweg::base::crc::crc32c;
use thalweg::base::random::Random;
use thalweg::wire::batch::{BatchHeader, records};
use thalweg::wire::{ErrorCode, client};

use super::broker::World;
use super::checker::Harmed;
use super::harm::Claim;
use super::history::{History, Tp};
use super::line::Line;
use super::producer::error_name;
use super::value;

#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub fetch_version: i16,
    pub list_version: i16,
    pub wait_ms_max: u64,
    pub bytes_max: u64,
}

/// What was asked, and how far each partition was known to have come by then.
#[derive(Debug)]
pub enum Asked {
    Fetch(BTreeMap<Tp, Floor>),
    List(BTreeMap<Tp, Floor>, i64),
}

#[derive(Clone, Copy, Debug)]
pub struct Floor {
    position: i64,
    end: i64,
}

#[derive(Debug)]
pub struct Reader {
    habits: Habits,
    pub line: Line<Asked>,
    random: Random,
    /// The next offset of each partition.
    positions: BTreeMap<Tp, i64>,
    /// What a final reader still has to reach.
    pub goals: BTreeMap<Tp, Option<i64>>,
    /// Offsets that could not be read, and the broker said so.
    pub harmed: Harmed,
    /// How far the next step over harm goes, if harm follows on harm.
    strides: BTreeMap<Tp, (i64, i64)>,
    /// Where errors about harmed data are to be expected, and stepped over.
    pub forgiving: BTreeSet<Tp>,
}

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// More harmed offsets than a group of these runs has records.
const STEPS_OF_ONE: i64 = 500;

impl Reader {
    pub fn new(client: u32, habits: Habits, seed: u64) -> Self {
        Self {
            habits,
            line: Line::new(format!("reader-{client}")),
            random: Random::with_seed(seed),
            positions: BTreeMap::new(),
            goals: BTreeMap::new(),
            harmed: Harmed::new(),
            strides: BTreeMap::new(),
            forgiving: BTreeSet::new(),
        }
    }

    /// Reads all of these partitions, from their start to the end that they have.
    pub fn read_all(&mut self, partitions: Vec<Tp>) {
        self.positions = partitions.iter().map(|tp| (*tp, 0)).collect();
        self.goals = partitions.into_iter().map(|tp| (tp, None)).collect();
    }

    /// True if every partition was read to its end.
    pub fn is_content(&self) -> bool {
        let reached =
            |(tp, goal): (&Tp, &Option<i64>)| goal.is_some_and(|goal| self.positions[tp] >= goal);
        self.goals.iter().all(reached)
    }

    /// How far each partition was read.
    pub fn reached(&self) -> Vec<(Tp, i64)> {
        self.positions.iter().map(|(tp, at)| (*tp, *at)).collect()
    }

    pub fn act(&mut self, world: &mut World, history: &mut History) {
        if !self.line.connect(world) || self.line.flight.len() >= 2 {
            return;
        }
        self.pick_up(history);
        let lacks_goal = self.goals.values().any(Option::is_none);
        if lacks_goal || (self.goals.is_empty() && self.random.one_in(8)) {
            self.list(world, history, lacks_goal);
        } else if self.line.flight.is_empty() {
            self.fetch(world, history);
        }
    }

    /// Takes an interest in partitions that it does not know, from some place or other.
    fn pick_up(&mut self, history: &History) {
        self.positions.retain(|tp, _| !history.is_doomed(*tp));
        self.goals.retain(|tp, _| !history.is_doomed(*tp));
        if !self.goals.is_empty() {
            return;
        }
        for tp in history.usable() {
            if !self.positions.contains_key(&tp) && self.random.one_in(3) {
                let floor = history.floor(tp);
                let from = match self.random.below(3) {
                    0 => 0,
                    1 => self.random.below(floor as u64 + 1) as i64,
                    _ => floor,
                };
                self.positions.insert(tp, from);
            }
        }
        // Now and then it starts again from the beginning, as a new consumer would.
        if self.random.one_in(40) {
            self.positions.clear();
        }
    }

    fn floors(&self, history: &History) -> BTreeMap<Tp, Floor> {
        let floor = |(tp, position): (&Tp, &i64)| {
            let end = history.floor(*tp);
            let position = *position;
            (*tp, Floor { position, end })
        };
        self.positions.iter().map(floor).collect()
    }

    fn fetch(&mut self, world: &mut World, history: &mut History) {
        let floors = self.floors(history);
        if floors.is_empty() {
            return;
        }
        let version = self.habits.fetch_version;
        let mut topics: BTreeMap<usize, Vec<FetchPartition>> = BTreeMap::new();
        for (tp, floor) in &floors {
            let most = 1 + self.random.below(self.habits.bytes_max) as i32;
            let partition = FetchPartition::default()
                .with_partition(tp.partition)
                .with_fetch_offset(floor.position)
                .with_partition_max_bytes(most);
            topics.entry(tp.topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(index, partitions)| {
            let topic = &history.topics[index];
            let out = FetchTopic::default().with_partitions(partitions);
            if version >= 13 {
                return out.with_topic_id(topic.id.expect("usable topics have ids"));
            }
            out.with_topic(TopicName(StrBytes::from_string(topic.name.clone())))
        });
        let min_bytes = [0, 1, 1, 2_000][self.random.below(4) as usize];
        let mut request = FetchRequest::default()
            .with_max_wait_ms(self.random.below(self.habits.wait_ms_max) as i32)
            .with_min_bytes(min_bytes)
            .with_max_bytes(1 + self.random.below(self.habits.bytes_max) as i32)
            .with_topics(topics.collect());
        if version <= 14 {
            request = request.with_replica_id((-1).into());
        }
        if version >= 7 {
            request = request.with_session_epoch(-1);
        }
        let asked = Asked::Fetch(floors);
        self.line.call(world, history, &request, version, asked);
    }

    fn list(&mut self, world: &mut World, history: &mut History, latest: bool) {
        let floors = self.floors(history);
        if floors.is_empty() {
            return;
        }
        let which = if latest || self.random.one_in(2) {
            LATEST
        } else {
            EARLIEST
        };
        let mut topics: BTreeMap<usize, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for tp in floors.keys() {
            let partition = ListOffsetsPartition::default()
                .with_partition_index(tp.partition)
                .with_timestamp(which);
            topics.entry(tp.topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(index, partitions)| {
            let name = StrBytes::from_string(history.topics[index].name.clone());
            ListOffsetsTopic::default()
                .with_name(TopicName(name))
                .with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(topics.collect());
        let version = self.habits.list_version;
        let asked = Asked::List(floors, which);
        self.line.call(world, history, &request, version, asked);
    }

    pub fn readable(&mut self, world: &mut World, history: &mut History) {
        for (call, frame) in self.line.replies(world, history) {
            match call.what {
                Asked::Fetch(floors) => self.take_fetched(call.version, floors, frame, history),
                Asked::List(floors, which) => {
                    self.take_listed(call.version, floors, which, frame, history);
                }
            }
        }
    }

    fn take_fetched(
        &mut self,
        version: i16,
        mut floors: BTreeMap<Tp, Floor>,
        frame: Bytes,
        history: &mut History,
    ) {
        let (_, reply) = match client::decode::<FetchRequest>(version, frame) {
            Ok(reply) => reply,
            Err(error) => return history.violate(format!("Fetch {version}: {error:?}")),
        };
        if reply.error_code != 0 {
            let name = error_name("fetch: ", reply.error_code);
            history.violate(format!("Fetch {version} as a whole got {name}"));
            return;
        }
        for topic in &reply.responses {
            let index = match version {
                13.. => history.topic_with(topic.topic_id),
                _ => history.topic_named(&topic.topic),
            };
            for part in &topic.partitions {
                let tp = index.map(|topic| Tp {
                    topic,
                    partition: part.partition_index,
                });
                match tp.and_then(|tp| Some((tp, floors.remove(&tp)?))) {
                    Some((tp, floor)) => self.take_part(tp, floor, part, history),
                    None => history.violate(format!("Fetch answers {tp:?}, which was not asked")),
                }
            }
        }
        if !floors.is_empty() {
            history.violate(format!("Fetch does not answer {:?}", floors.keys()));
        }
    }

    fn take_part(&mut self, tp: Tp, floor: Floor, part: &PartitionData, history: &mut History) {
        if self.positions.get(&tp) != Some(&floor.position) || history.ruined.contains(&tp) {
            return;
        }
        if part.error_code != 0 {
            self.take_error(tp, floor, part.error_code, history);
            return;
        }
        let high = part.high_watermark;
        if high < floor.end {
            let what = format!(
                "{tp:?}: high watermark {high}, though {} was acknowledged or shown before",
                floor.end
            );
            history.claim(Claim::Record(tp, floor.end - 1), what);
        }
        history.raise_floor(tp, high);
        if part.log_start_offset > 0 {
            let start = part.log_start_offset;
            let what = format!("{tp:?} begins at {start}, and nothing may expire");
            history.claim(Claim::Record(tp, start - 1), what);
        }
        let bytes = part.records.clone().unwrap_or_default();
        let read = self.read_batches(tp, floor.position, high, bytes, history);
        if let Err(what) = read {
            history.violate(format!("{tp:?} from {}: {what}", floor.position));
        }
    }

    fn take_error(&mut self, tp: Tp, floor: Floor, code: i16, history: &mut History) {
        let name = error_name("fetch: ", code);
        history.tally.hit(name);
        if history.is_doomed(tp) {
            return;
        }
        match ErrorCode::from_i16(code) {
            Some(ErrorCode::CorruptMessage | ErrorCode::KafkaStorageError)
                if self.forgiving.contains(&tp) =>
            {
                self.step_over_harm(tp, floor.position, history);
            }
            Some(
                ErrorCode::KafkaStorageError
                | ErrorCode::NotLeaderOrFollower
                | ErrorCode::LeaderNotAvailable
                | ErrorCode::CorruptMessage,
            ) => {}
            known => {
                let end = history.floor(tp);
                let what = format!(
                    "{tp:?} at {}: {name}, though {end} are known to be there",
                    floor.position
                );
                match known {
                    Some(ErrorCode::OffsetOutOfRange) => {
                        let missed = floor.position.min(end - 1);
                        history.claim(Claim::Record(tp, missed), what);
                    }
                    Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => {
                        history.claim(Claim::Topic(tp.topic), what);
                    }
                    _ => history.violate(what),
                }
            }
        }
    }

    /// One offset at first, as batches are small; but what was lost may be millions of offsets.
    /// No record that is known is stepped over unasked.
    fn step_over_harm(&mut self, tp: Tp, position: i64, history: &History) {
        let (expected, steps) = self.strides.get(&tp).copied().unwrap_or((0, 0));
        let steps = if expected == position { steps + 1 } else { 0 };
        let stride = 1 << (steps - STEPS_OF_ONE).clamp(0, 30);
        let next = match self.goals.get(&tp) {
            Some(Some(goal)) => (position + stride).min(*goal).max(position + 1),
            Some(None) | None => position + stride,
        };
        let known = history.known_from(tp, position + 1);
        let next = known.map_or(next, |known| next.min(known));
        self.harmed.insert((tp, position), next);
        self.strides.insert(tp, (next, steps));
        self.positions.insert(tp, next);
    }

    /// Notes what the batches hold; they must go on exactly where the last poll ended.
    fn read_batches(
        &mut self,
        tp: Tp,
        from: i64,
        high: i64,
        mut bytes: Bytes,
        history: &mut History,
    ) -> Result<(), String> {
        let mut next = from;
        let mut is_first = true;
        while !bytes.is_empty() {
            let header = BatchHeader::parse(&bytes).map_err(|error| format!("{error:?}"))?;
            let size = header.size().filter(|size| *size <= bytes.len());
            let batch = bytes.split_to(size.ok_or("a batch that is cut off")?);
            if crc32c(&batch[21..]) != header.crc {
                return Err(format!("corrupt data served at {}", header.base_offset));
            }
            let fits = match is_first {
                true => header.base_offset <= next && next <= header.last_offset(),
                false => header.base_offset == next,
            };
            if !fits {
                let (first, last) = (header.base_offset, header.last_offset());
                return Err(format!(
                    "the poll skips or goes back: {first}-{last} for {next}"
                ));
            }
            is_first = false;
            if header.last_offset() >= high {
                return Err(format!("{} was shown above {high}", header.last_offset()));
            }
            for record in records(&batch, 1 << 26).map_err(|error| format!("{error:?}"))? {
                let record = record.map_err(|error| format!("{error:?}"))?;
                let value = record.value.unwrap_or_default();
                let (id, written_to) = value::decode(&value)
                    .ok_or("corrupt data served: a value that nobody wrote")?;
                if written_to != tp {
                    return Err(format!("{id:?} of {written_to:?} was served"));
                }
                history.saw(tp, record.offset, id);
            }
            next = header.last_offset() + 1;
        }
        self.positions.insert(tp, next);
        Ok(())
    }

    fn take_listed(
        &mut self,
        version: i16,
        mut floors: BTreeMap<Tp, Floor>,
        which: i64,
        frame: Bytes,
        history: &mut History,
    ) {
        let (_, reply) = match client::decode::<ListOffsetsRequest>(version, frame) {
            Ok(reply) => reply,
            Err(error) => return history.violate(format!("ListOffsets {version}: {error:?}")),
        };
        for topic in &reply.topics {
            let index = history.topic_named(&topic.name);
            for part in &topic.partitions {
                let tp = index.map(|topic| Tp {
                    topic,
                    partition: part.partition_index,
                });
                let known = tp.and_then(|tp| Some((tp, floors.remove(&tp)?)));
                let Some((tp, floor)) = known else {
                    history.violate(format!("ListOffsets answers {tp:?}, which was not asked"));
                    continue;
                };
                self.take_offset(tp, floor, which, part.error_code, part.offset, history);
            }
        }
    }

    fn take_offset(
        &mut self,
        tp: Tp,
        floor: Floor,
        which: i64,
        code: i16,
        offset: i64,
        history: &mut History,
    ) {
        if code != 0 {
            let name = error_name("list: ", code);
            history.tally.hit(name);
            let passes = matches!(
                ErrorCode::from_i16(code),
                Some(
                    ErrorCode::KafkaStorageError
                        | ErrorCode::NotLeaderOrFollower
                        | ErrorCode::LeaderNotAvailable
                )
            );
            if !passes && !history.is_doomed(tp) {
                let what = format!("ListOffsets of {tp:?}: {name}");
                match ErrorCode::from_i16(code) {
                    Some(ErrorCode::UnknownTopicOrPartition) => {
                        history.claim(Claim::Topic(tp.topic), what);
                    }
                    _ => history.violate(what),
                }
            }
            return;
        }
        if which == EARLIEST {
            if offset != 0 && !history.is_doomed(tp) {
                // Not even where harm has taken the first records: a reader must be told of that.
                let what = format!("{tp:?} begins at {offset}, and nothing may expire");
                history.violate(what);
            }
            return;
        }
        if offset < floor.end && !history.is_doomed(tp) {
            let what = format!(
                "{tp:?}: latest offset {offset}, though {} was acknowledged or shown before",
                floor.end
            );
            history.claim(Claim::Record(tp, floor.end - 1), what);
        }
        history.raise_floor(tp, offset);
        if let Some(goal) = self.goals.get_mut(&tp) {
            *goal = Some(offset);
        }
    }

    /// The newest records of relaxed topics may be gone: it begins with them anew.
    pub fn forget_relaxed(&mut self, history: &History) {
        self.positions
            .retain(|tp, _| !history.topics[tp.topic].relaxed);
    }

    pub fn closed(&mut self, world: &mut World) {
        self.line.lose(world);
    }
}
