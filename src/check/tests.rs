//! Good trees are clean; every fault is found, on its line, at its place.

use super::report::{Report, Severity};
use super::test_kit::*;
use super::*;
use crate::frame::End;
use crate::job::Window;

fn assert_clean(report: &Report) {
    assert!(report.clean, "{report}");
    assert_eq!(report.errors(), 0);
}

#[test]
fn an_ended_tree_is_clean_and_every_line_was_looked_at() {
    let report = report(&good(&Recipe::default()));
    assert_clean(&report);
    for line in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 21, 22, 23, 24] {
        assert!(report.lines.iter().any(|l| l.line == line && l.checked > 0), "line {line} was not looked at\n{report}");
    }
    for line in [11, 18, 19, 25] {
        assert!(report.lines.iter().any(|l| l.line == line && l.not_applicable.is_some()), "line {line}\n{report}");
    }
    let track = &report.tracks[1];
    assert_eq!((track.name.as_str(), track.shape.as_str(), track.rate.as_str()), ("avc-180p", "320x180", "25 fps"));
    // 190 pictures in slots of 50: three whole ones and 40.
    assert_eq!((track.first, track.last, track.segments, track.duration.as_str()), (Some(FIRST), Some(FIRST + 3), 4, "7.6"));
    assert_eq!((report.classes.as_slice(), report.slot.as_deref()), (&["0123abcd".to_owned()][..], Some("2 s")));
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("is JSON");
    assert_eq!(json["clean"], true);
    assert_eq!(json["tracks"][1]["last"], FIRST + 3);
}

#[test]
fn live_gapped_chunked_and_fractional_trees_are_clean() {
    let live = Recipe { end: End::Leaving, window: Window::Last(Seconds::whole(4)), ..Recipe::default() };
    assert_clean(&report(&good(&live)));
    let gap = report(&good(&Recipe { skipped: vec![FIRST + 1], ..Recipe::default() }));
    assert_clean(&gap);
    assert!(gap.tracks.iter().all(|t| t.holes == [(FIRST + 1, FIRST + 1)] && t.missing == 1), "{gap}");
    assert!(gap.lines.iter().any(|l| l.line == 20 && l.checked > 0), "{gap}");
    let chunked = report(&fractional(&Recipe { chunk: Some(15), ..Recipe::default() }));
    assert_clean(&chunked);
    assert_eq!(chunked.slot.as_deref(), Some("1001/500 s"));
    assert_eq!(chunked.tracks[1].rate, "30000/1001 fps");
}

#[test]
fn the_path_of_main_m3u8_will_do() {
    let dir = write(&good(&Recipe::default()));
    assert_clean(&checked(&dir.path().join("main.m3u8")));
}

/// A fault, the line it breaks, and words of the finding.
type Fault = (fn(&mut Files), u8, &'static str);

fn segment(n: i64) -> String {
    format!("avc-180p/{}.m4s", FIRST + n)
}

const MEDIA: &str = "avc-180p/media.m3u8";

const FAULTS: &[Fault] = &[
    (|f| drop(f.remove(&segment(1))), 14, "the file of this segment is absent"),
    (|f| drop(f.remove("aac-2/init.mp4")), 17, "no such file"),
    (|f| drop(f.remove("main.m3u8")), 12, "no such file"),
    (|f| drop(f.remove("manifest.mpd")), 21, "no such file"),
    (|f| drop(f.insert("main.m3u8".into(), vec![0xff; 64])), 12, "not UTF-8"),
    (|f| drop(f.insert("manifest.mpd".into(), b"<MPD".to_vec())), 21, "cannot be read"),
    (|f| drop(f.insert(segment(1), f[&segment(0)].clone())), 2, "tfdt is"),
    (|f| f.get_mut(&segment(1)).expect("there").truncate(5000), 3, "boxes cannot be read"),
    (|f| drop(f.insert(segment(1), vec![7; 1000])), 3, "boxes cannot be read"),
    (|f| drop(f.insert("avc-180p/init.mp4".into(), vec![7; 1000])), 8, "boxes cannot be read"),
    // Slice data.
    (|f| patch(f, &segment(1), b"mdat", 900, &[0xa5; 400]), 1, "decode"),
    // The type of the first NAL unit that is not an SEI would do as well; mdat starts with the length of the first.
    (|f| patch(f, &segment(1), b"mdat", 8, &[0x7f, 0xff, 0xff, 0xff]), 1, "NAL unit of"),
    (|f| patch(f, &segment(1), b"mfhd", 12, &[0, 0, 0, 9]), 2, "mfhd is 9"),
    (|f| patch(f, &segment(1), b"tfdt", 12, &[0, 0x40, 0, 0, 0, 0, 0, 0]), 2, "2^53"),
    (|f| patch(f, &segment(1), b"trun", 16, &[0, 0, 0, 9]), 3, "data offset"),
    (|f| patch(f, &segment(1), b"trun", 8, &[0]), 4, "version 0"),
    (|f| patch(f, &segment(1), b"styp", 8, b"xxxx\0\0\0\0xxxxxxxxxxxx"), 7, "brands"),
    (|f| patch(f, "avc-180p/init.mp4", b"ftyp", 8, b"xxxx\0\0\0\0xxxxxxxxxxxx"), 7, "brands"),
    // btrt: buffer, maximum, average.
    (|f| patch(f, "avc-180p/init.mp4", b"btrt", 12, &[0, 0, 0x40, 0, 0, 0, 0x40, 0]), 15, "its bit rate is"),
    (|f| patch(f, "avc-180p/init.mp4", b"btrt", 12, &[0, 0, 0x40, 0, 0, 0, 0x40, 0]), 15, "leaky bucket"),
    (|f| patch(f, "avc-180p/init.mp4", b"colr", 4, b"free"), 8, "colr"),
    (|f| patch(f, "avc-180p/init.mp4", b"mdhd", 28, &[0, 0, 0x60, 0]), 2, "tfdt is"),
    (|f| patch(f, "aac-2/init.mp4", b"mdhd", 28, &[0, 0, 0x60, 0]), 6, "timescale"),
    (|f| edit(f, MEDIA, "#EXTM3U", "#EXTM3"), 12, "first line"),
    (|f| edit(f, MEDIA, "#EXT-X-VERSION:8\n", ""), 12, "EXT-X-VERSION is missing"),
    (|f| edit(f, MEDIA, "#EXT-X-MAP:URI=\"init.mp4\"\n", ""), 12, "EXT-X-MAP is absent"),
    (|f| edit(f, MEDIA, ":22.000Z", ":22.100Z"), 12, "EXT-X-PROGRAM-DATE-TIME is"),
    (|f| edit(f, MEDIA, "-MEDIA-SEQUENCE:892000000", "-MEDIA-SEQUENCE:7"), 13, "the segment is 892000000.m4s"),
    (|f| edit(f, MEDIA, "892000001.m4s", "../../../etc/passwd"), 13, "the segment is ../../../etc/passwd"),
    (|f| edit(f, MEDIA, "#EXTINF:2.000", "#EXTINF:2.010"), 14, "EXTINF is 2.01"),
    (|f| edit(f, MEDIA, "#EXTINF:2.000", "#EXTINF:2.010"), 13, "as in"),
    (|f| edit(f, MEDIA, "TARGETDURATION:2", "TARGETDURATION:1"), 14, "target duration"),
    (|f| edit(f, MEDIA, "#EXTINF:2.000", "#EXT-X-DISCONTINUITY\n#EXTINF:2.000"), 17, "discontinuity"),
    (|f| edit(f, MEDIA, "#EXTINF:2.000", "#EXT-X-MAP:URI=\"b.mp4\"\n#EXTINF:2.000"), 17, "number of EXT-X-MAP is 2"),
    (|f| edit(f, MEDIA, "#EXT-X-ENDLIST\n", ""), 13, "EXT-X-ENDLIST"),
    (|f| edit(f, MEDIA, "#EXT-X-ENDLIST\n", ""), 7, "the brand lmsg is there"),
    (|f| edit(f, "main.m3u8", "avc1.64000d", "avc1.640028"), 15, "CODECS is"),
    (|f| edit(f, "main.m3u8", "RESOLUTION=320x180", "RESOLUTION=320x240"), 15, "RESOLUTION is 320x240"),
    (|f| edit(f, "main.m3u8", "FRAME-RATE=25.000", "FRAME-RATE=30.000"), 15, "FRAME-RATE is 30.000"),
    (|f| edit(f, "main.m3u8", ",VIDEO-RANGE=SDR", ""), 15, "VIDEO-RANGE is missing"),
    (|f| edit(f, "main.m3u8", ":BANDWIDTH=", ":BANDWIDTH=100,X="), 15, "BANDWIDTH is 100"),
    (|f| edit(f, "main.m3u8", ",AVERAGE-BANDWIDTH=", ",X="), 15, "AVERAGE-BANDWIDTH is missing"),
    (|f| edit(f, "main.m3u8", ",AUDIO=\"aac-2\"", ""), 15, "AUDIO is missing"),
    (|f| edit(f, "main.m3u8", "CHANNELS=\"2\"", "CHANNELS=\"6\""), 15, "CHANNELS is 6"),
    (|f| edit(f, "main.m3u8", "avc-90p/media.m3u8", "avc-91p/media.m3u8"), 15, "the track of \"avc-91p/media.m3u8\" is missing"),
    (|f| edit(f, "manifest.mpd", "startNumber=\"0\"", "startNumber=\"1\""), 21, "startNumber is 1"),
    (|f| edit(f, "manifest.mpd", "availabilityStartTime=\"1970", "availabilityStartTime=\"1971"), 21, "availabilityStartTime is 1971"),
    (|f| edit(f, "manifest.mpd", "$Number$", "$Time$"), 21, "SegmentTemplate@media is"),
    (|f| edit(f, "manifest.mpd", "duration=\"50000\"", "duration=\"50001\""), 2, "tfdt is"),
    (|f| edit(f, "manifest.mpd", "duration=\"96000\"", "duration=\"96001\""), 22, "duration is 96001/48000"),
    (|f| edit(f, "manifest.mpd", "timeShiftBufferDepth", "x"), 21, "timeShiftBufferDepth is missing"),
    (|f| edit(f, "manifest.mpd", "minimumUpdatePeriod", "x"), 21, "minimumUpdatePeriod is missing"),
    (|f| edit(f, "manifest.mpd", "mediaPresentationDuration", "x"), 21, "mediaPresentationDuration is absent"),
    (|f| edit(f, "manifest.mpd", "frameRate=\"25\"", "frameRate=\"24\""), 24, "@frameRate is 24"),
    (|f| edit(f, "manifest.mpd", "sar=\"1:1\"", "sar=\"4:3\""), 24, "@sar is 4:3"),
    (|f| edit(f, "manifest.mpd", "codecs=\"avc1.64000d\"", "codecs=\"avc1.640028\""), 24, "@codecs is avc1.640028"),
    (|f| edit(f, "manifest.mpd", "cicp:ColourPrimaries\" value=\"1\"", "cicp:ColourPrimaries\" value=\"9\""), 24, "ColourPrimaries is 9"),
    (|f| edit(f, "manifest.mpd", "ChannelConfiguration\" value=\"2\"", "ChannelConfiguration\" value=\"6\""), 24, "AudioChannelConfiguration is 6"),
];

#[test]
fn every_fault_is_found_on_its_line() {
    let clean = good(&Recipe::default());
    let mut missed = Vec::new();
    for (i, (fault, line, words)) in FAULTS.iter().enumerate() {
        let mut files = clean.clone();
        fault(&mut files);
        let report = report(&files);
        let found = report.findings.iter().any(|f| f.line == *line && f.severity == Severity::Error && f.text.contains(words));
        if !found || report.clean {
            missed.push(format!("fault {i} (line {line}, \"{words}\"):\n{}", report.findings.iter().map(|f| format!("  {f}\n")).collect::<String>()));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_hole_without_a_gap_tag_is_found() {
    let mut files = good(&Recipe { skipped: vec![FIRST + 1], ..Recipe::default() });
    edit(&mut files, MEDIA, "#EXT-X-GAP\n", "");
    let report = report(&files);
    assert!(report.findings.iter().any(|f| f.line == 20 && f.severity == Severity::Error && f.text.contains("is 0; 1 is required")), "{report}");
}

#[test]
fn interlaced_parameter_sets_are_found() {
    // An SPS of 1920x1080 interlaced High profile, from libx264 with `interlaced=1`; progressive ones differ in one bit.
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("i.mp4");
    #[rustfmt::skip]
    crate::mux::test_kit::ffmpeg(&["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x192:rate=25", "-frames:v", "2", "-c:v", "libx264",
        "-flags", "+ildct+ilme", "-x264-params", "tff=1", "-pix_fmt", "yuv420p", path.to_str().expect("UTF-8")]);
    let clip = crate::mux::test_kit::demux(&path, ffmpeg_next::media::Type::Video);
    let rendition = crate::mux::test_kit::rendition("v", 320, 192, 1_000_000, crate::mux::test_kit::grid(25, 1, 50));
    let bytes = crate::mux::init(&crate::mux::test_kit::video(0, rendition, clip.config), "c").expect("muxes");
    let init = crate::inspect::init(&bytes).expect("reads");
    let mut ledger = Ledger::default();
    entry::check(&Track { name: "v".into(), init_bytes: bytes, init, decodable: true }, &mut ledger);
    let (_, findings) = ledger.finish();
    assert!(findings.iter().any(|f| f.line == 16 && f.text.contains("frame_mbs_only_flag is 0")), "{findings:?}");
}
