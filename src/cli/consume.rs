//! `thalweg consume`: a topic's records to standard output.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::json;

use crate::base::limits::BATCH_BYTES_MAX;
use crate::wire::batch::{BatchHeader, Record, records};
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::wire::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use crate::wire::{ErrorCode, StrBytes};

use super::Failure;
use super::arguments::{Consume, Format, Output};
use super::client::check;
use super::cluster::Cluster;
use super::group::member::{Member, Standing};
use super::group::offsets::{EARLIEST, LATEST, of_cluster};

const WAIT_MS: i32 = 500;

/// Prints records until told to stop, or until `--max-messages` or `--until-end` is reached.
pub fn run(options: &Consume) -> Result<u8, Failure> {
    let mut cluster = Cluster::connect(&options.broker.bootstrap_server, &options.topic, false)?;
    let wanted = match options.partition {
        Some(partition) => {
            cluster.check_partition(partition)?;
            vec![partition]
        }
        None => cluster.partitions(),
    };
    let topic = &options.topic;
    let ends = of_cluster(&mut cluster, topic, &wanted, LATEST)?;
    let mut reader = Reader {
        options,
        next: BTreeMap::new(),
        ends: ends.clone(),
        printed: 0,
    };
    if let Some(group) = &options.group {
        return reader
            .run_in_group(&mut cluster, group, &wanted)
            .map(|()| 0);
    }
    reader.next = match (options.offset, options.at, options.from_beginning) {
        (Some(offset), _, _) => (wanted.iter())
            .map(|partition| (*partition, offset))
            .collect(),
        (None, Some(time), _) => of_cluster(&mut cluster, topic, &wanted, time)?,
        (None, None, true) => of_cluster(&mut cluster, topic, &wanted, EARLIEST)?,
        (None, None, false) => ends,
    };
    reader.run(&mut cluster)?;
    Ok(0)
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Printed {
    Whole,
    /// `--max-messages` was reached in it.
    Enough,
    /// Nobody reads our output any more.
    Unread,
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
    fn format(&self) -> Format {
        match self.options.broker.output {
            Output::Json => Format::Json,
            Output::Text => self.options.format,
        }
    }

    fn run(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        while !self.is_done() {
            if !self.round(cluster, &mut out)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks each leader once; false when nobody reads our output any more.
    fn round(&mut self, cluster: &mut Cluster, out: &mut impl Write) -> Result<bool, Failure> {
        let partitions: Vec<i32> = self.next.keys().copied().collect();
        let mut stale = false;
        for (leader, partitions) in cluster.by_leader(&partitions) {
            let reply = self.fetch(cluster, leader, &partitions)?;
            stale |= is_stale(&reply);
            if !self.print(&reply, out)? {
                return Ok(false);
            }
        }
        if stale {
            std::thread::sleep(Duration::from_millis(WAIT_MS as u64));
            cluster.refresh(false)?;
        }
        Ok(out.flush().is_ok())
    }

    /// As a member of a group: what was printed is committed after each round.
    fn run_in_group(
        &mut self,
        cluster: &mut Cluster,
        group: &str,
        all: &[i32],
    ) -> Result<(), Failure> {
        let server = &self.options.broker.bootstrap_server;
        let mut member = Member::join(server, group, &self.options.topic, all)?;
        let mut out = BufWriter::new(std::io::stdout().lock());
        loop {
            self.next = self.starts(cluster, &mut member)?;
            match self.read_as(&mut member, cluster, &mut out)? {
                Standing::Member => break,
                Standing::Rebalance => member.rejoin(all)?,
            }
        }
        member.leave();
        Ok(())
    }

    /// Reads until there is nothing more to do, or the group wants its partitions back.
    fn read_as(
        &mut self,
        member: &mut Member,
        cluster: &mut Cluster,
        out: &mut impl Write,
    ) -> Result<Standing, Failure> {
        while !self.is_done() {
            let before = self.next.clone();
            if self.next.is_empty() {
                std::thread::sleep(Duration::from_millis(WAIT_MS as u64));
            }
            let read = self.round(cluster, out)?;
            if self.next != before && member.commit(&self.next)? == Standing::Rebalance {
                return Ok(Standing::Rebalance);
            }
            if !read {
                return Ok(Standing::Member);
            }
            if member.beat()? == Standing::Rebalance {
                return Ok(Standing::Rebalance);
            }
        }
        Ok(Standing::Member)
    }

    /// Where the group stopped; where it never was, as `--from-beginning` says.
    fn starts(
        &self,
        cluster: &mut Cluster,
        member: &mut Member,
    ) -> Result<BTreeMap<i32, i64>, Failure> {
        let topic = &self.options.topic;
        let own = member.partitions.clone();
        let earliest = of_cluster(cluster, topic, &own, EARLIEST)?;
        let otherwise = match self.options.from_beginning {
            true => earliest.clone(),
            false => of_cluster(cluster, topic, &own, LATEST)?,
        };
        let committed = member.committed()?;
        let starts = otherwise.iter().map(|(partition, otherwise)| {
            let at = (topic.clone(), *partition);
            // What lies before the start of the log is gone.
            let kept = |offset: &i64| (*offset).max(earliest[partition]);
            (*partition, committed.get(&at).map_or(*otherwise, kept))
        });
        Ok(starts.collect())
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
            if is_passing(data.error_code) {
                continue;
            }
            let what = format!("{} partition {partition}", self.options.topic);
            check(data.error_code, None, &what)?;
            let mut bytes = data.records.clone().unwrap_or_default();
            while let Ok(header) = BatchHeader::parse(&bytes) {
                let Some(size) = header.size().filter(|size| *size <= bytes.len()) else {
                    break;
                };
                let batch = bytes.split_to(size);
                if header.is_control() {
                    // The end of a transaction: no record of anybody's.
                    self.next.insert(partition, header.last_offset() + 1);
                    continue;
                }
                match self.print_batch(partition, &batch, out)? {
                    Printed::Whole => self.next.insert(partition, header.last_offset() + 1),
                    Printed::Enough => return Ok(true),
                    Printed::Unread => return Ok(false),
                };
            }
        }
        Ok(true)
    }

    fn print_batch(
        &mut self,
        partition: i32,
        batch: &Bytes,
        out: &mut impl Write,
    ) -> Result<Printed, Failure> {
        let broken = |error| Failure::failed(format!("a batch of partition {partition}: {error}"));
        let first = self.next[&partition];
        for record in records(batch, BATCH_BYTES_MAX.as_usize()).map_err(broken)? {
            let record = record.map_err(broken)?;
            // A batch is fetched whole even when the wanted offset lies inside it.
            if record.offset < first {
                continue;
            }
            let most = self.options.max_messages;
            if most.is_some_and(|most| self.printed >= most) {
                return Ok(Printed::Enough);
            }
            if write_record(self.format(), partition, &record, out).is_err() {
                return Ok(Printed::Unread);
            }
            self.printed += 1;
            self.next.insert(partition, record.offset + 1);
        }
        Ok(Printed::Whole)
    }
}

/// Another try may help: a leader has moved, or is not there for the moment.
fn is_passing(code: i16) -> bool {
    ErrorCode::from_i16(code).is_some_and(ErrorCode::is_retriable)
}

fn is_stale(reply: &FetchResponse) -> bool {
    let mut parts = reply.responses.iter().flat_map(|topic| &topic.partitions);
    parts.any(|data| is_passing(data.error_code))
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
        Format::Json => writeln!(out, "{}", json_of(partition, record)),
    }
}

fn json_of(partition: i32, record: &Record) -> serde_json::Value {
    let header = |(key, value): &(Bytes, Option<Bytes>)| {
        let value = value.as_ref().map(text_or_base64);
        json!({ "key": text_or_base64(key), "value": value })
    };
    json!({
        "partition": partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key.as_ref().map(text_or_base64),
        "value": record.value.as_ref().map(text_or_base64),
        "headers": record.headers.iter().map(header).collect::<Vec<_>>(),
    })
}

/// Text as a string, and bytes that are none as `{"base64": ...}`: whoever reads it gets exactly
/// what was written.
fn text_or_base64(bytes: &Bytes) -> serde_json::Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_exactly() {
        let record = Record {
            offset: 7,
            timestamp: 1_760_000_000_000,
            key: Some(Bytes::from_static(&[0xff, 0, 0x80])),
            value: Some("gr\u{fc}n".into()),
            headers: vec![("h".into(), Some(Bytes::from_static(&[0xc3])))],
        };

        let told = json_of(1, &record);

        assert_eq!(told["key"], json!({ "base64": "/wCA" }));
        assert_eq!(told["value"], json!("gr\u{fc}n"));
        assert_eq!(
            told["headers"][0],
            json!({ "key": "h", "value": { "base64": "ww==" } })
        );
    }
}
