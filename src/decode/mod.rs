//! Decoding: pictures and sound, decoded once and put on the epoch grid.

pub mod framesync;
