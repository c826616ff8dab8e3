//! What libav needs beside `ffmpeg-next`: fields and calls that it does not wrap. The crate's only `unsafe` is in this file and its folder, each block with its reason.

use crate::colour::VideoRange;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::codec::decoder::Opened;
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Error, Packet, Rational, frame};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

mod frames;
mod host;
mod light;
mod lines;
#[cfg(feature = "gstreamer")]
mod parameters;
mod protocol;
mod sound;
mod srt;
mod url;
mod wire;

#[cfg(test)]
pub(crate) use frames::testing;
pub use frames::{
    Colour, FramePool, Layout, colour, copy_plane, extradata, format_name, layout, plane, planes_mut, set_extradata, set_pixel_shape, share_samples, tag,
    tag_still,
};
pub use host::{Access, access, give_way, leave_at_once, no_real_time, pin_cpu, quiet_codecs, return_memory};
pub use light::Light;
pub use lines::scrub_lines;
#[cfg(feature = "gstreamer")]
pub use parameters::{Fields, VideoParameters, audio_parameters, video_parameters};
pub use protocol::ProtocolBytes;
pub use sound::{Resampler, is_discarded, joinable_audio_parameters, layout_of, same_sound};
pub use srt::on_srt_log;
pub use url::UrlReader;
pub use wire::Wire;

/// What the codec parameters say of a stream.
#[derive(Clone, Copy, Debug)]
pub struct CodecFacts {
    /// Width after cropping, as libav has it; may be zero or negative in a broken input.
    pub width: i32,
    /// Height after cropping.
    pub height: i32,
    /// Sample aspect ratio, unchecked.
    pub sar: (i32, i32),
    /// Whether the field order is known, and if so whether it is interlaced.
    pub interlaced: Option<bool>,
    /// Dynamic range, by the transfer function.
    pub range: VideoRange,
    /// Samples per second; zero for video.
    pub sample_rate: i32,
    /// Channels; zero for video.
    pub channels: i32,
}

/// Codec parameters that several threads read.
pub struct SharedParameters(Parameters);

// SAFETY: what is borrowed of it is only read: `Parameters` changes nothing behind a shared borrow, and libav keeps nothing hidden in an AVCodecParameters.
unsafe impl Sync for SharedParameters {}

impl From<Parameters> for SharedParameters {
    fn from(parameters: Parameters) -> SharedParameters {
        SharedParameters(parameters)
    }
}

impl std::ops::Deref for SharedParameters {
    type Target = Parameters;

    fn deref(&self) -> &Parameters {
        &self.0
    }
}

/// Reads the fields of codec parameters that `ffmpeg-next` does not show.
pub fn codec_facts(parameters: &Parameters) -> CodecFacts {
    use ffi::AVColorTransferCharacteristic::{AVCOL_TRC_ARIB_STD_B67, AVCOL_TRC_SMPTE2084};
    use ffi::AVFieldOrder::{AV_FIELD_PROGRESSIVE, AV_FIELD_UNKNOWN};
    // SAFETY: the pointer is to an AVCodecParameters that `parameters` owns or keeps alive; only plain fields are read.
    let p = unsafe { &*parameters.as_ptr() };
    CodecFacts {
        width: p.width,
        height: p.height,
        sar: (p.sample_aspect_ratio.num, p.sample_aspect_ratio.den),
        interlaced: (p.field_order != AV_FIELD_UNKNOWN).then_some(p.field_order != AV_FIELD_PROGRESSIVE),
        range: match p.color_trc {
            AVCOL_TRC_SMPTE2084 => VideoRange::Pq,
            AVCOL_TRC_ARIB_STD_B67 => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        },
        sample_rate: p.sample_rate,
        channels: p.ch_layout.nb_channels,
    }
}

/// Bits of stream `index`'s stamps (33 for MPEG-TS, 64 where they do not wrap); `None` where there is no such stream.
pub fn wrap_bits(input: &Input, index: usize) -> Option<u32> {
    let stream = input.stream(index)?;
    // SAFETY: `stream` came from `input`, which keeps it alive; a plain field is read.
    u32::try_from(unsafe { (*stream.as_ptr()).pts_wrap_bits }).ok()
}

/// Leaves every stream but those in `keep` unread by the demuxer.
pub fn keep_only(input: &mut Input, keep: &[usize]) {
    for mut stream in input.streams_mut() {
        let discard = if keep.contains(&stream.index()) { ffi::AVDiscard::AVDISCARD_DEFAULT } else { ffi::AVDiscard::AVDISCARD_ALL };
        // SAFETY: the stream belongs to `input`, borrowed mutably; `discard` is a field that users set.
        unsafe { (*stream.as_mut_ptr()).discard = discard }
    }
}

/// A programme of a transport stream.
pub struct Program {
    /// Its number.
    pub id: i32,
    /// The name of its service, where that is known.
    pub name: Option<String>,
    /// Indices of its streams, in the order of its map.
    pub streams: Vec<usize>,
}

/// The programmes as they are now (MPEG-TS, HLS); none for containers without programmes.
pub fn programs(input: &Input) -> Vec<Program> {
    // SAFETY: libav keeps `programs` an array of `nb_programs` valid pointers, and `stream_index` one of `nb_stream_indexes`, while the context is open; an entry of a dictionary has a value that ends in 0.
    unsafe {
        let context = &*input.as_ptr();
        let mut all = Vec::new();
        for n in 0..context.nb_programs as usize {
            let program = &**context.programs.add(n);
            let streams = (0..program.nb_stream_indexes as usize).map(|i| *program.stream_index.add(i) as usize).collect();
            let name = ffi::av_dict_get(program.metadata, c"service_name".as_ptr(), std::ptr::null(), 0);
            let name = name.as_ref().map(|entry| std::ffi::CStr::from_ptr(entry.value).to_string_lossy().into_owned());
            all.push(Program { id: program.id, name, streams });
        }
        all
    }
}

/// Opens a decoder for `parameters` with at most `threads` threads: frame threads where the codec has them, else slice threads.
pub fn open_decoder(parameters: &Parameters, time_base: (i32, i32), threads: usize) -> Result<Opened, Error> {
    let codec = ffmpeg::decoder::find(parameters.id()).ok_or(Error::DecoderNotFound)?;
    open_decoder_as(codec, parameters, time_base, threads, |context| {
        forget_size(context, parameters);
        Ok(())
    })
}

fn forget_size(context: &mut ffmpeg::codec::Context, parameters: &Parameters) {
    if says_its_size(parameters) {
        // SAFETY: the context is not opened yet, which is when these fields may be set.
        unsafe { ((*context.as_mut_ptr()).width, (*context.as_mut_ptr()).height) = (0, 0) };
    }
}

/// As [`open_decoder`], with what `old` has learned of how far its pictures are out of order: until then, one of H.264 may show them so. `headers` go before those in
/// `parameters`.
pub fn open_decoder_after(old: &Opened, parameters: &Parameters, headers: Option<&[u8]>, time_base: (i32, i32), threads: usize) -> Result<Opened, Error> {
    // SAFETY: a valid context; a plain field is read.
    let learned = unsafe { (*old.as_ptr()).has_b_frames };
    let codec = ffmpeg::decoder::find(parameters.id()).ok_or(Error::DecoderNotFound)?;
    open_decoder_as(codec, parameters, time_base, threads, |context| {
        forget_size(context, parameters);
        // SAFETY: the context is not opened yet, which is when this field may be set.
        unsafe { (*context.as_mut_ptr()).has_b_frames = learned };
        headers.map_or(Some(()), |headers| set_extradata(context, headers)).ok_or(Error::Other { errno: ffmpeg::error::ENOMEM })
    })
}

/// Parameter sets that take the place of those before, where a packet has some beside it.
pub fn new_headers(packet: &Packet) -> Option<Vec<u8>> {
    use ffmpeg::packet::side_data::Type;
    packet.side_data().find(|side| side.kind() == Type::NewExtraData).map(|side| side.data().to_vec())
}

/// Whether a stream's pictures are as large as it says itself, whatever its container says: H.264 with its parameter sets in band, of which libav's decoder would cut
/// every later picture of nearly the same size down to what the container said first.
fn says_its_size(parameters: &Parameters) -> bool {
    // An AVCDecoderConfigurationRecord begins with its version, 1; a start code with 0.
    parameters.id() == ffmpeg::codec::Id::H264 && parameters_extradata(parameters).first() != Some(&1)
}

/// As [`open_decoder`], by `codec`, with what `prepare` sets before.
pub fn open_decoder_as(
    codec: ffmpeg::Codec,
    parameters: &Parameters,
    time_base: (i32, i32),
    threads: usize,
    prepare: impl FnOnce(&mut ffmpeg::codec::Context) -> Result<(), Error>,
) -> Result<Opened, Error> {
    let mut decoder = ffmpeg::codec::Context::from_parameters(parameters.clone())?.decoder();
    decoder.set_packet_time_base(Rational(time_base.0, time_base.1));
    // SAFETY: the context is ours and not opened yet, which is when these fields may be set.
    unsafe {
        let context = &mut *decoder.as_mut_ptr();
        context.thread_count = i32::try_from(threads.clamp(1, 16)).unwrap_or(1);
        context.thread_type = ffi::FF_THREAD_FRAME | ffi::FF_THREAD_SLICE;
    }
    prepare(&mut decoder)?;
    decoder.open_as(codec)
}

/// Whether a picture's first columns or rows are not to be shown, as far as libav left that to who shows it: only of pictures on devices.
pub fn cropped(picture: &frame::Video) -> bool {
    // SAFETY: a valid frame; plain fields are read.
    unsafe { (*picture.as_ptr()).crop_left > 0 || (*picture.as_ptr()).crop_top > 0 }
}

/// A second reference to the packet's data, with stamps of its own. `None` when memory is short.
pub fn share_packet(packet: &Packet) -> Option<Packet> {
    use ffmpeg::packet::{Mut, Ref};
    let mut shared = Packet::empty();
    // SAFETY: `shared` is a blank packet, as av_packet_ref wants it; the source is only read (data that is not counted is copied).
    let done = unsafe { ffi::av_packet_ref(shared.as_mut_ptr(), packet.as_ptr()) };
    (done >= 0).then_some(shared)
}

/// Copies everything but the samples from one frame to another: stamps, colour, side data.
pub fn copy_properties(from: &frame::Video, to: &mut frame::Video) -> Result<(), Error> {
    // SAFETY: both are valid frames, distinct by the borrow rules.
    match unsafe { ffi::av_frame_copy_props(to.as_mut_ptr(), from.as_ptr()) } {
        done if done >= 0 => Ok(()),
        error => Err(Error::from(error)),
    }
}

/// Every user_data_unregistered SEI payload that travels with the picture (libav's own getter finds the first only).
pub fn unregistered_sei(picture: &frame::Video) -> Vec<&[u8]> {
    // SAFETY: libav keeps `side_data` an array of `nb_side_data` valid pointers, each to `size` bytes, as long as the frame lives and is not changed, which the borrow grants.
    unsafe {
        let frame = &*picture.as_ptr();
        let mut all = Vec::new();
        for n in 0..usize::try_from(frame.nb_side_data).unwrap_or(0) {
            let side = &**frame.side_data.add(n);
            if side.type_ == ffi::AVFrameSideDataType::AV_FRAME_DATA_SEI_UNREGISTERED && !side.data.is_null() {
                all.push(std::slice::from_raw_parts(side.data, side.size));
            }
        }
        all
    }
}

/// The codec's configuration record or parameter sets, as the container carries them; empty where there are none.
pub fn parameters_extradata(parameters: &Parameters) -> &[u8] {
    // SAFETY: `parameters` owns a live AVCodecParameters (or keeps its owner alive); libav keeps `extradata` at `extradata_size` readable
    // bytes, or null, and the slice borrows `parameters`.
    unsafe {
        let raw = &*parameters.as_ptr();
        match usize::try_from(raw.extradata_size) {
            Ok(size) if size > 0 && !raw.extradata.is_null() => std::slice::from_raw_parts(raw.extradata, size),
            _ => &[],
        }
    }
}

/// Whether the pixel format holds each component in a plane of its own, as little-endian integers, without alpha or a palette: what the downscaler reads.
pub fn is_plain_planar(format: ffmpeg::format::Pixel) -> bool {
    // SAFETY: a format's descriptor is a constant of libavutil; null for none.
    let Some(d) = (unsafe { ffi::av_pix_fmt_desc_get(format.into()).as_ref() }) else { return false };
    let odd = ffi::AV_PIX_FMT_FLAG_BE
        | ffi::AV_PIX_FMT_FLAG_PAL
        | ffi::AV_PIX_FMT_FLAG_BITSTREAM
        | ffi::AV_PIX_FMT_FLAG_HWACCEL
        | ffi::AV_PIX_FMT_FLAG_ALPHA
        | ffi::AV_PIX_FMT_FLAG_BAYER
        | ffi::AV_PIX_FMT_FLAG_FLOAT;
    let n = usize::from(d.nb_components);
    let components = d.comp.get(..n).unwrap_or(&[]);
    let apart = (0..n).all(|i| components.iter().filter(|c| c.plane == components[i].plane).count() == 1);
    d.flags as i64 & i64::from(odd) == 0 && apart && components.iter().all(|c| c.shift == 0) && (n == 1 || n == 3)
}

/// Bits of the first component, and whether the format is RGB; (8, false) for what libav does not describe.
pub fn depth_and_rgb(format: ffmpeg::format::Pixel) -> (u32, bool) {
    // SAFETY: the call looks a number up in a static table and returns a pointer into it, or null, which is checked.
    let descriptor = unsafe { ffi::av_pix_fmt_desc_get(format.into()).as_ref() };
    descriptor.map_or((8, false), |d| (u32::try_from(d.comp[0].depth).unwrap_or(8), d.flags & u64::from(ffi::AV_PIX_FMT_FLAG_RGB as u32) != 0))
}

/// Whether the pixel format has transparency, a palette's included.
pub fn has_alpha(format: ffmpeg::format::Pixel) -> bool {
    // SAFETY: the call looks a number up in a static table and returns a pointer into it, or null, which is checked.
    let descriptor = unsafe { ffi::av_pix_fmt_desc_get(format.into()).as_ref() };
    descriptor.is_some_and(|d| d.flags & u64::from(ffi::AV_PIX_FMT_FLAG_ALPHA as u32) != 0)
}

/// The format among `choices` that loses least of `format`.
pub fn nearest_format(format: ffmpeg::format::Pixel, choices: &[ffmpeg::format::Pixel]) -> ffmpeg::format::Pixel {
    let mut list: Vec<ffi::AVPixelFormat> = choices.iter().map(|&c| c.into()).collect();
    list.push(ffi::AVPixelFormat::AV_PIX_FMT_NONE);
    // SAFETY: the list ends with AV_PIX_FMT_NONE as the call wants it; the last argument may be null.
    unsafe { ffi::avcodec_find_best_pix_fmt_of_list(list.as_ptr(), format.into(), 0, std::ptr::null_mut()) }.into()
}

/// A swscale context that may move to the thread that uses it.
pub struct Conversion(pub ffmpeg::software::scaling::Context);

// SAFETY: a context is owned by one `Conversion` and used through `&mut` only; swscale ties it to no thread.
unsafe impl Send for Conversion {}

/// How many threads the graph's filters may use. Before it is configured.
pub fn set_graph_threads(graph: &mut ffmpeg::filter::Graph, threads: usize) {
    // SAFETY: the graph is ours and valid; the field may be set until it is configured.
    unsafe { (*graph.as_mut_ptr()).nb_threads = i32::try_from(threads.clamp(1, 16)).unwrap_or(1) }
}

/// The pixel format as the number that a `buffer` filter's `pix_fmt` takes.
pub fn format_number(picture: &frame::Video) -> i32 {
    // SAFETY: a valid frame; a plain field is read.
    unsafe { (*picture.as_ptr()).format }
}

/// Waits until `fd` can be read without blocking (data, end of file or an error), at most `span`. Not of libav, but `unsafe` all the same.
pub fn wait_readable(fd: BorrowedFd<'_>, span: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let millis = i32::try_from(span.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one pollfd, valid for the call; the descriptor is open while it is borrowed.
    match unsafe { libc::poll(&mut poll, 1, millis) } {
        -1 => Err(io::Error::last_os_error()),
        ready => Ok(ready > 0),
    }
}
