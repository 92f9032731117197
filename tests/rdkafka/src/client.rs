//! What the checks need from rdkafka, without its asynchronous half.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::record::Record;

const DEADLINE: Duration = Duration::from_secs(120);

/// A partition and an offset in it.
pub type Place = (i32, i64);
pub type Acknowledged = BTreeMap<Place, Record>;
pub type Outcome = (Place, Result<Record, KafkaError>);

pub struct Client {
    config: ClientConfig,
    topic: String,
    partitions: i32,
}

impl Client {
    pub fn new(bootstrap: &str, partitions: i32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.expect("the clock is past 1970").as_secs();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        let topic = format!("rdkafka-{}-{seconds}", std::process::id());
        Self {
            config,
            topic,
            partitions,
        }
    }

    pub fn create_topic(&self) {
        let admin: AdminClient<DefaultClientContext> = self.config.create().expect("admin client");
        let topic = NewTopic::new(&self.topic, self.partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
        let made = block_on(admin.create_topics([&topic], &options)).expect("CreateTopics");
        made.into_iter().for_each(|topic| {
            topic.expect("the topic is created");
        });
    }

    pub fn producer(&self, settings: &[(&str, &str)]) -> Producer {
        let mut config = self.config.clone();
        config.set("queue.buffering.max.messages", "1000000");
        settings.iter().for_each(|(key, value)| {
            config.set(*key, *value);
        });
        let producer = config.create_with_context(Deliveries::default());
        Producer {
            topic: self.topic.clone(),
            producer: producer.expect("a producer"),
        }
    }

    pub fn send_one(&self, settings: &[(&str, &str)], partition: i32, record: Record) -> Outcome {
        let producer = self.producer(settings);
        producer.send(partition, record);
        let mut outcomes = producer.finish();
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    /// Reads each partition from its offset to its end.
    pub fn read(&self, from: &[(i32, Offset)], mut each: impl FnMut(&BorrowedMessage<'_>)) {
        let consumer = self.consumer();
        let mut assignment = TopicPartitionList::new();
        for (partition, offset) in from {
            let added = assignment.add_partition_offset(&self.topic, *partition, *offset);
            added.expect("a valid offset");
        }
        consumer.assign(&assignment).expect("assigned");
        let until = Instant::now() + DEADLINE;
        let mut ended = 0;
        while ended < from.len() {
            assert!(Instant::now() < until, "reading took over {DEADLINE:?}");
            match consumer.poll(Duration::from_secs(1)) {
                Some(Ok(message)) => {
                    assert_eq!(message.topic(), self.topic);
                    each(&message);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(error)) => panic!("reading: {error}"),
                None => {}
            }
        }
    }

    /// The first offset at or after a time, as ListOffsets answers it.
    pub fn offset_at(&self, partition: i32, stamp: i64) -> Offset {
        let mut asked = TopicPartitionList::new();
        let added = asked.add_partition_offset(&self.topic, partition, Offset::Offset(stamp));
        added.expect("a valid time");
        let answer = self.consumer().offsets_for_times(asked, DEADLINE);
        answer.expect("ListOffsets").elements()[0].offset()
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = self.config.clone();
        config.set("group.id", "unused");
        config.set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true");
        config.create().expect("a consumer")
    }
}

/// Collects the outcome of every record sent.
#[derive(Default)]
struct Deliveries {
    outcomes: Mutex<Vec<Outcome>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Record>;

    fn delivery(&self, result: &DeliveryResult<'_>, record: Box<Record>) {
        let outcome = match result {
            Ok(message) => ((message.partition(), message.offset()), Ok(*record)),
            Err((error, message)) => ((message.partition(), -1), Err(error.clone())),
        };
        self.outcomes.lock().expect("not poisoned").push(outcome);
    }
}

pub struct Producer {
    topic: String,
    producer: BaseProducer<Deliveries>,
}

impl Producer {
    pub fn send(&self, partition: i32, record: Record) {
        let sent = Box::new(record.clone());
        let mut message = BaseRecord::with_opaque_to(&self.topic, sent)
            .partition(partition)
            .timestamp(record.stamp);
        if let Some(key) = &record.key {
            message = message.key(key);
        }
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        if !record.headers.is_empty() {
            message = message.headers(record.owned_headers());
        }
        if let Err((error, _)) = self.producer.send(message) {
            panic!("the client itself refused: {error}");
        }
        self.producer.poll(Duration::ZERO);
    }

    /// Waits until every record is acknowledged or refused.
    pub fn finish(self) -> Vec<Outcome> {
        self.producer.flush(DEADLINE).expect("flushed in time");
        std::mem::take(&mut *self.outcomes())
    }

    fn outcomes(&self) -> std::sync::MutexGuard<'_, Vec<Outcome>> {
        let deliveries = self.producer.context();
        deliveries.outcomes.lock().expect("not poisoned")
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// rdkafka's admin calls are futures that its own thread completes.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
