//! Decoding: pictures and sound of the feed, put on the epoch grid.

pub mod audio;
pub mod audio_store;
pub mod place;
pub mod samples;
