use super::*;
use crate::wire::versions::APIS;

/// Plays the driver: hands `bytes` over in receives of at most `step` bytes, and gathers frames.
fn feed(inbound: &mut Inbound, mut bytes: &[u8], step: usize) -> Vec<Bytes> {
    let pool = BlockPool::default();
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let room = inbound.take_room(&pool);
        let mut block = room.into.unwrap_or_else(|| pool.take(room.want));
        let count = bytes.len().min(step);
        let taken = block.append(&bytes[..count]);
        assert!(taken > 0, "a receive without room");
        bytes = &bytes[taken..];
        inbound.arrived(block);
        while let Front::Frame(frame) = inbound.next() {
            frames.push(frame);
        }
    }
    frames
}

fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        bytes.extend_from_slice(&(body.len() as i32).to_be_bytes());
        bytes.extend_from_slice(body);
    }
    bytes
}

#[test]
fn frames_come_out_whole_however_the_bytes_arrive() {
    let sizes = [1, 3, 4_096, 70_000, 5, 300_000, 4_092, 65_536];
    let bodies: Vec<Vec<u8>> = sizes
        .iter()
        .map(|&size| (0..size).map(|at| (at * 7 + size) as u8).collect())
        .collect();
    for step in [1_000, 4_096, 65_536, 1 << 20] {
        let mut inbound = Inbound::new(FRAME_BYTES_MAX);

        let frames = feed(&mut inbound, &framed(&bodies), step);

        assert!(frames.iter().eq(bodies.iter()), "steps of {step}");
        assert!(!inbound.has_begun());
    }
}

#[test]
fn a_claimed_length_takes_no_memory_before_its_bytes_come() {
    let mut inbound = Inbound::new(FRAME_BYTES_MAX);
    let mut bytes = (90_i32 << 20).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0; 6]);

    assert!(feed(&mut inbound, &bytes, 100).is_empty());

    assert!(inbound.held() <= 64 << 10, "{} bytes held", inbound.held());
}

#[test]
fn lengths_that_no_request_has_are_bad() {
    let http = i32::from_be_bytes(*b"GET ");
    for length in [0, -1, i32::MIN, i32::MAX, http, (100 << 20) + 1] {
        let mut inbound = Inbound::new(FRAME_BYTES_MAX);
        let mut block = BlockPool::default().take(ByteCount(16));
        block.append(&length.to_be_bytes());
        inbound.arrived(block);

        assert!(matches!(inbound.next(), Front::Bad { .. }), "{length}");
    }
}

/// What is said of this length, once the API key behind it is there.
fn front(most: ByteCount, length: i32, key: i16) -> Front {
    let mut inbound = Inbound::new(most);
    let mut block = BlockPool::default().take(ByteCount(16));
    block.append(&length.to_be_bytes());
    block.append(&key.to_be_bytes());
    inbound.arrived(block);
    inbound.next()
}

#[test]
fn only_produce_may_pass_16_mib_and_it_is_a_bound_to_the_byte() {
    let most = FRAME_BYTES_MAX_BUT_PRODUCE;
    let others = APIS.iter().map(|api| api.key as i16);
    for key in others.chain([-1, i16::MAX]).filter(|key| *key != PRODUCE) {
        let fits = front(FRAME_BYTES_MAX, 16 << 20, key);
        let passes = front(FRAME_BYTES_MAX, (16 << 20) + 1, key);

        assert!(matches!(fits, Front::Partial), "key {key}: {fits:?}");
        assert!(
            matches!(passes, Front::Bad { most: told, .. } if told == most),
            "key {key}: {passes:?}"
        );
    }
    let produce = front(FRAME_BYTES_MAX, (16 << 20) + 1, PRODUCE);
    assert!(matches!(produce, Front::Partial), "{produce:?}");
}

#[test]
fn the_operators_bound_holds_for_all_if_it_is_the_lower_one() {
    for key in [PRODUCE, 3] {
        let passes = front(ByteCount(5_000), 5_001, key);

        assert!(
            matches!(
                passes,
                Front::Bad {
                    most: ByteCount(5_000),
                    ..
                }
            ),
            "key {key}: {passes:?}"
        );
    }
}

#[test]
fn the_operators_bound_on_requests_holds_to_the_byte() {
    for (length, bad) in [(5_000, false), (5_001, true)] {
        let mut inbound = Inbound::new(ByteCount(5_000));
        let mut block = BlockPool::default().take(ByteCount(16));
        block.append(&i32::to_be_bytes(length));
        inbound.arrived(block);

        assert_eq!(matches!(inbound.next(), Front::Bad { .. }), bad, "{length}");
    }
}
