//! The open loop: records are due by a schedule, whatever the broker does, and their latency
//! counts from when they were due. A stall therefore shows in every record that had to wait.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::closed::read_answers;
use super::frame::Encoder;
use super::measure::{Latencies, Phase, Tally, latencies};
use super::reader::Reader;
use super::replies::Frame;
use super::route::{Lane, Route, Turn};
use super::sender::{Job, Places, ProducerEnd, REPLY_WITHIN, connect, encoder, send};
use super::{LoadError, Plan};

const REPLY_BUFFER_BYTES: usize = 64 << 10;
/// How often a reader that waits looks whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The longest sleep of a sender, so that it sees the end of the run.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// Time for all threads to be there before the first record is due.
const START_AFTER_NS: u64 = 50_000_000;

/// When every record of every lane is due.
pub struct Schedule<'a> {
    /// Moved once, before anybody sends, when consumers have been waited for.
    start_ns: AtomicU64,
    /// Between two records of all lanes together.
    record_ns: f64,
    /// Between the first records of two neighbouring producers.
    stagger_ns: f64,
    batch_records: u64,
    request_records: f64,
    route: &'a Route,
}

impl<'a> Schedule<'a> {
    pub fn new(plan: &Plan, route: &'a Route, rate: u64, batch_records: u32, now_ns: u64) -> Self {
        let record_ns = 1e9 / rate as f64;
        // The route's shares are for all producers, also those that send no more.
        let idle = f64::from(plan.producers) / f64::from(plan.all_producers());
        let record_ns = record_ns * idle;
        let request_records = f64::from(batch_records) * f64::from(plan.request_batches);
        Self {
            start_ns: AtomicU64::new(now_ns + START_AFTER_NS),
            record_ns,
            stagger_ns: record_ns / idle * request_records,
            batch_records: u64::from(batch_records),
            request_records,
            route,
        }
    }

    pub fn start_at(&self, now_ns: u64) {
        self.start_ns
            .store(now_ns + START_AFTER_NS, Ordering::Relaxed);
    }

    /// When the `record`-th record of `lane` is due.
    pub fn due_ns(&self, lane: Lane, record: u64) -> u64 {
        let each = self.record_ns / self.route.share(lane);
        // A producer's lanes take turns: all at once, and few requests a second, would be a burst
        // at the beginning and less than the rate after it.
        let turn = f64::from(lane.leader) / self.route.leaders.len() as f64;
        let stagger = self.stagger_ns * f64::from(lane.producer);
        let stagger = stagger + turn * each * self.request_records;
        self.start_ns.load(Ordering::Relaxed) + (stagger + each * record as f64) as u64
    }

    /// Which record of its lane a producer's batch begins with.
    pub fn first_record(&self, producer: u32, turn: Turn) -> (Lane, u64) {
        let (lane, sent) = self.route.sent_before(producer, turn);
        (lane, sent * self.batch_records)
    }
}

/// What the sending and the receiving half of one producer share.
struct Halves {
    /// The first record of each request that is not answered yet, and its correlation id.
    in_flight: Mutex<VecDeque<u64>>,
    sender_done: AtomicBool,
}

pub fn produce(job: &Job<'_>, schedule: &Schedule<'_>, lane: Lane) -> ProducerEnd {
    let mut tally = Tally::new(job.shared, &job.shared.produced);
    // The sender stamps, the receiver keeps the promises: both walk the same places.
    let mut promised = Places::new(job, lane);
    let halves = Halves {
        in_flight: Mutex::new(VecDeque::new()),
        sender_done: AtomicBool::new(false),
    };

    let failure = connect(job.route.address(lane))
        .and_then(|stream| {
            let receiving = stream
                .try_clone()
                .map_err(LoadError::socket("sharing a socket"))?;
            let frames = encoder(job, lane, 1)?;
            let (places, halves) = (Places::new(job, lane), &halves);
            let sending = Sending {
                stream,
                frames,
                places,
            };
            thread::scope(|scope| {
                let sender = scope.spawn(|| send_by_schedule(job, schedule, sending, halves));
                let received = receive(job, schedule, receiving, halves, &mut promised, &mut tally);
                let sent = sender.join().map_err(|_| LoadError::Panicked)?;
                received?;
                tally.slips(&sent?);
                Ok(())
            })
        })
        .err();
    ProducerEnd {
        side: tally.finish(),
        streams: promised.into_streams(),
        failure,
    }
}

/// All that the sending half owns.
struct Sending<'a> {
    stream: TcpStream,
    frames: Encoder<'a>,
    places: Places<'a>,
}

fn send_by_schedule(
    job: &Job<'_>,
    schedule: &Schedule<'_>,
    mut sending: Sending<'_>,
    halves: &Halves,
) -> Result<Latencies, LoadError> {
    ask_for_exact_sleep();
    let Sending {
        stream,
        frames,
        places,
    } = &mut sending;
    let lane = places.lane;
    let mut slips = latencies(2);
    let mut next_id = 0;
    let mut measured = 0;
    let records = job.request_records(lane);
    let mut first = 0;
    let result = loop {
        // A request leaves when its last record is due: filling a batch is part of waiting.
        let due = schedule.due_ns(lane, first + records - 1);
        if !sleep_until(job, due) || job.quota.is_some_and(|quota| measured >= quota) {
            break Ok(());
        }
        slips.saturating_record(job.shared.now_ns().saturating_sub(due));
        if job.shared.phase() == Phase::Measure {
            measured += records;
        }
        lock(&halves.in_flight).push_back(first);
        let sent = send(stream, frames, places, &mut next_id, 1);
        if sent.is_err() {
            break sent;
        }
        first += records;
    };
    halves.sender_done.store(true, Ordering::Release);
    result.map(|()| slips)
}

fn receive(
    job: &Job<'_>,
    schedule: &Schedule<'_>,
    stream: TcpStream,
    halves: &Halves,
    places: &mut Places<'_>,
    tally: &mut Tally<'_>,
) -> Result<(), LoadError> {
    stream
        .set_read_timeout(Some(LOOK_EVERY))
        .map_err(LoadError::socket("setting a time-out"))?;
    let mut reader = Reader::new(stream, REPLY_BUFFER_BYTES);
    let mut reply_id = 0;
    let mut waiting_since = job.shared.now_ns();
    loop {
        let over = halves.sender_done.load(Ordering::Acquire);
        if over && lock(&halves.in_flight).is_empty() {
            return Ok(());
        }
        match wait_for_frame(&mut reader) {
            Ok(true) => {}
            Ok(false) => {
                let silence = job.shared.now_ns() - waiting_since;
                let idle = lock(&halves.in_flight).is_empty();
                if !idle && silence > REPLY_WITHIN.as_nanos() as u64 {
                    let error = ErrorKind::TimedOut.into();
                    return Err(LoadError::Socket {
                        doing: "awaiting a reply",
                        error,
                    });
                }
                continue;
            }
            Err(error) => {
                return Err(LoadError::Socket {
                    doing: "awaiting a reply",
                    error,
                });
            }
        }
        let frame = Frame::begin(&mut reader).map_err(LoadError::socket("awaiting a reply"))?;
        let good = read_answers(frame, reply_id, places, tally)?;
        reply_id = reply_id.wrapping_add(1);
        let Some(first) = lock(&halves.in_flight).pop_front() else {
            return Err(LoadError::Reply("an answer that nobody asked for"));
        };
        let now = job.shared.now_ns();
        waiting_since = now;
        let records = good * u64::from(job.cargo.records);
        let bytes = good * job.cargo.batch_bytes;
        if tally.reply(now, records, bytes) {
            for record in first..first + records {
                let due = schedule.due_ns(places.lane, record);
                tally.latency(now.saturating_sub(due), 1);
            }
        }
    }
}

/// Waits for the whole of a frame, so that nothing after it can time out. False: not yet.
fn wait_for_frame(reader: &mut Reader) -> std::io::Result<bool> {
    let whole = reader.peek(4).map(|length| {
        4 + u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize
    });
    match whole.and_then(|whole| reader.peek(whole).map(|_| ())) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Sleeps until `due`; false if the run stopped first.
fn sleep_until(job: &Job<'_>, due_ns: u64) -> bool {
    loop {
        if job.shared.phase() == Phase::Stop {
            return false;
        }
        let now = job.shared.now_ns();
        if now >= due_ns {
            return true;
        }
        thread::sleep(Duration::from_nanos(due_ns - now).min(SLEEP_MAX));
    }
}

/// The kernel rounds sleeps up to 50 us later unless a thread asks for less. A sender that may
/// not ask is late by that much, which the schedule's slips show.
fn ask_for_exact_sleep() {
    let Ok(thread) = fs::read_link("/proc/thread-self") else {
        return;
    };
    if let Some(id) = thread.file_name() {
        let file = std::path::Path::new("/proc").join(id).join("timerslack_ns");
        let _ = fs::write(file, "1");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::route::Numbering;

    #[test]
    fn records_are_due_at_the_rate_of_all_lanes_together() {
        let mut plan = Plan::new(([127, 0, 0, 1], 1).into(), "t");
        plan.producers = 4;
        // The second leader has twice as many partitions as the first.
        let leaders = [0, 1, 1, 0, 1, 1];
        let addresses = [plan.address; 2];
        let route = Route::new(4, &addresses, &leaders, None, Numbering::of(&plan));
        let schedule = Schedule::new(&plan, &route, 1_200, 10, 0);

        let second_of = |leader, records| {
            let lane = Lane {
                producer: 1,
                leader,
            };
            schedule.due_ns(lane, records) - schedule.due_ns(lane, 0)
        };

        // 100 and 200 records/s from each of four producers.
        assert_eq!(second_of(0, 100), 1_000_000_000);
        assert_eq!(second_of(1, 200), 1_000_000_000);
    }

    #[test]
    fn many_producers_of_little_keep_the_rate_from_the_first_second_on() {
        let mut plan = Plan::new(([127, 0, 0, 1], 1).into(), "t");
        (plan.producers, plan.request_batches) = (500, 1);
        let leaders = [0, 1, 0, 1, 0, 1];
        let addresses = [plan.address; 2];
        let route = Route::new(500, &addresses, &leaders, None, Numbering::of(&plan));
        let schedule = Schedule::new(&plan, &route, 500, 1, 0);

        let mut seconds = [0; 4];
        for lane in route.lanes() {
            for record in 0..4 {
                let due = schedule.due_ns(lane, record) - START_AFTER_NS;
                if let Some(second) = seconds.get_mut((due / 1_000_000_000) as usize) {
                    *second += 1;
                }
            }
        }

        assert_eq!(seconds, [500; 4]);
    }
}
