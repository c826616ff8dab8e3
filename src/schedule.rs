//! What a rung does with a GOP. The one place where shards, edits by the API, the overload governor, circuit breakers and disabled rungs meet: a pure function of the
//! plan and of edits that name segment numbers.
//!
//! - `edit`: what may be changed; `book`: all edits, and what they make of a segment; `desk`: where edits are checked, taken and kept; `keep`: their file; `mute`: a slate's sound

mod book;
mod desk;
mod edit;
mod keep;
mod mute;

use crate::encode::{Order, Recipe, Why};
use crate::plan::Rendition;
use crate::time::GopId;
pub use book::{MOST, Refused};
pub use desk::{Desk, Made, Proposal};
pub use edit::{Change, Cue, Edit};
pub use keep::{FILE, KeepError};
pub use mute::Mute;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use book::Book;

/// A worker that leaves finishes the GOPs in flight as long as this takes no more; what is encoded after it is discarded. At `Pace::Fast` a heavy rung has
/// seconds of work in its queue, and a worker that was told to leave has three.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers for all rungs; shared by their threads.
#[derive(Debug, Default)]
pub struct Schedule {
    left: OnceLock<Instant>,
    now: AtomicBool,
    book: Mutex<Book>,
}

impl Schedule {
    /// A schedule that follows the plan.
    pub fn new() -> Schedule {
        Schedule::default()
    }

    /// This worker leaves. Later calls do nothing.
    pub fn leave(&self) {
        self.left.get_or_init(Instant::now);
    }

    /// What is not encoded yet is discarded, at once.
    pub fn leave_now(&self) {
        self.now.store(true, Ordering::Relaxed);
    }

    /// Whether it left so long ago that what is not encoded yet is discarded.
    pub fn is_over(&self) -> bool {
        self.now.load(Ordering::Relaxed) || self.left.get().is_some_and(|left| left.elapsed() > PATIENCE)
    }

    /// A stage begins with `gop`: what is made of it and of the next one is settled, and no edit alters it any more. Comes before any other question about it.
    pub fn reach(&self, gop: GopId) {
        self.book().reach(gop);
    }

    /// What `rendition` does with `gop`. A pure function of the plan, the GOP and edits that name it.
    pub fn order(&self, rendition: &Rendition, gop: GopId) -> Order {
        let book = self.book();
        if !book.enabled(&rendition.name, gop) {
            return Order::Skip(Why::Disabled);
        }
        let mut recipe = Recipe::of(rendition);
        recipe.cap = book.cap(&rendition.name, gop).map_or(recipe.cap, |cap| cap.min(recipe.cap));
        recipe.quality = book.quality(&rendition.name, gop).unwrap_or(recipe.quality);
        recipe.idr_at = book.idrs(gop, rendition.grid);
        Order::Encode(recipe)
    }

    /// Whether a slate is shown instead of the feed in all of `gop`.
    pub fn is_slate(&self, gop: GopId) -> bool {
        self.book().is_slate(gop)
    }

    /// Whether `rung` is made from `gop` on or just there.
    pub fn is_enabled(&self, rung: &str, gop: GopId) -> bool {
        self.book().enabled(rung, gop)
    }

    /// All edits, in the order in which they were made.
    pub fn edits(&self) -> Vec<Edit> {
        self.book().edits().to_vec()
    }

    /// All cues.
    pub fn cues(&self) -> Vec<Cue> {
        let book = self.book();
        book.edits().iter().filter_map(|edit| if let Change::Cue(cue) = &edit.change { Some(cue.clone()) } else { None }).collect()
    }

    /// The newest segment that was begun, and the first that an edit may name: 0 where none was begun.
    pub fn frontier(&self) -> (Option<GopId>, GopId) {
        let book = self.book();
        (book.reached(), book.first_open())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // An edit is put in whole or not at all.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One in which this rung is disabled, and segments were begun.
    #[cfg(test)]
    pub fn without(rung: &str) -> std::sync::Arc<Schedule> {
        let edit = Edit { from: 0, change: Change::Enabled { rung: rung.to_owned(), enabled: false } };
        let mut book = Book::default();
        book.take(&[book::Asked { edit, named: true }], &[rung, "another"]).expect("another one stays");
        let schedule = Schedule { book: Mutex::new(book), ..Schedule::default() };
        schedule.reach(GopId(1));
        std::sync::Arc::new(schedule)
    }
}
