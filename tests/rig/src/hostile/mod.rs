//! Hostile frames at a live broker, while an honest client is served throughout.
//!
//! Every frame gets a defined answer: an error code or a closed connection. What is judged is what
//! the others feel: the honest client's records all come back, the process lives, and it has kept
//! neither the memory nor the descriptors of those who misbehaved.

mod frames;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use thalweg::base::random::Random;

use crate::broker::{Broker, Recipe};
use crate::campaign::Failure;
use crate::kafka::Connection;
use crate::load::{Ledger, Writer};
use frames::hostile_frame;

const TOPIC: &str = "honest";
const HOSTILES: u64 = 4;
/// Frames on one connection, if the broker does not close it before.
const FRAMES_A_CONNECTION: usize = 8;
/// A frame that promises more bytes, or a fetch that waits, has no answer yet: go on.
const ANSWER: Duration = Duration::from_millis(20);
/// The honest client's longest wait for one acknowledgement.
const STALL_MAX: Duration = Duration::from_secs(10);
/// Above the start, after everything: caches and pools fill, but nobody's claims do.
const GROWTH_BYTES_MAX: u64 = 1 << 30;
const DESCRIPTORS_OVER_MAX: usize = 16;
const SETTLED: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Count {
    frames: AtomicU64,
    answered: AtomicU64,
    closed: AtomicU64,
    silent: AtomicU64,
}

/// Sends so many hostile frames; the summary in words.
pub fn run(recipe: &Recipe, dir: &Path, frames: u64, seed: u64) -> Result<String, Failure> {
    let mut broker = recipe.start(dir, 2).map_err(Failure::Trial)?;
    let mut connection = broker.wait_ready(TOPIC, 1).map_err(Failure::Trial)?;
    let before = Use::of(&broker).map_err(Failure::Trial)?;
    let count = Arc::new(Count::default());
    let stop = Arc::new(AtomicBool::new(false));
    let mut random = Random::with_seed(seed);
    let attackers: Vec<_> = (0..HOSTILES)
        .map(|number| {
            let (count, random, address) = (count.clone(), random.fork(number), broker.address);
            thread::spawn(move || attack(address, random, &count, frames))
        })
        .collect();
    let honest = {
        let (stop, address) = (stop.clone(), broker.address);
        thread::spawn(move || serve_honestly(address, &stop))
    };
    for attacker in attackers {
        attacker.join().expect("an attacker does not panic");
    }
    stop.store(true, Ordering::Relaxed);
    let served = honest.join().expect("the honest client does not panic");
    let (writer, stall) = served.map_err(Failure::Verdict)?;
    let mut ledger = Ledger::new(1, 1);
    let judged = ledger.check(&mut connection, &[writer], true);
    judged.map_err(Failure::Verdict)?;
    drop(connection);
    settle(&broker, &before)?;
    broker.stop().map_err(Failure::Verdict)?;
    let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
    Ok(format!(
        "{} hostile frames ({} answered, {} closed the connection, {} waited in vain); the honest \
         client: {}, longest wait {stall:?}; seed {seed}",
        of(&count.frames),
        of(&count.answered),
        of(&count.closed),
        of(&count.silent),
        ledger.count(),
    ))
}

fn attack(address: SocketAddr, mut random: Random, count: &Count, frames: u64) {
    while count.frames.load(Ordering::Relaxed) < frames {
        let Ok(mut stream) = TcpStream::connect(address) else {
            // Refused means dead, which the honest client notices, too.
            return;
        };
        let timed = stream.set_read_timeout(Some(ANSWER));
        let timed = timed.and_then(|()| stream.set_write_timeout(Some(ANSWER)));
        timed.expect("a time-out above zero is valid");
        for _ in 0..FRAMES_A_CONNECTION {
            count.frames.fetch_add(1, Ordering::Relaxed);
            if stream.write_all(&hostile_frame(&mut random)).is_err() {
                count.closed.fetch_add(1, Ordering::Relaxed);
                break;
            }
            match stream.read(&mut [0; 64 << 10]) {
                Ok(0) => {
                    count.closed.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Ok(_) => count.answered.fetch_add(1, Ordering::Relaxed),
                Err(e) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind()) => {
                    count.silent.fetch_add(1, Ordering::Relaxed);
                    // What follows would be taken for the rest of this frame.
                    break;
                }
                Err(_) => {
                    count.closed.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            };
        }
    }
}

/// One batch after the other; the longest wait for an answer.
fn serve_honestly(address: SocketAddr, stop: &AtomicBool) -> Result<(Writer, Duration), String> {
    let mut writer = Writer::new(0, 0, false, Random::with_seed(1));
    let connection = Connection::open(address, TOPIC);
    let mut connection = connection.map_err(|e| format!("the honest client: {e}"))?;
    let mut stall = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let sent = writer.send_one(&mut connection);
        sent.map_err(|e| format!("the honest client: {e}"))?;
        stall = stall.max(began.elapsed());
    }
    match stall < STALL_MAX {
        true => Ok((writer, stall)),
        false => Err(format!("the honest client waited {stall:?} for an answer")),
    }
}

/// What a process holds.
struct Use {
    resident: u64,
    descriptors: usize,
}

impl Use {
    fn of(broker: &Broker) -> Result<Self, String> {
        let proc = format!("/proc/{}", broker.pid());
        let statm = fs::read_to_string(format!("{proc}/statm"));
        let statm = statm.map_err(|e| format!("{proc}/statm: {e}"))?;
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        let pages: u64 = pages.ok_or("statm without a resident size")?;
        let descriptors = fs::read_dir(format!("{proc}/fd"));
        let descriptors = descriptors.map_err(|e| format!("{proc}/fd: {e}"))?;
        Ok(Self {
            resident: pages * 4096,
            descriptors: descriptors.count(),
        })
    }
}

/// Waits until the descriptors of the misbehaved are gone; judges the memory then.
fn settle(broker: &Broker, before: &Use) -> Result<(), Failure> {
    let until = Instant::now() + SETTLED;
    loop {
        let now = Use::of(broker).map_err(|e| Failure::Verdict(format!("it is gone: {e}")))?;
        if now.descriptors <= before.descriptors + DESCRIPTORS_OVER_MAX {
            let growth = now.resident.saturating_sub(before.resident);
            return match growth <= GROWTH_BYTES_MAX {
                true => Ok(()),
                false => Err(Failure::Verdict(format!("it grew by {growth} bytes"))),
            };
        }
        if Instant::now() > until {
            let (was, is) = (before.descriptors, now.descriptors);
            let leak = format!("{is} descriptors, {was} at the start");
            return Err(Failure::Verdict(leak));
        }
        thread::sleep(Duration::from_millis(100));
    }
}
