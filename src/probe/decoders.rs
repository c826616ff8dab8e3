//! Decoders, all of them libav's.

use ffmpeg_next as ffmpeg;
use serde::Serialize;

/// A decoder for what feeds carry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DecoderReport {
    /// Codec as libav calls it.
    pub codec: String,
    /// "video" or "audio".
    pub kind: &'static str,
    /// The decoder that libav would take; absent where it has none.
    pub decoder: Option<String>,
}

/// What mezzanine feeds and files usually carry, codec by codec.
const FEEDS: &[(&str, &str, ffmpeg::codec::Id)] = {
    use ffmpeg::codec::Id;
    &[
        ("h264", "video", Id::H264),
        ("hevc", "video", Id::HEVC),
        ("mpeg2video", "video", Id::MPEG2VIDEO),
        ("av1", "video", Id::AV1),
        ("vp9", "video", Id::VP9),
        ("prores", "video", Id::PRORES),
        ("dnxhd", "video", Id::DNXHD),
        ("jpeg2000", "video", Id::JPEG2000),
        ("aac", "audio", Id::AAC),
        ("aac_latm", "audio", Id::AAC_LATM),
        ("mp2", "audio", Id::MP2),
        ("mp3", "audio", Id::MP3),
        ("ac3", "audio", Id::AC3),
        ("eac3", "audio", Id::EAC3),
        ("opus", "audio", Id::OPUS),
        ("s302m", "audio", Id::S302M),
        ("pcm_s16le", "audio", Id::PCM_S16LE),
        ("pcm_s24le", "audio", Id::PCM_S24LE),
    ]
};

pub(super) fn look() -> Vec<DecoderReport> {
    let report = |&(codec, kind, id): &(&str, &'static str, ffmpeg::codec::Id)| DecoderReport {
        codec: codec.to_owned(),
        kind,
        decoder: ffmpeg::decoder::find(id).map(|found| found.name().to_owned()),
    };
    FEEDS.iter().map(report).collect()
}
