//! Frames that no client sends: whole nonsense, and true requests with something wrong in them.

use thalweg::base::random::Random;

use crate::kafka::{Batch, Producer, Writer};

const TOPIC: &str = "honest";

/// One frame, its length prefix included.
pub fn hostile_frame(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => nonsense(random),
        1 => {
            let mut frame = request(random);
            lie_about_length(&mut frame, random);
            frame
        }
        _ => {
            let mut frame = request(random);
            for _ in 0..=random.below(3) {
                mutate(&mut frame, random);
            }
            let length = (frame.len() - 4) as i32;
            frame[..4].copy_from_slice(&length.to_be_bytes());
            frame
        }
    }
}

fn nonsense(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec(),
        1 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        2 => [0x80, 0, 0, 0].to_vec(),
        _ => {
            let mut noise = vec![0; 1 + random.below(300) as usize];
            random.fill(&mut noise);
            noise
        }
    }
}

fn lie_about_length(frame: &mut [u8], random: &mut Random) {
    let lies = [-1, i32::MIN, 0, 1, i32::MAX, 1 << 30, 104_857_601];
    let lie: i32 = lies[random.below(lies.len() as u64) as usize];
    frame[..4].copy_from_slice(&lie.to_be_bytes());
}

/// Something wrong behind the header's API key.
fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    const BODY: usize = 6;
    let at = BODY + random.below((frame.len() - BODY) as u64) as usize;
    match random.below(6) {
        0 => frame[at] ^= 1 << random.below(8),
        1 => frame[at] = random.next_u64() as u8,
        2 => frame.truncate(at.max(BODY + 2)),
        3 => frame.extend_from_slice(&random.next_u64().to_be_bytes()),
        4 if at + 4 <= frame.len() => {
            let extremes = [i32::MAX, i32::MIN, -1, -2, 0, 0x0010_0000];
            let extreme = extremes[random.below(extremes.len() as u64) as usize];
            frame[at..at + 4].copy_from_slice(&extreme.to_be_bytes());
        }
        _ => {
            let copied = frame[at..].to_vec();
            frame.extend_from_slice(&copied);
        }
    }
}

/// A true request of some API and version, with four bytes for the length before it.
fn request(random: &mut Random) -> Vec<u8> {
    let (key, version, body) = match random.below(8) {
        0 => (0, 7, produce(random)),
        1 => (0, 3 + random.below(5) as i16, produce(random)),
        2 => (1, 4, fetch()),
        3 => (2, 1, list_offsets()),
        4 => (3, 4, metadata()),
        5 => (18, random.below(4) as i16, Vec::new()),
        6 => (22, 1, init_producer()),
        // A body that belongs to another API, any version.
        _ => (random.below(93) as i16, random.below(14) as i16, fetch()),
    };
    let mut frame = Writer::default();
    frame.i32(0).i16(key).i16(version).i32(7).string("hostile");
    frame.raw(&body);
    frame.0
}

/// With acks=0 or all; to a partition that does not exist, so that nothing is stored.
fn produce(random: &mut Random) -> Vec<u8> {
    let record = |number: u8| (vec![number], vec![number; 50]);
    let batch = Batch {
        producer: Producer::NOBODY,
        stamp: 1,
        records: (0..3).map(record).collect(),
    };
    let mut body = Writer::default();
    body.null_string().i16(-(random.below(2) as i16)).i32(1_000);
    body.i32(1).string("hostile").i32(1).i32(1_000_000);
    body.bytes(&batch.encode());
    body.0
}

fn fetch() -> Vec<u8> {
    let mut body = Writer::default();
    body.i32(-1).i32(0).i32(0).i32(1 << 20).i8(0);
    body.i32(1).string(TOPIC).i32(1).i32(0).i64(0).i32(1 << 20);
    body.0
}

fn list_offsets() -> Vec<u8> {
    let mut body = Writer::default();
    body.i32(-1).i32(1).string(TOPIC).i32(1).i32(0).i64(-1);
    body.0
}

fn metadata() -> Vec<u8> {
    let mut body = Writer::default();
    body.i32(1).string(TOPIC).i8(0);
    body.0
}

fn init_producer() -> Vec<u8> {
    let mut body = Writer::default();
    body.null_string().i32(1_000);
    body.0
}
