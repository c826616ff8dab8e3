//! Muxing: packets to CMAF segments, and the HLS and DASH text around them. Everything but [`run`] is free of I/O, clocks and threads.
//!
//! - `track`: what is known of a track; `entries`: sample entries, one function per codec; `init`, `fragment`: the segments; `marks`, `card`: mezzo's own boxes
//! - `chunking`: where segments are cut; `making`: a segment while its packets come; `chunked`: its chunks, out before it is complete
//! - `align`: brings what the encoders say into order; `protected`: what goes out encrypted; `listing`: which segments exist; `parts`: and which chunks; `hls`, `dash`: the text; `publish`: what goes out, in order

mod align;
pub mod card;
mod chunked;
pub mod chunking;
mod cues;
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
pub(crate) mod nested;
pub(crate) mod parts;
mod protected;
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
mod protected_tests;
#[cfg(test)]
mod readback_tests;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
pub(crate) mod test_kit;

pub use chunking::Chunking;
pub use fragment::{ntp, overhead, segment, sequence};
pub use init::{init, init_in};
pub use marks::Marks;
pub use publish::Counts;
pub use track::{MAX_TIME, TrackKind, TrackSpec};

use crate::encode::{ToMux, TrackId};
use crate::job::Window;
use crate::metrics::Queue;
use crate::protect::Form;
use crate::schedule::Schedule;
use crate::shard::{Part, Share};
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
    /// Where cues are marked.
    pub schedule: Arc<Schedule>,
    /// Counts for metrics; shared with whoever shows them.
    pub counts: Arc<Counts>,
    /// How it is protected; clear where absent.
    pub form: Option<Arc<Form>>,
    /// What else the same encode is published as, beside this one.
    pub others: Vec<Other>,
    /// Which numbers of each track this worker makes; all where absent. Of the others it is taken for granted that they are made: they count as listed in what all tracks
    /// share, and what only lists segments is left to an origin, for no shard sees all.
    pub share: Option<Share>,
}

/// What an earlier run left in a destination.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// As [`Settings::stored`].
    pub segments: Vec<(String, Vec<GopId>)>,
    /// As [`Settings::iframes`].
    pub iframes: iframes::Stored,
    /// Numbers of its sheets of thumbnails.
    pub sheets: Vec<GopId>,
}

/// A second form of what is published: same names, same numbers, other bytes.
#[derive(Clone, Debug)]
pub struct Other {
    /// How it is protected.
    pub form: Option<Arc<Form>>,
    /// What is in its own destinations already.
    pub stored: Stored,
    /// To its own destinations.
    pub tx: Sender<Publish>,
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
    /// It could not be protected.
    #[error(transparent)]
    Protect(#[from] crate::protect::ProtectError),
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
pub fn run(tracks: Vec<TrackSpec>, mut settings: Settings, rx: Receiver<ToMux>, tx: Sender<Publish>) -> Result<(), MuxError> {
    let part = |track: &TrackSpec| settings.share.as_ref().map_or_else(Part::all, |share| share.part(&track.name));
    // Between two of a lane's own GOPs there may be as many of other shards.
    let lanes = |track: &TrackSpec| match &track.kind {
        TrackKind::Video { rendition, .. } if rendition.lanes > 1 => rendition.lanes.saturating_mul(part(track).modulus()),
        _ => 1,
    };
    let lanes: Vec<u32> = tracks.iter().map(lanes).collect();
    let names: Vec<String> = tracks.iter().map(|t| t.name.clone()).collect();
    let chunked = settings.chunking.is_some();
    let feed = settings.thumbnails.as_ref().map(|feed| feed.sheets.clone());
    let mut sheets = feed.clone().unwrap_or_else(never);
    let others = std::mem::take(&mut settings.others);
    let mut first = Publisher::new(tracks.clone(), settings.clone(), tx)?;
    let other = |Other { form, stored: Stored { segments, iframes, sheets }, tx }| {
        let thumbnails = settings.thumbnails.clone().map(|feed| thumbnails::Feed { stored: sheets, ..feed });
        let settings = Settings { form, stored: segments, iframes, thumbnails, counts: Arc::default(), ..settings.clone() };
        Publisher::new(tracks.clone(), settings, tx)
    };
    let mut others: Vec<Publisher> = others.into_iter().map(other).collect::<Result<_, _>>()?;
    // All have the same numbers: what one of them lacks of a track comes again, the same bytes, and who has it leaves it.
    let least = |a: Vec<Option<GopId>>, b: Vec<Option<GopId>>| a.into_iter().zip(b).map(|(a, b)| a.min(b)).collect();
    let expected = others.iter().map(Publisher::expected).fold(first.expected(), least);
    let mut align = Align::new(&lanes, &expected, chunked);
    while !align.over() {
        let message = select! {
            recv(rx) -> message => message,
            recv(sheets) -> sheet => {
                match sheet {
                    Ok(sheet) => {
                        others.iter_mut().try_for_each(|publisher| publisher.sheet(sheet.clone()))?;
                        first.sheet(sheet)?;
                    }
                    // Who makes them is done, or broke and has said so.
                    Err(_) => sheets = never(),
                }
                continue;
            }
        };
        let Ok(message) = message else {
            first.abort_all()?;
            others.iter_mut().try_for_each(Publisher::abort_all)?;
            let alive: Vec<&str> = align.alive().into_iter().filter_map(|i| names.get(i).map(String::as_str)).collect();
            return Err(MuxError::Broke(alive.join(", ")));
        };
        let (track, ready) = align.take(message)?;
        first.counts().probes.get().into_iter().for_each(|probes| probes.waiting(Queue::Packets, rx.len()));
        for ready in ready {
            others.iter_mut().try_for_each(|publisher| publisher.take(track, ready.clone()))?;
            first.take(track, ready)?;
        }
        first.counts().stale.store(align.stale, std::sync::atomic::Ordering::Relaxed);
    }
    // Their pictures have ended as those of the rungs have, so this does, too.
    for sheet in feed.iter().flat_map(Receiver::iter) {
        others.iter_mut().try_for_each(|publisher| publisher.sheet(sheet.clone()))?;
        first.sheet(sheet)?;
    }
    others.iter_mut().try_for_each(|publisher| publisher.finish(align.end()))?;
    first.finish(align.end())
}
