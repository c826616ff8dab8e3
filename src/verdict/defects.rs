//! What can be wrong with a segment that is published all the same, and how much of its score each costs. For people: `docs/defects.md`.

use super::Verdict;

/// A kind of defect.
pub struct Defect {
    /// Its name in headers, metrics and status.
    pub name: &'static str,
    /// What it costs, in hundredths, as soon as it is there at all.
    pub least: u32,
    /// What it costs where the whole segment has it.
    pub most: u32,
    /// What is counted, and what would be the whole: slots or audio frames of all that there are, rules broken of so many, or one of one.
    count: fn(&Verdict) -> (u32, u32),
}

/// Every defect, the worst first. To add one: a line here, and what it counts in [`Verdict`].
pub const DEFECTS: [Defect; 10] = [
    Defect { name: "fillers", least: 40, most: 100, count: |v| (v.marks.fillers, v.shown.units) },
    Defect { name: "damaged", least: 5, most: 50, count: |v| (v.marks.damaged, v.shown.units) },
    Defect { name: "repeats", least: 2, most: 40, count: |v| (v.marks.repeats, v.shown.units) },
    Defect { name: "rules", least: 10, most: 40, count: |v| (u32::try_from(v.findings.len()).unwrap_or(u32::MAX), 4) },
    Defect { name: "black", least: 0, most: 20, count: |v| (v.shown.black, v.shown.units) },
    Defect { name: "frozen", least: 0, most: 15, count: |v| (v.shown.frozen, v.shown.units) },
    Defect { name: "silent", least: 0, most: 15, count: |v| (v.shown.silent, v.shown.units) },
    Defect { name: "over-cap", least: 5, most: 5, count: |v| (u32::from(v.over_cap), 1) },
    // By a backend that the plan does not put first; or not as it should have been, for want of memory.
    Defect { name: "fallback", least: 1, most: 1, count: |v| (u32::from(v.marks.fallback > 0), 1) },
    // The standby's feed, or both.
    Defect { name: "standby", least: 1, most: 1, count: |v| (u32::from(v.marks.path > 0), 1) },
];

impl Defect {
    /// How much of it `verdict` has: slots, audio frames, rules, or 1.
    pub fn of(&self, verdict: &Verdict) -> u32 {
        (self.count)(verdict).0
    }

    /// What it costs `verdict`: nothing where it is not there, else from `least` to `most` in proportion, rounded up.
    pub fn cost(&self, verdict: &Verdict) -> u32 {
        let (count, whole) = (self.count)(verdict);
        let whole = whole.max(1);
        let count = u64::from(count.min(whole));
        let more = (u64::from(self.most - self.least) * count).div_ceil(u64::from(whole));
        if count == 0 { 0 } else { self.least + u32::try_from(more).unwrap_or(u32::MAX) }
    }
}

impl Verdict {
    /// From 0 (nothing of it is from the feed) to 100 (nothing is wrong): 100 less what each defect costs, not below 0. A function of the verdict alone.
    pub fn score(&self) -> u8 {
        let cost = DEFECTS.iter().fold(0u32, |sum, defect| sum.saturating_add(defect.cost(self)));
        u8::try_from(100u32.saturating_sub(cost)).unwrap_or(0)
    }

    /// Its defects, by name.
    pub fn defects(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        DEFECTS.iter().map(|defect| (defect.name, defect.of(self))).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Shown;
    use super::super::cmsd::tests::verdicts;
    use super::*;
    use crate::inspect::Code;
    use crate::mux::Marks;
    use proptest::prelude::*;

    /// The examples of `docs/defects.md`.
    #[test]
    fn the_documented_examples() {
        let fifty = Shown { units: 50, millis: 2000, ..Shown::default() };
        let of = |marks: Marks, shown: Shown| Verdict { marks, shown, ..Verdict::default() };
        let marks = Marks::default;
        let examples = [
            (of(marks(), fifty), 100),
            (of(Marks { repeats: 1, ..marks() }, fifty), 97),
            (of(Marks { repeats: 25, ..marks() }, fifty), 79),
            (of(Marks { damaged: 3, ..marks() }, fifty), 92),
            (of(Marks { fillers: 1, ..marks() }, fifty), 58),
            (of(Marks { fillers: 50, ..marks() }, fifty), 0),
            (of(marks(), Shown { black: 50, ..fifty }), 80),
            (of(marks(), Shown { frozen: 37, ..fifty }), 88),
            (Verdict { over_cap: true, ..of(marks(), fifty) }, 95),
            (Verdict { findings: vec![Code::Prft], ..of(marks(), fifty) }, 82),
            (of(Marks { fallback: 1, path: 1, ..marks() }, fifty), 98),
        ];
        for (verdict, score) in examples {
            assert_eq!(verdict.score(), score, "{verdict:?}");
        }
        let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/defects.md")).expect("docs/defects.md");
        for defect in &DEFECTS {
            let line = format!("| `{}` | {} | {} |", defect.name, defect.least, defect.most);
            assert!(document.contains(&line), "docs/defects.md lacks \"{line}\"");
        }
    }

    proptest! {
        /// More of a defect never scores better, and nothing leaves 0 to 100.
        #[test]
        fn more_is_never_better(verdict in verdicts(), more in 1u32..5) {
            let score = verdict.score();
            prop_assert!(score <= 100);
            for worse in [
                Verdict { marks: Marks { repeats: verdict.marks.repeats.saturating_add(more), ..verdict.marks.clone() }, ..verdict.clone() },
                Verdict { marks: Marks { fillers: verdict.marks.fillers.saturating_add(more), ..verdict.marks.clone() }, ..verdict.clone() },
                Verdict { marks: Marks { damaged: verdict.marks.damaged.saturating_add(more), ..verdict.marks.clone() }, ..verdict.clone() },
                Verdict { shown: Shown { black: verdict.shown.black.saturating_add(more), ..verdict.shown }, ..verdict.clone() },
                Verdict { shown: Shown { silent: verdict.shown.silent.saturating_add(more), ..verdict.shown }, ..verdict.clone() },
                Verdict { over_cap: true, ..verdict.clone() },
            ] {
                prop_assert!(worse.score() <= score);
            }
        }
    }
}
