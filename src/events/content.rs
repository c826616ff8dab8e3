//! What the verdicts on published segments tell an operator: where something begins, and where it ends, and nothing in between.

use super::{Kind, Note};
use crate::encode::HURRIED;
use crate::time::GopId;
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// A track that is so many segments behind another one of its kind no longer stands for all of them: it is disabled, or broken.
const BEHIND: i64 = 3;

/// What tracks showed last. Segments of a track come in order.
#[derive(Debug, Default)]
pub struct Content {
    /// Whether another backend made the last segment of each than the first of its list.
    fallback: BTreeMap<String, bool>,
    /// The tracks that stand for all of their kind, pictures and sound.
    stand: [Option<Stand>; 2],
}

/// A track, its newest segment, and what was told last.
#[derive(Debug)]
struct Stand {
    track: String,
    newest: GopId,
    told: Showed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Showed {
    filler: bool,
    black: bool,
    frozen: bool,
    silent: bool,
}

impl Content {
    /// What segment `number` of `track` tells. Of what all tracks of a kind show alike, the one that came first tells, as long as it keeps up.
    pub fn take(&mut self, track: &str, number: GopId, verdict: &Verdict) -> Vec<Note> {
        let shown = &verdict.shown;
        let stand = self.stand[usize::from(shown.sound)].get_or_insert_with(|| Stand { track: track.to_owned(), newest: number, told: Showed::default() });
        if stand.track != track && number.0 > stand.newest.0 + BEHIND {
            track.clone_into(&mut stand.track);
        }
        // Half of a segment: less is a fade, or a cut to black.
        let much = |count: u32| count > 0 && count.saturating_mul(2) >= shown.units;
        let now = Showed { filler: verdict.marks.fillers > 0, black: much(shown.black), frozen: much(shown.frozen), silent: much(shown.silent) };
        let what = if shown.sound { "sound" } else { "pictures" };
        let mut notes = Vec::new();
        let mut tell = |was: bool, is: bool, kinds: [Kind; 2], texts: [String; 2]| {
            let [begun, ended] = texts;
            match (was, is) {
                (false, true) => notes.push(Note::new(kinds[0], begun)),
                (true, false) => notes.push(Note::new(kinds[1], ended)),
                _ => {}
            }
        };
        if stand.track == track {
            stand.newest = number;
            let before = std::mem::replace(&mut stand.told, now);
            let filler = [format!("filler is shown: {} of {} units of {what}", verdict.marks.fillers, shown.units), format!("no more filler in the {what}")];
            tell(before.filler, now.filler, [Kind::FillerBegun, Kind::FillerEnded], filler);
            let words = |it: &str, over: &str| [it.to_owned(), over.to_owned()];
            tell(before.black, now.black, [Kind::BlackBegun, Kind::BlackEnded], words("the feed sends black", "the feed sends black no more"));
            tell(before.frozen, now.frozen, [Kind::FrozenBegun, Kind::FrozenEnded], words("the feed stands still", "the feed moves again"));
            tell(before.silent, now.silent, [Kind::SilenceBegun, Kind::SilenceEnded], words("the feed sends silence", "the feed is heard again"));
        }
        let fallback = match verdict.marks.fallback {
            u8::MAX => "it was to be encoded again, and there was no room for its frames".to_owned(),
            place => format!("backend {} of its list makes it", u32::from(place) + 1),
        };
        let fell_back = self.fallback.get(track).copied().unwrap_or(false);
        // What is hurried is told as such, and says nothing of backends.
        let falls_back = if verdict.marks.fallback == HURRIED { fell_back } else { verdict.marks.fallback > 0 };
        self.fallback.insert(track.to_owned(), falls_back);
        tell(fell_back, falls_back, [Kind::BackendLost, Kind::BackendBack], [fallback, "the first of its backends makes it again".to_owned()]);
        notes.into_iter().map(|note| note.track(track).segment(number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::Marks;
    use crate::verdict::Shown;

    #[test]
    fn beginnings_and_ends_are_told_once() {
        let mut content = Content::default();
        let mut kinds = |track: &str, number: i64, fillers: u32, black: u32, fallback: u8| {
            let verdict =
                Verdict { marks: Marks { fillers, fallback, ..Marks::default() }, shown: Shown { units: 50, black, ..Shown::default() }, ..Verdict::default() };
            let notes = content.take(track, GopId(number), &verdict);
            notes.iter().map(Note::kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds("v", 1, 0, 24, 0), [], "a fade");
        assert_eq!(kinds("v", 2, 3, 25, 0), [Kind::FillerBegun, Kind::BlackBegun]);
        assert_eq!(kinds("w", 2, 3, 25, 1), [Kind::BackendLost], "another size of the same shows the same, and is made otherwise");
        assert_eq!(kinds("v", 3, 50, 50, 0), []);
        assert_eq!(kinds("v", 4, 0, 50, 0), [Kind::FillerEnded]);
        assert_eq!(kinds("v", 5, 0, 0, 255), [Kind::BlackEnded, Kind::BackendLost]);
        assert_eq!(kinds("w", 5, 0, 0, 0), [Kind::BackendBack]);
    }

    #[test]
    fn another_track_tells_where_the_first_is_gone() {
        let mut content = Content::default();
        let mut kinds = |track: &str, number: i64, fillers: u32| {
            let verdict = Verdict { marks: Marks { fillers, ..Marks::default() }, shown: Shown { units: 50, ..Shown::default() }, ..Verdict::default() };
            let notes = content.take(track, GopId(number), &verdict);
            notes.iter().map(Note::kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds("v", 1, 50), [Kind::FillerBegun]);
        // "v" is disabled.
        for number in 1..=4 {
            assert_eq!(kinds("w", number, if number < 3 { 50 } else { 0 }), [], "it may only be late");
        }
        assert_eq!(kinds("w", 5, 0), [Kind::FillerEnded], "what was begun is ended");
        assert_eq!(kinds("v", 6, 50), [], "one tells, not both");
        assert_eq!(kinds("w", 6, 50), [Kind::FillerBegun]);
    }
}
