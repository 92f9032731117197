//! DescribeCluster 0-2: the nodes. Tools size replication factors by it, so shards are
//! not listed, whatever a client sees in Metadata.

use crate::wire::messages::describe_cluster_response::DescribeClusterBroker;
use crate::wire::messages::{DescribeClusterRequest, DescribeClusterResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;
use super::operations;

/// `endpoint_type`: brokers, and the controllers that only a KRaft controller lists.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

impl Shard {
    pub(super) fn describe_cluster(&mut self, asked: Asked, request: DescribeClusterRequest) {
        let id = self.broker_id();
        let mut response = DescribeClusterResponse::default().with_controller_id((-1).into());
        match request.endpoint_type {
            BROKERS => {
                response.cluster_id = self.cluster_id();
                response.controller_id = id.into();
                if request.include_cluster_authorized_operations {
                    response.cluster_authorized_operations = operations::OF_THE_CLUSTER;
                }
                let endpoint = self.endpoint(asked.connection);
                response.brokers.push(
                    DescribeClusterBroker::default()
                        .with_broker_id(id.into())
                        .with_host(endpoint.host)
                        .with_port(i32::from(endpoint.port)),
                );
            }
            other => {
                response.error_code = match other {
                    CONTROLLERS => ErrorCode::MismatchedEndpointType.code(),
                    _ => ErrorCode::UnsupportedEndpointType.code(),
                };
                let words = format!("endpoint type {other} is not served by brokers");
                response.error_message = Some(StrBytes::from_string(words));
            }
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}
