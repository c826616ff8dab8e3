//! A picture in a device's memory, and its copy in the host's.

use crate::device::{Device, Kind};
use crate::frames::surface as format_of;
use crate::semiplanar;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Error, ffi};
use std::sync::{Arc, OnceLock};

/// A picture on a device. Shared: nobody writes to it.
pub struct Surface {
    picture: Arc<Video>,
    host: OnceLock<Result<Arc<Video>, Error>>,
}

/// Whether `picture` lies in a device's memory.
pub fn is_on_device(picture: &Video) -> bool {
    !frames(picture).is_null()
}

/// The pool's context that `picture` belongs to; null where it lies in the host's memory.
pub(crate) fn frames(picture: &Video) -> *const ffi::AVHWFramesContext {
    // SAFETY: a valid frame; its reference is null or holds a frames context, of which only the address is taken.
    unsafe { (*picture.as_ptr()).hw_frames_ctx.as_ref().map_or(std::ptr::null(), |buffer| buffer.data.cast_const().cast()) }
}

impl Surface {
    /// `picture` where it lies on a device; else it comes back.
    pub fn of(picture: Arc<Video>) -> Result<Surface, Arc<Video>> {
        if is_on_device(&picture) { Ok(Surface { picture, host: OnceLock::new() }) } else { Err(picture) }
    }

    /// As libav has it: no samples can be read, tags and size can.
    pub fn picture(&self) -> &Arc<Video> {
        &self.picture
    }

    /// How its samples lie on the device: NV12, P010LE.
    pub fn format(&self) -> Pixel {
        // SAFETY: by construction there is a frames context, which the frame keeps alive; a plain field is read.
        unsafe { (*frames(&self.picture)).sw_format }.into()
    }

    /// By what its device is driven; `None` for kinds that are not used here.
    pub fn kind(&self) -> Option<Kind> {
        [Kind::Cuda, Kind::Vaapi, Kind::Vulkan].into_iter().find(|kind| format_of(*kind) == self.picture.format())
    }

    /// Whether it is on `device`, opened as this is: another opening of the same hardware cannot use it.
    pub fn is_on(&self, device: &Device) -> bool {
        // SAFETY: as above; the device behind a pool lives as long as the pool. Addresses are compared.
        let own = unsafe { (*frames(&self.picture)).device_ctx.cast_const() };
        // SAFETY: the reference is valid as long as the device.
        own == unsafe { (*device.buffer()).data.cast_const().cast() }
    }

    /// Whether both are of one pool.
    pub fn is_of_the_pool_of(&self, other: &Surface) -> bool {
        frames(&self.picture) == frames(&other.picture)
    }

    /// The same samples in the host's memory, planar (YUV420P, YUV420P10LE), with all that is said of them. Copied when first asked for, once, whoever asks.
    ///
    /// # Errors
    /// The device does not give it, or its samples are of another kind; the same every time.
    pub fn host(&self) -> Result<&Arc<Video>, Error> {
        self.host.get_or_init(|| self.download().map(Arc::new)).as_ref().map_err(|error| *error)
    }

    /// Whether [`Surface::host`] was asked for.
    pub fn is_copied(&self) -> bool {
        self.host.get().is_some()
    }

    fn download(&self) -> Result<Video, Error> {
        let checked = |code: i32| if code < 0 { Err(Error::from(code)) } else { Ok(()) };
        let mut semi = Video::empty();
        // SAFETY: a blank target, which the call allocates in the pool's format; the source is on a device.
        checked(unsafe { ffi::av_hwframe_transfer_data(semi.as_mut_ptr(), self.picture.as_ptr(), 0) })?;
        // Nothing is freed, nothing filled: a pool may be a little larger than its pictures.
        semi.set_width(self.picture.width());
        semi.set_height(self.picture.height());
        let mut planar = semiplanar::to_planar(&semi).ok_or(Error::InvalidData)?;
        // SAFETY: both are valid frames, and distinct.
        checked(unsafe { ffi::av_frame_copy_props(planar.as_mut_ptr(), self.picture.as_ptr()) })?;
        Ok(planar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Name;
    use crate::frames::Frames;

    /// A device that needs no graphics processor, where Mesa's is installed.
    fn device() -> Option<Arc<Device>> {
        let opened = Device::shared(&Name::Vulkan(0));
        opened.inspect_err(|error| eprintln!("skipped: {error}")).ok()
    }

    fn picture(format: Pixel, width: u32, height: u32) -> Video {
        let mut picture = Video::new(format, width, height);
        for plane in 0..3 {
            for (at, byte) in picture.data_mut(plane).iter_mut().enumerate() {
                *byte = if format == Pixel::YUV420P || at % 2 == 0 { (at * 7 + plane) as u8 } else { (at % 4) as u8 };
            }
        }
        picture.set_pts(Some(9));
        picture
    }

    #[test]
    fn the_copy_is_what_was_uploaded_and_is_made_once() {
        let Some(device) = device() else { return };
        for (planar, semi) in [(Pixel::YUV420P, Pixel::NV12), (Pixel::YUV420P10LE, Pixel::P010LE)] {
            let from = picture(planar, 320, 180);
            let pool = Frames::new(&device, (320, 180), semi, 2).expect("a pool");
            let up = pool.upload(&semiplanar::from_planar(&from).expect("a known format")).expect("it goes up");
            let surface = Surface::of(Arc::new(up)).unwrap_or_else(|_| panic!("it is on the device"));
            assert!(surface.is_on(&device) && surface.format() == semi && !surface.is_copied());
            let copies: Vec<Arc<Video>> = std::thread::scope(|scope| {
                let each: Vec<_> = (0..3).map(|_| scope.spawn(|| Arc::clone(surface.host().expect("it comes down")))).collect();
                each.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            assert!(copies.iter().all(|copy| Arc::ptr_eq(copy, &copies[0])), "one copy for all");
            assert_eq!((copies[0].format(), copies[0].pts()), (planar, Some(9)));
            for plane in 0..3 {
                let (bytes, rows) = if plane == 0 { (320, 180) } else { (160, 90) };
                let bytes = if planar == Pixel::YUV420P { bytes } else { 2 * bytes };
                for row in 0..rows {
                    let of = |picture: &Video| picture.data(plane)[row * picture.stride(plane)..][..bytes].to_vec();
                    assert_eq!(of(&copies[0]), of(&from), "{planar:?}, plane {plane}, row {row}");
                }
            }
        }
        assert!(Surface::of(Arc::new(picture(Pixel::YUV420P, 16, 16))).is_err());
    }

    #[test]
    fn a_device_is_open_once_for_all_who_share_it() {
        let Some(first) = device() else { return };
        let (second, apart) = (device().expect("it is open"), Device::open(&Name::Vulkan(0)).expect("it opens again"));
        assert!(Arc::ptr_eq(&first, &second));
        let pool = Frames::new(&first, (64, 36), Pixel::NV12, 1).expect("a pool");
        let up = pool.upload(&semiplanar::from_planar(&picture(Pixel::YUV420P, 64, 36)).expect("known")).expect("it goes up");
        let surface = Surface::of(Arc::new(up)).unwrap_or_else(|_| panic!("it is on the device"));
        assert!(surface.is_on(&second) && !surface.is_on(&apart));
    }
}
