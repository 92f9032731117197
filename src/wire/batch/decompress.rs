//! Kafka's four codecs as bounded streams.
//!
//! Nothing here trusts a length that the compressed bytes claim: output is made as it is asked
//! for, and windows and blocks are refused when they pass their bound.

use std::io::{BufReader, Error, ErrorKind, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Buf, Bytes, buf::Reader};
use ruzstd::decoding::StreamingDecoder;

use super::check::BatchError;
use super::header::Codec;

/// What is read from a decoder at a time.
const READ_BYTES: usize = 16 << 10;
/// A zstd window that is always allowed; levels up to 19 need no more.
const ZSTD_WINDOW_BYTES: u64 = 8 << 20;
/// What snappy's format can reach: 64 bytes from a copy of three.
const SNAPPY_GROWTH_MAX: usize = 22;
/// The framing of Java's snappy streams: magic, then two versions of four bytes.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

/// Decompressed records.
pub(super) type Stream = BufReader<Fenced>;

/// Opens the records of a compressed batch. `bytes_max` bounds blocks and windows; how much is
/// read in all is the reader's affair.
pub(super) fn open(codec: Codec, body: Bytes, bytes_max: usize) -> Result<Stream, BatchError> {
    let inner: Box<dyn Read + Send> = match codec {
        Codec::None => Box::new(body.reader()),
        Codec::Gzip => Box::new(flate2::read::MultiGzDecoder::new(body.reader())),
        Codec::Snappy => Box::new(Snappy::new(body, bytes_max)),
        // Blocks are at most 4 MiB by format.
        Codec::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(body.reader())),
        Codec::Zstd => Box::new(Zstd {
            rest: body,
            frame: None,
            bytes_max,
        }),
    };
    Ok(BufReader::with_capacity(READ_BYTES, Fenced(Some(inner))))
}

/// A decoder whose panics are errors: these crates are not ours, and their input is hostile.
pub(super) struct Fenced(Option<Box<dyn Read + Send>>);

impl Read for Fenced {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let Some(mut inner) = self.0.take() else {
            return Err(bad());
        };
        let (inner, read) = catch_unwind(AssertUnwindSafe(move || {
            let read = inner.read(out);
            (inner, read)
        }))
        .map_err(|_| bad())?;
        self.0 = Some(inner);
        read
    }
}

fn bad() -> Error {
    Error::from(ErrorKind::InvalidData)
}

/// Snappy, bare or in Java's framing; a block at a time.
struct Snappy {
    rest: Bytes,
    framed: bool,
    block: Vec<u8>,
    taken: usize,
    bytes_max: usize,
}

impl Snappy {
    fn new(mut body: Bytes, bytes_max: usize) -> Snappy {
        let framed = body.starts_with(XERIAL_MAGIC) && body.len() >= XERIAL_HEADER_BYTES;
        if framed {
            body.advance(XERIAL_HEADER_BYTES);
        }
        Snappy {
            rest: body,
            framed,
            block: Vec::new(),
            taken: 0,
            bytes_max,
        }
    }

    fn next_block(&mut self) -> std::io::Result<()> {
        let input = if self.framed {
            let length = self.rest.try_get_u32().map_err(|_| bad())? as usize;
            if length > self.rest.len() {
                return Err(bad());
            }
            self.rest.split_to(length)
        } else {
            std::mem::take(&mut self.rest)
        };
        let claimed = snap::raw::decompress_len(&input).map_err(|_| bad())?;
        let possible = input.len().saturating_mul(SNAPPY_GROWTH_MAX);
        if claimed > self.bytes_max.min(possible) {
            return Err(bad());
        }
        self.block = snap::raw::Decoder::new()
            .decompress_vec(&input)
            .map_err(|_| bad())?;
        self.taken = 0;
        Ok(())
    }
}

impl Read for Snappy {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.taken >= self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_block()?;
        }
        let mut left = self.block.get(self.taken..).unwrap_or_default();
        let read = left.read(out)?;
        self.taken = self.taken.saturating_add(read);
        Ok(read)
    }
}

/// Zstandard frames, one behind the other.
struct Zstd {
    /// What the frame in work has not been given.
    rest: Bytes,
    frame: Option<StreamingDecoder<Reader<Bytes>, ruzstd::decoding::FrameDecoder>>,
    bytes_max: usize,
}

impl Read for Zstd {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(out)?;
                if read > 0 {
                    return Ok(read);
                }
                if let Some(done) = self.frame.take() {
                    self.rest = done.into_inner().into_inner();
                }
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            let window = zstd_window(&self.rest).ok_or_else(bad)?;
            if window > ZSTD_WINDOW_BYTES.max(self.bytes_max as u64) {
                return Err(bad());
            }
            let input = std::mem::take(&mut self.rest).reader();
            self.frame = Some(StreamingDecoder::new(input).map_err(|_| bad())?);
        }
    }
}

/// The window that a frame's header asks for (RFC 8878, 3.1.1.1): the decoder keeps as much
/// output as that before it hands out the first byte.
fn zstd_window(frame: &[u8]) -> Option<u64> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = frame else {
        return None;
    };
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let window = rest.first()?;
        let exponent = u32::from(window >> 3).saturating_add(10);
        let base = 1u64.checked_shl(exponent)?;
        let eighths = u64::from(window & 7);
        return base.checked_add((base / 8).checked_mul(eighths)?);
    }
    // The window is the content's size, behind a dictionary id of 0, 1, 2 or 4 bytes.
    let dictionary_bytes = match descriptor & 3 {
        0 => 0usize,
        1 => 1,
        2 => 2,
        _ => 4,
    };
    let size = rest.get(dictionary_bytes..)?;
    match descriptor >> 6 {
        0 => Some(u64::from(*size.first()?)),
        1 => Some(u64::from(u16::from_le_bytes(*size.first_chunk()?)).saturating_add(256)),
        2 => Some(u64::from(u32::from_le_bytes(*size.first_chunk()?))),
        _ => Some(u64::from_le_bytes(*size.first_chunk()?)),
    }
}
