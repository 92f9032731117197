//! Values that nobody else could have written: client, number, place, noise, and a sum.

use thalweg::base::crc::crc32c;
use thalweg::base::random::Random;

use super::history::Tp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId {
    pub client: u32,
    pub number: u32,
}

const HEAD_BYTES: usize = 16;

pub fn encode(id: ValueId, tp: Tp, noise: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + noise + 4);
    bytes.extend_from_slice(&id.client.to_le_bytes());
    bytes.extend_from_slice(&id.number.to_le_bytes());
    bytes.extend_from_slice(&(tp.topic as u32).to_le_bytes());
    bytes.extend_from_slice(&tp.partition.to_le_bytes());
    let seed = u64::from(id.client) << 32 | u64::from(id.number);
    let mut filler = vec![0; noise];
    Random::with_seed(seed).fill(&mut filler);
    bytes.extend_from_slice(&filler);
    let sum = crc32c(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// None: these are not bytes that a client wrote.
pub fn decode(bytes: &[u8]) -> Option<(ValueId, Tp)> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    if crc32c(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let word = |index: usize| {
        let bytes = body.get(index * 4..index * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let id = ValueId {
        client: word(0)?,
        number: word(1)?,
    };
    let tp = Tp {
        topic: word(2)? as usize,
        partition: word(3)? as i32,
    };
    Some((id, tp))
}
