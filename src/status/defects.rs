//! What was wrong with the segments of a track, though they were published: counted from their verdicts.

use crate::verdict::Verdict;
use crate::verdict::defects::DEFECTS;
use serde::Serialize;
use std::collections::BTreeMap;

/// Of one track.
#[derive(Debug, Default)]
pub(super) struct Defects {
    counts: [u64; DEFECTS.len()],
    segments: [u64; DEFECTS.len()],
    last: Option<u8>,
    lowest: Option<u8>,
}

/// The defects of a track at one moment.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct DefectsSnapshot {
    /// Score of the segment published last, 0 to 100 (`docs/defects.md`).
    pub score: Option<u8>,
    /// The lowest since the start.
    pub lowest: Option<u8>,
    /// Of each defect that there was, by name: how much.
    #[schema(value_type = std::collections::HashMap<String, DefectSnapshot>)]
    pub defects: BTreeMap<&'static str, DefectSnapshot>,
}

/// How much there was of one defect.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct DefectSnapshot {
    /// Segments that have it.
    pub segments: u64,
    /// Slots, audio frames or rules in them; as many as segments where it is of a whole segment.
    pub count: u64,
}

impl Defects {
    pub fn take(&mut self, verdict: &Verdict) {
        let score = verdict.score();
        self.last = Some(score);
        self.lowest = Some(self.lowest.map_or(score, |lowest| lowest.min(score)));
        for ((count, segments), defect) in self.counts.iter_mut().zip(&mut self.segments).zip(&DEFECTS) {
            let of = defect.of(verdict);
            *count += u64::from(of);
            *segments += u64::from(of > 0);
        }
    }

    pub fn snapshot(&self) -> DefectsSnapshot {
        let each = DEFECTS.iter().zip(self.counts.iter().zip(&self.segments));
        let there = each.filter(|(_, (_, segments))| **segments > 0);
        let defects = there.map(|(defect, (&count, &segments))| (defect.name, DefectSnapshot { segments, count })).collect();
        DefectsSnapshot { score: self.last, lowest: self.lowest, defects }
    }
}
