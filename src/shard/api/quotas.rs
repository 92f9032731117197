//! DescribeClientQuotas 0-1 (KIP-546) and DescribeUserScramCredentials 0 (KIP-554): no quotas and
//! no credentials are set, and neither can be yet.

use std::collections::BTreeSet;

use crate::wire::messages::describe_client_quotas_request::ComponentData;
use crate::wire::messages::describe_user_scram_credentials_response as scram;
use crate::wire::messages::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::named::{Named, once_each};

/// `match_type` of a filter.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

impl Shard {
    pub(super) fn describe_client_quotas(
        &mut self,
        asked: Asked,
        request: DescribeClientQuotasRequest,
    ) {
        let response = match check_filter(&request.components) {
            Ok(()) => DescribeClientQuotasResponse::default()
                .with_error_message(Some(StrBytes::default()))
                .with_entries(Some(Vec::new())),
            Err(failure) => DescribeClientQuotasResponse::default()
                .with_error_code(failure.code.code())
                .with_error_message(failure.words)
                .with_entries(None),
        };
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    pub(super) fn describe_user_scram_credentials(
        &mut self,
        asked: Asked,
        request: DescribeUserScramCredentialsRequest,
    ) {
        let users = once_each(request.users.unwrap_or_default(), |user| user.name.clone());
        let results = users.into_iter().map(|user| {
            let (user, code, words) = match user {
                Named::Once(user) => (
                    user,
                    ErrorCode::ResourceNotFound,
                    "the user has no credential",
                ),
                Named::Often(user) => (
                    user,
                    ErrorCode::DuplicateResource,
                    "the request names this user more than once",
                ),
            };
            scram::DescribeUserScramCredentialsResult::default()
                .with_user(user.name)
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(words)))
        });
        let response = DescribeUserScramCredentialsResponse::default()
            .with_error_message(Some(StrBytes::default()))
            .with_results(results.collect());
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}

/// What Kafka asks of a filter, whether or not there is something to find.
fn check_filter(components: &[ComponentData]) -> Result<(), Failure> {
    let invalid = |words: String| Err(Failure::because(ErrorCode::InvalidRequest, words));
    let mut seen = BTreeSet::new();
    for component in components {
        let kind = component.entity_type.as_str();
        match kind {
            "" => return invalid("an entity type is empty".to_owned()),
            "user" | "client-id" | "ip" => {}
            _ => {
                let words = format!("entity type {kind}: there are user, client-id and ip");
                return Err(Failure::because(ErrorCode::UnsupportedVersion, words));
            }
        }
        if !seen.insert(kind) {
            return invalid(format!(
                "entity type {kind} stands in the filter more than once"
            ));
        }
        match (component.match_type, component._match.is_some()) {
            (EXACT, true) | (DEFAULT | ANY, false) => {}
            (EXACT, false) => return invalid("an exact match of nothing".to_owned()),
            (DEFAULT | ANY, true) => {
                return invalid("a name stands where the match type wants none".to_owned());
            }
            (other, _) => return invalid(format!("match type {other}: 0, 1 or 2")),
        }
    }
    if seen.contains("ip") && seen.len() > 1 {
        return invalid("ip goes together with neither user nor client-id".to_owned());
    }
    Ok(())
}
