//! Devices and the code that runs on them. Owns mezzo's `unsafe` beside `ffmpeg.rs`.
//!
//! - [`isa`]: the instruction set that everything on the host is pinned to
//! - [`host`]: scaling and colour conversion in host memory (libzimg)
//! - [`device`]: a graphics processor that libav opened
//! - [`frames`]: a pool of pictures in a device's memory, filled from the host's
//! - [`surface`]: a picture in a device's memory, with its copy in the host's
//! - [`scale`]: pictures made smaller where they are
//! - [`semiplanar`]: the layout that devices take pictures in
//! - [`decoder`]: a decoder of libav told to work on a device
//! - [`encoder`]: what an encoder of libav is asked beside `ffmpeg-next`
//! - [`words`]: what libav says while it opens something

pub mod decoder;
pub mod device;
pub mod encoder;
pub mod frames;
pub mod host;
pub mod isa;
pub mod scale;
pub mod semiplanar;
pub mod surface;
pub mod words;
