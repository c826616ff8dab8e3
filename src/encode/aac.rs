//! AAC-LC through libav's own encoder, opened afresh for every segment.

use crate::encode::{EncodeError, Packet};
use crate::ffmpeg::{extradata, layout_of};
use crate::frame::PcmSegment;
use crate::plan::AudioRendition;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type;
use std::collections::VecDeque;
use std::ops::Range;

/// Audio frames that are encoded before a segment and thrown away, so that the encoder's psychoacoustic and rate state is that of a continuous one at the join.
///
/// Chosen by the null test in `tests/audio_joins.rs`: error energy about the joins at 128 kb/s, in units of that of an encoder that runs on, mean over the joins of each of four clips (and the worst join of all):
/// 1 frame 1 to 15 (109), 2 frames 1.0 to 1.9 (8.8), 8 frames 0.9 to 1.7 (5.5), 16 frames 0.7 to 1.6 (5.0), 32 frames 0.6 to 1.5 (5.6). Away from joins the worst stretch of the same length is at 11.
pub const LEAD: u32 = 16;

/// Audio frames that are encoded after a segment and thrown away: the encoder looks ahead. Same test: none 11 to 190 (10,000), 1 frame 0.7 to 2.6 (14), 2 or more 0.7 to 1.6 (5.0).
pub const TAIL: u32 = 4;

/// Audio frames that the encoder wants behind one before it hands that out: what a part of a segment needs behind it.
pub const AHEAD: u32 = 2;

/// Samples in an AAC-LC frame.
pub const FRAME: u32 = 1024;

const NAME: &str = "aac";

/// From this many bits per second and channel on, libav's `fast` coder is used, without noise substitution and intensity stereo.
///
/// At 128 kb/s stereo, same bytes, fresh encoders, its decoded sound was 1.2, 2.9, 6.6 and 5.9 dB nearer to the source than that of `twoloop` with both (four clips of `tests/audio_joins.rs`), at less CPU;
/// libav's manual says likewise of rates above 64 kb/s.
const PLENTY: usize = 48_000;

/// libav's rate control misses by up to a third on noise. A segment whose frames have more than this share of the rung's bitrate is encoded again at a rate
/// that is lower by as much.
const MOST: u64 = 105;
/// So is one that has more than this with its boxes, which are a tenth of a second at 32 kb/s.
const MOST_BOXED: u64 = 110;
/// What the boxes leave to the frames at the least: of a segment of a few frames, which ends an event, they may be most.
const LEAST: u64 = 50;

/// How often at most.
const TRIES: u32 = 6;
/// What comes in parts is out before its size is known: told so many percent of its rate, libav's encoder keeps within 1.10 of it on music, boxes of chunks aside.
const IN_PARTS: usize = 94;

/// One AAC rung: its settings, and the AudioSpecificConfig that all its encoders share.
pub struct Aac {
    rung: String,
    bitrate: usize,
    channels: u32,
    sample_rate: u32,
    config: Vec<u8>,
    /// Bytes of a segment's boxes.
    boxes: u64,
}

impl Aac {
    /// Opens an encoder once, to see that it works and to learn its configuration.
    pub fn open(rendition: &AudioRendition) -> Result<Aac, EncodeError> {
        let refuse = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend: NAME, why };
        if ![1, 2, 6].contains(&rendition.channels) {
            return Err(refuse(format!("channels = {}: 1, 2 and 6 are accepted", rendition.channels)));
        }
        if rendition.grid.frame != FRAME {
            return Err(refuse(format!("frames of {} samples: AAC has {FRAME}", rendition.grid.frame)));
        }
        let bitrate = usize::try_from(rendition.bitrate).map_err(|_| refuse(format!("bitrate = {}", rendition.bitrate)))?;
        let sample_rate = rendition.grid.sample_rate;
        let mut aac = Aac { rung: rendition.name.clone(), bitrate, channels: rendition.channels, sample_rate, config: Vec::new(), boxes: 0 };
        let encoder = aac.encoder(bitrate).map_err(|error| refuse(error.to_string()))?;
        aac.config = extradata(&encoder);
        if aac.config.len() < 2 {
            return Err(refuse("it has no AudioSpecificConfig".to_owned()));
        }
        Ok(aac)
    }

    /// Leaves room for so many bytes of boxes in each segment.
    pub fn with_boxes(self, boxes: u64) -> Aac {
        Aac { boxes, ..self }
    }

    /// AudioSpecificConfig (ISO 14496-3, 1.6.2.1), for `esds`.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    fn layout(&self) -> ffmpeg::ChannelLayout {
        layout_of(self.channels)
    }

    fn encoder(&self, bitrate: usize) -> Result<ffmpeg::encoder::audio::Encoder, ffmpeg::Error> {
        let codec = ffmpeg::encoder::find_by_name(NAME).ok_or(ffmpeg::Error::EncoderNotFound)?;
        let mut context = ffmpeg::codec::Context::new_with_codec(codec).encoder().audio()?;
        context.set_rate(i32::try_from(self.sample_rate).map_err(|_| ffmpeg::Error::InvalidData)?);
        context.set_format(Sample::F32(Type::Planar));
        context.set_channel_layout(self.layout());
        context.set_time_base((1, i32::try_from(self.sample_rate).map_err(|_| ffmpeg::Error::InvalidData)?));
        context.set_bit_rate(bitrate);
        // Every setting that alters bytes is named, so that another libav's defaults do not.
        let (coder, parametric) = if self.bitrate >= PLENTY * self.channels as usize { ("fast", "0") } else { ("twoloop", "1") };
        let mut options = ffmpeg::Dictionary::new();
        for (key, value) in [
            ("threads", "1"),
            ("flags", "+bitexact+global_header"),
            ("profile", "aac_low"),
            ("aac_coder", coder),
            ("aac_ms", "auto"),
            ("aac_is", parametric),
            ("aac_pns", parametric),
            ("aac_tns", "1"),
            ("aac_ltp", "0"),
            ("aac_pred", "0"),
            ("aac_pce", "0"),
        ] {
            options.set(key, value);
        }
        context.open_as_with(codec, options)
    }

    /// Encodes one segment with a fresh encoder. The packets are its published frames, each with its absolute number: frame n decodes to the samples from 1024 n on.
    pub fn encode(&self, segment: &PcmSegment) -> Result<Vec<Packet>, EncodeError> {
        let failed = |why: String| EncodeError::Failed { rung: self.rung.clone(), backend: NAME, gop: segment.gop, why };
        let total = self.check(segment, 0).map_err(failed)?;
        let range = segment.first_frame..segment.first_frame + i64::from(segment.frames);
        let share =
            |percent: u64| (self.bitrate as u64).saturating_mul(u64::from(segment.frames) * u64::from(FRAME)) / u64::from(self.sample_rate) / 8 * percent / 100;
        let most = share(MOST).min(share(MOST_BOXED).saturating_sub(self.boxes)).max(share(LEAST));
        let mut bitrate = self.bitrate;
        let mut tries = 0;
        loop {
            tries += 1;
            let made = self.encode_all(segment, total, bitrate).map_err(|error| failed(error.to_string()))?;
            let packets: Vec<Packet> = made.into_iter().filter(|packet| range.contains(&packet.time)).collect();
            if !packets.iter().map(|packet| packet.time).eq(range.clone()) {
                return Err(failed(format!("{} frames came out of the {} published", packets.len(), segment.frames)));
            }
            let bytes: u64 = packets.iter().map(|packet| packet.data.len() as u64).sum();
            // The muxer says and counts it where even the last try is too large: a hole would be worse.
            if bytes <= most || tries == TRIES {
                return Ok(packets);
            }
            // A fiftieth more than the rule of three: rates fall more slowly than they are told to.
            bitrate = usize::try_from(bitrate as u64 * most / bytes * 49 / 50).unwrap_or(bitrate);
        }
    }

    /// How many frames `segment`, or the part of it behind the first `from`, has; or what is wrong with it.
    fn check(&self, segment: &PcmSegment, from: u32) -> Result<i64, String> {
        let total = i64::from(segment.lead) + i64::from(segment.frames) + i64::from(segment.tail) - i64::from(from);
        let length = usize::try_from(total * i64::from(FRAME)).map_err(|_| format!("{total} frames"))?;
        if segment.from != from {
            return Err(format!("a part from frame {} on; one from {from} on is accepted", segment.from));
        }
        if segment.planes.len() != self.channels as usize || segment.planes.iter().any(|plane| plane.len() != length) {
            return Err(format!("expected {} planes of {length} samples", self.channels));
        }
        Ok(total)
    }

    fn open_checked(&self, bitrate: usize) -> Result<ffmpeg::encoder::audio::Encoder, ffmpeg::Error> {
        let encoder = self.encoder(bitrate)?;
        if extradata(&encoder) == self.config { Ok(encoder) } else { Err(ffmpeg::Error::InvalidData) }
    }

    fn encode_all(&self, segment: &PcmSegment, total: i64, bitrate: usize) -> Result<Vec<Packet>, ffmpeg::Error> {
        let mut encoder = self.open_checked(bitrate)?;
        let start = segment.first_frame - i64::from(segment.lead);
        let mut packets = Vec::new();
        self.feed(&mut encoder, segment, 0..total, start, &mut packets)?;
        encoder.send_eof()?;
        drain(&mut encoder, start, &mut packets)?;
        Ok(packets)
    }

    /// Feeds the planes of `segment`, which are the frames `range` counted from `start`, and takes what comes out.
    fn feed(
        &self,
        encoder: &mut ffmpeg::encoder::audio::Encoder,
        segment: &PcmSegment,
        range: Range<i64>,
        start: i64,
        packets: &mut Vec<Packet>,
    ) -> Result<(), ffmpeg::Error> {
        for (place, index) in range.enumerate() {
            let mut frame = ffmpeg::frame::Audio::new(Sample::F32(Type::Planar), FRAME as usize, self.layout());
            frame.set_rate(self.sample_rate);
            frame.set_pts(Some(index * i64::from(FRAME)));
            let at = place * FRAME as usize;
            for (channel, plane) in segment.planes.iter().enumerate() {
                let samples = plane.get(at..at + FRAME as usize).ok_or(ffmpeg::Error::InvalidData)?;
                frame.plane_mut::<f32>(channel).copy_from_slice(samples);
            }
            encoder.send_frame(&frame)?;
            drain(encoder, start, packets)?;
        }
        Ok(())
    }
}

/// A segment that is encoded as its parts come. Its packets are those of [`Aac::encode`], but for a segment that would be encoded again at a lower rate: what is out is out.
pub struct Parts {
    encoder: ffmpeg::encoder::audio::Encoder,
    /// Frames fed, run-up included.
    fed: u32,
    /// The next frame to publish.
    next: i64,
    /// What came out beyond the frames that are known to be published.
    held: VecDeque<Packet>,
}

impl Parts {
    /// Opens the encoder of one segment, whose first part is `segment`.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(aac: &Aac, segment: &PcmSegment) -> Result<Parts, EncodeError> {
        let refused = |error: ffmpeg::Error| EncodeError::Open { rung: aac.rung.clone(), backend: NAME, why: error.to_string() };
        Ok(Parts { encoder: aac.open_checked(aac.bitrate * IN_PARTS / 100).map_err(refused)?, fed: 0, next: segment.first_frame, held: VecDeque::new() })
    }

    /// Encodes the next part. The packets are those of its published frames, each with its absolute number.
    ///
    /// # Errors
    /// libav refuses it, or it is not the next part.
    pub fn encode(&mut self, aac: &Aac, segment: &PcmSegment) -> Result<Vec<Packet>, EncodeError> {
        let failed = |why: String| EncodeError::Failed { rung: aac.rung.clone(), backend: NAME, gop: segment.gop, why };
        let count = aac.check(segment, self.fed).map_err(failed)?;
        let start = segment.first_frame - i64::from(segment.lead);
        let (mut made, from) = (Vec::new(), i64::from(self.fed));
        let mut encoded = aac.feed(&mut self.encoder, segment, from..from + count, start, &mut made);
        if !segment.more {
            encoded = encoded.and_then(|()| self.encoder.send_eof()).and_then(|()| drain(&mut self.encoder, start, &mut made));
        }
        encoded.map_err(|error| failed(error.to_string()))?;
        self.fed = segment.lead + segment.frames + segment.tail;
        let (first, end) = (self.next, segment.first_frame + i64::from(segment.frames));
        self.held.extend(made.into_iter().filter(|packet| packet.time >= first));
        let ready = self.held.iter().take_while(|packet| packet.time < end).count();
        let packets: Vec<Packet> = self.held.drain(..ready).collect();
        if !packets.iter().map(|packet| packet.time).eq(first..end) {
            return Err(failed(format!("{} frames came out of the {} published", packets.len(), end - first)));
        }
        self.next = end;
        Ok(packets)
    }
}

/// Appends what is ready. libav stamps packets with their priming taken off: the packet at 1024 i decodes to the samples that were sent at 1024 i.
fn drain(encoder: &mut ffmpeg::encoder::audio::Encoder, start: i64, packets: &mut Vec<Packet>) -> Result<(), ffmpeg::Error> {
    let mut packet = ffmpeg::Packet::empty();
    loop {
        match encoder.receive_packet(&mut packet) {
            Ok(()) => {}
            Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN } | ffmpeg::Error::Eof) => return Ok(()),
            Err(error) => return Err(error),
        }
        let (Some(pts), Some(data)) = (packet.pts(), packet.data()) else { continue };
        packets.push(Packet { time: start + pts.div_euclid(i64::from(FRAME)), idr: true, data: data.to_vec() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{AudioGrid, GopId, Grid, Rate, Seconds};
    use std::sync::Arc;

    fn rendition(bitrate: u64, channels: u32) -> AudioRendition {
        let video = Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::whole(2));
        let grid = AudioGrid { video, sample_rate: 48_000, frame: FRAME };
        AudioRendition::main("a", bitrate, channels, grid, "und")
    }

    /// White noise, the dearest sound there is, from a fixed seed.
    fn noise(channels: u32, frames: u32) -> PcmSegment {
        let mut seed = 1u32;
        let mut sample = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let length = ((LEAD + frames + TAIL) * FRAME) as usize;
        let planes = (0..channels).map(|_| (0..length).map(|_| sample()).collect()).collect();
        PcmSegment {
            gop: GopId(7),
            from: 0,
            more: false,
            first_frame: 657,
            frames,
            lead: LEAD,
            tail: TAIL,
            planes: Arc::new(planes),
            silent_samples: 0,
            damaged: 0,
            clean: true,
            joined: true,
            path: 0,
            last: false,
        }
    }

    /// With its boxes no segment is larger than 1.10 x bitrate x duration, however short it is and however low the rate.
    #[test]
    fn boxes_count_where_rates_are_low() {
        for (seconds, frames, bitrate, channels) in [(1, 47, 32_000, 1), (1, 47, 48_000, 2), (1, 47, 64_000, 2), (2, 94, 32_000, 2), (2, 94, 64_000, 2)] {
            let mut rendition = rendition(bitrate, channels);
            rendition.grid.video = Grid::new(rendition.grid.video.rate, Seconds::whole(seconds));
            let aac = Aac::open(&rendition).expect("opens");
            let kind = crate::mux::TrackKind::Audio { rendition, config: aac.config().to_vec() };
            let boxes = crate::mux::overhead(&crate::mux::TrackSpec { id: crate::encode::TrackId(0), name: "a".to_owned(), kind }, None);
            let packets = aac.with_boxes(boxes).encode(&noise(channels, frames)).expect("encodes");
            let bits: u64 = packets.iter().map(|p| p.data.len() as u64 * 8).sum::<u64>() + boxes * 8;
            let budget = bitrate * u64::from(frames) * u64::from(FRAME) / 48_000;
            assert!(bits * 100 <= budget * 110, "{bitrate}/{channels} at {seconds} s: {} %", bits * 100 / budget);
            assert!(bits * 100 >= budget * 70, "{bitrate}/{channels} at {seconds} s: only {} %", bits * 100 / budget);
        }
    }

    #[test]
    fn noise_keeps_to_the_bitrate() {
        for (bitrate, channels) in [(128_000, 2), (64_000, 2), (256_000, 2), (64_000, 1), (192_000, 2), (384_000, 6), (256_000, 6)] {
            let aac = Aac::open(&rendition(bitrate, channels)).expect("opens");
            let packets = aac.encode(&noise(channels, 94)).expect("encodes");
            let bits: u64 = packets.iter().map(|p| p.data.len() as u64 * 8).sum();
            let budget = bitrate * 94 * u64::from(FRAME) / 48_000;
            assert!(bits * 100 <= budget * 105, "{bitrate}/{channels}: {} % of the budget", bits * 100 / budget);
            assert!(bits * 100 >= budget * 60, "{bitrate}/{channels}: only {} % of the budget", bits * 100 / budget);
        }
    }
    /// Part by part it is the same segment, and every part's packets are there as soon as the part is.
    #[test]
    fn parts_make_the_segment() {
        let whole = noise(2, 94);
        // At this rate noise is not encoded again.
        let aac = Aac::open(&rendition(256_000, 2)).expect("opens");
        let lower = Aac::open(&rendition(256_000 * IN_PARTS as u64 / 100, 2)).expect("opens");
        let expected = lower.encode(&whole).expect("encodes");
        for step in [1, 5, 9, 40, 94] {
            let (mut parts, mut got, mut from) = (Parts::open(&aac, &whole).expect("opens"), Vec::new(), 0);
            let mut frames = 0;
            while frames < 94 {
                frames = (frames + step).min(94);
                let more = frames < 94;
                let tail = if more { AHEAD } else { TAIL };
                let (a, b) = ((from * FRAME) as usize, ((LEAD + frames + tail) * FRAME) as usize);
                let planes = Arc::new(whole.planes.iter().map(|plane| plane[a..b].to_vec()).collect());
                let part = PcmSegment { frames, from, more, tail, planes, ..whole.clone() };
                got.extend(parts.encode(&aac, &part).expect("encodes"));
                assert_eq!(got.len() as u32, frames, "as soon as the part is there");
                from = LEAD + frames + tail;
            }
            assert!(got == expected, "{step} frames a part");
            assert!(parts.encode(&aac, &whole).is_err(), "a part that is not the next");
        }
    }
}
