//! Where everything that was pushed is decided on. Free of I/O, threads and clocks: what came and when goes in, what is to be published comes out.

use super::answer::{Fate, Refusal};
use super::counts::{PipelineSnapshot, TrackSnapshot};
use super::edge::Edge;
use super::judge::{self, Pushed};
use super::mask::{MAX_MASKS, Mask};
use super::received;
use super::relay::{self, Piece};
use super::text::{self, Texts};
use super::track::{Rules, Shown, Step, Track};
use crate::inspect::{self, Media, SegmentFacts};
use crate::job::Window;
use crate::ladder::legal_name;
use crate::mux::chunking::{Chunking, Cuts};
use crate::mux::describe::Described;
use crate::mux::hls::Hold;
use crate::mux::iframes::IFrames;
use crate::mux::listing::Listing;
use crate::mux::parts::{Part, Parts};
use crate::plan::MAX_TRACKS;
use crate::sink::Publish;
use crate::time::{GopId, Grid, Seconds};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The write deadline: from the last byte of a push to its bytes readable.
pub const DEADLINE: Seconds = Seconds::HALF;
/// Numbers of which it is remembered when they were first met.
const MET: usize = 512;
/// Most segments, and bytes of them, that wait for the first pictures.
const EARLY: (usize, usize) = (64, 64 << 20);

/// What the origin goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names of the pipelines, the preferred one first.
    pub pipelines: Vec<String>,
    /// Number k is due at the end of its slot plus this: the workers' setting.
    pub publish_delay: Seconds,
    /// Which segments are kept and listed.
    pub window: Window,
    /// How long a number is waited for after it was due, and others were met.
    pub patience: Seconds,
}

/// What is to be done about what came.
#[derive(Debug, Default)]
pub struct Out {
    /// To be published, in order.
    pub items: Vec<Publish>,
    /// For each segment among them: place of its track, and since when it could have been.
    pub ready: Vec<(usize, Seconds)>,
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    pub(super) settings: Settings,
    pub(super) tracks: Vec<Track>,
    /// The grid, and how segments are cut into chunks, from the first segment of pictures on.
    pub(super) grid: Option<(Grid, Option<Chunking>)>,
    pub(super) texts: Texts,
    pub(super) edge: Edge,
    /// Since when playlists may be shown, or will be.
    pub(super) open: bool,
    pub(super) over: bool,
    begun: Option<Seconds>,
    ended_at: Option<Seconds>,
    masks: Vec<Mask>,
    /// When each number was first met, on any track.
    met: BTreeMap<GopId, Seconds>,
    early: Vec<(usize, usize, GopId, Pushed)>,
}

impl Desk {
    /// One that knows nothing yet.
    pub fn new(settings: Settings, masks: Vec<Mask>) -> Desk {
        Desk {
            settings,
            tracks: Vec::new(),
            grid: None,
            texts: Texts::default(),
            edge: Edge::default(),
            open: false,
            over: false,
            begun: None,
            ended_at: None,
            masks,
            met: BTreeMap::new(),
            early: Vec::new(),
        }
    }

    /// The place of a pipeline in the order of preference.
    pub fn pipeline(&self, name: &str) -> Result<usize, Refusal> {
        let found = self.settings.pipelines.iter().position(|p| p == name);
        found.ok_or_else(|| Refusal::Pipeline { name: name.chars().take(64).collect(), accepted: self.settings.pipelines.join(", ") })
    }

    /// An initialisation segment came.
    pub fn init(&mut self, pipeline: usize, name: &str, bytes: Bytes, out: &mut Out) -> Result<Fate, Refusal> {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.name == name) {
            let same = track.init == bytes;
            track.senders[pipeline].other_init = !same;
            if same {
                return Ok(Fate::Identical);
            }
            tracing::warn!(track = name, pipeline = self.settings.pipelines[pipeline], "its initialisation segment is another one; nothing of it is taken");
            return Err(Refusal::OtherInit { track: name.to_owned() });
        }
        self.add_track(name, bytes.clone())?;
        out.items.push(Publish::Init { path: format!("{name}/init.mp4"), bytes });
        Ok(Fate::Published)
    }

    /// Adds a track with this initialisation segment.
    pub(super) fn add_track(&mut self, name: &str, bytes: Bytes) -> Result<(), Refusal> {
        let wrong = |why: String| Refusal::Init { track: name.to_owned(), why };
        if !legal_name(name) {
            return Err(Refusal::Path(name.chars().take(64).collect()));
        }
        if self.tracks.len() >= MAX_TRACKS {
            return Err(Refusal::Tracks { name: name.to_owned(), most: MAX_TRACKS });
        }
        let facts = inspect::init(&bytes).map_err(|e| wrong(e.to_string()))?;
        if facts.timescale == 0 {
            return Err(wrong("the timescale is 0; 1 and more is accepted".to_owned()));
        }
        if facts.protected.is_some() {
            // Its playlists would name no keys.
            return Err(wrong("it is encrypted; clear tracks are accepted".to_owned()));
        }
        facts.findings.iter().for_each(|f| tracing::info!(track = name, code = ?f.code, "initialisation segment: {}", f.text));
        self.tracks.push(Track::new(name, bytes, facts, self.settings.pipelines.len()));
        Ok(())
    }

    /// A segment came, with its last byte at `received`.
    pub fn segment(&mut self, pipeline: usize, name: &str, number: GopId, pushed: Pushed, now: Seconds, out: &mut Out) -> Result<Fate, Refusal> {
        let no_init = || Refusal::NoInit { track: name.chars().take(64).collect() };
        let index = self.tracks.iter().position(|t| t.name == name).ok_or_else(no_init)?;
        {
            let sender = &mut self.tracks[index].senders[pipeline];
            sender.heard = Some(now);
            sender.counts.received += 1;
            sender.counts.bytes += pushed.bytes.len() as u64;
        }
        let fate = self.place(pipeline, index, number, pushed, now);
        let counts = &mut self.tracks[index].senders[pipeline].counts;
        match &fate {
            Ok(Fate::Published | Fate::Waits) => {}
            Ok(Fate::Identical) => counts.identical += 1,
            Ok(Fate::Other) => counts.differing += 1,
            Ok(Fate::PassedOver) => counts.passed_over += 1,
            Ok(Fate::Late | Fate::Ignored) => counts.late += 1,
            Ok(Fate::Masked) => counts.masked += 1,
            Err(Refusal::Broken { .. }) => counts.broken += 1,
            Err(_) => counts.refused += 1,
        }
        if fate.is_err() {
            self.tracks[index].give_up(pipeline, number);
        }
        let counts = &mut self.tracks[index].senders[pipeline].counts;
        if fate.is_ok() {
            counts.last = counts.last.max(Some(number.0));
        }
        if let Err(refusal) = &fate {
            tracing::warn!(pipeline = self.settings.pipelines[pipeline], "{refusal}");
        }
        if let Ok(Fate::Waits) = fate {
            let before = counts.chosen;
            self.advance(now, out);
            let track = &self.tracks[index];
            return Ok(match track.verdict(number) {
                Some(Some(_)) if track.senders[pipeline].counts.chosen > before => Fate::Published,
                Some(Some(_)) => Fate::PassedOver,
                Some(None) => Fate::Late,
                None => Fate::Waits,
            });
        }
        fate
    }

    /// Finds the place of a segment, and puts it there.
    fn place(&mut self, pipeline: usize, index: usize, number: GopId, pushed: Pushed, now: Seconds) -> Result<Fate, Refusal> {
        let track = &self.tracks[index];
        let name = track.name.clone();
        if track.senders[pipeline].other_init {
            return Err(Refusal::OtherInit { track: name });
        }
        if self.is_masked(pipeline, number) {
            return Ok(Fate::Masked);
        }
        match track.verdict(number) {
            Some(Some(published)) => {
                use sha2::{Digest, Sha256};
                if published.hash == <[u8; 32]>::from(Sha256::digest(&pushed.bytes)) {
                    return Ok(Fate::Identical);
                }
                let facts = judge::read(&track.facts, &pushed.bytes).map_err(|why| Refusal::Broken { track: name.clone(), number, why })?;
                let Some(shown) = track.shown.as_ref() else { return Ok(Fate::PassedOver) };
                let candidate = judge::candidate(&shown.described, &track.facts, number, &facts, pushed, pipeline);
                let other = candidate.map_err(|why| Refusal::Broken { track: track.name.clone(), number, why })?;
                // A defect of either says why they differ.
                return Ok(if published.clean && other.merit.is_clean() { Fate::Other } else { Fate::PassedOver });
            }
            Some(None) => return Ok(Fate::Late),
            None if track.last().is_some_and(|last| number <= last) => return Ok(Fate::Late),
            None if self.over => return Err(Refusal::Over { track: name, number }),
            None => {}
        }
        let broken = |why: String| Refusal::Broken { track: name.clone(), number, why };
        let facts = judge::read(&track.facts, &pushed.bytes).map_err(broken)?;
        if self.grid.is_none() && !matches!(track.facts.media, Media::Video { .. }) {
            return self.keep_early(pipeline, index, number, pushed);
        }
        let (grid, chunking) = match self.grid {
            Some(known) => known,
            None => (received::grid(&track.facts, number, &facts).map_err(broken)?, received::chunking(&facts)),
        };
        let fresh = track.shown.is_none().then(|| self.describe(index, grid, chunking, &facts));
        let described = match (&fresh, &track.shown) {
            (Some(fresh), _) => &fresh.described,
            (None, Some(shown)) => &shown.described,
            (None, None) => return Err(broken("its track cannot be described".to_owned())),
        };
        let candidate = judge::candidate(described, &track.facts, number, &facts, pushed, pipeline).map_err(broken)?;
        self.edge.allows(number, candidate.start, grid.gop_duration(), now).map_err(|far| Refusal::Far { track: name.clone(), far })?;
        self.edge.note(number, now);
        self.begun.get_or_insert(now);
        let first_pictures = self.grid.replace((grid, chunking)).is_none();
        let track = &mut self.tracks[index];
        if let Some(fresh) = fresh {
            track.shown = Some(fresh);
        }
        let same = track.add(number, candidate, now);
        self.met.entry(number).or_insert(now);
        while self.met.len() > MET {
            self.met.pop_first();
        }
        if first_pictures {
            self.take_early(now);
        }
        Ok(if same { Fate::Identical } else { Fate::Waits })
    }

    /// A track as `facts`, a segment of it, shows it.
    pub(super) fn describe(&self, index: usize, grid: Grid, chunking: Option<Chunking>, facts: &SegmentFacts) -> Shown {
        let track = &self.tracks[index];
        let spec = received::spec(&track.name, &track.facts, grid, facts);
        Shown {
            described: Described::new(&spec, &track.facts, chunking),
            listing: Listing::new(self.settings.window, grid.gop_duration()),
            parts: Parts::default(),
            iframes: IFrames::default(),
        }
    }

    /// Sound that came before any pictures.
    fn keep_early(&mut self, pipeline: usize, index: usize, number: GopId, pushed: Pushed) -> Result<Fate, Refusal> {
        let held: usize = self.early.iter().map(|(.., pushed)| pushed.bytes.len()).sum();
        if self.early.len() >= EARLY.0 || held.saturating_add(pushed.bytes.len()) > EARLY.1 {
            return Err(Refusal::Full { track: self.tracks[index].name.clone(), number });
        }
        self.early.push((pipeline, index, number, pushed));
        Ok(Fate::Waits)
    }

    fn take_early(&mut self, now: Seconds) {
        for (pipeline, index, number, pushed) in std::mem::take(&mut self.early) {
            if let Err(refusal) = self.place(pipeline, index, number, pushed, now) {
                tracing::warn!(pipeline = self.settings.pipelines[pipeline], "{refusal}");
                self.tracks[index].senders[pipeline].counts.broken += 1;
            }
        }
    }

    /// Publishes what can be decided at `now`. When there will be something to decide again, if nothing comes.
    pub fn advance(&mut self, now: Seconds, out: &mut Out) -> Option<Seconds> {
        let rules = self.rules()?;
        let mut next: Option<Seconds> = None;
        let sooner = |next: Option<Seconds>, at: Option<Seconds>| match (next, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let mut changed = false;
        for index in 0..self.tracks.len() {
            loop {
                let (met, masks, names) = (&self.met, &self.masks, &self.settings.pipelines);
                let overtaken = |number: GopId| met.range(number.next()..).map(|(_, at)| *at).min();
                let expected = |pipeline: usize, number: GopId| !masks.iter().any(|m| m.hides(&names[pipeline], number));
                match self.tracks[index].step(&rules, now, overtaken, expected) {
                    Step::Publish(number, candidate, ready) => {
                        self.rest(index, number, &candidate, out);
                        let track = &mut self.tracks[index];
                        track.relay = None;
                        let leave = track.published(number, &candidate, now);
                        out.ready.push((index, ready));
                        let path = format!("{}/{number}.m4s", track.name);
                        let slot_end = rules.grid.gop_time(number.next());
                        let (track, verdict) = (track.name.clone(), candidate.verdict.clone());
                        out.items.push(Publish::Segment { track, number, path, bytes: candidate.bytes.clone(), slot_end, verdict });
                        self.list(index, leave, out);
                    }
                    Step::Gap(from, to) => {
                        tracing::warn!(track = self.tracks[index].name, from = from.0, to = to.0, "segments did not come");
                        self.abort(index, from, out);
                        let leave = self.tracks[index].gap(from, to, now);
                        self.list(index, leave, out);
                    }
                    Step::Wait(until) => {
                        next = sooner(next, until);
                        break;
                    }
                }
                changed = true;
            }
        }
        next = sooner(next, self.open_at(&rules, now, out));
        if changed && self.open {
            let chunking = self.grid.and_then(|(_, chunking)| chunking);
            out.items.extend(self.texts.shared(&self.tracks, &rules, chunking, false));
        }
        sooner(next, self.end(&rules, now, out))
    }

    /// A chunk of a segment that is not whole yet came.
    pub fn piece(&mut self, pipeline: usize, name: &str, number: GopId, index: u32, bytes: Bytes, out: &mut Out) {
        let place = self.tracks.iter().position(|t| t.name == name);
        let (Some(place), Some((_, Some(_)))) = (place, self.grid) else { return };
        if !self.open || self.over || self.is_masked(pipeline, number) {
            return;
        }
        if let Some(piece) = self.tracks[place].grow(pipeline, number, index, bytes) {
            self.hand_out(place, number, piece, out);
            let chunking = self.grid.and_then(|(_, chunking)| chunking);
            let hold = self.hold(false);
            out.items.extend(text::low(&mut self.tracks, place, chunking, hold));
        }
    }

    fn hand_out(&mut self, index: usize, number: GopId, piece: Piece, out: &mut Out) {
        let track = &mut self.tracks[index];
        let Piece { index, bytes, start, duration, independent } = piece;
        if let Some(shown) = &mut track.shown {
            shown.parts.push(number, Part { duration, independent, gap: false });
        }
        let (name, path) = (track.name.clone(), format!("{}/{number}.m4s", track.name));
        out.items.push(Publish::Chunk { track: name, number, index, path, bytes, start, duration, independent });
    }

    /// The chunks of a whole segment that are not out yet.
    fn rest(&mut self, index: usize, number: GopId, candidate: &judge::Candidate, out: &mut Out) {
        let (Some((_, Some(_))), Some(described)) = (self.grid, self.tracks[index].shown.as_ref().map(|s| s.described.clone())) else { return };
        let begun = self.tracks[index].relay.take().filter(|relay| relay.number == number);
        let mut relay = begun.unwrap_or_else(|| relay::Relay::new(&described, number, candidate.merit.pipeline));
        for bytes in relay::chunks(&candidate.bytes).into_iter().skip(relay.out() as usize) {
            // The whole was judged: a chunk that is odd by itself is not handed out by itself.
            let Ok(piece) = relay.take(&self.tracks[index].facts, bytes) else { return };
            self.hand_out(index, number, piece, out);
        }
    }

    /// What is out of a segment will not be completed.
    fn abort(&mut self, index: usize, number: GopId, out: &mut Out) {
        let Some(relay) = self.tracks[index].relay.take().filter(|relay| relay.number == number && relay.out() > 0) else { return };
        let track = &mut self.tracks[index];
        track.counts.aborted += 1;
        tracing::error!(track = track.name, segment = number.0, chunks = relay.out(), "given up with chunks of it out");
        let (chunking, name) = (self.grid.and_then(|(_, chunking)| chunking), track.name.clone());
        if let Some(shown) = &mut track.shown {
            let spec = shown.described.spec.clone();
            shown.parts.abort(&spec, number, Cuts::of(&spec, chunking));
        }
        out.items.push(Publish::Abort { path: format!("{name}/{number}.m4s"), track: name, number });
    }

    /// The playlist of a track, and what has left it.
    fn list(&mut self, index: usize, leave: Vec<GopId>, out: &mut Out) {
        if self.open {
            let chunking = self.grid.and_then(|(_, chunking)| chunking);
            let hold = self.hold(false);
            out.items.extend(text::low(&mut self.tracks, index, chunking, hold));
            out.items.extend(text::iframes(&mut self.tracks, index, false));
            out.items.extend(text::media(&self.tracks, index, chunking, hold));
        }
        let name = &self.tracks[index].name;
        out.items.extend(leave.into_iter().map(|number| Publish::Remove { path: format!("{name}/{number}.m4s") }));
    }

    /// Playlists are shown once every track that was announced has a segment, so that a player does not take the first rung for all there is; two segments after the first in any case.
    fn open_at(&mut self, rules: &Rules, now: Seconds, out: &mut Out) -> Option<Seconds> {
        let begun = self.begun.filter(|_| !self.open)?;
        let latest = begun + rules.grid.gop_duration().times(2) + rules.patience;
        if now < latest && self.tracks.iter().any(|t| t.last().is_none()) {
            return Some(latest);
        }
        self.show(rules, out);
        None
    }

    /// Shows every playlist from now on.
    pub(super) fn show(&mut self, rules: &Rules, out: &mut Out) {
        self.open = true;
        let chunking = self.grid.and_then(|(_, chunking)| chunking);
        let hold = self.hold(self.over);
        for index in 0..self.tracks.len() {
            out.items.extend(text::low(&mut self.tracks, index, chunking, hold));
            out.items.extend(text::iframes(&mut self.tracks, index, self.over));
            out.items.extend(text::media(&self.tracks, index, chunking, hold));
        }
        out.items.extend(self.texts.shared(&self.tracks, rules, chunking, self.over));
    }

    /// The event is over once every track has published the segment that says so; where one lacks it, two segments and the patience later, unless the others went on.
    fn end(&mut self, rules: &Rules, now: Seconds, out: &mut Out) -> Option<Seconds> {
        let there = || self.tracks.iter().filter(|t| t.last().is_some());
        if self.over || !self.open || there().all(|t| t.ended.is_none()) {
            self.ended_at = None;
            return None;
        }
        let at = *self.ended_at.get_or_insert(now) + rules.grid.gop_duration().times(2) + rules.patience;
        let last = self.tracks.iter().filter_map(|t| t.ended).max();
        let there = || self.tracks.iter().filter(|t| t.last().is_some());
        if there().any(|t| t.newest() > last) || (now < at && there().any(|t| t.ended.is_none())) {
            return (now < at).then_some(at);
        }
        tracing::info!("the event is over");
        self.over = true;
        self.show(rules, out);
        None
    }

    /// Hides numbers of a pipeline from now on, or shows them again. What is published stays.
    pub fn mask(&mut self, mask: Mask, hide: bool) -> Result<(), String> {
        let pipeline = self.pipeline(&mask.pipeline).map_err(|e| e.to_string())?;
        self.masks.retain(|m| *m != mask);
        if !hide {
            return Ok(());
        }
        if self.masks.len() >= MAX_MASKS {
            return Err(format!("{mask} is one more than the {MAX_MASKS} masks that are accepted at once"));
        }
        for track in &mut self.tracks {
            let hidden = track.hide(pipeline, |number| mask.hides(&mask.pipeline, number));
            track.senders[pipeline].counts.masked += hidden;
        }
        self.masks.push(mask);
        Ok(())
    }

    /// The masks.
    pub fn masks(&self) -> &[Mask] {
        &self.masks
    }

    fn is_masked(&self, pipeline: usize, number: GopId) -> bool {
        self.settings.pipelines.get(pipeline).is_some_and(|name| self.masks.iter().any(|m| m.hides(name, number)))
    }

    /// A body broke off.
    pub fn broken_off(&mut self, pipeline: usize, name: &str, number: GopId) {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.name == name) {
            track.senders[pipeline].counts.broken_off += 1;
            track.give_up(pipeline, number);
        }
    }

    /// Segments of tracks `ready` could be read at `now`.
    pub fn readable(&mut self, ready: &[(usize, Seconds)], now: Seconds) {
        for (index, since) in ready {
            let Some(track) = self.tracks.get_mut(*index) else { continue };
            let took = now - *since;
            track.counts.slowest_ms = track.counts.slowest_ms.max(took.ceil_ticks(1000));
            if took > DEADLINE {
                track.counts.deadline_misses += 1;
                tracing::warn!(track = track.name, ms = took.ceil_ticks(1000), "a segment could be read only after its deadline");
            }
        }
    }

    /// How long a segment lasts, once that is known.
    pub fn segment_duration(&self) -> Option<Seconds> {
        self.grid.map(|(grid, _)| grid.gop_duration())
    }

    /// Whether that track carries sound.
    pub fn is_sound(&self, name: &str) -> bool {
        self.tracks.iter().any(|t| t.name == name && matches!(t.facts.media, Media::Audio { .. }))
    }

    /// Whether the event is of today, so that it can be said when a number is due.
    pub fn is_live(&self, now: Seconds) -> bool {
        let newest = self.grid.zip(self.edge.newest()).map(|((grid, _), newest)| grid.gop_time(newest.next()));
        newest.is_some_and(|newest| (now - newest).abs() < Seconds::MINUTE.times(10))
    }

    /// Names of tracks of which nothing is published.
    pub fn missing(&self) -> Vec<String> {
        self.tracks.iter().filter(|t| t.last().is_none()).map(|t| t.name.clone()).collect()
    }

    /// The tracks, for `/v1/status`, in the order of the playlists.
    pub fn snapshot(&self, now: Seconds) -> Vec<TrackSnapshot> {
        let mut tracks: Vec<&Track> = self.tracks.iter().collect();
        tracks.sort_by_cached_key(|t| {
            t.shown.as_ref().map_or_else(|| (usize::MAX, true, std::cmp::Reverse(0), t.name.clone()), |s| received::order(&s.described.spec))
        });
        let segment = self.segment_duration().unwrap_or(Seconds::TWO);
        let sender = |t: &Track, place: usize| PipelineSnapshot {
            pipeline: self.settings.pipelines[place].clone(),
            other_init: t.senders[place].other_init,
            alive: t.is_alive(place, segment, now),
            counts: t.senders[place].counts.clone(),
        };
        let heard = |t: &Track, place: &usize| t.senders[*place].heard.is_some() || t.senders[*place].other_init;
        let track = |t: &Track| TrackSnapshot {
            name: t.name.clone(),
            codecs: t.facts.codecs.clone(),
            counts: t.counts.clone(),
            waiting: t.waiting(),
            pipelines: (0..t.senders.len()).filter(|place| heard(t, place)).map(|place| sender(t, place)).collect(),
        };
        tracks.into_iter().map(track).collect()
    }

    /// How far players stay behind, while there is more to come.
    fn hold(&self, ended: bool) -> Option<Hold> {
        (!ended).then_some(Hold { publish_delay: self.settings.publish_delay, window: self.settings.window })
    }

    pub(super) fn rules(&self) -> Option<Rules> {
        let (grid, _) = self.grid?;
        Some(Rules { grid, publish_delay: self.settings.publish_delay, patience: self.settings.patience })
    }
}
