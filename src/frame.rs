//! What flows between the stages: pictures, sound, and the end.

use crate::sight::Sight;
use crate::time::{GopId, Seconds, Slot};
use ffmpeg_next as ffmpeg;
use hwaccel::surface::Surface;
use std::sync::Arc;

/// How a flow stops. It travels forward through every queue as an item; a queue that closes without it means that upstream broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The event is over (end of a file, `--duration`, `stop {"end": true}`): the open GOP is closed short and published, end marks are written.
    Ended,
    /// Only this worker leaves (SIGTERM): whole GOPs in flight are finished, the open one is discarded, no end mark.
    Leaving,
}

/// An item of a flow, or its end.
#[derive(Clone, Debug)]
pub enum Flow<T> {
    /// The next item.
    Item(T),
    /// Nothing follows.
    End(End),
}

/// Where a picture's samples are.
#[derive(Clone)]
pub enum Picture {
    /// In host memory. Shared: nobody writes to it once it is in a [`Frame`].
    Cpu(Arc<ffmpeg::frame::Video>),
    /// In a device's memory, shared likewise.
    Device(Arc<Surface>),
}

impl Picture {
    /// A picture where it lies.
    pub fn of(picture: Arc<ffmpeg::frame::Video>) -> Picture {
        match Surface::of(picture) {
            Ok(surface) => Picture::Device(Arc::new(surface)),
            Err(picture) => Picture::Cpu(picture),
        }
    }

    /// Its samples in host memory, planar: itself, or the one copy that a surface gives to all who ask.
    ///
    /// # Errors
    /// The device does not give it, in words.
    pub fn host(&self) -> Result<&Arc<ffmpeg::frame::Video>, String> {
        match self {
            Picture::Cpu(picture) => Ok(picture),
            Picture::Device(surface) => surface.host().map_err(|error| format!("the device does not give the picture: {error}")),
        }
    }
}

/// Why a slot shows what it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The picture that the feed has for this slot.
    Input,
    /// The feed has none: the last picture again.
    Repeat,
    /// The feed has had none for longer than `hold`: black or a slate.
    Filler,
}

/// How long a GOP is going to be, as far as that is known when it opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// Whole.
    Whole,
    /// The event ends in it, after this many slots.
    Short(u32),
    /// The event may end in it, early.
    Unsure,
}

/// One slot of the grid with its picture. Cloning counts a reference.
#[derive(Clone)]
pub struct Frame {
    /// The slot, counted from the epoch.
    pub slot: Slot,
    /// The GOP that holds the slot.
    pub gop: GopId,
    /// True for the first slot of a GOP, and only there.
    pub opens_gop: bool,
    /// An IDR inside a GOP, asked for by a splice.
    pub force_idr: bool,
    /// The last slot of the event, where that is known in time (a file, `--duration`).
    pub last: bool,
    /// How long its GOP is going to be, as far as that is known. What is said with the frame that opens it counts.
    pub length: Length,
    /// The picture.
    pub picture: Picture,
    /// Why this picture.
    pub origin: Origin,
    /// The picture shows damage of the feed: its own, or what it inherits from the pictures it refers to.
    pub damaged: bool,
    /// No picture came for it in time, by the host's clock: it repeats, or is filler.
    pub missed: bool,
    /// Which of a job's feeds it is from, where there are two that are not the same bytes.
    pub path: u8,
    /// What was seen of it, once it was looked at (`sight.rs`).
    pub sight: Sight,
    /// What the source said beside the picture.
    pub side: Arc<SideData>,
}

/// What travels with a picture from the source to every rung.
#[derive(Clone, Debug, Default)]
pub struct SideData {
    /// Presentation time in the source, in its own clock.
    pub source_pts: Option<Seconds>,
    /// The UTC stamp that the source carried for this picture.
    pub stamp: Option<Seconds>,
    /// When it came, by the host's clock. For metrics alone.
    pub arrival: Option<Seconds>,
}

/// Slots whose sound is moved alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sounding {
    /// The first.
    pub from: Slot,
    /// One past the last.
    pub until: Slot,
    /// What to add to a source time to get UTC.
    pub offset: Seconds,
}

/// Frame sync to audio: one GOP of video is complete, or so much of it is there, so that its sound may be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioCue {
    /// The GOP.
    pub gop: GopId,
    /// Slots that it has: all, or fewer where the event ended inside it, or where more follow.
    pub slots: u32,
    /// It is not complete: a cue with more slots, or with these and without `more`, follows.
    pub more: bool,
    /// What to add to a source time to get UTC, for every audio sample of this GOP (its run-up included), or of the last part of it that is heard.
    pub offset: Seconds,
    /// Source time was moved within the GOP: the parts of it that are heard, rising. What is between them is silent.
    pub moved: Option<Vec<Sounding>>,
    /// The feed is known from its beginning: there is no earlier sound that a run-up could lack.
    pub whole: bool,
    /// Pictures were missing here just before it, or in it: a hole in its run-up may be this worker's own.
    pub away: bool,
    /// The last GOP of the event, where that is known in time.
    pub last: bool,
}

/// The sound of one segment, with run-up before and after, as every audio rung encodes it; or the next part of it, where it is handed on as it comes.
#[derive(Clone, Debug)]
pub struct PcmSegment {
    /// The segment.
    pub gop: GopId,
    /// First audio frame that is published, counted from the epoch.
    pub first_frame: i64,
    /// How many frames are published; of a part, how many with those before.
    pub frames: u32,
    /// Frames (of run-up and published) that were in parts before this one: `planes` begin behind them.
    pub from: u32,
    /// Another part follows.
    pub more: bool,
    /// Frames of run-up before the first published one, in `planes`.
    pub lead: u32,
    /// Frames after the last published one, in `planes`. Those of a part may be published by the next.
    pub tail: u32,
    /// One plane a channel, each `(lead + frames + tail - from) * frame size` samples, nominally within [-1, 1].
    pub planes: Arc<Vec<Vec<f32>>>,
    /// Published samples that the feed did not have, silent here; of all parts so far.
    pub silent_samples: u64,
    /// Packets, run-up included, that came damaged or did not decode; of all parts so far.
    pub damaged: u32,
    /// The decoder had its whole run-up.
    pub clean: bool,
    /// The sound has what it depends on, or had it in an earlier segment: any other worker that has this feed makes the same segment. False right after a join; not to be published.
    pub joined: bool,
    /// Which of a job's feeds it is from, as [`Frame::path`].
    pub path: u8,
    /// The last segment of the event, where that is known in time.
    pub last: bool,
}
