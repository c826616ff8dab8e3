//! Packets that were damaged on purpose: what cannot be decoded is never published, whatever it was.

use super::run_tests::{Out, publish, settings};
use super::test_kit::{ASC, audio, avcc, grid, plain, rendition, video};
use super::*;
use crate::encode::{Packet, Stats};
use crate::frame::End;
use proptest::prelude::*;

fn tracks() -> Vec<TrackSpec> {
    let grid = grid(25, 1, 50);
    vec![video(0, rendition("v", 640, 360, 2_000_000, grid), avcc()), audio(1, "a", 128_000, grid, "eng", ASC.to_vec())]
}

/// Segments 10, 11 and 12, the packets of 11 as `damage` leaves them.
fn published(damage: impl Fn(&mut Vec<Packet>)) -> Out {
    let track = &tracks()[0];
    let segment = |gop: i64| {
        let mut packets = plain(track, GopId(gop));
        let stats = Stats { units: packets.len() as u32, ..Stats::default() };
        if gop == 11 {
            damage(&mut packets);
        }
        let done = ToMux::Done { track: track.id, gop: GopId(gop), attempt: 0, stats };
        let packet = move |packet| ToMux::Packet { track: TrackId(0), gop: GopId(gop), attempt: 0, packet };
        packets.into_iter().map(packet).chain([done]).collect::<Vec<_>>()
    };
    let ends = [0, 1].map(|n| ToMux::End { track: TrackId(n), end: End::Leaving }).to_vec();
    publish(tracks(), settings(), [segment(10), segment(11), segment(12), ends].concat()).expect("muxes")
}

fn verdict(out: &Out, number: i64) -> Option<Arc<crate::verdict::Verdict>> {
    out.items.iter().find_map(|item| match item {
        Publish::Segment { number: n, verdict, .. } if n.0 == number => Some(Arc::clone(verdict)),
        _ => None,
    })
}

#[test]
fn what_cannot_be_decoded_becomes_a_gap() {
    type Damage = (&'static str, fn(&mut Vec<Packet>));
    let damages: [Damage; 9] = [
        ("the first is no IDR by its own bytes", |p| p[0].data[4] = 0x41),
        ("the first is no IDR by its flag", |p| p[0].idr = false),
        ("a unit longer than its packet", |p| p[7].data[3] += 1),
        ("a unit shorter than its packet", |p| p[7].data[3] -= 1),
        ("an empty packet", |p| p[3].data.clear()),
        ("half a packet", |p| p[3].data.truncate(9)),
        ("a slot twice", |p| p[9].time = p[8].time),
        ("a slot of another segment", |p| p[9].time += 50),
        ("start codes instead of lengths", |p| p[0].data[..4].copy_from_slice(&[0, 0, 0, 1])),
    ];
    for (what, damage) in damages {
        let out = published(damage);
        assert_eq!(out.counts("segments undecodable gaps"), [2, 1, 1], "{what}");
        assert!(verdict(&out, 11).is_none() && !out.files.contains_key("v/11.m4s"), "{what}");
        let playlist = out.text("v/media.m3u8");
        assert!(playlist.contains("#EXT-X-GAP\n#EXTINF:2.000,\n11.m4s\n"), "{what}: {playlist}");
    }
}

#[test]
fn what_decodes_is_published_with_what_is_wrong() {
    let sound = published(|_| ());
    let best = verdict(&sound, 11).expect("is there");
    assert_eq!((best.score(), best.findings.len(), best.shown.units, best.shown.millis, best.shown.sound), (100, 0, 50, 2000, false));
    assert_eq!(best.hash[..], sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(&sound.files["v/11.m4s"]))[..]);
    // A packet less than was encoded, at the end; and more bytes than its cap allows.
    let short = published(|packets| drop(packets.pop()));
    let verdict_of = verdict(&short, 11).expect("decodes");
    assert!(verdict_of.findings.contains(&crate::inspect::Code::Samples) && verdict_of.score() < 100, "{verdict_of:?}");
    let large = published(|packets| {
        let data = &mut packets[0].data;
        data.resize(4 + 600_000, 0x55);
        data[..4].copy_from_slice(&600_000u32.to_be_bytes());
    });
    assert!(verdict(&large, 11).is_some_and(|v| v.over_cap && v.score() == 95));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens to its packets: published with no undecodable finding of another reader, or a gap; the others are untouched.
    #[test]
    fn any_damage(
        hits in proptest::collection::vec((0usize..50, 0usize..44, any::<u8>()), 0..6),
        lost in proptest::option::of(0usize..50),
        moved in proptest::option::of((0usize..50, -60i64..60)),
    ) {
        let out = published(|packets| {
            for (packet, at, value) in &hits {
                packets[*packet].data[*at] = *value;
            }
            moved.iter().for_each(|(packet, by)| packets[*packet].time += by);
            lost.iter().for_each(|packet| drop(packets.remove(*packet)));
        });
        let [segments, undecodable, gaps] = out.counts("segments undecodable gaps");
        prop_assert_eq!((segments + undecodable, undecodable), (3, gaps));
        prop_assert!(out.files.contains_key("v/10.m4s") && out.files.contains_key("v/12.m4s"));
        if let Some(bytes) = out.files.get("v/11.m4s") {
            let init = crate::inspect::init(&out.files["v/init.mp4"]).expect("reads");
            let facts = crate::inspect::segment(bytes, Some(&init)).expect("was read before");
            prop_assert!(facts.findings.iter().all(|f| !f.undecodable()));
        }
    }
}
