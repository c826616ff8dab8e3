//! Which encoders these are: asked of each itself, since libav does not say.

use crate::encode::x265;
use crate::ffmpeg::extradata;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::encoder::video::Encoder;
use hwaccel::isa::Isa;

/// "core 164 r3095 baee400", read from the settings SEI of one small picture; `None` where there is no x264 or it writes none.
pub(super) fn x264() -> Option<String> {
    between(&one_picture(open("libx264", &[("threads", "1")]).ok()?).ok()?, b"x264 - core ", b"x264 - ", b" - ")
}

/// "3.5+1-f0c1022b6", read from the settings SEI in the headers of an encoder just opened; `None` where there is no x265 or it writes none.
pub(super) fn x265() -> Option<String> {
    // "x265 (build 199) - 3.5+1-f0c1022b6:[Linux]…"
    let settled = x265::of_the_process(Isa::pinned().x265(), 8).map(|(key, value)| format!("{key}={value}")).join(":");
    let settings = format!("log-level=none:pools=none:frame-threads=1:info=1:{settled}");
    let encoder = open("libx265", &[("x265-params", &settings)]).ok()?;
    let headers = extradata(&encoder);
    let at = headers.windows(12).position(|w| w == b"x265 (build ")?;
    between(&headers[at..], b") - ", b") - ", b":")
}

/// The file of SVT-AV1 that this process has loaded ("libSvtAv1Enc.so.1.4.1"): it has no other way to tell.
pub(super) fn svt_av1() -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find_map(|line| line.split_ascii_whitespace().last().filter(|path| path.contains("libSvtAv1Enc")))?;
    path.rsplit('/').next().map(str::to_owned)
}

/// What stands behind `skipped` of the first `mark`, up to `end`.
fn between(text: &[u8], mark: &[u8], skipped: &[u8], end: &[u8]) -> Option<String> {
    let at = text.windows(mark.len()).position(|w| w == mark)?;
    let rest = text.get(at + skipped.len()..)?;
    let name = rest.get(..rest.windows(end.len()).position(|w| w == end)?)?;
    (name.len() < 64 && name.is_ascii()).then(|| String::from_utf8_lossy(name).into_owned())
}

fn open(name: &str, options: &[(&str, &str)]) -> Result<Encoder, ffmpeg::Error> {
    let codec = ffmpeg::encoder::find_by_name(name).ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut context = ffmpeg::codec::Context::new_with_codec(codec);
    if name == "libx265" {
        context.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER);
    }
    let mut encoder = context.encoder().video()?;
    encoder.set_width(64);
    encoder.set_height(64);
    encoder.set_format(ffmpeg::format::Pixel::YUV420P);
    encoder.set_time_base((1, 25));
    let preset = [("preset", "ultrafast")];
    encoder.open_with(preset.iter().chain(options).copied().collect())
}

fn one_picture(mut encoder: Encoder) -> Result<Vec<u8>, ffmpeg::Error> {
    let mut picture = ffmpeg::frame::Video::new(ffmpeg::format::Pixel::YUV420P, 64, 64);
    for plane in 0..picture.planes() {
        picture.data_mut(plane).fill(128);
    }
    picture.set_pts(Some(0));
    encoder.send_frame(&picture)?;
    encoder.send_eof()?;
    let mut packet = ffmpeg::Packet::empty();
    encoder.receive_packet(&mut packet)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}
