//! Low latency, by every software encoder that there is.

use super::delay::delay;
use super::testing::{frames, hash_pictures, pattern, rendition};
use super::{Packet, Recipe, find};
use crate::frame::Picture;
use crate::job::Latency;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::Rate;

const GOP: u32 = 30;

/// The rung, where its backend opens.
fn rung(backend: &str, codec: VideoCodec, point: &str, latency: Latency) -> Option<Rendition> {
    let like = rendition((320, 180), Rate::new(30, 1).expect("legal"), GOP, 900_000, &[backend]);
    let of = Rendition { codec, quality: codec.default_quality(), point: point.to_owned(), latency, ..like };
    let opened = find(backend).expect("it is in the table").open(&of, &Recipe::of(&of));
    opened.map_err(|error| eprintln!("skipped: {error}")).ok().map(|_| of)
}

/// A GOP's packets, the most pictures that were held back, and the decoder configuration.
fn encode(of: &Rendition) -> (Vec<Packet>, usize, Vec<u8>) {
    let opened = find(&of.backends[0]).expect("it is in the table").open(of, &Recipe::of(of)).expect("it opens");
    let (mut encoder, mut out, mut held) = (opened.encoder, Vec::new(), 0);
    for (fed, frame) in frames(of.grid, 0, &(0..GOP).map(|n| pattern(320, 180, n)).collect::<Vec<_>>()).into_iter().enumerate() {
        encoder.encode(&frame, &mut out).expect("it encodes");
        held = held.max(fed + 1 - out.len());
    }
    encoder.finish(&mut out).expect("it drains");
    (out, held, opened.config)
}

#[test]
fn low_latency_holds_next_to_nothing_and_shows_pictures_in_order() {
    let all = [("x264", VideoCodec::Avc), ("x265", VideoCodec::Hevc), ("svt-av1", VideoCodec::Av1), ("rav1e", VideoCodec::Av1)];
    for (backend, codec) in all {
        for point in ["ultrafast", "swift", "medium"] {
            let Some(of) = rung(backend, codec, point, Latency::Low) else { continue };
            // rav1e looks at no fewer than four, whatever it is told.
            assert!(delay(&of) <= if backend == "rav1e" { 4 } else { 2 }, "{backend} {point}: {}", delay(&of));
            let (packets, held, config) = encode(&of);
            // SVT-AV1 works on threads of its own: when a packet is seen depends on the machine.
            assert!(backend == "svt-av1" || held <= delay(&of) as usize, "{backend} {point} holds {held}");
            assert!(packets.iter().map(|p| p.time).eq(0..i64::from(GOP)), "{backend} {point}: in the order in which they are shown");
            assert!(packets.iter().enumerate().all(|(n, p)| p.idr == (n == 0)), "{backend} {point}");
            assert!(encode(&of).0 == packets, "{backend} {point}: the same again");
            if codec == VideoCodec::Avc {
                let shown: Vec<_> = super::testing::decode_samples(&config, &packets).into_iter().map(|p| Picture::Cpu(p.into())).collect();
                assert_eq!(shown.len(), GOP as usize, "{backend} {point}: {}", hash_pictures(&shown));
            }
        }
    }
}

/// What a plan says is held is what is held.
#[test]
fn the_delay_of_x264_and_x265_is_as_planned() {
    for (backend, codec) in [("x264", VideoCodec::Avc), ("x265", VideoCodec::Hevc)] {
        for point in ["ultrafast", "superfast", "brisk", "veryfast"] {
            let Some(of) = rung(backend, codec, point, Latency::Normal) else { continue };
            let (_, held, _) = encode(&of);
            assert!(held as u32 <= delay(&of) && held as u32 + 2 >= delay(&of), "{backend} {point}: {held} held, {} planned", delay(&of));
        }
    }
}
