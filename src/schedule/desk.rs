//! Where edits are checked against the plan and its encoders, taken, and kept.

use super::book::{Asked, Book, Refused, Took};
use super::edit::{Change, Cue, Edit};
use super::keep::{self, FILE, KeepError};
use super::{Mutex, PoisonError, Schedule};
use crate::encode::served::Served;
use crate::encode::{Lifetime, Recipe, find};
use crate::job::{Job, Pace};
use crate::plan::Rendition;
use crate::time::{GopId, Grid, Seconds, Slot};
use std::path::PathBuf;
use std::sync::Arc;

/// The last segment that may be named: times in every timescale stay below 2^53.
const LAST: i64 = 1 << 40;
/// The longest name, class or text of a cue.
const LONGEST: usize = 200;

/// What is asked for: a change, and the first segment that it alters. Where none is named, it is the first that this worker and its twin can still keep.
pub type Proposal = (Option<i64>, Change);

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// As they count now, whether they are new or not.
    pub edits: Vec<Edit>,
    /// Those of them that are.
    pub new: Vec<Edit>,
    /// They are in the files that a restart goes by, or there is none.
    pub kept: Result<(), KeepError>,
}

/// The desk. One for a job.
pub struct Desk {
    schedule: Arc<Schedule>,
    grid: Grid,
    rungs: Vec<Served>,
    files: Vec<PathBuf>,
    /// Segments go by the time of day.
    live: bool,
    /// One at a time: encoders are opened, and files written. Whether these have all that is held.
    kept: Mutex<bool>,
}

impl Desk {
    /// A desk for the rungs of a plan, with the edits that were kept, which `schedule` then follows. Writes nothing.
    ///
    /// # Errors
    /// What was kept cannot be read, or is not of this plan.
    pub fn open(job: &Job, schedule: &Arc<Schedule>, rungs: &[Served], grid: Grid) -> Result<Desk, KeepError> {
        let files: Vec<PathBuf> = match &job.edits {
            Some(file) => vec![file.clone()],
            None => job.directories().map(|directory| directory.join(FILE)).collect(),
        };
        let desk = Desk { schedule: Arc::clone(schedule), grid, rungs: rungs.to_vec(), files, live: job.pace == Pace::Live, kept: Mutex::new(true) };
        let (edits, file, alike) = keep::load(&desk.files)?;
        let path = file.map(|file| file.display().to_string()).unwrap_or_default();
        let unreadable = |why: String| KeepError::Unreadable { path: path.clone(), why };
        for (place, edit) in edits.iter().enumerate() {
            desk.legal(edit).map_err(|why| unreadable(format!("edit {}: {why}", place + 1)))?;
        }
        let asked: Vec<Asked> = edits.iter().map(|edit| Asked { edit: edit.clone(), named: true }).collect();
        let mut book = Book::default();
        book.take(&asked, &desk.names()).map_err(|why| unreadable(why.to_string()))?;
        if !edits.is_empty() {
            tracing::info!(edits = edits.len(), "edits are kept in {path}, and are followed");
            // Where another file lacks some, the next request writes them all.
            *desk.kept.lock().unwrap_or_else(PoisonError::into_inner) = alike;
        }
        *desk.schedule.book() = book;
        Ok(desk)
    }

    /// Whether a kept edit is one that could have been taken.
    fn legal(&self, edit: &Edit) -> Result<(), Refused> {
        self.check(&edit.change)?;
        self.number("from", edit.from)?;
        match edit.change.own_segment(self.grid) {
            Some(own) if own.0 != edit.from => Err(Refused::Value { field: "from", value: edit.from.to_string(), accepted: own.to_string() }),
            _ => Ok(()),
        }
    }

    /// The schedule that follows the edits.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The rungs, as planned.
    pub fn rungs(&self) -> impl Iterator<Item = &Rendition> {
        self.rungs.iter().map(|served| &served.rendition)
    }

    /// The grid.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Takes what is asked for, or says why not. May take as long as it takes to open an encoder, and to write a small file.
    ///
    /// # Errors
    /// It cannot be kept: nothing is changed then.
    pub fn propose(&self, asked: &[Proposal]) -> Result<Made, Refused> {
        asked.iter().try_for_each(|(_, change)| self.check(change))?;
        asked.iter().filter_map(|(from, _)| *from).try_for_each(|from| self.number("from", from))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Encoders are opened only for what would be taken, and without the lock that others wait for.
        let dry = self.take(&mut self.schedule.book().clone(), asked)?;
        if dry.new.is_empty() && *kept {
            return Ok(dry);
        }
        if !dry.new.is_empty() {
            self.encodable(asked)?;
        }
        let (made, all) = loop {
            let mut after = self.schedule.book().clone();
            let made = self.take(&mut after, asked)?;
            let mut book = self.schedule.book();
            // Where a segment was begun meanwhile, it is asked anew. Stages wait for the lock no longer than this takes.
            if book.reached() == after.reached() {
                *book = after;
                break (made, book.edits().to_vec());
            }
        };
        let stored = keep::store(&self.files, &all);
        *kept = stored.is_ok();
        Ok(Made { kept: stored, ..made })
    }

    fn take(&self, book: &mut Book, asked: &[Proposal]) -> Result<Made, Refused> {
        let one = |(from, change): &Proposal| {
            let named = from.is_some() || change.own_segment(self.grid).is_some();
            Ok(Asked { edit: Edit { from: self.place(*from, change, book)?.0, change: change.clone() }, named })
        };
        let asked = asked.iter().map(one).collect::<Result<Vec<Asked>, Refused>>()?;
        if let [
            Asked { edit: Edit { from, change: Change::Slate { on: true } }, .. },
            Asked { edit: Edit { from: until, change: Change::Slate { on: false } }, .. },
        ] = &asked[..]
            && until <= from
        {
            return Err(Refused::Value { field: "until", value: until.to_string(), accepted: format!("{} and later: one past the last segment", from + 1) });
        }
        let took = book.take(&asked, &self.names())?;
        let new = took.iter().filter(|took| took.new).map(|took| took.edit.clone()).collect();
        Ok(Made { edits: took.into_iter().map(|Took { edit, .. }| edit).collect(), new, kept: Ok(()) })
    }

    /// The first segment that it alters: its own, the one that was named, or the first that can be kept.
    fn place(&self, from: Option<i64>, change: &Change, book: &Book) -> Result<GopId, Refused> {
        if let Some(gop) = change.own_segment(self.grid).or(from.map(GopId)) {
            return Ok(gop);
        }
        // Where segments go by the time of day, none that is to come is the beginning.
        let known = book.default_from().filter(|_| book.reached().is_some() || !self.live);
        known.ok_or_else(|| {
            let now = self.grid.gop(self.grid.nearest(Seconds::host_now()));
            let hint = if self.live { format!("; by this machine's clock, segment {now} is now") } else { String::new() };
            Refused::Impossible(format!("no segment was begun yet, so there is none to go by; accepted: from, the first segment of which it is to be so{hint}"))
        })
    }

    fn names(&self) -> Vec<&str> {
        self.rungs().map(|rung| rung.name.as_str()).collect()
    }

    fn number(&self, field: &'static str, number: i64) -> Result<(), Refused> {
        if (0..LAST).contains(&number) { Ok(()) } else { Err(Refused::Value { field, value: number.to_string(), accepted: format!("0 to {}", LAST - 1) }) }
    }

    fn rung(&self, name: &str) -> Result<&Served, Refused> {
        let unknown = || Refused::Rung { rung: name.chars().take(100).collect(), known: self.names().join(", ") };
        self.rungs.iter().find(|served| served.rendition.name == name).ok_or_else(unknown)
    }

    /// Whether it is legal in itself.
    fn check(&self, change: &Change) -> Result<(), Refused> {
        let value = |field: &'static str, value: String, accepted: String| Err(Refused::Value { field, value, accepted });
        let rendition = change.rung().map(|rung| self.rung(rung)).transpose()?.map(|served| &served.rendition);
        match (change, rendition) {
            (Change::Cap { max_bitrate: cap, .. }, Some(rung)) => {
                self.varies(rung)?;
                let most = rung.max_bitrate;
                if !(10_000..=most).contains(cap) {
                    return value(
                        "max_bitrate",
                        cap.to_string(),
                        format!("10000 to {most} b/s, the cap of the plan, which playlists and the init segment tell"),
                    );
                }
            }
            (Change::Quality { quality, .. }, Some(rung)) => {
                self.varies(rung)?;
                let legal = rung.codec.qualities();
                if !legal.contains(quality) {
                    return value("quality", quality.to_string(), format!("{} to {}, less is better", legal.start(), legal.end()));
                }
            }
            (Change::Idr { slot }, _) => {
                let slots = self.grid.gop_slots;
                if !(0..LAST).contains(slot) {
                    return value("slot", slot.to_string(), format!("0 to {}", LAST - 1));
                }
                let index = self.grid.index(Slot(*slot));
                // Two IDRs in a row would need different idr_pic_id, and each segment begins with one.
                if !(2..=slots.saturating_sub(2)).contains(&index) {
                    let accepted = format!(
                        "a slot inside a segment, neither of its first two nor its last: places 2 to {} of {slots}; this one is {index}",
                        slots.saturating_sub(2)
                    );
                    return value("slot", slot.to_string(), accepted);
                }
            }
            (Change::Cue(cue), _) => return self.cue(cue),
            _ => {}
        }
        Ok(())
    }

    fn varies(&self, rung: &Rendition) -> Result<(), Refused> {
        let why = || Refused::Impossible(format!("{} has a constant bitrate: neither its cap nor its quality can be changed", rung.name));
        if rung.bitrate.is_some() { Err(why()) } else { Ok(()) }
    }

    fn cue(&self, cue: &Cue) -> Result<(), Refused> {
        // As a quoted string of RFC 8216 and a name in a path.
        let plain = |text: &str| text.chars().all(|c| !c.is_control() && c != '"') && text.chars().count() <= LONGEST;
        let accepted = || format!("up to {LONGEST} characters without quotes and line breaks");
        for (field, text) in [("cue", Some(&cue.cue)), ("class", cue.class.as_ref()), ("text", cue.text.as_ref())] {
            if let Some(text) = text.filter(|text| !plain(text) || text.is_empty()) {
                return Err(Refused::Value { field, value: text.chars().take(100).collect(), accepted: accepted() });
            }
        }
        let legal = |time: &Seconds| (Seconds::ZERO..Seconds::whole(LAST >> 8)).contains(time);
        if !cue.time.contains('T') || !cue.time.parse().is_ok_and(|time| legal(&time)) {
            let accepted = "a date and time in UTC (2026-11-21T20:15:30.5Z)".to_owned();
            return Err(Refused::Value { field: "time", value: cue.time.chars().take(100).collect(), accepted });
        }
        match cue.duration_ms {
            Some(long) if long > 400 * 86_400_000 => {
                Err(Refused::Value { field: "duration_ms", value: long.to_string(), accepted: "up to 34560000000 (400 days)".to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Opens what would be opened: the encoders must take it, and their parameter sets stay those of the init segment.
    fn encodable(&self, asked: &[Proposal]) -> Result<(), Refused> {
        let mut rungs: Vec<&str> =
            asked.iter().filter(|(_, change)| matches!(change, Change::Cap { .. } | Change::Quality { .. })).filter_map(|(_, c)| c.rung()).collect();
        rungs.sort_unstable();
        rungs.dedup();
        for rung in rungs {
            let served = self.rung(rung)?;
            let recipe = self.recipe(&served.rendition, asked)?;
            for (name, config) in served.rendition.backends.iter().zip(&served.configs) {
                // One that lives on has a session of the device, which may have no room for another.
                let Some(backend) = find(name).filter(|backend| backend.lifetime == Lifetime::Gop) else { continue };
                let opened = backend.open(&served.rendition, &recipe).map_err(|error| Refused::Impossible(error.to_string()))?;
                if opened.config != *config {
                    return Err(Refused::Impossible(format!("{rung}: {name} would need other parameter sets than the init segment has")));
                }
            }
        }
        Ok(())
    }

    /// How a rung would be made.
    fn recipe(&self, rendition: &Rendition, asked: &[Proposal]) -> Result<Recipe, Refused> {
        let book = self.schedule.book();
        let mut recipe = Recipe::of(rendition);
        let name = rendition.name.as_str();
        let of = asked.iter().filter(|(_, change)| change.rung() == Some(name));
        for (from, change) in of {
            let gop = self.place(*from, change, &book)?;
            (recipe.cap, recipe.quality) = (book.cap(name, gop).unwrap_or(recipe.cap), book.quality(name, gop).unwrap_or(recipe.quality));
        }
        for (_, change) in asked.iter().filter(|(_, change)| change.rung() == Some(name)) {
            match change {
                Change::Cap { max_bitrate, .. } => recipe.cap = *max_bitrate,
                Change::Quality { quality, .. } => recipe.quality = *quality,
                _ => {}
            }
        }
        Ok(recipe)
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
