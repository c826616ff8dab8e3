//! Which clock a feed is placed by: the job's wish, what the source is, and what its first picture carries.

use crate::capture::Origin;
use crate::clock::{Lock, Reference, Tick};
use crate::job::{Anchor, ClockKind, Timeline};
use crate::time::Seconds;

/// A kept anchor that puts the feed further from the host's clock than this is of another run of the source.
const STALE: Seconds = Seconds::MINUTE;

/// Why the feed's clock cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimelineError {
    /// `timeline.clock = "sei"` and no stamps.
    #[error(
        "timeline.clock = \"sei\": the first picture (pts {pts} s) carries no UTC stamp (MISB ST 0604 in a user data SEI); accepted: a stamped feed, or clock = \"pts\" with an anchor, or \"arrival\""
    )]
    NoStamp {
        /// Its time.
        pts: Seconds,
    },
}

/// What the feed is placed by.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The clock's reference.
    pub reference: Reference,
    /// The feed is known from its beginning.
    pub whole: bool,
    /// An anchor that was taken now and has to be kept for a restart.
    pub taken: Option<Anchor>,
    /// Whether another worker on this feed chooses alike.
    pub lock: Lock,
}

/// Chooses the reference. `kept` is the anchor that an earlier run of this job took.
///
/// # Errors
/// Where the job insists on stamps and the first picture has none.
pub fn choose(timeline: &Timeline, origin: Origin, first: &Tick, kept: Option<Anchor>) -> Result<Choice, TimelineError> {
    let by = |reference: Reference| Choice { reference, whole: false, taken: None, lock: Lock::Locked };
    let own = |reference: Reference| Choice { lock: Lock::Own, ..by(reference) };
    // Every picture stands by itself, and the sound of `testsrc:` begins before its pictures.
    let live = match origin {
        Origin::Utc => return Ok(Choice { whole: true, ..by(Reference::Utc) }),
        Origin::File => false,
        Origin::Live { .. } | Origin::Session => true,
    };
    let about = live.then_some(first.arrival);
    let anchored = |anchor: Anchor| Reference::Anchor { anchor, about };
    match (timeline.clock, timeline.anchor) {
        (ClockKind::Sei, _) if first.stamp.is_none() => Err(TimelineError::NoStamp { pts: first.pts }),
        (ClockKind::Sei, _) => Ok(by(Reference::Stamps)),
        (ClockKind::Arrival, _) => Ok(own(Reference::Arrival)),
        (_, Some(anchor)) => Ok(by(anchored(anchor))),
        (ClockKind::Auto | ClockKind::Pts, None) if !live => Ok(Choice { whole: true, ..by(Reference::First) }),
        (ClockKind::Auto, None) if first.stamp.is_some() => Ok(by(Reference::Stamps)),
        // Its own clock is as good as the connection: the next one knows nothing of it.
        (ClockKind::Auto, None) if origin == Origin::Session => Ok(own(Reference::Arrival)),
        (ClockKind::Auto | ClockKind::Pts, None) => match kept.filter(|kept| fits(*kept, origin, first)) {
            Some(kept) => Ok(own(anchored(kept))),
            None => {
                let taken = Anchor { source: first.pts, utc: Seconds::new(i128::from(first.arrival.nearest_ticks(1000)), 1000) };
                Ok(Choice { taken: Some(taken), ..own(anchored(taken)) })
            }
        },
    }
}

/// What a feed is going to be placed by, as far as that is known before its pictures are placed: for `mezzo plan`. `stamped`: its pictures carry UTC.
pub fn expected(timeline: &Timeline, origin: Origin, stamped: bool) -> (&'static str, Lock) {
    let live = matches!(origin, Origin::Live { .. } | Origin::Session);
    match (timeline.clock, timeline.anchor) {
        _ if origin == Origin::Utc => ("its own clock, which is UTC", Lock::Locked),
        (ClockKind::Sei, _) => ("the UTC stamps in its pictures", Lock::Locked),
        (ClockKind::Arrival, _) => ("the host's clock as it arrives", Lock::Own),
        (_, Some(_)) => ("its own clock, against the anchor of the job", Lock::Locked),
        (ClockKind::Auto | ClockKind::Pts, None) if !live => ("its first picture, which opens segment 0", Lock::Locked),
        (ClockKind::Auto, None) if stamped => ("the UTC stamps in its pictures", Lock::Locked),
        (ClockKind::Auto, None) if origin == Origin::Session => ("the host's clock as it arrives", Lock::Own),
        (ClockKind::Auto | ClockKind::Pts, None) => ("its own clock, against an anchor that is taken at the start and kept beside the output", Lock::Own),
    }
}

/// Whether a kept anchor still puts the feed where the host's clock is.
fn fits(kept: Anchor, origin: Origin, first: &Tick) -> bool {
    let wrap = match origin {
        Origin::Live { wrap } => wrap,
        Origin::Session => None,
        Origin::File | Origin::Utc => return false,
    };
    let off = first.pts - kept.source + kept.utc - first.arrival;
    let off = wrap.map_or(off, |wrap| off - wrap.times(i128::from(off.ratio_nearest(wrap))));
    let fits = off.abs() <= STALE;
    if !fits {
        tracing::warn!(off = %off, "the anchor kept beside the output does not fit the feed any more: a new one is taken");
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::filler::Filler;
    use crate::job::Start;

    fn timeline(clock: ClockKind, anchor: Option<Anchor>) -> Timeline {
        let (phase, stamp_offset) = (Seconds::ZERO, Seconds::ZERO);
        Timeline { clock, anchor, phase, stamp_offset, hold: Seconds::ONE, max_gap: Seconds::whole(60), filler: Filler::Black, start: Start::FirstPicture }
    }

    fn tick(pts: i64, stamp: Option<i64>) -> Tick {
        Tick { pts: Seconds::whole(pts), key: true, stamp: stamp.map(Seconds::whole), arrival: Seconds::whole(1_763_000_000) }
    }

    fn anchor(source: i64, utc: i64) -> Anchor {
        Anchor { source: Seconds::whole(source), utc: Seconds::whole(utc) }
    }

    fn wrap() -> Seconds {
        Seconds::new(1 << 33, 90_000)
    }

    const LIVE: Origin = Origin::Live { wrap: None };

    #[test]
    fn a_file_begins_at_slot_zero_unless_anchored() {
        let choose = |clock, anchor, stamp| choose(&timeline(clock, anchor), Origin::File, &tick(7, stamp), None);
        let first = Choice { reference: Reference::First, whole: true, taken: None, lock: Lock::Locked };
        assert_eq!(choose(ClockKind::Auto, None, Some(1_763_000_000)), Ok(first), "a file's stamps count only where they are asked for");
        let given = Choice { reference: Reference::Anchor { anchor: anchor(7, 9), about: None }, whole: false, taken: None, lock: Lock::Locked };
        assert_eq!(choose(ClockKind::Auto, Some(anchor(7, 9)), None), Ok(given));
        assert_eq!(choose(ClockKind::Sei, None, Some(1)).map(|c| c.reference), Ok(Reference::Stamps));
        assert_eq!(choose(ClockKind::Sei, None, None), Err(TimelineError::NoStamp { pts: Seconds::whole(7) }));
    }

    /// What the plan says beforehand is what is chosen then.
    #[test]
    fn what_is_expected_is_what_is_chosen() {
        for (clock, given, origin, stamp) in [ClockKind::Auto, ClockKind::Pts, ClockKind::Arrival, ClockKind::Sei].into_iter().flat_map(|clock| {
            let origins = [Origin::File, Origin::Session, Origin::Utc, LIVE];
            let anchors = [None, Some(anchor(1, 2))];
            origins.into_iter().flat_map(move |o| anchors.into_iter().flat_map(move |a| [None, Some(5)].map(|s| (clock, a, o, s))))
        }) {
            let timeline = timeline(clock, given);
            let Ok(choice) = choose(&timeline, origin, &tick(7, stamp), None) else { continue };
            let (words, lock) = expected(&timeline, origin, stamp.is_some());
            assert_eq!(lock, choice.lock, "{clock:?} {given:?} {origin:?} {stamp:?}");
            let said = choice.reference.to_string();
            assert_eq!(words.split_once(',').map_or(words, |w| w.0), said.split_once(',').map_or(said.as_str(), |w| w.0));
        }
    }

    #[test]
    fn a_live_feed_takes_the_first_clock_that_it_has() {
        let choose = |anchor, stamp, kept| choose(&timeline(ClockKind::Auto, anchor), LIVE, &tick(7, stamp), kept).expect("a clock");
        assert_eq!(choose(None, Some(5), None).reference, Reference::Stamps);
        assert_eq!(choose(Some(anchor(1, 2)), Some(5), None).taken, None);
        let taken = choose(None, None, None).taken.expect("taken");
        assert_eq!(taken, anchor(7, 1_763_000_000));
        let again = choose(None, None, Some(anchor(3, 1_762_999_999)));
        assert_eq!((again.taken, again.reference), (None, Reference::Anchor { anchor: anchor(3, 1_762_999_999), about: Some(Seconds::whole(1_763_000_000)) }));
    }

    #[test]
    fn a_session_goes_by_the_hosts_clock_unless_its_pictures_know_better() {
        let choose = |clock, stamp| choose(&timeline(clock, None), Origin::Session, &tick(7, stamp), None).expect("a clock");
        assert_eq!(choose(ClockKind::Auto, None), Choice { reference: Reference::Arrival, whole: false, taken: None, lock: Lock::Own });
        assert_eq!(choose(ClockKind::Auto, Some(5)).reference, Reference::Stamps);
        assert_eq!(choose(ClockKind::Pts, None).taken, Some(anchor(7, 1_763_000_000)));
    }

    #[test]
    fn a_kept_anchor_outlives_a_wrap_but_not_another_source() {
        let origin = Origin::Live { wrap: Some(wrap()) };
        let choose = |kept| choose(&timeline(ClockKind::Auto, None), origin, &tick(7, None), Some(kept)).expect("a clock").taken;
        let turns_ago = Anchor { source: Seconds::whole(7), utc: Seconds::whole(1_763_000_000) - wrap().times(3) };
        assert_eq!(choose(turns_ago), None);
        assert!(choose(anchor(3000, 1_763_000_000)).is_some());
    }
}
