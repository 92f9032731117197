//! A record as it was sent, to compare with what comes back.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};

/// The first record's timestamp, milliseconds since the epoch; each later one is one more.
///
/// An hour ago: retention by time must not take the records away while they are looked at.
fn first_stamp() -> i64 {
    static FIRST: OnceLock<i64> = OnceLock::new();
    let hour = Duration::from_secs(3600);
    *FIRST.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        (now.expect("the clock is past 1970") - hour).as_millis() as i64
    })
}

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since the epoch.
    pub stamp: i64,
}

impl Record {
    /// Some have no key, some no value, some headers: all decided by the number.
    pub fn numbered(number: usize, codec: &str) -> Self {
        let headers = vec![
            ("number".to_string(), Some(number.to_string().into_bytes())),
            ("empty".to_string(), Some(Vec::new())),
            ("none".to_string(), None),
            ("number".to_string(), Some(b"again".to_vec())),
        ];
        Self {
            key: (number % 10 != 7).then(|| format!("key {}", number / 3).into_bytes()),
            value: (number % 100 != 13).then(|| format!("value {number} of {codec}").into_bytes()),
            headers: if number.is_multiple_of(5) {
                headers
            } else {
                Vec::new()
            },
            stamp: first_stamp() + number as i64,
        }
    }

    /// A value that no codec makes smaller (splitmix64, seeded by the length).
    pub fn incompressible(length: usize) -> Self {
        let mut state = length as u64;
        let mut value = Vec::with_capacity(length + 8);
        while value.len() < length {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            value.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        value.truncate(length);
        Self {
            key: None,
            value: Some(value),
            headers: Vec::new(),
            stamp: first_stamp(),
        }
    }

    pub fn owned_headers(&self) -> OwnedHeaders {
        let start = OwnedHeaders::new();
        self.headers.iter().fold(start, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: value.as_ref(),
            })
        })
    }

    /// Panics, saying where and how, if the message differs from this record.
    pub fn assert_is(&self, message: &BorrowedMessage<'_>) {
        let place = (message.partition(), message.offset());
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let owned = |header: Header<'_, &[u8]>| {
                (header.key.to_string(), header.value.map(<[u8]>::to_vec))
            };
            headers.iter().map(owned).collect()
        });
        assert_eq!(message.key(), self.key.as_deref(), "key at {place:?}");
        assert_eq!(
            message.payload(),
            self.value.as_deref(),
            "value at {place:?}"
        );
        assert_eq!(headers, self.headers, "headers at {place:?}");
        let stamp = message.timestamp().to_millis();
        assert_eq!(stamp, Some(self.stamp), "timestamp at {place:?}");
    }
}
