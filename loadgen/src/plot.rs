//! Charts: latency by percentile and throughput over time, SVG and PNG of the same.

use std::path::Path;

use thalweg::load::Outcome;

use crate::report::Report;

pub fn draw(_file: &Path, _reports: &[Report], _outcomes: &[&Outcome]) -> Result<(), String> {
    Err("charts: not yet".into())
}
