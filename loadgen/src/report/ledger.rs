//! What the ledger says: of the log, and of each consumer group.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use thalweg::load::{GroupOutcome, Verdict};

use super::grouped;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct LedgerReport {
    pub holds: bool,
    #[serde(flatten)]
    verdict: Verdict,
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
            verdict: verdict.clone(),
        }
    }

    pub fn write(&self, out: &mut String) {
        let own = &self.verdict;
        let _ = writeln!(
            out,
            "  ledger         {}: {} records acknowledged, {} read back",
            if self.holds { "holds" } else { "FAILS" },
            grouped(own.acknowledged as f64),
            grouped(own.read as f64)
        );
        if own.expired > 0 {
            let expired = grouped(own.expired as f64);
            let _ = writeln!(
                out,
                "    {expired} records deleted meanwhile, as the topic asks"
            );
        }
        if !self.holds {
            let _ = writeln!(
                out,
                "    lost {}, duplicated {}, reordered {}, corrupt {}, misplaced {}",
                own.lost, own.duplicated, own.reordered, own.corrupt, own.misplaced
            );
            for example in &own.examples {
                let _ = writeln!(out, "    {example}");
            }
        }
    }
}
