//! Devices and the code that runs on them. Owns mezzo's `unsafe` beside `ffmpeg.rs`.
//!
//! - [`isa`]: the instruction set that everything on the host is pinned to
//! - [`host`]: scaling and colour conversion in host memory (libzimg)

pub mod host;
pub mod isa;
