//! The keys of each crypto period: a stretch of segments, counted from the epoch, so that every worker changes keys at the same segment.

use super::ProtectError;
use super::cipher::Scheme;
use super::counts::Counts;
use super::key::{ContentKey, Key, KeyId, Seed, TrackClass};
use super::systems::Told;
use crate::time::{GopId, Grid, Seconds};
use crossbeam::channel::{Sender, TrySendError};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Crypto periods whose keys are kept. The oldest goes where there are more.
const MAX_PERIODS: usize = 4096;

/// The keys of a crypto period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeySet {
    /// In the order of the job or the document.
    pub keys: Vec<ContentKey>,
}

impl KeySet {
    /// The most particular key for tracks of this class.
    pub fn key(&self, track: TrackClass) -> Option<&ContentKey> {
        let classes = TrackClass::EACH.into_iter().filter(|class| class.holds(track));
        classes.flat_map(|class| self.keys.iter().filter(move |key| key.class == class)).next()
    }
}

/// How long a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Segments of a crypto period; none where one key is for all of them.
    segments: Option<i64>,
}

impl Rotation {
    /// `every`, rounded to whole segments of `grid`, at least one.
    pub fn new(every: Option<Seconds>, grid: Grid) -> Rotation {
        Rotation { segments: every.map(|every| every.ratio_nearest(grid.gop_duration()).max(1)) }
    }

    /// Whether there is more than one.
    pub fn rotates(self) -> bool {
        self.segments.is_some()
    }

    /// The crypto period of a segment.
    pub fn period(self, gop: GopId) -> u64 {
        self.segments.map_or(0, |n| u64::try_from(gop.0.div_euclid(n)).unwrap_or(0))
    }
}

/// Where keys come from.
#[derive(Debug)]
pub enum Source {
    /// The same ones for all of the event.
    Given(Arc<KeySet>),
    /// Each follows from a secret and its key id, for these classes of tracks.
    Seed(Seed, Vec<TrackClass>),
    /// A file with the keys of some crypto periods.
    File(BTreeMap<u64, Arc<KeySet>>),
    /// A key server, which is asked for these classes of tracks.
    Server(Vec<TrackClass>),
}

/// The keys of all crypto periods.
#[derive(Debug)]
pub struct KeyRing {
    content: String,
    scheme: Scheme,
    rotation: Rotation,
    source: Source,
    /// How long the muxer may wait for keys that were never there before.
    patience: Duration,
    fetched: Mutex<BTreeMap<u64, Arc<KeySet>>>,
    came: Condvar,
    /// Whether the first key came; from then on nobody waits in real time.
    first: Mutex<bool>,
    live: bool,
    wanted: Option<Sender<u64>>,
    /// Counts for metrics.
    pub counts: Arc<Counts>,
}

impl KeyRing {
    /// A ring of keys. `wanted` is told which crypto periods a key server should be asked for. In real time (`live`), only the first key is waited for.
    pub fn new(content: &str, scheme: Scheme, rotation: Rotation, source: Source, live: bool, patience: Duration, wanted: Option<Sender<u64>>) -> KeyRing {
        KeyRing {
            content: content.to_owned(),
            scheme,
            rotation,
            source,
            patience,
            fetched: Mutex::default(),
            came: Condvar::new(),
            first: Mutex::new(false),
            live,
            wanted,
            counts: Arc::default(),
        }
    }

    /// How long a key lives.
    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// The key id for the tracks of a class that initialisation segments name where keys rotate: no sample is encrypted with it.
    pub fn root(&self, track: TrackClass) -> KeyId {
        let class = self.asked().iter().copied().find(|class| class.holds(track)).unwrap_or(track);
        KeyId::derived(&self.content, self.scheme, class, None)
    }

    /// Classes that key ids are derived for, the most particular first.
    fn asked(&self) -> &[TrackClass] {
        match &self.source {
            Source::Seed(_, classes) | Source::Server(classes) => classes,
            Source::Given(_) | Source::File(_) => &[],
        }
    }

    /// The key ids of a period that are asked for, each with its class.
    pub fn ids(&self, period: u64) -> Vec<(TrackClass, KeyId)> {
        let period = self.rotation.rotates().then_some(period).or(Some(0));
        self.asked().iter().map(|class| (*class, KeyId::derived(&self.content, self.scheme, *class, period))).collect()
    }

    /// The key for a track in a crypto period. Of a key server: waits for it before the first was there (or always, where nothing is in real time), and never later,
    /// for a segment that is late is late on every output. It asks for the next period's as well, so that it is there in time.
    pub fn key(&self, period: u64, track: TrackClass) -> Result<ContentKey, ProtectError> {
        let missing = |why: &str| {
            self.counts.missing.fetch_add(1, Relaxed);
            ProtectError::NoKey { last: !self.live, period, class: track.name(), why: why.to_owned() }
        };
        match self.set(period) {
            Some(set) => set.key(track).cloned().ok_or_else(|| missing("there are keys for other tracks")),
            None => Err(missing(if self.wanted.is_some() { "the key server has not given it in time" } else { "the document of keys has none" })),
        }
    }

    fn set(&self, period: u64) -> Option<Arc<KeySet>> {
        match &self.source {
            Source::Given(set) => Some(Arc::clone(set)),
            Source::Seed(seed, _) => Some(Arc::new(KeySet { keys: self.ids(period).into_iter().map(|(class, id)| made(class, id, seed.key(id))).collect() })),
            Source::File(sets) => sets.get(&period).cloned(),
            Source::Server(_) => self.await_set(period),
        }
    }

    /// What players are told of a track's key in a period that may be over long since: the key server's words where they are there, else those of the key id alone.
    pub fn known(&self, period: u64, track: TrackClass) -> Option<ContentKey> {
        let fetched = || self.fetched.lock().unwrap_or_else(PoisonError::into_inner).get(&period).cloned();
        let set = if let Source::Server(_) = self.source { fetched() } else { self.set(period) };
        match set {
            Some(set) => set.key(track).cloned(),
            None => self.ids(period).into_iter().find(|(class, _)| class.holds(track)).map(|(class, id)| made(class, id, Key::new([0; 16]))),
        }
    }

    fn await_set(&self, period: u64) -> Option<Arc<KeySet>> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = if *first && self.live { Duration::ZERO } else { self.patience };
        let end = Instant::now() + patience;
        let mut sets = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        for wanted in [period, period.saturating_add(1)] {
            let unknown = !sets.contains_key(&wanted) && (wanted == period || self.rotation.rotates());
            // Where the queue is full, what is in it is asked for first, and this one again with the next segment.
            if let Some(Err(TrySendError::Disconnected(_))) = self.wanted.as_ref().filter(|_| unknown).map(|tx| tx.try_send(wanted)) {
                return sets.get(&period).cloned();
            }
        }
        loop {
            if let Some(set) = sets.get(&period) {
                *first = true;
                return Some(Arc::clone(set));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // A server that said nothing for as long as that is not waited for again.
                *first = true;
                return None;
            }
            sets = self.came.wait_timeout(sets, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether a period's keys are there.
    pub fn has(&self, period: u64) -> bool {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&period)
    }

    /// Keeps what a key server gave.
    pub fn put(&self, period: u64, set: KeySet) {
        let mut sets = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        sets.insert(period, Arc::new(set));
        if sets.len() > MAX_PERIODS {
            sets.pop_first();
        }
        self.counts.fetched.fetch_add(1, Relaxed);
        self.came.notify_all();
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name of the content.
    pub fn content(&self) -> &str {
        &self.content
    }
}

fn made(class: TrackClass, id: KeyId, key: Key) -> ContentKey {
    ContentKey { class, id, key, iv: None, told: Vec::<Told>::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;
    use crossbeam::channel::bounded;

    fn grid() -> Grid {
        Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO)
    }

    fn server(live: bool, wanted: Sender<u64>) -> KeyRing {
        let rotation = Rotation::new(Some(Seconds::whole(60)), grid());
        KeyRing::new("c", Scheme::Cbcs, rotation, Source::Server(vec![TrackClass::All]), live, Duration::from_millis(200), Some(wanted))
    }

    fn set(ring: &KeyRing, period: u64) -> KeySet {
        KeySet { keys: ring.ids(period).into_iter().map(|(class, id)| made(class, id, Key::new([period as u8; 16]))).collect() }
    }

    #[test]
    fn periods_are_whole_segments_counted_from_the_epoch() {
        let rotation = Rotation::new(Some(Seconds::whole(61)), grid());
        assert_eq!([0, 30, 31, 61, 62].map(|n| rotation.period(GopId(n))), [0, 0, 1, 1, 2], "31 segments of 2 s");
        assert_eq!(Rotation::new(Some(Seconds::new(1, 10)), grid()).period(GopId(7)), 7);
        assert_eq!(Rotation::new(None, grid()).period(GopId(1_000_000)), 0);
    }

    #[test]
    fn the_most_particular_key_is_taken() {
        let key = |class, n| made(class, KeyId([n; 16]), Key::new([n; 16]));
        let set = KeySet { keys: vec![key(TrackClass::All, 0), key(TrackClass::Video, 1), key(TrackClass::Uhd, 2)] };
        let ids = [TrackClass::Audio, TrackClass::Sd, TrackClass::Uhd].map(|class| set.key(class).map(|k| k.id.0[0]));
        assert_eq!(ids, [Some(0), Some(1), Some(2)]);
        assert_eq!(KeySet { keys: vec![key(TrackClass::Video, 1)] }.key(TrackClass::Audio), None);
    }

    #[test]
    fn a_key_is_waited_for_once_and_the_next_is_asked_for_ahead() {
        let (tx, rx) = bounded(4);
        let ring = Arc::new(server(true, tx));
        let (other, asked) = (Arc::clone(&ring), rx.clone());
        let thread = std::thread::spawn(move || {
            let period = asked.recv().expect("asked");
            other.put(period, set(&other, period));
        });
        assert_eq!(ring.key(5, TrackClass::Sd).expect("it came").key, Key::new([5; 16]));
        thread.join().expect("no panic");
        assert_eq!(rx.recv(), Ok(6), "ahead of time");
        let began = Instant::now();
        let error = ring.key(6, TrackClass::Sd).expect_err("nobody answered").to_string();
        assert!(began.elapsed() < Duration::from_millis(150), "in real time, later ones are not waited for");
        assert!(error.contains("period 6") && error.contains("in time"), "{error}");
        assert_eq!(ring.counts.missing.load(Relaxed), 1);
        // Players hear of it by its id all the same.
        assert_eq!(ring.known(6, TrackClass::Sd).map(|k| k.id), ring.ids(6).first().map(|(_, id)| *id));
    }

    #[test]
    fn two_workers_have_the_same_ids_and_each_period_its_own() {
        let (a, b) = (server(true, bounded(1).0), server(false, bounded(1).0));
        assert_eq!(a.ids(7), b.ids(7));
        assert_ne!(a.ids(7), a.ids(8));
        assert!(a.ids(7).iter().all(|(_, id)| *id != a.root(TrackClass::Audio)));
    }
}
