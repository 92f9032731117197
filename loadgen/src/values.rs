//! Values as people write them, on the command line and in workload files.

use std::str::FromStr;

use clap::ValueEnum;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thalweg::base::ByteCount;
use thalweg::load::{Keys, RecordSizes};
use thalweg::wire::batch::Codec;

/// Lengths of values: `100`, evenly `100..1k`, or by weight `100:9,1k:1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lengths(pub RecordSizes);

/// Keys: `none`, `uniform:COUNT` or `zipf:COUNT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyChoice(pub Keys);

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    pub fn codec(self) -> Codec {
        match self {
            Self::None => Codec::None,
            Self::Gzip => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4 => Codec::Lz4,
            Self::Zstd => Codec::Zstd,
        }
    }
}

impl From<u64> for Lengths {
    fn from(bytes: u64) -> Self {
        Self(RecordSizes::Fixed(ByteCount(bytes)))
    }
}

impl FromStr for Lengths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = |it: &str| parse_bytes(it).map(ByteCount);
        if let Some((least, most)) = text.split_once("..") {
            let (least, most) = (bytes(least)?, bytes(most)?);
            return match least <= most {
                true => Ok(Self(RecordSizes::Uniform { least, most })),
                false => Err(format!("{text}: the lesser length comes first")),
            };
        }
        if !text.contains(':') {
            return bytes(text).map(|it| Self(RecordSizes::Fixed(it)));
        }
        let weighted = |it: &str| -> Result<(ByteCount, u32), String> {
            let (length, weight) = it.split_once(':').ok_or(format!("{it}: no weight"))?;
            let weight = weight.trim().parse().ok().filter(|it| *it > 0);
            Ok((bytes(length)?, weight.ok_or(format!("{it}: not a weight"))?))
        };
        let all = text.split(',').map(weighted).collect::<Result<_, _>>()?;
        Ok(Self(RecordSizes::Weighted(all)))
    }
}

impl FromStr for KeyChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |it: &str| match it.trim().parse() {
            Ok(count @ 1..=10_000_000) => Ok(count),
            Ok(_) | Err(_) => Err(format!("{text}: 1 to 10,000,000 keys")),
        };
        match text.split_once(':') {
            None if text == "none" => Ok(Self(Keys::None)),
            Some(("uniform", it)) => Ok(Self(Keys::Uniform(count(it)?))),
            Some(("zipf", it)) => Ok(Self(Keys::Zipf(count(it)?))),
            None | Some(_) => Err(format!("{text}: none, uniform:COUNT or zipf:COUNT")),
        }
    }
}

impl Serialize for Lengths {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            RecordSizes::Fixed(bytes) => to.serialize_u64(bytes.0),
            RecordSizes::Uniform { least, most } => {
                to.serialize_str(&format!("{}..{}", least.0, most.0))
            }
            RecordSizes::Weighted(sizes) => {
                let one = |it: &(ByteCount, u32)| format!("{}:{}", it.0.0, it.1);
                let all: Vec<String> = sizes.iter().map(one).collect();
                to.serialize_str(&all.join(","))
            }
        }
    }
}

impl Serialize for KeyChoice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Keys::None => to.serialize_str("none"),
            Keys::Uniform(count) => to.serialize_str(&format!("uniform:{count}")),
            Keys::Zipf(count) => to.serialize_str(&format!("zipf:{count}")),
        }
    }
}

impl<'de> Deserialize<'de> for Lengths {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match NumberOrText::deserialize(from)? {
            NumberOrText::Number(number) => Ok(Self::from(number)),
            NumberOrText::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl<'de> Deserialize<'de> for KeyChoice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

/// A number with an optional binary k, m or g.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let short = lower.trim_end_matches('b').trim_end_matches('i');
    let (digits, shift) = match short.char_indices().last() {
        Some((at, 'k')) => (&short[..at], 10),
        Some((at, 'm')) => (&short[..at], 20),
        Some((at, 'g')) => (&short[..at], 30),
        _ => (short, 0),
    };
    let number: u64 = digits
        .trim()
        .parse()
        .map_err(|_| format!("{text}: not an amount"))?;
    number
        .checked_shl(shift)
        .filter(|it| it >> shift == number)
        .ok_or(format!("{text}: too much"))
}

/// In a workload file an amount may be a number or a text such as "64k".
pub fn bytes_in_toml<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    match NumberOrText::deserialize(from)? {
        NumberOrText::Number(number) => Ok(Some(number)),
        NumberOrText::Text(text) => parse_bytes(&text).map(Some).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_binary_and_refuse_nonsense() {
        assert_eq!(parse_bytes("64k"), Ok(65_536));
        assert_eq!(parse_bytes("1 MiB"), Ok(1 << 20));
        assert_eq!(parse_bytes("100"), Ok(100));
        assert!(parse_bytes("a lot").is_err());
        assert!(parse_bytes("99999999999999999g").is_err());
    }

    #[test]
    fn lengths_are_one_or_a_range_or_weighted() {
        let read = |text: &str| text.parse::<Lengths>().map(|it| it.0);
        let weighted = vec![(ByteCount(100), 9), (ByteCount(1_024), 1)];
        let (least, most) = (ByteCount(100), ByteCount(400));

        assert_eq!(read("1k"), Ok(RecordSizes::Fixed(ByteCount(1_024))));
        assert_eq!(read("100..400"), Ok(RecordSizes::Uniform { least, most }));
        assert_eq!(read("100:9,1k:1"), Ok(RecordSizes::Weighted(weighted)));
        for nonsense in ["400..100", "100:0", "100:9,7", "long", ""] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn keys_are_none_or_so_many_of_a_kind() {
        let read = |text: &str| text.parse::<KeyChoice>().map(|it| it.0);

        assert_eq!(read("none"), Ok(Keys::None));
        assert_eq!(read("zipf:1000"), Ok(Keys::Zipf(1_000)));
        for nonsense in ["zipf", "uniform:0", "zipf:many", "hot:3"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }
}
