//! What can be wrong with bytes that claim to be Kafka's.

use super::guard::GuardError;

/// Why a frame was not understood, or a message could not be written.
///
/// Everything but `UnsupportedVersion` leaves the connection at an unknown place: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The frame ends inside its header.
    HeaderTooShort,
    /// The header's client id or tagged fields are not what Kafka's header allows.
    HeaderMalformed(GuardError),
    /// No API has this key, or none that clients may call.
    UnknownApi { key: i16 },
    /// The API exists, but not in this version. An ApiVersions request is answered all the
    /// same (`reply::unsupported_api_versions`), and so is an old Produce (`old_produce`); that
    /// is what the correlation id is for. Anybody else is closed.
    UnsupportedVersion {
        key: i16,
        version: i16,
        correlation_id: i32,
    },
    /// The body does not follow its API's layout. Nothing was allocated for it.
    Malformed(GuardError),
    /// The body passed the guard, and the decoder refused it all the same.
    Undecodable,
    /// A message holds a field that its version cannot carry, or is over 2 GiB: our own mistake.
    Unencodable,
}

const _: () = assert!(size_of::<WireError>() <= 16);

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HeaderTooShort => write!(f, "the frame ends inside its header"),
            Self::HeaderMalformed(why) => write!(f, "malformed request header: {why}"),
            Self::UnknownApi { key } => write!(f, "unknown API key {key}"),
            Self::UnsupportedVersion { key, version, .. } => {
                write!(f, "version {version} of API key {key} is not supported")
            }
            Self::Malformed(why) => write!(f, "malformed request: {why}"),
            Self::Undecodable => write!(f, "the request could not be decoded"),
            Self::Unencodable => write!(f, "the message could not be encoded in this version"),
        }
    }
}

impl std::error::Error for WireError {}
