//! Which of several candidates for one segment is published: a pure function of what is in them, of whose they are, and of the time.

use crate::time::Seconds;
use std::cmp::Ordering;

/// What speaks for and against a candidate that is whole, of the right track and number, and can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merit {
    /// Units of filler: shown to nobody who could see something else.
    pub fillers: u32,
    /// Everything else that is wrong: units that are damaged, repeated or missing, rules that are broken, a backend that stood in, a cap that was passed.
    pub defects: u32,
    /// Whose it is: its place in the order of pipelines, from 0.
    pub pipeline: usize,
}

impl Merit {
    /// Whether no other candidate can be better but by the order of pipelines.
    pub fn is_clean(&self) -> bool {
        self.fillers == 0 && self.defects == 0
    }

    fn key(&self) -> (u32, u32, usize) {
        (self.fillers, self.defects, self.pipeline)
    }
}

impl Ord for Merit {
    /// The better one is the smaller: least filler, then fewest defects, then the order of pipelines.
    fn cmp(&self, other: &Merit) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Merit {
    fn partial_cmp(&self, other: &Merit) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The place of the best candidate; the same whatever the order in which they came. Nothing where there is none.
pub fn best(candidates: &[Merit]) -> Option<usize> {
    (0..candidates.len()).min_by_key(|&place| candidates[place])
}

/// What is done about a number now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The candidate at this place is published.
    Take(usize),
    /// A better one may come: until then.
    Wait(Seconds),
}

/// Decides among `candidates`, of which the first came at `first`.
///
/// A clean one is taken at once, for who waits for it is a player. One with filler or defects waits for a better one until the number is `due`: at least a quarter of a
/// `segment` and at most a whole one from when it came, so that neither a late worker nor a feed of another day makes the wait vanish or endless; and no longer than
/// there is anybody to wait for (`others`: pipelines that are alive and have not sent theirs).
///
/// # Panics
/// Never; without candidates it waits until `due`.
pub fn decide(candidates: &[Merit], others: bool, first: Seconds, due: Seconds, segment: Seconds, now: Seconds) -> Decision {
    let Some(place) = best(candidates) else { return Decision::Wait(due) };
    let until = due.max(first + segment.over(4)).min(first + segment);
    if candidates[place].is_clean() || !others || now >= until { Decision::Take(place) } else { Decision::Wait(until) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merit() -> impl Strategy<Value = Merit> {
        (0u32..3, 0u32..4, 0usize..4).prop_map(|(fillers, defects, pipeline)| Merit { fillers, defects, pipeline })
    }

    fn at(tenths: i64) -> Seconds {
        Seconds::new(tenths.into(), 10)
    }

    proptest! {
        /// Whoever comes first: the same one is chosen, and none is better.
        #[test]
        fn the_order_of_arrival_does_not_matter(mut candidates in proptest::collection::vec(merit(), 1..6), turn in 0usize..6) {
            let chosen = candidates[best(&candidates).expect("there is one")];
            prop_assert!(candidates.iter().all(|c| *c >= chosen));
            let places = candidates.len();
            candidates.rotate_left(turn % places);
            prop_assert_eq!(candidates[best(&candidates).expect("there is one")], chosen);
            candidates.reverse();
            prop_assert_eq!(candidates[best(&candidates).expect("there is one")], chosen);
        }

        /// Filler loses against anything that is seen, and a defect more against one less, whatever the pipelines.
        #[test]
        fn the_first_pipeline_wins_only_among_equals(a in merit(), b in merit()) {
            let chosen = [a, b][best(&[a, b]).expect("there is one")];
            let other = if chosen == a { b } else { a };
            prop_assert!(chosen.fillers <= other.fillers);
            prop_assert!(chosen.fillers < other.fillers || chosen.defects <= other.defects);
            prop_assert!((chosen.fillers, chosen.defects) != (other.fillers, other.defects) || chosen.pipeline <= other.pipeline);
        }

        /// One that is worse than what is there alters nothing.
        #[test]
        fn a_worse_one_alters_nothing(candidates in proptest::collection::vec(merit(), 1..5), more in 1u32..5) {
            let chosen = candidates[best(&candidates).expect("there is one")];
            let worse = Merit { defects: chosen.defects + more, ..chosen };
            let all: Vec<Merit> = std::iter::once(worse).chain(candidates).collect();
            prop_assert_eq!(all[best(&all).expect("there is one")], chosen);
        }

        /// The wait has an end within a segment of the first candidate, a clean one has none, and waiting on never makes it longer.
        #[test]
        fn the_wait_is_bounded(candidates in proptest::collection::vec(merit(), 1..4), others: bool, first in 0i64..100, due in 0i64..200, now in 0i64..200) {
            let (first, due, now) = (at(first), at(due), at(now).max(at(first)));
            match decide(&candidates, others, first, due, Seconds::TWO, now) {
                Decision::Take(place) => prop_assert_eq!(Some(place), best(&candidates)),
                Decision::Wait(until) => {
                    prop_assert!(until > now && until <= first + Seconds::TWO && others);
                    prop_assert!(candidates.iter().all(|c| !c.is_clean()));
                    prop_assert_eq!(decide(&candidates, others, first, due, Seconds::TWO, until), Decision::Take(best(&candidates).expect("there is one")));
                    prop_assert!(matches!(decide(&candidates, false, first, due, Seconds::TWO, now), Decision::Take(_)));
                }
            }
        }
    }

    #[test]
    fn filler_waits_until_it_is_due() {
        let (slate, seen) = (Merit { fillers: 60, defects: 0, pipeline: 0 }, Merit { fillers: 0, defects: 3, pipeline: 1 });
        let decide = |candidates: &[Merit], now| decide(candidates, true, at(0), at(12), Seconds::TWO, at(now));
        assert_eq!(decide(&[slate], 0), Decision::Wait(at(12)));
        assert_eq!(decide(&[slate], 12), Decision::Take(0));
        assert_eq!(decide(&[slate, seen], 3), Decision::Wait(at(12)));
        assert_eq!(decide(&[slate, seen], 12), Decision::Take(1));
        assert_eq!(decide(&[slate, seen, Merit { fillers: 0, defects: 0, pipeline: 2 }], 4), Decision::Take(2));
    }
}
