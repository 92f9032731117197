//! How tests describe and edit configurations, of topics and of brokers.

use super::*;
use crate::wire::messages::describe_configs_request::DescribeConfigsResource;
use crate::wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use crate::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};

pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
pub const SET: i8 = 0;
pub const DELETE: i8 = 1;
pub const APPEND: i8 = 2;

/// Key, operation, value.
pub type Edits<'a> = &'a [(&'a str, i8, Option<&'a str>)];

pub fn describe_of(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()));
    DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
}

pub fn edit_of(kind: i8, name: &str, edits: Edits<'_>) -> IncrementalAlterConfigsRequest {
    let edit = |(name, operation, value): &(&str, i8, Option<&str>)| {
        AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    };
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(edits.iter().map(edit).collect());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

impl Broker {
    pub fn described(&mut self, kind: i8, name: &str) -> Vec<DescribeConfigsResourceResult> {
        let socket = self.connect();
        let response = self.ask(socket, &describe_of(kind, name, None), 4);
        assert_eq!(response.results[0].error_code, 0, "{response:?}");
        response.results[0].configs.clone()
    }

    /// Its error code and words.
    pub fn edit(&mut self, kind: i8, name: &str, edits: Edits<'_>) -> (i16, String) {
        let socket = self.connect();
        let response = self.ask(socket, &edit_of(kind, name, edits), 1);
        let result = &response.responses[0];
        let words = result.error_message.clone().unwrap_or_default();
        (result.error_code, words.to_string())
    }
}
