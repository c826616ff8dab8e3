use super::dash::{Extent, manifest};
use super::describe::Described;
use super::listing::{Entry, Listing};
use super::test_kit::{ASC, audio, avcc, grid, rendition, video};
use super::{TrackSpec, hls, init};
use crate::inspect;
use crate::job::Window;
use crate::time::{GopId, Grid, Seconds};
use proptest::prelude::*;

/// Due so soon that players may choose for themselves.
const HOLD: hls::Hold = hls::Hold { publish_delay: Seconds::TWO, window: Window::Whole };

fn ntsc() -> Grid {
    grid(30_000, 1001, 60)
}

fn described() -> Vec<Described> {
    let rungs = [("avc-1080p", 1920, 1080, 6_000_000), ("avc-720p", 1280, 720, 3_500_000), ("avc-360p", 640, 360, 730_000)];
    let mut specs: Vec<TrackSpec> = rungs.iter().enumerate().map(|(i, (name, w, h, cap))| video(i, rendition(name, *w, *h, *cap, ntsc()), avcc())).collect();
    specs.push(audio(3, "aac-64k", 64_000, ntsc(), "eng", ASC.to_vec()));
    specs.push(audio(4, "aac-128k", 128_000, ntsc(), "eng", ASC.to_vec()));
    specs.iter().map(|s| Described::new(s, &inspect::init(&init(s, "c").expect("is sound")).expect("is sound"), None)).collect()
}

fn entry(spec: &TrackSpec, gop: i64) -> Entry {
    let gop = GopId(gop);
    Entry { number: gop, start: spec.time(spec.first_unit(gop)), duration: spec.span(spec.units(gop)), gap: false }
}

fn listed(spec: &TrackSpec, window: Window, numbers: &[i64]) -> Listing {
    let mut listing = Listing::new(window, spec.grid().gop_duration());
    for number in numbers {
        let from = listing.last().map_or(*number, |l| l.0 + 1);
        listing.gap(GopId(from), GopId(*number), |gop| entry(spec, gop.0));
        listing.push(entry(spec, *number));
    }
    listing
}

#[test]
fn players_stay_behind_what_may_come_late() {
    let spec = video(0, rendition("avc-720p", 1280, 720, 3_500_000, ntsc()), avcc());
    let listing = listed(&spec, Window::Whole, &[7, 8]);
    let hold = |publish_delay, window| Some(hls::Hold { publish_delay: Seconds::whole(publish_delay), window });
    let control = |hold| {
        let text = hls::media(&spec, &listing, 2, hold, None, None);
        text.lines().find_map(|line| line.strip_prefix("#EXT-X-SERVER-CONTROL:")).map(str::to_owned)
    };
    assert_eq!(control(hold(6, Window::Whole)).as_deref(), Some("HOLD-BACK=10.000"));
    assert_eq!(control(hold(6, Window::Last(Seconds::whole(12)))).as_deref(), Some("HOLD-BACK=10.000"));
    assert_eq!(control(hold(6, Window::Last(Seconds::whole(11)))), None, "more than is listed");
    assert_eq!(control(hold(2, Window::Whole)), None, "what players choose is as much");
    assert_eq!(control(None), None, "it is over");
}

#[test]
fn media_playlist_of_a_window_with_a_gap() {
    let spec = video(0, rendition("avc-720p", 1280, 720, 3_500_000, ntsc()), avcc());
    let listing = listed(&spec, Window::Last(Seconds::whole(8)), &[850_000_000, 850_000_001, 850_000_002, 850_000_004]);
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:850000001
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2023-12-04T14:26:42.002Z
#EXTINF:2.002,
850000001.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-12-04T14:26:44.004Z
#EXTINF:2.002,
850000002.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-12-04T14:26:46.006Z
#EXT-X-GAP
#EXTINF:2.002,
850000003.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-12-04T14:26:48.008Z
#EXTINF:2.002,
850000004.m4s
";
    assert_eq!(hls::media(&spec, &listing, hls::target_duration(std::slice::from_ref(&spec)), Some(HOLD), None, None), expected);
}

#[test]
fn media_playlist_of_a_whole_event_that_is_over() {
    let spec = audio(0, "aac-128k", 128_000, ntsc(), "eng", ASC.to_vec());
    let mut listing = listed(&spec, Window::Whole, &[0, 1]);
    listing.push(Entry { duration: spec.span(3), ..entry(&spec, 2) });
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z
#EXTINF:2.005333333,
0.m4s
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:02.005Z
#EXTINF:2.005333333,
1.m4s
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:04.011Z
#EXTINF:0.064,
2.m4s
#EXT-X-ENDLIST
";
    assert_eq!(hls::media(&spec, &listing, hls::target_duration(std::slice::from_ref(&spec)), None, None, None), expected);
}

#[test]
fn multivariant_playlist() {
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac-128k\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"aac-128k/media.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac-64k\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"aac-64k/media.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=6746611,AVERAGE-BANDWIDTH=6133811,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1920x1080,FRAME-RATE=29.970,VIDEO-RANGE=SDR,AUDIO=\"aac-128k\"
avc-1080p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3996611,AVERAGE-BANDWIDTH=3633811,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,VIDEO-RANGE=SDR,AUDIO=\"aac-128k\"
avc-720p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=879211,AVERAGE-BANDWIDTH=799811,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970,VIDEO-RANGE=SDR,AUDIO=\"aac-64k\"
avc-360p/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=143506,AVERAGE-BANDWIDTH=130706,CODECS=\"mp4a.40.2\",AUDIO=\"aac-128k\"
aac-128k/media.m3u8
";
    assert_eq!(hls::main(&described()), expected);
    // No sound at all is legal.
    let silent: Vec<Described> = described().into_iter().filter(|d| d.audio().is_none()).skip(2).collect();
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=806105,AVERAGE-BANDWIDTH=733105,CODECS=\"avc1.64001f\",RESOLUTION=640x360,FRAME-RATE=29.970,VIDEO-RANGE=SDR
avc-360p/media.m3u8
";
    assert_eq!(hls::main(&silent), expected);
}

/// A constant rate is the average; the cap is still what no segment exceeds by more than a tenth.
#[test]
fn a_constant_rate_is_the_average() {
    let with = |bitrate: Option<u64>| {
        let of = crate::plan::Rendition { bitrate, ..rendition("v", 640, 360, 1_000_000, ntsc()) };
        let spec = video(0, of, avcc());
        let init = inspect::init(&init(&spec, "c").expect("is sound")).expect("is sound");
        let said = Described::new(&spec, &init, None);
        (said.peak, said.average, init.btrt)
    };
    let (capped, constant) = (with(None), with(Some(800_000)));
    assert_eq!((constant.0, constant.1), (capped.0, capped.1 - 200_000));
    assert_eq!((capped.2, constant.2), (Some((1_000_000, 1_100_000)), Some((800_000, 1_100_000))));
}

#[test]
fn manifest_of_a_live_event() {
    let extent = Extent { kept: GopId(849_999_990), first: GopId(850_000_000), last: GopId(850_000_029), ended: None };
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:03.500Z\" publishTime=\"2023-12-04T14:27:43.560Z\" minimumUpdatePeriod=\"PT2.002S\" minBufferTime=\"PT2.002S\" timeShiftBufferDepth=\"PT1M0.06S\" suggestedPresentationDelay=\"PT6.006S\" maxSegmentDuration=\"PT2.024S\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cenc=\"urn:mpeg:cenc:2013\" xmlns:mspr=\"urn:microsoft:playready\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" xmlns:dvb=\"urn:dvb:dash-extensions:2014-1\">
<ServiceDescription id=\"0\">
<Latency min=\"7504\" max=\"15512\" target=\"9506\" referenceId=\"0\"/>
</ServiceDescription>
<Period id=\"0\" start=\"PT0S\">
<AdaptationSet id=\"0\" contentType=\"video\" sar=\"1:1\" par=\"16:9\" segmentAlignment=\"true\" mimeType=\"video/mp4\" maxWidth=\"1920\" maxHeight=\"1080\" frameRate=\"30000/1001\" startWithSAP=\"1\">
<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:ColourPrimaries\" value=\"1\"/>
<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:TransferCharacteristics\" value=\"1\"/>
<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:MatrixCoefficients\" value=\"1\"/>
<Label>video</Label>
<ProducerReferenceTime id=\"0\" inband=\"true\" presentationTime=\"0\" type=\"captured\" wallClockTime=\"1970-01-01T00:00:00Z\">
<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"manifest.mpd\"/>
</ProducerReferenceTime>
<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>
<SegmentTemplate media=\"$RepresentationID$/$Number$.m4s\" initialization=\"$RepresentationID$/init.mp4\" startNumber=\"0\" duration=\"60060\" timescale=\"30000\"/>
<Representation id=\"avc-1080p\" bandwidth=\"6603105\" width=\"1920\" height=\"1080\" codecs=\"avc1.64001f\"/>
<Representation id=\"avc-720p\" bandwidth=\"3853105\" width=\"1280\" height=\"720\" codecs=\"avc1.64001f\"/>
<Representation id=\"avc-360p\" bandwidth=\"806105\" width=\"640\" height=\"360\" codecs=\"avc1.64001f\"/>
</AdaptationSet>
<AdaptationSet id=\"1\" contentType=\"audio\" lang=\"en\" segmentAlignment=\"true\" mimeType=\"audio/mp4\" startWithSAP=\"1\">
<AudioChannelConfiguration schemeIdUri=\"urn:mpeg:mpegB:cicp:ChannelConfiguration\" value=\"2\"/>
<Label>en</Label>
<ProducerReferenceTime id=\"1\" inband=\"true\" presentationTime=\"0\" type=\"captured\" wallClockTime=\"1970-01-01T00:00:00Z\">
<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"manifest.mpd\"/>
</ProducerReferenceTime>
<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>
<SegmentTemplate media=\"$RepresentationID$/$Number$.m4s\" initialization=\"$RepresentationID$/init.mp4\" startNumber=\"0\" duration=\"96096\" timescale=\"48000\"/>
<Representation id=\"aac-64k\" bandwidth=\"73106\" audioSamplingRate=\"48000\" codecs=\"mp4a.40.2\"/>
<Representation id=\"aac-128k\" bandwidth=\"143506\" audioSamplingRate=\"48000\" codecs=\"mp4a.40.2\"/>
</AdaptationSet>
</Period>
<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"manifest.mpd\"/>
</MPD>
";
    assert_eq!(manifest(&described(), ntsc(), Seconds::new(7, 2), extent, None), expected);
    // At the start of an event nothing is stored before the first, and the live edge is 3.5 s behind what is listed.
    for (segments, depth) in [(1, "PT2.002S"), (2, "PT2.002S"), (4, "PT4.508S"), (30, "PT56.56S")] {
        let begun = Extent { kept: extent.first, last: GopId(extent.first.0 + segments - 1), ..extent };
        let text = manifest(&described(), ntsc(), Seconds::new(7, 2), begun, None);
        assert!(text.contains(&format!("timeShiftBufferDepth=\"{depth}\"")), "{segments}: {text}");
    }
}

#[test]
fn manifest_of_an_event_that_is_over() {
    // Twenty slots into the last GOP.
    let end = ntsc().gop_time(GopId(850_000_029)) + Seconds::new(20 * 1001, 30_000);
    let extent = Extent { kept: GopId(850_000_000), first: GopId(850_000_000), last: GopId(850_000_029), ended: Some((end, GopId(850_000_029))) };
    let text = manifest(&described(), ntsc(), Seconds::whole(3), extent, None);
    // 850000029 x 2.002 s + 0.667333333 s = 1701700058.058 + 0.667333333 s, which is 472694 h 27 min 38.725333333 s.
    assert!(text.contains(" type=\"dynamic\" ") && text.contains("mediaPresentationDuration=\"PT472694H27M38.725333333S\""), "{text}");
    assert!(text.contains("timeShiftBufferDepth=\"PT1M0.06S\"") && text.contains("minimumUpdatePeriod=\"PT2.002S\""), "{text}");
    assert_eq!(text.matches("endNumber=\"850000029\"").count(), 2);
    let file = manifest(
        &described(),
        ntsc(),
        Seconds::whole(3),
        Extent { kept: GopId(0), first: GopId(0), last: GopId(9), ended: Some((Seconds::whole(20), GopId(9))) },
        None,
    );
    assert!(file.contains(" type=\"static\" ") && file.contains("timeShiftBufferDepth") && file.contains("minimumUpdatePeriod"), "{file}");
}

/// Where a GOP is not a whole number of samples, the template falls back to lowest terms, and number k stays right for ten years.
#[test]
fn templates_are_exact() {
    for (num, den, slots) in [(30_000, 1001, 61), (60_000, 1001, 119), (24_000, 1001, 48), (50, 1, 96), (25, 1, 50)] {
        let grid = grid(num, den, slots);
        let specs = [video(0, rendition("v", 640, 360, 1, grid), avcc()), audio(1, "a", 64_000, grid, "und", ASC.to_vec())];
        let described: Vec<Described> =
            specs.iter().map(|s| Described::new(s, &inspect::init(&init(s, "c").expect("is sound")).expect("is sound"), None)).collect();
        let text = manifest(&described, grid, Seconds::ZERO, Extent { kept: GopId(1), first: GopId(1), last: GopId(2), ended: None }, None);
        let read = dash_mpd_core::parse(&text).expect("is sound");
        for set in &read.periods[0].adaptations {
            let template = set.SegmentTemplate.as_ref().expect("is sound");
            let (duration, timescale) = (template.duration.expect("is sound"), template.timescale.expect("is sound"));
            assert_eq!(Seconds::new(duration as i128, i128::from(timescale)), grid.gop_duration());
            assert_eq!(duration.fract(), 0.0);
        }
        assert_eq!(dash_mpd_core::check_conformity(&read), Vec::<String>::new());
    }
}

proptest! {
    /// A sliding list: numbers in a row, never fewer than asked, media sequence never falls, nothing removed that is listed.
    #[test]
    fn windows_slide(seconds in 0i64..100, steps in proptest::collection::vec(1i64..6, 1..80)) {
        let spec = video(0, rendition("v", 640, 360, 1, grid(25, 1, 50)), avcc());
        let mut listing = Listing::new(Window::Last(Seconds::whole(seconds)), Seconds::whole(2));
        let (mut number, mut sequence) = (100, 0);
        let mut stored = std::collections::BTreeSet::new();
        for step in steps {
            let gone = listing.gap(GopId(listing.last().map_or(number, |l| l.0 + 1)), GopId(number), |gop| entry(&spec, gop.0));
            stored.insert(GopId(number));
            for gone in gone.into_iter().chain(listing.push(entry(&spec, number))) {
                prop_assert!(stored.remove(&gone), "{gone} was not stored");
            }
            let numbers: Vec<i64> = listing.entries().iter().map(|e| e.number.0).collect();
            prop_assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1));
            prop_assert!(numbers[0] >= sequence);
            prop_assert!(listing.entries().iter().filter(|e| !e.gap).all(|e| stored.contains(&e.number)));
            let want = (seconds as usize).div_ceil(2).max(3);
            prop_assert_eq!(numbers.len(), want.min((number - 100 + 1) as usize));
            prop_assert!(stored.len() <= 2 * want + 1);
            sequence = numbers[0];
            number += step;
        }
    }
}
