//! What can happen, and how bad that is.

use serde::Serialize;
use utoipa::ToSchema;

/// How bad an event is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Info,
    /// Viewers may see it, or it may come to that.
    Warning,
    /// Viewers see it.
    Error,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $level:ident,)*) => {
        /// What happened. The names are stable: a new one may come, none goes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// How bad it is.
            pub fn level(self) -> Level {
                match self { $(Kind::$name => Level::$level,)* }
            }

            /// All there are.
            pub const ALL: &[Kind] = &[$(Kind::$name,)*];
        }
    };
}

kinds! {
    /// The worker stands elsewhere: starting, running, leaving, ended.
    State Info,
    /// It broke.
    Failed Error,
    /// It was asked to stop.
    StopAsked Info,
    /// The input is gone.
    InputDown Error,
    /// The input is there, or is back.
    InputUp Info,
    /// The video or the sound moved to another PID, or became something else.
    InputChanged Warning,
    /// One path of the input brings nothing.
    PathDown Warning,
    /// It brings something again.
    PathUp Info,
    /// Another one of two feeds is shown.
    FeedSwitched Warning,
    /// Something is wrong with one of two feeds.
    FeedTroubled Warning,
    /// It is well again.
    FeedWell Info,
    /// The feed's clock is locked: any other worker places it alike.
    ClockLocked Info,
    /// The feed's clock is this worker's own: no other need place it alike.
    ClockOwn Warning,
    /// The lock is lost.
    ClockLost Error,
    /// The feed's clock was tied to the grid anew.
    ClockAnchored Warning,
    /// From this segment on filler is shown.
    FillerBegun Error,
    /// From this segment on no filler is shown.
    FillerEnded Info,
    /// The feed sends black.
    BlackBegun Warning,
    /// The feed sends black no more.
    BlackEnded Info,
    /// The feed stands still.
    FrozenBegun Warning,
    /// It moves again.
    FrozenEnded Info,
    /// The feed sends silence.
    SilenceBegun Warning,
    /// It is heard again.
    SilenceEnded Info,
    /// GOPs are left out because a rung, or the decoder, is late.
    GopsDropped Error,
    /// No more are.
    GopsKept Info,
    /// The machine is too small: a rung costs less from here on, or is left out.
    OverloadStep Warning,
    /// A rung may cost more again.
    OverloadEased Info,
    /// Attempts at GOPs of a rung fail and are made again.
    RungRetried Warning,
    /// GOPs of a rung fail with every backend.
    RungFailed Error,
    /// Neither happened for a while.
    RungRecovered Info,
    /// Another backend makes a rung than the plan puts first.
    BackendLost Warning,
    /// The first one makes it again.
    BackendBack Info,
    /// The budget for frames is spent: GOPs cannot be encoded again.
    FramesUnheld Warning,
    /// A segment came later than it was due.
    SegmentLate Warning,
    /// A segment that was due is not there.
    SegmentMissing Error,
    /// Segments will never come: they are listed as a gap.
    SegmentGap Error,
    /// Segments are published in time again.
    SegmentsOnTime Info,
    /// An output does not take what it is given.
    OutputFailing Error,
    /// It takes it again.
    OutputRecovered Info,
    /// Segments were given up that an output did not take.
    OutputDropped Error,
    /// An output has other bytes under a number than this worker made.
    OutputConflict Warning,
    /// Keys cannot be fetched, or are missing.
    KeysFailing Error,
    /// They are there again.
    KeysRecovered Info,
    /// An edit was accepted by the API.
    Edited Info,
    /// An edit could not be kept beside the output.
    EditUnkept Error,
    /// A cue was marked.
    Cue Info,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_documented() {
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).expect("docs/api.md");
        for kind in Kind::ALL {
            let (kind, level) = (serde_json::to_value(kind).expect("a name"), serde_json::to_value(kind.level()).expect("a name"));
            let line = format!("| `{}` | {} |", kind.as_str().expect("text"), level.as_str().expect("text"));
            assert!(document.contains(&line), "docs/api.md lacks \"{line}\"");
        }
    }
}
