//! Devices and the code that runs on them. Owns mezzo's `unsafe` beside `ffmpeg.rs`.
//!
//! - [`isa`]: the instruction set that everything on the host is pinned to
//! - [`host`]: scaling and colour conversion in host memory (libzimg)
//! - [`device`]: a graphics processor that libav opened
//! - [`frames`]: pictures in a device's memory
//! - [`semiplanar`]: the layout that devices take pictures in
//! - [`encoder`]: what an encoder of libav is asked beside `ffmpeg-next`
//! - [`words`]: what libav says while it opens something

pub mod device;
pub mod encoder;
pub mod frames;
pub mod host;
pub mod isa;
pub mod semiplanar;
pub mod words;
