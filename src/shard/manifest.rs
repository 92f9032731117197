//! The data directory's manifest: which shards there are, and where each lives.
//!
//! Plain data to text and back. Who reads and writes the file decides about flushing it.

use serde::{Deserialize, Serialize};

use crate::base::{NodeId, ShardId, WallMs};

/// The newest layout of a data directory that this version reads and writes.
pub const FORMAT: u32 = 1;

/// What a data directory says of itself. Shards are data: they outlive any number of cores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Made once, shown to clients, the same on every node of a cluster.
    pub cluster_id: String,
    pub node: NodeId,
    /// When somebody last said that the wall clock is right, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "wall_ms")]
    pub clock_accepted: Option<WallMs>,
    pub shards: Vec<ShardPlace>,
}

/// A time as a plain number.
mod wall_ms {
    use super::{Deserialize, WallMs};

    pub fn serialize<S: serde::Serializer>(
        at: &Option<WallMs>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.serialize_i64(at.0),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<WallMs>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(WallMs))
    }
}

/// One shard's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlace {
    pub id: ShardId,
    /// Relative to the data directory, or absolute (`log.dirs`).
    pub directory: String,
    /// Changes when the directory was wiped or restored; part of every group of its journal.
    pub incarnation: u64,
}

/// Why a manifest's text was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// Written by a newer version than this.
    Newer { found: u32 },
    /// Not a manifest; the words are the parser's.
    Unreadable(String),
    /// Shards are not numbered 0, 1, 2 and so on.
    Shards,
}

impl Manifest {
    /// A new directory's manifest. `incarnations` gives one number per shard.
    pub fn new(node: NodeId, cluster_id: String, incarnations: &[u64]) -> Self {
        let none = Self {
            format: FORMAT,
            cluster_id,
            node,
            clock_accepted: None,
            shards: Vec::new(),
        };
        none.with_more(incarnations)
    }

    /// This manifest with a further shard for each of `incarnations`.
    pub fn with_more(mut self, incarnations: &[u64]) -> Self {
        for &incarnation in incarnations {
            let id = self.shards.len() as u16;
            self.shards.push(ShardPlace {
                id: ShardId(id),
                directory: format!("shard-{id}"),
                incarnation,
            });
        }
        self
    }

    /// The text of the file `manifest.json`.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a manifest is plain data")
    }

    /// Reads the text; refuses what a newer version wrote.
    pub fn from_text(text: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| ManifestError::Unreadable(error.to_string());
        let Format { format } = serde_json::from_str(text).map_err(unreadable)?;
        if format > FORMAT {
            return Err(ManifestError::Newer { found: format });
        }
        let manifest: Self = serde_json::from_str(text).map_err(unreadable)?;
        let in_order = (0..)
            .zip(&manifest.shards)
            .all(|(id, place)| place.id.0 == id);
        if manifest.shards.is_empty() || !in_order {
            return Err(ManifestError::Shards);
        }
        Ok(manifest)
    }
}

impl std::fmt::Display for ManifestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newer { found } => write!(
                f,
                "the data directory has format {found}; this version knows {FORMAT} and older"
            ),
            Self::Unreadable(words) => write!(f, "the manifest is not readable: {words}"),
            Self::Shards => write!(f, "the manifest does not number its shards 0, 1, 2, ..."),
        }
    }
}

impl std::error::Error for ManifestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_survives_its_text() {
        let mut manifest = Manifest::new(NodeId(1), "abc".into(), &[7, 8, u64::MAX >> 1]);
        let text = manifest.to_text();
        assert!(!text.contains("clock_accepted"), "{text}");
        assert_eq!(Manifest::from_text(&text).as_ref(), Ok(&manifest));

        manifest.clock_accepted = Some(WallMs(1_790_000_000_000));
        assert_eq!(Manifest::from_text(&manifest.to_text()), Ok(manifest));
    }

    #[test]
    fn a_newer_format_is_named_and_a_gap_in_the_shards_refused() {
        let mut manifest = Manifest::new(NodeId(1), "abc".into(), &[7]);
        manifest.format = 9;
        assert_eq!(
            Manifest::from_text(&manifest.to_text()),
            Err(ManifestError::Newer { found: 9 })
        );

        manifest.format = FORMAT;
        manifest.shards[0].id = ShardId(1);
        assert_eq!(
            Manifest::from_text(&manifest.to_text()),
            Err(ManifestError::Shards)
        );
        assert!(matches!(
            Manifest::from_text("{]"),
            Err(ManifestError::Unreadable(_))
        ));
    }
}
