//! UpdateFeatures 0-2 (KIP-584): this broker announces no feature, so none can be updated.

use crate::wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

impl Shard {
    pub(super) fn update_features(&mut self, asked: Asked, request: UpdateFeaturesRequest) {
        let mut response = UpdateFeaturesResponse::default().with_error_message(None);
        if let Some(first) = request.feature_updates.first() {
            let words = format!(
                "no feature is updated: {} can not come to version {}, since this broker has no \
                 features with versions",
                first.feature, first.max_version_level
            );
            response.error_code = ErrorCode::InvalidUpdateVersion.code();
            response.error_message = Some(StrBytes::from_string(words));
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}
