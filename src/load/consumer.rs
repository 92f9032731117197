//! A consuming connection: fetches its partitions in turn and feeds the ledger with what comes.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::TcpStream;

use super::LoadError;
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
const END_WAIT_MS: i32 = 100;
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// Without fetch sessions every request names every partition that it wants: not too many.
const REQUEST_PARTITIONS_MAX: usize = 512;
/// A reader that gets nothing for so many polls, though more is there, gives up.
const EMPTY_POLLS_MAX: u32 = 20;

/// What a consumer is to read.
#[derive(Clone)]
pub struct Assignment {
    /// All of one leader.
    pub partitions: Vec<Place>,
    /// Which of the route's.
    pub leader: u32,
    pub depth: Depth,
    /// Stop at the ends rather than follow the tail.
    pub to_the_end: bool,
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

/// Reads until the end or until the run stops.
pub fn consume(job: &Job<'_>, assignment: Assignment) -> ConsumerEnd {
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
    numbering: Numbering,
    /// The partitions that each request in turn asks for, as indices into the sink's places.
    groups: VecDeque<Vec<usize>>,
    asked: VecDeque<Vec<usize>>,
}

impl<'a> Consumer<'a> {
    pub fn new(job: &Job<'a>, assignment: Assignment) -> Result<Self, LoadError> {
        let leader = job.route.leaders.get(assignment.leader as usize);
        let leader = leader.ok_or(LoadError::Reply("a partition without a leader"))?;
        let stream = connect(leader.address)?;
        let receiving = stream
            .try_clone()
            .map_err(LoadError::socket("sharing a socket"))?;
        let count = assignment.partitions.len();
        // Following a tail, a second request behind one that waits would only wait with it.
        let requests = if assignment.to_the_end {
            job.plan.in_flight as usize
        } else {
            1
        };
        let share = count.div_ceil(requests).clamp(1, REQUEST_PARTITIONS_MAX);
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
            numbering: Numbering::of(job.plan),
            groups: indices.chunks(share).map(<[usize]>::to_vec).collect(),
            asked: VecDeque::new(),
        })
    }

    pub fn run(&mut self, tally: &mut Tally<'_>) -> Result<(), LoadError> {
        let window = if self.to_the_end {
            self.job.plan.in_flight as usize
        } else {
            1
        };
        let mut empty_polls = 0;
        loop {
            let stopped = self.job.shared.phase() == Phase::Stop;
            while !stopped && self.asked.len() < window {
                if !self.ask_next()? {
                    break;
                }
            }
            let Some(mut group) = self.asked.pop_front() else {
                return Ok(());
            };
            let before = self.sink.bytes;
            self.take_reply(tally)?;
            empty_polls = if self.sink.bytes > before {
                0
            } else {
                empty_polls + 1
            };
            if self.to_the_end && empty_polls > EMPTY_POLLS_MAX {
                return Ok(());
            }
            // Kafka fills a reply in the order of the request: the first shall be the last.
            group.rotate_left(1);
            self.groups.push_back(group);
        }
    }

    /// Sends the next group that still wants something. False: nothing is wanted any more.
    fn ask_next(&mut self) -> Result<bool, LoadError> {
        while let Some(mut group) = self.groups.pop_front() {
            if self.to_the_end {
                group.retain(|at| !self.sink.places[*at].is_done());
            }
            if group.is_empty() {
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
        let wait_ms = if self.to_the_end {
            END_WAIT_MS
        } else {
            TAIL_WAIT_MS
        };
        out.extend_from_slice(&wait_ms.to_be_bytes());
        // At least one byte.
        out.extend_from_slice(&1_i32.to_be_bytes());
        out.extend_from_slice(&(plan.fetch_bytes.0 as i32).to_be_bytes());
        // Read uncommitted; no session: id 0, epoch -1.
        out.push(0);
        out.extend_from_slice(&0_i32.to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
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
        let code = frame.fetched(self.numbering, self.depth, &mut self.sink)?;
        if code != 0 {
            return Err(LoadError::Refused {
                request: "Fetch",
                code,
            });
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

impl Place {
    pub fn is_done(&self) -> bool {
        self.next >= self.end
    }
}
