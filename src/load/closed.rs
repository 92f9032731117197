//! The closed loop: as fast as it goes. A window of requests is kept in flight; a reply makes
//! room for the next. Its latencies say how long a request took, not how long a user waited.

use std::collections::VecDeque;
use std::net::TcpStream;

use super::LoadError;
use super::frame::Encoder;
use super::measure::{Phase, Tally};
use super::reader::Reader;
use super::replies::Frame;
use super::route::Lane;
use super::sender::{Job, Places, ProducerEnd, connect, encoder, send};

const REPLY_BUFFER_BYTES: usize = 64 << 10;

pub fn produce(job: &Job<'_>, lane: Lane) -> ProducerEnd {
    let mut places = Places::new(job, lane);
    let mut tally = Tally::new(job.shared, &job.shared.produced);
    let failure = Closed::new(job, lane)
        .and_then(|mut it| it.run(&mut places, &mut tally))
        .err();
    ProducerEnd {
        side: tally.finish(),
        streams: places.into_streams(),
        failure,
    }
}

struct Closed<'a> {
    job: Job<'a>,
    stream: TcpStream,
    reader: Reader,
    lane: Lane,
    frames: Encoder<'a>,
    /// When each request that is not answered yet was sent.
    in_flight: VecDeque<u64>,
    sent_id: i32,
    reply_id: i32,
    /// Records sent in the measured part.
    measured: u64,
}

impl<'a> Closed<'a> {
    fn new(job: &Job<'a>, lane: Lane) -> Result<Self, LoadError> {
        let stream = connect(job.route.address(lane))?;
        let receiving = stream
            .try_clone()
            .map_err(LoadError::socket("sharing a socket"))?;
        Ok(Self {
            job: *job,
            stream,
            reader: Reader::new(receiving, REPLY_BUFFER_BYTES),
            lane,
            frames: encoder(job, lane, job.plan.in_flight as usize)?,
            in_flight: VecDeque::new(),
            sent_id: 0,
            reply_id: 0,
            measured: 0,
        })
    }

    fn run(&mut self, places: &mut Places<'_>, tally: &mut Tally<'_>) -> Result<(), LoadError> {
        loop {
            if !self.is_done() {
                self.fill_window(places)?;
            }
            if self.in_flight.is_empty() {
                return Ok(());
            }
            self.take_reply(places, tally)?;
            while self.reader.has_frame() {
                self.take_reply(places, tally)?;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.job.shared.phase() == Phase::Stop
            || self.job.quota.is_some_and(|quota| self.measured >= quota)
    }

    /// How many more requests a counted run has to send: never more than were asked for, however
    /// many replies happened to come at once.
    fn requests_left(&self) -> usize {
        let Some(quota) = self.job.quota else {
            return usize::MAX;
        };
        let records = quota.saturating_sub(self.measured);
        usize::try_from(records.div_ceil(self.request_records())).unwrap_or(usize::MAX)
    }

    fn request_records(&self) -> u64 {
        self.job.request_records(self.lane)
    }

    fn fill_window(&mut self, places: &mut Places<'_>) -> Result<(), LoadError> {
        let window = self.job.plan.in_flight as usize;
        while self.in_flight.len() < window && !self.is_done() {
            let room = window - self.in_flight.len();
            let count = self.frames.capacity().min(room).min(self.requests_left());
            let now = self.job.shared.now_ns();
            send(
                &mut self.stream,
                &mut self.frames,
                places,
                &mut self.sent_id,
                count,
            )?;
            if self.job.shared.phase() == Phase::Measure {
                self.measured += self.request_records() * count as u64;
            }
            self.in_flight.extend(std::iter::repeat_n(now, count));
        }
        Ok(())
    }

    fn take_reply(
        &mut self,
        places: &mut Places<'_>,
        tally: &mut Tally<'_>,
    ) -> Result<(), LoadError> {
        let frame =
            Frame::begin(&mut self.reader).map_err(LoadError::socket("awaiting a reply"))?;
        let good = read_answers(frame, self.reply_id, places, tally)?;
        self.reply_id = self.reply_id.wrapping_add(1);
        let sent = self.in_flight.pop_front().unwrap_or_default();
        let now = self.job.shared.now_ns();
        let records = good * u64::from(self.job.cargo.records);
        let bytes = good * self.job.cargo.batch_bytes;
        if tally.reply(now, records, bytes) {
            tally.latency(now - sent, records);
        }
        Ok(())
    }
}

/// Notes every partition's answer; returns how many batches were accepted.
pub fn read_answers(
    frame: Frame<'_>,
    expected_id: i32,
    places: &mut Places<'_>,
    tally: &mut Tally<'_>,
) -> Result<u64, LoadError> {
    let mut good = 0;
    let mut refused = Ok(());
    let id = frame.produced(places.numbering(), |produced| {
        match produced.code {
            0 => good += 1,
            code => tally.error(code),
        }
        if let Err(error) = places.answered(produced) {
            refused = Err(error);
        }
    })?;
    if id != expected_id {
        return Err(LoadError::Reply("replies out of order"));
    }
    refused.map(|()| good)
}
