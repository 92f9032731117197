//! ListConfigResources 0-1 (KIP-1142): which resources have configurations. Version 0 asks for
//! subscriptions to client metrics only, of which there are none.

use crate::admin::ResourceKind;
use crate::cluster::Metadata;
use crate::wire::messages::list_config_resources_response::ConfigResource;
use crate::wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

/// From here on the request says which kinds it wants.
const KINDS_SINCE: i16 = 1;

impl Shard {
    pub(super) fn list_config_resources(
        &mut self,
        asked: Asked,
        request: ListConfigResourcesRequest,
    ) {
        let wanted = match (asked.to.version, request.resource_types.is_empty()) {
            (version, _) if version < KINDS_SINCE => Some(vec![ResourceKind::ClientMetrics]),
            (_, true) => Some(ResourceKind::ALL.to_vec()),
            (_, false) => {
                let kinds = request.resource_types.iter();
                let kinds = kinds.map(|kind| ResourceKind::from_wire(*kind));
                kinds.collect::<Option<Vec<_>>>()
            }
        };
        let mut response = ListConfigResourcesResponse::default();
        match wanted {
            Some(mut kinds) => {
                kinds.sort_unstable();
                kinds.dedup();
                for kind in kinds {
                    let resources = self.names_of(kind).into_iter().map(|name| {
                        ConfigResource::default()
                            .with_resource_name(StrBytes::from_string(name))
                            .with_resource_type(kind as i8)
                    });
                    response.config_resources.extend(resources);
                }
            }
            None => response.error_code = ErrorCode::UnsupportedVersion.code(),
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    fn names_of(&self, kind: ResourceKind) -> Vec<String> {
        match kind {
            ResourceKind::Topic => {
                let topics = self.known().into_iter().flat_map(Metadata::topics);
                topics.map(|topic| topic.name.to_string()).collect()
            }
            ResourceKind::Broker | ResourceKind::BrokerLogger => {
                vec![self.broker_id().to_string()]
            }
            ResourceKind::ClientMetrics | ResourceKind::Group => Vec::new(),
        }
    }
}
