use super::answer::{Fate, Refusal};
use super::desk::{Desk, Out, Settings};
use super::judge::Pushed;
use super::restart;
use crate::encode::{Stats, ToMux};
use crate::frame::End;
use crate::job::Window;
use crate::job::protection::{Keys, Protection};
use crate::mux::chunking::Chunking;
use crate::mux::test_kit::{ASC, audio, avcc, grid, plain, rendition, video};
use crate::mux::{self, Marks, TrackKind, TrackSpec};
use crate::protect::cipher::Scheme;
use crate::protect::key::{ContentKey, TrackClass};
use crate::protect::systems::{Licenses, System};
use crate::protect::{Form, Key, KeyId, KeySet};
use crate::sink::directory::Directory;
use crate::sink::store::Store;
use crate::sink::{Edge, Publish, Readers, Sink};
use crate::status::Status;
use crate::time::{GopId, Grid, Seconds};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const FIRST: i64 = 850_000_000;
const DELAY: Seconds = Seconds::TWO;

fn ntsc() -> Grid {
    grid(30_000, 1001, 60)
}

/// Four rungs and two sounds, in an order that no alphabet has.
fn ladder() -> Vec<TrackSpec> {
    let rung = |id, name, width, height, cap| video(id, rendition(name, width, height, cap, ntsc()), avcc());
    let mut specs = vec![rung(0, "z-1080p", 1920, 1080, 6_000_001), rung(1, "b-1080p", 1920, 1080, 4_000_000), rung(2, "y-360p", 640, 360, 730_000)];
    if let TrackKind::Video { rendition, .. } = &mut specs[2].kind {
        rendition.bitrate = Some(700_000);
    }
    specs.push(audio(3, "sound-hi", 128_000, ntsc(), "eng", ASC.to_vec()));
    specs.push(audio(4, "sound-hi-deu", 128_000, ntsc(), "deu", ASC.to_vec()));
    specs.push(audio(5, "a-lo", 64_000, ntsc(), "eng", ASC.to_vec()));
    if let TrackKind::Audio { rendition, .. } = &mut specs[4].kind {
        (rendition.rung, rendition.sound, rendition.label) = ("sound-hi".into(), 1, "Deutsch, \"ganz\"".replace('"', "'"));
        rendition.tag = Some("de-AT".into());
        rendition.role = crate::role::Role::Dub;
    }
    specs
}

fn init(spec: &TrackSpec) -> Bytes {
    mux::init(spec, "class").expect("is sound").into()
}

const CHUNKS: Option<Chunking> = Some(Chunking { slots: 15, prft: true });

fn in_chunks(spec: &TrackSpec, number: i64, marks: &Marks, last: bool) -> Bytes {
    let marks = Marks { class: "class".into(), ..marks.clone() };
    mux::segment(spec, GopId(number), &plain(spec, GopId(number)), &marks, last, CHUNKS).expect("is sound").into()
}

fn segment(spec: &TrackSpec, number: i64, marks: &Marks, last: bool) -> Bytes {
    let marks = Marks { class: "class".into(), ..marks.clone() };
    mux::segment(spec, GopId(number), &plain(spec, GopId(number)), &marks, last, None).expect("is sound").into()
}

fn clean(spec: &TrackSpec, number: i64) -> Bytes {
    segment(spec, number, &Marks::default(), false)
}

fn settings() -> Settings {
    Settings { pipelines: vec!["A".into(), "B".into()], publish_delay: DELAY, window: Window::Last(Seconds::whole(8)), patience: Seconds::TWO }
}

/// When the slot of a number ends.
fn end(number: i64) -> Seconds {
    ntsc().gop_time(GopId(number + 1))
}

/// A desk, and what it published.
struct Kit {
    desk: Desk,
    items: Vec<Publish>,
    files: BTreeMap<String, Bytes>,
}

impl Kit {
    fn new(settings: Settings) -> Kit {
        Kit { desk: Desk::new(settings, Vec::new()), items: Vec::new(), files: BTreeMap::new() }
    }

    /// One that knows `specs` by both pipelines.
    fn of(specs: &[TrackSpec]) -> Kit {
        let mut kit = Kit::new(settings());
        for spec in specs {
            assert_eq!(kit.init(0, spec), Ok(Fate::Published));
            assert_eq!(kit.init(1, spec), Ok(Fate::Identical));
        }
        kit
    }

    fn init(&mut self, pipeline: usize, spec: &TrackSpec) -> Result<Fate, u16> {
        let mut out = Out::default();
        let fate = self.desk.init(pipeline, &spec.name, init(spec), &mut out);
        self.take(out);
        fate.map_err(|e| e.code())
    }

    fn push(&mut self, pipeline: usize, track: &str, number: i64, bytes: Bytes, now: Seconds) -> Result<Fate, Refusal> {
        let mut out = Out::default();
        let fate = self.desk.segment(pipeline, track, GopId(number), Pushed { bytes, received: now, said: None }, now, &mut out);
        self.take(out);
        fate
    }

    fn advance(&mut self, now: Seconds) -> Option<Seconds> {
        let mut out = Out::default();
        let next = self.desk.advance(now, &mut out);
        self.take(out);
        next
    }

    fn take(&mut self, out: Out) {
        for item in &out.items {
            match item {
                Publish::Segment { path, bytes, .. } => assert!(self.files.insert(path.clone(), bytes.clone()).is_none(), "{path} is published twice"),
                Publish::Text { readers: Readers::Chunked, .. } => {}
                Publish::Init { path, bytes } | Publish::Text { path, bytes, .. } => drop(self.files.insert(path.clone(), bytes.clone())),
                Publish::Remove { path } => drop(self.files.remove(path)),
                Publish::Chunk { .. } | Publish::Abort { .. } => {}
            }
        }
        self.items.extend(out.items);
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.files.get(path).map(|b| b.to_vec()).unwrap_or_default()).expect("text")
    }

    fn counts(&self, track: &str, pipeline: usize) -> super::counts::Counts {
        self.desk.tracks.iter().find(|t| t.name == track).expect("known").senders[pipeline].counts.clone()
    }
}

/// What one worker that makes everything publishes, of `numbers`.
fn worker(specs: &[TrackSpec], numbers: std::ops::Range<i64>, over: bool, chunking: Option<Chunking>) -> BTreeMap<String, Bytes> {
    let settings = mux::Settings {
        schedule: Arc::default(),
        class: "class".into(),
        publish_delay: DELAY,
        window: Window::Last(Seconds::whole(8)),
        chunking,
        iframes: Default::default(),
        session: Default::default(),
        thumbnails: None,
        not_before: None,
        stored: Vec::new(),
        counts: Arc::default(),
        form: None,
        others: Vec::new(),
        share: None,
    };
    let mut input = Vec::new();
    for number in numbers.clone() {
        for spec in specs {
            let gop = GopId(number);
            input.extend(plain(spec, gop).into_iter().map(|packet| ToMux::Packet { track: spec.id, gop, attempt: 0, packet }));
            let stats = Stats { last: over && number == numbers.end - 1, ..Stats::default() };
            input.push(ToMux::Done { track: spec.id, gop, attempt: 0, stats });
        }
    }
    input.extend(specs.iter().map(|spec| ToMux::End { track: spec.id, end: if over { End::Ended } else { End::Leaving } }));
    let (to_mux, rx) = crossbeam::channel::unbounded();
    let (tx, published) = crossbeam::channel::unbounded();
    input.into_iter().for_each(|message| to_mux.send(message).expect("there is room"));
    mux::run(specs.to_vec(), settings, rx, tx).expect("is sound");
    let mut files = BTreeMap::new();
    for item in published {
        match item {
            Publish::Text { readers: Readers::Chunked, .. } => {}
            Publish::Init { path, bytes } | Publish::Segment { path, bytes, .. } | Publish::Text { path, bytes, .. } => drop(files.insert(path, bytes)),
            Publish::Remove { path } => drop(files.remove(&path)),
            Publish::Chunk { .. } | Publish::Abort { .. } => {}
        }
    }
    files
}

fn assert_same(here: &BTreeMap<String, Bytes>, there: &BTreeMap<String, Bytes>) {
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
    for (path, bytes) in here {
        if path.ends_with(".m3u8") || path.ends_with(".mpd") {
            assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&there[path]), "{path}");
        }
        assert_eq!(bytes, &there[path], "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Shards that each make some tracks or some numbers, of two pipelines, in any order: what is published is what one worker publishes that makes everything.
    #[test]
    fn the_union_is_one_worker(seed: u64, over: bool, chunked: bool) {
        let segment = if chunked { in_chunks } else { segment };
        let specs = ladder();
        let numbers = FIRST..FIRST + 7;
        let mut kit = Kit::new(settings());
        let mut dice = seed | 1;
        let mut roll = move || { dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407); (dice >> 33) as usize };
        let mut order: Vec<usize> = (0..specs.len()).collect();
        order.sort_by_cached_key(|_| roll());
        order.iter().for_each(|&place| assert_eq!(kit.init(roll() % 2, &specs[place]), Ok(Fate::Published)));
        for number in numbers.clone() {
            order.sort_by_cached_key(|_| roll());
            for &place in &order {
                let spec = &specs[place];
                let bytes = segment(spec, number, &Marks::default(), over && number == numbers.end - 1);
                let shard = roll() % 2;
                let fate = kit.push(shard, &spec.name, number, bytes.clone(), end(number));
                prop_assert!(matches!(fate, Ok(Fate::Published | Fate::Waits)), "{fate:?}");
                if roll() % 3 == 0 {
                    // Sound that is before the first pictures waits unread.
                    prop_assert!(matches!(kit.push(1 - shard, &spec.name, number, bytes, end(number)), Ok(Fate::Identical | Fate::Waits)));
                }
            }
        }
        kit.advance(end(numbers.end - 1));
        assert_same(&kit.files, &worker(&specs, numbers, over, CHUNKS.filter(|_| chunked)));
        prop_assert_eq!(kit.desk.over, over);
    }
}

#[test]
fn nothing_is_shown_before_every_track_has_a_segment() {
    let specs = ladder();
    let mut kit = Kit::of(&specs);
    for spec in &specs[..5] {
        kit.push(0, &spec.name, FIRST, clean(spec, FIRST), end(FIRST)).expect("taken");
    }
    assert!(kit.files.keys().all(|path| !path.ends_with(".m3u8")), "{:?}", kit.files.keys());
    let latest = end(FIRST) + ntsc().gop_duration().times(2) + Seconds::TWO;
    assert_eq!(kit.advance(end(FIRST)), Some(latest));
    kit.advance(latest);
    assert!(kit.text("main.m3u8").contains("sound-hi") && !kit.text("main.m3u8").contains("a-lo"));
    kit.push(0, "a-lo", FIRST, clean(&specs[5], FIRST), latest).expect("taken");
    assert!(kit.text("main.m3u8").contains("a-lo"));
}

#[test]
fn what_never_comes_is_a_gap_once_it_is_due_and_overtaken() {
    let specs = &ladder()[2..4];
    let mut kit = Kit::of(specs);
    let (v, a) = (&specs[0], &specs[1]);
    for number in [FIRST, FIRST + 1] {
        kit.push(0, &v.name, number, clean(v, number), end(number)).expect("taken");
        kit.push(0, &a.name, number, clean(a, number), end(number)).expect("taken");
    }
    // FIRST + 2 of the pictures is lost; the sound goes on.
    kit.push(0, &a.name, FIRST + 2, clean(a, FIRST + 2), end(FIRST + 2)).expect("taken");
    assert_eq!(kit.advance(end(FIRST + 2) + Seconds::MINUTE), None, "nothing overtook it: the event stands still");
    let met = end(FIRST + 3);
    kit.push(0, &a.name, FIRST + 3, clean(a, FIRST + 3), met).expect("taken");
    assert_eq!(kit.push(0, &v.name, FIRST + 3, clean(v, FIRST + 3), met).ok(), Some(Fate::Waits));
    let lost = met.max(end(FIRST + 2) + DELAY) + Seconds::TWO;
    assert_eq!(kit.advance(met), Some(lost));
    assert!(!kit.files.contains_key(&format!("{}/{}.m4s", v.name, FIRST + 3)));
    kit.advance(lost);
    let text = kit.text(&format!("{}/media.m3u8", v.name));
    assert_eq!(text.matches("#EXT-X-GAP").count(), 1, "{text}");
    assert!(text.contains(&format!("#EXT-X-GAP\n#EXTINF:2.002,\n{}.m4s", FIRST + 2)) && text.contains(&format!("\n{}.m4s", FIRST + 3)), "{text}");
    // It stays one.
    assert_eq!(kit.push(1, &v.name, FIRST + 2, clean(v, FIRST + 2), lost).ok(), Some(Fate::Late));
    assert!(!kit.files.contains_key(&format!("{}/{}.m4s", v.name, FIRST + 2)));
    assert_eq!((kit.counts(&v.name, 1).late, kit.desk.tracks[0].counts.gaps), (1, 1));
}

#[test]
fn the_better_candidate_is_published() {
    let v = &ladder()[2];
    let mut kit = Kit::of(std::slice::from_ref(v));
    let at = |number: i64| format!("{}/{number}.m4s", v.name);
    let slate = |number| segment(v, number, &Marks { fillers: 60, ..Marks::default() }, false);
    let hurt = |number| segment(v, number, &Marks { damaged: 3, ..Marks::default() }, false);
    for pipeline in [0, 1] {
        kit.push(pipeline, &v.name, FIRST, clean(v, FIRST), end(FIRST)).expect("taken");
    }
    // Filler waits for the other pipeline, which has something to show.
    let now = end(FIRST + 1);
    assert_eq!(kit.push(0, &v.name, FIRST + 1, slate(FIRST + 1), now).ok(), Some(Fate::Waits));
    assert_eq!(kit.push(1, &v.name, FIRST + 1, hurt(FIRST + 1), now).ok(), Some(Fate::Published));
    assert_eq!(kit.files[&at(FIRST + 1)], hurt(FIRST + 1));
    // It comes too late: until it is due, not longer.
    let now = end(FIRST + 2);
    assert_eq!(kit.push(0, &v.name, FIRST + 2, slate(FIRST + 2), now).ok(), Some(Fate::Waits));
    assert_eq!(kit.advance(now), Some(now + DELAY));
    kit.advance(now + DELAY);
    assert_eq!(kit.push(1, &v.name, FIRST + 2, clean(v, FIRST + 2), now + Seconds::whole(3)).ok(), Some(Fate::PassedOver));
    assert_eq!(kit.files[&at(FIRST + 2)], slate(FIRST + 2), "what is published stays");
    // A pipeline that has left is not waited for.
    let now = end(FIRST + 6);
    for number in FIRST + 3..FIRST + 6 {
        kit.push(0, &v.name, number, clean(v, number), end(number)).expect("taken");
    }
    kit.advance(now + Seconds::MINUTE);
    assert_eq!(kit.push(0, &v.name, FIRST + 6, hurt(FIRST + 6), now + Seconds::MINUTE).ok(), Some(Fate::Published));
    let (a, b) = (kit.counts(&v.name, 0), kit.counts(&v.name, 1));
    assert_eq!((a.received, a.chosen, a.passed_over), (7, 6, 1));
    assert_eq!((b.received, b.chosen, b.identical, b.passed_over, b.differing), (3, 1, 1, 1, 0));
    assert_eq!(kit.desk.tracks[0].counts.marked, 3);
}

#[test]
fn what_is_broken_is_never_published() {
    let specs = &ladder()[2..4];
    let (v, a) = (&specs[0], &specs[1]);
    let mut kit = Kit::of(specs);
    let whole = clean(v, FIRST);
    let other_class =
        mux::segment(v, GopId(FIRST), &plain(v, GopId(FIRST)), &Marks { class: "other".into(), ..Marks::default() }, false, None).expect("is sound");
    let mut codes = Vec::new();
    for bytes in [Bytes::new(), whole.slice(..whole.len() - 1), Bytes::from_static(b"GET / HTTP/1.1"), clean(a, FIRST), clean(v, FIRST + 1), other_class.into()]
    {
        codes.push(kit.push(0, &v.name, FIRST, bytes, end(FIRST)).err().map(|e| e.code()));
    }
    assert_eq!(codes, [Some(422); 6]);
    assert_eq!(kit.push(0, "nobody", FIRST, whole.clone(), end(FIRST)).err().map(|e| e.code()), Some(412));
    assert_eq!(kit.push(0, &v.name, FIRST, whole.clone(), Seconds::ZERO).err().map(|e| e.code()), Some(409), "a clock of long ago");
    assert!(kit.files.keys().all(|path| path.ends_with("init.mp4")), "{:?}", kit.files.keys());
    assert_eq!(kit.counts(&v.name, 0).broken, 6);
    // The other pipeline's is fine.
    assert_eq!(kit.push(1, &v.name, FIRST, whole, end(FIRST)).ok(), Some(Fate::Published));
    // Absurdly far ahead, it wipes nothing.
    assert_eq!(kit.push(0, &v.name, 1 << 40, clean(v, FIRST), end(FIRST)).err().map(|e| e.code()), Some(422));
    let far = FIRST + 1_000_000;
    assert_eq!(kit.push(0, &v.name, far, clean(v, far), end(FIRST)).err().map(|e| e.code()), Some(409));
    assert_eq!(kit.desk.tracks[0].last(), Some(GopId(FIRST)));
}

/// The playlists that are written here would name no keys.
#[test]
fn an_encrypted_track_is_refused() {
    let key = ContentKey { class: TrackClass::All, id: KeyId([1; 16]), key: Key::new([2; 16]), iv: None, told: Vec::new() };
    let keys = Keys::Given(KeySet { keys: vec![key] });
    let (outputs, systems, content, rotate, licenses) = (None, vec![System::ClearKey], String::new(), None, Licenses::default());
    let asked = Protection { scheme: Scheme::Cbcs, outputs, systems, content, rotate, keys, licenses };
    let (form, _) = Form::open(&asked, ntsc(), true).expect("opens");
    let spec = &ladder()[2];
    let locked = mux::init_in(spec, "class", Some(&form)).expect("protected");
    let mut out = Out::default();
    let error = Kit::new(settings()).desk.init(0, &spec.name, locked.into(), &mut out).expect_err("refused");
    assert!(error.code() == 422 && error.to_string().contains("encrypted"), "{error}");
    assert!(out.items.is_empty());
}

#[test]
fn another_init_segment_shuts_its_pipeline_out_of_the_track() {
    let v = &ladder()[2];
    let mut kit = Kit::of(std::slice::from_ref(v));
    let mut other = v.clone();
    if let TrackKind::Video { rendition, .. } = &mut other.kind {
        rendition.max_bitrate += 100_000;
    }
    assert_eq!(kit.init(1, &other), Err(409));
    assert_eq!(kit.push(1, &v.name, FIRST, clean(v, FIRST), end(FIRST)).err().map(|e| e.code()), Some(409));
    assert_eq!(kit.push(0, &v.name, FIRST, clean(v, FIRST), end(FIRST)).ok(), Some(Fate::Published));
    assert_eq!(kit.init(1, v), Ok(Fate::Identical), "it knows better");
    assert_eq!(kit.push(1, &v.name, FIRST, clean(v, FIRST), end(FIRST)).ok(), Some(Fate::Identical));
}

#[test]
fn masked_numbers_of_a_pipeline_are_not_chosen() {
    let v = &ladder()[2];
    let mut kit = Kit::of(std::slice::from_ref(v));
    let mask = |text: &str| text.parse().expect("a mask");
    kit.push(0, &v.name, FIRST, clean(v, FIRST), end(FIRST)).expect("taken");
    assert!(kit.desk.mask(mask("C:1"), true).is_err());
    kit.desk.mask(mask(&format!("A:{}-{}", FIRST + 1, FIRST + 2)), true).expect("legal");
    assert_eq!(kit.push(0, &v.name, FIRST + 1, clean(v, FIRST + 1), end(FIRST + 1)).ok(), Some(Fate::Masked));
    let hurt = segment(v, FIRST + 1, &Marks { damaged: 9, ..Marks::default() }, false);
    assert_eq!(kit.push(1, &v.name, FIRST + 1, hurt, end(FIRST + 1)).ok(), Some(Fate::Published), "nothing better is waited for");
    // What waits already is hidden as well.
    let now = end(FIRST + 2);
    let hurt = segment(v, FIRST + 2, &Marks { repeats: 1, ..Marks::default() }, false);
    assert_eq!(kit.push(1, &v.name, FIRST + 2, hurt, now).ok(), Some(Fate::Published));
    assert_eq!(kit.push(1, &v.name, FIRST + 4, clean(v, FIRST + 4), now).ok(), Some(Fate::Waits));
    kit.desk.mask(mask(&format!("B:{}-", FIRST + 3)), true).expect("legal");
    assert_eq!(kit.push(0, &v.name, FIRST + 3, clean(v, FIRST + 3), now).ok(), Some(Fate::Published));
    assert!(!kit.files.contains_key(&format!("{}/{}.m4s", v.name, FIRST + 4)));
    kit.desk.mask(mask(&format!("B:{}-", FIRST + 3)), false).expect("legal");
    assert_eq!(kit.push(1, &v.name, FIRST + 4, clean(v, FIRST + 4), now).ok(), Some(Fate::Published));
    assert_eq!((kit.counts(&v.name, 0).masked, kit.counts(&v.name, 1).masked), (1, 1));
}

#[test]
fn one_that_leaves_ends_nothing_and_the_end_is_said_once() {
    let specs = &ladder()[2..4];
    let mut kit = Kit::of(specs);
    let ended = |kit: &Kit| specs.iter().filter(|s| kit.text(&format!("{}/media.m3u8", s.name)).contains("#EXT-X-ENDLIST")).count();
    for number in FIRST..FIRST + 4 {
        for spec in specs {
            // B leaves after the second; A ends the event with the fourth.
            kit.push(0, &spec.name, number, segment(spec, number, &Marks::default(), number == FIRST + 3), end(number)).expect("taken");
            if number < FIRST + 2 {
                kit.push(1, &spec.name, number, clean(spec, number), end(number)).expect("taken");
            }
        }
        assert_eq!(ended(&kit), if number == FIRST + 3 { 2 } else { 0 }, "after {number}");
    }
    assert!(kit.text("manifest.mpd").contains("mediaPresentationDuration"));
    let v = &specs[0];
    assert_eq!(kit.push(1, &v.name, FIRST + 4, clean(v, FIRST + 4), end(FIRST + 4)).err().map(|e| e.code()), Some(410));
}

#[test]
fn an_end_that_others_do_not_know_of_is_none() {
    let v = &ladder()[2];
    let mut kit = Kit::of(std::slice::from_ref(v));
    kit.push(0, &v.name, FIRST, clean(v, FIRST), end(FIRST)).expect("taken");
    kit.push(1, &v.name, FIRST + 2, clean(v, FIRST + 2), end(FIRST + 1)).expect("waits");
    kit.push(0, &v.name, FIRST + 1, segment(v, FIRST + 1, &Marks::default(), true), end(FIRST + 1)).expect("taken");
    assert!(!kit.desk.over && kit.desk.tracks[0].last() == Some(GopId(FIRST + 2)));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let specs = ladder();
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut kit = Kit::of(&specs);
    let all = |kit: &mut Kit, numbers: std::ops::Range<i64>, last: bool| {
        for number in numbers.clone() {
            for spec in specs.iter().filter(|s| s.id.0 != 1 || number != FIRST + 2) {
                kit.push(0, &spec.name, number, segment(spec, number, &Marks::default(), last && number == numbers.end - 1), end(number)).expect("taken");
            }
        }
        kit.advance(end(numbers.end) + Seconds::MINUTE);
    };
    let keep = |kit: &mut Kit| {
        let mut directory = Directory::open(dir.path(), &[], None::<Arc<Status>>).expect("opens");
        kit.items.drain(..).for_each(|item| directory.publish(&item).expect("written"));
    };
    let again = || {
        let mut kit = Kit::new(settings());
        let out = restart::restore(dir.path(), &mut kit.desk, &Store::new(1 << 30, [])).expect("reads");
        kit.take(out);
        kit
    };
    let texts = |kit: &Kit| kit.files.iter().filter(|(path, _)| !path.ends_with(".m4s")).map(|(p, b)| (p.clone(), b.clone())).collect::<BTreeMap<_, _>>();
    all(&mut kit, FIRST..FIRST + 5, false);
    assert!(kit.text("b-1080p/media.m3u8").contains("#EXT-X-GAP"));
    keep(&mut kit);
    let mut second = again();
    assert_same(&texts(&second), &texts(&kit));
    // It goes on, ends, and stays ended.
    all(&mut second, FIRST + 5..FIRST + 8, true);
    all(&mut kit, FIRST + 5..FIRST + 8, true);
    assert_same(&texts(&second), &texts(&kit));
    assert!(second.desk.over);
    keep(&mut second);
    let third = again();
    assert!(third.desk.over);
    assert_same(&texts(&third), &texts(&kit));
}

/// Numbers of the chunks, and the edges, that were published since the last look; `!` where a segment was given up.
fn handed_out(kit: &mut Kit, track: &str) -> (Vec<String>, Vec<Edge>) {
    let (mut said, mut edges) = (Vec::new(), Vec::new());
    for item in kit.items.drain(..) {
        match item {
            Publish::Chunk { track: of, number, index, .. } if of == track => said.push(format!("{}.{index}", number.0 - FIRST)),
            Publish::Segment { track: of, number, .. } if of == track => said.push(format!("{}", number.0 - FIRST)),
            Publish::Abort { track: of, number, .. } if of == track => said.push(format!("!{}", number.0 - FIRST)),
            Publish::Text { path, readers: Readers::Chunked, edge: Some(edge), .. } if path.starts_with(track) => edges.push(edge),
            _ => {}
        }
    }
    (said, edges)
}

#[test]
fn a_segment_in_the_making_is_handed_out_and_its_twin_completes_it() {
    let specs = &ladder()[2..4];
    let (v, a) = (&specs[0], &specs[1]);
    let mut kit = Kit::of(specs);
    let whole = |spec: &TrackSpec, n: i64| in_chunks(spec, FIRST + n, &Marks::default(), false);
    for n in 0..2 {
        for (spec, pipeline) in [(v, 0), (v, 1), (a, 0), (a, 1)] {
            kit.push(pipeline, &spec.name, FIRST + n, whole(spec, n), end(FIRST + n)).expect("taken");
        }
    }
    handed_out(&mut kit, &v.name);
    let piece = |kit: &mut Kit, pipeline: usize, n: i64, index: u32, bytes: &Bytes| {
        let mut out = Out::default();
        kit.desk.piece(pipeline, &v.name, GopId(FIRST + n), index, bytes.clone(), &mut out);
        kit.take(out);
    };
    // Chunks as they come; one that is not the next, or of the other pipeline, is not.
    let chunks = super::relay::chunks(&whole(v, 2));
    assert_eq!((chunks.len(), chunks.concat()), (4, whole(v, 2).to_vec()));
    piece(&mut kit, 0, 2, 0, &chunks[0]);
    piece(&mut kit, 1, 2, 0, &chunks[0]);
    piece(&mut kit, 0, 2, 2, &chunks[2]);
    piece(&mut kit, 0, 2, 1, &chunks[1]);
    let edge = |parts| Edge { next: GopId(FIRST + 2), parts };
    assert_eq!(handed_out(&mut kit, &v.name), (vec!["2.0".into(), "2.1".into()], vec![edge(1), edge(2)]));
    // It breaks off. The other pipeline's is the same, and goes on where that one stopped.
    kit.desk.broken_off(0, &v.name, GopId(FIRST + 2));
    piece(&mut kit, 0, 2, 2, &chunks[2]);
    assert_eq!(kit.push(1, &v.name, FIRST + 2, whole(v, 2), end(FIRST + 2)).ok(), Some(Fate::Published));
    let (said, edges) = handed_out(&mut kit, &v.name);
    assert_eq!((said, edges.last().map(|e| (e.next.0 - FIRST, e.parts))), (vec!["2.2".into(), "2.3".into(), "2".into()], Some((3, 0))));
    // The other pipeline's is another one: what is out cannot be completed.
    piece(&mut kit, 0, 3, 0, &super::relay::chunks(&whole(v, 3))[0]);
    kit.desk.broken_off(0, &v.name, GopId(FIRST + 3));
    let mut other = plain(v, GopId(FIRST + 3));
    other[1].data.push(9);
    other[1].data[3] += 1;
    let marks = Marks { class: "class".into(), damaged: 1, ..Marks::default() };
    let other = mux::segment(v, GopId(FIRST + 3), &other, &marks, false, CHUNKS).expect("is sound");
    assert_eq!(kit.push(1, &v.name, FIRST + 3, other.into(), end(FIRST + 3)).ok(), Some(Fate::Late));
    assert_eq!(handed_out(&mut kit, &v.name).0, ["3.0", "!3"]);
    assert!(kit.text(&format!("{}/media.m3u8", v.name)).ends_with(&format!("#EXT-X-GAP\n#EXTINF:2.002,\n{}.m4s\n", FIRST + 3)));
    assert_eq!((kit.desk.tracks[0].counts.gaps, kit.desk.tracks[0].counts.aborted), (1, 1));
    // A chunk that cannot be decoded is not handed out.
    piece(&mut kit, 0, 4, 0, &Bytes::from_static(b"noise"));
    assert_eq!(handed_out(&mut kit, &v.name).0, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Two pipelines that lose, hurt, delay and repeat what they like: every number is decided once, what is listed is there or a gap, nothing is taken back.
    #[test]
    fn whatever_comes_the_list_holds(pushes in proptest::collection::vec((0usize..2, 0i64..12, 0u32..4, 0i64..30), 1..60)) {
        let v = ladder().remove(2);
        let mut kit = Kit::of(std::slice::from_ref(&v));
        let mut events: Vec<(Seconds, usize, i64, u32)> = pushes.iter().map(|(p, n, kind, late)| (end(FIRST + n) + Seconds::new((*late).into(), 5), *p, FIRST + n, *kind)).collect();
        events.sort();
        let (mut gaps, mut sequence) = (Vec::<String>::new(), 0);
        for (now, pipeline, number, kind) in events {
            let bytes = match kind {
                0 => clean(&v, number),
                1 => segment(&v, number, &Marks { fillers: 5, ..Marks::default() }, false),
                2 => segment(&v, number, &Marks { damaged: 1 + pipeline as u32, ..Marks::default() }, false),
                _ => Bytes::from_static(b"noise"),
            };
            let fate = kit.push(pipeline, &v.name, number, bytes, now);
            prop_assert_eq!(fate.is_err(), kind == 3 && !matches!(fate, Ok(Fate::Late)), "{:?}", fate);
            let next = kit.advance(now);
            prop_assert!(next.is_none_or(|next| next > now), "{next:?} at {now}");
            let text = kit.text(&format!("{}/media.m3u8", v.name));
            let lines: Vec<&str> = text.lines().collect();
            for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.ends_with(".m4s")) {
                let gap = lines[i - 2] == "#EXT-X-GAP";
                let there = kit.files.contains_key(&format!("{}/{line}", v.name));
                prop_assert!(gap != there, "{line} is listed, gap {gap}, there {there}");
                prop_assert!(gap || !gaps.iter().any(|g| g == line), "{line} was a gap");
                gaps.extend(gap.then(|| (*line).to_owned()));
            }
            let listed: Vec<i64> = lines.iter().filter_map(|l| l.strip_suffix(".m4s")?.parse().ok()).collect();
            prop_assert!(listed.windows(2).all(|w| w[1] == w[0] + 1), "{listed:?}");
            prop_assert!(listed.first().is_none_or(|first| *first >= sequence));
            sequence = listed.first().copied().unwrap_or(sequence);
        }
    }
}
