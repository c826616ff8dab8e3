//! What goes out, in order: initialisation segments, then every segment before the playlist that lists it, then what all tracks share.

use super::align::Ready;
use super::chunking::Cuts;
use super::dash::{self, Extent};
use super::describe::Described;
use super::iframes::{self, IFrames, Place};
use super::listing::{Entry, Listing};
use super::making::Making;
use super::parts::{self, Parts};
use super::protected::Protected;
use super::thumbnails::{self, Sheet, Thumbnails};
use super::{Marks, MuxError, Settings, TrackSpec, cues, entries, hls, init, session};
use crate::encode::{Packet, Stats, TrackId, Why};
use crate::frame::End;
use crate::inspect::{self, Code, Finding, InitFacts, SegmentFacts};
use crate::metrics::Probes;
use crate::protect::Guard;
use crate::shard::{Part, Share};
use crate::sink::{Edge, Publish, Readers};
use crate::time::{GopId, Grid, Seconds};
use crate::verdict::{Shown, Verdict};
use bytes::Bytes;
use crossbeam::channel::Sender;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Counts since the start, all tracks together.
#[derive(Debug, Default)]
pub struct Counts {
    /// Segments published.
    pub segments: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Numbers that became a gap: skipped, failed, lost or undecodable.
    pub gaps: AtomicU64,
    /// Segments that were not published because they cannot be decoded.
    pub undecodable: AtomicU64,
    /// Chunks published before their segments were complete.
    pub chunks: AtomicU64,
    /// Segments given up when chunks of them were out already.
    pub aborted: AtomicU64,
    /// Rules that published segments break.
    pub findings: AtomicU64,
    /// Segments larger than 1.10 x cap x duration.
    pub over_cap: AtomicU64,
    /// Packets and verdicts that came after their number was decided.
    pub stale: AtomicU64,
    /// Where it is marked when a segment is made.
    pub probes: OnceLock<Arc<Probes>>,
}

/// Publishes. One per [`super::run`].
pub struct Publisher {
    pub(super) tracks: Vec<Track>,
    pub(super) settings: Settings,
    grid: Grid,
    target: i64,
    /// Where playlists list parts: the longest that any is.
    pub(super) part_target: Option<Seconds>,
    main: String,
    /// For readers of whole segments, and of chunks.
    manifest: [String; 2],
    thumbnails: Option<Thumbnails>,
    tx: Sender<Publish>,
}

/// A track, and how far it is published.
pub(super) struct Track {
    pub(super) described: Described,
    pub(super) init: InitFacts,
    /// Which numbers are made here.
    part: Part,
    listing: Listing,
    /// How it is protected; clear where absent.
    pub(super) protected: Option<Protected>,
    /// The segment that comes, as far as it has.
    pub(super) making: Option<Making>,
    /// A segment that was given up, of which more may come.
    pub(super) broken: Option<GopId>,
    pub(super) parts: Parts,
    /// The first picture of each segment, where it has a playlist of them.
    iframes: Option<IFrames>,
    /// Anything at all was decided on it, so nobody needs to wait for it.
    heard: bool,
    /// A segment that is shorter than its GOP: nothing may follow it.
    short: Option<GopId>,
}

impl Publisher {
    /// Publishes the initialisation segments, and the playlists of what is stored already.
    pub fn new(specs: Vec<TrackSpec>, mut settings: Settings, tx: Sender<Publish>) -> Result<Publisher, MuxError> {
        let Some(grid) = specs.first().map(TrackSpec::grid) else { return Err(MuxError::Tracks("there are none; at least one is needed".into())) };
        for (i, spec) in specs.iter().enumerate() {
            if spec.id != TrackId(i) || spec.grid() != grid || specs.iter().take(i).any(|other| other.name == spec.name) {
                return Err(MuxError::Tracks(format!(
                    "{} (id {}) is at place {i}: ids in order, names that differ and one grid are accepted",
                    spec.name, spec.id.0
                )));
            }
        }
        let target = hls::target_duration(&specs);
        let (thumbnails, leave) = match &mut settings.thumbnails {
            Some(feed) => {
                let (thumbnails, leave) = Thumbnails::new(feed.layout, settings.window, std::mem::take(&mut feed.stored));
                (Some(thumbnails), leave)
            }
            None => (None, Vec::new()),
        };
        let shard = settings.share.as_ref().is_some_and(Share::is_of_several);
        let part_target = parts::target(&specs, settings.chunking).filter(|_| !shard);
        let (tracks, main, manifest) = (Vec::new(), String::new(), Default::default());
        let mut publisher = Publisher { tracks, settings, grid, target, part_target, main, manifest, thumbnails, tx };
        leave.into_iter().try_for_each(|path| publisher.send(Publish::Remove { path }))?;
        let all = specs.clone();
        for spec in specs {
            let bytes = init::init(&spec, &publisher.settings.class)?;
            let init = inspect::init(&bytes).map_err(|source| MuxError::Init { track: spec.name.clone(), source })?;
            init.findings.iter().for_each(|f| tracing::warn!(track = spec.name, code = ?f.code, "initialisation segment: {}", f.text));
            let (protected, bytes) = match &publisher.settings.form {
                Some(form) => Protected::new(form, &spec, &bytes, &init).map(|(protected, bytes)| (Some(protected), bytes))?,
                None => (None, bytes),
            };
            publisher.send(Publish::Init { path: spec.init_path(), bytes: Bytes::from(bytes) })?;
            let listing = Listing::new(publisher.settings.window, grid.gop_duration());
            let part = publisher.settings.share.as_ref().map_or_else(Part::all, |share| share.part(&spec.name));
            let described = Described::new(&spec, &init, publisher.settings.chunking);
            let described = match &protected {
                Some(protected) => described.guarded(protected.guard(), publisher.settings.chunking),
                None => described,
            };
            let iframes = IFrames::of(&spec, &all);
            let parts = Parts::default();
            let (making, broken) = (None, None);
            publisher.tracks.push(Track { described, init, part, listing, protected, iframes, making, broken, parts, heard: false, short: None });
        }
        publisher.restore()?;
        Ok(publisher)
    }

    /// The counts.
    pub fn counts(&self) -> Arc<Counts> {
        self.settings.counts.clone()
    }

    /// For every track the first number that is wanted, if any: after what is stored, and not before the setting.
    pub fn expected(&self) -> Vec<Option<GopId>> {
        self.tracks.iter().map(|t| t.listing.last().map(GopId::next).max(self.settings.not_before)).collect()
    }

    fn restore(&mut self) -> Result<(), MuxError> {
        let stored = std::mem::take(&mut self.settings.stored);
        let mut places = std::mem::take(&mut self.settings.iframes);
        let (mut any, shard) = (false, self.is_shard());
        for (name, mut numbers) in stored {
            let Some(index) = self.tracks.iter().position(|t| t.described.spec.name == name) else { continue };
            numbers.sort_unstable();
            numbers.dedup();
            let mut leave = Vec::new();
            if let Some(iframes) = self.tracks[index].iframes.as_mut().filter(|_| !shard) {
                places.remove(&name).into_iter().flatten().for_each(|(number, place)| iframes.insert(number, Some(place)));
            }
            for number in numbers {
                let track = &mut self.tracks[index];
                track.described.spec.legal(number)?;
                leave.extend(track.others_up_to(number));
                leave.extend(track.gap_up_to(number).1);
                let entry = entry(&track.described.spec, number, track.described.spec.units(number));
                leave.extend(track.listing.push(entry));
                (track.heard, any) = (true, true);
            }
            if self.tracks[index].heard {
                self.playlist(index, false, leave)?;
            }
        }
        if any { self.shared(None) } else { Ok(()) }
    }

    /// Takes what is ready on a track.
    pub fn take(&mut self, id: TrackId, ready: Ready) -> Result<(), MuxError> {
        let index = id.0;
        if index >= self.tracks.len() {
            return Err(MuxError::Track { id });
        }
        self.tracks[index].heard = true;
        // What comes once more for another form of the same is not for this one, which has it.
        if let (Ready::Part { gop, .. } | Ready::Cut { gop, .. } | Ready::Segment { gop, .. }, Some(last)) = (&ready, self.tracks[index].listing.last())
            && *gop <= last
        {
            return Ok(());
        }
        match ready {
            Ready::Part { gop, told, fallback, packets } => return self.part(index, gop, told, fallback, packets),
            Ready::Cut { gop, from } => return self.cut(index, gop, from),
            Ready::Segment { gop, packets, stats } => self.segment(index, gop, packets, &stats)?,
            Ready::Gap { from, why: Some(Why::OtherShard { units }), .. } => {
                self.abort(index, "it will not be completed")?;
                self.elsewhere(index, from, units)?;
            }
            Ready::Gap { from, to, why } => {
                self.abort(index, "it will not be completed")?;
                let name = &self.tracks[index].described.spec.name;
                // What was asked for is no loss, and what other shards make is none of this one's.
                if why == Some(Why::Disabled) {
                    tracing::debug!(track = name, from = from.0, to = to.0, "segments of a disabled rung");
                    self.list_gap(index, to)?;
                } else {
                    if self.tracks[index].part.count(from, to) > 0 {
                        tracing::warn!(track = name, from = from.0, to = to.0, ?why, "segments left out");
                    }
                    self.gap(index, to)?;
                }
            }
            Ready::End(_) => self.abort(index, "the track has ended")?,
        }
        self.shared(None)
    }

    /// A sheet of thumbnails: itself, then the playlist that lists it.
    pub fn sheet(&mut self, sheet: Sheet) -> Result<(), MuxError> {
        let text = |path: String, bytes: Vec<u8>| Publish::Text { path, bytes: Bytes::from(bytes), readers: Readers::All, edge: None };
        let Some(thumbnails) = &mut self.thumbnails else { return Ok(()) };
        let leave = thumbnails.take(sheet.number);
        let playlist = thumbnails.playlist(false);
        self.send(text(thumbnails::path(sheet.number), sheet.bytes))?;
        self.send(text(thumbnails::playlist_path(), playlist.into_bytes()))?;
        leave.into_iter().try_for_each(|path| self.send(Publish::Remove { path }))?;
        self.shared(None)
    }

    /// Everything has ended. Where the event has, end marks are written; where only this worker leaves, none.
    pub fn finish(&mut self, end: End) -> Result<(), MuxError> {
        if end == End::Leaving {
            return Ok(());
        }
        for index in 0..self.tracks.len() {
            if !self.tracks[index].listing.entries().is_empty() {
                self.playlist(index, true, Vec::new())?;
            }
        }
        if let Some(thumbnails) = self.thumbnails.as_ref().filter(|thumbnails| thumbnails.any()) {
            let bytes = Bytes::from(thumbnails.playlist(true));
            self.send(Publish::Text { path: thumbnails::playlist_path(), bytes, readers: Readers::All, edge: None })?;
        }
        let last = self.tracks.iter().filter_map(|t| t.listing.last()).max();
        let over = |t: &Track| t.listing.entries().iter().rev().find(|e| !e.gap).map(|e| e.start + e.duration);
        // Of the pictures where there are any: sound may end up to a frame later.
        let (video, audio): (Vec<&Track>, Vec<&Track>) = self.tracks.iter().partition(|t| t.described.audio().is_none());
        let end = video.into_iter().filter_map(over).max().or(audio.into_iter().filter_map(over).max());
        self.tracks.iter_mut().for_each(|t| t.heard = true);
        self.shared(end.zip(last))
    }

    /// The rest of a segment, or all of it.
    fn segment(&mut self, index: usize, gop: GopId, packets: Vec<Packet>, stats: &Stats) -> Result<(), MuxError> {
        let marks = Marks::new(&self.settings.class, stats);
        if self.settings.chunking.is_some() {
            if !self.rest(index, gop, packets, &marks, stats.last)? {
                return self.gap(index, gop.next());
            }
        } else {
            let spec = &self.tracks[index].described.spec;
            let mut making = Making::new(spec, gop, &self.settings.class, None);
            making.push(packets);
            match making.finish(spec, &marks, stats.last) {
                Ok(()) => self.tracks[index].making = Some(making),
                Err(error @ (MuxError::Packets { .. } | MuxError::Number { .. })) => return self.undecodable(index, gop, error.to_string()),
                Err(error) => return Err(error),
            }
        }
        let Some(making) = self.tracks[index].making.take() else { return Ok(()) };
        self.whole(index, making, marks, stats)
    }

    /// Publishes a segment that is complete.
    fn whole(&mut self, index: usize, making: Making, marks: Marks, stats: &Stats) -> Result<(), MuxError> {
        let (track, gop, packets) = (&self.tracks[index], making.gop, making.packets());
        let facts = match inspect::segment(making.bytes(), Some(&track.init)) {
            Ok(facts) => facts,
            Err(error) => return self.unfit(index, making, error.to_string()),
        };
        let findings = self.judge(track, gop, &facts, packets, stats);
        if let Some(worst) = findings.iter().find(|f| f.undecodable()) {
            let why = worst.text.clone();
            return self.unfit(index, making, why);
        }
        for finding in &findings {
            tracing::warn!(track = track.described.spec.name, segment = gop.0, code = ?finding.code, "{}", finding.text);
        }
        let locked = match self.tracks[index].protected.as_mut().map(|protected| protected.media(gop, None, making.bytes())).transpose() {
            Ok(locked) => locked,
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => return self.unfit(index, making, error.to_string()),
        };
        let track = &self.tracks[index];
        let spec = &track.described.spec;
        let counts = self.counts();
        counts.findings.fetch_add(findings.len() as u64, Relaxed);
        counts.segments.fetch_add(1, Relaxed);
        let over_cap = self.over_cap(track, gop, packets);
        let units = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        let shown = Shown::new(stats, track.described.audio().is_some(), spec.span(stats.units).nearest_ticks(1000));
        let (bytes, facts) = locked.unwrap_or_else(|| (making.into_bytes(), facts));
        counts.bytes.fetch_add(bytes.len() as u64, Relaxed);
        let verdict = Arc::new(Verdict::new(marks, &bytes, &findings, over_cap).showing(shown));
        counts.probes.get().into_iter().for_each(|probes| probes.muxed(index, gop));
        let (track, path) = (spec.name.clone(), spec.segment_path(gop));
        self.send(Publish::Segment { track, number: gop, path, bytes: Bytes::from(bytes), slot_end: self.grid.gop_time(gop.next()), verdict })?;

        let shard = self.is_shard();
        let track = &mut self.tracks[index];
        track.short = (units < track.described.spec.units(gop)).then_some(gop);
        let (gaps, mut leave) = track.gap_up_to(gop);
        counts.gaps.fetch_add(gaps, Relaxed);
        let entry = entry(&track.described.spec, gop, units);
        leave.extend(track.listing.push(entry));
        if let Some(iframes) = track.iframes.as_mut().filter(|_| !shard) {
            iframes.insert(gop, Place::of(&facts));
        }
        self.playlist(index, false, leave)
    }

    /// What the segment breaks: what it shows itself, and its place among the others.
    fn judge(&self, track: &Track, gop: GopId, facts: &SegmentFacts, packets: &[Packet], stats: &Stats) -> Vec<Finding> {
        let spec = &track.described.spec;
        let mut findings = facts.findings.clone();
        // An IDR inside that the encoder announces was asked for by a splice; one that it does not announce breaks the sync flag's rule.
        findings.retain(|f| f.code != Code::IdrInside);
        let grid = spec.first_unit(gop).unsigned_abs() * u64::from(spec.unit_ticks());
        if facts.tfdt() != grid {
            findings.push(Finding::new(Code::TfdtGrid, format!("tfdt {}; the grid has {grid}", facts.tfdt())));
        }
        if facts.duration() != packets.len() as u64 * u64::from(spec.unit_ticks()) {
            findings.push(Finding::new(Code::Samples, format!("it lasts {} ticks, for {} units", facts.duration(), packets.len())));
        }
        if facts.samples().count() != stats.units as usize {
            findings.push(Finding::new(Code::Samples, format!("it has {} samples, for {} that were encoded", facts.samples().count(), stats.units)));
        }
        if let Some(short) = track.short {
            findings.push(Finding::new(Code::TfdtBreak, format!("segment {short} was shorter than its GOP, yet this follows")));
        }
        findings
    }

    fn over_cap(&self, track: &Track, gop: GopId, packets: &[Packet]) -> bool {
        let spec = &track.described.spec;
        let super::TrackKind::Video { rendition, .. } = &spec.kind else { return false };
        let bits = packets.iter().map(|p| p.data.len() as i128 * 8).sum::<i128>();
        let (num, den) = spec.span(u32::try_from(packets.len()).unwrap_or(u32::MAX)).fraction();
        let most = i128::from(entries::peak(rendition.max_bitrate)) * num / den;
        if bits > most {
            self.settings.counts.over_cap.fetch_add(1, Relaxed);
            tracing::warn!(track = spec.name, segment = gop.0, bits = bits as u64, most = most as u64, "larger than 1.10 x cap x duration");
        }
        bits > most
    }

    /// A whole segment that cannot be decoded.
    fn unfit(&mut self, index: usize, making: Making, why: String) -> Result<(), MuxError> {
        let (gop, out) = (making.gop, !making.pieces().is_empty());
        self.tracks[index].making = Some(making).filter(|_| out && self.settings.chunking.is_some());
        let name = self.tracks[index].described.spec.name.clone();
        self.abort(index, &why)?;
        self.undecodable(index, gop, format!("{name}: segment {gop}: {why}"))
    }

    fn undecodable(&mut self, index: usize, gop: GopId, why: String) -> Result<(), MuxError> {
        tracing::error!("{why}: not published");
        self.settings.counts.undecodable.fetch_add(1, Relaxed);
        self.gap(index, gop.next())
    }

    /// Lists gaps up to `to`. Before the first segment of a track there is nothing to have a gap in.
    fn gap(&mut self, index: usize, to: GopId) -> Result<(), MuxError> {
        let gaps = self.list_gap(index, to)?;
        self.settings.counts.gaps.fetch_add(gaps, Relaxed);
        Ok(())
    }

    /// As [`Publisher::gap`], without counting: how many there are.
    fn list_gap(&mut self, index: usize, to: GopId) -> Result<u64, MuxError> {
        let track = &mut self.tracks[index];
        if track.listing.last().is_none() || track.described.spec.legal(to).is_err() {
            return Ok(0);
        }
        let (gaps, leave) = track.gap_up_to(to);
        if (gaps > 0 || !leave.is_empty()) && !track.listing.entries().is_empty() {
            self.playlist(index, false, leave)?;
        }
        Ok(gaps)
    }

    /// Another shard makes this segment of so many units: it is listed as its own are, whether it comes there or not.
    fn elsewhere(&mut self, index: usize, gop: GopId, units: u32) -> Result<(), MuxError> {
        let track = &mut self.tracks[index];
        let spec = &track.described.spec;
        if track.listing.last().is_some_and(|last| gop <= last) || spec.legal(gop).is_err() {
            return Ok(());
        }
        let entry = entry(spec, gop, units);
        track.short = (units < spec.units(gop)).then_some(gop);
        let (gaps, mut leave) = track.gap_up_to(gop);
        leave.extend(track.listing.push(entry));
        self.settings.counts.gaps.fetch_add(gaps, Relaxed);
        self.playlist(index, false, leave)
    }

    /// Whether this is one of several shards, which list no segments.
    fn is_shard(&self) -> bool {
        self.settings.share.as_ref().is_some_and(Share::is_of_several)
    }

    fn playlist(&mut self, index: usize, ended: bool, leave: Vec<GopId>) -> Result<(), MuxError> {
        if self.is_shard() {
            let (spec, part) = (&self.tracks[index].described.spec, &self.tracks[index].part);
            return leave.into_iter().filter(|gop| part.has(*gop)).try_for_each(|gop| self.send(Publish::Remove { path: spec.segment_path(gop) }));
        }
        self.live_playlist(index, ended)?;
        self.iframes(index, ended)?;
        let track = &self.tracks[index];
        let spec = &track.described.spec;
        let text = self.cued(track, hls::media(spec, &track.listing, self.target, self.hold(ended), None, track.guard()));
        let edge = track.listing.last().map(|last| Edge { next: last.next(), parts: 0 });
        let readers = if self.part_target.is_some() { Readers::Whole } else { Readers::All };
        self.send(Publish::Text { path: spec.playlist_path(), bytes: Bytes::from(text), readers, edge })?;
        leave.into_iter().try_for_each(|gop| self.send(Publish::Remove { path: spec.segment_path(gop) }))
    }

    /// How far players stay behind, while there is more to come.
    fn hold(&self, ended: bool) -> Option<hls::Hold> {
        (!ended).then_some(hls::Hold { publish_delay: self.settings.publish_delay, window: self.settings.window })
    }

    /// The playlist with parts, where there are any. Nothing before the first whole segment of the track.
    pub(super) fn live_playlist(&mut self, index: usize, ended: bool) -> Result<(), MuxError> {
        let (Some(part_target), Some(last)) = (self.part_target, self.tracks[index].listing.last()) else { return Ok(()) };
        let (next, target) = (last.next(), self.target);
        let track = &mut self.tracks[index];
        track.parts.trim(&track.described.spec, track.described.spec.time(track.described.spec.first_unit(next)), target);
        let track = &self.tracks[index];
        let spec = &track.described.spec;
        let edge = track.parts.edge(next);
        let others = self.tracks.iter().enumerate().filter(|(other, _)| *other != index).filter_map(|(_, other)| {
            let (number, part) = other.parts.last(other.listing.last()?.next());
            Some((other.described.spec.name.as_str(), number, part))
        });
        // Of a segment that was given up nothing more comes; of the event's last, neither. After a restart nobody knows what comes next.
        let more = track.broken != Some(next) && track.short.is_none() && !track.parts.is_empty();
        let low = hls::Low { part_target, parts: &track.parts, next: (next, more.then_some(edge.parts)), others: others.collect() };
        let bytes = Bytes::from(self.cued(track, hls::media(spec, &track.listing, target, self.hold(ended), Some(&low), track.guard())));
        self.send(Publish::Text { path: spec.playlist_path(), bytes, readers: Readers::Chunked, edge: Some(edge) })
    }

    /// A media playlist with the cues of its time.
    fn cued(&self, track: &Track, playlist: String) -> String {
        let begins = track.listing.entries().front().map_or(Seconds::ZERO, |first| first.start);
        cues::put(playlist, &cues::lines(&self.settings.schedule.cues(), begins))
    }

    /// The I-frame playlist, before the media playlist: what it lists is there as well.
    fn iframes(&mut self, index: usize, ended: bool) -> Result<(), MuxError> {
        let track = &mut self.tracks[index];
        let Some(iframes) = &mut track.iframes else { return Ok(()) };
        let (path, text) =
            (iframes::path(&track.described.spec), iframes.playlist(&track.listing, self.target, ended, track.protected.as_ref().map(Protected::guard)));
        self.send(Publish::Text { path, bytes: Bytes::from(text), readers: Readers::All, edge: None })
    }

    /// The multivariant playlist and the manifest, where they have changed and every track has been heard of.
    fn shared(&mut self, ended: Option<(Seconds, GopId)>) -> Result<(), MuxError> {
        let there: Vec<&Track> = self.tracks.iter().filter(|t| !t.listing.entries().is_empty()).collect();
        let first = there.iter().filter_map(|t| t.listing.entries().front()).map(|e| e.number).max();
        let kept = there.iter().filter_map(|t| t.listing.oldest()).max();
        let last = there.iter().filter_map(|t| t.listing.last()).min();
        let (Some(kept), Some(first), Some(last)) = (kept, first, last) else { return Ok(()) };
        if last < first || !self.tracks.iter().all(|t| t.heard) {
            return Ok(());
        }
        let described: Vec<Described> = there.iter().map(|t| t.described.clone()).collect();
        let pictures = there.iter().filter(|t| t.iframes.is_some()).map(|t| &t.described);
        let images = self.thumbnails.as_ref().map(Thumbnails::stream).unwrap_or_default();
        let main = hls::main(&described) + &images + &iframes::streams(pictures) + &session::lines(&self.settings.session);
        if main != self.main {
            self.send(Publish::Text { path: hls::MAIN.into(), bytes: Bytes::from(main.clone()), readers: Readers::All, edge: None })?;
            self.main = main;
        }
        let extent = Extent { kept, first, last, ended };
        let low = self.settings.chunking.and_then(|_| Some(dash::Low { chunk: there.iter().map(|t| t.longest_chunk(&self.settings)).max()? }));
        let whole = if low.is_some() { Readers::Whole } else { Readers::All };
        let kinds = [Some((None, whole)), low.map(|low| (Some(low), Readers::Chunked))];
        for (kind, (low, readers)) in kinds.into_iter().enumerate().filter_map(|(kind, of)| Some((kind, of?))) {
            let manifest = dash::manifest(&described, self.grid, self.settings.publish_delay, extent, low);
            let manifest = if let Some(thumbnails) = &self.thumbnails { thumbnails.described(manifest) } else { manifest };
            if manifest != self.manifest[kind] {
                self.send(Publish::Text { path: dash::MANIFEST.into(), bytes: Bytes::from(manifest.clone()), readers, edge: None })?;
                self.manifest[kind] = manifest;
            }
        }
        Ok(())
    }

    pub(super) fn send(&self, item: Publish) -> Result<(), MuxError> {
        self.tx.send(item).map_err(|_| MuxError::Gone)
    }
}

impl Track {
    fn guard(&self) -> Option<&Guard> {
        self.protected.as_ref().map(Protected::guard)
    }

    fn longest_chunk(&self, settings: &Settings) -> Seconds {
        let spec = &self.described.spec;
        spec.span(Cuts::of(spec, settings.chunking).units)
    }

    /// After a restart: lists those that follow the last entry up to before `to`, as long as they are other shards'. What to remove.
    fn others_up_to(&mut self, to: GopId) -> Vec<GopId> {
        let mut leave = Vec::new();
        while let Some(next) = self.listing.last().map(GopId::next).filter(|next| *next < to && !self.part.has(*next)) {
            let spec = &self.described.spec;
            leave.extend(self.listing.push(entry(spec, next, spec.units(next))));
        }
        leave
    }

    /// Lists gaps from the last entry to before `to`: how many of those were to be made here, and what to remove. Nothing on an empty list.
    fn gap_up_to(&mut self, to: GopId) -> (u64, Vec<GopId>) {
        let Some(from) = self.listing.last().map(GopId::next).filter(|from| *from < to) else { return (0, Vec::new()) };
        let spec = &self.described.spec;
        let leave = self.listing.gap(from, to, |gop| entry(spec, gop, spec.units(gop)));
        (self.part.count(from, to), leave)
    }
}

/// The playlist entry of `units` units from the start of `gop` on.
fn entry(spec: &TrackSpec, gop: GopId, units: u32) -> Entry {
    Entry { number: gop, start: spec.time(spec.first_unit(gop)), duration: spec.span(units), gap: false }
}
