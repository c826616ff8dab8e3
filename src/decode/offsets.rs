//! From source time to UTC, for the sound of each GOP.

use crate::clock::Placement;
use crate::time::{GopId, Grid, Seconds};

/// Source time and slots of one GOP agree this well when the feed has a constant rate: enough for stamps in milliseconds.
const CONSTANT_RATE: Seconds = Seconds::TWO_MILLIS;

/// What UTC minus source time is for the sound of a GOP.
///
/// Where the feed has a constant rate, the slots give it: sound moves with the pictures that were snapped to the grid, and
/// the largest offset of the GOP takes the rounding of the stamps out (the pattern of 3753.75 ticks a picture repeats every
/// four). Where it has not, the reference itself is better.
#[derive(Default)]
pub(super) struct Offsets {
    placed: Vec<Placement>,
    /// That of the GOP before.
    pub before: Option<Seconds>,
    /// That of the GOP that is open, once sound was made by it.
    settled: Option<Seconds>,
}

impl Offsets {
    /// Takes the place of a picture of the GOP that is open.
    pub fn add(&mut self, placement: Placement) {
        self.placed.push(placement);
    }

    /// The offset for `gop`, of whose pictures the last was just added. A GOP without any keeps the one before it.
    pub fn close(&mut self, gop: GopId, grid: Grid) -> Seconds {
        let offset = self.so_far(gop, grid);
        self.placed.clear();
        self.settled = None;
        self.before = Some(offset);
        offset
    }

    /// The offset for all of `gop` by the pictures so far; it holds until the GOP is closed.
    pub fn so_far(&mut self, gop: GopId, grid: Grid) -> Seconds {
        if let Some(settled) = self.settled {
            return settled;
        }
        let own = self.placed.iter().filter(|p| grid.gop(p.slot) == gop).copied().collect::<Vec<_>>();
        let offset = of_gop(&own).or(self.before).unwrap_or(Seconds::ZERO);
        *self.settled.insert(offset)
    }
}

fn of_gop(placed: &[Placement]) -> Option<Seconds> {
    let mut snapped: Vec<Seconds> = placed.iter().map(|p| p.snapped).collect();
    snapped.sort_unstable();
    let median = *snapped.get(snapped.len() / 2)?;
    let near = |s: &&Seconds| (**s - median).abs() <= CONSTANT_RATE;
    let constant = snapped.iter().filter(near).count() * 5 >= snapped.len() * 4;
    if constant { snapped.iter().filter(near).max().copied() } else { placed.first().map(|p| p.offset) }
}
