use super::*;

fn filling(sizes: &[usize], batch_bytes: usize) -> Filling {
    Filling {
        sizes: sizes.iter().map(|it| (*it, 1)).collect(),
        batch_bytes,
        records_max: u32::MAX,
        text: false,
        seed: 7,
    }
}

fn shape(sizes: &[usize], batch_bytes: usize) -> BatchShape {
    BatchShape::new(&filling(sizes, batch_bytes), |_| None::<[u8; 0]>)
}

/// Every batch that `shape` becomes has the sums of one that is summed whole.
fn check_patches(shape: &BatchShape) {
    let mut bytes = shape.bytes().to_vec();
    let mut now = Identity::default();
    for (stream, number) in [(1, 0), (1, 1), (70_000, 1 << 33), (0, 0), (9, 255)] {
        let next = Identity { stream, number };
        shape.patch(&mut bytes, now, next);
        now = next;

        let sum = crc32c(&bytes[SUMMED_AT..]).to_be_bytes();
        assert_eq!(bytes[SUM_AT..SUMMED_AT], sum, "{} records", shape.records);
        for (index, value) in shape.values.iter().enumerate() {
            let stamp = Stamp::read_checked(&bytes[value.at..value.at + value.bytes]);
            let index = index as u32;
            assert_eq!(
                stamp,
                Some(Stamp {
                    stream,
                    number,
                    index
                })
            );
        }
    }
}

#[test]
fn a_patched_batch_has_the_sums_of_one_encoded_afresh() {
    check_patches(&shape(&[100], 65_536));
    check_patches(&shape(&[20], 100));
    check_patches(&shape(&[1_024], 1 << 20));
    check_patches(&shape(&[21], 9_000));
}

#[test]
fn so_has_one_with_keys_and_records_of_several_lengths() {
    check_patches(&shape(&[100, 20, 333], 16_384));
    let keyed = BatchShape::new(&filling(&[50, 60], 8_192), |it| {
        Some((it.next_u64() as u32).to_be_bytes())
    });
    check_patches(&keyed);
}

#[test]
fn the_lengths_are_the_same_whatever_the_keys() {
    let filling = filling(&[50, 60, 700], 8_192);
    let one = BatchShape::new(&filling, |_| Some(*b"one"));
    let other = BatchShape::new(&filling, |_| Some(*b"two"));

    assert_eq!(one.values(), other.values());
}

#[test]
fn a_batch_has_no_more_records_than_it_may() {
    let few = Filling {
        records_max: 3,
        ..filling(&[100], 64 << 10)
    };

    assert_eq!(BatchShape::new(&few, |_| None::<[u8; 0]>).records, 3);
}

#[test]
fn an_idempotent_producers_batches_count_their_records() {
    let shape = shape(&[100], 16 << 10);
    let mut bytes = shape.bytes().to_vec();
    shape.adopt(&mut bytes, ProducerId { id: 9, epoch: 3 });
    let records = u64::from(shape.records);
    let numbers = [0, 1, 2, 70_000, (1 << 31) / records + 1];
    for pair in numbers.windows(2) {
        shape.patch_sequence(&mut bytes, pair[0], pair[1]);

        let sequence = (pair[1] * records % (1 << 31)) as u32;
        assert_eq!(bytes[SEQUENCE_AT..COUNT_AT], sequence.to_be_bytes());
        assert_eq!(
            bytes[SUM_AT..SUMMED_AT],
            crc32c(&bytes[SUMMED_AT..]).to_be_bytes()
        );
    }
}

#[test]
fn a_batch_is_as_full_as_it_may_be_and_no_fuller() {
    let shape = shape(&[100], 64 << 10);

    let slack = 65_536 - shape.bytes().len();

    assert!(slack < 111, "{slack}");
}
