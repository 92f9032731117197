//! What the ledger says: of the log, and of each consumer group.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use thalweg::load::{GroupOutcome, Verdict};

use super::grouped;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct LedgerReport {
    pub holds: bool,
    pub acknowledged: u64,
    pub read_back: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub corrupt: u64,
    pub misplaced: u64,
    /// Deleted for its age or the log's size, as the topic's configs ask.
    pub expired: u64,
    pub unpromised: u64,
    pub examples: Vec<String>,
}

/// What one consumer group read.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct GroupReport {
    pub name: String,
    pub members: u32,
    pub rebalances: u64,
    pub read: u64,
    /// Once more after a rebalance: allowed.
    pub reread: u64,
    pub holds: bool,
}

impl GroupReport {
    pub fn new(group: &GroupOutcome) -> Self {
        Self {
            name: group.name.clone(),
            members: group.members,
            rebalances: group.rebalances,
            read: group.read,
            reread: group.reread,
            holds: group.verdict.holds(),
        }
    }

    pub fn write(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "    {} {}: {} members, {} rebalances, {} records read, {} of them once more",
            self.name,
            if self.holds { "holds" } else { "FAILS" },
            self.members,
            self.rebalances,
            grouped(self.read as f64),
            grouped(self.reread as f64)
        );
    }
}

impl LedgerReport {
    pub fn new(verdict: &Verdict) -> Self {
        Self {
            holds: verdict.holds(),
            acknowledged: verdict.acknowledged,
            read_back: verdict.read,
            lost: verdict.lost,
            duplicated: verdict.duplicated,
            reordered: verdict.reordered,
            corrupt: verdict.corrupt,
            misplaced: verdict.misplaced,
            expired: verdict.expired,
            unpromised: verdict.unpromised,
            examples: verdict.examples.clone(),
        }
    }

    pub fn write(&self, out: &mut String) {
        let (acknowledged, read) = (self.acknowledged as f64, self.read_back as f64);
        let _ = writeln!(
            out,
            "  ledger         {}: {} records acknowledged, {} read back",
            if self.holds { "holds" } else { "FAILS" },
            grouped(acknowledged),
            grouped(read)
        );
        if self.expired > 0 {
            let expired = grouped(self.expired as f64);
            let _ = writeln!(
                out,
                "    {expired} records deleted meanwhile, as the topic asks"
            );
        }
        if !self.holds {
            let _ = writeln!(
                out,
                "    lost {}, duplicated {}, reordered {}, corrupt {}, misplaced {}",
                self.lost, self.duplicated, self.reordered, self.corrupt, self.misplaced
            );
            for example in &self.examples {
                let _ = writeln!(out, "    {example}");
            }
        }
    }
}
