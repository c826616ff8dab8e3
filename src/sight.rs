//! What a source picture shows that a viewer would call a defect: black, or standing still. Looked at once a picture, before it is scaled for any rung.

use crate::frame::{Frame, Origin, Picture};
use crate::standby::look::Look;
use crate::time::{Grid, Seconds, Slot};

/// How long a picture must stand before its slots count as frozen: what doubles pictures (25 a second on a grid of 50) or shows a few again does not.
const STANDS: Seconds = Seconds::HALF;

/// What a slot shows, as far as it is a defect. It travels with the frame to the verdict on the segment, and never alters a byte of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sight {
    /// Nothing is to be seen.
    pub black: bool,
    /// The feed sends the same picture for half a second or more.
    pub frozen: bool,
}

/// Looks at the pictures of one feed, slot by slot.
pub struct Watcher {
    stands: i64,
    /// What has been shown since which slot of this GOP.
    since: Option<(Slot, Look)>,
}

impl Watcher {
    /// Has seen nothing yet.
    pub fn new(grid: Grid) -> Watcher {
        Watcher { stands: grid.slots_in(STANDS).try_into().unwrap_or(i64::MAX), since: None }
    }

    /// What `frame` shows. `small`: the smallest picture that was made of it, looked at where the picture itself is on a device.
    ///
    /// A function of the pictures of the GOP up to this one: nothing is remembered from one GOP to the next. Only what the feed itself sends is looked at:
    /// repeats and filler are counted as such.
    pub fn see(&mut self, frame: &Frame, small: Option<&Picture>) -> Sight {
        if frame.opens_gop {
            self.since = None;
        }
        if frame.origin != Origin::Input {
            return Sight::default();
        }
        let at = match &frame.picture {
            picture @ Picture::Cpu(_) => picture,
            picture @ Picture::Device(_) => small.unwrap_or(picture),
        };
        // A picture that a device does not give is the encoders' to tell of.
        let Ok(look) = at.host().map(|picture| Look::of(picture)) else { return Sight::default() };
        let black = look.is_black();
        match &self.since {
            Some((since, before)) if look.is_same(before) => Sight { black, frozen: frame.slot.0 - since.0 >= self.stands },
            _ => {
                self.since = Some((frame.slot, look));
                Sight { black, frozen: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{frames, pattern};
    use crate::time::Rate;
    use ffmpeg_next::format::Pixel;
    use ffmpeg_next::frame::Video;
    use std::sync::Arc;

    fn grid() -> Grid {
        Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO)
    }

    fn seen(frames: &[Frame]) -> Vec<Sight> {
        let mut watcher = Watcher::new(grid());
        frames.iter().map(|frame| watcher.see(frame, None)).collect()
    }

    fn flat(luma: u8) -> Arc<Video> {
        let mut picture = Video::new(Pixel::YUV420P, 320, 180);
        picture.data_mut(0).fill(luma);
        picture.into()
    }

    #[test]
    fn a_picture_that_stands_is_frozen_after_half_a_second_and_anew_in_each_segment() {
        let still = vec![pattern(320, 180, 7); 75];
        let frozen: Vec<i64> =
            frames(grid(), 0, &still).iter().zip(seen(&frames(grid(), 0, &still))).filter(|(_, s)| s.frozen).map(|(f, _)| f.slot.0).collect();
        assert_eq!(frozen, (13..50).chain(63..75).collect::<Vec<_>>());
    }

    #[test]
    fn movement_doubled_pictures_and_slow_fades_are_not_frozen() {
        let moving: Vec<_> = (0..50).map(|n| pattern(320, 180, n)).collect();
        let doubled: Vec<_> = (0..50).map(|n| pattern(320, 180, n / 2)).collect();
        // One step of luma every five slots: each pair of neighbours looks alike, the ends do not.
        let fade: Vec<_> = (0..50).map(|n| flat(60 + n / 5)).collect();
        for pictures in [moving, doubled, fade] {
            assert!(seen(&frames(grid(), 0, &pictures)).iter().all(|sight| *sight == Sight::default()));
        }
    }

    #[test]
    fn black_is_seen_and_what_the_feed_did_not_send_is_not_looked_at() {
        let mut dark = frames(grid(), 0, &vec![flat(16); 4]);
        dark[1].origin = Origin::Repeat;
        dark[2].origin = Origin::Filler;
        assert_eq!(seen(&dark).iter().map(|sight| sight.black).collect::<Vec<_>>(), [true, false, false, true]);
    }
}
