//! The sound of a slate: none. What is silent goes by the number of each audio frame alone, run-up included.

use super::Schedule;
use crate::frame::PcmSegment;
use crate::time::{AudioGrid, GopId, Seconds};
use std::sync::Arc;

/// Takes the sound out of what a slate hides.
#[derive(Clone)]
pub struct Mute {
    schedule: Arc<Schedule>,
    grid: AudioGrid,
}

impl Mute {
    /// For a rung of sound on this grid.
    pub fn new(schedule: Arc<Schedule>, grid: AudioGrid) -> Mute {
        Mute { schedule, grid }
    }

    /// The segment, or the part of one, as it is to be encoded.
    pub fn pass(&self, mut segment: PcmSegment) -> PcmSegment {
        self.schedule.reach(segment.gop);
        let size = self.grid.frame as usize;
        let held = segment.planes.first().map_or(0, |plane| plane.len() / size.max(1));
        let begins = segment.first_frame - i64::from(segment.lead) + i64::from(segment.from);
        let slates: Vec<bool> = (begins..).take(held).map(|frame| self.schedule.is_slate(self.owner(frame))).collect();
        if slates.contains(&true) {
            let mut planes = segment.planes.as_ref().clone();
            for plane in &mut planes {
                plane.chunks_mut(size).zip(&slates).filter(|(_, slate)| **slate).for_each(|(frame, _)| frame.fill(0.0));
            }
            segment.planes = Arc::new(planes);
        }
        if self.schedule.is_slate(segment.gop) {
            // All that is published of it is filler, and shows nothing of what befell the feed.
            segment.silent_samples = u64::from(segment.frames) * size as u64;
            segment.damaged = 0;
        }
        segment
    }

    /// The segment that publishes an audio frame.
    fn owner(&self, frame: i64) -> GopId {
        let time = Seconds::new(i128::from(frame) * i128::from(self.grid.frame), i128::from(self.grid.sample_rate));
        let gop = self.grid.video.gop(self.grid.video.nearest(time));
        // A slot may round up into the next segment, and a frame that begins before a segment is of the one before.
        let mut owner = GopId(gop.0 + 1);
        while self.grid.first(owner) > frame {
            owner = GopId(owner.0 - 1);
        }
        owner
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::Asked;
    use super::super::edit::{Change, Edit};
    use super::*;
    use crate::time::{Grid, Rate};

    #[test]
    fn only_frames_of_the_slate_are_silent() {
        let video = Grid::new(Rate::new(30_000, 1001).expect("a rate"), Seconds::TWO);
        let grid = AudioGrid { video, sample_rate: 48_000, frame: 1024 };
        let schedule = Arc::new(Schedule::new());
        let slate = |from, on| Asked { edit: Edit { from, change: Change::Slate { on } }, named: true };
        schedule.book().take(&[slate(6, true), slate(7, false)], &["v"]).expect("taken");
        let mute = Mute::new(Arc::clone(&schedule), grid);
        let (lead, tail) = (16, 4);
        for gop in 4..9 {
            let gop = GopId(gop);
            let (first_frame, frames) = (grid.first(gop), grid.frames(gop));
            let made = PcmSegment {
                gop,
                from: 0,
                more: false,
                first_frame,
                frames,
                lead,
                tail,
                planes: Arc::new(vec![vec![0.5; (lead + frames + tail) as usize * 1024]; 2]),
                silent_samples: 0,
                damaged: 3,
                clean: true,
                joined: true,
                path: 0,
                last: false,
            };
            let passed = mute.pass(made);
            for (place, samples) in passed.planes[1].chunks(1024).enumerate() {
                let frame = first_frame - i64::from(lead) + place as i64;
                let hidden = (grid.first(GopId(6))..grid.first(GopId(7))).contains(&frame);
                assert!(samples.iter().all(|sample| (*sample == 0.0) == hidden), "frame {frame} of segment {gop}");
            }
            let filler = if gop.0 == 6 { u64::from(frames) * 1024 } else { 0 };
            assert_eq!((passed.silent_samples, passed.damaged), (filler, if gop.0 == 6 { 0 } else { 3 }));
        }
        assert_eq!(schedule.frontier().0, Some(GopId(8)));
    }
}
