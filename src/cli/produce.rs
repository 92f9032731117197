//! `thalweg produce`: lines of standard input to records of a topic.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::json;

use crate::wire::batch::{BatchBuilder, Codec, NewRecord};
use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::{ProduceRequest, TopicName};
use crate::wire::partitioner::partition_of;
use crate::wire::{ErrorCode, StrBytes};

use super::Failure;
use super::arguments::{Broker, Compression, Output, Produce};
use super::client::check;
use super::cluster::Cluster;

/// Lines that may wait while a request is under way.
const LINES_WAITING_MAX: usize = 10_000;
/// A batch is sent when it has grown to this.
const BATCH_BYTES: usize = 256 << 10;
/// A new topic's leaders may need a moment on brokers that elect them.
const TRIES_MAX: u32 = 20;
const RETRY_WAIT: Duration = Duration::from_millis(250);

/// A line, taken apart.
struct Line {
    key: Option<Vec<u8>>,
    value: Vec<u8>,
}

/// Acknowledged by nobody: no reply comes, not even one that says what went wrong.
const ACKS_NONE: i16 = 0;

/// Sends every line of standard input; returns once all are acknowledged, or, with `--acks 0`, on
/// their way.
pub fn run(options: &Produce) -> Result<u8, Failure> {
    let create = true;
    let mut cluster = Cluster::connect(&options.broker.bootstrap_server, &options.topic, create)?;
    if let Some(partition) = options.partition {
        cluster.check_partition(partition)?;
    }
    let separator = options.key_separator.clone().map(String::into_bytes);
    let lines = read_lines(separator, std::io::stdin());
    let mut sender = Sender::new(options);
    while let Ok(first) = lines.recv() {
        let mut gathered = vec![first];
        let mut bytes = 0;
        // What has arrived while the last request was under way is the next batch.
        while bytes < BATCH_BYTES && gathered.len() < LINES_WAITING_MAX {
            let Ok(line) = lines.try_recv() else { break };
            bytes += line.value.len() + line.key.as_ref().map_or(0, Vec::len);
            gathered.push(line);
        }
        sender.send(&mut cluster, &gathered)?;
    }
    let sent = sender.sent;
    let confirmed = options.acks != ACKS_NONE;
    match (options.broker.output, confirmed) {
        (Output::Text, true) => eprintln!("{sent} records acknowledged."),
        (Output::Text, false) => {
            eprintln!("{sent} records sent; none was acknowledged, as --acks 0 asks for.");
        }
        (Output::Json, _) => {
            let acknowledged = if confirmed { sent } else { 0 };
            let topic = &options.topic;
            let told = json!({ "topic": topic, "sent": sent, "acknowledged": acknowledged });
            println!("{told}");
        }
    }
    Ok(0)
}

/// Sends `lines` as values to `topic`; returns once all are acknowledged.
pub fn send_lines(broker: &Broker, topic: &str, lines: &[&str]) -> Result<(), Failure> {
    let options = Produce {
        topic: topic.to_owned(),
        key_separator: None,
        headers: Vec::new(),
        compression: Compression::None,
        acks: -1,
        partition: None,
        broker: broker.clone(),
    };
    let mut cluster = Cluster::connect(&broker.bootstrap_server, topic, false)?;
    let lines: Vec<Line> = lines
        .iter()
        .map(|line| split(line.as_bytes(), None))
        .collect();
    Sender::new(&options).send(&mut cluster, &lines)
}

fn read_lines(separator: Option<Vec<u8>>, input: impl Read + Send + 'static) -> Receiver<Line> {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    std::thread::spawn(move || {
        let mut input = BufReader::new(input);
        let mut text = Vec::new();
        loop {
            text.clear();
            match input.read_until(b'\n', &mut text) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = text.strip_suffix(b"\n").unwrap_or(&text);
            if sender.send(split(line, separator.as_deref())).is_err() {
                return;
            }
        }
    });
    receiver
}

fn split(line: &[u8], separator: Option<&[u8]>) -> Line {
    let at = separator
        .filter(|separator| !separator.is_empty())
        .and_then(|s| {
            line.windows(s.len())
                .position(|window| window == s)
                .map(|at| (at, s.len()))
        });
    match at {
        Some((at, length)) => Line {
            key: Some(line[..at].to_vec()),
            value: line[at + length..].to_vec(),
        },
        None => Line {
            key: None,
            value: line.to_vec(),
        },
    }
}

struct Sender<'a> {
    options: &'a Produce,
    /// Batches without keys go to the partitions in turn.
    turn: usize,
    sent: u64,
    /// The newest error that another try may overcome, and its partition.
    refused: Option<(i32, i16)>,
}

impl<'a> Sender<'a> {
    fn new(options: &'a Produce) -> Self {
        Self {
            options,
            turn: 0,
            sent: 0,
            refused: None,
        }
    }

    fn send(&mut self, cluster: &mut Cluster, lines: &[Line]) -> Result<(), Failure> {
        let partitions = cluster.partitions();
        let turn = partitions[self.turn % partitions.len()];
        self.turn += 1;
        let mut builders: BTreeMap<i32, BatchBuilder> = BTreeMap::new();
        let headers: Vec<(&str, Option<&[u8]>)> = self
            .options
            .headers
            .iter()
            .map(|(key, value)| (key.as_str(), Some(value.as_bytes())))
            .collect();
        for line in lines {
            let partition = match (self.options.partition, &line.key) {
                (Some(partition), _) => partition,
                (None, Some(key)) => partitions[partition_of(key, partitions.len())],
                (None, None) => turn,
            };
            let codec = codec_of(self.options.compression);
            let builder = builders
                .entry(partition)
                .or_insert_with(|| BatchBuilder::new().codec(codec));
            builder.push(NewRecord {
                timestamp: now_ms(),
                key: line.key.as_deref(),
                value: Some(&line.value),
                headers: &headers,
            });
        }
        let mut left: BTreeMap<i32, Bytes> = builders
            .into_iter()
            .map(|(at, builder)| (at, builder.build()))
            .collect();
        self.refused = None;
        for _ in 0..TRIES_MAX {
            left = self.attempt(cluster, left)?;
            if left.is_empty() {
                self.sent += lines.len() as u64;
                return Ok(());
            }
            std::thread::sleep(RETRY_WAIT);
            cluster.refresh(true)?;
        }
        if let Some((partition, code)) = self.refused {
            check(code, None, &self.place(partition))?;
        }
        Err(Failure::try_again(format!(
            "{}: no leader took the records; 'thalweg topic describe {}' shows the leaders",
            self.options.topic, self.options.topic
        )))
    }

    /// Sends each batch to its leader; returns those that should be tried again.
    fn attempt(
        &mut self,
        cluster: &mut Cluster,
        mut batches: BTreeMap<i32, Bytes>,
    ) -> Result<BTreeMap<i32, Bytes>, Failure> {
        let chosen: Vec<i32> = batches.keys().copied().collect();
        for (leader, partitions) in cluster.by_leader(&chosen) {
            if leader < 0 {
                continue;
            }
            let data = partitions.iter().map(|partition| {
                PartitionProduceData::default()
                    .with_index(*partition)
                    .with_records(batches.get(partition).cloned())
            });
            let request = self.request(cluster, data.collect());
            let client = cluster.client(leader)?;
            if self.options.acks == ACKS_NONE {
                client.tell(&request)?;
                batches.retain(|at, _| !partitions.contains(at));
                continue;
            }
            let (_, reply) = client.call(&request)?;
            for partition in reply
                .responses
                .iter()
                .flat_map(|topic| &topic.partition_responses)
            {
                let code = ErrorCode::from_i16(partition.error_code);
                if code.is_some_and(ErrorCode::is_retriable) {
                    self.refused = Some((partition.index, partition.error_code));
                    continue;
                }
                check(
                    partition.error_code,
                    partition.error_message.as_deref(),
                    &self.place(partition.index),
                )?;
                batches.remove(&partition.index);
            }
        }
        Ok(batches)
    }

    fn place(&self, partition: i32) -> String {
        format!("{} partition {partition}", self.options.topic)
    }

    fn request(&self, cluster: &Cluster, data: Vec<PartitionProduceData>) -> ProduceRequest {
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(self.options.topic.clone())))
            .with_topic_id(cluster.topic_id)
            .with_partition_data(data);
        ProduceRequest::default()
            .with_acks(self.options.acks)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic])
    }
}

fn codec_of(compression: Compression) -> Codec {
    match compression {
        Compression::None => Codec::None,
        Compression::Gzip => Codec::Gzip,
        Compression::Snappy => Codec::Snappy,
        Compression::Lz4 => Codec::Lz4,
        Compression::Zstd => Codec::Zstd,
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_first_separator_only() {
        let line = split(b"key::value::rest", Some(b"::"));

        assert_eq!(line.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(line.value, b"value::rest");
        assert_eq!(split(b"no separator", Some(b"::")).key, None);
    }
}
