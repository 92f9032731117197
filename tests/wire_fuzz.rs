//! Seeded fuzzing of everything in `wire` that reads what a peer sent, and of what a group's
//! members send each other through the broker.
//!
//! Whatever the bytes: no panic, and no more memory than 64 times their length. Whole requests,
//! made from the guard's layouts, must mean the same to the crate's decoder, byte for byte.
//!
//! `THALWEG_FUZZ_SEED` repeats a run, `THALWEG_FUZZ_RUNS` sets the executions of each test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;
use thalweg::base::random::Random;
use thalweg::groups::subscription;
use thalweg::wire::batch::{self, BatchBuilder, BatchHeader, Codec, NewRecord};
use thalweg::wire::versions::{APIS, Api};
use thalweg::wire::{
    Request, RequestHeader, WireError, guard, membership, old_admin, old_produce, request, versions,
};

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts what each thread holds, and the most that it held.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counters are plain cells
// that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LIVE.try_with(|live| {
            live.set(live.get().wrapping_add(layout.size()));
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
        });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_sub(layout.size())));
        unsafe { System.dealloc(place, layout) }
    }
}

/// Runs `work` and says how far memory rose meanwhile.
fn rise<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let result = work();
    (result, PEAK.with(Cell::get).saturating_sub(before))
}

fn runs(default: u64) -> u64 {
    std::env::var("THALWEG_FUZZ_RUNS").map_or(default, |runs| runs.parse().expect("a number"))
}

fn seeded(purpose: &str) -> Random {
    let given = std::env::var("THALWEG_FUZZ_SEED").ok();
    let seed = given.map_or(20_261_122, |seed| seed.parse().expect("a number"));
    println!("{purpose}: THALWEG_FUZZ_SEED={seed}");
    Random::with_seed(seed)
}

fn every_version() -> impl Iterator<Item = (&'static Api, i16)> {
    APIS.iter()
        .flat_map(|api| (api.accepted.min..=api.accepted.max).map(move |version| (api, version)))
}

fn header(api: &Api, version: i16) -> RequestHeader {
    RequestHeader {
        api: api.key,
        version,
        correlation_id: 1,
        client_id: None,
    }
}

macro_rules! encode_again {
    ($request:expr, $version:expr, $($api:ident)*) => {{
        let mut out = BytesMut::new();
        match $request {
            $(Request::$api(message) => message.encode(&mut out, $version).expect("encodes"),)*
        }
        out
    }};
}

fn encoded(request: &Request, version: i16) -> BytesMut {
    encode_again!(
        request, version,
        Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup
        Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups SaslHandshake ApiVersions
        CreateTopics DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch
        DescribeConfigs AlterConfigs SaslAuthenticate CreatePartitions DeleteGroups
        IncrementalAlterConfigs OffsetDelete DescribeCluster
        ElectLeaders AlterPartitionReassignments ListPartitionReassignments
        DescribeClientQuotas DescribeUserScramCredentials DescribeQuorum
        UpdateFeatures DescribeProducers DescribeTransactions
        ListTransactions ListConfigResources DescribeTopicPartitions
        DescribeAcls CreateAcls DeleteAcls
        DescribeLogDirs
    )
}

/// Decodes; whatever the outcome, memory must follow the bytes.
fn decode_bounded(api: &Api, version: i16, body: &Bytes) -> Result<Request, WireError> {
    let header = header(api, version);
    let bound = guard::MEMORY_FLOOR_BYTES.max(body.len() * guard::MEMORY_PER_BYTE_MAX);
    let frame = body.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        rise(|| request::decode(&header, frame))
    }));
    let Ok((decoded, rise)) = outcome else {
        panic!("{:?} {version} panicked on {:02x?}", api.key, &body[..]);
    };
    let key = api.key;
    assert!(
        rise <= bound,
        "{key:?} {version}: {rise} bytes for {:02x?}",
        &body[..]
    );
    decoded
}

#[test]
fn guard_and_decoder_agree_on_every_api_and_version_to_the_last_byte() {
    let mut random = seeded("agreement");
    for (api, version) in every_version() {
        for _ in 0..runs(40) {
            let body: Bytes = guard::sample(api, version, &mut random).into();

            let request = decode_bounded(api, version, &body)
                .unwrap_or_else(|error| panic!("{:?} {version}: {error}: {body:?}", api.key));

            assert_eq!(request.api(), api.key);
            assert_eq!(encoded(&request, version), body, "{:?} {version}", api.key);
        }
    }
}

#[test]
fn truncated_requests_are_refused_at_every_length() {
    let mut random = seeded("truncation");
    for (api, version) in every_version() {
        let body: Bytes = guard::sample(api, version, &mut random).into();
        for end in 0..body.len() {
            let refused = decode_bounded(api, version, &body.slice(..end)).is_err();

            assert!(refused, "{:?} {version} cut to {end} of {body:?}", api.key);
        }
    }
}

/// Flips, overwrites, inserts, removes and repeats, a few times over.
fn spoil(bytes: &mut Vec<u8>, random: &mut Random) {
    const NASTY: [&[u8]; 6] = [
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff\x0f",
        b"\x80\x80\x80\x80\x80\x01",
        b"\xff\xff\xff\xfe",
        b"\x00\x00\xff\xff",
        b"\x81\x00",
    ];
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 => {
                let nasty = NASTY[random.below(6) as usize];
                bytes.splice(at..at, nasty.iter().copied());
            }
            3 => bytes.truncate(at),
            _ => {
                let tail = bytes[at..].to_vec();
                bytes.extend(tail);
            }
        }
    }
}

#[test]
fn spoiled_requests_never_panic_and_never_take_more_memory_than_allowed() {
    let mut random = seeded("mutation");
    let (mut accepted, mut total) = (0u64, 0u64);
    for (api, version) in every_version() {
        for _ in 0..runs(150) {
            let mut body = guard::sample(api, version, &mut random);
            spoil(&mut body, &mut random);

            let decoded = decode_bounded(api, version, &body.into());

            // What the guard lets through, the decoder understands.
            assert_ne!(
                decoded.as_ref().err(),
                Some(&WireError::Undecodable),
                "{:?}",
                api.key
            );
            accepted += u64::from(decoded.is_ok());
            total += 1;
        }
    }
    println!("mutation: {accepted} of {total} still accepted");
    assert!(accepted > 0 && accepted < total);
}

#[test]
fn spoiled_headers_never_panic() {
    let mut random = seeded("headers");
    for (api, version) in every_version() {
        for _ in 0..runs(20) {
            let mut frame = (api.key as i16).to_be_bytes().to_vec();
            frame.extend(version.to_be_bytes());
            frame.extend(b"\x00\x00\x00\x01\x00\x03abc\x00");
            spoil(&mut frame, &mut random);
            let mut frame = Bytes::from(frame);

            let (_, rise) = rise(|| RequestHeader::parse(&mut frame));

            assert!(rise <= 64, "{rise}");
        }
    }
}

#[test]
fn spoiled_old_produce_requests_never_panic_and_get_replies_of_bounded_size() {
    let mut random = seeded("old produce");
    for _ in 0..runs(3_000) {
        let mut frame = b"\0\0\0\x01\0\0\0\x05\0\x01c\0\x01\0\0\0\x09".to_vec();
        frame.extend(b"\0\0\0\x01\0\x01t\0\0\0\x02");
        frame.extend(b"\0\0\0\x03\0\0\0\x02xy\0\0\0\x04\xff\xff\xff\xff");
        let mut tail = frame.split_off(4);
        spoil(&mut tail, &mut random);
        frame.extend(tail);

        let (_, rise) = rise(|| old_produce::refusal(&frame));

        assert!(rise <= 256 + 8 * frame.len(), "{rise} for {frame:02x?}");
    }
}

/// Key, version and a whole frame of each request that only old administration tools send.
fn old_admin_requests() -> [(i16, i16, Vec<u8>); 4] {
    let head = |key: i16, version: i16, body: &[u8]| {
        let mut frame = [key.to_be_bytes(), version.to_be_bytes()].concat();
        frame.extend(b"\0\0\0\x05\0\x01c");
        frame.extend(body);
        (key, version, frame)
    };
    let create = b"\0\0\0\x01\0\x01t\0\0\0\x02\0\x01\0\0\0\0\0\0\0\x01\0\x01k\0\x01v\0\0\0\x09";
    let validated = [&create[..], &[1]].concat();
    [
        head(19, 0, create),
        head(19, 1, &validated),
        head(20, 0, b"\0\0\0\x01\0\x01t\0\0\0\x09"),
        head(32, 0, b"\0\0\0\x01\x02\0\x01t\0\0\0\x01\0\x01k"),
    ]
}

/// As the broker takes it: carried over to a version that is decoded, then decoded.
fn decode_old(frame: &[u8]) -> Result<Request, WireError> {
    let mut newer = old_admin::newer(frame)?;
    let header = RequestHeader::parse(&mut newer)?;
    let api = versions::find(header.api as i16).expect("it was parsed");
    decode_bounded(api, header.version, &newer)
}

#[test]
fn spoiled_requests_of_old_administration_tools_never_panic() {
    let mut random = seeded("old admin");
    for (key, version, frame) in old_admin_requests() {
        assert!(old_admin::is_served(key, version));
        decode_old(&frame).unwrap_or_else(|error| panic!("{key} {version}: {error:?}"));
        let mut refused = 0;
        for _ in 0..runs(1_000) {
            let mut spoiled = frame[4..].to_vec();
            spoil(&mut spoiled, &mut random);
            let spoiled = [&frame[..4], &spoiled].concat();

            refused += u64::from(decode_old(&spoiled).is_err());
        }
        assert!(refused > 0, "{key} {version}: whatever comes is taken");
    }
}

#[test]
fn large_arrays_of_small_elements_stay_within_64_times_their_size() {
    for (api, version) in every_version() {
        // The smallest flexible elements: zeros are empty strings, no tags, nulls.
        let mut body = vec![0; 60_000];
        for place in 0..12 {
            body[place..place + 2].copy_from_slice(b"\xd1\x0f");
            let _ = decode_bounded(api, version, &Bytes::copy_from_slice(&body));
            body[place..place + 2].copy_from_slice(b"\0\0");
        }
    }
}

/// Spoils `whole` time and again; `read` says whether it takes it, within a bound of memory.
fn check_member_bytes(purpose: &str, whole: &[u8], read: impl Fn(&Bytes) -> bool) {
    // The dearest byte is a quarter of a partition: its topic's name of up to 249 bytes is copied
    // for it, and the list doubles. The floor is the first node of a set.
    let bound = |length: usize| 1_024 + 128 * length;
    let mut random = seeded(purpose);
    assert!(read(&Bytes::copy_from_slice(whole)), "{purpose}: sound");
    let mut refused = 0;
    for _ in 0..runs(3_000) {
        let mut bytes = whole.to_vec();
        spoil(&mut bytes, &mut random);
        let bytes = Bytes::from(bytes);

        let (taken, rise) = rise(|| read(&bytes));

        refused += u64::from(!taken);
        assert!(
            rise <= bound(bytes.len()),
            "{purpose}: {rise} bytes of memory for {bytes:02x?}"
        );
    }
    assert!(refused > 0, "{purpose}: whatever comes is taken");
}

#[test]
fn spoiled_subscriptions_never_panic_and_are_read_in_bounded_memory() {
    let whole = membership::subscription(&["a", "bb", "orders"]).expect("it encodes");

    check_member_bytes("subscription, by a member", &whole, |bytes| {
        !membership::topics_in(bytes).is_empty()
    });
    check_member_bytes("subscription, by the broker", &whole, |bytes| {
        subscription::topics(bytes, &mut BTreeSet::new())
    });
}

#[test]
fn spoiled_assignments_never_panic_and_are_read_in_bounded_memory() {
    let long = "n".repeat(249);
    let given = [("a".to_string(), vec![0, 2]), (long, (0..64).collect())];
    let note = Some(Bytes::from_static(b"hm"));
    let whole = membership::assignment(&given, note).expect("it encodes");

    check_member_bytes("assignment", &whole, |bytes| {
        membership::partitions_in(bytes).is_some()
    });
    check_member_bytes("note", &whole, |bytes| membership::note_in(bytes).is_some());
}

#[test]
fn spoiled_batches_never_panic_and_are_read_in_bounded_memory() {
    const CODECS: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];
    // A codec's own window and tables: 8 MiB lz4 blocks, 8 MiB zstd windows, doubled by growth.
    const CODEC_BYTES_MAX: usize = 40 << 20;
    const RECORDS_BYTES_MAX: usize = 1 << 20;
    // Without a codec the dearest byte is half a record's header, which takes 64 once it is read.
    let bound = |bytes: &Bytes| match BatchHeader::parse(bytes).map(|header| header.codec()) {
        Ok(Some(Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd)) => CODEC_BYTES_MAX,
        Ok(Some(Codec::None) | None) | Err(_) => 1_024 + 32 * bytes.len(),
    };
    let mut random = seeded("batches");
    for run in 0..runs(400) {
        let mut builder = BatchBuilder::new().codec(CODECS[run as usize % 5]);
        for _ in 0..random.below(20) {
            let value = vec![random.below(3) as u8; random.below(300) as usize];
            builder.push(NewRecord {
                value: Some(&value),
                ..NewRecord::default()
            });
        }
        let mut bytes = builder.build().to_vec();
        if random.one_in(2) {
            let mut tail = bytes.split_off(61);
            spoil(&mut tail, &mut random);
            bytes.extend(tail);
            let length = (bytes.len() as i32 - 12).to_be_bytes();
            bytes[8..12].copy_from_slice(&length);
        } else {
            spoil(&mut bytes, &mut random);
        }
        let bytes = Bytes::from(bytes);

        let _ = batch::check_produced(&bytes);
        let _ = BatchHeader::parse(&bytes);
        let (_, rise) = rise(|| {
            let records = batch::records(&bytes, RECORDS_BYTES_MAX)?;
            records
                .take(100_000)
                .try_for_each(|record| record.map(drop))
        });

        assert!(
            rise <= bound(&bytes),
            "{rise} bytes of memory for {bytes:?}"
        );
    }
}
