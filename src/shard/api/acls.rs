//! DescribeAcls, CreateAcls and DeleteAcls 1-3: there is no authorizer, and everybody may do
//! everything. Kafka without one answers the same.

use crate::wire::messages::create_acls_response::AclCreationResult;
use crate::wire::messages::delete_acls_response::DeleteAclsFilterResult;
use crate::wire::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

const CODE: i16 = ErrorCode::SecurityDisabled.code();

fn words() -> Option<StrBytes> {
    let words = "no authorizer is configured on this broker: everybody may do everything";
    Some(StrBytes::from_static_str(words))
}

impl Shard {
    pub(super) fn describe_acls(&mut self, asked: Asked, _request: DescribeAclsRequest) {
        let response = DescribeAclsResponse::default()
            .with_error_code(CODE)
            .with_error_message(words());
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    pub(super) fn create_acls(&mut self, asked: Asked, request: CreateAclsRequest) {
        let refused = AclCreationResult::default()
            .with_error_code(CODE)
            .with_error_message(words());
        let results = vec![refused; request.creations.len()];
        let response = CreateAclsResponse::default().with_results(results);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    pub(super) fn delete_acls(&mut self, asked: Asked, request: DeleteAclsRequest) {
        let refused = DeleteAclsFilterResult::default()
            .with_error_code(CODE)
            .with_error_message(words());
        let results = vec![refused; request.filters.len()];
        let response = DeleteAclsResponse::default().with_filter_results(results);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}
