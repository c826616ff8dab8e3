//! `mezzo plan`: what would run.

use super::args::JobArgs;
use super::columns::columns;
use super::{Failure, print};
use clap::Args;
use mezzo::budget::Parts;
use mezzo::capture::StreamInfo;
use mezzo::capture::offer::{Medium, Offer, Offered};
use mezzo::capture::stamped::{self, Stamps};
use mezzo::clock::Lock;
use mezzo::decode::device::settle;
use mezzo::encode::served::open_all;
use mezzo::job::{Job, Start, protection};
use mezzo::ladder::{Bitrate, Ladder};
use mezzo::pipeline::{self, Feeds};
use mezzo::plan::capacity::{Capacity, kept, start};
use mezzo::plan::latency::Expected;
use mezzo::plan::{LeftOut, Plan, SoundFacts, SourceFacts, resolve};
use mezzo::probe;
use mezzo::resolution::Resolution;
use mezzo::shard::{Part, Shard};
use mezzo::stop::Stop;
use mezzo::timeline;
use serde::Serialize;
use std::fmt::Write;
use std::sync::Arc;

/// Streams of a feed that are shown.
const MOST_STREAMS: usize = 100;

/// Arguments of `mezzo plan`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  mezzo plan --input feed.ts
  mezzo plan --input feed.ts --ladder sd-to-4k --measure
  mezzo plan --input udp://239.1.1.1:5000 --anchor 0=2026-11-21T20:15:30Z --json
  mezzo plan event.toml --ladder my-ladder.toml
  mezzo plan --schema > job.schema.json     of job files, for editors")]
pub struct PlanArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Measure what the plan takes of this machine (a few seconds), and say whether it holds it in real time and over how many such machines it goes; kept for later plans and starts
    #[arg(long, env = "MEZZO_MEASURE", value_parser = clap::builder::BoolishValueParser::new())]
    measure: bool,
    /// Print the plan as JSON
    #[arg(long, env = "MEZZO_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    json: bool,
    /// Print the JSON Schema of job files, and nothing else
    #[arg(long, env = "MEZZO_SCHEMA", value_parser = clap::builder::BoolishValueParser::new())]
    schema: bool,
}

/// Prints the plan of a job.
pub fn plan(args: &PlanArgs) -> Result<(), Failure> {
    if args.schema {
        let schema = serde_json::to_string_pretty(&mezzo::job::keys::schema()).map_err(Failure::failed)?;
        return print(&(schema + "\n"));
    }
    let mut job = args.job.planned()?;
    let kept = Resolution::load(&job)?;
    let class = kept.as_ref().map(|kept| kept.class.clone());
    let early = job.timeline.start == Start::Now;
    let Facts { source, clock, video, offer } = match kept {
        Some(kept) => Facts { clock: kept.anchor.map(|_| PlannedClock::new(KEPT, Lock::Own)), source: kept.source, video: None, offer: None },
        None => match pipeline::known(&job, None)? {
            Some(source) => Facts { source, clock: None, video: None, offer: None },
            None => facts(&mut job)?,
        },
    };
    let plan = resolve(&job, &source)?;
    let (mut plan, _) = open_all(plan, &job)?;
    if !early {
        settle(&mut plan, &job, video.as_deref());
    }
    if let Some(class) = class.filter(|class| *class != plan.class) {
        plan.warnings.push(format!("what is in the output was made by a worker of class {class}; new segments will not be interchangeable with it"));
    }
    let capacity = if args.measure { Some(start::renew(&job, &plan).map_err(Failure::failed)?) } else { kept::known(&job, &plan) };
    let share = job.shard.share(&plan);
    let memory = Parts::of(&job, &plan, &share, probe::memory()).map_err(Failure::wrong)?;
    let shard = share.is_of_several().then(|| Sharded { shard: job.shard, permille: share.permille(&plan), parts: share.parts() });
    if !args.json {
        let line = shard.as_ref().map_or_else(String::new, |_| format!("\n{}\n", share.line(job.shard, &plan)));
        return print(
            &(feed(offer.as_ref(), &plan) + &table(&plan, clock.as_ref(), &job.ladder) + &line + &room(capacity.as_ref()) + &budget(&memory) + &outputs(&job)),
        );
    }
    let (outputs, protection) = (job.outputs.iter().map(ToString::to_string).collect(), protection::Shown::of(&job));
    let shown = Shown { plan: &plan, clock, offer, chunks: Expected::of(&plan), outputs, protection, shard, capacity, memory };
    let mut text = serde_json::to_string_pretty(&shown).map_err(Failure::failed)?;
    text.push('\n');
    print(&text)
}

/// Where the clock goes by what an earlier run took.
const KEPT: &str = "its own clock, against the anchor that is kept beside the output";

/// What the plan is made of.
struct Facts {
    source: SourceFacts,
    clock: Option<PlannedClock>,
    /// Absent where an earlier run has resolved the source.
    video: Option<Arc<StreamInfo>>,
    /// Everything that the input has; likewise.
    offer: Option<Offer>,
}

/// The plan for programs.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// Absent where an earlier run has resolved the source, and its clock needs no anchor.
    clock: Option<PlannedClock>,
    /// Everything that the input has; absent where a plan that was kept beside the output is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<Offer>,
    /// How soon a picture is out; absent where segments leave whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    chunks: Option<Expected>,
    /// Where it would be published, without what opens it.
    outputs: Vec<String>,
    /// How outputs would be protected, without keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    protection: Vec<protection::Shown>,
    /// What is made here, where several workers share the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Sharded<'a>>,
    /// What it takes of this machine, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<Capacity>,
    /// Who may take how much memory.
    memory: Parts,
}

/// What of the plan one of several workers makes.
#[derive(Serialize)]
struct Sharded<'a> {
    /// "0/3".
    shard: Shard,
    /// Its share of all work, in thousandths.
    permille: u64,
    /// Of each track, which numbers.
    parts: &'a [(String, Part)],
}

/// What is going to place the feed on the grid.
#[derive(Serialize)]
struct PlannedClock {
    reference: &'static str,
    lock: Lock,
}

impl PlannedClock {
    fn new(reference: &'static str, lock: Lock) -> PlannedClock {
        PlannedClock { reference, lock }
    }

    fn line(&self) -> String {
        let lock = match self.lock {
            Lock::Locked => "locked: another worker on this feed makes the same segments",
            Lock::Own | Lock::Lost => "not locked to another worker; stamps in the pictures, or --anchor, would",
        };
        format!("clock    {} ({lock})\n", self.reference)
    }
}

/// Opens the input, and says what it is, what will place it, its video stream, and everything that it has.
fn facts(job: &mut Job) -> Result<Facts, Failure> {
    let Feeds { source, input, job: other, .. } = pipeline::feeds(job, &Stop::new())?;
    other.into_iter().for_each(|other| *job = other);
    let (stamps, _) = stamped::look(input)?;
    let (reference, lock) = timeline::expected(&job.timeline, source.origin, stamps == Stamps::Present);
    let clock = Some(PlannedClock::new(reference, lock));
    Ok(Facts { clock, source: pipeline::stated(job, &source.facts), video: Some(source.video), offer: Some(source.offer) })
}

/// The programmes and streams of the feed, and what is used of them.
fn feed(offer: Option<&Offer>, plan: &Plan) -> String {
    let Some(offer) = offer else { return String::new() };
    let used = |stream: &Offered| {
        let own = Some(stream.reference());
        let sound = plan.source.sounds.iter().position(|s| s.stream == own).and_then(|n| plan.audio.iter().find(|a| a.sound == n));
        match sound {
            Some(sound) => format!("sound \"{}\", {}", sound.label, sound.role),
            None if plan.source.video == own => "video".to_owned(),
            None => String::new(),
        }
    };
    let row = |stream: &Offered| {
        let kind = ["video", "audio", "other"][stream.kind as usize].to_owned();
        let program = offer.program_of(stream.index).map_or(String::new(), ToString::to_string);
        let size = stream.size.filter(|_| stream.kind == Medium::Video).map(|(w, h)| format!("{w}x{h}"));
        let sound = stream.channels.map(|channels| format!("{channels} ch, {} Hz", stream.sample_rate.unwrap_or(0)));
        let says = [stream.language.clone(), stream.role.map(|role| role.to_string())].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let pid = stream.pid.map_or(String::new(), |pid| format!("{pid:#x}"));
        [program, stream.index.to_string(), pid, kind, stream.codec.clone(), size.or(sound).unwrap_or_default(), says, used(stream)]
    };
    let head = ["programme", "stream", "pid", "kind", "codec", "shape", "says", "used as"].map(str::to_owned);
    let mut streams: Vec<&Offered> = offer.streams.iter().collect();
    streams.sort_by_key(|s| (offer.program_of(s.index).map_or(i32::MAX, |p| p.number), s.index));
    columns(std::iter::once(head).chain(streams.into_iter().take(MOST_STREAMS).map(row))) + "\n"
}

/// Who may take how much memory, as a line.
fn budget(memory: &Parts) -> String {
    let [limit, codecs, origin, outputs, pictures] = [memory.limit, memory.codecs, memory.origin, memory.outputs, memory.pictures].map(|bytes| bytes >> 20);
    format!("memory   {limit} MiB at most: codecs {codecs}, the origin's window {origin}, what waits for outputs {outputs}, pictures up to {pictures}\n")
}

/// What it takes of this machine.
fn room(capacity: Option<&Capacity>) -> String {
    match capacity {
        Some(capacity) => format!("\n{}", capacity.text()),
        None => "\ncapacity not measured here: --measure does it, in a few seconds\n".to_owned(),
    }
}

/// Where it would be published, and what of that is encrypted; nothing where that is not said.
fn outputs(job: &Job) -> String {
    let under = |head: &str, lines: String| if lines.is_empty() { lines } else { format!("\n{head}\n{lines}") };
    let protected = protection::Shown::of(job).iter().map(|shown| shown.line() + "\n").collect();
    under("outputs", job.outputs.iter().map(|output| format!("  {output}\n")).collect()) + &under("protection", protected)
}

/// The plan for people.
fn table(plan: &Plan, clock: Option<&PlannedClock>, ladder: &Ladder) -> String {
    let source = &plan.source;
    let heard = |sound: &SoundFacts| match (sound.sample_rate, sound.channels) {
        (Some(rate), Some(channels)) => format!("sound at {rate} Hz, {channels} ch"),
        _ => "sound that has not come yet".to_owned(),
    };
    let sound = if source.sounds.is_empty() { "no sound".to_owned() } else { source.sounds.iter().map(heard).collect::<Vec<_>>().join(", ") };
    let scan = if source.interlaced { "interlaced" } else { "progressive" };
    let (x, y) = source.sar;
    let mut text = format!(
        "class    {}\nsource   {}x{}, pixels {x}:{y}, {} pictures a second, {scan}, {}, {sound}\ngrid     {} pictures a second, {} in a segment of {} s\n\n",
        plan.class,
        source.width,
        source.height,
        source.rate,
        source.range.name(),
        plan.grid.rate,
        plan.grid.gop_slots,
        plan.segment_duration(),
    );
    if let Some(line) = chunks(plan) {
        text.insert_str(text.len() - 1, &line);
    }
    // Above the empty line.
    if let Some(clock) = clock {
        text.insert_str(text.len() - 1, &clock.line());
    }
    if let Some(device) = &plan.decode {
        text.insert_str(text.len() - 1, &format!("decoded  and scaled on {device}\n"));
    }
    let head = ["rung", "codec", "picture", "signal", "at most", "quality", "point", "backends", "lanes"].map(str::to_owned);
    let video = plan.video.iter().map(|r| {
        let size = format!("{}x{}", r.width, r.height);
        let most = Bitrate(r.max_bitrate).to_string();
        let quality = r.bitrate.map_or_else(|| r.quality.to_string(), |bits| format!("{} constant", Bitrate(bits)));
        let signal = format!("{} bit {}", r.depth, r.range.name());
        [r.name.clone(), r.codec.name().into(), size, signal, most, quality, r.point.clone(), r.backends.join(", "), r.lanes.to_string()]
    });
    let audio = plan.audio.iter().map(|r| {
        let shape = format!("{} ch, {}", r.channels, r.tag.as_ref().unwrap_or(&r.language));
        [
            r.name.clone(),
            r.codec.name().into(),
            shape,
            String::new(),
            Bitrate(r.bitrate).to_string(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ]
    });
    text.push_str(&columns(std::iter::once(head).chain(video).chain(audio)));
    let left_out: Vec<[String; 5]> = plan.left_out.iter().filter_map(|left| wish(ladder, left)).collect();
    if !left_out.is_empty() {
        text.push_str("\nleft out\n");
        text.push_str(&columns(left_out.into_iter()));
    }
    if !plan.warnings.is_empty() {
        text.push('\n');
    }
    for line in &plan.warnings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "warning: {line}");
    }
    text
}

/// How soon a picture is out, where segments leave in chunks.
fn chunks(plan: &Plan) -> Option<String> {
    let expected = Expected::of(plan)?;
    let held: Vec<String> = expected.held.iter().map(|(rung, frames)| format!("{rung} {frames}")).collect();
    Some(format!(
        "chunks   of {} s, latency {}: a picture is out {} to {} ms after it came (pictures held by encoders: {})\n",
        expected.chunk,
        if plan.video.iter().all(|r| r.latency.is_normal()) { "normal" } else { "low" },
        expected.least_ms,
        expected.most_ms,
        held.join(", "),
    ))
}

/// What the ladder says of a rung that is left out, and why it is.
fn wish(ladder: &Ladder, left: &LeftOut) -> Option<[String; 5]> {
    let video = ladder.video.iter().find(|r| r.name == left.rung);
    let audio = ladder.audio.iter().find(|r| r.name == left.rung);
    let (codec, shape, most) = match (video, audio) {
        (Some(r), _) => (r.codec.name(), format!("{}x{}", r.width, r.height), r.cap()),
        (None, Some(r)) => (r.codec.name(), format!("{} ch", r.channels), r.bitrate),
        (None, None) => return None,
    };
    Some([left.rung.clone(), codec.to_owned(), shape, most.to_string(), left.why.clone()])
}
