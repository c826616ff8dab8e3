//! A decoder of libav told to work on a device, with the host as the way out.

use crate::device::{Device, Kind};
use crate::frames::surface;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Codec, Error, ffi};
use std::ptr;

/// Whether libav has code for decoding with `codec` on a kind of device. Whether the device can is another matter.
pub fn decodes(codec: &Codec, kind: Kind) -> bool {
    let configs = (0..).map_while(|index| {
        // SAFETY: a codec is a static description; the call returns null behind the last entry, else a static one.
        unsafe { ffi::avcodec_get_hw_config(codec.as_ptr(), index).as_ref() }
    });
    let method = ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX as i32;
    configs.into_iter().any(|config| config.device_type == kind.in_libav() && config.methods & method != 0)
}

/// Makes `context`, a decoder that is not open yet, work on `device` wherever that can decode what comes, and on the host else. `held` of its pictures may be held by others at
/// once. Pictures other than 4:2:0 of 8 and 10 bits are decoded on the host.
///
/// # Errors
/// No memory.
pub fn attach(context: &mut ffmpeg_next::codec::Context, device: &Device, held: u32) -> Result<(), Error> {
    // SAFETY: the device's reference is valid; the new one belongs to the context, which frees it.
    let own = unsafe { ffi::av_buffer_ref(device.buffer()) };
    if own.is_null() {
        return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
    }
    // SAFETY: the context is valid, borrowed mutably and not open; an old reference, if any, is given back first. The callback is a function of this crate.
    unsafe {
        let context = &mut *context.as_mut_ptr();
        ffi::av_buffer_unref(&mut context.hw_device_ctx);
        context.hw_device_ctx = own;
        context.extra_hw_frames = i32::try_from(held).unwrap_or(i32::MAX);
        context.get_format = Some(choose);
    }
    Ok(())
}

/// libav's callback: the device's format where it is offered and the samples are of a kind that is scaled and copied, else the first of the host's. libav asks again
/// without the device's where the device does not take the stream.
unsafe extern "C" fn choose(context: *mut ffi::AVCodecContext, offered: *const ffi::AVPixelFormat) -> ffi::AVPixelFormat {
    // SAFETY: libav hands over its open context, whose device was set by `attach`; a reference to a device context holds one in its data.
    let (kind, samples) = unsafe {
        let device = (*context).hw_device_ctx.as_ref().map(|buffer| (*buffer.data.cast::<ffi::AVHWDeviceContext>()).type_);
        (device, Pixel::from((*context).sw_pix_fmt))
    };
    let kind = [Kind::Cuda, Kind::Vaapi, Kind::Vulkan].into_iter().find(|known| Some(known.in_libav()) == kind);
    let plain = matches!(samples, Pixel::YUV420P | Pixel::YUVJ420P | Pixel::YUV420P10LE);
    let wanted: Option<ffi::AVPixelFormat> = kind.filter(|_| plain).map(|kind| surface(kind).into());
    let mut host = ffi::AVPixelFormat::AV_PIX_FMT_NONE;
    let mut at = offered;
    loop {
        // SAFETY: the list ends with AV_PIX_FMT_NONE, behind which nothing is read.
        let format = unsafe { ptr::read(at) };
        if format == ffi::AVPixelFormat::AV_PIX_FMT_NONE {
            return host;
        }
        if Some(format) == wanted {
            return format;
        }
        // SAFETY: a format's descriptor is a constant of libavutil; null for none.
        let on_host = unsafe { ffi::av_pix_fmt_desc_get(format).as_ref() }.is_some_and(|d| d.flags & ffi::AV_PIX_FMT_FLAG_HWACCEL as u64 == 0);
        if on_host && host == ffi::AVPixelFormat::AV_PIX_FMT_NONE {
            host = format;
        }
        // SAFETY: the entry was not the last.
        at = unsafe { at.add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Name;
    use ffmpeg_next::codec::Id;

    #[test]
    fn libav_says_what_it_can_decode_where() {
        let codec = |id| ffmpeg_next::decoder::find(id).expect("libav has it");
        assert!(!decodes(&codec(Id::PRORES), Kind::Cuda) && !decodes(&codec(Id::PRORES), Kind::Vaapi));
        let h264 = codec(Id::H264);
        assert!(!decodes(&h264, Kind::Vulkan) || ffmpeg_next::codec::version() >> 16 >= 60);
        eprintln!("h264: CUDA {}, VA-API {}", decodes(&h264, Kind::Cuda), decodes(&h264, Kind::Vaapi));
    }

    /// The callback with a real context and libav's own list: what it answers is what the decoder would work with.
    #[test]
    fn the_hosts_format_is_taken_where_the_device_is_not_offered_or_the_samples_are_odd() {
        use ffi::AVPixelFormat::*;
        let device = match Device::shared(&Name::Vulkan(0)) {
            Ok(device) => device,
            Err(error) => return eprintln!("skipped: {error}"),
        };
        let mut context = ffmpeg_next::codec::Context::new_with_codec(ffmpeg_next::decoder::find(Id::H264).expect("libav has it"));
        attach(&mut context, &device, 4).expect("memory");
        let mut ask = |samples: ffi::AVPixelFormat, offered: &[ffi::AVPixelFormat]| {
            // SAFETY: the context is ours, and not open; the list ends as it must.
            unsafe {
                (*context.as_mut_ptr()).sw_pix_fmt = samples;
                choose(context.as_mut_ptr(), [offered, &[AV_PIX_FMT_NONE]].concat().as_ptr())
            }
        };
        assert_eq!(ask(AV_PIX_FMT_YUV420P, &[AV_PIX_FMT_CUDA, AV_PIX_FMT_VULKAN, AV_PIX_FMT_YUV420P]), AV_PIX_FMT_VULKAN);
        assert_eq!(ask(AV_PIX_FMT_YUV420P, &[AV_PIX_FMT_CUDA, AV_PIX_FMT_VAAPI, AV_PIX_FMT_YUV420P]), AV_PIX_FMT_YUV420P);
        assert_eq!(ask(AV_PIX_FMT_YUV422P10LE, &[AV_PIX_FMT_VULKAN, AV_PIX_FMT_YUV422P10LE]), AV_PIX_FMT_YUV422P10LE);
        assert_eq!(ask(AV_PIX_FMT_YUV420P, &[AV_PIX_FMT_CUDA]), AV_PIX_FMT_NONE);
    }
}
