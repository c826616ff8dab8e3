//! Samples: decodes and resamples one segment's packets with a fresh decoder and fresh resamplers, so that nothing of the past is in them.

use crate::capture::StreamInfo;
use crate::decode::audio_store::Part;
use crate::decode::mixdown::limit;
use crate::decode::pce::{JUDGED, assumed, begins_with_layout, lacks_layout, with_configuration};
use crate::decode::place::{Piece, Run, place_settled};
use crate::ffmpeg::{Resampler, SharedParameters, is_discarded, joinable_audio_parameters, same_sound, share_packet};
use crate::plan::SAMPLE_RATE;
use crate::time::Seconds;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::Id;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Sample rates that are decoded; others are counted as faults and silent.
pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// The most samples of one decoded frame, and the most bytes of all decoded frames of a segment. Hostile streams end here.
const MAX_FRAME: usize = 1 << 18;
const MAX_BYTES: usize = 256 << 20;

/// No sample leaves louder than this (full scale is 1).
const LOUDEST: f32 = 8.0;

/// Why the sound of a feed cannot be decoded at all.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// No decoder, or it refuses the stream's parameters.
    #[error("audio stream {index}: {codec}: {why}")]
    Decoder {
        /// Stream index in the container.
        index: usize,
        /// Codec.
        codec: String,
        /// libav's words.
        why: String,
    },
    /// A queue closed without an end: the stage before broke.
    #[error("audio: the queue of {0} closed without an end")]
    Upstream(&'static str),
}

/// How to decode one audio stream; opens a decoder for every segment.
pub struct Samples {
    parameters: SharedParameters,
    codec: ffmpeg::Codec,
    time_base: (i32, i32),
    /// The packet that says the channel layout, where the others leave it to that one.
    layout: OnceLock<ffmpeg::Packet>,
    /// The channel configuration that is meant where that packet has not come; nothing inside where none fits. And the packets by which it is judged.
    assumed: OnceLock<Option<u8>>,
    unsaid: Mutex<Vec<ffmpeg::Packet>>,
}

/// Which samples are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The first, at 48 kHz, counted from the epoch.
    pub first: i64,
    /// How many.
    pub samples: usize,
    /// What to add to source time to get UTC.
    pub offset: Seconds,
    /// Stamps (ticks of source time) from here on leave everything where those before put it; absent: all count.
    pub settled: Option<i64>,
}

/// A window's sound.
pub struct Rendered {
    /// For each channel count asked for: one plane a channel, each of the window's length. Silent where nothing is covered.
    pub mixes: Vec<Vec<Vec<f32>>>,
    /// Which output samples the feed had, rising, without overlaps.
    pub covered: Vec<Range<i64>>,
    /// Packets and frames that could not be used.
    pub faults: u64,
}

impl Rendered {
    /// With the sound of the next window, which begins at sample `at`, behind it. What either covers on the other's side does not count.
    pub fn followed_by(mut self, next: Rendered, at: i64) -> Rendered {
        for (mix, more) in self.mixes.iter_mut().zip(next.mixes) {
            mix.iter_mut().zip(more).for_each(|(plane, more)| plane.extend(more));
        }
        let before = self.covered.into_iter().map(|c| c.start..c.end.min(at));
        self.covered = before.chain(next.covered.into_iter().map(|c| c.start.max(at)..c.end)).filter(|c| c.start < c.end).collect();
        self.faults += next.faults;
        self
    }
}

impl Samples {
    /// Opens a decoder once, to see that it works.
    pub fn open(stream: &StreamInfo) -> Result<Samples, AudioError> {
        let parameters = joinable_audio_parameters(&stream.parameters);
        let refuse = |why: &str| AudioError::Decoder { index: stream.index, codec: format!("{:?}", stream.parameters.id()), why: why.to_owned() };
        let codec = ffmpeg::decoder::find(parameters.id()).ok_or_else(|| refuse("libav has no decoder for it"))?;
        let samples = Samples {
            parameters: parameters.into(),
            codec,
            time_base: stream.time_base,
            layout: OnceLock::new(),
            assumed: OnceLock::new(),
            unsaid: Mutex::default(),
        };
        samples.decoder().map_err(|error| refuse(&error.to_string()))?;
        Ok(samples)
    }

    /// Looks at every packet of the stream as it comes, for what a decoder that is opened later has to know.
    pub fn learn(&self, packet: &ffmpeg::Packet) {
        if self.layout.get().is_some() || self.parameters.id() != Id::AAC {
            return;
        }
        if begins_with_layout(packet) {
            share_packet(packet).into_iter().for_each(|packet| drop(self.layout.set(packet)));
            return;
        }
        if self.assumed.get().is_some() || !lacks_layout(packet) {
            return;
        }
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        unsaid.extend(share_packet(packet));
        if unsaid.len() >= JUDGED {
            let found = assumed(&unsaid, |packets| self.decodes(packets));
            match found {
                Some(configuration) => {
                    tracing::warn!(configuration, "the sound's channel layout was said before this worker came; the one that its packets fit is taken")
                }
                None => tracing::warn!(
                    "the sound's channel layout was said before this worker came, and its packets fit none that is usual: it is silent until it is said again"
                ),
            }
            let _ = self.assumed.set(found);
            unsaid.clear();
        }
    }

    /// Whether a fresh decoder makes sound of each of these.
    fn decodes(&self, packets: &[ffmpeg::Packet]) -> bool {
        let Ok(mut decoder) = self.decoder() else { return false };
        packets.iter().all(|packet| {
            let mut frame = ffmpeg::frame::Audio::empty();
            decoder.send_packet(packet).is_ok() && decoder.receive_frame(&mut frame).is_ok() && frame.samples() > 0
        })
    }

    /// Whether these decode `stream`, too.
    pub fn fit(&self, stream: &StreamInfo) -> bool {
        same_sound(&self.parameters, &joinable_audio_parameters(&stream.parameters))
    }

    /// How many packets a fresh decoder needs before the one whose sound counts.
    ///
    /// After 16 every decoder of AAC, HE-AAC, MP2, AC-3 and E-AC-3 tried is within its own noise of one that saw everything; Opus asks for 80 ms, which can be 32 packets (RFC 6716, 4.5.2; RFC 7845, 4.6).
    pub fn run_up(&self) -> usize {
        if self.parameters.id() == Id::OPUS { 40 } else { 16 }
    }

    fn decoder(&self) -> Result<ffmpeg::decoder::Audio, ffmpeg::Error> {
        let mut decoder = ffmpeg::codec::Context::from_parameters((*self.parameters).clone())?.decoder();
        decoder.set_packet_time_base(self.time_base);
        let mut options = ffmpeg::Dictionary::new();
        options.set("threads", "1");
        options.set("flags", "+bitexact");
        // Trimming is ours: libav's moves stamps by rounded amounts.
        options.set("flags2", "+skip_manual");
        decoder.open_as_with(self.codec, options)?.audio()
    }

    /// Decodes `packets` from the first on and puts what falls into `window` at its place, once for each entry of `channels` (1, 2 or 6).
    pub fn render(&self, packets: &[&ffmpeg::Packet], window: &Window, channels: &[u32]) -> Rendered {
        let mut out = Decoding::default();
        self.decode(packets, &mut out);
        out.render(self.time_base, window, channels)
    }

    fn decode(&self, packets: &[&ffmpeg::Packet], out: &mut Decoding) {
        let Ok(mut decoder) = self.decoder() else {
            out.faults += packets.len() as u64;
            return;
        };
        if let Some(layout) = self.layout.get() {
            // Only what it says of the channels is wanted: its sound is dropped, and the overlap that it leaves.
            let _ = decoder.send_packet(layout);
            let _ = decoder.receive_frame(&mut ffmpeg::frame::Audio::empty());
            decoder.flush();
        }
        for packet in packets {
            if is_discarded(packet) {
                out.discard.extend(packet.pts());
            }
            let assumed = self.assumed.get().copied().flatten().filter(|_| self.layout.get().is_none());
            let changed = assumed.and_then(|configuration| with_configuration(packet, configuration));
            if decoder.send_packet(changed.as_ref().unwrap_or(packet)).is_err() {
                out.faults += 1;
            }
            if !out.take(&mut decoder) {
                out.faults += 1;
                return;
            }
        }
        if decoder.send_eof().is_ok() {
            out.take(&mut decoder);
        }
    }
}

/// As [`Samples::render`], where the sound may become something else in between. Stamps are in `time_base`.
pub fn render(parts: &[Part<'_>], time_base: (i32, i32), window: &Window, channels: &[u32]) -> Rendered {
    let mut out = Decoding::default();
    for (samples, packets) in parts {
        match samples {
            Some(samples) => samples.decode(packets, &mut out),
            None => out.faults += packets.len() as u64,
        }
        out.part += 1;
    }
    out.render(time_base, window, channels)
}

impl Decoding {
    fn render(self, time_base: (i32, i32), window: &Window, channels: &[u32]) -> Rendered {
        let mut mixes: Vec<Vec<Vec<f32>>> = channels.iter().map(|&n| vec![vec![0.0; window.samples]; n as usize]).collect();
        let Decoding { frames, mut faults, .. } = self;
        let pieces: Vec<Piece> = frames.iter().map(|f| f.piece).collect();
        let wanted = window.first..window.first.saturating_add(window.samples as i64);
        let mut covered: Vec<Range<i64>> = Vec::new();
        for run in place_settled(&pieces, time_base, window.offset, SAMPLE_RATE, window.settled) {
            let begin = run.meeting.at_or_after(run.first, SAMPLE_RATE).max(covered.last().map_or(i64::MIN, |last| last.end));
            let end = run.meeting.at_or_after(run.end(), SAMPLE_RATE);
            let used = begin.max(wanted.start)..end.min(wanted.end);
            if begin < end {
                covered.push(begin..end);
            }
            if used.is_empty() {
                continue;
            }
            for (mix, &count) in mixes.iter_mut().zip(channels) {
                match resample(&run, &frames, count) {
                    Ok((at, made)) => copy(&made, at, &used, window.first, mix),
                    Err(_) => faults += 1,
                }
            }
        }
        Rendered { mixes, covered, faults }
    }
}

struct Decoded {
    frame: ffmpeg::frame::Audio,
    part: usize,
    piece: Piece,
}

#[derive(Default)]
struct Decoding {
    frames: Vec<Decoded>,
    /// Stamps of packets that the container wants decoded but not heard.
    discard: HashSet<i64>,
    bytes: usize,
    faults: u64,
    /// Which part is being decoded.
    part: usize,
}

impl Decoding {
    /// Takes every frame that is ready; false once the segment is too large to be true.
    fn take(&mut self, decoder: &mut ffmpeg::decoder::Audio) -> bool {
        loop {
            let mut frame = ffmpeg::frame::Audio::empty();
            match decoder.receive_frame(&mut frame) {
                Ok(()) => {}
                Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN } | ffmpeg::Error::Eof) => return true,
                Err(_) => {
                    self.faults += 1;
                    return true;
                }
            }
            let (samples, channels) = (frame.samples(), usize::from(frame.channels()));
            if samples == 0 || samples > MAX_FRAME || channels == 0 || !RATES.contains(&frame.rate()) {
                self.faults += 1;
                continue;
            }
            self.bytes = self.bytes.saturating_add(samples * channels * frame.format().bytes());
            if self.bytes > MAX_BYTES {
                return false;
            }
            let piece = self.piece(&frame, samples as u32);
            self.frames.push(Decoded { frame, part: self.part, piece });
        }
    }

    fn piece(&self, frame: &ffmpeg::frame::Audio, samples: u32) -> Piece {
        let shape = match self.frames.last() {
            Some(last) => last.piece.shape + u64::from(last.part != self.part || !same_shape(&last.frame, frame)),
            None => 0,
        };
        // AV_FRAME_DATA_SKIP_SAMPLES: samples to leave out at the start and at the end, 32 bits each, little-endian.
        let trim = |at: usize| {
            let side = frame.side_data(ffmpeg::frame::side_data::Type::SkipSamples);
            let bytes = side.as_ref().and_then(|side| side.data().get(at..at + 4)?.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        let hidden = frame.pts().is_some_and(|pts| self.discard.contains(&pts));
        let to = if hidden { 0 } else { samples.saturating_sub(trim(4)) };
        Piece { pts: frame.pts(), rate: frame.rate(), shape, from: trim(0).min(to), to }
    }
}

fn same_shape(a: &ffmpeg::frame::Audio, b: &ffmpeg::frame::Audio) -> bool {
    a.format() == b.format() && a.channels() == b.channels() && layout(a) == layout(b)
}

/// The frame's layout, or the usual one for its number of channels where it does not say.
fn layout(frame: &ffmpeg::frame::Audio) -> ffmpeg::ChannelLayout {
    let channels = i32::from(frame.channels());
    let said = frame.channel_layout();
    if said.channels() == channels { said } else { ffmpeg::ChannelLayout::default(channels) }
}

/// One run at 48 kHz with `channels` channels, and the absolute number of its first sample.
///
/// Silence is put in front so that the filter starts where an input and an output sample coincide: its phase then depends on absolute time alone.
fn resample(run: &Run, frames: &[Decoded], channels: u32) -> Result<(i64, Vec<Vec<f32>>), ffmpeg::Error> {
    let frames = frames.get(run.pieces.clone()).unwrap_or_default();
    let Some(first) = frames.first().map(|f| &f.frame) else { return Err(ffmpeg::Error::InvalidData) };
    let (silence, at) = run.meeting.start(run.first, SAMPLE_RATE);
    let mut resampler = Resampler::open(first.format(), layout(first), usize::from(first.channels()), run.meeting.rate, channels, SAMPLE_RATE)?;
    let mut made = vec![Vec::new(); channels as usize];
    if silence > 0 {
        resampler.feed(&silent_frame(first, silence), 0, silence, &mut made)?;
    }
    for Decoded { frame, piece, .. } in frames {
        resampler.feed(frame, piece.from as usize, piece.to as usize, &mut made)?;
    }
    resampler.flush(&mut made)?;
    if usize::from(first.channels()) > made.len() {
        limit(&mut made);
    }
    Ok((at, made))
}

fn silent_frame(like: &ffmpeg::frame::Audio, samples: usize) -> ffmpeg::frame::Audio {
    let mut frame = ffmpeg::frame::Audio::new(like.format(), samples, layout(like));
    let zero = if matches!(like.format(), ffmpeg::format::Sample::U8(_)) { 0x80 } else { 0 };
    for plane in 0..frame.planes() {
        frame.data_mut(plane).fill(zero);
    }
    frame
}

/// Copies the part `used` of `made`, whose first sample is `at`, into planes whose first sample is `origin`.
fn copy(made: &[Vec<f32>], at: i64, used: &Range<i64>, origin: i64, planes: &mut [Vec<f32>]) {
    for (plane, samples) in planes.iter_mut().zip(made) {
        for index in used.clone() {
            let source = usize::try_from(index - at).ok().and_then(|i| samples.get(i));
            let target = usize::try_from(index - origin).ok().and_then(|i| plane.get_mut(i));
            if let (Some(&value), Some(target)) = (source, target) {
                *target = if value.is_finite() { value.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
            }
        }
    }
}
