use super::*;
use crate::wire::messages::{FetchRequest, FetchResponse};
use crate::wire::{ApiKey, client};

fn sample(records: Vec<Vec<Bytes>>) -> FetchReply {
    let partitions = records
        .into_iter()
        .enumerate()
        .map(|(index, records)| PartitionReply {
            index: index as i32,
            error: ErrorCode::None,
            high_watermark: 100,
            last_stable_offset: 90,
            log_start_offset: 3,
            aborted: Some(vec![AbortedTransaction {
                producer_id: 7,
                first_offset: 50,
            }]),
            current_leader: None,
            records,
        });
    let topic = TopicReply {
        name: StrBytes::from_static_str("events"),
        id: [9; 16],
        partitions: partitions.collect(),
    };
    FetchReply {
        throttle_time_ms: 0,
        error: ErrorCode::None,
        session_id: 0,
        topics: vec![topic],
    }
}

fn through_the_crate(version: i16, reply: FetchReply) -> FetchResponse {
    let to = ReplyTo {
        api: ApiKey::Fetch,
        version,
        correlation_id: 42,
    };
    let frame: Bytes = encode(to, reply).unwrap().concat().into();
    let claimed = i32::from_be_bytes(frame[..4].try_into().unwrap());
    assert_eq!(claimed as usize, frame.len() - 4);

    let (id, back) = client::decode::<FetchRequest>(version, frame.slice(4..)).unwrap();
    assert_eq!(id, 42);
    back
}

#[test]
fn the_crate_reads_back_every_version_with_pieces_small_and_large() {
    for version in 4..=18 {
        let small = Bytes::from(vec![1; 100]);
        let large = Bytes::from(vec![2; 10_000]);
        let pieces = vec![
            vec![small.clone(), large.clone(), small.clone(), large.clone()],
            vec![],
            vec![large.clone()],
        ];

        let back = through_the_crate(version, sample(pieces.clone()));

        let topic = &back.responses[0];
        if version >= 13 {
            assert_eq!(topic.topic_id.as_bytes(), &[9; 16]);
        } else {
            assert_eq!(&*topic.topic.0, "events");
        }
        assert_eq!(topic.partitions.len(), 3);
        for (partition, pieces) in topic.partitions.iter().zip(&pieces) {
            assert_eq!(partition.high_watermark, 100);
            assert_eq!(partition.last_stable_offset, 90);
            assert_eq!(
                partition.log_start_offset,
                if version >= 5 { 3 } else { -1 }
            );
            let aborted = &partition.aborted_transactions.as_ref().unwrap()[0];
            assert_eq!((aborted.producer_id.0, aborted.first_offset), (7, 50));
            assert_eq!(partition.records.as_ref().unwrap()[..], pieces.concat()[..]);
        }
    }
}

#[test]
fn errors_and_leaders_are_read_back() {
    for version in 4..=18 {
        let mut reply = sample(vec![]);
        let mut failed = PartitionReply::failed(5, ErrorCode::NotLeaderOrFollower);
        failed.current_leader = Some(LeaderAndEpoch {
            broker_id: 1001,
            epoch: 8,
        });
        reply.topics[0].partitions = vec![failed];
        reply.error = ErrorCode::InvalidFetchSessionEpoch;

        let back = through_the_crate(version, reply);

        assert_eq!(back.error_code, if version >= 7 { 71 } else { 0 });
        let partition = &back.responses[0].partitions[0];
        assert_eq!((partition.partition_index, partition.error_code), (5, 6));
        assert_eq!(partition.aborted_transactions, None);
        if version >= 12 {
            assert_eq!(partition.current_leader.leader_id.0, 1001);
            assert_eq!(partition.current_leader.leader_epoch, 8);
        }
    }
}

#[test]
fn large_pieces_are_lent_and_not_copied() {
    let large = Bytes::from(vec![2; COPY_BELOW_BYTES]);
    let to = ReplyTo {
        api: ApiKey::Fetch,
        version: 12,
        correlation_id: 1,
    };

    let slices = encode(to, sample(vec![vec![large.clone(), large.clone()]])).unwrap();

    let lent = slices
        .iter()
        .filter(|slice| slice.as_ptr() == large.as_ptr())
        .count();
    assert_eq!((lent, slices.len()), (2, 4));
}
