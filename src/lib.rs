//! mezzo: a live transcoding worker. One mezzanine feed in; a ladder of aligned CMAF segments out, in real time.
//!
//! The stages, in order, and what flows between them:
//!
//! - `capture`: opens inputs and demuxes once → access units
//! - `decode`: decodes once, deinterlaces, puts every picture on the epoch grid → [`frame::Frame`], [`frame::PcmSegment`]
//! - `downscale`: every distinct size once → frames per size
//! - `encode`: one runner per rung, a fresh encoder per GOP → [`encode::ToMux`]
//! - `mux`: align, fragment, playlists → [`sink::Publish`]
//! - `sink`: directory, embedded origin → published
//! - `serve`: HTTP around it
//! - `origin`: the same without a worker, fed by pushes
//!
//! Stages know queues, never each other; only `pipeline` knows the topology.

pub mod budget;
pub mod capture;
pub mod check;
pub mod class;
pub mod clock;
pub mod colour;
pub mod config;
pub mod deadline;
pub mod decode;
pub mod downscale;
pub mod encode;
pub mod events;
pub mod feed;
pub mod ffmpeg;
pub mod frame;
pub mod govern;
pub mod inspect;
pub mod job;
pub mod ladder;
pub mod language;
pub mod metrics;
pub mod mux;
pub mod origin;
pub mod pace;
pub mod pattern;
pub mod pipeline;
pub mod plan;
pub mod probe;
pub mod protect;
pub mod resolution;
pub mod role;
pub mod schedule;
pub mod secrets;
pub mod sei;
pub mod serve;
pub mod shard;
pub mod sight;
pub mod sink;
pub mod standby;
pub mod status;
pub mod stop;
pub mod supervise;
pub mod time;
pub mod timeline;
pub mod traces;
pub mod verdict;
