//! DescribeConfigs 1-4: what is set, what holds by default, and where each value comes from.

use std::borrow::Cow;

use crate::admin::description::{Synonym, describe_broker, describe_cluster, describe_topic};
use crate::admin::group_table::{CLIENT_METRICS_CONFIGS, GROUP_CONFIGS, describe_defaults};
use crate::admin::{Described, ResourceKind};
use crate::base::limits::DESCRIBED_RESOURCES_MAX;
use crate::cluster::{Uuid, check_topic_name};
use crate::log::ConfigKind;
use crate::wire::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse, TopicName};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::codes::Failure;
use super::super::machine::Shard;

/// From here on the reply shows types and documentation.
const TYPES_SINCE: i16 = 3;

/// What of each configuration the client wants to see.
#[derive(Clone, Copy)]
struct Shown {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

impl Shard {
    pub(super) fn describe_configs(&mut self, asked: Asked, request: DescribeConfigsRequest) {
        let shown = Shown {
            version: asked.to.version,
            synonyms: request.include_synonyms,
            documentation: request.include_documentation,
        };
        let refusal = refusal(&request.resources);
        let results = request.resources.into_iter().map(|resource| {
            let described = match &refusal {
                Some(failure) => Err(failure.clone()),
                None => self.described(&resource, shown),
            };
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
                .with_error_message(Some(StrBytes::default()));
            match described {
                Ok(configs) => result.with_configs(configs),
                Err(failure) => result
                    .with_error_code(failure.code.code())
                    .with_error_message(Some(failure.words.unwrap_or_default())),
            }
        });
        let response = DescribeConfigsResponse::default().with_results(results.collect());
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    fn described(
        &self,
        resource: &DescribeConfigsResource,
        shown: Shown,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Failure> {
        let names = resource.configuration_keys.as_ref();
        let names = names.filter(|names| !names.is_empty());
        let names: Option<Vec<&str>> =
            names.map(|names| names.iter().map(StrBytes::as_str).collect());
        let (wanted, broker) = (names.as_deref(), self.in_force());
        let name = &resource.resource_name;
        let show = |described: Described| self::shown(described, shown);
        let invalid = |words: &str| Err(Failure::because(ErrorCode::InvalidRequest, words));
        match ResourceKind::from_wire(resource.resource_type) {
            Some(ResourceKind::Topic) => {
                check_topic_name(name)
                    .map_err(|why| Failure::because(ErrorCode::InvalidTopicException, why))?;
                let topic = self.find_topic(&TopicName(name.clone()), Uuid::nil())?;
                let configs = describe_topic(&topic.overrides, broker, wanted);
                Ok(configs.map(show).collect())
            }
            Some(ResourceKind::Broker) if name.is_empty() => {
                Ok(describe_cluster(broker, wanted).map(show).collect())
            }
            Some(ResourceKind::Broker) => {
                self.check_own_id(name)?;
                Ok(describe_broker(broker, wanted).map(show).collect())
            }
            Some(ResourceKind::BrokerLogger) => {
                self.check_own_id(name)?;
                Ok(self.described_loggers(wanted))
            }
            Some(ResourceKind::ClientMetrics | ResourceKind::Group) if name.is_empty() => {
                invalid("a group, or a subscription to client metrics, has a name")
            }
            Some(ResourceKind::ClientMetrics) => {
                let configs = describe_defaults(CLIENT_METRICS_CONFIGS, wanted);
                Ok(configs.map(show).collect())
            }
            Some(ResourceKind::Group) => {
                Ok(describe_defaults(GROUP_CONFIGS, wanted).map(show).collect())
            }
            None => invalid("resources of this type have no configuration"),
        }
    }

    /// A request about a broker is answered for this node, under any of its ids.
    fn check_own_id(&self, name: &StrBytes) -> Result<(), Failure> {
        match self.site().broker(name) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::from(&error)),
        }
    }
}

/// Kafka refuses the whole request if one of its resources is of no type that it knows. More
/// resources than the bound could make a reply of any size from a request of a few bytes each.
fn refusal(resources: &[DescribeConfigsResource]) -> Option<Failure> {
    let unknown =
        |one: &DescribeConfigsResource| ResourceKind::from_wire(one.resource_type).is_none();
    let words = if resources.len() > DESCRIBED_RESOURCES_MAX {
        format!("at most {DESCRIBED_RESOURCES_MAX} resources are described at once")
    } else if let Some(one) = resources.iter().find(|one| unknown(one)) {
        let kind = one.resource_type;
        format!("type {kind} among the resources: topics are 2, brokers 4, groups 32")
    } else {
        return None;
    };
    Some(Failure::because(ErrorCode::InvalidRequest, words))
}

fn shown(described: Described, shown: Shown) -> DescribeConfigsResourceResult {
    let text = |text: String| StrBytes::from_string(text);
    let mut result = DescribeConfigsResourceResult::default()
        .with_name(text_of(described.name))
        .with_value(described.value.map(text))
        .with_read_only(described.read_only)
        .with_config_source(described.source as i8);
    if shown.synonyms {
        let synonym = |one: Synonym| {
            DescribeConfigsSynonym::default()
                .with_name(text_of(one.name))
                .with_value(Some(text(one.value)))
                .with_source(one.source as i8)
        };
        result.synonyms = described.synonyms.into_iter().map(synonym).collect();
    }
    if shown.version >= TYPES_SINCE {
        result.config_type = config_type(described.kind);
        let doc = shown.documentation.then_some(described.doc);
        result.documentation = doc.map(StrBytes::from_static_str);
    }
    result
}

pub(super) fn text_of(name: Cow<'static, str>) -> StrBytes {
    match name {
        Cow::Borrowed(name) => StrBytes::from_static_str(name),
        Cow::Owned(name) => StrBytes::from_string(name),
    }
}

/// `DescribeConfigsResponse.ConfigType`.
fn config_type(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Boolean => 1,
        ConfigKind::String => 2,
        ConfigKind::Int => 3,
        ConfigKind::Short => 4,
        ConfigKind::Long => 5,
        ConfigKind::Double => 6,
        ConfigKind::List => 7,
    }
}
