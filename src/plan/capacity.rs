//! Whether a machine holds a plan in real time, and over how many such machines it goes otherwise: pure arithmetic over what was measured there ([`measure`]).
//!
//! Times are of one processor that has nothing else to do; a machine is said to hold what takes no more than [`LOAD`] of its processors, since two threads on
//! one core, memory that all wait for, and harder pictures than the measured ones all take their part.

pub mod cpu;
pub mod kept;
pub mod measure;
mod scene;
pub mod start;

use super::{Plan, Rendition};
use crate::encode::point::x264;
use crate::encode::{Cap, find};
use crate::shard::{Part, SOUND, Shard, Share};
use crate::time::Rate;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What of its processors a machine is given to do at most, in hundredths.
pub const LOAD: u64 = 85;
/// Machines that a plan is spread over at most.
pub const MOST_MACHINES: u32 = 64;
/// What reading, cutting, muxing and publishing take, in hundredths of a processor.
const OTHER: u64 = 4;
/// Bytes of a worker that has nothing to do, threads and libraries included.
const IDLE_BYTES: u64 = 90 << 20;
/// Pictures of the source that are around: those that the decoder refers to, its threads' and those on their way.
const SOURCE_PICTURES: u64 = 28;

/// A kind of machine: what was measured on one holds for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of them this process may use.
    pub processors: u32,
}

/// What was measured, in nanoseconds of one processor for a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Class of the plan.
    pub class: String,
    /// Where.
    pub machine: Machine,
    /// Decoding an AVC stream of the source's size. Zero where a device decodes.
    pub decode: u64,
    /// Making the pictures of the whole ladder of one.
    pub scale: u64,
    /// The rungs of the plan, in its order.
    pub rungs: Vec<RungCost>,
}

/// What was measured of a rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungCost {
    /// Its name.
    pub name: String,
    /// Making its picture, and whatever that is made of.
    pub scale: u64,
    /// Encoding it; absent where a device does.
    pub encode: Option<u64>,
}

/// What a rung needs, in hundredths of a processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RungNeed {
    /// Its name.
    pub name: String,
    /// For all of its segments.
    pub percent: u64,
    /// What its lanes can take at most.
    pub lanes_percent: u64,
    /// Whether this machine makes it in real time, beside the smaller ones.
    pub held: bool,
}

/// What one of several machines would have to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardNeed {
    /// "0/2".
    pub shard: Shard,
    /// In hundredths of a processor, decoding included.
    pub percent: u64,
}

/// What a plan takes, and whether this machine has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// Where it was measured.
    pub machine: Machine,
    /// What may be used of it, in hundredths of a processor.
    pub usable_percent: u64,
    /// What is made here (the job's shard) takes.
    pub percent: u64,
    /// Of that: decoding.
    pub decode_percent: u64,
    /// Of that: making the sizes.
    pub scale_percent: u64,
    /// Of that: sound, muxing and the rest.
    pub other_percent: u64,
    /// Rungs of the whole plan, as there.
    pub rungs: Vec<RungNeed>,
    /// Whether this machine makes its part in real time.
    pub fits: bool,
    /// What would be left of all its processors, in hundredths of them; negative: what is missing.
    pub headroom_percent: i64,
    /// As few such machines as hold the whole plan, and what each would have to do; empty where no number up to [`MOST_MACHINES`] does.
    pub machines: Vec<ShardNeed>,
    /// Bytes of memory while all is well.
    pub memory: u64,
    /// And where every rung is as late as it may be.
    pub memory_most: u64,
    /// Rungs that a device encodes: how many it holds is not known here.
    pub on_devices: Vec<String>,
}

/// Nanoseconds a picture, in hundredths of a processor.
fn percent(nanoseconds: u64, rate: Rate) -> u64 {
    nanoseconds.saturating_mul(u64::from(rate.num())).div_ceil(u64::from(rate.den()).saturating_mul(10_000_000))
}

/// Bytes of a picture.
fn bytes(width: u32, height: u32, depth: u32) -> u64 {
    u64::from(width) * u64::from(height) * 3 / 2 * u64::from(depth.div_ceil(8))
}

struct Load<'a> {
    plan: &'a Plan,
    measured: &'a Measured,
    /// How many feeds are decoded.
    feeds: u64,
}

impl Load<'_> {
    fn decode(&self) -> u64 {
        percent(self.measured.decode.saturating_mul(self.feeds), self.plan.source.rate)
    }

    fn cost(&self, rung: &Rendition) -> Option<&RungCost> {
        self.measured.rungs.iter().find(|cost| cost.name == rung.name)
    }

    fn encode(&self, rung: &Rendition) -> u64 {
        self.cost(rung).and_then(|cost| cost.encode).map_or(0, |encode| percent(encode, rung.grid.rate))
    }

    fn lanes(rung: &Rendition) -> u64 {
        u64::from(rung.lanes.max(1)) * 100
    }

    /// Making the pictures that `part` of each rung wants: no more than all of them take, and no more than each takes by itself.
    fn scale(&self, part: &dyn Fn(&str) -> Part) -> u64 {
        let own = self.plan.video.iter().map(|rung| part(&rung.name).of(self.cost(rung).map_or(0, |cost| cost.scale))).sum::<u64>();
        percent(own.min(self.measured.scale), self.plan.grid.rate)
    }

    fn other(&self, part: &dyn Fn(&str) -> Part) -> u64 {
        // Sound is decoded by every shard, which is half of what it takes.
        let sound = self.plan.audio.iter().map(|a| part(&a.name).of(SOUND).max(SOUND / 2)).sum::<u64>();
        OTHER + sound
    }

    /// All that a worker has to do of which these parts are.
    fn all(&self, part: &dyn Fn(&str) -> Part) -> u64 {
        let encode = self.plan.video.iter().map(|rung| part(&rung.name).of(self.encode(rung))).sum::<u64>();
        self.decode() + self.scale(part) + self.other(part) + encode
    }

    /// Whether no rung has more to do here than its lanes can.
    fn keeps_up(&self, part: &dyn Fn(&str) -> Part) -> bool {
        self.plan.video.iter().all(|rung| part(&rung.name).of(self.encode(rung)) <= Load::lanes(rung))
    }

    /// Which rungs are held, the smallest first.
    fn held(&self, usable: u64) -> Vec<bool> {
        let mut held: Vec<bool> = vec![false; self.plan.video.len()];
        // The plan has the largest first.
        for place in (0..held.len()).rev() {
            held[place] = true;
            let part = |name: &str| {
                let place = self.plan.video.iter().position(|rung| rung.name == name);
                if place.is_none_or(|place| held[place]) { Part::all() } else { Part::none() }
            };
            let fits = self.all(&part) <= usable && self.keeps_up(&part);
            held[place] = fits;
        }
        held
    }

    /// The fewest machines of so much each, and what each would have to do.
    fn machines(&self, usable: u64) -> Vec<ShardNeed> {
        let on = |of: u32| {
            let shards = (0..of).filter_map(|index| Shard::new(index, of));
            let need = |shard: Shard| {
                let share = shard.share(self.plan);
                let part = |name: &str| share.part(name);
                let percent = self.all(&part);
                (percent <= usable && self.keeps_up(&part)).then_some(ShardNeed { shard, percent })
            };
            shards.map(need).collect::<Option<Vec<_>>>()
        };
        (1..=MOST_MACHINES).find_map(on).unwrap_or_default()
    }
}

/// What a plan takes of memory, in bytes, beside published segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The program, the decoder and its pictures, and what encoders keep for themselves.
    pub codecs: u64,
    /// Pictures on their way to encoders, and of GOPs that may be encoded again, while all is well.
    pub pictures: u64,
    /// Pictures more where every rung is as late as it may be.
    pub late: u64,
    /// What all rungs need of a budget of pictures, each by [`least`].
    pub least: u64,
}

/// Of a plan of which `share` is made here, with so many feeds decoded.
pub fn footprint(plan: &Plan, share: &Share, feeds: u64) -> Footprint {
    let source = &plan.source;
    let deep = if source.range == crate::colour::VideoRange::Sdr { 8 } else { 10 };
    let mut all = Footprint { codecs: IDLE_BYTES + SOURCE_PICTURES * feeds * bytes(source.width, source.height, deep), ..Footprint::default() };
    let mut seen = Vec::new();
    for rung in plan.video.iter().filter(|rung| !share.part(&rung.name).is_none()) {
        let one = rung.picture_bytes();
        all.codecs += one * encoder_pictures(rung);
        all.least += least(rung);
        // Of one size all rungs share a picture: those of the GOP, where one is held, and those that wait.
        if !seen.contains(&rung.target()) {
            seen.push(rung.target());
            let gop = u64::from(rung.grid.gop_slots);
            all.pictures += one * u64::from(rung.lanes) * if is_held(rung) { gop } else { 4 };
            all.late += one * u64::from(rung.lanes) * 2 * gop;
        }
    }
    all
}

/// Bytes of pictures without which a rung leaves segments out though it keeps up: those of the GOP of each lane, where one may be encoded again, and half a GOP that waits, as for lanes that need
/// just the time they have.
pub fn least(rung: &Rendition) -> u64 {
    let gop = u64::from(rung.grid.gop_slots);
    let held = if is_held(rung) { gop } else { 0 };
    rung.picture_bytes() * u64::from(rung.lanes.max(1)) * (held + gop / 2 + 4)
}

/// Whether each GOP's pictures are held, because it may be encoded again: by another backend, for a constant bitrate, or for a cap that its encoder does not keep.
fn is_held(rung: &Rendition) -> bool {
    let checked = |name: &String| find(name).is_some_and(|backend| matches!(backend.cap, Cap::Checked(_)));
    rung.backends.len() > 1 || rung.bitrate.is_some() || rung.backends.iter().any(checked)
}

/// Pictures that an encoder has in memory, halves and metadata counted as pictures: as seen of fresh encoders of a GOP.
fn encoder_pictures(rung: &Rendition) -> u64 {
    let each = match rung.backends.first().map_or("", String::as_str) {
        // As seen at 1080p: 33 with 6 pictures of look-ahead, 42 with 10, 68 with 20, 111 with 40.
        "x264" => 20 + x264(&rung.point).map_or(6, |point| u64::from(point.at(rung.latency).0.lookahead.max(4))) * 12 / 5,
        "x265" => 45,
        "svt-av1" => 170,
        "rav1e" => u64::from(rung.grid.gop_slots) + 10,
        _ => 4,
    };
    each * u64::from(rung.lanes.max(1))
}

impl Capacity {
    /// What `plan` takes by what was `measured` of it, and `shard`, the part of it that is made here. `feeds` are decoded, and `store` bytes of segments kept.
    pub fn of(plan: &Plan, measured: &Measured, shard: Shard, feeds: u64, store: u64) -> Capacity {
        let load = Load { plan, measured, feeds };
        let processors = u64::from(measured.machine.processors.max(1));
        let usable = processors * LOAD;
        let share = shard.share(plan);
        let part = |name: &str| share.part(name);
        let all = load.all(&part);
        let held = load.held(usable);
        let need = |(rung, held): (&Rendition, bool)| RungNeed { name: rung.name.clone(), percent: load.encode(rung), lanes_percent: Load::lanes(rung), held };
        let needs = footprint(plan, &share, feeds);
        let memory = needs.codecs + needs.pictures + store;
        let by_device = |rung: &&Rendition| load.cost(rung).is_none_or(|cost| cost.encode.is_none());
        Capacity {
            machine: measured.machine.clone(),
            usable_percent: usable,
            percent: all,
            decode_percent: load.decode(),
            scale_percent: load.scale(&part),
            other_percent: load.other(&part),
            rungs: plan.video.iter().zip(held).map(need).collect(),
            fits: all <= usable && load.keeps_up(&part),
            headroom_percent: 100 - i64::try_from(all / processors).unwrap_or(i64::MAX),
            machines: load.machines(usable),
            memory,
            memory_most: memory + needs.late,
            on_devices: plan.video.iter().filter(by_device).map(|rung| rung.name.clone()).collect(),
        }
    }

    /// What to do where it does not fit, in a line.
    pub fn advice(&self) -> String {
        let split = match self.machines.as_slice() {
            [] => "no number of such machines would do: take a faster point or a smaller rung".to_owned(),
            machines => format!("{} such machines hold it, --shard 0/{} and so on", machines.len(), machines.len()),
        };
        let held: Vec<&str> = self.rungs.iter().filter(|rung| rung.held).map(|rung| rung.name.as_str()).collect();
        let held = if held.is_empty() { "none of its rungs".to_owned() } else { held.join(", ") };
        format!(
            "it takes about {} processors in real time, and {} of {} may be used; this machine holds {held}; {split}",
            cores(self.percent),
            cores(self.usable_percent),
            self.machine.processors,
        )
    }

    /// For people: a table without its columns, and what follows from it.
    pub fn text(&self) -> String {
        let mebibytes = |bytes: u64| bytes >> 20;
        let mut text = format!("capacity {}, {} processors, of which {} may be used\n", self.machine.cpu, self.machine.processors, cores(self.usable_percent));
        let mut row = |what: &str, percent: u64, note: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {what:<22} {:>6}{note}", cores(percent));
        };
        row("decoding", self.decode_percent, "");
        row("sizes", self.scale_percent, "");
        row("sound, muxing, rest", self.other_percent, "");
        for rung in &self.rungs {
            let note = match rung.held {
                _ if self.on_devices.contains(&rung.name) => "  on a device: not measured".to_owned(),
                true => "  held here in real time".to_owned(),
                false if rung.percent > rung.lanes_percent => format!("  not held: its lanes take {} at most", cores(rung.lanes_percent)),
                false => "  not held here beside the smaller ones".to_owned(),
            };
            row(&rung.name, rung.percent, &note);
        }
        let left = match self.headroom_percent {
            left @ 0.. => format!("{left} % of the machine would be left"),
            missing => format!("{} % of such a machine is missing", -missing),
        };
        let _ = writeln!(text, "  {:<22} {:>6}  {left}", "what is made here", cores(self.percent));
        let _ = writeln!(text, "  {:<22} {:>6}  up to {} MiB where every rung is late", "memory, MiB", mebibytes(self.memory), mebibytes(self.memory_most));
        match self.machines.as_slice() {
            [] => text.push_str("no number of such machines holds all of it in real time: take a faster point or smaller rungs\n"),
            [_] => text.push_str("one such machine holds all of it\n"),
            machines => {
                let each: Vec<String> = machines.iter().map(|need| format!("--shard {} takes {}", need.shard, cores(need.percent))).collect();
                let _ = writeln!(text, "{} such machines hold all of it: {}", machines.len(), each.join(", "));
            }
        }
        text
    }
}

/// Hundredths of a processor as people read them: "1.25".
fn cores(percent: u64) -> String {
    format!("{}.{:02}", percent / 100, percent % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{plan_tests, resolve};

    /// A ladder of three rungs of which each picture takes so many milliseconds, on a machine of two processors.
    fn measured(plan: &Plan, milliseconds: &[u64], processors: u32) -> Measured {
        let rung = |(rung, ms): (&Rendition, &u64)| RungCost { name: rung.name.clone(), scale: 500_000, encode: Some(ms * 1_000_000) };
        Measured {
            class: plan.class.clone(),
            machine: Machine { cpu: "a processor".into(), processors },
            decode: 4_000_000,
            scale: 1_000_000,
            rungs: plan.video.iter().zip(milliseconds).map(rung).collect(),
        }
    }

    fn plan() -> Plan {
        let job = plan_tests::job("demo", "");
        let source = plan_tests::source(1920, 1080, (1, 1));
        let mut plan = resolve(&job, &source).expect("resolves");
        plan.source.rate = Rate::new(25, 1).expect("a rate");
        plan.grid.rate = plan.source.rate;
        plan.video.iter_mut().for_each(|rung| (rung.grid, rung.lanes) = (plan.grid, 2));
        plan
    }

    #[test]
    fn a_sum_of_what_was_measured() {
        let plan = plan();
        let of = |ms: &[u64], processors| Capacity::of(&plan, &measured(&plan, ms, processors), Shard::WHOLE, 1, 0);
        // 25 pictures a second: a millisecond is 2.5 hundredths. 10 decode, 3 scale, 4 and sound, 50 + 25 + 10.
        let small = of(&[20, 10, 4], 2);
        assert_eq!((small.decode_percent, small.scale_percent, small.other_percent), (10, 3, 4 + SOUND));
        assert_eq!(small.rungs.iter().map(|r| r.percent).collect::<Vec<_>>(), [50, 25, 10]);
        assert_eq!((small.percent, small.usable_percent), (102 + SOUND, 170));
        assert!(small.fits && small.machines.len() == 1 && small.rungs.iter().all(|r| r.held));
        assert_eq!(small.headroom_percent, 48);
        // One processor does not do it: the largest rung goes to another.
        let large = of(&[20, 10, 4], 1);
        assert!(!large.fits && large.headroom_percent < 0);
        assert_eq!(large.rungs.iter().map(|r| r.held).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(large.machines.len(), 2);
        assert!(large.machines.iter().all(|need| need.percent <= 85) && large.advice().contains("2 such machines"), "{large:?}");
    }

    #[test]
    fn lanes_limit_a_rung_whatever_the_machine_has_and_shards_get_around_it() {
        let plan = plan();
        let of = |ms: &[u64]| Capacity::of(&plan, &measured(&plan, ms, 64), Shard::WHOLE, 1, 0);
        // 2.5 processors, in two lanes.
        let slow = of(&[100, 10, 4]);
        assert!(!slow.fits && !slow.rungs[0].held && slow.rungs[1].held);
        assert!(slow.text().contains("its lanes take 2.00 at most"), "{}", slow.text());
        // Two would have the rung whole, on one of them.
        assert_eq!(slow.machines.len(), 3, "the rung is dealt out by its numbers");
        // Slower than all machines together.
        let hopeless = of(&[100_000, 10, 4]);
        assert!(hopeless.machines.is_empty() && hopeless.advice().contains("no number of such machines"), "{hopeless:?}");
    }

    #[test]
    fn a_shard_is_judged_by_its_own_part() {
        let plan = plan();
        let measured = measured(&plan, &[20, 10, 4], 1);
        let part = |index| Capacity::of(&plan, &measured, Shard::new(index, 2).expect("legal"), 1, 0);
        let whole = Capacity::of(&plan, &measured, Shard::WHOLE, 1, 0);
        assert!(!whole.fits && part(0).fits && part(1).fits);
        assert_eq!(whole.machines.iter().map(|need| need.percent).collect::<Vec<_>>(), [part(0).percent, part(1).percent]);
        assert!(part(0).memory < whole.memory && whole.memory < whole.memory_most);
        // A second feed is decoded, too.
        assert_eq!(Capacity::of(&plan, &measured, Shard::WHOLE, 2, 0).percent, whole.percent + 10);
    }
}
