//! AV1 bitstreams: open bitstream units out of a temporal unit, into samples and `av1C` (AV1 Bitstream & Decoding Process Specification, AV1 in ISOBMFF).

use super::bits::Bits;

/// OBU types of section 6.2.2 that are told apart here.
pub mod kind {
    /// Sequence header.
    pub const SEQUENCE_HEADER: u8 = 1;
    /// Temporal delimiter.
    pub const TEMPORAL_DELIMITER: u8 = 2;
    /// Frame header.
    pub const FRAME_HEADER: u8 = 3;
    /// Tile group.
    pub const TILE_GROUP: u8 = 4;
    /// Metadata.
    pub const METADATA: u8 = 5;
    /// Frame header and tile group in one.
    pub const FRAME: u8 = 6;
    /// A frame header again.
    pub const REDUNDANT_FRAME_HEADER: u8 = 7;
    /// Tile list.
    pub const TILE_LIST: u8 = 8;
    /// Padding.
    pub const PADDING: u8 = 15;
}

/// One open bitstream unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// Its type.
    pub kind: u8,
    /// The byte of the extension header, where there is one.
    pub extension: Option<u8>,
    /// What follows the header and the size.
    pub payload: &'a [u8],
}

impl Obu<'_> {
    /// Writes it in the low-overhead format with its size (section 5.2), in the fewest bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.kind << 3 | u8::from(self.extension.is_some()) << 2 | 2);
        out.extend(self.extension);
        let mut size = self.payload.len();
        while size > 0x7f {
            out.push(size as u8 | 0x80);
            size >>= 7;
        }
        out.push(size as u8);
        out.extend_from_slice(self.payload);
    }
}

/// The units of a temporal unit in the low-overhead format; a unit without a size goes to the end. Stops behind the first one that does not fit, which comes out as `None`.
pub fn units(bytes: &[u8]) -> impl Iterator<Item = Option<Obu<'_>>> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let from = rest.take().filter(|from| !from.is_empty())?;
        let Some((obu, behind)) = unit(from) else { return Some(None) };
        rest = Some(behind);
        Some(Some(obu))
    })
}

fn unit(bytes: &[u8]) -> Option<(Obu<'_>, &[u8])> {
    let (&header, mut rest) = bytes.split_first()?;
    // The forbidden bit.
    if header & 0x80 != 0 {
        return None;
    }
    let mut extension = None;
    if header & 4 != 0 {
        let (&byte, behind) = rest.split_first()?;
        (extension, rest) = (Some(byte), behind);
    }
    let mut size = rest.len();
    if header & 2 != 0 {
        (size, rest) = leb128(rest)?;
    }
    let payload = rest.get(..size)?;
    Some((Obu { kind: header >> 3 & 0xf, extension, payload }, &rest[size..]))
}

/// A little-endian number of 7 bits a byte, at most 8 bytes and below 2^32 (section 4.10.5).
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok().filter(|_| value <= u64::from(u32::MAX))?, &bytes[i + 1..]));
        }
    }
    None
}

/// What a sequence header says, as far as containers and checks need it (section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceHeader {
    /// Profile: 0 is Main.
    pub profile: u8,
    /// Level of the first operating point: `seq_level_idx`, 8 is level 4.0.
    pub level: u8,
    /// High tier.
    pub high_tier: bool,
    /// Bits of a sample.
    pub depth: u32,
    /// No chroma.
    pub monochrome: bool,
    /// Chroma has half the columns, and half the lines.
    pub subsampling: (bool, bool),
    /// Where chroma samples are: 0 unknown, 1 left (vertical), 2 top left (colocated).
    pub chroma_position: u8,
    /// Largest picture, in pixels and lines.
    pub size: (u32, u32),
    /// ColourPrimaries, TransferCharacteristics, MatrixCoefficients of ITU-T H.273; 2 is unspecified.
    pub colour: (u8, u8, u8),
    /// Full range.
    pub full_range: bool,
    /// A still picture's header, which frame headers of other syntax follow.
    pub reduced: bool,
}

impl SequenceHeader {
    /// Reads the payload of a sequence header OBU; `None` where it is broken or reserved.
    pub fn read(payload: &[u8]) -> Option<SequenceHeader> {
        let mut bits = Bits::new(payload);
        let profile = bits.take(3)? as u8;
        let _still = bits.flag()?;
        let reduced = bits.flag()?;
        let (level, high_tier) = if reduced { (bits.take(5)? as u8, false) } else { operating_points(&mut bits)? };
        let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let size = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
        if !reduced && bits.flag()? {
            // Lengths of frame ids.
            bits.skip(7)?;
        }
        // 128x128 superblocks, filter intra, intra edge filter.
        bits.skip(3)?;
        if !reduced {
            tools(&mut bits)?;
        }
        // Superres, CDEF, restoration.
        bits.skip(3)?;
        let high_bitdepth = bits.flag()?;
        let depth = match (profile, high_bitdepth) {
            (2, true) => 10 + 2 * bits.take(1)?,
            (0..=2, high) => 8 + 2 * u32::from(high),
            _ => return None,
        };
        let monochrome = profile != 1 && bits.flag()?;
        let colour = if bits.flag()? { (bits.take(8)? as u8, bits.take(8)? as u8, bits.take(8)? as u8) } else { (2, 2, 2) };
        let base = SequenceHeader {
            profile,
            level,
            high_tier,
            depth,
            monochrome,
            subsampling: (true, true),
            chroma_position: 0,
            size,
            colour,
            full_range: true,
            reduced,
        };
        if monochrome {
            return Some(SequenceHeader { full_range: bits.flag()?, ..base });
        }
        // sRGB: 4:4:4, full range.
        if colour == (1, 13, 0) {
            return Some(SequenceHeader { subsampling: (false, false), ..base });
        }
        let full_range = bits.flag()?;
        let subsampling = match profile {
            0 => (true, true),
            1 => (false, false),
            _ if depth == 12 => {
                let across = bits.flag()?;
                (across, across && bits.flag()?)
            }
            _ => (true, false),
        };
        let chroma_position = if subsampling == (true, true) { bits.take(2)? as u8 } else { 0 };
        Some(SequenceHeader { subsampling, chroma_position, full_range, ..base })
    }
}

/// Timing, decoder model and operating points; the level and tier of the first.
fn operating_points(bits: &mut Bits) -> Option<(u8, bool)> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.golomb()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? as usize + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?;
        let level = bits.take(5)? as u8;
        let high_tier = level > 7 && bits.flag()?;
        if let Some(n) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * n + 1)?;
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?;
        }
        first.get_or_insert((level, high_tier));
    }
    first
}

/// Coding tools of streams that are more than a still picture.
fn tools(bits: &mut Bits) -> Option<()> {
    // Interintra, masked compound, warped motion, dual filter.
    bits.skip(4)?;
    let order_hint = bits.flag()?;
    if order_hint {
        bits.skip(2)?;
    }
    // Screen content tools: chosen by each frame, else forced on or off.
    let screen_content = bits.flag()? || bits.flag()?;
    if screen_content && !bits.flag()? {
        bits.skip(1)?;
    }
    if order_hint {
        bits.skip(3)?;
    }
    Some(())
}

/// The first sequence header of a stream: its OBU, and what it says.
pub fn sequence_header(stream: &[u8]) -> Option<(Obu<'_>, SequenceHeader)> {
    let obu = units(stream).flatten().find(|obu| obu.kind == kind::SEQUENCE_HEADER)?;
    Some((obu, SequenceHeader::read(obu.payload)?))
}

/// An AV1CodecConfigurationRecord (AV1-ISOBMFF 2.3.3) from the first sequence header in `stream`, which it carries as its only OBU. `None` where there is none.
pub fn av1c(stream: &[u8]) -> Option<Vec<u8>> {
    let (obu, header) = sequence_header(stream)?;
    let flag = |set: bool, shift: u32| u8::from(set) << shift;
    let (across, down) = header.subsampling;
    let shape = flag(header.high_tier, 7)
        | flag(header.depth > 8, 6)
        | flag(header.depth == 12, 5)
        | flag(header.monochrome, 4)
        | flag(across, 3)
        | flag(down, 2)
        | header.chroma_position & 3;
    let mut out = vec![0x81, header.profile << 5 | header.level, shape, 0];
    obu.write(&mut out);
    Some(out)
}

/// A temporal unit as a CMAF sample: every OBU with its size, without temporal delimiters, padding, tile lists and repeated headers (AV1-ISOBMFF 2.4). The flag says
/// whether decoding may start here: it has a sequence header, and its first frame is a key frame that is shown. `None` where the bytes are no OBUs, or hold no frame.
pub fn to_sample(unit: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut sample = Vec::with_capacity(unit.len() + 8);
    let (mut header, mut key) = (None, None);
    for obu in units(unit) {
        let obu = obu?;
        match obu.kind {
            kind::TEMPORAL_DELIMITER | kind::PADDING | kind::TILE_LIST | kind::REDUNDANT_FRAME_HEADER => continue,
            kind::SEQUENCE_HEADER => header = Some(SequenceHeader::read(obu.payload)?),
            kind::FRAME | kind::FRAME_HEADER if key.is_none() => key = Some(is_shown_key(obu.payload, header.is_some_and(|h| h.reduced))?),
            _ => {}
        }
        obu.write(&mut sample);
    }
    Some((sample, key? && header.is_some()))
}

/// Whether a frame header is that of a key frame that is shown (section 5.9.2).
pub fn is_shown_key(payload: &[u8], reduced: bool) -> Option<bool> {
    let mut bits = Bits::new(payload);
    if reduced {
        return Some(true);
    }
    let again = bits.flag()?;
    let kind = bits.take(2)?;
    let shown = bits.flag()?;
    Some(!again && kind == 0 && shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The sequence header of a 320x180 stream of 10 bits and BT.709 that SVT-AV1 1.4.1 made.
    const HEADER: [u8; 14] = [0, 0, 0, 4, 0x3c, 0xfe, 0xcc, 0xfb, 0xf9, 0x50, 0x10, 0x10, 0x10, 0x40];
    /// That of a 320x180 stream of 8 bits without colour that libaom 3.6 made.
    const PLAIN: [u8; 11] = [0, 0, 0, 4, 0x3c, 0xfe, 0xcc, 0xda, 0xf9, 0, 0x40];

    /// A temporal delimiter, a sequence header, and the beginning of a frame.
    fn stream(first_of_frame: u8) -> Vec<u8> {
        [&[0x12, 0, 0x0a, 14][..], &HEADER, &[0x32, 3, first_of_frame, 0xaa, 0xbb]].concat()
    }

    #[test]
    fn sequence_headers_of_two_encoders_read_as_they_were_asked_for() {
        let ten = SequenceHeader::read(&HEADER).expect("reads");
        assert_eq!((ten.profile, ten.level, ten.high_tier, ten.size), (0, 0, false, (320, 180)));
        assert_eq!((ten.depth, ten.colour, ten.full_range, ten.subsampling, ten.monochrome), (10, (1, 1, 1), false, (true, true), false));
        let eight = SequenceHeader::read(&PLAIN).expect("reads");
        assert_eq!((eight.depth, eight.colour, eight.size), (8, (2, 2, 2), (320, 180)));
        assert!((1..HEADER.len() - 2).all(|n| SequenceHeader::read(&HEADER[..n]).is_none()), "cut short");
        let config = av1c(&stream(0x10)).expect("has a sequence header");
        assert_eq!(config, [&[0x81, 0, 0x4c, 0, 0x0a, 14][..], &HEADER].concat());
    }

    #[test]
    fn delimiters_go_and_sizes_stay() {
        let (sample, key) = to_sample(&stream(0x10)).expect("a temporal unit");
        assert!(key, "a key frame that is shown, behind a sequence header");
        assert_eq!(sample, stream(0x10)[2..]);
        assert_eq!(to_sample(&stream(0x30)).map(|s| s.1), Some(false), "an inter frame");
        assert_eq!(to_sample(&stream(0x00)).map(|s| s.1), Some(false), "a key frame that is not shown");
        assert_eq!(to_sample(&stream(0x90)).map(|s| s.1), Some(false), "a frame shown again");
        assert_eq!(to_sample(&stream(0x10)[18..]).map(|s| s.1), Some(false), "no sequence header");
        // A frame without a size gets one.
        assert_eq!(to_sample(&[0x30, 0x10, 9, 9]), Some((vec![0x32, 3, 0x10, 9, 9], false)));
        assert_eq!(to_sample(&[0x12, 0]), None, "no frame");
        assert_eq!(to_sample(&[0x32, 9, 0x10]), None, "cut short");
        assert_eq!(to_sample(&[0x92, 0]), None, "the forbidden bit");
    }

    #[test]
    fn long_units_have_long_sizes() {
        let payload = vec![0x10; 300];
        let mut out = Vec::new();
        Obu { kind: kind::FRAME, extension: Some(0x20), payload: &payload }.write(&mut out);
        assert_eq!(out[..4], [0x36, 0x20, 0xac, 0x02]);
        assert_eq!(units(&out).collect::<Vec<_>>(), [Some(Obu { kind: kind::FRAME, extension: Some(0x20), payload: &payload })]);
    }

    #[test]
    fn a_configuration_needs_a_sequence_header() {
        assert_eq!(av1c(&[0x12, 0, 0x32, 1, 0x10]), None);
        assert_eq!(av1c(&[0x0a, 2, 0, 0]), None, "cut short");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_samples_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in 0u8..16) {
            let _ = av1c(&bytes);
            let unit = [&[head << 3][..], &bytes].concat();
            if let Some((sample, key)) = to_sample(&unit) {
                prop_assert!(units(&sample).all(|obu| obu.is_some()));
                prop_assert_eq!(to_sample(&sample), Some((sample.clone(), key)));
            }
        }
    }
}
