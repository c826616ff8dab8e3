//! The numbers that `mezzo feed` burns into its pictures, read back from what was published.

use super::numbers;
use ffmpeg_next as ffmpeg;
use mezzo::pattern::Size;
use mezzo::pattern::picture::Pattern;
use mezzo::time::Rate;
use std::path::Path;

/// A ladder of one rung that shows the pattern in its own size, 640x360, so that the numbers can be read.
pub const LADDER: &str = r#"
name = "one"
[[video]]
name = "avc"
codec = "avc"
width = 640
height = 360
max_bitrate = "2M"
point = "ultrafast"
[[audio]]
name = "aac"
codec = "aac"
bitrate = "64k"
"#;

/// The number burnt into each picture of `track` at 25 a second; -1 where there is none to be read. `segment` gives each segment's bytes.
pub fn burnt_in(root: &Path, track: &str, segment: impl Fn(i64) -> Vec<u8>) -> Vec<i64> {
    let mut bytes = std::fs::read(root.join(track).join("init.mp4")).expect("an init");
    numbers(root, track).into_iter().for_each(|number| bytes.extend(segment(number)));
    let path = root.join("all.mp4");
    std::fs::write(&path, bytes).expect("written");
    let pattern = Pattern::new(Size::new(640, 360).expect("legal"), Rate::new(25, 1).expect("legal"));
    ffmpeg::init().expect("libav");
    let mut input = ffmpeg::format::input(&path).expect("opens");
    let stream = input.streams().best(ffmpeg::media::Type::Video).expect("has pictures");
    let index = stream.index();
    let mut decoder = ffmpeg::codec::Context::from_parameters(stream.parameters()).expect("known").decoder().video().expect("opens");
    let (mut seen, mut picture) = (Vec::new(), ffmpeg::frame::Video::empty());
    let mut drain = |decoder: &mut ffmpeg::decoder::Video, seen: &mut Vec<i64>| {
        while decoder.receive_frame(&mut picture).is_ok() {
            seen.push(pattern.read_slot(picture.data(0), picture.stride(0)).map_or(-1, |slot| slot.0));
        }
    };
    for (stream, packet) in input.packets() {
        if stream.index() == index {
            decoder.send_packet(&packet).expect("decodes");
            drain(&mut decoder, &mut seen);
        }
    }
    decoder.send_eof().expect("ends");
    drain(&mut decoder, &mut seen);
    seen
}
