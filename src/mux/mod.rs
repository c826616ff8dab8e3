//! Muxing: packets to CMAF segments, and the HLS and DASH text around them. Everything but [`run`] is free of I/O, clocks and threads.
//!
//! - `track`: what is known of a track; `entries`: sample entries, one function per codec; `init`, `fragment`: the segments; `marks`, `card`: mezzo's own boxes
//! - `chunking`: where segments are cut; `making`: a segment while its packets come; `chunked`: its chunks, out before it is complete
//! - `align`: brings what the encoders say into order; `listing`: which segments exist; `parts`: and which chunks; `hls`, `dash`: the text; `publish`: what goes out, in order

mod align;
pub mod card;
mod chunked;
pub mod chunking;
pub(crate) mod dash;
pub(crate) mod describe;
mod entries;
mod fragment;
pub(crate) mod hls;
pub mod iframes;
mod init;
pub(crate) mod listing;
mod making;
pub mod marks;
pub(crate) mod parts;
mod publish;
pub mod session;
pub mod thumbnails;
mod track;

#[cfg(test)]
mod chunked_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod fragment_tests;
#[cfg(test)]
mod playlist_tests;
#[cfg(test)]
mod readback_tests;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
pub(crate) mod test_kit;

pub use chunking::Chunking;
pub use fragment::{ntp, overhead, segment, sequence};
pub use init::init;
pub use marks::Marks;
pub use publish::Counts;
pub use track::{MAX_TIME, TrackKind, TrackSpec};

use crate::encode::{ToMux, TrackId};
use crate::job::Window;
use crate::sink::Publish;
use crate::time::{GopId, Seconds};
use align::Align;
use crossbeam::channel::{Receiver, Sender, never, select};
use publish::Publisher;
use std::sync::Arc;

/// What the muxer needs to know beside the tracks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Class of the worker.
    pub class: String,
    /// Number k is due at the end of its slot plus this.
    pub publish_delay: Seconds,
    /// Which segments are kept and listed.
    pub window: Window,
    /// Chunks, which leave as they are encoded; one chunk a segment where absent.
    pub chunking: Option<Chunking>,
    /// Segments below this number are dropped, on every track, so that all start at the same one. Nothing is expected before the first that comes.
    pub not_before: Option<GopId>,
    /// After a restart: for each track name the numbers that its destination has already. Playlists go on from there, holes as `EXT-X-GAP`.
    pub stored: Vec<(String, Vec<GopId>)>,
    /// Of the segments in `stored`, where their first picture is.
    pub iframes: iframes::Stored,
    /// What the multivariant playlist says beside the variants.
    pub session: Vec<session::SessionDatum>,
    /// Sheets of thumbnails, where the job asks for them.
    pub thumbnails: Option<thumbnails::Feed>,
    /// Counts for metrics; shared with whoever shows them.
    pub counts: Arc<Counts>,
}

/// Why muxing failed.
#[derive(Debug, thiserror::Error)]
pub enum MuxError {
    /// A segment number without a place in time.
    #[error("{track}: segment {gop} is out of range; 0 and more are accepted, as long as times stay below 2^53 ticks")]
    Number {
        /// Track name.
        track: String,
        /// The number.
        gop: GopId,
    },
    /// Packets that are not one GOP of the grid.
    #[error("{track}: segment {gop}: {why}")]
    Packets {
        /// Track name.
        track: String,
        /// Where.
        gop: GopId,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// A decoder configuration or rendition that no sample entry can carry.
    #[error("{track}: {why}")]
    Config {
        /// Track name.
        track: String,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// The class is too long.
    #[error("the class has {length} bytes; at most {} are accepted", marks::MAX_CLASS)]
    Class {
        /// Its length.
        length: usize,
    },
    /// A box could not be written.
    #[error("{track}: {source}")]
    Boxes {
        /// Track name.
        track: String,
        /// The writer's words.
        source: mp4_atom::Error,
    },
    /// An initialisation segment does not read back.
    #[error("{track}: initialisation segment: {source}")]
    Init {
        /// Track name.
        track: String,
        /// The reader's words.
        source: crate::inspect::InspectError,
    },
    /// The tracks do not belong together.
    #[error("tracks: {0}")]
    Tracks(String),
    /// A message for a track that was never announced.
    #[error("track {} is unknown", id.0)]
    Track {
        /// Which.
        id: TrackId,
    },
    /// More GOPs open at once than the track has lanes for.
    #[error("track {}: more than {most} segments are open at once", id.0)]
    Overrun {
        /// Which.
        id: TrackId,
        /// The limit.
        most: usize,
    },
    /// The encoders' queue closed before every track had ended: something upstream broke. Open segments were not published.
    #[error("the encoders went away before the end of track {0}")]
    Broke(String),
    /// The sinks went away.
    #[error("nobody takes what is published")]
    Gone,
}

/// The muxer's thread: publishes every initialisation segment, then segments, playlists and manifest as the encoders finish GOPs, until every track has ended.
///
/// `tracks` in the order of their ids. A segment is read back before it goes out ([`crate::inspect`]): what breaks a rule but decodes is logged, counted and
/// published, for a missing segment is worse for a viewer; what cannot be decoded becomes a gap. A playlist follows the segment it lists.
/// Returns `Ok` after the last track's end, [`MuxError::Broke`] where `rx` closes before.
pub fn run(tracks: Vec<TrackSpec>, settings: Settings, rx: Receiver<ToMux>, tx: Sender<Publish>) -> Result<(), MuxError> {
    let lanes: Vec<u32> = tracks.iter().map(|t| if let TrackKind::Video { rendition, .. } = &t.kind { rendition.lanes } else { 1 }).collect();
    let names: Vec<String> = tracks.iter().map(|t| t.name.clone()).collect();
    let chunked = settings.chunking.is_some();
    let feed = settings.thumbnails.as_ref().map(|feed| feed.sheets.clone());
    let mut sheets = feed.clone().unwrap_or_else(never);
    let mut publisher = Publisher::new(tracks, settings, tx)?;
    let mut align = Align::new(&lanes, &publisher.expected(), chunked);
    while !align.over() {
        let message = select! {
            recv(rx) -> message => message,
            recv(sheets) -> sheet => {
                match sheet {
                    Ok(sheet) => publisher.sheet(sheet)?,
                    // Who makes them is done, or broke and has said so.
                    Err(_) => sheets = never(),
                }
                continue;
            }
        };
        let Ok(message) = message else {
            publisher.abort_all()?;
            let alive: Vec<&str> = align.alive().into_iter().filter_map(|i| names.get(i).map(String::as_str)).collect();
            return Err(MuxError::Broke(alive.join(", ")));
        };
        let (track, ready) = align.take(message)?;
        for ready in ready {
            publisher.take(track, ready)?;
        }
        publisher.counts().stale.store(align.stale, std::sync::atomic::Ordering::Relaxed);
    }
    // Their pictures have ended as those of the rungs have, so this does, too.
    feed.iter().flat_map(Receiver::iter).try_for_each(|sheet| publisher.sheet(sheet))?;
    publisher.finish(align.end())
}
