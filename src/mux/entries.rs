//! Sample entries: one function per codec, in a table. A new codec is one function and one line.

use super::{MuxError, TrackKind, TrackSpec};
use crate::colour::VideoRange;
use crate::ladder::{AudioCodec, VideoCodec};
use crate::plan::{AudioRendition, Rendition};
use mp4_atom::{Atom, Audio, Av01, Av1c, Avc1, Avcc, Btrt, Codec, Colr, Esds, FourCC, Hev1, Hvc1, Hvcc, Mp4a, Pasp, Visual, esds};

/// What a codec puts into an initialisation segment.
pub struct SampleEntry {
    /// The entry of `stsd`.
    pub codec: Codec,
    /// The CMAF media profile that the track is within, if any (ISO/IEC 23000-19 annex A).
    pub profile: Option<FourCC>,
    /// Boxes that follow within the entry, whole: static metadata of HDR.
    pub light: Vec<u8>,
}

type Video = fn(&Rendition, &[u8]) -> Result<SampleEntry, String>;
type Sound = fn(&AudioRendition, &[u8]) -> Result<SampleEntry, String>;

const VIDEO: &[(VideoCodec, Video)] = &[(VideoCodec::Avc, avc1), (VideoCodec::Hevc, hvc1), (VideoCodec::Av1, av01)];
const AUDIO: &[(AudioCodec, Sound)] = &[(AudioCodec::Aac, mp4a)];

/// The sample entry of a track.
pub fn sample_entry(track: &TrackSpec) -> Result<SampleEntry, MuxError> {
    let entry = match &track.kind {
        TrackKind::Video { rendition, config } => match VIDEO.iter().find(|(codec, _)| *codec == rendition.codec) {
            Some((_, make)) => make(rendition, config),
            None => Err(format!("codec {:?} has no sample entry here", rendition.codec)),
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
    let avcc: Avcc = record("avcC", config)?;
    if avcc.length_size != 4 || avcc.sequence_parameter_sets.is_empty() || avcc.picture_parameter_sets.is_empty() {
        return Err("avcC needs NAL lengths of 4 bytes, an SPS and a PPS".to_owned());
    }
    let profile = profile(&avcc, rendition);
    let (visual, btrt, colr, pasp) = (visual(rendition)?, Some(btrt(rendition)), Some(colr(rendition)), Some(SQUARE));
    let codec = Codec::Avc1(Avc1 { visual, avcc, btrt, colr, pasp, taic: None, fiel: None, spatial: None });
    Ok(SampleEntry { codec, profile, light: light(rendition) })
}

fn hvc1(rendition: &Rendition, config: &[u8]) -> Result<SampleEntry, String> {
    let hvcc: Hvcc = record("hvcC", config)?;
    let mut hvcc = hvcc;
    let has = |kind: u8| hvcc.arrays.iter().any(|array| array.nal_unit_type == kind && array.completeness && !array.nalus.is_empty());
    // VPS, SPS, PPS.
    if hvcc.length_size_minus_one != 3 || ![32, 33, 34].into_iter().all(has) {
        return Err("hvcC needs NAL lengths of 4 bytes, and complete arrays of VPS, SPS and PPS".to_owned());
    }
    if u32::from(hvcc.bit_depth_luma_minus8) + 8 != rendition.depth {
        return Err(format!("hvcC says {} bits; {} are accepted", hvcc.bit_depth_luma_minus8 + 8, rendition.depth));
    }
    let profile = hevc_profile(&hvcc, rendition);
    let (visual, btrt, colr, pasp) = (visual(rendition)?, Some(btrt(rendition)), Some(colr(rendition)), Some(SQUARE));
    // Encoders that take turns write sets with the same ids: each IDR carries its own, and the arrays here are not all there is (ISO/IEC 14496-15, 8.4.3).
    let codec = if rendition.backends.len() > 1 {
        hvcc.arrays.iter_mut().for_each(|array| array.completeness = false);
        Codec::Hev1(Hev1 { visual, hvcc, btrt, colr, pasp, ..Hev1::default() })
    } else {
        Codec::Hvc1(Hvc1 { visual, hvcc, btrt, colr, pasp, ..Hvc1::default() })
    };
    Ok(SampleEntry { codec, profile, light: light(rendition) })
}

fn av01(rendition: &Rendition, config: &[u8]) -> Result<SampleEntry, String> {
    let av1c: Av1c = record("av1C", config)?;
    if av1c.config_obus.is_empty() {
        return Err("av1C needs a sequence header".to_owned());
    }
    let depth = 8 + 2 * u32::from(av1c.high_bitdepth) + 2 * u32::from(av1c.twelve_bit);
    if depth != rendition.depth {
        return Err(format!("av1C says {depth} bits; {} are accepted", rendition.depth));
    }
    let (visual, btrt, colr, pasp) = (visual(rendition)?, Some(btrt(rendition)), Some(colr(rendition)), Some(SQUARE));
    let codec = Codec::Av01(Av01 { visual, av1c, btrt, colr, pasp, ..Av01::default() });
    // AV1-ISOBMFF 2.1 and 3: `av01` is required of every file, and the CMAF media profile of AV1, whatever its level, depth and colour.
    Ok(SampleEntry { codec, profile: Some(FourCC::new(b"av01")), light: light(rendition) })
}

/// A configuration record that is written again as it came.
fn record<A: Atom>(name: &str, config: &[u8]) -> Result<A, String> {
    let atom = A::decode_body(&mut &config[..]).map_err(|e| format!("{name} of {} bytes: {e}", config.len()))?;
    let mut again = Vec::new();
    atom.encode_body(&mut again).map_err(|e| format!("{name}: {e}"))?;
    if again != config {
        return Err(format!("{name} of {} bytes does not survive a round trip: reserved bits or trailing bytes are set", config.len()));
    }
    Ok(atom)
}

const SQUARE: Pasp = Pasp { h_spacing: 1, v_spacing: 1 };

fn visual(rendition: &Rendition) -> Result<Visual, String> {
    let side = |name: &str, value: u32| u16::try_from(value).map_err(|_| format!("{name} {value}: at most 65535"));
    let (width, height) = (side("width", rendition.width)?, side("height", rendition.height)?);
    Ok(Visual { data_reference_index: 1, width, height, ..Visual::default() })
}

fn btrt(rendition: &Rendition) -> Btrt {
    let (num, den) = rendition.grid.gop_duration().fraction();
    // The VBV holds at most half a GOP at the cap (design: rate).
    let buffer = u64::try_from(i128::from(rendition.max_bitrate) * num / den / 16).unwrap_or(u64::MAX);
    Btrt {
        buffer_size_db: clamp(buffer),
        max_bitrate: clamp(peak(rendition.max_bitrate)),
        avg_bitrate: clamp(rendition.bitrate.unwrap_or(rendition.max_bitrate)),
    }
}

fn colr(rendition: &Rendition) -> Colr {
    let (primaries, transfer, matrix) = rendition.range.code_points();
    let [colour_primaries, transfer_characteristics, matrix_coefficients] = [primaries, transfer, matrix].map(u16::from);
    Colr::Nclx { colour_primaries, transfer_characteristics, matrix_coefficients, full_range_flag: false }
}

/// `mdcv` and `clli` (ISO/IEC 14496-12, 12.1.8 and 12.1.9), as far as the rendition has static metadata. `mp4-atom` knows neither.
fn light(rendition: &Rendition) -> Vec<u8> {
    let mut boxes = Vec::new();
    if let Some(m) = rendition.hdr.mastering {
        boxes.extend_from_slice(&[0, 0, 0, 32, b'm', b'd', b'c', b'v']);
        // Green, blue, red, white.
        for (x, y) in [m.primaries[1], m.primaries[2], m.primaries[0], m.white] {
            boxes.extend_from_slice(&x.to_be_bytes());
            boxes.extend_from_slice(&y.to_be_bytes());
        }
        boxes.extend_from_slice(&m.max_luminance.to_be_bytes());
        boxes.extend_from_slice(&m.min_luminance.to_be_bytes());
    }
    if let Some(light) = rendition.hdr.light {
        boxes.extend_from_slice(&[0, 0, 0, 12, b'c', b'l', b'l', b'i']);
        boxes.extend_from_slice(&light.max_content.to_be_bytes());
        boxes.extend_from_slice(&light.max_average.to_be_bytes());
    }
    boxes
}

/// The first media profile of HEVC that holds this profile, level, size, rate and colour: ISO/IEC 23000-19, B.5, table B.1. All are of Main tier and at most 60
/// pictures a second; up to 1920x1080 level 4.1 in BT.709 (`chhd` Main, `chh1` Main 10), up to 3840x2160 `cud8` (Main, level 5) and, at level 5.1 of Main 10, `cud1`
/// (SDR), `chd1` (PQ, BT.2020) and `clg1` (HLG, BT.2020).
fn hevc_profile(hvcc: &Hvcc, rendition: &Rendition) -> Option<FourCC> {
    let (level, w, h, rate) = (hvcc.general_level_idc, rendition.width, rendition.height, rendition.grid.rate);
    if hvcc.general_tier_flag || rate.num() > 60 * rate.den() {
        return None;
    }
    let within = |most: u8, width: u32, height: u32| level <= most && w <= width && h <= height;
    match (hvcc.general_profile_idc, rendition.range) {
        (1, VideoRange::Sdr) if within(123, 1920, 1080) => Some(FourCC::new(b"chhd")),
        (1, VideoRange::Sdr) if within(150, 3840, 2160) => Some(FourCC::new(b"cud8")),
        (2, VideoRange::Sdr) if within(123, 1920, 1080) => Some(FourCC::new(b"chh1")),
        (2, VideoRange::Sdr) if within(153, 3840, 2160) => Some(FourCC::new(b"cud1")),
        (2, VideoRange::Pq) if within(153, 3840, 2160) => Some(FourCC::new(b"chd1")),
        (2, VideoRange::Hlg) if within(153, 3840, 2160) => Some(FourCC::new(b"clg1")),
        _ => None,
    }
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
    // `caac`: AAC-LC up to two channels and 48 kHz; `camc`: more of them (ISO/IEC 23000-19, 10.5 and annex I). The object type is the first five bits (2: AAC-LC).
    let lc = config.first().is_some_and(|b| b >> 3 == 2) && rate <= 48_000;
    let brand = FourCC::new(if rendition.channels <= 2 { b"caac" } else { b"camc" });
    Ok(SampleEntry { codec, profile: lc.then_some(brand), light: Vec::new() })
}
