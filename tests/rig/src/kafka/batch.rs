//! Record batches, format 2, uncompressed.

use thalweg::base::crc;

use super::bytes::{Reader, Writer};

/// Bytes of a batch before its length counts, and before its checksum does.
const LENGTH_FROM: usize = 12;
const SUM_FROM: usize = 21;

/// Who produces, for the broker's idempotence; the default is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
    /// Of the batch's first record.
    pub sequence: i32,
}

impl Producer {
    pub const NOBODY: Self = Self {
        id: -1,
        epoch: -1,
        sequence: -1,
    };
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Keys and values to send as one batch.
pub struct Batch {
    pub producer: Producer,
    /// Milliseconds since the epoch.
    pub stamp: i64,
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Batch {
    pub fn encode(&self) -> Vec<u8> {
        let count = self.records.len() as i32;
        let mut tail = Writer::default();
        tail.i16(0).i32(count - 1).i64(self.stamp).i64(self.stamp);
        tail.i64(self.producer.id).i16(self.producer.epoch);
        tail.i32(self.producer.sequence).i32(count);
        for (delta, (key, value)) in self.records.iter().enumerate() {
            let mut record = Writer::default();
            record.i8(0).varint(0).varint(delta as i64);
            record.varint(key.len() as i64).raw(key);
            record.varint(value.len() as i64).raw(value).varint(0);
            tail.varint(record.0.len() as i64).raw(&record.0);
        }
        let mut batch = Writer::default();
        let length = SUM_FROM - LENGTH_FROM + tail.0.len();
        batch.i64(0).i32(length as i32).i32(-1).i8(2);
        batch.raw(&crc::crc32c(&tail.0).to_be_bytes()).raw(&tail.0);
        batch.0
    }
}

/// The records of whole batches; a last one that the byte limit cut is left out.
///
/// A batch whose checksum or layout is wrong is an error: the broker served damage.
pub fn decode_batches(mut bytes: &[u8]) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    while bytes.len() > LENGTH_FROM {
        let mut head = Reader(bytes);
        let base = head.i64().expect("length checked");
        let length = head.i32().expect("length checked");
        let length = usize::try_from(length).map_err(|_| format!("batch length {length}"))?;
        let Some(body) = head.raw(length) else { break };
        decode(base, body, &mut records).map_err(|what| format!("{what} at offset {base}"))?;
        bytes = head.0;
    }
    Ok(records)
}

fn decode(base: i64, body: &[u8], records: &mut Vec<Record>) -> Result<(), String> {
    let short = || "a batch that is too short".to_string();
    let mut reader = Reader(body);
    let _leader_epoch = reader.i32().ok_or_else(short)?;
    let magic = reader.i8().ok_or_else(short)?;
    let sum = reader.u32().ok_or_else(short)?;
    if magic != 2 || sum != crc::crc32c(reader.0) {
        return Err("a wrong checksum".to_string());
    }
    let attributes = reader.i16().ok_or_else(short)?;
    if attributes & 0x27 != 0 {
        return Err(format!("attributes {attributes:#x}, never sent"));
    }
    // Last delta, two timestamps, producer id and epoch, sequence.
    reader.raw(4 + 8 + 8 + 8 + 2 + 4).ok_or_else(short)?;
    let count = reader.i32().ok_or_else(short)?;
    for _ in 0..count {
        let record = decode_record(base, &mut reader).ok_or("a malformed record")?;
        records.push(record);
    }
    match reader.0.is_empty() {
        true => Ok(()),
        false => Err("bytes after the last record".to_string()),
    }
}

fn decode_record(base: i64, reader: &mut Reader<'_>) -> Option<Record> {
    let length = usize::try_from(reader.varint()?).ok()?;
    let mut record = Reader(reader.raw(length)?);
    let (_attributes, _stamp) = (record.i8()?, record.varint()?);
    let offset = base + record.varint()?;
    // No key is taken for an empty one.
    let key_length = usize::try_from(record.varint()?.max(0)).ok()?;
    let key = record.raw(key_length)?.to_vec();
    let value_length = usize::try_from(record.varint()?).ok()?;
    let value = record.raw(value_length)?.to_vec();
    Some(Record { offset, key, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_and_a_changed_byte_is_noticed() {
        let sent = [
            (b"k".to_vec(), vec![7; 300]),
            (Vec::new(), b"second".to_vec()),
        ];
        let batch = Batch {
            producer: Producer::NOBODY,
            stamp: 1_760_000_000_000,
            records: sent.to_vec(),
        };

        let mut bytes = batch.encode();

        let found = decode_batches(&bytes).expect("whole");
        let pairs: Vec<_> = found.into_iter().map(|r| (r.key, r.value)).collect();
        assert_eq!(pairs, sent);
        bytes[100] ^= 1;
        assert!(decode_batches(&bytes).is_err());
        assert_eq!(decode_batches(&bytes[..80]), Ok(Vec::new()));
    }
}
