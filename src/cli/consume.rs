//! `thalweg consume`: a topic's records to standard output.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

use serde_json::json;

use crate::base::limits::BATCH_BYTES_MAX;
use crate::wire::StrBytes;
use crate::wire::batch::{BatchHeader, Record, records};
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::{BrokerId, FetchRequest, FetchResponse, ListOffsetsRequest, TopicName};

use super::Failure;
use super::arguments::{Consume, Format};
use super::client::check;
use super::cluster::Cluster;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const WAIT_MS: i32 = 500;

/// Prints records until told to stop, or until `--max-messages` or `--until-end` is reached.
pub fn run(options: &Consume) -> Result<u8, Failure> {
    let mut cluster = Cluster::connect(&options.broker.bootstrap_server, &options.topic, false)?;
    let all = cluster.partitions();
    let wanted = match options.partition {
        Some(partition) if !all.contains(&partition) => {
            return Err(Failure::failed(format!(
                "{} has no partition {partition}; it has {}",
                options.topic,
                all.len()
            )));
        }
        Some(partition) => vec![partition],
        None => all,
    };
    let ends = offsets(&mut cluster, options, &wanted, LATEST)?;
    let next = match (options.offset, options.from_beginning) {
        (Some(offset), _) => wanted
            .iter()
            .map(|partition| (*partition, offset))
            .collect(),
        (None, true) => offsets(&mut cluster, options, &wanted, EARLIEST)?,
        (None, false) => ends.clone(),
    };
    let mut reader = Reader {
        options,
        next,
        ends,
        printed: 0,
    };
    reader.run(&mut cluster)?;
    Ok(0)
}

fn offsets(
    cluster: &mut Cluster,
    options: &Consume,
    partitions: &[i32],
    timestamp: i64,
) -> Result<BTreeMap<i32, i64>, Failure> {
    let mut found = BTreeMap::new();
    for (leader, partitions) in cluster.by_leader(partitions) {
        let asked = partitions.iter().map(|partition| {
            ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp)
        });
        let topic = ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(options.topic.clone())))
            .with_partitions(asked.collect());
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let (_, reply) = cluster.client(leader)?.call(&request)?;
        for partition in reply.topics.iter().flat_map(|topic| &topic.partitions) {
            check(partition.error_code, None, &options.topic)?;
            found.insert(partition.partition_index, partition.offset);
        }
    }
    Ok(found)
}

struct Reader<'a> {
    options: &'a Consume,
    /// The next offset to read, per partition.
    next: BTreeMap<i32, i64>,
    /// Where each partition ended when we began.
    ends: BTreeMap<i32, i64>,
    printed: u64,
}

impl Reader<'_> {
    fn run(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let partitions: Vec<i32> = self.next.keys().copied().collect();
        let mut out = BufWriter::new(std::io::stdout().lock());
        while !self.is_done() {
            for (leader, partitions) in cluster.by_leader(&partitions) {
                let reply = self.fetch(cluster, leader, &partitions)?;
                if !self.print(&reply, &mut out)? {
                    return Ok(());
                }
            }
            if out.flush().is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let enough = self
            .options
            .max_messages
            .is_some_and(|most| self.printed >= most);
        let at_end = || {
            self.next
                .iter()
                .all(|(partition, next)| self.ends[partition] <= *next)
        };
        enough || (self.options.until_end && at_end())
    }

    fn fetch(
        &self,
        cluster: &mut Cluster,
        leader: i32,
        partitions: &[i32],
    ) -> Result<FetchResponse, Failure> {
        let asked = partitions.iter().map(|partition| {
            FetchPartition::default()
                .with_partition(*partition)
                .with_current_leader_epoch(-1)
                .with_fetch_offset(self.next[partition])
                .with_partition_max_bytes(1 << 20)
        });
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_string(self.options.topic.clone())))
            .with_topic_id(cluster.topic_id)
            .with_partitions(asked.collect());
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(16 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        Ok(cluster.client(leader)?.call(&request)?.1)
    }

    /// Prints what came; false when nobody reads our output any more.
    fn print(&mut self, reply: &FetchResponse, out: &mut impl Write) -> Result<bool, Failure> {
        check(reply.error_code, None, &self.options.topic)?;
        for data in reply.responses.iter().flat_map(|topic| &topic.partitions) {
            let partition = data.partition_index;
            let what = format!("{} partition {partition}", self.options.topic);
            check(data.error_code, None, &what)?;
            let mut bytes = data.records.clone().unwrap_or_default();
            while let Ok(header) = BatchHeader::parse(&bytes) {
                let Some(size) = header.size().filter(|size| *size <= bytes.len()) else {
                    break;
                };
                let batch = bytes.split_to(size);
                if !self.print_batch(partition, &batch, out)? {
                    return Ok(false);
                }
                self.next.insert(partition, header.last_offset() + 1);
            }
        }
        Ok(true)
    }

    fn print_batch(
        &mut self,
        partition: i32,
        batch: &bytes::Bytes,
        out: &mut impl Write,
    ) -> Result<bool, Failure> {
        let broken = |error| Failure::failed(format!("a batch of partition {partition}: {error}"));
        let first = self.next[&partition];
        for record in records(batch, BATCH_BYTES_MAX.as_usize()).map_err(broken)? {
            let record = record.map_err(broken)?;
            // A batch is fetched whole even when the wanted offset lies inside it.
            if record.offset < first {
                continue;
            }
            if self
                .options
                .max_messages
                .is_some_and(|most| self.printed >= most)
            {
                return Ok(true);
            }
            if write_record(self.options.format, partition, &record, out).is_err() {
                return Ok(false);
            }
            self.printed += 1;
        }
        Ok(true)
    }
}

fn write_record(
    format: Format,
    partition: i32,
    record: &Record,
    out: &mut impl Write,
) -> std::io::Result<()> {
    match format {
        Format::Text => {
            out.write_all(record.value.as_deref().unwrap_or_default())?;
            out.write_all(b"\n")
        }
        Format::Json => {
            let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
            let headers: Vec<_> = record
                .headers
                .iter()
                .map(|(key, value)| json!({ "key": text(key), "value": value.as_ref().map(text) }))
                .collect();
            let line = json!({
                "partition": partition,
                "offset": record.offset,
                "timestamp": record.timestamp,
                "key": record.key.as_ref().map(text),
                "value": record.value.as_ref().map(text),
                "headers": headers,
            });
            writeln!(out, "{line}")
        }
    }
}
