use super::super::test_kit::{avcc, gop, grid, plain, rendition, video as track};
use super::super::{Marks, init, segment};
use super::*;
use crate::job::Window;
use crate::mux::Chunking;
use proptest::prelude::*;

fn spec() -> TrackSpec {
    track(0, rendition("v", 640, 360, 2_000_000, grid(25, 1, 12)), avcc())
}

fn written(chunk: Option<u32>) -> Vec<u8> {
    let spec = spec();
    let packets = gop(&spec, GopId(7), &[0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 11, 10], &[50, 20]);
    segment(&spec, GopId(7), &packets, &Marks::default(), false, chunk.map(|slots| Chunking { slots, prft: true })).expect("is sound")
}

/// From `moof` to the end of the first sample, whether it is found in the whole segment or in its beginning.
#[test]
fn the_first_picture_with_its_moof() {
    for chunk in [None, Some(1), Some(5)] {
        let bytes = written(chunk);
        let init = inspect::init(&init(&spec(), "c").expect("is sound")).expect("reads");
        let place = Place::of(&inspect::segment(&bytes, Some(&init)).expect("reads")).expect("is there");
        let range = place.offset as usize..(place.offset + place.length) as usize;
        assert_eq!(&bytes[range.start + 4..range.start + 8], b"moof");
        assert_eq!(bytes[range.clone()].len(), bytes[range.clone()].windows(4).position(|w| w == b"mdat").expect("is there") + 4 + 54, "{chunk:?}");
        assert_eq!(Place::read(&bytes[..bytes.len().min(HEAD as usize)]), Some(place));
        // All that is needed of a stored one is its beginning up to the end of `moof`.
        let moof_end = bytes.windows(4).position(|w| w == b"mdat").expect("is there") - 4;
        assert_eq!((Place::read(&bytes[..moof_end]), Place::read(&bytes[..moof_end - 1])), (Some(place), None));
    }
}

#[test]
fn which_rungs_have_one() {
    let rung = |name: &str, width, height, codec| {
        let mut rendition = rendition(name, width, height, 1_000_000, grid(25, 1, 12));
        rendition.codec = codec;
        track(0, rendition, avcc())
    };
    let all = [
        rung("a", 1920, 1080, VideoCodec::Avc),
        rung("b", 1280, 720, VideoCodec::Avc),
        rung("c", 640, 360, VideoCodec::Av1),
        rung("d", 1920, 1080, VideoCodec::Hevc),
    ];
    assert_eq!(all.each_ref().map(|spec| IFrames::of(spec, &all).is_some()), [false, true, false, true]);
}

#[test]
fn a_playlist_with_a_gap_and_a_stranger() {
    let (spec, mut frames) = (spec(), IFrames::default());
    let mut listing = Listing::new(Window::Whole, spec.grid().gop_duration());
    for number in [7, 8, 9] {
        let (number, start) = (GopId(number), spec.time(spec.first_unit(GopId(number))));
        listing.push(Entry { number, start, duration: spec.span(12), gap: number == GopId(8) });
    }
    frames.insert(GopId(6), Some(Place { offset: 1, length: 1 }));
    frames.insert(GopId(7), Some(Place { offset: 129, length: 700 }));
    frames.insert(GopId(9), None);
    let expected = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-I-FRAMES-ONLY
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:03.360Z
#EXTINF:0.480,
#EXT-X-BYTERANGE:700@129
7.m4s
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:03.840Z
#EXT-X-GAP
#EXTINF:0.480,
8.m4s
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:04.320Z
#EXT-X-GAP
#EXTINF:0.480,
9.m4s
#EXT-X-ENDLIST
";
    assert_eq!(frames.playlist(&listing, 1, true, None), expected);
}

proptest! {
    /// Heads of anything: a place, or none; never a panic.
    #[test]
    fn hostile_heads(hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), cut in any::<prop::sample::Index>()) {
        let spec = spec();
        let mut bytes = segment(&spec, GopId(7), &plain(&spec, GopId(7)), &Marks::default(), false, Some(Chunking { slots: 4, prft: true })).expect("is sound");
        for (place, value) in hits {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()));
        let _ = Place::read(&bytes);
    }
}
