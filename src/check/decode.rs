//! A segment on its own, through libav: demuxed and decoded with nothing but its initialisation segment before it.

use ffmpeg::codec::decoder::Check;
use ffmpeg::format::context::StreamIo;
use ffmpeg::media::Type;
use ffmpeg_next as ffmpeg;
use std::io::Cursor;
use std::sync::Once;

/// Largest picture that is decoded: 8192 x 4320. A hostile parameter set may ask for 16 times that, times 16 references.
pub const MAX_PIXELS: u64 = 8192 * 4320;

/// What came out of a decoder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Pictures, or audio frames.
    pub units: u64,
    /// Of those, marked as corrupt.
    pub corrupt: u64,
    /// Presentation times in the timescale, in order of output.
    pub times: Vec<i64>,
    /// What libav complained about, the first of it.
    pub complaint: Option<String>,
}

/// Registers libav and silences it: what it has to say comes back as findings.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Codecs and formats register themselves in libav 4 and later; a failure here shows at the first segment.
        let _ = ffmpeg::init();
        ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
    });
}

/// Demuxes and decodes `segment` after `init`. Error where libav does not even open it; errors on the way are in [`Decoded::complaint`].
pub fn segment(init: &[u8], segment: &[u8]) -> Result<Decoded, String> {
    let mut bytes = Vec::with_capacity(init.len() + segment.len());
    bytes.extend_from_slice(init);
    bytes.extend_from_slice(segment);
    let stream = StreamIo::from_read_seek(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let mut input = ffmpeg::format::input_from_stream(stream, Some("segment.mp4"), None).map_err(|e| format!("libav does not open it: {e}"))?;
    let Some((index, parameters)) = input.streams().next().map(|s| (s.index(), s.parameters())) else {
        return Err("libav finds no stream".to_owned());
    };
    let (kind, id) = (parameters.medium(), parameters.id());
    let mut decoder = ffmpeg::codec::Context::from_parameters(parameters).map_err(|e| e.to_string())?.decoder();
    decoder.check(Check::EXPLODE | Check::CAREFUL | Check::BITSTREAM | Check::BUFFER);
    if kind != Type::Video && kind != Type::Audio {
        return Err("libav finds neither pictures nor sound".to_owned());
    }
    let mut limits = ffmpeg::Dictionary::new();
    limits.set("max_pixels", &MAX_PIXELS.to_string());
    let Some(codec) = ffmpeg::decoder::find(id) else { return Err(format!("libav has no decoder for {id:?}")) };
    let mut decoder = decoder.open_as_with(codec, limits).map_err(|e| format!("libav does not open a decoder: {e}"))?;

    let mut decoded = Decoded::default();
    let mut packet = ffmpeg::Packet::empty();
    loop {
        match packet.read(&mut input) {
            Ok(()) if packet.stream() == index => {
                decoded.note("packet", decoder.send_packet(&packet));
                drain(&mut decoder, &mut decoded);
            }
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => break,
            Err(e) => {
                decoded.note("demuxer", Err(e));
                break;
            }
        }
    }
    decoded.note("end", decoder.send_eof());
    drain(&mut decoder, &mut decoded);
    Ok(decoded)
}

impl Decoded {
    fn note(&mut self, what: &str, result: Result<(), ffmpeg::Error>) {
        if let Err(e) = result {
            let units = self.units;
            self.complaint.get_or_insert_with(|| format!("{what} after {units} units: {e}"));
        }
    }
}

/// Takes what the decoder has ready. Ends: every turn takes one unit or returns, and an error is taken at most once for each packet.
fn drain(decoder: &mut ffmpeg::decoder::Opened, decoded: &mut Decoded) {
    // A plain frame: either kind of decoder fills it.
    let mut frame = ffmpeg::frame::Video::empty();
    loop {
        match decoder.receive_frame(&mut frame) {
            Ok(()) => {
                decoded.units += 1;
                decoded.corrupt += u64::from(frame.is_corrupt());
                decoded.times.extend(frame.pts());
            }
            Err(ffmpeg::Error::Eof) => return,
            Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => return,
            Err(e) => {
                decoded.note("decoder", Err(e));
                return;
            }
        }
    }
}
