//! From source time to UTC, for the sound of each GOP.

use crate::clock::Placement;
use crate::time::{GopId, Grid, Seconds, Slot};

/// Source time and slots of one GOP agree this well when the feed has a constant rate: enough for stamps in milliseconds.
const CONSTANT_RATE: Seconds = Seconds::TWO_MILLIS;

/// Fewer pictures than these that are moved alike are strays, and move no sound.
const STEADY: usize = 3;

/// What UTC minus source time is for the sound of a GOP.
///
/// Where the feed has a constant rate, the slots give it: sound moves with the pictures that were snapped to the grid, and
/// the largest offset of the GOP takes the rounding of the stamps out (the pattern of 3753.75 ticks a picture repeats every
/// four). Where it has not, the reference itself is better. Where source time was moved within the GOP, both sides have one.
#[derive(Default)]
pub(super) struct Offsets {
    placed: Vec<Placement>,
    /// That of the GOP before.
    pub before: Option<Seconds>,
    /// By how much the pictures before this GOP were moved, as their slots have it.
    pub moved: Option<Seconds>,
    /// That of the GOP that is open, once sound was made by it.
    settled: Option<Seconds>,
}

/// What is added to the source times of a GOP's sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Offset {
    /// In all of it, or from the slot below on.
    pub offset: Seconds,
    /// What was added before that slot.
    pub before: Option<(Slot, Seconds)>,
}

impl Offsets {
    /// Takes the place of a picture of the GOP that is open.
    pub fn add(&mut self, placement: Placement) {
        self.placed.push(placement);
    }

    /// The offset for `gop`, of whose pictures the last was just added. A GOP without any keeps the one before it.
    pub fn close(&mut self, gop: GopId, grid: Grid) -> Offset {
        let own = self.placed.drain(..).filter(|p| grid.gop(p.slot) == gop).collect::<Vec<_>>();
        // Where parts of the sound are out already, the rest is moved like them.
        let settled = self.settled.take().map(|offset| Offset { offset, before: None });
        let found = settled.or_else(|| moved(&own, self.moved, grid)).or_else(|| of_gop(&own).map(|offset| Offset { offset, before: None }));
        let offset = found.unwrap_or(Offset { offset: self.before.unwrap_or(Seconds::ZERO), before: None });
        self.before = Some(offset.offset);
        self.moved = self.before;
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

/// Both offsets of a GOP in which source time was moved once, or more often: then the last two that count. Nothing where its pictures have no constant rate.
/// `before`: the offset of the GOP before, which counts where the first pictures of this one are missing.
fn moved(placed: &[Placement], before: Option<Seconds>, grid: Grid) -> Option<Offset> {
    let mut levels: Vec<Level> = Vec::new();
    for p in placed {
        match levels.last_mut() {
            Some(level) if (level.last - p.snapped).abs() <= CONSTANT_RATE => level.take(p.snapped),
            _ => levels.push(Level { from: p.slot, last: p.snapped, most: p.snapped, pictures: 1 }),
        }
    }
    levels.retain(|level| level.pictures >= STEADY);
    levels.dedup_by(|later, earlier| (later.most - earlier.most).abs() <= CONSTANT_RATE);
    let steady: usize = levels.iter().map(|level| level.pictures).sum();
    let last = levels.last().filter(|_| steady * 5 >= placed.len() * 4)?;
    let within = |slot: Slot| grid.index(slot) > 0;
    let earlier = match levels.iter().rev().nth(1) {
        Some(level) => Some(level.most),
        None => before.filter(|before| (*before - last.most).abs() > CONSTANT_RATE),
    };
    earlier.filter(|_| within(last.from)).map(|earlier| Offset { offset: last.most, before: Some((last.from, earlier)) })
}

/// Pictures in a row that are moved alike.
struct Level {
    from: Slot,
    last: Seconds,
    most: Seconds,
    pictures: usize,
}

impl Level {
    fn take(&mut self, snapped: Seconds) {
        self.last = snapped;
        self.most = self.most.max(snapped);
        self.pictures += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;

    const OPENS: i64 = 1_000_000_000 / 2;

    fn grid() -> Grid {
        Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO)
    }

    /// Milliseconds that each picture of a GOP is moved by.
    fn closed(moved: &[i64], from: usize, before: Option<Seconds>) -> Offset {
        let mut offsets = Offsets { before, moved: before, ..Offsets::default() };
        let gop = GopId(OPENS);
        for (n, by) in (from as i64..).zip(moved) {
            let by = Seconds::new((*by).into(), 1000);
            offsets.add(Placement { slot: Slot(OPENS * 50 + n), snapped: by, offset: by, trusted: true, event: None });
        }
        offsets.close(gop, grid())
    }

    fn ms(n: i64) -> Seconds {
        Seconds::new(n.into(), 1000)
    }

    #[test]
    fn a_jump_within_a_gop_moves_each_side_by_its_own() {
        let jumped: Vec<i64> = (0..50).map(|n| if n < 20 { 7000 } else { 7000 - 3_600_000 + i64::from(n % 2 == 0) }).collect();
        let found = closed(&jumped, 0, Some(ms(7000)));
        assert_eq!(found, Offset { offset: ms(7001 - 3_600_000), before: Some((Slot(OPENS * 50 + 20), ms(7000))) });
        assert_eq!(closed(&[5; 50], 0, Some(ms(7000))), Offset { offset: ms(5), before: None }, "at its edge: a worker that comes then knows nothing else");
        assert_eq!(closed(&[5; 30], 20, Some(ms(7000))), Offset { offset: ms(5), before: Some((Slot(OPENS * 50 + 20), ms(7000))) }, "behind a gap");
        assert_eq!(closed(&[5; 30], 20, Some(ms(6))), Offset { offset: ms(5), before: None });
    }

    #[test]
    fn strays_and_varying_rates_move_nothing() {
        let stray: Vec<i64> = (0..50).map(|n| if n == 30 { 90 } else { 7 }).collect();
        assert_eq!(closed(&stray, 0, Some(ms(7))), Offset { offset: ms(7), before: None });
        let varying: Vec<i64> = (0..50).map(|n| n * 13 % 40).collect();
        assert_eq!(closed(&varying, 0, Some(ms(7))), Offset { offset: ms(0), before: None }, "the reference's own");
        assert_eq!(closed(&[], 0, Some(ms(7))), Offset { offset: ms(7), before: None });
    }
}
