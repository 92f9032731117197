//! DescribeLogDirs 1-4 (KIP-113, KIP-827): how much each partition takes, and what is left.

use crate::base::ByteCount;
use crate::cluster::{Metadata, Topic};
use crate::wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;
use super::super::message::{Finding, Inquiry};
use super::inquiry::{InquiryCall, InquiryKind};

/// From here on the reply has the size of the file system.
const SIZES_SINCE: i16 = 4;
/// Where everything is kept if nothing was said.
const DEFAULT_DIR: &str = "thalweg-data";

impl Shard {
    pub(super) fn describe_log_dirs(&mut self, asked: Asked, request: DescribeLogDirsRequest) {
        let mut call = InquiryCall::new(asked, InquiryKind::LogDirs);
        let topics: Vec<(TopicName, Vec<i32>)> = match request.topics {
            Some(topics) => topics
                .into_iter()
                .map(|one| (one.topic, one.partitions))
                .collect(),
            None => {
                let topics = self.known().into_iter().flat_map(Metadata::topics);
                topics.map(|topic| whole(topic)).collect()
            }
        };
        for (name, partitions) in topics {
            call.topic(name.clone());
            for index in partitions {
                call.part(index, self.inquiry(&name, index, Inquiry::Facts));
            }
        }
        self.inquire(call);
    }

    /// What is not here is left out, as Kafka does.
    pub(super) fn answer_describe_log_dirs(&mut self, call: InquiryCall) {
        let named = |name| DescribeLogDirsTopic::default().with_name(name);
        let mut topics: Vec<_> = call.topics.into_iter().map(named).collect();
        for part in call.parts {
            let (topic, index) = (part.topic, part.index);
            if let Ok(Finding::Facts(facts)) = part.into_outcome() {
                let partition = DescribeLogDirsPartition::default()
                    .with_partition_index(index)
                    .with_partition_size(facts.bytes.0 as i64);
                topics[topic].partitions.push(partition);
            }
        }
        topics.retain(|topic| !topic.partitions.is_empty());
        let dir = self.config.broker.given("log.dirs").unwrap_or(DEFAULT_DIR);
        let mut result = DescribeLogDirsResult::default()
            .with_log_dir(StrBytes::from_string(dir.to_owned()))
            .with_topics(topics);
        if self.failed.len() == self.config.shards.len() {
            result.error_code = ErrorCode::KafkaStorageError.code();
        }
        if call.asked.to.version >= SIZES_SINCE {
            // As the file system said when it was last asked, at most some seconds ago.
            let bytes = |bytes: ByteCount| i64::try_from(bytes.0).unwrap_or(i64::MAX);
            let space = self.owner.journal.disk_space();
            result.total_bytes = space.map_or(-1, |space| bytes(space.total));
            result.usable_bytes = space.map_or(-1, |space| bytes(space.usable));
        }
        let response = DescribeLogDirsResponse::default().with_results(vec![result]);
        let frame = reply::encode(call.asked.to, &response);
        self.send_reply(call.asked, frame.map(|frame| vec![frame]));
    }
}

fn whole(topic: &Topic) -> (TopicName, Vec<i32>) {
    let name = TopicName(StrBytes::from_string(topic.name.to_string()));
    (name, (0..topic.partition_count() as i32).collect())
}
