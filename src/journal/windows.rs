//! Windows of segments that are read whole and kept for a while: what readers far behind the tail
//! are served from.
//!
//! Such readers mostly go front to back, and often several of them over the same bytes: of another
//! group, or of another partition, whose batches lie between. So a window of which a good part was
//! asked for is read once for all of them; whoever asks while it is being read waits for it; and
//! the window behind the one that a reader came to in sequence is read ahead. Readers of single
//! batches get just those.
//!
//! No I/O here, and nothing of what the cache of the tail holds. How much is kept, `growth` says.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::base::ByteCount;
use crate::base::limits::CHUNK_BYTES;
use crate::runtime::DiskError;

use super::format::UNIT;
use super::plan::Place;

/// A window is read whole once one part in so many of it was asked for.
const WANTED_SHARE: u32 = 8;
/// Neighbours overlap by one part in so many, so that what is no larger lies within one of them.
const OVERLAP_SHARE: u32 = 16;
/// A segment has at least so many.
const PER_SEGMENT_MIN: u64 = 4;
/// So many are kept, however small the cache.
const KEPT_MIN: u64 = 4;
/// Of which one part in so many, and at least so many, are young.
const YOUNG_SHARE: usize = 3;
const YOUNG_MIN: usize = 2;
/// How many are remembered of which a little was asked for, or that were given up.
const REMEMBERED_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct WindowId {
    pub segment: u32,
    pub number: u32,
}

/// How segments are cut into windows.
#[derive(Clone, Copy, Debug)]
struct Grid {
    bytes: u32,
    stride: u32,
}

impl Grid {
    /// As large as the blocks that the tail is gathered in, so that one's memory serves the other.
    fn of_segments(segment_bytes: ByteCount) -> Self {
        let unit = UNIT as u32;
        let bytes = CHUNK_BYTES.0.min(segment_bytes.0 / PER_SEGMENT_MIN) as u32;
        let bytes = (bytes / unit * unit).max(2 * unit);
        let overlap = (bytes / OVERLAP_SHARE).next_multiple_of(unit);
        Self {
            bytes,
            stride: bytes - overlap,
        }
    }

    fn at(self, segment: u32, at: u32) -> WindowId {
        WindowId {
            segment,
            number: at / self.stride,
        }
    }

    fn start(self, id: WindowId) -> u32 {
        id.number * self.stride
    }
}

#[derive(Debug)]
enum State {
    Reading,
    Here(Bytes),
    /// It can not be read whole: who wants something of it reads just that.
    Refused,
}

#[derive(Debug)]
struct Window {
    /// Where it ends in its segment. The open segment may have grown since.
    end: u32,
    state: State,
    /// Somebody wanted something of it.
    touched: bool,
}

/// Where a payload is to be had.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Here(WindowId, Bytes),
    /// It comes with this window, which is being read or is to be read from now on.
    Coming(WindowId),
    /// Nowhere: it is to be read by itself.
    Alone,
}

/// A little of what many windows were, of the last so many of them.
#[derive(Debug, Default)]
struct Remembered<T> {
    known: HashMap<WindowId, T>,
    /// Oldest first.
    order: VecDeque<WindowId>,
}

impl<T: Default> Remembered<T> {
    fn entry(&mut self, id: WindowId) -> &mut T {
        if !self.known.contains_key(&id) {
            self.order.push_back(id);
            if self.order.len() > REMEMBERED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        self.known.entry(id).or_default()
    }

    fn contains(&self, id: &WindowId) -> bool {
        self.known.contains_key(id)
    }
}

/// Which windows there are, and which to read.
#[derive(Debug)]
pub(super) struct Windows {
    grid: Grid,
    bytes_max: u64,
    bytes: u64,
    known: HashMap<WindowId, Window>,
    /// Oldest first.
    order: VecDeque<WindowId>,
    /// What the next one to go is chosen by.
    dice: u32,
    /// How much was asked for of a window since it was last read whole.
    warm: Remembered<u32>,
    /// Those that were given up, and how many bytes of them were read again.
    gone: Remembered<()>,
    again: u64,
    is_full: bool,
    /// To be read, by id and end.
    due: Vec<(WindowId, u32)>,
}

impl Windows {
    pub fn new(segment_bytes: ByteCount) -> Self {
        let grid = Grid::of_segments(segment_bytes);
        Self {
            grid,
            bytes_max: KEPT_MIN * u64::from(grid.bytes),
            bytes: 0,
            known: HashMap::new(),
            order: VecDeque::new(),
            dice: 1,
            warm: Remembered::default(),
            gone: Remembered::default(),
            again: 0,
            is_full: false,
            due: Vec::new(),
        }
    }

    /// Keeps so many bytes from now on, or a few windows if that is less.
    pub fn keep(&mut self, bytes: u64) {
        self.bytes_max = bytes.max(KEPT_MIN * u64::from(self.grid.bytes));
        self.shrink(self.bytes_max);
    }

    /// Since the last call: whether anything was given up, and how many bytes are read again that
    /// were.
    pub fn take_demand(&mut self) -> (bool, u64) {
        (
            std::mem::take(&mut self.is_full),
            std::mem::take(&mut self.again),
        )
    }

    /// Where it begins in its segment.
    pub fn start(&self, id: WindowId) -> u32 {
        self.grid.start(id)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the payload is to be had. `limit` tells up to where a segment may be read: what lies
    /// behind is in memory anyway, or still being written.
    pub fn seek(&mut self, place: &Place, limit: impl Fn(u32) -> u32) -> Found {
        let id = self.grid.at(place.segment, place.at);
        let end = place.at + place.row.length;
        if end > self.grid.start(id) + self.grid.bytes {
            return Found::Alone;
        }
        let follows = self.before(id, &limit).is_some_and(|id| self.touched(id));
        if let Some(window) = self.known.get_mut(&id) {
            if matches!(window.state, State::Refused) {
                return Found::Alone;
            }
            if window.end >= end {
                let is_first = !std::mem::replace(&mut window.touched, true);
                let found = match &window.state {
                    State::Here(bytes) => Found::Here(id, bytes.clone()),
                    State::Reading | State::Refused => Found::Coming(id),
                };
                if is_first && follows {
                    self.read_ahead(id, &limit);
                }
                return found;
            }
            // The segment has grown since it was read: anew, if that brings much more.
            let start = self.grid.start(id);
            let readable = limit(id.segment).min(start + self.grid.bytes);
            let has_doubled = readable.saturating_sub(start) >= 2 * (window.end - start);
            if matches!(window.state, State::Reading) || !has_doubled {
                return Found::Alone;
            }
            self.forget(id);
        }
        if !(self.warms(id, place.row.length) | follows) || !self.begin(id, limit(id.segment)) {
            return Found::Alone;
        }
        if follows {
            self.read_ahead(id, &limit);
        }
        match self.known.get_mut(&id) {
            Some(window) if window.end >= end => {
                window.touched = true;
                Found::Coming(id)
            }
            Some(_) | None => Found::Alone,
        }
    }

    fn touched(&self, id: WindowId) -> bool {
        self.known.get(&id).is_some_and(|window| window.touched)
    }

    /// The window that a reader in sequence has come from.
    fn before(&self, id: WindowId, limit: impl Fn(u32) -> u32) -> Option<WindowId> {
        if let Some(number) = id.number.checked_sub(1) {
            return Some(WindowId { number, ..id });
        }
        let segment = id.segment.checked_sub(1)?;
        let last = limit(segment).checked_sub(1)?;
        Some(self.grid.at(segment, last))
    }

    /// Has the window behind this one read, if there is room and nobody did.
    fn read_ahead(&mut self, id: WindowId, limit: impl Fn(u32) -> u32) {
        let mut next = WindowId {
            number: id.number + 1,
            ..id
        };
        if self.grid.start(next) >= limit(id.segment) {
            next = WindowId {
                segment: id.segment + 1,
                number: 0,
            };
        }
        if !self.known.contains_key(&next) {
            self.begin(next, limit(next.segment));
        }
    }

    /// Counts what is asked for of a window; true once that is enough.
    fn warms(&mut self, id: WindowId, bytes: u32) -> bool {
        let asked = self.warm.entry(id);
        *asked = asked.saturating_add(bytes);
        *asked >= self.grid.bytes / WANTED_SHARE
    }

    /// Notes that the window is to be read; false if there is nothing to read or no room.
    fn begin(&mut self, id: WindowId, limit: u32) -> bool {
        let start = self.grid.start(id);
        let end = limit.min(start + self.grid.bytes);
        if end <= start || !self.make_room() {
            return false;
        }
        self.bytes += u64::from(self.grid.bytes);
        let window = Window {
            end,
            state: State::Reading,
            touched: false,
        };
        if self.gone.contains(&id) {
            self.again += u64::from(self.grid.bytes);
        }
        // Once it is given up, as much is to be asked for again.
        if let Some(asked) = self.warm.known.get_mut(&id) {
            *asked = 0;
        }
        self.known.insert(id, window);
        self.order.push_back(id);
        self.due.push((id, end));
        true
    }

    /// Room for one more.
    fn make_room(&mut self) -> bool {
        self.shrink(self.bytes_max - u64::from(self.grid.bytes))
    }

    /// Gives up what is more; false if that can not be, since the others are being read.
    fn shrink(&mut self, most: u64) -> bool {
        while self.bytes > most {
            let Some(at) = self.victim() else {
                return false;
            };
            if let Some(id) = self.order.remove(at) {
                self.give_up(id);
            }
        }
        true
    }

    /// The oldest of the young mostly, which are for those who come right behind; now and then one
    /// of the older ones by chance. If the oldest always had to go, a reader that goes round in
    /// more than there is room for would never find anything.
    fn victim(&mut self) -> Option<usize> {
        let young = (self.order.len() / YOUNG_SHARE).max(YOUNG_MIN);
        let older = self.order.len().saturating_sub(young);
        self.dice = self
            .dice
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let (turn, number) = (self.dice >> 29, (self.dice >> 8) as usize);
        let first = match turn {
            0 => number % older.max(1),
            _ => older,
        };
        let count = self.order.len();
        (0..count).map(|step| (first + step) % count).find(|at| {
            let window = self.known.get(&self.order[*at]);
            !window.is_some_and(|window| matches!(window.state, State::Reading))
        })
    }

    fn give_up(&mut self, id: WindowId) {
        self.drop_window(id);
        self.is_full = true;
        self.gone.entry(id);
    }

    fn forget(&mut self, id: WindowId) {
        self.order.retain(|known| *known != id);
        self.drop_window(id);
    }

    fn drop_window(&mut self, id: WindowId) {
        if let Some(window) = self.known.remove(&id)
            && !matches!(window.state, State::Refused)
        {
            self.bytes -= u64::from(self.grid.bytes);
        }
    }

    /// The windows to read from now on: start and end of each.
    pub fn take_due(&mut self) -> Vec<(WindowId, u32, u32)> {
        let due = std::mem::take(&mut self.due);
        let start = |id| self.grid.start(id);
        due.into_iter()
            .map(|(id, end)| (id, start(id), end))
            .collect()
    }

    /// The read of a window ended.
    pub fn ended(&mut self, id: WindowId, result: Result<Bytes, DiskError>) {
        let window = self.known.get_mut(&id);
        let Some(window) = window.filter(|window| matches!(window.state, State::Reading)) else {
            return;
        };
        match result {
            Ok(bytes) => window.state = State::Here(bytes),
            Err(_) => self.mark_refused(id),
        }
    }

    /// Nobody will ask for anything of this segment again.
    pub fn forget_segment(&mut self, segment: u32) {
        let here = |id: &&WindowId| id.segment == segment;
        let gone: Vec<WindowId> = self.known.keys().filter(here).copied().collect();
        for id in gone {
            self.drop_window(id);
        }
        self.order.retain(|known| known.segment != segment);
    }

    /// Something of it is not what was written: nobody gets it as a whole any more.
    pub fn refuse(&mut self, id: WindowId) {
        // One that is being read is another copy, which is not known to be bad.
        let window = self.known.get(&id);
        if window.is_some_and(|window| matches!(window.state, State::Here(_))) {
            self.mark_refused(id);
        }
    }

    fn mark_refused(&mut self, id: WindowId) {
        if let Some(window) = self.known.get_mut(&id) {
            window.state = State::Refused;
            self.bytes -= u64::from(self.grid.bytes);
        }
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
