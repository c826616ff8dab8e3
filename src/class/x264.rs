//! Which x264 this is: asked of the encoder itself, since libav does not say.

use ffmpeg_next as ffmpeg;

/// "core 164 r3095 baee400", read from the settings SEI of one small picture; `None` where there is no x264 or it writes none.
pub(super) fn build() -> Option<String> {
    let written = encode_one().ok()?;
    let mark = b"x264 - core ";
    let at = written.windows(mark.len()).position(|w| w == mark)?;
    let rest = written.get(at + b"x264 - ".len()..)?;
    let end = rest.windows(3).position(|w| w == b" - ")?;
    rest.get(..end).filter(|name| name.len() < 64 && name.is_ascii()).map(|name| String::from_utf8_lossy(name).into_owned())
}

fn encode_one() -> Result<Vec<u8>, ffmpeg::Error> {
    let codec = ffmpeg::encoder::find_by_name("libx264").ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut encoder = ffmpeg::codec::Context::new_with_codec(codec).encoder().video()?;
    encoder.set_width(64);
    encoder.set_height(64);
    encoder.set_format(ffmpeg::format::Pixel::YUV420P);
    encoder.set_time_base((1, 25));
    let mut options = ffmpeg::Dictionary::new();
    options.set("preset", "ultrafast");
    options.set("threads", "1");
    let mut encoder = encoder.open_with(options)?;
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
