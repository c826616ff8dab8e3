//! From source time to UTC, for the sound of each GOP.

use crate::clock::Placement;
use crate::frame::Sounding;
use crate::time::{GopId, Grid, Seconds, Slot};

/// Source time and slots of one GOP agree this well when the feed has a constant rate: enough for stamps in milliseconds.
const CONSTANT_RATE: Seconds = Seconds::TWO_MILLIS;

/// Fewer pictures than these that are moved alike are strays, and move no sound.
const STEADY: usize = 3;

/// Source time that is moved more often than this within a GOP is silent but for the last of them.
const MOST: usize = 8;

/// What UTC minus source time is for the sound of a GOP.
///
/// Where the feed has a constant rate, the slots give it: sound moves with the pictures that were snapped to the grid, and
/// the largest offset of the GOP takes the rounding of the stamps out (the pattern of 3753.75 ticks a picture repeats every
/// four). Where it has not, the reference itself is better. Where source time was moved within the GOP, each side has its
/// own, and what is between them is silent: under a repeated picture, sound would go on that comes again with its own.
#[derive(Default)]
pub(super) struct Offsets {
    placed: Vec<Placement>,
    /// That of the GOP before.
    pub before: Option<Seconds>,
    /// By how much the last pictures before this GOP were moved, as their slots have it.
    pub moved: Option<Seconds>,
    /// That of the GOP that is open, once sound was made by it.
    settled: Option<Seconds>,
}

/// What is added to the source times of a GOP's sound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Offset {
    /// In all of it, or in the last part that is heard.
    pub offset: Seconds,
    /// The parts that are heard, where these are not simply all of it.
    pub moved: Option<Vec<Sounding>>,
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
        let settled = self.settled.take();
        let moved = if settled.is_none() { moved(&own, self.moved, gop, grid) } else { None };
        let (moved, last) = moved.map_or((None, None), |(moved, last)| (Some(moved), Some(last)));
        let heard = moved.as_ref().and_then(|moved| moved.last()).map(|heard| heard.offset);
        let offset = settled.or(heard).or_else(|| of_gop(&own)).or(self.before).unwrap_or(Seconds::ZERO);
        self.before = last.or(Some(offset));
        self.moved = self.before;
        Offset { offset, moved }
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

/// The parts of a GOP in which source time was moved, and by how much its last picture is; nothing where one offset is heard in all of it.
/// `before`: that of the pictures before the GOP, which counts where its first are missing.
fn moved(placed: &[Placement], before: Option<Seconds>, gop: GopId, grid: Grid) -> Option<(Vec<Sounding>, Seconds)> {
    let by_slots = soundings(placed, |p| p.snapped, before, gop, grid);
    by_slots.or_else(|| {
        // Without a constant rate, the reference says where: a picture is within a slot of it.
        let offsets = || placed.iter().map(|p| p.offset).chain(before);
        let far = offsets().max()? - offsets().min()? > grid.rate.period().times(2);
        far.then(|| soundings(placed, |p| p.offset, before, gop, grid)).flatten()
    })
}

fn soundings(placed: &[Placement], of: fn(&Placement) -> Seconds, before: Option<Seconds>, gop: GopId, grid: Grid) -> Option<(Vec<Sounding>, Seconds)> {
    let slot = grid.rate.period();
    let levels = levels(placed, of);
    let near = |a: Seconds, b: Seconds| (a - b).abs() <= CONSTANT_RATE;
    let (first, last) = match (levels.iter().position(Level::is_steady), levels.iter().rposition(Level::is_steady)) {
        (Some(first), Some(last)) => (first, last),
        // A GOP of a few pictures.
        _ => {
            let (low, most) = (levels.iter().map(|level| level.low).chain(before).min()?, levels.iter().map(|level| level.most).chain(before).max()?);
            let (longest, _) = levels.iter().enumerate().max_by_key(|(_, level)| level.pictures).filter(|_| most - low > slot.times(2))?;
            (longest, longest)
        }
    };
    let (opens, ends) = (grid.first(gop), grid.first(gop.next()));
    // A stray is within half a slot of its neighbours, because its slot was counted from the same picture as theirs: what is further away was moved, and so may be what is behind a gap.
    // At the beginning of a GOP such pictures have their own sound; at its end it is for the next GOP to say whether there is any, and this one is silent.
    let far = |level: &Level, from: &Level| (level.most - from.most).abs() > slot.times(3).over(4);
    let gap = |from: Slot, until: Slot| (placed.iter().filter(|p| (from..until).contains(&p.slot)).count() as i64) < until.0 - from.0;
    let (behind_gap, before_gap) = (gap(opens, levels[first].from), gap(levels[last].until, ends));
    let opening = levels[..first].iter().filter(|level| behind_gap || far(level, &levels[first]));
    let closing = levels[last + 1..].iter().filter(|level| before_gap || far(level, &levels[last]));
    let steady = levels[first..=last].iter().filter(|level| level.is_steady() || first == last);
    let strays = placed.len() - opening.clone().chain(closing.clone()).chain(steady.clone()).map(|level| level.pictures).sum::<usize>();
    if strays * 5 > placed.len() {
        return None;
    }
    let mut heard: Vec<Level> = opening.chain(steady).copied().collect();
    heard.dedup_by(|later, earlier| {
        let same = near(later.most, earlier.most);
        earlier.until = if same { later.until } else { earlier.until };
        same
    });
    heard.drain(..heard.len().saturating_sub(MOST));
    let mut closing = closing.peekable();
    let (moved, silent) = (levels.last()?.most, closing.peek().is_some());
    if let Some(level) =
        heard.first_mut().filter(|level| placed.first().is_some_and(|p| p.slot == opens) || before.is_some_and(|before| near(before, level.most)))
    {
        level.from = opens;
    }
    let level = heard.last_mut()?;
    let moved = if silent { moved } else { level.most };
    level.until = if silent { level.until } else { ends };
    let whole = heard.len() == 1 && heard[0].from == opens && heard[0].until == ends;
    let heard = heard.into_iter().map(|Level { from, until, most, .. }| Sounding { from, until, offset: most });
    (!whole).then(|| (heard.collect(), moved))
}

fn levels(placed: &[Placement], of: fn(&Placement) -> Seconds) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for p in placed {
        let (offset, until) = (of(p), Slot(p.slot.0 + 1));
        match levels.last_mut() {
            Some(level) if (level.last - offset).abs() <= CONSTANT_RATE => {
                *level = Level { until, last: offset, low: level.low.min(offset), most: level.most.max(offset), pictures: level.pictures + 1, ..*level }
            }
            _ => levels.push(Level { from: p.slot, until, last: offset, low: offset, most: offset, pictures: 1 }),
        }
    }
    levels
}

/// Pictures in a row that are moved alike.
#[derive(Clone, Copy)]
struct Level {
    from: Slot,
    until: Slot,
    last: Seconds,
    low: Seconds,
    most: Seconds,
    pictures: usize,
}

impl Level {
    /// It is long enough, and does not creep as the pictures of another rate do.
    fn is_steady(&self) -> bool {
        self.pictures >= STEADY && self.most - self.low <= CONSTANT_RATE.times(2)
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

    fn whole(offset: i64) -> Offset {
        Offset { offset: ms(offset), moved: None }
    }

    /// Slots from, until, and by how much they are moved.
    fn parts(found: &Offset) -> Vec<(i64, i64, Seconds)> {
        found.moved.iter().flatten().map(|s| (s.from.0 - OPENS * 50, s.until.0 - OPENS * 50, s.offset)).collect()
    }

    #[test]
    fn a_jump_within_a_gop_moves_each_side_by_its_own() {
        let jumped: Vec<i64> = (0..50).map(|n| if n < 20 { 7000 } else { 7000 - 3_600_000 + i64::from(n % 2 == 0) }).collect();
        let found = closed(&jumped, 0, Some(ms(7000)));
        assert_eq!(found.offset, ms(7001 - 3_600_000));
        assert_eq!(parts(&found), [(0, 20, ms(7000)), (20, 50, ms(7001 - 3_600_000))]);
        assert_eq!(closed(&[5; 50], 0, Some(ms(7000))), whole(5), "at its edge: a worker that comes then knows nothing else");
        assert_eq!(parts(&closed(&[5; 30], 20, Some(ms(7000)))), [(20, 50, ms(5))], "behind a gap: the picture before it has no sound");
        assert_eq!(closed(&[5; 30], 20, Some(ms(6))), whole(5));
    }

    #[test]
    fn what_is_between_two_offsets_is_silent() {
        let mut offsets = Offsets { before: Some(ms(0)), moved: Some(ms(0)), ..Offsets::default() };
        for n in (0..20).chain(37..50) {
            let by = if n < 20 { ms(0) } else { ms(700) };
            offsets.add(Placement { slot: Slot(OPENS * 50 + n), snapped: by, offset: by, trusted: true, event: None });
        }
        assert_eq!(parts(&offsets.close(GopId(OPENS), grid())), [(0, 20, ms(0)), (37, 50, ms(700))]);
    }

    #[test]
    fn a_picture_at_the_edge_that_was_moved_has_its_own_sound_or_none() {
        let moved = |at: std::ops::Range<usize>| (0..50).map(|n| if at.contains(&n) { 5000 } else { 7 }).collect::<Vec<i64>>();
        assert_eq!(parts(&closed(&moved(0..1), 0, Some(ms(5000)))), [(0, 1, ms(5000)), (1, 50, ms(7))]);
        assert_eq!(parts(&closed(&moved(48..50), 0, Some(ms(7)))), [(0, 48, ms(7))]);
        assert_eq!(closed(&moved(48..50), 0, Some(ms(7))).offset, ms(7));
        assert_eq!(closed(&moved(20..22), 0, Some(ms(7))), whole(7), "a stray");
        assert_eq!(parts(&closed(&[7, 5000, 5000], 0, Some(ms(7)))), [(0, 1, ms(7)), (1, 50, ms(5000))], "few pictures");
        assert_eq!(parts(&closed(&[5], 49, Some(ms(7000)))), [(49, 50, ms(5))], "one behind a gap");
        assert_eq!(closed(&[5], 49, Some(ms(20))), whole(5));
    }

    #[test]
    fn the_pictures_of_another_rate_move_nothing() {
        // 24 a second on a grid of 25: 5/3 ms more with every picture, and a slot back once in 24.
        let creeping: Vec<i64> = (0..48).map(|n| (n * 5 / 3 + 7) % 40).collect();
        assert_eq!(closed(&creeping, 0, Some(ms(0))).moved, None);
    }

    #[test]
    fn strays_and_varying_rates_move_nothing() {
        let stray: Vec<i64> = (0..50).map(|n| if n == 30 { 90 } else { 7 }).collect();
        assert_eq!(closed(&stray, 0, Some(ms(7))), whole(7));
        let varying: Vec<i64> = (0..50).map(|n| n * 13 % 40).collect();
        assert_eq!(closed(&varying, 0, Some(ms(7))), whole(0), "the reference's own");
        assert_eq!(closed(&[], 0, Some(ms(7))), whole(7));
    }
}
