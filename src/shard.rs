//! Shards: several workers that share one plan (`--shard I/N`), each of which makes a part of it.
//!
//! A pure partition of (track, segment number): every number of every track is made by exactly one of the N, whatever the others do, and all N find out for
//! themselves which. Nothing else differs between them, so what they publish together is what one worker would have published.

use crate::plan::{AudioRendition, Plan, Rendition, speed};
use crate::time::GopId;
use serde::{Serialize, Serializer};
use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most workers that share a plan.
pub const MOST: u32 = 1024;
/// What sound has to do, in [`speed::work`]'s hundredths of a core.
pub(crate) const SOUND: u64 = 2;

/// One of several workers: `I/N`, I from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    index: u32,
    of: u32,
}

/// Not a shard.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a shard; accepted: I/N, the shard's index from 0 and how many there are: 0/3, 1/3 or 2/3, up to {MOST} of them")]
pub struct ShardError(String);

impl Shard {
    /// The only worker.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// `None` where there is no such shard.
    pub fn new(index: u32, of: u32) -> Option<Shard> {
        (index < of && of <= MOST).then_some(Shard { index, of })
    }

    /// Whether there are others.
    pub fn is_one_of_several(self) -> bool {
        self.of > 1
    }

    /// How many share the plan.
    pub fn of(self) -> u32 {
        self.of
    }

    /// What it makes of `plan`.
    pub fn share(self, plan: &Plan) -> Share {
        Share::of(self, &plan.video, &plan.audio)
    }
}

impl FromStr for Shard {
    type Err = ShardError;
    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let parsed = text.split_once('/').and_then(|(index, of)| Shard::new(digits(index)?, digits(of)?));
        parsed.ok_or_else(|| ShardError(text.to_owned()))
    }
}

impl Default for Shard {
    fn default() -> Shard {
        Shard::WHOLE
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// Which numbers of one track a worker makes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Part {
    /// The track is split among so many by its numbers.
    modulus: u32,
    /// The remainders that are this worker's, rising.
    remainders: Vec<u32>,
}

impl Part {
    /// All numbers.
    pub fn all() -> Part {
        Part { modulus: 1, remainders: vec![0] }
    }

    /// Those that leave `remainders` (rising) of `modulus`.
    #[cfg(test)]
    pub fn dealt(modulus: u32, remainders: &[u32]) -> Part {
        Part { modulus, remainders: remainders.to_vec() }
    }

    /// None.
    pub fn none() -> Part {
        Part { modulus: 1, remainders: Vec::new() }
    }

    /// Among how many workers the track is split by its numbers.
    pub fn modulus(&self) -> u32 {
        self.modulus
    }

    /// So much of `whole` as falls to it.
    pub fn of(&self, whole: u64) -> u64 {
        whole.saturating_mul(self.remainders.len() as u64) / u64::from(self.modulus.max(1))
    }

    /// The time that one segment's time is for one of its own: from one of them to the next, on average.
    pub fn spread(&self, time: Duration) -> Duration {
        let own = u32::try_from(self.remainders.len()).unwrap_or(u32::MAX).max(1);
        time.saturating_mul(self.modulus) / own
    }

    fn remainder(&self, gop: GopId) -> u32 {
        // Between 0 and the modulus, which is a u32.
        gop.0.rem_euclid(i64::from(self.modulus)) as u32
    }

    /// Whether `gop` is made here.
    pub fn has(&self, gop: GopId) -> bool {
        self.remainders.contains(&self.remainder(gop))
    }

    /// Whether none is.
    pub fn is_none(&self) -> bool {
        self.remainders.is_empty()
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        self.remainders.len() == self.modulus as usize
    }

    /// How many from `from` up to before `to` are.
    pub fn count(&self, from: GopId, to: GopId) -> u64 {
        self.place(to).saturating_sub(self.place(from)).try_into().unwrap_or(0)
    }

    /// Which of those that are made here `gop` is: consecutive ones get consecutive places, so that lanes can take turns.
    pub fn place(&self, gop: GopId) -> i64 {
        let before = self.remainders.iter().filter(|r| **r < self.remainder(gop)).count();
        gop.0.div_euclid(i64::from(self.modulus)).saturating_mul(self.remainders.len() as i64).saturating_add(before as i64)
    }
}

impl Part {
    /// A track with what is made of it.
    fn told(&self, track: &str) -> String {
        if self.is_all() { track.to_owned() } else { format!("{track} ({self})") }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        if self.is_all() {
            return f.write_str("all");
        }
        let remainders: Vec<String> = self.remainders.iter().map(u32::to_string).collect();
        write!(f, "numbers that leave {} of {}", remainders.join(", "), self.modulus)
    }
}

/// What one worker makes of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    several: bool,
    /// Of each track, pictures first: its name and the numbers.
    parts: Vec<(String, Part)>,
}

impl Share {
    /// The rungs are spread by what they cost, dearest first, each to the worker that has least to do so far. A rung that is more than one worker's fair share
    /// is split by its numbers into as few pieces as that takes. Sound goes where there is least to do.
    fn of(shard: Shard, video: &[Rendition], audio: &[AudioRendition]) -> Share {
        let tracks = video.iter().map(|r| (&r.name, speed::work(r))).chain(audio.iter().map(|a| (&a.name, SOUND)));
        let work: Vec<(&String, u64)> = tracks.collect();
        let total: u64 = work.iter().map(|(_, work)| work).sum();
        let split = |work: u64| u32::try_from(work.saturating_mul(u64::from(shard.of)).div_ceil(total.max(1))).unwrap_or(1).clamp(1, shard.of);
        // (track, pieces of it, which of them, what it costs)
        let mut pieces: Vec<(usize, u32, u32, u64)> = Vec::new();
        for (track, &(_, work)) in work.iter().enumerate() {
            let count = split(work);
            pieces.extend((0..count).map(|remainder| (track, count, remainder, work / u64::from(count))));
        }
        pieces.sort_by_key(|&(track, _, remainder, work)| (Reverse(work), track, remainder));
        let mut parts: Vec<(String, Part)> =
            work.iter().map(|(name, work)| ((*name).clone(), Part { modulus: split(*work), remainders: Vec::new() })).collect();
        let mut loads = vec![0u64; shard.of as usize];
        for (track, _, remainder, work) in pieces {
            let Some(least) = (0..loads.len()).min_by_key(|worker| loads[*worker]) else { continue };
            loads[least] += work;
            if least == shard.index as usize {
                parts[track].1.remainders.push(remainder);
            }
        }
        parts.iter_mut().for_each(|(_, part)| part.remainders.sort_unstable());
        Share { several: shard.of > 1, parts }
    }

    /// Of one of several workers.
    #[cfg(test)]
    pub fn with(parts: &[(&str, Part)]) -> Share {
        Share { several: true, parts: parts.iter().map(|(name, part)| ((*name).to_owned(), part.clone())).collect() }
    }

    /// Whether others make the rest: then nobody sees all, and playlists of tracks are for an origin to write.
    pub fn is_of_several(&self) -> bool {
        self.several
    }

    /// One line for people: which tracks are made here, and how much of all work that is.
    pub fn line(&self, shard: Shard, plan: &Plan) -> String {
        let made: Vec<String> = self.parts.iter().filter(|(_, part)| !part.is_none()).map(|(name, part)| part.told(name)).collect();
        let made = if made.is_empty() { "nothing: there are fewer parts than shards".to_owned() } else { made.join(", ") };
        let permille = self.permille(plan);
        format!("shard {shard} makes {made}; {}.{} % of the work", permille / 10, permille % 10)
    }

    /// What share of all work falls to it, in thousandths.
    pub fn permille(&self, plan: &Plan) -> u64 {
        let work = plan.video.iter().map(|r| (&r.name, speed::work(r))).chain(plan.audio.iter().map(|a| (&a.name, SOUND)));
        let (own, all) = work.fold((0, 0), |(own, all), (name, work)| (own + self.part(name).of(work.saturating_mul(1000)), all + work));
        own / all.max(1)
    }

    /// What of the track called `name` is made here; nothing of one that is not in the plan.
    pub fn part(&self, name: &str) -> Part {
        self.parts.iter().find(|(track, _)| track == name).map_or_else(Part::none, |(_, part)| part.clone())
    }

    /// Of each track, pictures first: its name and the numbers.
    pub fn parts(&self) -> &[(String, Part)] {
        &self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::plan;
    use proptest::prelude::*;

    fn ladder(heights: &[u32]) -> Plan {
        let mut plan = plan();
        let like = plan.video[0].clone();
        plan.video = heights.iter().map(|&height| Rendition { name: format!("v{height}"), width: height * 16 / 9 / 2 * 2, height, ..like.clone() }).collect();
        plan
    }

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        for text in ["0/1", "2/3", "1023/1024"] {
            assert_eq!(text.parse::<Shard>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "1", "3/3", "-1/3", "+1/3", "1/0", "0/1025", "a/b", "1/3/4", " 1/3", "99999999999/999999999999"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError(text.to_owned())));
        }
    }

    #[test]
    fn a_rung_that_is_too_much_for_one_is_split() {
        // Of about 22.9, 5.7 and 2.5: two workers have 15.5 each.
        let plan = ladder(&[2160, 1080, 720]);
        let shares = [0, 1].map(|index| Shard::new(index, 2).expect("legal").share(&plan));
        for share in &shares {
            assert!(!share.part("v2160").is_all() && !share.part("v2160").is_none(), "{share:?}");
        }
        assert!(shares.iter().any(|s| s.part("v1080").is_all()));
        assert_eq!(Shard::WHOLE.share(&plan).parts().iter().filter(|(_, part)| part.is_all()).count(), plan.video.len() + plan.audio.len());
    }

    proptest! {
        /// Every number of every track is made once, lanes take turns, and nobody has much more to do than a fair share.
        #[test]
        fn everything_is_made_exactly_once(
            heights in prop::collection::btree_set(1..=60u32, 1..9), of in 1..=12u32, from in -1_000..2_000_000_000i64,
        ) {
            let heights: Vec<u32> = heights.into_iter().rev().map(|n| n * 36).collect();
            let plan = ladder(&heights);
            let shares: Vec<Share> = (0..of).map(|i| Shard::new(i, of).expect("legal").share(&plan)).collect();
            let names = plan.video.iter().map(|r| &r.name).chain(plan.audio.iter().map(|a| &a.name));
            for name in names {
                let parts: Vec<Part> = shares.iter().map(|s| s.part(name)).collect();
                for number in from..from + 30 {
                    prop_assert_eq!(parts.iter().filter(|p| p.has(GopId(number))).count(), 1);
                }
                for part in parts {
                    let places: Vec<i64> = (from..from + 60).map(GopId).filter(|gop| part.has(*gop)).map(|gop| part.place(gop)).collect();
                    prop_assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1), "{:?} {:?}", part, places);
                }
            }
            let load = |share: &Share| plan.video.iter().map(|r| {
                let part = share.part(&r.name);
                speed::work(r) * part.remainders.len() as u64 / u64::from(part.modulus)
            }).sum::<u64>();
            let total: u64 = plan.video.iter().map(speed::work).sum();
            let most = shares.iter().map(load).max().unwrap_or(0);
            prop_assert!(most <= 2 * total.div_ceil(u64::from(of)) + 8, "{} of {} for {}", most, total, of);
        }
    }
}
