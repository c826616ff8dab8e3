//! Which x265 this is: asked of the encoder itself, since libav does not say.

use ffmpeg_next as ffmpeg;

/// "3.5+1-f0c1022b6", read from the settings SEI in the headers of an encoder just opened; `None` where there is no x265 or it writes none.
pub(super) fn build() -> Option<String> {
    let headers = headers().ok()?;
    // "x265 (build 199) - 3.5+1-f0c1022b6:[Linux]…"
    let mark = b"x265 (build ";
    let at = headers.windows(mark.len()).position(|w| w == mark)?;
    let rest = headers.get(at..)?;
    let from = rest.windows(4).position(|w| w == b") - ")? + 4;
    let name = rest.get(from..)?;
    let end = name.iter().position(|b| *b == b':')?;
    name.get(..end).filter(|name| name.len() < 64 && name.is_ascii()).map(|name| String::from_utf8_lossy(name).into_owned())
}

fn headers() -> Result<Vec<u8>, ffmpeg::Error> {
    let codec = ffmpeg::encoder::find_by_name("libx265").ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut context = ffmpeg::codec::Context::new_with_codec(codec);
    context.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER);
    let mut encoder = context.encoder().video()?;
    encoder.set_width(64);
    encoder.set_height(64);
    encoder.set_format(ffmpeg::format::Pixel::YUV420P);
    encoder.set_time_base((1, 25));
    let mut options = ffmpeg::Dictionary::new();
    options.set("preset", "ultrafast");
    options.set("x265-params", "log-level=none:pools=none:frame-threads=1:info=1");
    let encoder = encoder.open_with(options)?;
    Ok(crate::ffmpeg::extradata(&encoder))
}
