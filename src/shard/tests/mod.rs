//! A shard driven by hand.
