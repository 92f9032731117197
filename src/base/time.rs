//! Time as it is given to code that may not read a clock.
//!
//! Only monotonic time decides time-outs and sessions. Wall time is for records and retention.

/// Nanoseconds of a monotonic clock since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u64);

/// Milliseconds since 1970 by the wall clock, as Kafka's record timestamps count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallMs(pub i64);

/// A length of monotonic time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// A span of whole microseconds; of more than 584 years, those.
    pub const fn micros(count: u64) -> Self {
        Self(count.saturating_mul(1_000))
    }

    /// A span of whole milliseconds; of more than 584 years, those.
    pub const fn millis(count: u64) -> Self {
        Self(count.saturating_mul(1_000_000))
    }

    /// A span of whole seconds.
    pub const fn seconds(count: u64) -> Self {
        Self(count * 1_000_000_000)
    }
}

impl std::ops::Add<Span> for Ticks {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Ticks {
    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks, read once per turn by the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub ticks: Ticks,
    pub wall: WallMs,
}
