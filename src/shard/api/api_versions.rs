//! ApiVersions 0-4: which requests are served, in which versions.

use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

impl Shard {
    pub(super) fn api_versions(
        &mut self,
        asked: Asked,
        request: ApiVersionsRequest,
        client_id: Option<StrBytes>,
    ) {
        let (name, version) = (
            request.client_software_name,
            request.client_software_version,
        );
        let bad = asked.to.version >= 3 && !(is_software(&name) && is_software(&version));
        let mut response = ApiVersionsResponse::default().with_api_keys(self.apis.advertised());
        if bad {
            response.error_code = ErrorCode::InvalidRequest.code();
            response.api_keys.clear();
        } else if let Some(connection) = self.connections.get_mut(asked.connection) {
            // An answer has told it whom it speaks to already; it does not change its mind.
            if connection.software.is_none() {
                let layout = self.config.layout;
                connection.sees_shards = match asked.to.version >= 3 {
                    true => layout.sees_shards(Some((&name, &version))),
                    false => layout.sees_shards_by_id(client_id.as_deref()),
                };
            }
            connection.software = Some((name, version));
            self.note_introduction(asked.connection, client_id.as_ref());
        }
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}

/// KIP-511: letters, digits, dots and dashes, and no dot or dash at either end.
fn is_software(text: &StrBytes) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inner)
}
