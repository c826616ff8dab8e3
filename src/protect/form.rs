//! What an output carries: the clear bytes, or a [`Form`] of them; and of each track in that form the [`Guard`] that makes it.

use super::boxes::Defaults;
use super::cipher::{ONE_IN_TEN, Scheme};
use super::fetch::Fetcher;
use super::key::{ContentKey, TrackClass};
use super::ranges::Ranges;
use super::ring::{KeyRing, Rotation, Source};
use super::segment::{self, Lock};
use super::signal::{Signal, Voice};
use super::{Counts, ProtectError, init, iv};
use crate::inspect::InitFacts;
use crate::job::protection::{Keys, Protection};
use crate::mux::{TrackKind, TrackSpec};
use crate::time::{GopId, Grid, Seconds};
use crossbeam::channel::bounded;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What the key server is asked for and has not given yet. Full: it is asked with the next segment.
const WANTED: usize = 16;
/// How long a key is waited for where nothing is in real time, or before the first segment.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same in real time.
const LIVE_PATIENCE: Duration = Duration::from_secs(10);

/// How some outputs are protected. One for all tracks; shared.
#[derive(Debug)]
pub struct Form {
    voice: Voice,
    ring: Arc<KeyRing>,
}

impl Form {
    /// As the job asks for it. With a key server comes what asks it, for a thread of its own; its first keys are there already, unless they depend on a feed that is
    /// not there yet.
    pub fn open(asked: &Protection, grid: Grid, live: bool) -> Result<(Arc<Form>, Option<Fetcher>), ProtectError> {
        let rotation = Rotation::new(asked.rotate, grid);
        let (source, server) = match &asked.keys {
            Keys::Given(set) => (Source::Given(Arc::new(set.clone())), None),
            Keys::Seed(seed, classes) => (Source::Seed(seed.clone(), classes.clone()), None),
            Keys::File(sets) => (Source::File(sets.iter().map(|(period, set)| (*period, Arc::new(set.clone()))).collect()), None),
            Keys::Server(server, classes) => (Source::Server(classes.clone()), Some(server.clone())),
        };
        let (tx, rx) = bounded(WANTED);
        let patience = if live { LIVE_PATIENCE } else { PATIENCE };
        let ring = Arc::new(KeyRing::new(&asked.content, asked.scheme, rotation, source, live, patience, server.is_some().then_some(tx)));
        let fetcher = server.map(|server| Fetcher::new(server, &asked.systems, &ring, rx)).transpose()?;
        if let Some(fetcher) = &fetcher {
            // Which keys a file will need is not known yet; those of now tell as well whether the server knows us.
            let now = rotation.period(GopId(Seconds::host_now().ratio_nearest(grid.gop_duration())));
            fetcher.first(now)?;
        }
        let voice = Voice { scheme: asked.scheme, systems: asked.systems.clone(), licenses: asked.licenses.clone(), content: asked.content.clone() };
        Ok((Arc::new(Form { voice, ring }), fetcher))
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.voice.scheme
    }

    /// Counts for metrics.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.ring.counts)
    }

    /// The guard of a track, whose clear initialisation segment reads as `init`.
    pub fn guard(self: &Arc<Form>, track: &TrackSpec, init: &InitFacts) -> Result<Guard, ProtectError> {
        let place = track.id.0;
        if self.voice.scheme == Scheme::Cenc && place >= iv::MAX_TRACKS {
            return Err(ProtectError::Tracks(place + 1));
        }
        let ranges = Ranges::new(init).map_err(|why| ProtectError::Layout { track: track.name.clone(), why })?;
        let video = matches!(track.kind, TrackKind::Video { .. });
        let guard = Guard {
            form: Arc::clone(self),
            name: track.name.clone(),
            place,
            unit_ticks: track.unit_ticks(),
            units: track.units(GopId(0)),
            video,
            class: TrackClass::of(track),
            ranges,
        };
        // A track without a key is refused before anything is published.
        if !self.ring.rotation().rotates() {
            self.ring.key(0, guard.class)?;
        }
        Ok(guard)
    }
}

/// Protects one track.
pub struct Guard {
    form: Arc<Form>,
    name: String,
    place: usize,
    unit_ticks: u32,
    units: u32,
    video: bool,
    class: TrackClass,
    ranges: Ranges,
}

impl Guard {
    /// Name of the track.
    pub fn track(&self) -> &str {
        &self.name
    }

    /// Its initialisation segment, from the clear one. Where keys rotate, it names a key id that no sample has, and holds no `pssh`: a function of settings alone.
    pub fn init(&self, clear: &[u8]) -> Result<Vec<u8>, ProtectError> {
        let (defaults, pssh) = if self.rotates() {
            let id = self.form.ring.root(self.class);
            (Defaults { id, constant: iv::constant(id), ..self.defaults(None) }, Vec::new())
        } else {
            let key = self.form.ring.key(0, self.class)?;
            (self.defaults(Some(&key)), self.form.voice.pssh(&key))
        };
        init::protect(&self.name, clear, self.video, &defaults, &pssh)
    }

    /// A segment of `gop`, or chunk `chunk` of it, from the clear bytes. Chunks come in order, from 0.
    pub fn media(&mut self, gop: GopId, chunk: Option<u32>, clear: &[u8]) -> Result<Vec<u8>, ProtectError> {
        let key = self.form.ring.key(self.form.ring.rotation().period(gop), self.class)?;
        let pssh = if self.rotates() { self.form.voice.pssh(&key) } else { Vec::new() };
        if chunk.is_none_or(|index| index == 0) {
            self.ranges.begin();
        }
        let lock = Lock {
            track: &self.name,
            place: self.place,
            unit_ticks: self.unit_ticks,
            key: &key.key,
            defaults: self.defaults(Some(&key)),
            rotates: self.rotates(),
            pssh: &pssh,
        };
        segment::protect(&lock, clear, &mut self.ranges).inspect_err(|_| self.refused())
    }

    /// Counts something that is not published for what became of it.
    pub fn refused(&self) {
        self.form.ring.counts.refused.fetch_add(1, Relaxed);
    }

    /// The lines of a media playlist that come before segment `gop`, which follows `before` there: its keys, where they are other than those before.
    pub fn lines(&self, gop: GopId, before: Option<GopId>) -> Vec<String> {
        let rotation = self.form.ring.rotation();
        let period = rotation.period(gop);
        if before.is_some_and(|before| rotation.period(before) == period) {
            return Vec::new();
        }
        self.form.ring.known(period, self.class).map_or(Vec::new(), |key| self.form.voice.media(&key))
    }

    /// What the multivariant playlist and the manifest say.
    pub fn signal(&self) -> Signal {
        if self.rotates() {
            let id = self.form.ring.root(self.class);
            return Signal { id, session: Vec::new(), dash: self.form.voice.dash(id, None) };
        }
        let Some(key) = self.form.ring.known(0, self.class) else {
            let id = self.form.ring.root(self.class);
            return Signal { id, session: Vec::new(), dash: self.form.voice.dash(id, None) };
        };
        Signal { id: key.id, session: self.form.voice.session(&key), dash: self.form.voice.dash(key.id, Some(&key)) }
    }

    /// Bytes that protection adds to a segment of `chunks` chunks: an upper bound for pictures of up to four slices or tiles.
    pub fn overhead(&self, chunks: u64) -> u64 {
        // A vector, a count of ranges, the ranges, and a byte of `saiz`.
        let each = if self.video { 8 + 2 + 6 * 6 + 1 } else { 9 };
        let pssh = if self.rotates() { self.form.ring.known(0, self.class).map_or(0, |key| self.form.voice.pssh(&key).len() as u64 + 120) } else { 0 };
        u64::from(self.units) * each + chunks * (17 + 20 + 16 + pssh)
    }

    fn rotates(&self) -> bool {
        self.form.ring.rotation().rotates()
    }

    fn defaults(&self, key: Option<&ContentKey>) -> Defaults {
        let scheme = self.form.voice.scheme;
        let pattern = if self.video && scheme == Scheme::Cbcs { ONE_IN_TEN } else { (0, 0) };
        let id = key.map_or_else(|| self.form.ring.root(self.class), |key| key.id);
        Defaults { scheme, pattern, id, constant: key.and_then(|key| key.iv).unwrap_or_else(|| iv::constant(id)) }
    }
}
