//! A slate in the feed's place, where an edit asks for it.

use crate::decode::filler::Filler;
use crate::frame::{Frame, Origin, Picture};
use crate::schedule::Schedule;
use std::sync::Arc;

/// Puts the slate in. Also the place where a segment begins, as far as edits go.
pub struct Slates {
    schedule: Arc<Schedule>,
    filler: Filler,
    /// The slate's picture in this segment.
    shown: Option<Picture>,
    on: bool,
}

impl Slates {
    /// The job's filler, where `schedule` asks for it.
    pub fn new(schedule: Arc<Schedule>, filler: Filler) -> Slates {
        Slates { schedule, filler, shown: None, on: false }
    }

    /// The frame, or filler in its slot. Which of both goes by the segment alone.
    pub fn pass(&mut self, frame: Frame) -> Frame {
        if frame.opens_gop {
            self.schedule.reach(frame.gop);
            self.on = self.schedule.is_slate(frame.gop);
            // Of each segment anew: what it shows depends on nothing before it.
            self.shown = None;
        }
        if !self.on {
            return frame;
        }
        let picture = self.shown.get_or_insert_with(|| self.filler.after(&frame.picture)).clone();
        // Nothing of what befell the feed is seen.
        Frame { picture, origin: Origin::Filler, damaged: false, missed: false, side: Arc::default(), ..frame }
    }
}
