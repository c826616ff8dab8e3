//! The tests of the whole program, and those of its stages on real clips: one binary, since each would link all of libav again.

mod audio_hostile;
mod audio_joins;
mod audio_quality;
mod chunks;
mod cli;
mod common;
mod day;
mod determinism;
mod determinism_audio;
mod inputs;
mod isa;
mod lipsync;
mod media;
mod origin;
mod page;
mod recovery;
mod samples;
mod soak;
mod sound;
mod support;
mod terminal;
mod tracks;
mod twins;
