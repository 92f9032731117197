//! A consuming connection: fetches its partitions in turn and feeds the ledger with what comes.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use super::LoadError;
use super::band::Band;
use super::frame::{push_header, push_text, push_uvarint, set_length};
use super::ledger::Reading;
use super::measure::{Phase, Side, Tally};
use super::reader::Reader;
use super::replies::{Depth, Frame};
use super::route::Numbering;
use super::sender::{Job, connect};
use super::sink::Sink;
use crate::wire::batch::Codec;

const FETCH: i16 = 1;
/// Fetch version 12: flexible, and still by topic name.
const VERSION: i16 = 12;
const TAIL_WAIT_MS: i32 = 500;
/// Before the end there is always something: a broker that has nothing has lost it.
const END_WAIT_MS: i32 = 100; // And a group's member shall see a rebalance.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// Without a fetch session every request names every partition that it wants: not too many.
const REQUEST_PARTITIONS_MAX: usize = 512;
/// A reader that gets nothing for so many polls, though more is there, gives up.
const EMPTY_POLLS_MAX: u32 = 20;

/// What a consumer is to read.
#[derive(Clone)]
pub struct Assignment<'a> {
    /// All of one leader.
    pub partitions: Vec<Place>,
    /// Which of the route's.
    pub leader: u32,
    pub depth: Depth,
    /// Stop at the ends rather than follow the tail.
    pub to_the_end: bool,
    /// Requests in flight.
    pub window: u32,
    /// A group's member holds this consumer; otherwise the run does.
    pub leash: Option<Leash<'a>>,
}

/// Tells a consumer when to stop, and is told where it stands.
#[derive(Clone, Copy)]
pub struct Leash<'a> {
    pub let_go: &'a AtomicBool,
    pub band: &'a Band,
}

/// Where a consumer stands in one partition.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub partition: u32,
    pub next: i64,
    /// Where to stop; ignored when following the tail.
    pub end: i64,
}

/// What a consumer leaves behind.
#[derive(Default)]
pub struct ConsumerEnd {
    pub side: Side,
    pub reading: Reading,
    /// Whether every partition was read to its end.
    pub complete: bool,
    pub failure: Option<LoadError>,
}

impl ConsumerEnd {
    pub fn panicked() -> Self {
        Self {
            failure: Some(LoadError::Panicked),
            ..Self::default()
        }
    }
}

/// Reads until the end or until the run stops.
pub fn consume(job: &Job<'_>, assignment: Assignment<'_>) -> ConsumerEnd {
    let mut tally = Tally::new(job.shared, &job.shared.consumed);
    let mut end = ConsumerEnd::default();
    let ran = Consumer::new(job, assignment).and_then(|mut consumer| {
        let ran = consumer.run(&mut tally);
        end.complete = consumer.sink.is_complete();
        end.reading = std::mem::take(&mut consumer.sink.reading);
        ran
    });
    ConsumerEnd {
        side: tally.finish(),
        failure: ran.err(),
        ..end
    }
}

pub struct Consumer<'a> {
    job: Job<'a>,
    stream: TcpStream,
    reader: Reader,
    pub sink: Sink<'a>,
    to_the_end: bool,
    depth: Depth,
    window: usize,
    leash: Option<Leash<'a>>,
    numbering: Numbering,
    /// Of a tail of so many partitions that no request can name them all.
    session: Option<Session>,
    /// The partitions that each request in turn asks for, as indices into the sink's places.
    groups: VecDeque<Vec<usize>>,
    asked: VecDeque<Vec<usize>>,
}

impl<'a> Consumer<'a> {
    pub fn new(job: &Job<'a>, assignment: Assignment<'a>) -> Result<Self, LoadError> {
        let leader = job.route.leaders.get(assignment.leader as usize);
        let leader = leader.ok_or(LoadError::Reply("a partition without a leader"))?;
        let stream = connect(leader.address)?;
        let receiving = stream
            .try_clone()
            .map_err(LoadError::socket("sharing a socket"))?;
        let count = assignment.partitions.len();
        let window = assignment.window as usize;
        let has_session = !assignment.to_the_end && count > REQUEST_PARTITIONS_MAX;
        let share = match has_session {
            true => count,
            false => count.div_ceil(window).clamp(1, REQUEST_PARTITIONS_MAX),
        };
        let indices: Vec<usize> = (0..count).collect();
        Ok(Self {
            job: *job,
            stream,
            reader: Reader::new(receiving, RECEIVE_BUFFER_BYTES),
            sink: Sink::new(job, assignment.partitions),
            to_the_end: assignment.to_the_end,
            // What is compressed has to be opened to see whose it is.
            depth: match job.plan.compression {
                Codec::None => assignment.depth,
                _ => Depth::Whole,
            },
            window,
            leash: assignment.leash,
            numbering: Numbering::of(job.plan),
            session: has_session.then(Session::default),
            groups: indices.chunks(share).map(<[usize]>::to_vec).collect(),
            asked: VecDeque::new(),
        })
    }

    pub fn run(&mut self, tally: &mut Tally<'_>) -> Result<(), LoadError> {
        let mut empty_polls = 0;
        loop {
            let stopped = self.is_stopped();
            while !stopped && self.asked.len() < self.window {
                if !self.ask_next()? {
                    break;
                }
            }
            let Some(mut group) = self.asked.pop_front() else {
                return Ok(());
            };
            let before = self.sink.bytes;
            self.take_reply(tally)?;
            self.tell(&group);
            empty_polls = if self.sink.bytes > before {
                0
            } else {
                empty_polls + 1
            };
            if self.to_the_end && empty_polls > EMPTY_POLLS_MAX {
                return Ok(());
            }
            if let Some(session) = self.session {
                let moved = std::mem::take(&mut self.sink.moved);
                group = match session.id {
                    0 => (0..self.sink.places.len()).collect(),
                    _ => moved,
                };
            } else {
                // Kafka fills a reply in the order of the request: the first shall be the last.
                group.rotate_left(1);
            }
            self.groups.push_back(group);
        }
    }

    fn is_stopped(&self) -> bool {
        match self.leash {
            Some(leash) => leash.let_go.load(Ordering::Relaxed),
            None => self.job.shared.phase() == Phase::Stop,
        }
    }

    fn tell(&self, group: &[usize]) {
        let Some(leash) = self.leash else {
            return;
        };
        for place in group.iter().map(|at| &self.sink.places[*at]) {
            leash.band.note(place.partition, place.next);
        }
    }

    /// Sends the next group that still wants something. False: nothing is wanted any more.
    fn ask_next(&mut self) -> Result<bool, LoadError> {
        while let Some(mut group) = self.groups.pop_front() {
            if self.to_the_end {
                group.retain(|at| !self.sink.places[*at].is_done());
            }
            if group.is_empty() && self.session.is_none() {
                continue;
            }
            let request = self.request(&group);
            self.stream
                .write_all(&request)
                .map_err(LoadError::socket("sending a fetch"))?;
            self.asked.push_back(group);
            return Ok(true);
        }
        Ok(false)
    }

    fn request(&self, group: &[usize]) -> Vec<u8> {
        let plan = self.job.plan;
        let mut out = vec![0; 4];
        push_header(&mut out, FETCH, VERSION);
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        let wait_ms = if self.to_the_end || self.leash.is_some() {
            END_WAIT_MS
        } else {
            TAIL_WAIT_MS
        };
        out.extend_from_slice(&wait_ms.to_be_bytes());
        // At least one byte.
        out.extend_from_slice(&1_i32.to_be_bytes());
        out.extend_from_slice(&(plan.fetch_bytes.0 as i32).to_be_bytes());
        // Read uncommitted.
        out.push(0);
        let session = self.session.unwrap_or(Session::NONE);
        out.extend_from_slice(&session.id.to_be_bytes());
        out.extend_from_slice(&session.epoch.to_be_bytes());
        let mut by_topic: BTreeMap<u32, Vec<&Place>> = BTreeMap::new();
        for at in group {
            let place = &self.sink.places[*at];
            let topic = self.numbering.topic_of(place.partition);
            by_topic.entry(topic).or_default().push(place);
        }
        push_uvarint(&mut out, by_topic.len() as u32 + 1);
        for (topic, places) in by_topic {
            push_text(&mut out, &plan.topic_name(topic));
            push_uvarint(&mut out, places.len() as u32 + 1);
            for place in places {
                self.push_partition(&mut out, place);
            }
            out.push(0);
        }
        // No forgotten topics, no rack, the request's tags.
        out.extend_from_slice(&[1, 1, 0]);
        set_length(&mut out);
        out
    }

    fn push_partition(&self, out: &mut Vec<u8>, place: &Place) {
        let index = self.numbering.within_topic(place.partition);
        out.extend_from_slice(&index.to_be_bytes());
        // Current leader epoch unknown, fetch offset, last fetched epoch, log start offset.
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&place.next.to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&(-1_i64).to_be_bytes());
        let bytes = self.job.plan.fetch_partition_bytes.0 as i32;
        out.extend_from_slice(&bytes.to_be_bytes());
        out.push(0);
    }

    /// Asks for the first group; the answer waits at the broker until there is something.
    pub fn ask(&mut self) -> Result<(), LoadError> {
        self.ask_next().map(|_| ())
    }

    /// Receives what was asked for, and asks again, until `wanted` records have come.
    pub fn receive(&mut self, wanted: u64) -> Result<u64, LoadError> {
        let mut got = 0;
        for _ in 0..EMPTY_POLLS_MAX {
            self.read_reply()?;
            got += self.sink.reply_records;
            self.groups.extend(self.asked.pop_front());
            if got >= wanted {
                return Ok(got);
            }
            self.ask()?;
        }
        Err(LoadError::Reply("what was acknowledged is not to be had"))
    }

    fn take_reply(&mut self, tally: &mut Tally<'_>) -> Result<(), LoadError> {
        let asked_ns = self.job.shared.now_ns();
        self.read_reply()?;
        let now = self.job.shared.now_ns();
        let (records, bytes) = (self.sink.reply_records, self.sink.reply_bytes);
        if tally.reply(now, records, bytes) && records > 0 {
            if self.job.schedule.is_some() {
                self.sink.latencies(now, tally);
            } else {
                tally.latency(now - asked_ns, records);
            }
        }
        Ok(())
    }

    fn read_reply(&mut self) -> Result<(), LoadError> {
        self.sink.begin();
        let frame =
            Frame::begin(&mut self.reader).map_err(LoadError::socket("awaiting a fetch"))?;
        let (code, session) = frame.fetched(self.numbering, self.depth, &mut self.sink)?;
        if code != 0 {
            return Err(LoadError::Refused {
                request: "Fetch",
                code,
            });
        }
        if let Some(own) = &mut self.session {
            own.goes_on_as(session)?;
        }
        match self.sink.refused.take() {
            Some(code) => Err(LoadError::Refused {
                request: "Fetch",
                code,
            }),
            None => Ok(()),
        }
    }
}

/// An incremental fetch session (KIP-227): the first request names every partition, the later
/// ones those whose place has moved.
#[derive(Clone, Copy, Default)]
struct Session {
    /// 0: it has not begun.
    id: i32,
    epoch: i32,
    refused: u32,
}

/// A broker may have no session for a connection that is about to move, or no room for one just
/// now; so often in a row it has none for so many partitions.
const SESSION_TRIES: u32 = 20;

impl Session {
    const NONE: Self = Self {
        id: 0,
        epoch: -1,
        refused: 0,
    };

    fn goes_on_as(&mut self, id: i32) -> Result<(), LoadError> {
        if id == 0 {
            self.refused += 1;
            *self = Self {
                refused: self.refused,
                ..Self::default()
            };
            return match self.refused {
                SESSION_TRIES.. => Err(LoadError::Reply("no fetch session for so many partitions")),
                _ => Ok(()),
            };
        }
        (self.id, self.refused) = (id, 0);
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        Ok(())
    }
}

impl Place {
    pub fn is_done(&self) -> bool {
        self.next >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_refused_begins_anew_and_one_that_always_is_ends_the_run() {
        let mut session = Session::default();
        for _ in 1..SESSION_TRIES {
            session.goes_on_as(0).expect("another try");
            assert_eq!((session.id, session.epoch), (0, 0));
        }

        session.goes_on_as(7).expect("it has begun");
        session.goes_on_as(7).expect("it goes on");

        assert_eq!((session.id, session.epoch), (7, 2));
        for _ in 1..SESSION_TRIES {
            session.goes_on_as(0).expect("another try");
        }
        assert!(session.goes_on_as(0).is_err());
    }
}
