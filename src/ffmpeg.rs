//! Helpers over raw libav calls that `ffmpeg-next` does not wrap.

use ffmpeg_next::codec;

/// The codec's configuration record or parameter sets, as the container carries them; empty where there are none.
pub fn extradata(parameters: &codec::Parameters) -> &[u8] {
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
