//! `gst:`: any GStreamer pipeline as an input, written as for `gst-launch-1.0`. What its last element delivers is taken; where it has
//! appsinks of its own, what they get.
//!
//! MPEG-TS goes through libav's demuxer, as from a pipe. Raw and elementary video and audio become streams as they are.

mod bytes;
mod caps;
mod pipeline;
mod raw;
mod streams;

use super::watch::OPEN_LIMIT;
use super::{CaptureError, Opened, apart};
use crate::job::{Pace, Select};
use crate::secrets::without_secrets;
use crate::stop::Stop;
use gstreamer as gst;
use pipeline::{Event, Pipeline};
use std::collections::VecDeque;
use std::time::Instant;

/// The scheme, with its colon.
pub const SCHEME: &str = "gst:";

/// What is kept until every appsink has shown what it gets.
const EARLY: usize = 4096;
const EARLY_BYTES: usize = 256 << 20;

/// Opens `gst:DESCRIPTION`.
pub fn open(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    let (url, shown, select) = (url.to_owned(), without_secrets(url), select.clone());
    apart::open(&without_secrets(&url), None, stop, move |quit| {
        let why = |why: String| CaptureError::Open { url: shown.clone(), why };
        let description = url.strip_prefix(SCHEME).unwrap_or(&url);
        let mut pipeline = Pipeline::start(description, false).map_err(why)?;
        let (firsts, early) = first_samples(&mut pipeline, quit).map_err(|error| why(name_what_comes(description, quit).unwrap_or(error)))?;
        let is_ts = |sample: &gst::Sample| sample.caps().is_some_and(caps::is_mpegts);
        if let [only] = firsts.as_slice()
            && is_ts(only)
        {
            return bytes::open(&shown, pipeline, early, &select, quit);
        }
        if firsts.iter().any(is_ts) {
            return Err(why("one appsink gets video/mpegts, and there are others; MPEG-TS is accepted from one appsink alone".to_owned()));
        }
        streams::open(&shown, pipeline, &firsts, early, &select, quit)
    })
}

/// What is wrong with what a pipeline delivers that does not run into our caps. `None` where it is something else.
fn name_what_comes(description: &str, quit: &Stop) -> Option<String> {
    let mut pipeline = Pipeline::start(description, true).ok()?;
    let (firsts, _) = first_samples(&mut pipeline, quit).ok()?;
    let refused = |(first, name): (&gst::Sample, &String)| first.caps().and_then(|caps| caps::describe(caps).err()).map(|why| format!("{name} gets {why}"));
    firsts.iter().zip(pipeline.names()).find_map(refused)
}

/// Samples that have been taken from a pipeline and not read yet, each with the appsink it came to.
type Early = VecDeque<(usize, gst::Sample)>;

/// The first sample of every appsink, and everything that came meanwhile.
fn first_samples(pipeline: &mut Pipeline, quit: &Stop) -> Result<(Vec<gst::Sample>, Early), String> {
    let (began, limit) = (Instant::now(), quit.limit().unwrap_or(OPEN_LIMIT));
    let (mut firsts, mut early, mut bytes) = (vec![None; pipeline.names().len()], Early::new(), 0);
    while let Some(missing) = firsts.iter().position(Option::is_none) {
        let name = pipeline.names()[missing].clone();
        if early.len() >= EARLY || bytes >= EARLY_BYTES {
            return Err(format!("nothing comes to {name}, while {} buffers came elsewhere; every appsink needs a stream", early.len()));
        }
        match pipeline.next(limit.saturating_sub(began.elapsed()), quit) {
            Event::Sample(sink, sample) => {
                bytes += sample.buffer().map_or(0, gst::BufferRef::size);
                if let Some(first) = firsts.get_mut(sink) {
                    first.get_or_insert_with(|| sample.clone());
                }
                early.push_back((sink, sample));
            }
            Event::Ended => return Err(format!("the pipeline ended before anything came to {name}")),
            Event::Failed(why) => return Err(why),
            Event::Nothing => return Err(format!("nothing came to {name} within {} s", limit.as_secs())),
            Event::Stopped => return Err("stopped while it was being opened".to_owned()),
        }
    }
    Ok((firsts.into_iter().flatten().collect(), early))
}

#[cfg(test)]
mod tests;
