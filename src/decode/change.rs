//! A video that becomes something else in mid-feed: another codec, size, scan or connection. Its decoder is opened anew, at the next random-access point, and its pictures go on in the same slots.
//!
//! What a picture shows then depends on its new stream alone, as on a worker that starts behind the change. The plan stays what it is: see docs/design/changes.md.

use super::video::{SourcePicture, VideoCounters, VideoDecoder, VideoError};
use crate::capture::{StreamInfo, Unit};
use crate::plan::SourceFacts;
use hwaccel::device::Device;
use std::sync::Arc;

/// Decodes the chosen video, whatever the feed makes of it. Owned by the decode thread.
pub struct Decoding {
    facts: SourceFacts,
    threads: usize,
    stream: Arc<StreamInfo>,
    /// Absent where the stream cannot be decoded.
    decoder: Option<VideoDecoder>,
    /// What earlier decoders counted.
    before: VideoCounters,
    /// The next picture is the first of stamps that say nothing of those before.
    renewed: bool,
}

impl Decoding {
    /// For `stream`, as `facts` say that the source is, with at most `threads` threads.
    ///
    /// # Errors
    /// Where the stream that is there at the start cannot be decoded.
    pub fn open(stream: &Arc<StreamInfo>, facts: &SourceFacts, threads: usize) -> Result<Decoding, VideoError> {
        let decoder = VideoDecoder::open(stream, facts, threads)?;
        Ok(Decoding { facts: facts.clone(), threads, stream: Arc::clone(stream), decoder: Some(decoder), before: VideoCounters::default(), renewed: false })
    }

    /// For a feed that is not there yet: what it is is seen when it comes.
    pub fn awaiting(stream: &Arc<StreamInfo>, facts: &SourceFacts, threads: usize) -> Decoding {
        Decoding { facts: facts.clone(), threads, stream: Arc::clone(stream), decoder: None, before: VideoCounters::default(), renewed: false }
    }

    /// The stream of the start is decoded on `device`, as long as that takes it; what the feed becomes later, in software.
    pub fn on(mut self, device: &Arc<Device>) -> Decoding {
        let (stream, threads) = (Arc::clone(&self.stream), self.threads);
        self.decoder = self.decoder.map(|decoder| decoder.on(device, &stream, threads));
        self
    }

    /// What was counted so far, by all decoders.
    pub fn counters(&self) -> VideoCounters {
        self.decoder.as_ref().map_or(self.before, |decoder| self.before + decoder.counters())
    }

    /// One access unit in; pictures that are ready are appended to `out`, in presentation order of each stream.
    pub fn push(&mut self, unit: &Unit, out: &mut Vec<SourcePicture>) {
        if !Arc::ptr_eq(&unit.stream, &self.stream) {
            self.change(&unit.stream, out);
        }
        let first = out.len();
        match &mut self.decoder {
            Some(decoder) => decoder.push(unit, out),
            None => {
                self.before.packets += 1;
                self.before.errors += 1;
            }
        }
        if self.renewed
            && let Some(picture) = out.get_mut(first)
        {
            picture.renewed = true;
            self.renewed = false;
        }
    }

    /// The end: everything still held is appended to `out`. No use after.
    pub fn flush(&mut self, out: &mut Vec<SourcePicture>) {
        if let Some(decoder) = &mut self.decoder {
            decoder.flush(out);
        }
    }

    fn change(&mut self, stream: &Arc<StreamInfo>, out: &mut Vec<SourcePicture>) {
        self.flush(out);
        self.before = self.counters();
        self.renewed |= stream.session != self.stream.session;
        self.stream = Arc::clone(stream);
        let opened = VideoDecoder::open(stream, &self.facts, self.threads);
        self.decoder = opened.map_err(|error| tracing::error!("{error}; its slots are filled until the feed brings something else")).ok();
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
