//! Pictures made smaller where they are, by libav's filter for the kind of device: one graph a size.

use crate::device::Kind;
use crate::encoder::taken;
use crate::surface::{Surface, frames};
use crate::words;
use ffmpeg_next::filter::{self, Graph};
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Error, ffi};
use std::ptr;
use std::sync::Arc;

/// libav's filter for a kind of device, and its settings beside width and height.
fn filter_of(kind: Kind) -> (&'static str, &'static [(&'static str, &'static str)]) {
    match kind {
        // Never a picture of the decoder's own pool, which is small.
        Kind::Cuda => ("scale_cuda", &[("interp_algo", "bicubic"), ("passthrough", "0")]),
        Kind::Vaapi => ("scale_vaapi", &[("mode", "hq")]),
        Kind::Vulkan => ("scale_vulkan", &[("scaler", "bilinear")]),
    }
}

/// Whether libav has the filter for `kind`, and it takes its settings. Reads no device.
///
/// # Errors
/// What is not there.
pub fn is_in_libav(kind: Kind) -> Result<(), String> {
    let (name, settings) = filter_of(kind);
    let found = filter::find(name).ok_or_else(|| format!("libav is built without {name}"))?;
    // SAFETY: a filter is a static description; its class lives as long.
    let class = unsafe { (*found.as_ptr()).priv_class };
    settings.iter().chain(&[("w", "320"), ("h", "180")]).try_for_each(|(option, value)| taken(&[class], name, option, value))
}

/// Makes pictures of one pool into pictures of one size, in a pool of its own on the same device.
pub struct Scale {
    graph: Graph,
    /// The pool that it was made for; kept alive, so that no other can have its address.
    input: *mut ffi::AVBufferRef,
}

// SAFETY: the graph is only used through `&mut self`, the reference is counted and only compared.
unsafe impl Send for Scale {}

impl Scale {
    /// For pictures of the pool of `like` into `size`. Up to `room` of them may be held by others at once, where the device's pools are of a fixed size.
    ///
    /// # Errors
    /// What libav or the driver says.
    pub fn new(like: &Surface, size: (u32, u32), room: u32) -> Result<Scale, String> {
        let (built, said) = words::hear(|| Scale::build(like, size, room));
        built.map_err(|error| said.last().map_or_else(|| error.to_string(), |line| format!("{error}: {line}")))
    }

    fn build(like: &Surface, (width, height): (u32, u32), room: u32) -> Result<Scale, Error> {
        let (name, settings) = filter_of(like.kind().ok_or(Error::InvalidData)?);
        let [buffer, scale, sink] = ["buffer", name, "buffersink"].map(|name| filter::find(name).ok_or(Error::FilterNotFound));
        let picture = like.picture();
        // SAFETY: a valid frame; a plain field is read.
        let format = unsafe { (*picture.as_ptr()).format };
        // SAFETY: the surface's reference is valid; the new one is given up with `Scale`.
        let input = unsafe { ffi::av_buffer_ref((*picture.as_ptr()).hw_frames_ctx) };
        if input.is_null() {
            return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
        }
        let mut made = Scale { graph: Graph::new(), input };
        let graph = &mut made.graph;
        let shape = format!("video_size={}x{}:pix_fmt={format}:time_base=1/1:pixel_aspect=1/1", picture.width(), picture.height());
        let mut source = graph.add(&buffer?, "in", &shape)?;
        let settings: String = settings.iter().map(|(option, value)| format!(":{option}={value}")).collect();
        let mut middle = graph.add(&scale?, "scale", &format!("w={width}:h={height}{settings}"))?;
        let mut sink = graph.add(&sink?, "out", "")?;
        // SAFETY: the parameters are libav's own, blank but for the reference, which the call copies; they are freed with libav's allocator.
        let told = unsafe {
            let parameters = ffi::av_buffersrc_parameters_alloc();
            if parameters.is_null() {
                return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
            }
            (*parameters).hw_frames_ctx = input;
            let told = ffi::av_buffersrc_parameters_set(source.as_mut_ptr(), parameters);
            ffi::av_free(parameters.cast());
            told
        };
        if told < 0 {
            return Err(Error::from(told));
        }
        // SAFETY: the filter is ours, of this graph, which is not configured yet: that is when the field may be set.
        unsafe { (*middle.as_mut_ptr()).extra_hw_frames = i32::try_from(room).unwrap_or(i32::MAX) };
        source.link(0, &mut middle, 0);
        middle.link(0, &mut sink, 0);
        graph.validate()?;
        Ok(made)
    }

    /// Whether it was made for pictures like this one.
    pub fn takes(&self, surface: &Surface) -> bool {
        // SAFETY: our reference is valid; its data's address is compared.
        ptr::eq(unsafe { (*self.input).data.cast_const().cast() }, frames(surface.picture()))
    }

    /// The picture in its size, on the same device.
    ///
    /// # Errors
    /// What libav or the driver says; no room is left.
    pub fn run(&mut self, from: &Surface) -> Result<Surface, String> {
        let (made, said) = words::hear(|| self.pass(from));
        made.map_err(|error| said.last().map_or_else(|| error.to_string(), |line| format!("{error}: {line}")))
    }

    fn pass(&mut self, from: &Surface) -> Result<Surface, Error> {
        if !self.takes(from) {
            return Err(Error::InvalidData);
        }
        let mut source = self.graph.get("in").ok_or(Error::Bug)?;
        // SAFETY: the filter is the graph's source of pictures; the call only reads the picture, of which it takes a reference of its own.
        match unsafe { ffi::av_buffersrc_write_frame(source.as_mut_ptr(), from.picture().as_ptr()) } {
            0.. => {}
            code => return Err(Error::from(code)),
        }
        let mut picture = Video::empty();
        self.graph.get("out").ok_or(Error::Bug)?.sink().frame(&mut picture)?;
        Surface::of(Arc::new(picture)).map_err(|_| Error::Bug)
    }
}

impl Drop for Scale {
    fn drop(&mut self) {
        // SAFETY: our own reference, not used afterwards; the graph holds others.
        unsafe { ffi::av_buffer_unref(&mut self.input) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Device, Name};
    use crate::frames::Frames;
    use crate::semiplanar;
    use ffmpeg_next::format::Pixel;

    /// Against libav's own lists, which need no device.
    #[test]
    fn libav_knows_every_filter_and_setting() {
        for kind in [Kind::Cuda, Kind::Vaapi, Kind::Vulkan] {
            match is_in_libav(kind) {
                Err(why) if why.starts_with("libav is built without") => eprintln!("skipped: {why}"),
                told => assert_eq!(told, Ok(()), "{kind:?}"),
            }
        }
        let class = filter::find("scale").map(|found| unsafe_class(&found)).expect("libav scales");
        assert!(taken(&[class], "scale", "w", "320").is_ok() && taken(&[class], "scale", "wdith", "320").is_err(), "a typo is told");
    }

    fn unsafe_class(found: &ffmpeg_next::Filter) -> *const ffi::AVClass {
        // SAFETY: a filter is a static description.
        unsafe { (*found.as_ptr()).priv_class }
    }

    fn grey(luma: u8, width: u32, height: u32) -> Video {
        let mut picture = Video::new(Pixel::YUV420P, width, height);
        picture.data_mut(0).fill(luma);
        picture.data_mut(1).fill(100);
        picture.data_mut(2).fill(150);
        picture
    }

    #[test]
    fn sizes_are_made_one_of_another_and_each_has_a_pool_of_its_own() {
        let device = match Device::shared(&Name::Vulkan(0)) {
            Ok(device) => device,
            Err(error) => return eprintln!("skipped: {error}"),
        };
        let pool = Frames::new(&device, (640, 360), Pixel::NV12, 2).expect("a pool");
        let up = |luma| {
            let picture = pool.upload(&semiplanar::from_planar(&grey(luma, 640, 360)).expect("known")).expect("it goes up");
            Surface::of(Arc::new(picture)).unwrap_or_else(|_| panic!("it is on the device"))
        };
        let first = up(40);
        let mut half = Scale::new(&first, (320, 180), 4).expect("a graph");
        let mut quarter: Option<Scale> = None;
        for luma in [40, 90, 200] {
            let source = up(luma);
            let made = half.run(&source).expect("it scales");
            assert!(half.takes(&source) && !half.takes(&made), "{luma}");
            assert!(made.is_on(&device) && !made.is_of_the_pool_of(&source), "{luma}");
            let quarter = quarter.get_or_insert_with(|| Scale::new(&made, (160, 90), 4).expect("a graph"));
            let small = quarter.run(&made).expect("it scales");
            assert!(half.run(&small).is_err(), "not of its pool");
            let host = small.host().expect("it comes down");
            assert_eq!((host.width(), host.height()), (160, 90));
            for (plane, value) in [(0, luma), (1, 100), (2, 150)] {
                let row = &host.data(plane)[host.stride(plane) * 20..][..80];
                assert!(row.iter().all(|sample| sample.abs_diff(value) <= 1), "{plane}: {row:?}");
            }
            assert!(!made.is_copied(), "only what is asked for is copied");
        }
    }
}
