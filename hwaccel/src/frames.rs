//! Pictures in a device's memory.

use crate::device::{Device, Kind};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Error, ffi};
use std::sync::Arc;

/// A pool of pictures of one size and format on a device.
pub struct Frames {
    buffer: *mut ffi::AVBufferRef,
    /// Kept open, so that who asks for it meanwhile shares it.
    device: Arc<Device>,
}

// SAFETY: the buffer is a counted reference with an atomic count, used through `&self` by calls that libav allows from any thread.
unsafe impl Send for Frames {}

impl Frames {
    /// A pool of `count` pictures, `size` in pixels and lines, whose samples are `format` (NV12, P010LE).
    ///
    /// # Errors
    /// The device has no such pictures, or no memory for them.
    pub fn new(device: &Arc<Device>, size: (u32, u32), format: Pixel, count: u32) -> Result<Frames, Error> {
        let number = |n: u32| i32::try_from(n).map_err(|_| Error::InvalidData);
        let (width, height, count) = (number(size.0)?, number(size.1)?, number(count)?);
        // SAFETY: the device's reference is valid; the call takes one of its own, and returns null without memory.
        let buffer = unsafe { ffi::av_hwframe_ctx_alloc(device.buffer()) };
        if buffer.is_null() {
            return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
        }
        // From here on dropped with the pool.
        let frames = Frames { buffer, device: Arc::clone(device) };
        // SAFETY: a reference to a frames context holds one in its data; it is ours and not initialised, which is when its fields may be set.
        unsafe {
            let context = &mut *(*frames.buffer).data.cast::<ffi::AVHWFramesContext>();
            context.format = surface(device.name().kind()).into();
            context.sw_format = format.into();
            (context.width, context.height, context.initial_pool_size) = (width, height, count);
        }
        // SAFETY: a frames context that was set up just now.
        match unsafe { ffi::av_hwframe_ctx_init(frames.buffer) } {
            0.. => Ok(frames),
            code => Err(Error::from(code)),
        }
    }

    /// The format of its pictures as encoders see it.
    pub fn format(&self) -> Pixel {
        surface(self.device.name().kind())
    }

    /// Where its pictures are.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// A picture of the pool with the samples, the time and the type of `host`, a picture in host memory of the pool's size and sample format.
    ///
    /// # Errors
    /// The pool is empty, or the device does not take it.
    pub fn upload(&self, host: &Video) -> Result<Video, Error> {
        let mut up = Video::empty();
        let checked = |code: i32| if code < 0 { Err(Error::from(code)) } else { Ok(()) };
        // SAFETY: a valid pool and a blank frame, as the call wants them.
        checked(unsafe { ffi::av_hwframe_get_buffer(self.buffer, up.as_mut_ptr(), 0) })?;
        // SAFETY: the target is of this pool; the source is a valid frame that is only read.
        checked(unsafe { ffi::av_hwframe_transfer_data(up.as_mut_ptr(), host.as_ptr(), 0) })?;
        // SAFETY: both are valid frames, and distinct.
        checked(unsafe { ffi::av_frame_copy_props(up.as_mut_ptr(), host.as_ptr()) })?;
        if self.device.name().kind() == Kind::Vulkan {
            // The device reads the host's memory later, and libav 5.1 does not keep that alive. (A picture that libav made has all its planes in one buffer.)
            // SAFETY: both are valid frames; the reference, null where there is none, is the new frame's, which had none.
            unsafe {
                ffi::av_buffer_unref(&mut (*up.as_mut_ptr()).opaque_ref);
                if !(*host.as_ptr()).buf[0].is_null() {
                    (*up.as_mut_ptr()).opaque_ref = ffi::av_buffer_ref((*host.as_ptr()).buf[0]);
                }
            }
        }
        Ok(up)
    }

    /// Makes `context`, an encoder that is not open yet, take pictures of this pool.
    ///
    /// # Errors
    /// No memory.
    pub fn attach(&self, context: &mut ffmpeg_next::codec::Context) -> Result<(), Error> {
        // SAFETY: the reference is valid; the new one belongs to the context, which frees it.
        let own = unsafe { ffi::av_buffer_ref(self.buffer) };
        if own.is_null() {
            return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
        }
        // SAFETY: the context is valid, borrowed mutably and not open; an old reference, if any, is given back first.
        unsafe {
            ffi::av_buffer_unref(&mut (*context.as_mut_ptr()).hw_frames_ctx);
            (*context.as_mut_ptr()).hw_frames_ctx = own;
        }
        Ok(())
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used afterwards; encoders and pictures hold their own.
        unsafe { ffi::av_buffer_unref(&mut self.buffer) }
    }
}

/// The format of pictures on a kind of device.
pub(crate) fn surface(kind: Kind) -> Pixel {
    match kind {
        Kind::Cuda => Pixel::CUDA,
        Kind::Vaapi => Pixel::VAAPI,
        Kind::Vulkan => Pixel::VULKAN,
    }
}
