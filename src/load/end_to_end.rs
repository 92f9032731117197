//! End to end, one batch at a time: sent, acknowledged, received, and only then the next.
//!
//! The fetch waits at the broker before the batch is sent, as a consumer at the tail does.

use super::LoadError;
use super::closed::read_answers;
use super::consumer::{Assignment, Consumer, ConsumerEnd, Place};
use super::measure::{Phase, Tally};
use super::reader::Reader;
use super::replies::{Depth, Frame};
use super::route::Lane;
use super::sender::{Job, Places, ProducerEnd, connect, encoder, send};

const REPLY_BUFFER_BYTES: usize = 64 << 10;

/// Latencies of the produced side end with the acknowledgement, those of the consumed side when
/// the batch has been received too.
pub fn end_to_end(job: &Job<'_>, places: Vec<Place>) -> (ProducerEnd, ConsumerEnd) {
    // One leader's partitions: the next batch leaves only when this one has come.
    let lane = Lane {
        producer: 0,
        leader: places
            .first()
            .map_or(0, |it| job.route.leader_of(it.partition)),
    };
    let places = places
        .into_iter()
        .filter(|it| job.route.leader_of(it.partition) == lane.leader)
        .collect();
    let mut producer = Places::new(job, lane);
    let mut sent = Tally::new(job.shared, &job.shared.produced);
    let mut received = Tally::new(job.shared, &job.shared.consumed);
    let assignment = Assignment {
        partitions: places,
        leader: lane.leader,
        depth: Depth::Whole,
        to_the_end: false,
        window: 1,
        leash: None,
    };
    let mut end = ConsumerEnd::default();
    let ran = Consumer::new(job, assignment).and_then(|mut consumer| {
        let ran = run(job, &mut producer, &mut consumer, &mut sent, &mut received);
        end.reading = std::mem::take(&mut consumer.sink.reading);
        ran
    });
    let streams = producer.into_streams();
    let produced = ProducerEnd {
        side: sent.finish(),
        streams,
        failure: ran.err(),
    };
    (
        produced,
        ConsumerEnd {
            side: received.finish(),
            ..end
        },
    )
}

fn run(
    job: &Job<'_>,
    places: &mut Places<'_>,
    consumer: &mut Consumer<'_>,
    sent: &mut Tally<'_>,
    received: &mut Tally<'_>,
) -> Result<(), LoadError> {
    let lane = places.lane;
    let mut stream = connect(job.route.address(lane))?;
    let receiving = stream
        .try_clone()
        .map_err(LoadError::socket("sharing a socket"))?;
    let mut reader = Reader::new(receiving, REPLY_BUFFER_BYTES);
    let mut frames = encoder(job, lane, 1)?;
    let records = job.request_records(lane);
    let mut next_id = 0;
    let mut measured = 0;
    while job.shared.phase() != Phase::Stop && job.quota.is_none_or(|quota| measured < quota) {
        consumer.ask()?;
        let measuring = job.shared.phase() == Phase::Measure;
        let id = next_id;
        let begun = job.shared.now_ns();
        send(&mut stream, &mut frames, places, &mut next_id, 1)?;
        let frame = Frame::begin(&mut reader).map_err(LoadError::socket("awaiting a reply"))?;
        let good = read_answers(frame, id, places, sent)?;
        let now = job.shared.now_ns();
        let batch_bytes = job.cargo.batch_bytes;
        if sent.reply(now, good * u64::from(job.cargo.records), good * batch_bytes) {
            sent.latency(now - begun, 1);
        }

        let wanted = good * u64::from(job.cargo.records);
        let got = consumer.receive(wanted)?;
        let now = job.shared.now_ns();
        if received.reply(now, got, good * batch_bytes) {
            received.latency(now - begun, 1);
        }
        measured += if measuring { records } else { 0 };
    }
    Ok(())
}
