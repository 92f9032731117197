//! One file per request: what is asked of whom, and what is replied.
//!
//! Each has the same verbs: a method named after the request that begins it, and one for each
//! answer that it awaits.

mod acls;
pub mod alter_configs;
pub mod api_versions;
pub mod create_partitions;
pub mod create_topics;
mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod elect_leaders;
pub mod fetch;
mod fetch_reply;
pub mod fetch_session;
pub mod find_coordinator;
pub mod groups;
pub mod init_producer_id;
pub mod inquiry;
pub mod list_config_resources;
pub mod list_offsets;
mod loggers;
pub mod metadata;
pub(super) mod metadata_all;
pub mod metadata_cache;
mod named;
mod offset_for_leader_epoch;
mod operations;
pub mod produce;
mod quotas;
mod reassignments;
mod transactions;
mod update_features;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::base::ShardId;
use crate::cluster::{Metadata, PartitionPlace, Topic};
use crate::runtime::ConnectionId;
use crate::wire::{
    ApiKey, ErrorCode, ReplyTo, Request, RequestHeader, StrBytes, WireError, old_admin,
    old_produce, reply, request,
};

use super::calls::Asked;
use super::codes::Failure;
use super::layout::Ids;
use super::machine::Shard;

impl Shard {
    /// One frame: decodes it and begins what it asks for. What cannot be understood closes the
    /// connection, after what is owed has been sent.
    pub(super) fn dispatch(&mut self, id: ConnectionId, frame: Bytes) {
        self.dispatch_spoken(id, frame, None);
    }

    /// `older`: the version that the client speaks, if the frame was carried over from it.
    fn dispatch_spoken(&mut self, id: ConnectionId, frame: Bytes, older: Option<i16>) {
        let bytes = frame.len();
        let whole = frame.clone();
        // The decoder denies panics by lint, but the crate below it does not: input must not be
        // able to end the process.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(frame)));
        let (header, request) = match decoded {
            Ok(Ok(decoded)) => decoded,
            Ok(Err(error)) => return self.not_understood(id, error, &whole),
            Err(_) => {
                let why = "a panic while decoding its request";
                return self.connections.refuse(id, &why, false);
            }
        };
        if !self.apis.contains(header.api) {
            let why = format!("{:?} is not served", header.api);
            return self.connections.refuse(id, &why, false);
        }
        let Some(asked) = self.asked(id, header.reply_to(), bytes) else {
            return;
        };
        let asked = Asked { older, ..asked };
        self.note_unasked(asked, header.client_id.as_ref());
        self.begin(asked, request, header.client_id);
    }

    fn begin(&mut self, asked: Asked, request: Request, client_id: Option<StrBytes>) {
        match request {
            Request::Produce(request) => self.produce(asked, request),
            Request::Fetch(request) => self.fetch(asked, request),
            Request::ListOffsets(request) => self.list_offsets(asked, request),
            Request::Metadata(request) => self.metadata(asked, request),
            Request::ApiVersions(request) => self.api_versions(asked, request, client_id),
            Request::CreateTopics(request) => self.create_topics(asked, request),
            Request::DeleteTopics(request) => self.delete_topics(asked, request),
            Request::InitProducerId(request) => self.init_producer_id(asked, request),
            Request::DescribeCluster(request) => self.describe_cluster(asked, request),
            Request::FindCoordinator(request) => self.find_coordinator(asked, request),
            Request::JoinGroup(request) => self.join_group(asked, request, client_id),
            Request::SyncGroup(request) => self.sync_group(asked, request),
            Request::Heartbeat(request) => self.heartbeat(asked, request),
            Request::LeaveGroup(request) => self.leave_group(asked, request),
            Request::OffsetCommit(request) => self.offset_commit(asked, request),
            Request::OffsetFetch(request) => self.offset_fetch(asked, request),
            Request::OffsetDelete(request) => self.offset_delete(asked, request),
            Request::DescribeGroups(request) => self.describe_groups(asked, request),
            Request::ListGroups(request) => self.list_groups(asked, request),
            Request::DeleteGroups(request) => self.delete_groups(asked, request),
            Request::DescribeConfigs(request) => self.describe_configs(asked, request),
            Request::AlterConfigs(request) => self.alter_configs(asked, request),
            Request::IncrementalAlterConfigs(request) => {
                self.incremental_alter_configs(asked, request);
            }
            Request::CreatePartitions(request) => self.create_partitions(asked, request),
            Request::ListConfigResources(request) => self.list_config_resources(asked, request),
            Request::DeleteRecords(request) => self.delete_records(asked, request),
            Request::OffsetForLeaderEpoch(request) => {
                self.offset_for_leader_epoch(asked, request);
            }
            request => self.begin_short(asked, request),
        }
    }

    /// Requests with short true answers on one node.
    fn begin_short(&mut self, asked: Asked, request: Request) {
        match request {
            Request::DescribeTopicPartitions(request) => {
                self.describe_topic_partitions(asked, request);
            }
            Request::DescribeProducers(request) => self.describe_producers(asked, request),
            Request::DescribeTransactions(request) => self.describe_transactions(asked, request),
            Request::ListTransactions(request) => self.list_transactions(asked, request),
            Request::DescribeLogDirs(request) => self.describe_log_dirs(asked, request),
            Request::DescribeQuorum(request) => self.describe_quorum(asked, request),
            Request::ElectLeaders(request) => self.elect_leaders(asked, request),
            Request::AlterPartitionReassignments(request) => {
                self.alter_partition_reassignments(asked, request);
            }
            Request::ListPartitionReassignments(request) => {
                self.list_partition_reassignments(asked, request);
            }
            Request::UpdateFeatures(request) => self.update_features(asked, request),
            Request::DescribeAcls(request) => self.describe_acls(asked, request),
            Request::CreateAcls(request) => self.create_acls(asked, request),
            Request::DeleteAcls(request) => self.delete_acls(asked, request),
            Request::DescribeClientQuotas(request) => self.describe_client_quotas(asked, request),
            Request::DescribeUserScramCredentials(request) => {
                self.describe_user_scram_credentials(asked, request);
            }
            // `ApiSet` lets no other pass.
            other => {
                let why = format!("{:?} is not served", other.api());
                self.connections.refuse(asked.connection, &why, true);
            }
        }
    }

    fn asked(&mut self, id: ConnectionId, to: ReplyTo, bytes: usize) -> Option<Asked> {
        let connection = self.connections.get_mut(id)?;
        self.counts.asked(to.api);
        Some(Asked {
            connection: id,
            slot: Some(connection.slots.open()),
            to,
            older: None,
            bytes,
            since: self.now.ticks,
        })
    }

    /// An unknown version of ApiVersions is answered all the same (KIP-511), and so are a Produce
    /// that is advertised for old clients' sake only and what old administration tools ask.
    /// Anything else closes the connection.
    fn not_understood(&mut self, id: ConnectionId, error: WireError, frame: &[u8]) {
        let WireError::UnsupportedVersion {
            key,
            version,
            correlation_id,
        } = error
        else {
            return self.connections.refuse(id, &error, false);
        };
        if old_admin::is_served(key, version) {
            return match old_admin::newer(frame) {
                Ok(newer) => self.dispatch_spoken(id, newer, Some(version)),
                Err(error) => self.connections.refuse(id, &error, false),
            };
        }
        let answer = if key == ApiKey::ApiVersions as i16 {
            reply::unsupported_api_versions(correlation_id).map(Some)
        } else if old_produce::is_refused(key, version) {
            old_produce::refusal(frame)
        } else {
            return self.connections.refuse(id, &error, false);
        };
        match answer {
            Ok(Some(reply)) => {
                if let Some(connection) = self.connections.get_mut(id) {
                    let slot = connection.slots.open();
                    self.connections.reply(id, slot, vec![reply]);
                }
            }
            // A Produce that awaits no reply.
            Ok(None) => self.connections.refuse(id, &error, false),
            Err(error) => self.connections.refuse(id, &error, false),
        }
    }

    /// Puts an encoded reply in its place.
    pub(super) fn send_reply(&mut self, asked: Asked, frame: Result<Vec<Bytes>, WireError>) {
        let Some(slot) = asked.slot else {
            return;
        };
        let frame = match asked.older {
            Some(version) => frame.and_then(|pieces| {
                let older = old_admin::older(asked.to.api, version, &pieces.concat());
                older.map(|frame| vec![frame])
            }),
            None => frame,
        };
        match frame {
            Ok(pieces) => {
                let bytes = pieces.iter().map(Bytes::len).sum();
                let took = self.now.ticks.since(asked.since);
                self.counts.answered(asked.to.api, took, bytes);
                self.connections.reply(asked.connection, slot, pieces);
            }
            Err(error) => {
                tracing::error!(?error, to = ?asked.to, "a reply could not be encoded");
                let why = "a reply that could not be encoded";
                self.connections.refuse(asked.connection, &why, true);
            }
        }
    }

    /// What clients that see nodes call this one.
    pub(super) fn broker_id(&self) -> i32 {
        self.config.node.broker_id()
    }

    pub(super) fn ids(&self) -> Ids {
        Ids {
            node: self.config.node,
            shown_max: self.config.layout.shown_max(self.config.ids_max),
        }
    }

    /// True if this client is told of every shard as a broker of its own.
    pub(super) fn sees_shards(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|own| own.sees_shards)
    }

    /// A topic by name, or by id if the name is not what the version carries.
    pub(super) fn find_topic(
        &self,
        name: &str,
        id: crate::cluster::Uuid,
    ) -> Result<&std::sync::Arc<Topic>, Failure> {
        let known = self.metadata.as_ref();
        if id.is_nil() {
            let topic = known.and_then(|metadata| metadata.topic(name));
            return topic.ok_or_else(|| {
                let words = format!("there is no topic '{name}'");
                Failure::because(ErrorCode::UnknownTopicOrPartition, words)
            });
        }
        let topic = known.and_then(|metadata| metadata.topic_by_id(id));
        topic.ok_or_else(|| {
            let words = format!("no topic has the id {id}; a topic made anew has a new one");
            Failure::because(ErrorCode::UnknownTopicId, words)
        })
    }

    /// Where a partition is, if its shard works.
    pub(super) fn find_partition(
        &self,
        topic: &Topic,
        index: i32,
    ) -> Result<PartitionPlace, Failure> {
        let place = u32::try_from(index)
            .ok()
            .and_then(|index| topic.partition(index));
        place.ok_or_else(|| {
            let (name, count) = (&topic.name, topic.partition_count());
            let words = format!("topic {name} has {count} partitions from 0 on, and no {index}");
            Failure::because(ErrorCode::UnknownTopicOrPartition, words)
        })
    }

    /// True if the shard's journal has failed: its partitions have no leader.
    pub(super) fn is_leaderless(&self, shard: ShardId) -> bool {
        self.failed.contains(&shard)
    }

    pub(super) fn known(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// A call that is no fetch has ended: whom the bound held back may go on.
    pub(super) fn after_brief_call(&mut self) {
        let below = self.calls.brief() < crate::base::limits::MESH_CALLS_MAX / 2;
        if self.held_back && below {
            self.held_back = false;
            self.connections.touch_all();
        }
    }
}

fn decode(mut frame: Bytes) -> Result<(RequestHeader, Request), WireError> {
    let header = RequestHeader::parse(&mut frame)?;
    let request = request::decode(&header, frame)?;
    Ok((header, request))
}
