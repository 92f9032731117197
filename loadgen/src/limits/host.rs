//! The host without its disk: loopback, summing, copying.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use thalweg::base::crc::crc32c;

const PIECE_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, Serialize)]
pub struct Host {
    pub loopback_gb_s: f64,
    pub round_trip_p50_us: f64,
    pub round_trip_p99_us: f64,
    pub crc_gb_s: f64,
    pub copy_gb_s: f64,
}

impl Host {
    pub fn measure(seconds: f64) -> io::Result<Self> {
        let (round_trip_p50_us, round_trip_p99_us) = round_trip(seconds)?;
        let batch = vec![0x5a; 64 << 10];
        // Larger than any cache that one core has to itself.
        let source = vec![0x5a; 64 << 20];
        let mut target = vec![0; source.len()];
        Ok(Self {
            loopback_gb_s: loopback(seconds)?,
            round_trip_p50_us,
            round_trip_p99_us,
            crc_gb_s: speed(seconds, batch.len(), || {
                black_box(crc32c(black_box(&batch)));
            }),
            copy_gb_s: speed(seconds, source.len(), || {
                target.copy_from_slice(black_box(&source));
                black_box(&target);
            }),
        })
    }
}

fn speed(seconds: f64, bytes: usize, mut work: impl FnMut()) -> f64 {
    // The first round pays for page faults.
    work();
    let begun = Instant::now();
    let mut rounds = 0_u64;
    while begun.elapsed().as_secs_f64() < seconds {
        work();
        rounds += 1;
    }
    rounds as f64 * bytes as f64 / begun.elapsed().as_secs_f64() / 1e9
}

pub fn loopback(seconds: f64) -> io::Result<f64> {
    let (mut sending, mut receiving) = pair()?;
    let receiver = thread::spawn(move || -> io::Result<u64> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut total = 0;
        loop {
            match receiving.read(&mut buffer)? {
                0 => return Ok(total),
                count => total += count as u64,
            }
        }
    });
    let piece = vec![0x5a; PIECE_BYTES];
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs_f64(seconds) {
        sending.write_all(&piece)?;
    }
    drop(sending);
    let total = receiver
        .join()
        .map_err(|_| io::Error::other("a thread panicked"))??;
    Ok(total as f64 / begun.elapsed().as_secs_f64() / 1e9)
}

fn round_trip(seconds: f64) -> io::Result<(f64, f64)> {
    let (mut near, mut far) = pair()?;
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while far.read_exact(&mut byte).is_ok() && far.write_all(&byte).is_ok() {}
    });
    let mut times = Vec::new();
    let begun = Instant::now();
    let mut byte = [0];
    while begun.elapsed() < Duration::from_secs_f64(seconds) {
        let started = Instant::now();
        near.write_all(&byte)?;
        near.read_exact(&mut byte)?;
        times.push(started.elapsed());
    }
    drop(near);
    let _ = echo.join();
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e6;
    Ok((at(50), at(99)))
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near, far))
}
