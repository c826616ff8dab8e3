//! Sound: decoders for any join point, resampling.

use ffmpeg_next as av;
use ffmpeg_next::ffi;
use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type;

/// Parameters of an audio stream for a decoder whose output may not depend on what probing saw where it joined:
/// codecs that repeat everything in every packet keep only their identity.
pub fn joinable_audio_parameters(parameters: &av::codec::Parameters) -> av::codec::Parameters {
    let mut own = parameters.clone();
    let in_band = says_all_in_band(parameters);
    // SAFETY: `own` is a valid `AVCodecParameters` that nobody else refers to; only plain integers are written.
    unsafe {
        let raw = &mut *own.as_mut_ptr();
        if in_band {
            raw.sample_rate = 0;
            raw.frame_size = 0;
            raw.bit_rate = 0;
            raw.profile = ffi::FF_PROFILE_UNKNOWN;
            raw.bits_per_coded_sample = 0;
            raw.bits_per_raw_sample = 0;
            raw.initial_padding = 0;
            raw.trailing_padding = 0;
        }
    }
    own
}

/// Whether every packet of such a stream says all that a decoder must know.
fn says_all_in_band(parameters: &av::codec::Parameters) -> bool {
    use av::codec::Id;
    match parameters.id() {
        Id::AAC => super::parameters_extradata(parameters).is_empty(),
        Id::AAC_LATM | Id::MP1 | Id::MP2 | Id::MP3 | Id::AC3 | Id::EAC3 => true,
        _ => false,
    }
}

/// Whether a decoder for the one decodes the other.
pub fn same_sound(one: &av::codec::Parameters, other: &av::codec::Parameters) -> bool {
    let what = |p: &av::codec::Parameters| {
        // SAFETY: `p` owns a live AVCodecParameters, or keeps its owner alive; plain integers are read.
        let raw = unsafe { &*p.as_ptr() };
        (!says_all_in_band(p)).then_some((raw.sample_rate, raw.format, raw.bits_per_coded_sample, raw.block_align, raw.ch_layout.nb_channels))
    };
    one.id() == other.id() && super::parameters_extradata(one) == super::parameters_extradata(other) && what(one) == what(other)
}

/// Whether the container wants a packet decoded but not presented (`AV_PKT_FLAG_DISCARD`: an edit list).
pub fn is_discarded(packet: &av::Packet) -> bool {
    use av::packet::Ref;
    // SAFETY: a `Packet` always holds a valid `AVPacket`; an integer is read.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// The square root of a half.
const MINUS_3_DB: &str = "0.70710678118654752440";

/// The layout of 1, 2 or 6 channels (ISO/IEC 14496-3, channel configurations 1, 2 and 6); stereo for any other number.
pub fn layout_of(channels: u32) -> av::ChannelLayout {
    match channels {
        1 => av::ChannelLayout::MONO,
        6 => av::ChannelLayout::_5POINT1_BACK,
        _ => av::ChannelLayout::STEREO,
    }
}

/// Rematrixes and resamples to planar float.
pub struct Resampler {
    context: av::software::resampling::Context,
    format: Sample,
    channels: usize,
    out_layout: av::ChannelLayout,
    out_channels: usize,
}

impl Resampler {
    /// From `format`, `layout` (of `channels` channels) and `rate` to planar float with `out_channels` channels (1, 2, or 6 for 5.1) at `out_rate`. Fewer channels are made by the coefficients of ITU-R BS.775: centre and surround at -3 dB, no low-frequency effects; peaks above full scale are left. No dither; filter and phases pinned; the first output sample is at the time of the first input sample.
    pub fn open(format: Sample, layout: av::ChannelLayout, channels: usize, rate: u32, out_channels: u32, out_rate: u32) -> Result<Resampler, av::Error> {
        let out_layout = layout_of(out_channels);
        let mut options = av::Dictionary::new();
        for (key, value) in [
            ("resampler", "swr"),
            ("filter_size", "32"),
            ("phase_shift", "10"),
            ("exact_rational", "1"),
            ("linear_interp", "1"),
            ("cutoff", "0.97"),
            ("dither_method", "0"),
            ("async", "0"),
            ("internal_sample_fmt", "fltp"),
            ("center_mix_level", MINUS_3_DB),
            ("surround_mix_level", MINUS_3_DB),
            ("lfe_mix_level", "0"),
            // No turning down: floats have room above full scale.
            ("rematrix_maxval", "0"),
        ] {
            options.set(key, value);
        }
        let out_format = Sample::F32(Type::Planar);
        let context = av::software::resampling::Context::get_with(format, layout, rate, out_format, out_layout, out_rate, options)?;
        Ok(Resampler { context, format, channels, out_layout, out_channels: out_layout.channels().unsigned_abs() as usize })
    }

    /// Feeds samples `from..to` of `frame` and appends what comes out to `out`, one vector a channel. The frame must be of the format and channel count given to [`Resampler::open`].
    pub fn feed(&mut self, frame: &av::frame::Audio, from: usize, to: usize, out: &mut [Vec<f32>]) -> Result<(), av::Error> {
        let to = to.min(frame.samples());
        if from >= to {
            return Ok(());
        }
        if frame.format() != self.format || usize::from(frame.channels()) != self.channels {
            return Err(av::Error::InvalidData);
        }
        let planes = if self.format.is_planar() { self.channels } else { 1 };
        let stride = self.format.bytes() * if self.format.is_planar() { 1 } else { self.channels };
        let mut input = Vec::with_capacity(planes);
        for plane in 0..planes {
            // SAFETY: a decoded audio frame has one pointer a plane in `extended_data` (one in all when packed), each to `samples * stride` bytes; `from` is below `samples`.
            unsafe {
                let data = *(*frame.as_ptr()).extended_data.add(plane);
                if data.is_null() {
                    return Err(av::Error::InvalidData);
                }
                input.push(data.add(from * stride).cast_const());
            }
        }
        self.convert(Some(&input), to - from, out)
    }

    /// Appends what the filter still holds. No use after.
    pub fn flush(&mut self, out: &mut [Vec<f32>]) -> Result<(), av::Error> {
        self.convert(None, 0, out)
    }

    fn convert(&mut self, input: Option<&[*const u8]>, samples: usize, out: &mut [Vec<f32>]) -> Result<(), av::Error> {
        let count = i32::try_from(samples).map_err(|_| av::Error::InvalidData)?;
        // SAFETY: the context is initialised; the call only computes.
        let room = unsafe { ffi::swr_get_out_samples(self.context.as_mut_ptr(), count) };
        let room = usize::try_from(room).map_err(|_| av::Error::InvalidData)?;
        if room == 0 {
            return Ok(());
        }
        // libav's own allocation, because its alignment is the same everywhere: a vector's is not, and unaligned memory takes other code.
        let mut frame = av::frame::Audio::new(Sample::F32(Type::Planar), room, self.out_layout);
        if frame.planes() < self.out_channels {
            return Err(av::Error::InvalidData);
        }
        // SAFETY: `frame` has a pointer for each output channel with room for `room` samples; `input` has one pointer for each input plane with `samples` samples, or is null with a count of 0, which flushes.
        let made = unsafe {
            let source = input.map_or(std::ptr::null_mut(), |planes| planes.as_ptr().cast_mut());
            ffi::swr_convert(self.context.as_mut_ptr(), (*frame.as_mut_ptr()).extended_data, room as i32, source.cast(), count)
        };
        let made = usize::try_from(made).map_err(|_| av::Error::from(made))?;
        for (channel, samples) in out.iter_mut().enumerate().take(self.out_channels) {
            samples.extend_from_slice(frame.plane::<f32>(channel).get(..made).unwrap_or_default());
        }
        Ok(())
    }
}
