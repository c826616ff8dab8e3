//! A day of slots (conformance 32) over the pipeline's number path: 33-bit stamps that wrap, unwrapped; frame sync; the rung's queue and runner with an encoder that
//! costs nothing; the muxer. What is published says where it is, and is read back by a reader that shares no code with the writer.

use crossbeam::channel::{Receiver, bounded};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use mezzo::capture::unwrap::Unwrap;
use mezzo::clock::{Clock, Reference, Tick};
use mezzo::decode::framesync::{Emit, FrameSync, LATENESS, Settings, Timed};
use mezzo::encode::queue::RungQueue;
use mezzo::encode::{Packet, Stats, ToMux, TrackId, served};
use mezzo::frame::{AudioCue, End, Origin, Picture};
use mezzo::job::{Anchor, Pace, Window};
use mezzo::ladder::VideoCodec;
use mezzo::mux::{self, TrackKind, TrackSpec};
use mezzo::plan::{AudioRendition, Rendition};
use mezzo::shard::Part;
use mezzo::sink::Publish;
use mezzo::time::{AudioGrid, GopId, Grid, Rate, Seconds};
use std::sync::Arc;

const DAY: i128 = 86_400;
const TICKS: u32 = 90_000;
const WRAP: i64 = 1 << 33;
/// Stamp of the first picture: the wrap comes after 20 minutes.
const FIRST_STAMP: i64 = WRAP - 1200 * 90_000 + 7;
/// A key picture every so many.
const KEYS: i128 = 48;
const AAC: [u8; 2] = [0x11, 0x90];

/// UTC of the first picture: on no slot, on no tick of 90 kHz.
fn start() -> Seconds {
    Seconds::new(1_763_000_000_013_700_001, 1_000_000_000)
}

/// How the slots are found.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    /// One relation between stamps and UTC, given at the start.
    Anchor,
    /// UTC in every picture, up to 5 ms off.
    Stamps,
}

/// Picture `i` of a feed of constant rate, as a worker that has seen the ones before unwraps it.
fn tick(i: i128, rate: Rate, by: By, unwrap: &mut Unwrap) -> Tick {
    let exact = Seconds::new(FIRST_STAMP.into(), TICKS.into()) + rate.period().times(i);
    let stamp = exact.floor_ticks(TICKS).rem_euclid(WRAP);
    let pts = Seconds::from_ticks(unwrap.next(stamp).expect("within 64 bits"), 1, TICKS as i32).expect("in range");
    let stamp = (by == By::Stamps).then(|| {
        // A scramble stands in for jitter, at most 5 ms either way.
        let jitter = (i * 7_919).rem_euclid(10_001) - 5_000;
        start() + rate.period().times(i) + Seconds::new(jitter, 1_000_000)
    });
    Tick { pts, key: i % KEYS == 0, stamp, arrival: pts }
}

fn tracks(grid: Grid) -> [TrackSpec; 2] {
    let (name, point) = ("v".to_owned(), "veryfast".to_owned());
    let backends = vec!["probe".to_owned()];
    let rendition = Rendition {
        name,
        codec: VideoCodec::Avc,
        width: 64,
        height: 64,
        grid,
        depth: 8,
        range: Default::default(),
        hdr: Default::default(),
        max_bitrate: 1_000_000,
        quality: 23.0,
        bitrate: None,
        point,
        backends,
        lanes: 2,
        half_rate: false,
        chunk: None,
        latency: Default::default(),
        devices: Vec::new(),
    };
    let recipe = mezzo::encode::Recipe::of(&rendition);
    let config = served::open(&rendition, &recipe).expect("opens").config;
    let sound = AudioGrid { video: grid, sample_rate: 48_000, frame: 1024 };
    let audio = AudioRendition::main("a", 64_000, 2, sound, "und");
    [
        TrackSpec { id: TrackId(0), name: "v".to_owned(), kind: TrackKind::Video { rendition, config } },
        TrackSpec { id: TrackId(1), name: "a".to_owned(), kind: TrackKind::Audio { rendition: audio, config: AAC.to_vec() } },
    ]
}

/// What was published of one track.
#[derive(Default)]
struct Published {
    first: Option<i64>,
    next: Option<i64>,
    /// Where the last segment ended, in ticks.
    end: Option<u64>,
    count: i128,
}

impl Published {
    /// The next segment: its number follows, its time is where number times duration is, and where the last one ended.
    fn take(&mut self, spec: &TrackSpec, number: GopId, bytes: &[u8]) {
        assert!(self.next.is_none_or(|next| next == number.0), "{} {number}: {:?} was next", spec.name, self.next);
        self.first.get_or_insert(number.0);
        self.next = Some(number.0 + 1);
        self.count += 1;
        let facts = mezzo::inspect::segment(bytes, None).expect("reads back");
        let timescale = i128::from(spec.timescale());
        let at = Seconds::new(facts.tfdt().into(), timescale);
        let due = spec.grid().gop_duration().times(number.0.into());
        let off = at - due;
        // Pictures to the tick; sound at the first frame that begins there or later.
        let most = if spec.name == "v" { Seconds::ZERO } else { Seconds::new(1023, 48_000) };
        assert!(off >= Seconds::ZERO && off <= most, "{} {number}: {off} off", spec.name);
        assert!(self.end.is_none_or(|end| end == facts.tfdt()), "{} {number}: begins at {}, not {:?}", spec.name, facts.tfdt(), self.end);
        self.end = Some(facts.tfdt() + facts.duration());
    }
}

fn listen(specs: [TrackSpec; 2], published: Receiver<Publish>) -> [Published; 2] {
    let mut found = [Published::default(), Published::default()];
    for item in published {
        if let Publish::Segment { track, number, bytes, .. } = item {
            let place = usize::from(track != "v");
            found[place].take(&specs[place], number, &bytes);
        }
    }
    found
}

/// A segment of sound without sound: the frames that the grid has for it.
fn sound(spec: &TrackSpec, cue: AudioCue) -> Vec<ToMux> {
    let TrackKind::Audio { rendition, .. } = &spec.kind else { panic!("no sound") };
    let (first, units) = (rendition.grid.first(cue.gop), rendition.grid.frames(cue.gop));
    let packet = |n: u32| Packet { time: first + i64::from(n), idr: true, data: vec![n as u8 | 1; 4] };
    let packets = (0..units).map(|n| ToMux::Packet { track: spec.id, gop: cue.gop, attempt: 0, packet: packet(n) });
    packets.chain([ToMux::Done { track: spec.id, gop: cue.gop, attempt: 0, stats: Stats { units, ..Stats::default() } }]).collect()
}

fn a_day(num: u32, den: u32, by: By) {
    let rate = Rate::new(num, den).expect("legal");
    let grid = Grid::new(rate, Seconds::TWO);
    let specs = tracks(grid);
    let (to_mux, packets) = bounded(1024);
    let (tx, published) = bounded(64);
    let settings = mux::Settings {
        schedule: std::sync::Arc::default(),
        class: "0123456789ab".to_owned(),
        publish_delay: Seconds::whole(3),
        window: Window::Last(Seconds::whole(10)),
        chunking: None,
        not_before: None,
        stored: Vec::new(),
        iframes: Default::default(),
        session: Vec::new(),
        thumbnails: None,
        counts: Arc::default(),
        form: None,
        others: Vec::new(),
        share: None,
    };
    let muxed = specs.to_vec();
    let muxer = std::thread::spawn(move || mux::run(muxed, settings, packets, tx));
    let read = specs.clone();
    let listener = std::thread::spawn(move || listen(read, published));
    let TrackKind::Video { rendition, .. } = &specs[0].kind else { panic!("no picture") };
    let served = served::open(rendition, &mezzo::encode::Recipe::of(rendition)).expect("opens");
    let (mut queue, lanes, _) = RungQueue::open(&served, TrackId(0), Part::all(), Pace::Fast, &to_mux, &Arc::default(), &Arc::default());
    let lanes: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())).collect();

    let wrap = Some(Seconds::new(WRAP.into(), TICKS.into()));
    let reference = match by {
        By::Anchor => Reference::Anchor { anchor: Anchor { source: Seconds::new(FIRST_STAMP.into(), TICKS.into()), utc: start() }, about: Some(start()) },
        By::Stamps => Reference::Stamps,
    };
    let max_gap = Seconds::MINUTE;
    let sync_settings =
        Settings { hold: Seconds::ONE, max_gap, duration: None, expected: None, run_up: Seconds::TWO, whole: false, sound_step: None, lateness: LATENESS };
    let clock = Clock::new(grid, reference, wrap, Seconds::ZERO, max_gap, false);
    let mut sync = FrameSync::new(grid, clock, sync_settings, Box::new(Picture::clone));

    let picture = Picture::Cpu(Arc::new(Video::new(Pixel::GRAY8, 2, 2)));
    let (mut unwrap, mut out) = (Unwrap::new(33), Vec::new());
    let mut offset: Option<Seconds> = None;
    // Half a slot, the rounding of stamps, and what their average may be off.
    let near = rate.period().over(2) + Seconds::new(1, TICKS.into()) + if by == By::Stamps { Seconds::new(5, 1000) } else { Seconds::ZERO };
    let count = Seconds::new(DAY * i128::from(num), den.into()).floor_ticks(1);
    for i in 0..i128::from(count) {
        sync.push(Timed { tick: tick(i, rate, by, &mut unwrap), picture: picture.clone(), damaged: false }, &mut out);
        for emit in out.drain(..) {
            match emit {
                Emit::Frame(frame) => {
                    assert_eq!(frame.origin, Origin::Input, "slot {}", frame.slot.0);
                    if frame.opens_gop {
                        // Frame sync holds one picture back.
                        let off = grid.time(frame.slot) - (start() + rate.period().times(i - 1));
                        assert!(off.abs() <= near, "picture {} is {off} off its slot {}", i - 1, frame.slot.0);
                    }
                    queue.send(frame).expect("the rung runs");
                }
                Emit::Cue(cue) => {
                    // Sound moves with the pictures, which stay in their slots: what is added to its stamps is the same all day.
                    let first = *offset.get_or_insert(cue.offset);
                    assert!((cue.offset - first).abs() <= Seconds::new(1, TICKS.into()), "segment {}: {} and not {first}", cue.gop, cue.offset);
                    sound(&specs[1], cue).into_iter().for_each(|message| to_mux.send(message).expect("the muxer runs"));
                }
            }
        }
    }
    let counts = sync.counts();
    assert_eq!((counts.repeats, counts.filler, counts.dropped, counts.late, counts.skipped), (0, 0, 0, 0, 0), "{counts:?}");
    assert_eq!((counts.jumps, counts.locks_lost, counts.moves), (0, 0, 0), "{counts:?}");
    queue.end(End::Leaving).expect("the rung runs");
    to_mux.send(ToMux::End { track: TrackId(1), end: End::Leaving }).expect("the muxer runs");
    drop((to_mux, queue));
    lanes.into_iter().for_each(|lane| lane.join().expect("no panic").expect("no error"));
    muxer.join().expect("no panic").expect("no error");
    let found = listener.join().expect("what was published is in its place");

    let segments = i128::from(count) / i128::from(grid.gop_slots);
    for track in &found {
        assert!(track.count > segments - 6 && track.count <= segments, "{} of {segments}", track.count);
        assert_eq!((track.first, track.next), (found[0].first, found[0].next));
    }
    // The first number is the time of day.
    let first = grid.gop_time(GopId(found[0].first.expect("some")));
    assert!(first >= start() && first < start() + Seconds::whole(9), "{first}");
}

#[test]
fn at_2997_by_an_anchor() {
    a_day(30_000, 1001, By::Anchor);
}

#[test]
fn at_5994_by_stamps() {
    a_day(60_000, 1001, By::Stamps);
}
