//! One producer of one partition, over any number of broker lives.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thalweg::base::random::Random;

use super::value::ValueId;
use crate::kafka::{Batch, Connection, Error, Producer};

/// What Java's producer keeps in flight, and what a broker remembers of a producer.
const IN_FLIGHT_MAX: usize = 5;
const BATCH_RECORDS_MAX: u64 = 20;
const COORDINATOR: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// The broker promised to keep it, at this offset.
    Acknowledged { offset: i64, at: Instant },
    /// Not answered: it may be there, whole, or not at all.
    Unknown,
}

/// A batch as it was sent, and what was said about it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub first: u64,
    pub count: u32,
    pub at: Instant,
    pub outcome: Outcome,
    /// The producer's number of its first record.
    sequence: i32,
}

pub struct Writer {
    pub id: u32,
    pub partition: i32,
    pub history: Vec<Sent>,
    /// Idempotent: what is in doubt is sent again, as the same batch.
    idempotent: bool,
    producer: Option<(i64, i16)>,
    next_sequence: i32,
    /// Batches in doubt that are to be sent again, oldest first.
    again: VecDeque<usize>,
    random: Random,
}

impl Writer {
    pub fn new(id: u32, partition: i32, idempotent: bool, random: Random) -> Self {
        Self {
            id,
            partition,
            history: Vec::new(),
            idempotent,
            producer: None,
            next_sequence: 0,
            again: VecDeque::new(),
            random,
        }
    }

    /// How many batches, from the first on, will not be sent again.
    pub fn settled(&self) -> usize {
        self.history.len() - self.again.len()
    }

    /// Sends until the connection breaks, or until `stop`. An error is a broken promise.
    ///
    /// At most `in_flight` batches wait for their answers; `on_ack` is called at each answer.
    pub fn run(
        &mut self,
        address: SocketAddr,
        topic: &str,
        stop: &AtomicBool,
        mut on_ack: impl FnMut(),
    ) -> Result<(), String> {
        let mut waiting = VecDeque::new();
        let outcome = Connection::open(address, topic).and_then(|mut connection| {
            self.send_on(&mut connection, stop, &mut waiting, &mut on_ack)
        });
        if self.idempotent {
            // What was not answered goes first, then what was not even sent again.
            let unsent = std::mem::take(&mut self.again);
            self.again = waiting.into_iter().chain(unsent).collect();
        }
        match outcome {
            Ok(()) | Err(Error::Broken(_)) => Ok(()),
            Err(Error::Code(code)) if Error::is_doubtful(code) => Ok(()),
            Err(error) => Err(format!("writer {}: {error}", self.id)),
        }
    }

    fn send_on(
        &mut self,
        connection: &mut Connection,
        stop: &AtomicBool,
        waiting: &mut VecDeque<usize>,
        on_ack: &mut impl FnMut(),
    ) -> Result<(), Error> {
        if self.idempotent && self.producer.is_none() {
            self.producer = Some(init_producer(connection)?);
        }
        loop {
            while waiting.len() < IN_FLIGHT_MAX && !stop.load(Ordering::Relaxed) {
                let index = self.again.pop_front().unwrap_or_else(|| self.next_batch());
                waiting.push_back(index);
                let batch = self.batch(index).encode();
                connection.produce(self.partition, &batch)?;
            }
            let Some(&index) = waiting.front() else {
                return Ok(());
            };
            let offset = connection.produced()?;
            waiting.pop_front();
            let at = Instant::now();
            self.history[index].outcome = Outcome::Acknowledged { offset, at };
            on_ack();
        }
    }

    /// Exactly one batch, and the wait for its answer.
    pub fn send_one(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let index = self.next_batch();
        connection.produce(self.partition, &self.batch(index).encode())?;
        let offset = connection.produced()?;
        let at = Instant::now();
        self.history[index].outcome = Outcome::Acknowledged { offset, at };
        Ok(())
    }

    fn next_batch(&mut self) -> usize {
        let first = self
            .history
            .last()
            .map_or(0, |b| b.first + u64::from(b.count));
        let count = 1 + self.random.below(BATCH_RECORDS_MAX) as u32;
        self.history.push(Sent {
            first,
            count,
            at: Instant::now(),
            outcome: Outcome::Unknown,
            sequence: self.next_sequence,
        });
        self.next_sequence += count as i32;
        self.history.len() - 1
    }

    fn batch(&self, index: usize) -> Batch {
        let sent = &self.history[index];
        let producer = self.producer.map(|(id, epoch)| Producer {
            id,
            epoch,
            sequence: sent.sequence,
        });
        let values = (sent.first..sent.first + u64::from(sent.count)).map(|number| {
            let writer = self.id;
            let id = ValueId { writer, number };
            (id.key(), id.value())
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Batch {
            producer: producer.unwrap_or(Producer::NOBODY),
            stamp: now.expect("the clock is past 1970").as_millis() as i64,
            records: values.collect(),
        }
    }
}

/// A coordinator that loads or moves (14, 15) asks for patience.
fn init_producer(connection: &mut Connection) -> Result<(i64, i16), Error> {
    let until = Instant::now() + COORDINATOR;
    loop {
        match connection.init_producer() {
            Err(Error::Code(14 | 15)) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(10));
            }
            outcome => return outcome,
        }
    }
}
