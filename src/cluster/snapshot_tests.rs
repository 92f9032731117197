use super::super::encode::tests::world;
use super::*;
use crate::base::random::Random;

/// Every part of a snapshot, without kind and format.
fn parts(metadata: &Metadata) -> Vec<Vec<u8>> {
    let mut writer = Writer::new(metadata, Index(0));
    let mut parts = Vec::new();
    while !writer.is_whole() {
        let (part, last) = writer.part();
        assert_eq!((part[0], part[1]), (KIND_SNAPSHOT, FORMAT));
        writer.advance(part.len(), last);
        parts.push(part[2..].to_vec());
    }
    parts
}

fn restored(parts: &[Vec<u8>]) -> Result<Metadata, Unreadable> {
    let mut metadata = Metadata::default();
    for (number, bytes) in parts.iter().enumerate() {
        let part = Part::decode(bytes)?;
        assert_eq!(
            (part.number, part.last),
            (number as u32, number + 1 == parts.len())
        );
        part.restore(&mut metadata)?;
    }
    Ok(metadata)
}

#[test]
fn a_snapshot_in_many_parts_comes_back_as_it_was_written() {
    for topics in [0, 1, 340, 342, 4_000] {
        let (metadata, _) = world(topics, 3);

        let parts = parts(&metadata);

        let expected = metadata.topic_count().div_ceil(TOPICS_PER_PART).max(1);
        assert_eq!(parts.len(), expected);
        assert_eq!(restored(&parts), Ok(metadata));
    }
}

#[test]
fn no_part_is_large() {
    let (metadata, _) = world(2_000, 3);

    assert!(parts(&metadata).iter().all(|part| part.len() < 64 << 10));
}

#[test]
fn parts_in_another_order_are_refused() {
    let (metadata, _) = world(1_000, 3);
    let parts = parts(&metadata);
    let mut state = Metadata::default();

    let second = Part {
        number: 0,
        ..Part::decode(&parts[1]).expect("a part")
    };
    assert!(second.restore(&mut state).is_err());
    let first = Part {
        number: 1,
        ..Part::decode(&parts[0]).expect("a part")
    };
    assert!(first.restore(&mut state).is_err());
    assert!(Part::decode(&[1, 0, 0]).is_err());
}

#[test]
fn bytes_that_were_changed_never_panic() {
    let (metadata, _) = world(20, 6);
    let mut random = Random::with_seed(3);
    let part = parts(&metadata).swap_remove(0);

    for _ in 0..3_000 {
        let mut bytes = part.clone();
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] ^= 1 << random.below(8);
        if let Ok(part) = Part::decode(&bytes) {
            let _ = part.restore(&mut Metadata::default());
        }
    }
}
