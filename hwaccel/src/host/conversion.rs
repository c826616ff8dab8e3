//! A conversion by libzimg.

use super::graph::Graph;
use super::{Format, Options, ScaleError, Scratch, Source, Target, zimg};
use std::ptr;

/// One conversion, ready to run on any number of pictures.
pub struct Conversion {
    graph: Graph,
    src: Format,
    dst: Format,
    scratch: Scratch,
}

impl Conversion {
    /// Builds the conversion from `src` to `dst`.
    pub fn new(src: &Format, dst: &Format, options: &Options) -> Result<Conversion, ScaleError> {
        let refused = |why: String| ScaleError::Build { from: format!("{src:?}"), to: format!("{dst:?}"), why };
        // SAFETY: takes no input; null outputs are allowed (zimg.h).
        let api = unsafe { zimg::zimg_get_api_version(ptr::null_mut(), ptr::null_mut()) };
        if api < zimg::API_VERSION {
            return Err(refused(format!("this libzimg has API {}.{}, 2.4 is needed", api >> 8, api & 0xff)));
        }
        if !(8..=16).contains(&src.depth) || !(8..=16).contains(&dst.depth) {
            return Err(refused("depths from 8 to 16 bits are supported".to_owned()));
        }
        let graph = Graph::new(src, dst, options).map_err(refused)?;
        let scratch = Scratch::new(graph.scratch_bytes());
        Ok(Conversion { graph, src: *src, dst: *dst, scratch })
    }

    /// Converts one picture, whose planes [`super::check`] has seen.
    pub fn process(&mut self, src: &[Source<'_>], dst: &mut [Target<'_>]) -> Result<(), ScaleError> {
        let none = zimg::ConstPlane { data: ptr::null(), stride: 0, mask: zimg::BUFFER_MAX };
        let mut from = zimg::ConstBuffer { version: zimg::API_VERSION, plane: [none; 4] };
        for (index, (data, stride)) in src.iter().enumerate().take(self.src.planes()) {
            from.plane[index] = zimg::ConstPlane { data: data.as_ptr().cast(), stride: *stride as isize, mask: zimg::BUFFER_MAX };
        }
        let none = zimg::Plane { data: ptr::null_mut(), stride: 0, mask: zimg::BUFFER_MAX };
        let mut to = zimg::Buffer { version: zimg::API_VERSION, plane: [none; 4] };
        for (index, (data, stride)) in dst.iter_mut().enumerate().take(self.dst.planes()) {
            to.plane[index] = zimg::Plane { data: data.as_mut_ptr().cast(), stride: *stride as isize, mask: zimg::BUFFER_MAX };
        }
        // SAFETY: every plane that the graph touches was checked to hold all rows at an address and stride that are aligned for it; the scratch has the size and
        // alignment the graph asked for; `&mut self` and `&mut` targets keep anyone else away.
        unsafe { self.graph.process(&from, &to, self.scratch.as_mut_ptr()) }.map_err(ScaleError::Process)
    }
}
