//! The thread: messages in, everything that was published out.

use super::test_kit::{ASC, audio, avcc, grid, plain, rendition, video};
use super::*;
use crate::encode::{Packet, Stats, Why};
use crate::frame::End;
use crate::time::Grid;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// Everything published.
pub struct Out {
    /// In order.
    pub items: Vec<Publish>,
    /// What is there at the end.
    pub files: BTreeMap<String, Vec<u8>>,
    counts: Arc<Counts>,
}

impl Out {
    pub fn text(&self, path: &str) -> String {
        String::from_utf8(self.files.get(path).cloned().unwrap_or_default()).expect("text")
    }

    pub fn counts<const N: usize>(&self, names: &str) -> [u64; N] {
        let c = &self.counts;
        let all = [
            ("findings", &c.findings),
            ("undecodable", &c.undecodable),
            ("gaps", &c.gaps),
            ("over_cap", &c.over_cap),
            ("stale", &c.stale),
            ("segments", &c.segments),
        ];
        let counts: Vec<u64> = names.split(' ').map(|n| all.iter().find(|(name, _)| *name == n).expect("a count").1.load(Relaxed)).collect();
        counts.try_into().expect("as many as asked for")
    }

    /// Numbers of the segments of `track`, in publishing order.
    fn segments(&self, name: &str) -> Vec<i64> {
        self.items.iter().filter_map(|i| if let Publish::Segment { track, number, .. } = i { (track == name).then_some(number.0) } else { None }).collect()
    }

    /// Paths in publishing order, runs of one path once.
    fn paths(&self) -> Vec<String> {
        let path = |i: &Publish| match i {
            Publish::Init { path, .. } | Publish::Segment { path, .. } | Publish::Text { path, .. } => path.clone(),
            Publish::Chunk { path, index, .. } => format!("{path}#{index}"),
            Publish::Abort { path, .. } => format!("!{path}"),
            Publish::Remove { path } => format!("-{path}"),
        };
        self.items.iter().map(path).collect()
    }
}

pub fn settings() -> Settings {
    Settings {
        schedule: Arc::default(),
        class: "0123abcd".into(),
        publish_delay: Seconds::whole(3),
        window: Window::Whole,
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
    }
}

pub fn outcome(tracks: Vec<TrackSpec>, settings: Settings, input: Vec<ToMux>) -> (Result<(), MuxError>, Out) {
    let counts = settings.counts.clone();
    let (to_mux, rx) = crossbeam::channel::bounded(4);
    let (tx, published) = crossbeam::channel::bounded(4);
    let mux = std::thread::spawn(move || run(tracks, settings, rx, tx));
    let feed = std::thread::spawn(move || input.into_iter().for_each(|m| drop(to_mux.send(m))));
    let items: Vec<Publish> = published.iter().collect();
    feed.join().expect("feeds");
    let result = mux.join().expect("does not panic");
    let mut files = BTreeMap::new();
    for item in &items {
        match item {
            Publish::Init { path, bytes } | Publish::Segment { path, bytes, .. } | Publish::Text { path, bytes, .. } => {
                drop(files.insert(path.clone(), bytes.to_vec()))
            }
            Publish::Chunk { .. } | Publish::Abort { .. } => {}
            Publish::Remove { path } => assert!(files.remove(path).is_some(), "{path} is removed, but was never there"),
        }
    }
    (result, Out { items, files, counts })
}

pub fn publish(tracks: Vec<TrackSpec>, settings: Settings, input: Vec<ToMux>) -> Result<Out, MuxError> {
    let (result, out) = outcome(tracks, settings, input);
    result.map(|()| out)
}

fn two_seconds() -> Grid {
    grid(25, 1, 50)
}

fn tracks() -> Vec<TrackSpec> {
    let grid = two_seconds();
    vec![video(0, rendition("v", 640, 360, 2_000_000, grid), avcc()), audio(1, "a", 128_000, grid, "eng", ASC.to_vec())]
}

fn packets(track: &TrackSpec, gop: i64, attempt: u32) -> Vec<ToMux> {
    plain(track, GopId(gop)).into_iter().map(|packet| ToMux::Packet { track: track.id, gop: GopId(gop), attempt, packet }).collect()
}

fn done(track: &TrackSpec, gop: i64) -> ToMux {
    ToMux::Done { track: track.id, gop: GopId(gop), attempt: 0, stats: Stats { units: track.units(GopId(gop)), ..Stats::default() } }
}

fn whole(track: &TrackSpec, gop: i64) -> Vec<ToMux> {
    [packets(track, gop, 0), vec![done(track, gop)]].concat()
}

fn end(track: &TrackSpec, end: End) -> ToMux {
    ToMux::End { track: track.id, end }
}

fn numbers(playlist: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut gap = false;
    for line in playlist.lines() {
        gap |= line == "#EXT-X-GAP";
        if !line.starts_with('#') {
            out.push(format!("{}{}", line.trim_end_matches(".m4s"), if std::mem::take(&mut gap) { " gap" } else { "" }));
        }
    }
    out
}

#[test]
fn everything_in_its_order() {
    let t = tracks();
    let input = [whole(&t[0], 10), whole(&t[1], 10), whole(&t[0], 11), whole(&t[1], 11), vec![end(&t[0], End::Ended), end(&t[1], End::Ended)]].concat();
    let out = publish(tracks(), settings(), input).expect("muxes");
    assert_eq!(
        out.paths(),
        [
            "v/init.mp4",
            "a/init.mp4",
            "v/10.m4s",
            "v/iframes.m3u8",
            "v/media.m3u8",
            "a/10.m4s",
            "a/media.m3u8",
            "main.m3u8",
            "manifest.mpd",
            "v/11.m4s",
            "v/iframes.m3u8",
            "v/media.m3u8",
            "a/11.m4s",
            "a/media.m3u8",
            "manifest.mpd",
            "v/iframes.m3u8",
            "v/media.m3u8",
            "a/media.m3u8",
            "manifest.mpd"
        ]
    );
    assert!(out.text("v/media.m3u8").ends_with("11.m4s\n#EXT-X-ENDLIST\n") && out.text("a/media.m3u8").ends_with("#EXT-X-ENDLIST\n"));
    assert_eq!(out.counts("findings undecodable gaps over_cap stale segments"), [0, 0, 0, 0, 0, 4]);
}

#[test]
fn leaving_writes_no_end_mark() {
    let t = tracks();
    let input = [whole(&t[0], 10), whole(&t[1], 10), packets(&t[0], 11, 0), vec![end(&t[0], End::Leaving), end(&t[1], End::Leaving)]].concat();
    let out = publish(tracks(), settings(), input).expect("muxes");
    assert_eq!((out.segments("v"), out.segments("a")), (vec![10], vec![10]));
    assert!(!out.items.iter().any(|i| matches!(i, Publish::Text { bytes, .. } if bytes.windows(7).any(|w| w == b"ENDLIST"))));
    assert!(!out.text("manifest.mpd").contains("mediaPresentationDuration"));
}

#[test]
fn a_queue_that_closes_is_a_failure() {
    let t = tracks();
    let (result, out) = outcome(tracks(), settings(), [whole(&t[0], 10), packets(&t[0], 11, 0), vec![end(&t[1], End::Ended)]].concat());
    assert_eq!(result.expect_err("broke").to_string(), "the encoders went away before the end of track v");
    assert_eq!(out.segments("v"), [10]);
    assert!(!out.text("v/media.m3u8").contains("ENDLIST"));
}

/// GOP 11 is done before 10 (two lanes): it waits.
#[test]
fn numbers_rise_whatever_the_lanes_do() {
    let t = tracks();
    let (late, early) = (packets(&t[0], 10, 0), whole(&t[0], 11));
    let input =
        [late[..20].to_vec(), early, late[20..].to_vec(), vec![done(&t[0], 10)], whole(&t[0], 12), vec![end(&t[0], End::Leaving), end(&t[1], End::Leaving)]]
            .concat();
    assert_eq!(publish(tracks(), settings(), input).expect("muxes").segments("v"), [10, 11, 12]);
}

#[test]
fn a_later_attempt_replaces_the_one_before() {
    let t = tracks();
    let mut second = packets(&t[0], 10, 1);
    if let ToMux::Packet { packet, .. } = &mut second[5] {
        packet.data.extend([0, 0, 0, 1, 0x41]);
    }
    let void = ToMux::Void { track: t[0].id, gop: GopId(10), attempt: 0 };
    let stats = Stats { units: 50, repeats: 7, ..Stats::default() };
    let verdict = ToMux::Done { track: t[0].id, gop: GopId(10), attempt: 1, stats };
    // The first attempt broke off; one straggler of it comes late.
    let straggler = packets(&t[0], 10, 0).remove(9);
    let first = packets(&t[0], 10, 0)[..9].to_vec();
    let input = [first, vec![void], second, vec![straggler, verdict, end(&t[0], End::Leaving), end(&t[1], End::Leaving)]].concat();
    let out = publish(tracks(), settings(), input).expect("muxes");
    let facts = crate::inspect::segment(&out.files["v/10.m4s"], None).expect("reads");
    assert_eq!((facts.samples().count(), facts.samples().nth(5).map(|s| s.size), facts.marks.as_ref().map(|m| m.repeats)), (50, Some(49), Some(7)));
    assert_eq!(out.counts("stale findings"), [1, 0]);
}

/// Skipped, failed, broken, and never heard of: a gap each, in place, and the same number goes on.
#[test]
fn what_never_comes_is_a_gap() {
    let t = tracks();
    let skip = |gop: i64, why: Why| ToMux::Skipped { track: t[0].id, gop: GopId(gop), why };
    let broken = packets(&t[0], 13, 0).split_off(1);
    let input = [
        vec![skip(9, Why::Late)],
        whole(&t[0], 10),
        packets(&t[0], 11, 0)[..3].to_vec(),
        vec![skip(11, Why::Failed)],
        whole(&t[0], 12),
        broken,
        vec![done(&t[0], 13)],
        whole(&t[0], 14),
        // 15 and 16: nothing. Two lanes may overtake each other, so four more are waited for, or the end.
        whole(&t[0], 17),
        vec![end(&t[0], End::Ended), end(&t[1], End::Ended)],
    ]
    .concat();
    let out = publish(tracks(), settings(), input).expect("muxes");
    assert_eq!(out.segments("v"), [10, 12, 14, 17]);
    assert_eq!(numbers(&out.text("v/media.m3u8")), ["10", "11 gap", "12", "13 gap", "14", "15 gap", "16 gap", "17"]);
    assert_eq!(out.counts("gaps undecodable findings"), [4, 1, 0]);
}

#[test]
fn a_lost_number_is_not_waited_for_without_end() {
    let t = tracks();
    let many: Vec<ToMux> = (12..40).flat_map(|k| whole(&t[0], k)).collect();
    // 11 was begun and never finished; its lane may have died.
    let (result, out) = outcome(tracks(), settings(), [whole(&t[0], 10), packets(&t[0], 11, 0), many].concat());
    assert!(result.is_err());
    assert_eq!(out.segments("v"), [&[10][..], &(12..40).collect::<Vec<_>>()].concat());
    // Nothing at all of 11: five later ones settle it (two lanes).
    let many: Vec<ToMux> = (12..17).flat_map(|k| whole(&t[0], k)).collect();
    assert_eq!(outcome(tracks(), settings(), [whole(&t[0], 10), many].concat()).1.segments("v"), [10, 12, 13, 14, 15, 16]);
    // Where the feed is known to have nothing of it, nothing is waited for but what is before it.
    let absent = |from: i64, to: i64| ToMux::Absent { track: t[0].id, from: GopId(from), to: GopId(to) };
    let input = [whole(&t[0], 10), vec![absent(11, 500)], whole(&t[0], 500)].concat();
    assert_eq!(outcome(tracks(), settings(), input).1.segments("v"), [10, 500]);
    let input = [whole(&t[0], 9), vec![absent(11, 500)], whole(&t[0], 500)].concat();
    assert_eq!(outcome(tracks(), settings(), input).1.segments("v"), [9]);
    // One lane works in order.
    let input = [whole(&t[1], 10), whole(&t[1], 12)].concat();
    assert_eq!(outcome(tracks(), settings(), input).1.segments("a"), [10, 12]);
}

#[test]
fn the_first_segment_is_the_first_whichever_lane_is_done_first() {
    let t = tracks();
    let first = |gop: i64| vec![ToMux::First { track: t[0].id, gop: GopId(gop) }];
    let ends = vec![end(&t[0], End::Leaving), end(&t[1], End::Leaving)];
    // Its lane opens a slow device, say: another has a whole GOP before the first packet of this one.
    let input = [first(10), whole(&t[0], 11), whole(&t[0], 10), ends.clone()].concat();
    assert_eq!(outcome(tracks(), settings(), input).1.segments("v"), [10, 11]);
    // It is not waited for without end, and what is stored already is not made again.
    let many: Vec<ToMux> = (11..16).flat_map(|k| whole(&t[0], k)).collect();
    assert_eq!(outcome(tracks(), settings(), [first(10), many].concat()).1.segments("v"), [11, 12, 13, 14, 15]);
    let input = [first(10), whole(&t[0], 12), whole(&t[0], 11), whole(&t[0], 10), ends].concat();
    let stored = vec![("v".to_owned(), vec![GopId(9), GopId(10)])];
    assert_eq!(outcome(tracks(), Settings { stored, ..settings() }, input).1.segments("v"), [11, 12]);
}

#[test]
fn a_window_slides_and_what_left_it_is_removed_later() {
    let t = tracks();
    let input =
        [(10..30).flat_map(|k| [whole(&t[0], k), whole(&t[1], k)].concat()).collect(), vec![end(&t[0], End::Leaving), end(&t[1], End::Leaving)]].concat();
    let out = publish(tracks(), Settings { window: Window::Last(Seconds::whole(7)), ..settings() }, input).expect("muxes");
    let playlist = out.text("v/media.m3u8");
    assert_eq!(numbers(&playlist), ["26", "27", "28", "29"]);
    assert!(playlist.contains("#EXT-X-MEDIA-SEQUENCE:26\n") && !playlist.contains("EVENT"));
    // Stored for one window and one segment more.
    let stored: Vec<&String> = out.files.keys().filter(|p| p.starts_with("v/") && p.ends_with(".m4s")).collect();
    assert_eq!(stored, ["v/21.m4s", "v/22.m4s", "v/23.m4s", "v/24.m4s", "v/25.m4s", "v/26.m4s", "v/27.m4s", "v/28.m4s", "v/29.m4s"]);
    assert!(out.text("manifest.mpd").contains("timeShiftBufferDepth=\"PT8S\""));
}

#[test]
fn a_restart_goes_on_from_what_is_stored() {
    let t = tracks();
    let stored = vec![
        ("v".to_owned(), vec![GopId(10), GopId(11), GopId(13)]),
        ("a".to_owned(), vec![GopId(12), GopId(10), GopId(11)]),
        ("gone".to_owned(), vec![GopId(1)]),
    ];
    let input = [whole(&t[0], 13), whole(&t[0], 16), whole(&t[1], 16), vec![end(&t[0], End::Leaving), end(&t[1], End::Leaving)]].concat();
    let out = publish(tracks(), Settings { stored, ..settings() }, input).expect("muxes");
    assert_eq!((out.segments("v"), out.segments("a")), (vec![16], vec![16]));
    assert_eq!(numbers(&out.text("v/media.m3u8")), ["10", "11", "12 gap", "13", "14 gap", "15 gap", "16"]);
    assert_eq!(numbers(&out.text("a/media.m3u8")), ["10", "11", "12", "13 gap", "14 gap", "15 gap", "16"]);
    // What was there before is listed before anything new comes.
    assert_eq!(out.paths()[..7], ["v/init.mp4", "a/init.mp4", "v/iframes.m3u8", "v/media.m3u8", "a/media.m3u8", "main.m3u8", "manifest.mpd"]);
}

#[test]
fn all_tracks_start_at_the_same_number() {
    let t = tracks();
    let input = [whole(&t[0], 10), whole(&t[0], 11), whole(&t[1], 11), vec![end(&t[0], End::Leaving), end(&t[1], End::Leaving)]].concat();
    let out = publish(tracks(), Settings { not_before: Some(GopId(11)), ..settings() }, input).expect("muxes");
    assert_eq!((out.segments("v"), out.segments("a")), (vec![11], vec![11]));
}

/// A number from nowhere neither hangs nor fills the memory.
#[test]
fn numbers_from_nowhere() {
    for window in [Window::Whole, Window::Last(Seconds::whole(20))] {
        let t = tracks();
        let jump = 850_000_000;
        let wild = |gop: i64| ToMux::Skipped { track: t[1].id, gop: GopId(gop), why: Why::Late };
        let packet = Packet { time: 0, idr: true, data: vec![1] };
        let stray = ToMux::Packet { track: t[1].id, gop: GopId(i64::MIN), attempt: 0, packet };
        let input = [whole(&t[1], 1), whole(&t[1], jump), vec![stray, wild(i64::MAX - 1), end(&t[1], End::Leaving), end(&t[0], End::Leaving)]].concat();
        let out = publish(tracks(), Settings { window, ..settings() }, input).expect("muxes");
        assert_eq!(out.segments("a"), [1, jump]);
        let listed = numbers(&out.text("a/media.m3u8"));
        assert_eq!(listed.last(), Some(&jump.to_string()));
        assert!(listed.len() <= 10, "{}", listed.len());
    }
}

#[test]
fn tracks_that_do_not_belong_together_are_refused() {
    let mut other = tracks();
    other[1] = audio(1, "a", 128_000, grid(30, 1, 60), "eng", ASC.to_vec());
    let mut twice = tracks();
    twice[1].name = "v".into();
    for tracks in [vec![], other, twice] {
        let (result, out) = outcome(tracks, settings(), vec![]);
        assert!(matches!(result, Err(MuxError::Tracks(_))));
        assert_eq!(out.items.len(), 0);
    }
}

/// Two workers, each of which makes every other number of the pictures, one of them the sound: both say of the event what one says that makes everything, and list nothing.
#[test]
fn shards_say_the_same_of_what_all_tracks_share_and_list_no_segments() {
    let t = tracks();
    let window = || Settings { window: Window::Last(Seconds::whole(7)), ..settings() };
    let elsewhere = |track: &TrackSpec, gop: i64| {
        let why = Why::OtherShard { units: track.units(GopId(gop)) };
        vec![ToMux::Skipped { track: track.id, gop: GopId(gop), why }]
    };
    let ends = || vec![end(&t[0], End::Ended), end(&t[1], End::Ended)];
    let all: Vec<ToMux> = (10..30).flat_map(|k| [whole(&t[0], k), whole(&t[1], k)].concat()).chain(ends()).collect();
    let reference = publish(tracks(), window(), all).expect("muxes");
    for shard in 0..2u32 {
        let sound = if shard == 0 { Part::all() } else { Part::none() };
        let share = Share::with(&[("v", Part::dealt(2, &[shard])), ("a", sound)]);
        let mine = |k: i64| k % 2 == i64::from(shard);
        let picture = |k: i64| if mine(k) { whole(&t[0], k) } else { elsewhere(&t[0], k) };
        let sound = |k: i64| if shard == 0 { whole(&t[1], k) } else { elsewhere(&t[1], k) };
        let input = (10..30).flat_map(|k| [picture(k), sound(k)].concat()).chain(ends()).collect();
        let out = publish(tracks(), Settings { share: Some(share), ..window() }, input).expect("muxes");
        assert_eq!(out.segments("v"), (10..30).filter(|k| mine(*k)).collect::<Vec<_>>());
        assert_eq!(out.segments("a").len(), if shard == 0 { 20 } else { 0 });
        for shared in ["main.m3u8", "manifest.mpd"] {
            assert_eq!(out.text(shared), reference.text(shared), "{shared}");
        }
        for shared in ["v/init.mp4", "a/init.mp4"] {
            assert!(out.files[shared] == reference.files[shared], "{shared}");
        }
        // What is removed is its own: `publish` wants each to have been there.
        let own: Vec<&String> = out.files.keys().filter(|path| path.ends_with(".m4s")).collect();
        assert!(own.iter().all(|path| out.files[*path] == reference.files[*path]), "{own:?}");
        assert!(!out.files.keys().any(|path| path.ends_with("media.m3u8") || path.ends_with("iframes.m3u8")), "{:?}", out.files.keys());
        assert_eq!(out.counts("gaps findings stale"), [0, 0, 0]);
    }
}

/// Where one lane waits for the encoder, the numbers of other shards come in between: they are no sign that it was given up.
#[test]
fn many_numbers_of_other_shards_do_not_overtake_an_own_one() {
    let t = tracks();
    let share = Share::with(&[("v", Part::dealt(40, &[0])), ("a", Part::none())]);
    let skip = |gop: i64| ToMux::Skipped { track: t[0].id, gop: GopId(gop), why: Why::OtherShard { units: 50 } };
    // Two lanes: that of 40 is slow, 80 and what follows it come before it.
    let input = [
        whole(&t[0], 0),
        (1..40).map(skip).collect(),
        whole(&t[0], 80),
        (81..120).map(skip).collect(),
        whole(&t[0], 40),
        (41..80).map(skip).collect(),
        vec![end(&t[0], End::Ended), end(&t[1], End::Ended)],
    ]
    .concat();
    let out = publish(tracks(), Settings { share: Some(share), ..settings() }, input).expect("muxes");
    assert_eq!((out.segments("v"), out.counts("gaps stale")), (vec![0, 40, 80], [0, 0]));
}
