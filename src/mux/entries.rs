//! Sample entries: one function per codec, in a table. A new codec is one function and one line.

use super::{MuxError, TrackKind, TrackSpec};
use crate::ladder::{AudioCodec, VideoCodec};
use crate::plan::{AudioRendition, Rendition};
use mp4_atom::{Atom, Audio, Avc1, Avcc, Btrt, Codec, Colr, Esds, FourCC, Mp4a, Pasp, Visual, esds};

/// What a codec puts into an initialisation segment.
pub struct SampleEntry {
    /// The entry of `stsd`.
    pub codec: Codec,
    /// The CMAF media profile that the track is within, if any (ISO/IEC 23000-19 annex A).
    pub profile: Option<FourCC>,
}

type Video = fn(&Rendition, &[u8]) -> Result<SampleEntry, String>;
type Sound = fn(&AudioRendition, &[u8]) -> Result<SampleEntry, String>;

const VIDEO: &[(VideoCodec, Video)] = &[(VideoCodec::Avc, avc1)];
const AUDIO: &[(AudioCodec, Sound)] = &[(AudioCodec::Aac, mp4a)];

/// The sample entry of a track.
pub fn sample_entry(track: &TrackSpec) -> Result<SampleEntry, MuxError> {
    let entry = match &track.kind {
        TrackKind::Video { rendition, config } => match VIDEO.iter().find(|(codec, _)| *codec == rendition.codec) {
            Some((_, make)) => make(rendition, config),
            None => Err(format!("codec {:?} has no sample entry here; avc has", rendition.codec)),
        },
        TrackKind::Audio { rendition, config } => match AUDIO.iter().find(|(codec, _)| *codec == rendition.codec) {
            Some((_, make)) => make(rendition, config),
            None => Err(format!("codec {:?} has no sample entry here; aac has", rendition.codec)),
        },
    };
    entry.map_err(|why| MuxError::Config { track: track.name.clone(), why })
}

/// The largest segment over its cap: 1.10 x (design: rate).
pub fn peak(cap: u64) -> u64 {
    cap.saturating_mul(11).div_ceil(10)
}

fn clamp(bits: u64) -> u32 {
    u32::try_from(bits).unwrap_or(u32::MAX)
}

fn avc1(rendition: &Rendition, config: &[u8]) -> Result<SampleEntry, String> {
    let avcc = Avcc::decode_body(&mut &config[..]).map_err(|e| format!("avcC of {} bytes: {e}", config.len()))?;
    let mut again = Vec::new();
    avcc.encode_body(&mut again).map_err(|e| format!("avcC: {e}"))?;
    if again != config {
        return Err(format!("avcC of {} bytes does not survive a round trip: reserved bits or trailing bytes are set", config.len()));
    }
    if avcc.length_size != 4 || avcc.sequence_parameter_sets.is_empty() || avcc.picture_parameter_sets.is_empty() {
        return Err("avcC needs NAL lengths of 4 bytes, an SPS and a PPS".to_owned());
    }
    let side = |name: &str, value: u32| u16::try_from(value).map_err(|_| format!("{name} {value}: at most 65535"));
    let (width, height) = (side("width", rendition.width)?, side("height", rendition.height)?);
    let (num, den) = rendition.grid.gop_duration().fraction();
    // The VBV holds at most half a GOP at the cap (design: rate).
    let buffer = u64::try_from(i128::from(rendition.max_bitrate) * num / den / 16).unwrap_or(u64::MAX);
    let profile = profile(&avcc, rendition);
    let codec = Codec::Avc1(Avc1 {
        visual: Visual { data_reference_index: 1, width, height, ..Visual::default() },
        avcc,
        btrt: Some(Btrt { buffer_size_db: clamp(buffer), max_bitrate: clamp(peak(rendition.max_bitrate)), avg_bitrate: clamp(rendition.max_bitrate) }),
        colr: Some(Colr::Nclx { colour_primaries: 1, transfer_characteristics: 1, matrix_coefficients: 1, full_range_flag: false }),
        pasp: Some(Pasp { h_spacing: 1, v_spacing: 1 }),
        taic: None,
        fiel: None,
        spatial: None,
    });
    Ok(SampleEntry { codec, profile })
}

/// ISO/IEC 23000-19 table A.1: the smallest AVC profile that holds this level, size and rate.
fn profile(avcc: &Avcc, rendition: &Rendition) -> Option<FourCC> {
    let (level, w, h) = (avcc.avc_level_indication, rendition.width, rendition.height);
    let rate = rendition.grid.rate;
    if avcc.avc_profile_indication > 100 || rate.num() > 60 * rate.den() {
        return None;
    }
    match () {
        () if level <= 31 && w <= 864 && h <= 576 => Some(FourCC::new(b"cfsd")),
        () if level <= 40 && w <= 1920 && h <= 1080 => Some(FourCC::new(b"cfhd")),
        () if level <= 42 && w <= 1920 && h <= 1080 => Some(FourCC::new(b"chdf")),
        () => None,
    }
}

fn mp4a(rendition: &AudioRendition, config: &[u8]) -> Result<SampleEntry, String> {
    if !(2..=64).contains(&config.len()) {
        return Err(format!("AudioSpecificConfig of {} bytes: 2 to 64 are accepted", config.len()));
    }
    let rate = rendition.grid.sample_rate;
    let sample_rate = u16::try_from(rate).map_err(|_| format!("sample rate {rate}: at most 65535"))?;
    let channel_count = u16::try_from(rendition.channels).map_err(|_| format!("{} channels: at most 65535", rendition.channels))?;
    let (max, avg) = (clamp(peak(rendition.bitrate)), clamp(rendition.bitrate));
    // A decoder's input buffer: 6144 bits a channel (ISO/IEC 14496-3, 4.5.3.1).
    let buffer = rendition.channels.saturating_mul(768).min(mp4_atom::u24::MAX);
    let codec = Codec::Mp4a(Mp4a {
        audio: Audio { data_reference_index: 1, channel_count, sample_size: 16, sample_rate: sample_rate.into() },
        esds: Esds {
            es_desc: esds::EsDescriptor {
                es_id: 1,
                dec_config: esds::DecoderConfig {
                    object_type_indication: 0x40,
                    stream_type: 5,
                    up_stream: 0,
                    buffer_size_db: mp4_atom::u24::try_from(buffer).map_err(|_| "decoder buffer".to_owned())?,
                    max_bitrate: max,
                    avg_bitrate: avg,
                    dec_specific: Some(esds::DecoderSpecific { raw: config.to_vec(), ..Default::default() }),
                },
                ..Default::default()
            },
        },
        btrt: Some(Btrt { buffer_size_db: buffer, max_bitrate: max, avg_bitrate: avg }),
        taic: None,
    });
    // `caac`: AAC-LC up to two channels and 48 kHz. The object type is the first five bits (2: AAC-LC).
    let lc = config.first().is_some_and(|b| b >> 3 == 2) && rendition.channels <= 2 && rate <= 48_000;
    Ok(SampleEntry { codec, profile: lc.then(|| FourCC::new(b"caac")) })
}
