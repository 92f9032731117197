//! From a frame's body to a typed request.

use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

use super::messages::*;
use super::{RequestHeader, WireError, guard, versions};

macro_rules! requests {
    ($($api:ident($message:ident),)*) => {
        /// A decoded request, in the crate's own structs.
        ///
        /// Strings and record sets are slices of the frame: nothing of them is copied, and they
        /// keep the receive buffer alive. What outlives the request must be copied out.
        #[derive(Clone, Debug)]
        pub enum Request {
            $($api($message),)*
        }

        impl Request {
            /// The API it belongs to.
            pub fn api(&self) -> ApiKey {
                match self {
                    $(Request::$api(_) => ApiKey::$api,)*
                }
            }
        }

        fn decode_unguarded(key: ApiKey, version: i16, body: &mut Bytes) -> Option<Request> {
            match key {
                $(ApiKey::$api => {
                    $message::decode(body, version).ok().map(Request::$api)
                })*
                _ => None,
            }
        }
    };
}

requests! {
    Produce(ProduceRequest),
    Fetch(FetchRequest),
    ListOffsets(ListOffsetsRequest),
    Metadata(MetadataRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    FindCoordinator(FindCoordinatorRequest),
    JoinGroup(JoinGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    SyncGroup(SyncGroupRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    SaslHandshake(SaslHandshakeRequest),
    ApiVersions(ApiVersionsRequest),
    CreateTopics(CreateTopicsRequest),
    DeleteTopics(DeleteTopicsRequest),
    DeleteRecords(DeleteRecordsRequest),
    InitProducerId(InitProducerIdRequest),
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest),
    DescribeConfigs(DescribeConfigsRequest),
    AlterConfigs(AlterConfigsRequest),
    SaslAuthenticate(SaslAuthenticateRequest),
    CreatePartitions(CreatePartitionsRequest),
    DeleteGroups(DeleteGroupsRequest),
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    OffsetDelete(OffsetDeleteRequest),
    DescribeCluster(DescribeClusterRequest),
    ElectLeaders(ElectLeadersRequest),
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    ListPartitionReassignments(ListPartitionReassignmentsRequest),
    DescribeClientQuotas(DescribeClientQuotasRequest),
    DescribeUserScramCredentials(DescribeUserScramCredentialsRequest),
    DescribeQuorum(DescribeQuorumRequest),
    UpdateFeatures(UpdateFeaturesRequest),
    DescribeProducers(DescribeProducersRequest),
    DescribeTransactions(DescribeTransactionsRequest),
    ListTransactions(ListTransactionsRequest),
    ListConfigResources(ListConfigResourcesRequest),
    DescribeTopicPartitions(DescribeTopicPartitionsRequest),
    DescribeAcls(DescribeAclsRequest),
    CreateAcls(CreateAclsRequest),
    DeleteAcls(DeleteAclsRequest),
    DescribeLogDirs(DescribeLogDirsRequest),
}

/// Decodes what stands behind a header. The guard walks it first.
pub fn decode(header: &RequestHeader, mut body: Bytes) -> Result<Request, WireError> {
    let key = header.api as i16;
    let api = versions::find(key).ok_or(WireError::UnknownApi { key })?;
    guard::check(api, header.version, &body).map_err(WireError::Malformed)?;
    let request = decode_unguarded(header.api, header.version, &mut body);
    // Bytes left over would mean that the guard's layout and the decoder's disagree.
    request
        .filter(|_| body.len() <= guard::trailing_max(api, header.version))
        .ok_or(WireError::Undecodable)
}
