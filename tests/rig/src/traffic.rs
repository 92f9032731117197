//! Writers and a consumer at work on a broker, until it goes away or they are told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thalweg::base::random::Random;

use crate::broker::Broker;
use crate::kafka::Connection;
use crate::load::{Ledger, Observed, Outcome, Reader, Writer};

pub const TOPIC: &str = "strikes";
pub const PARTITIONS: i32 = 6;
/// Two a partition: one idempotent, one not.
const WRITERS: u32 = 12;
/// Without an acknowledgement in this time the broker is stuck.
const FIRST_ACK: Duration = Duration::from_secs(30);

/// Who writes, and what is known of what they wrote; it outlives any number of brokers.
pub struct Crowd {
    pub ledger: Ledger,
    writers: Vec<Writer>,
}

impl Crowd {
    pub fn new(random: &mut Random) -> Self {
        let writers = (0..WRITERS).map(|id| {
            let partition = id as i32 % PARTITIONS;
            let idempotent = id >= PARTITIONS as u32;
            Writer::new(id, partition, idempotent, random.fork(u64::from(id)))
        });
        Self {
            writers: writers.collect(),
            ledger: Ledger::new(PARTITIONS as usize, WRITERS as usize),
        }
    }

    /// Records that a broker has promised to keep.
    pub fn acknowledged(&self) -> u64 {
        let sent = self.writers.iter().flat_map(|writer| &writer.history);
        let promised = sent.filter(|it| it.outcome != Outcome::Unknown);
        promised.map(|it| u64::from(it.count)).sum()
    }

    /// Reads what is new, or `all`, and judges it. The error lists what was broken.
    pub fn check(&mut self, connection: &mut Connection, all: bool) -> Result<(), String> {
        self.ledger.check(connection, &self.writers, all)
    }
}

/// Everything that talks to a broker between two strikes.
pub struct Traffic {
    acks: Arc<AtomicU64>,
    pub stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<(Writer, Result<(), String>)>>,
    reader: JoinHandle<Result<Vec<Observed>, String>>,
}

impl Traffic {
    /// Every writer on a thread and a connection of its own, and a consumer that follows them.
    pub fn launch(crowd: &mut Crowd, broker: &Broker) -> Self {
        let (acks, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let address = broker.address;
        let next = (0..PARTITIONS).map(|partition| crowd.ledger.known(partition as usize));
        let reader = Reader::from(next.collect());
        let stopped = stop.clone();
        let reader = thread::spawn(move || reader.run(address, TOPIC, &stopped));
        let writers = std::mem::take(&mut crowd.writers).into_iter();
        let writers = writers.map(|mut writer| {
            let (acks, stop) = (acks.clone(), stop.clone());
            thread::spawn(move || {
                let on_ack = || {
                    acks.fetch_add(1, Ordering::Relaxed);
                };
                let outcome = writer.run(address, TOPIC, &stop, on_ack);
                (writer, outcome)
            })
        });
        Self {
            writers: writers.collect(),
            acks,
            stop,
            reader,
        }
    }

    /// Waits for all of them to end, as they do when the broker is gone or they are told to.
    pub fn collect(self, crowd: &mut Crowd) -> Result<(), String> {
        let mut outcome = Ok(());
        for handle in self.writers {
            let (writer, own) = handle.join().expect("a writer does not panic");
            crowd.writers.push(writer);
            outcome = outcome.and(own);
        }
        let observed = self.reader.join().expect("a reader does not panic");
        for (partition, offset, id) in observed? {
            crowd.ledger.observed(partition, offset, id);
        }
        outcome
    }

    /// From the first acknowledgement on, so long.
    pub fn go_on_for(&self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + FIRST_ACK;
        while self.acks.load(Ordering::Relaxed) == 0 {
            if Instant::now() > until {
                return Err(format!("not one acknowledgement in {FIRST_ACK:?}"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(time);
        Ok(())
    }
}
