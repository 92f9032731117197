//! An honest user: produces idempotently, reads what it wrote, and remembers what was acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thalweg::wire::batch::BatchBuilder;

use super::Broker;
use super::client::{Client, now, records_of};

pub const TOPIC: &str = "honest";
const PARTITIONS: i32 = 4;
const RECORDS: i32 = 3;

/// Works on a thread of its own until it is asked for its account.
pub struct Honest {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: Option<JoinHandle<Account>>,
}

/// What an honest user was promised, and how long it had to wait.
#[derive(Debug, Default)]
pub struct Account {
    /// Per partition: each acknowledged batch's first offset and its first record's number.
    batches: Vec<Vec<(i64, i32)>>,
    pub slowest: Duration,
}

impl Honest {
    /// Its topic is there when this returns.
    pub fn begin(broker: &Broker) -> Self {
        let address = broker.address;
        broker.connect().create_topic(TOPIC, PARTITIONS);
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (asked, counter) = (stop.clone(), acknowledged.clone());
        let work = move || work(address, &asked, &counter);
        let thread = std::thread::Builder::new()
            .name("honest".to_owned())
            .spawn(work);
        Self {
            stop,
            acknowledged,
            thread: Some(thread.expect("a thread")),
        }
    }

    /// Fails if it is no longer served.
    pub fn acknowledged(&self) -> u64 {
        let works = self
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished());
        assert!(works, "the honest user gave up");
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Stops it; fails if it was not served.
    pub fn end(mut self) -> Account {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("the honest user was served")
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        // When a test fails early.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Account {
    pub fn records(&self) -> u64 {
        let batches = self.batches.iter().map(Vec::len).sum::<usize>();
        batches as u64 * RECORDS as u64
    }

    /// Every acknowledged record is where it was promised, and nothing is there twice.
    pub fn verify(&self, client: &mut Client) {
        for (partition, batches) in (0..).zip(&self.batches) {
            let found = client.read_all(TOPIC, partition);
            for (place, (offset, _)) in (0..).zip(&found) {
                assert_eq!(place, *offset, "partition {partition} has a hole");
            }
            let end = found.len();
            for (base, first) in batches {
                for record in 0..RECORDS {
                    let at = *base as usize + record as usize;
                    assert!(
                        at < end,
                        "{partition}: {at} was acknowledged, the end is {end}"
                    );
                    assert_eq!(found[at].1, value(partition, first + record), "at {at}");
                }
            }
        }
    }
}

fn value(partition: i32, number: i32) -> Bytes {
    Bytes::from(format!("honest record {number} of partition {partition}"))
}

fn work(address: SocketAddr, stop: &AtomicBool, counter: &AtomicU64) -> Account {
    let mut writer = Client::try_connect(address).expect("a connection to write");
    let mut reader = Client::try_connect(address).expect("a connection to read");
    let (id, epoch) = writer.init_producer();
    let mut account = Account {
        batches: vec![Vec::new(); PARTITIONS as usize],
        slowest: Duration::ZERO,
    };
    for round in 0.. {
        for partition in 0..PARTITIONS {
            if stop.load(Ordering::Relaxed) {
                return account;
            }
            let began = Instant::now();
            let first = round * RECORDS;
            let mut batch = BatchBuilder::new().producer(id, epoch, first);
            for number in first..first + RECORDS {
                batch = batch.value(now(), &value(partition, number));
            }
            let (code, base) = writer.produce(TOPIC, partition, Some(batch.build()));
            assert_eq!(code, 0, "partition {partition}, record {first}");
            account.batches[partition as usize].push((base, first));
            counter.fetch_add(RECORDS as u64, Ordering::Relaxed);
            let found = records_of(reader.fetch(TOPIC, partition, base).records);
            let expected = (base, value(partition, first));
            assert_eq!(found.first(), Some(&expected), "what was just acknowledged");
            account.slowest = account.slowest.max(began.elapsed());
        }
    }
    account
}
