//! What was staged, in which group, and what a recovery may therefore bring.

use std::collections::BTreeMap;

use thalweg::base::crc::crc32c;
use thalweg::base::random::Random;
use thalweg::journal::{EntryHead, Index, Snapshots, StreamId, Term};

/// An entry, with the group that carries it. Group 0: it was durable before this life began.
#[derive(Clone, Debug)]
pub struct Staged {
    pub head: EntryHead,
    pub group: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub entries: Vec<Staged>,
    /// Lowest index wanted, with the group that says so; rising. Begins with the stream.
    pub trims: Vec<(u64, i64)>,
    pub dropped: Option<u64>,
    pub term: i32,
}

impl Stream {
    pub fn end(&self) -> i64 {
        self.entries.last().map_or(0, |last| last.head.end().0)
    }

    pub fn first(&self) -> i64 {
        self.trims.last().map_or(0, |(_, first)| *first)
    }

    /// A sum over the heads of all entries below `end`.
    pub fn sum(&self, end: i64) -> u32 {
        let below = self
            .entries
            .iter()
            .take_while(|entry| entry.head.end().0 <= end);
        let words: Vec<u8> = below.flat_map(|entry| entry.head.note).collect();
        crc32c(&words)
    }
}

/// The groups that a recovery may have ended with.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub low: u64,
    pub high: u64,
}

impl Span {
    fn at_least(&mut self, group: u64) {
        self.low = self.low.max(group);
    }

    fn before(&mut self, group: u64) {
        self.high = self.high.min(group.saturating_sub(1));
    }
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub streams: BTreeMap<StreamId, Stream>,
    /// The last id given to a stream; none is given twice, in no life.
    pub last_stream: u64,
}

impl Model {
    /// What seeing (or not seeing) `range` of a stream says about the last group recovered.
    pub fn narrow(&self, id: StreamId, range: Option<(Index, Index)>, span: &mut Span) {
        let stream = &self.streams[&id];
        let Some((first, end)) = range else {
            match (stream.dropped, stream.entries.first()) {
                // Never there, or dropped: which of the two, other streams must tell.
                (Some(dropped), Some(born)) if span.low >= born.group => span.at_least(dropped),
                (None, Some(born)) => span.before(born.group),
                _ => {}
            }
            return;
        };
        if let Some(dropped) = stream.dropped {
            span.before(dropped);
        }
        for entry in &stream.entries {
            if entry.head.end() <= end {
                span.at_least(entry.group);
            } else {
                span.before(entry.group);
            }
        }
        for (group, wanted) in &stream.trims {
            if first.0 < *wanted {
                span.before(*group);
            }
        }
        let reached = stream.trims.iter().find(|(_, wanted)| *wanted == first.0);
        let reached = reached.unwrap_or_else(|| {
            panic!(
                "{id:?} begins at {first:?}, which nobody asked for: {:?}",
                stream.trims
            )
        });
        span.at_least(reached.0);
    }

    /// Forgets what did not survive; what did is durable from now on.
    pub fn keep(&mut self, last: u64) {
        self.streams.retain(|_, stream| {
            let born = stream
                .entries
                .first()
                .is_some_and(|entry| entry.group <= last);
            let dropped = stream.dropped.is_some_and(|group| group <= last);
            born && !dropped
        });
        for stream in self.streams.values_mut() {
            stream.dropped = None;
            stream.entries.retain(|entry| entry.group <= last);
            stream.trims.retain(|(group, _)| *group <= last);
            stream.entries.iter_mut().for_each(|entry| entry.group = 0);
            stream.trims.iter_mut().for_each(|(group, _)| *group = 0);
            stream.term = stream.entries.last().map_or(0, |entry| entry.head.term.0);
        }
    }
}

impl Snapshots for Model {
    fn snapshot(&self, stream: StreamId, out: &mut Vec<u8>) {
        let Some(stream) = self.streams.get(&stream) else {
            return;
        };
        out.extend_from_slice(&stream.end().to_le_bytes());
        out.extend_from_slice(&stream.sum(stream.end()).to_le_bytes());
    }
}

/// The payload of an entry follows from its place, so it need not be kept: a head of some bytes,
/// and a body.
pub fn payload_of(head: &EntryHead) -> Vec<u8> {
    let seed = u64::from_le_bytes(head.note[..8].try_into().expect("eight bytes"));
    let mut payload = vec![0; head.length as usize];
    Random::with_seed(seed).fill(&mut payload);
    payload
}

pub fn head_of(
    stream: StreamId,
    first: i64,
    term: i32,
    length: u32,
    random: &mut Random,
) -> EntryHead {
    let mut note = [0; 16];
    random.fill(&mut note);
    EntryHead {
        stream,
        first: Index(first),
        term: Term(term),
        count: 1 + random.below(50) as u32,
        time_max: random.below(1_000_000) as i64,
        note,
        length,
    }
}
