//! What a file is, as far as playing it in a loop needs to know.

use super::FeedError;
use super::stamp::{Framing, StampCodec};
use crate::time::{Rate, Seconds};
use ffmpeg::{codec, format, media};
use ffmpeg_next as ffmpeg;
use std::path::Path;

/// One chosen stream.
pub(super) struct Track {
    /// Index in the file.
    pub index: usize,
    /// Seconds per tick, (numerator, denominator).
    pub time_base: (i32, i32),
    /// For the muxer.
    pub parameters: codec::Parameters,
}

impl Track {
    /// `ticks` of this stream, where they are within range.
    pub fn time(&self, ticks: Option<i64>) -> Option<Seconds> {
        Seconds::from_ticks(ticks?, self.time_base.0, self.time_base.1)
    }
}

/// The file.
pub(super) struct Survey {
    /// Its video.
    pub video: Track,
    /// Its sound, where there is any and it is wanted.
    pub audio: Option<Track>,
    /// What the video is coded with.
    pub codec: StampCodec,
    /// How its NAL units are told apart.
    pub framing: Framing,
    /// PTS of the first key picture in presentation order from which on everything is shown.
    pub first: Seconds,
    /// From there to the end of the last picture: how long one pass lasts.
    pub length: Seconds,
    /// The span of one picture.
    pub period: Seconds,
}

const SOUND: [codec::Id; 6] = [codec::Id::AAC, codec::Id::AAC_LATM, codec::Id::MP2, codec::Id::MP3, codec::Id::AC3, codec::Id::EAC3];

/// Reads the whole file once.
pub(super) fn survey(path: &Path, want_audio: bool) -> Result<Survey, FeedError> {
    let refuse = |why: String| FeedError::Input { path: path.display().to_string(), why };
    let accepted = "accepted: pattern, or a file (TS, MP4, MOV, MKV, FLV) with H.264 or HEVC";
    if !path.is_file() {
        return Err(refuse(format!("there is no such file; {accepted}")));
    }
    let mut input = format::input(path).map_err(|e| refuse(format!("libav cannot open it ({e}); {accepted}")))?;
    let stream = input.streams().best(media::Type::Video).ok_or_else(|| refuse(format!("it has no video; {accepted}")))?;
    let video = track(&stream);
    let codec = match video.parameters.id() {
        codec::Id::H264 => StampCodec::H264,
        codec::Id::HEVC => StampCodec::Hevc,
        other => return Err(refuse(format!("its video is {}, which carries no stamp; {accepted}", other.name()))),
    };
    let framing = Framing::of(codec, crate::ffmpeg::parameters_extradata(&video.parameters));
    let rate = stream.avg_frame_rate();
    let rate = u32::try_from(rate.numerator()).ok().zip(u32::try_from(rate.denominator()).ok()).and_then(|(n, d)| Rate::new(n, d));
    let audio = input.streams().best(media::Type::Audio).filter(|_| want_audio).map(|stream| track(&stream));
    if let Some(other) = audio.as_ref().map(|a| a.parameters.id()).filter(|id| !SOUND.contains(id)) {
        return Err(refuse(format!("its sound is {}; accepted: AAC, MP2, MP3, AC-3, E-AC-3, or audio off", other.name())));
    }

    let (mut first, mut end, mut last_duration) = (None, None, 0);
    for (stream, packet) in input.packets() {
        let Some(time) = video.time(packet.pts()).filter(|_| stream.index() == video.index) else { continue };
        first = first.or(packet.is_key().then_some(time));
        if first.is_some() && end.is_none_or(|end| time > end) {
            end = Some(time);
            last_duration = packet.duration();
        }
    }
    let (Some(first), Some(end)) = (first, end) else {
        return Err(refuse(format!("no key picture of its video has a time stamp; {accepted}, in a container with time stamps")));
    };
    let period = rate.map(Rate::period).or(video.time(Some(last_duration))).filter(|p| *p > Seconds::ZERO);
    let period = period.ok_or_else(|| refuse("its picture rate is unknown; accepted: 1 to 120 pictures a second".into()))?;
    Ok(Survey { video, audio, codec, framing, first, length: end - first + period, period })
}

fn track(stream: &ffmpeg::Stream<'_>) -> Track {
    let base = stream.time_base();
    Track { index: stream.index(), time_base: (base.numerator(), base.denominator()), parameters: stream.parameters() }
}
