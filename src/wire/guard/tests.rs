use super::*;
use crate::wire::{ApiKey, versions};

const METADATA_OLD: i16 = 1;
const METADATA_FLEXIBLE: i16 = 9;

#[track_caller]
fn check_metadata(version: i16, body: &[u8], expected: Result<(), GuardError>) {
    let api = versions::find(ApiKey::Metadata as i16).unwrap();
    assert_eq!(check(api, version, body), expected);
}

/// A flexible Metadata body with these bytes between the topics and the end.
fn flexible(topics: &[u8], tags: &[u8]) -> Vec<u8> {
    [topics, &[0, 0, 0], tags].concat()
}

#[test]
fn every_api_has_a_layout() {
    for api in versions::APIS {
        assert!(layouts::of(api.key).is_some(), "{:?}", api.key);
    }
}

#[test]
fn a_request_that_follows_its_layout_passes() {
    check_metadata(METADATA_OLD, b"\x00\x00\x00\x01\x00\x02ab", Ok(()));
    check_metadata(METADATA_OLD, b"\xff\xff\xff\xff", Ok(()));
    check_metadata(
        METADATA_FLEXIBLE,
        &flexible(b"\x02\x03ab\x00", b"\x00"),
        Ok(()),
    );
    check_metadata(
        METADATA_FLEXIBLE,
        &flexible(b"\x00", b"\x02\x05\x01x\x07\x00"),
        Ok(()),
    );
}

#[test]
fn arrays_longer_than_the_frame_are_refused_before_anything_is_allocated() {
    let too_long = Err(GuardError::ArrayTooLong);
    check_metadata(METADATA_OLD, b"\x7f\xff\xff\xff\x00\x02ab", too_long);
    check_metadata(
        METADATA_OLD,
        b"\xff\xff\xff\xfe",
        Err(GuardError::NegativeLength),
    );
    let body = flexible(b"\xff\xff\xff\xff\x0f\x03ab\x00", b"\x00");
    check_metadata(METADATA_FLEXIBLE, &body, too_long);
}

#[test]
fn varints_of_six_bytes_are_refused() {
    let body = flexible(b"\x82\x80\x80\x80\x80\x00\x03ab\x00", b"\x00");
    check_metadata(METADATA_FLEXIBLE, &body, Err(GuardError::VarintTooLong));
}

#[test]
fn strings_past_the_frame_or_not_in_utf8_are_refused() {
    check_metadata(
        METADATA_OLD,
        b"\x00\x00\x00\x01\x7f\xffab",
        Err(GuardError::Truncated),
    );
    check_metadata(
        METADATA_OLD,
        b"\x00\x00\x00\x01\xff\xfeab",
        Err(GuardError::NegativeLength),
    );
    check_metadata(
        METADATA_OLD,
        b"\x00\x00\x00\x01\x00\x02\xc3\x28",
        Err(GuardError::InvalidUtf8),
    );
    let body = flexible(b"\x02\x7fab", b"\x00");
    check_metadata(METADATA_FLEXIBLE, &body, Err(GuardError::Truncated));
    let body = flexible(b"\x02\xff\xff\xff\xff\x0f", b"\x00");
    check_metadata(METADATA_FLEXIBLE, &body, Err(GuardError::TextTooLong));
}

#[test]
fn tags_out_of_order_and_twice_are_refused() {
    let out_of_order = Err(GuardError::TagsOutOfOrder);
    let body = flexible(b"\x00", b"\x02\x07\x00\x05\x00");
    check_metadata(METADATA_FLEXIBLE, &body, out_of_order);
    let body = flexible(b"\x00", b"\x02\x05\x00\x05\x00");
    check_metadata(METADATA_FLEXIBLE, &body, out_of_order);
}

#[test]
fn trailing_bytes_are_refused() {
    let trailing = Err(GuardError::TrailingBytes);
    check_metadata(METADATA_OLD, b"\xff\xff\xff\xffx", trailing);
    check_metadata(METADATA_FLEXIBLE, &flexible(b"\x00", b"\x00xxxx"), trailing);
}

#[test]
fn librdkafkas_request_for_all_topics_passes_though_it_is_three_bytes_too_long() {
    check_metadata(METADATA_FLEXIBLE, b"\0\0\0\0\x01\0\0\0", Ok(()));
}

#[test]
fn more_elements_than_allowed_are_refused() {
    let count = ELEMENTS_MAX + 1;
    let mut body = count.to_be_bytes().to_vec();
    body.extend(std::iter::repeat_n(b"\x00\x01a", count as usize).flatten());

    check_metadata(METADATA_OLD, &body, Err(GuardError::TooManyElements));
}

#[test]
fn structs_that_each_carry_an_unknown_tag_cost_too_much_memory() {
    // Seven bytes each on the wire, over 500 once decoded.
    let topic = b"\x02a\x01\x05\x00";
    let mut body = b"\xe9\x07".to_vec();
    body.extend(std::iter::repeat_n(topic, 1_000).flatten());
    let body = flexible(&body, b"\x00");

    check_metadata(METADATA_FLEXIBLE, &body, Err(GuardError::TooMuchMemory));
}

#[test]
fn a_known_tag_must_fill_its_size_and_exist_in_its_version() {
    let fetch = versions::find(ApiKey::Fetch as i16).unwrap();
    let plain = |version: i16| {
        let mut body = Vec::new();
        if version <= 14 {
            body.extend([0; 4]);
        }
        body.extend([0; 4 + 4 + 4 + 1 + 4 + 4]);
        body.extend(b"\x01\x01\x01");
        body
    };
    let with = |version: i16, tags: &[u8]| check(fetch, version, &[&plain(version), tags].concat());

    assert_eq!(with(12, b"\x00"), Ok(()));
    assert_eq!(with(12, b"\x01\x00\x03\x03ab"), Ok(()));
    assert_eq!(
        with(12, b"\x01\x00\x04\x03abx"),
        Err(GuardError::TagMismatch)
    );
    let state = b"\x01\x01\x0d\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(with(15, state), Ok(()));
    assert_eq!(with(14, state), Err(GuardError::TagMismatch));
}
