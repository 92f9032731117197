//! The walk that protects the decoder.
//!
//! The decoder reserves memory for whatever length an array claims, and small elements grow
//! many-fold when decoded. So every body is first walked along its API's layout, allocating
//! nothing: what passes is whole, ends where the frame ends, and decodes into bounded memory.
//!
//! Begin at `check`; the layouts are in `layouts`.

mod layouts;
mod sample;
mod shape;

use super::ApiKey;
use super::cursor::{Cursor, ReadError};
use super::versions::Api;
use crate::base::limits;
pub use sample::sample;
use shape::{Element, Field, Kind, Shape};

/// Elements that all arrays and tagged fields of one request may hold together.
pub const ELEMENTS_MAX: u32 = limits::DECODED_ELEMENTS_MAX;
/// Decoded memory per byte received.
pub const MEMORY_PER_BYTE_MAX: usize = 64;
/// Decoded memory that any request may use, however short: one map node and some change.
pub const MEMORY_FLOOR_BYTES: usize = 4 << 10;

/// As Kafka's own parser has it: a group id of 40 KB ends the connection.
const TEXT_BYTES_MAX: u32 = i16::MAX as u32;

/// The first unknown tagged field of a struct makes the decoder allocate a map node.
const FIRST_TAG_BYTES: usize = 512;
/// What each further one costs, at the worst fill of such a node.
const NEXT_TAG_BYTES: usize = 96;

/// Which rule of its layout a request breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardError {
    /// A value reaches past the end of the frame.
    Truncated,
    /// A varint has more than five bytes, or bits beyond the 32nd.
    VarintTooLong,
    /// A length is negative where only -1, or nothing below zero, is allowed.
    NegativeLength,
    /// A null stands where the layout wants a value.
    NullNotAllowed,
    /// An array claims more elements than the rest of the frame could hold.
    ArrayTooLong,
    /// More than `ELEMENTS_MAX` elements in all.
    TooManyElements,
    /// It would decode into more than `MEMORY_PER_BYTE_MAX` times its size.
    TooMuchMemory,
    /// A struct that may be null is marked neither as there (1) nor as null (-1).
    BadMarker,
    /// Tags must rise; a tag twice or backwards is one of two readings too many.
    TagsOutOfOrder,
    /// A tagged field's content is shorter or longer than its size says, or the tag does not
    /// exist in this version.
    TagMismatch,
    /// A compact string is longer than 32,767 bytes, which no other form could repeat.
    TextTooLong,
    /// A string is not UTF-8.
    InvalidUtf8,
    /// Bytes are left behind the last field.
    TrailingBytes,
    /// No layout is known: the caller's table and ours disagree.
    NoLayout,
}

impl std::fmt::Display for GuardError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "a value reaches past the end of the frame",
            Self::VarintTooLong => "a varint is longer than five bytes",
            Self::NegativeLength => "a length is negative",
            Self::NullNotAllowed => "a required value is null",
            Self::ArrayTooLong => "an array claims more elements than the frame can hold",
            Self::TooManyElements => "more than 200000 elements",
            Self::TooMuchMemory => "it would take more than 64 times its size in memory",
            Self::BadMarker => "a struct is marked neither as there nor as null",
            Self::TagsOutOfOrder => "tagged fields are out of order",
            Self::TagMismatch => "a tagged field disagrees with its size or version",
            Self::TextTooLong => "a string is longer than 32767 bytes",
            Self::InvalidUtf8 => "a string is not UTF-8",
            Self::TrailingBytes => "bytes are left behind the last field",
            Self::NoLayout => "the layout of this API is not known",
        })
    }
}

impl From<ReadError> for GuardError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Truncated => GuardError::Truncated,
            ReadError::VarintTooLong => GuardError::VarintTooLong,
        }
    }
}

/// Walks a request's body. `Ok` means: it follows the layout of this API and version to its
/// last byte, and decoding it allocates at most `MEMORY_PER_BYTE_MAX` times its length, or
/// `MEMORY_FLOOR_BYTES`.
pub fn check(api: &Api, version: i16, body: &[u8]) -> Result<(), GuardError> {
    let shape = layouts::of(api.key).ok_or(GuardError::NoLayout)?;
    let budget = body
        .len()
        .saturating_mul(MEMORY_PER_BYTE_MAX)
        .max(MEMORY_FLOOR_BYTES);
    let mut walk = Walk {
        at: Cursor::new(body),
        version,
        flexible: api.is_flexible(version),
        elements_left: ELEMENTS_MAX,
        memory_left: budget,
    };
    walk.shape(shape)?;
    if walk.at.remaining() > trailing_max(api, version) {
        return Err(GuardError::TrailingBytes);
    }
    Ok(())
}

/// How many bytes may follow the last field, for the sake of clients that send them.
///
/// librdkafka (seen with 2.16) asks for all topics with a four-byte zero where a flexible version
/// has one byte for the null array, so that its request is three bytes longer than it reads.
pub fn trailing_max(api: &Api, version: i16) -> usize {
    match api.key {
        ApiKey::Metadata if api.is_flexible(version) => 3,
        _ => 0,
    }
}

/// A string of the old form, as request headers carry it in every version.
pub(super) fn nullable_text<'a>(at: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, GuardError> {
    match at.i16()? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| GuardError::NegativeLength)?;
            Ok(Some(at.take(length)?))
        }
    }
}

/// Walks tagged fields of which none is known.
pub(super) fn skip_tags(at: &mut Cursor<'_>) -> Result<(), GuardError> {
    let mut walk = Walk {
        at: *at,
        version: 0,
        flexible: true,
        elements_left: ELEMENTS_MAX,
        memory_left: at
            .remaining()
            .saturating_mul(MEMORY_PER_BYTE_MAX)
            .max(MEMORY_FLOOR_BYTES),
    };
    walk.tags(&[])?;
    *at = walk.at;
    Ok(())
}

struct Walk<'a> {
    at: Cursor<'a>,
    version: i16,
    flexible: bool,
    elements_left: u32,
    memory_left: usize,
}

impl Walk<'_> {
    fn shape(&mut self, shape: &Shape) -> Result<(), GuardError> {
        for field in shape.fields {
            if field.exists_in(self.version) {
                self.field(field)?;
            }
        }
        if self.flexible {
            self.tags(shape.tags)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<(), GuardError> {
        match &field.kind {
            Kind::Fixed(size) => {
                self.at.take(usize::from(*size))?;
                Ok(())
            }
            Kind::Text => self.text(field.nullable),
            Kind::Bytes => match self.bytes_length()? {
                Some(length) => {
                    self.at.take(length)?;
                    Ok(())
                }
                None => null(field.nullable),
            },
            Kind::List(element) => match self.list_length()? {
                Some(count) => self.list(element, count),
                None => null(field.nullable),
            },
            Kind::Struct(shape) if field.nullable => match self.at.take(1)? {
                [0xFF] => Ok(()),
                [1] => self.shape(shape),
                _ => Err(GuardError::BadMarker),
            },
            Kind::Struct(shape) => self.shape(shape),
        }
    }

    fn text(&mut self, nullable: bool) -> Result<(), GuardError> {
        let text = if self.flexible {
            match self.at.uvarint()?.checked_sub(1) {
                Some(length) if length > TEXT_BYTES_MAX => return Err(GuardError::TextTooLong),
                Some(length) => Some(self.at.take(length as usize)?),
                None => None,
            }
        } else {
            nullable_text(&mut self.at)?
        };
        match text {
            Some(text) => match std::str::from_utf8(text) {
                Ok(_) => Ok(()),
                Err(_) => Err(GuardError::InvalidUtf8),
            },
            None => null(nullable),
        }
    }

    fn bytes_length(&mut self) -> Result<Option<usize>, GuardError> {
        if self.flexible {
            return Ok(self
                .at
                .uvarint()?
                .checked_sub(1)
                .map(|length| length as usize));
        }
        match self.at.i32()? {
            -1 => Ok(None),
            length => usize::try_from(length)
                .map(Some)
                .map_err(|_| GuardError::NegativeLength),
        }
    }

    /// Arrays and byte strings write their lengths alike.
    fn list_length(&mut self) -> Result<Option<usize>, GuardError> {
        self.bytes_length()
    }

    fn list(&mut self, element: &Element, count: usize) -> Result<(), GuardError> {
        if count.saturating_mul(element.wire_min(self.flexible)) > self.at.remaining() {
            return Err(GuardError::ArrayTooLong);
        }
        self.count_elements(count)?;
        self.charge(count.saturating_mul(element.memory()))?;
        match element {
            Element::Fixed(size) => {
                self.at.take(count.saturating_mul(usize::from(*size)))?;
            }
            Element::Text => {
                for _ in 0..count {
                    self.text(false)?;
                }
            }
            Element::Struct(shape) => {
                for _ in 0..count {
                    self.shape(shape)?;
                }
            }
        }
        Ok(())
    }

    fn tags(&mut self, known: &[Field]) -> Result<(), GuardError> {
        let count = self.at.uvarint()?;
        if count == 0 {
            return Ok(());
        }
        self.count_elements(count as usize)?;
        let mut unknown_cost = FIRST_TAG_BYTES;
        let mut lowest_allowed = 0u32;
        for _ in 0..count {
            let tag = self.at.uvarint()?;
            if tag < lowest_allowed {
                return Err(GuardError::TagsOutOfOrder);
            }
            lowest_allowed = tag.checked_add(1).ok_or(GuardError::TagMismatch)?;
            let size = self.at.uvarint()? as usize;
            match known.get(tag as usize) {
                Some(field) => self.known_tag(field, size)?,
                None => {
                    self.charge(unknown_cost)?;
                    unknown_cost = NEXT_TAG_BYTES;
                    self.at.take(size)?;
                }
            }
        }
        Ok(())
    }

    fn known_tag(&mut self, field: &Field, size: usize) -> Result<(), GuardError> {
        if !field.exists_in(self.version) {
            return Err(GuardError::TagMismatch);
        }
        let expected = self
            .at
            .remaining()
            .checked_sub(size)
            .ok_or(GuardError::Truncated)?;
        self.field(field)?;
        if self.at.remaining() != expected {
            return Err(GuardError::TagMismatch);
        }
        Ok(())
    }

    fn count_elements(&mut self, count: usize) -> Result<(), GuardError> {
        let count = u32::try_from(count).map_err(|_| GuardError::TooManyElements)?;
        let left = self
            .elements_left
            .checked_sub(count)
            .ok_or(GuardError::TooManyElements)?;
        self.elements_left = left;
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), GuardError> {
        self.memory_left = self
            .memory_left
            .checked_sub(bytes)
            .ok_or(GuardError::TooMuchMemory)?;
        Ok(())
    }
}

fn null(allowed: bool) -> Result<(), GuardError> {
    if allowed {
        Ok(())
    } else {
        Err(GuardError::NullNotAllowed)
    }
}

#[cfg(test)]
mod tests;
