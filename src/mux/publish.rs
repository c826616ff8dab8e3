//! What goes out, in order: initialisation segments, then every segment before the playlist that lists it, then what all tracks share.

use super::align::Ready;
use super::dash::{self, Extent};
use super::describe::Described;
use super::listing::{Entry, Listing};
use super::{Marks, MuxError, Settings, TrackSpec, entries, fragment, hls, init};
use crate::encode::{Packet, Stats, TrackId};
use crate::frame::End;
use crate::inspect::{self, Code, Finding, InitFacts, SegmentFacts};
use crate::protect::Guard;
use crate::sink::{Edge, Publish, Readers};
use crate::time::{GopId, Grid, Seconds};
use crate::verdict::Verdict;
use bytes::Bytes;
use crossbeam::channel::Sender;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    /// Rules that published segments break.
    pub findings: AtomicU64,
    /// Segments larger than 1.10 x cap x duration.
    pub over_cap: AtomicU64,
    /// Packets and verdicts that came after their number was decided.
    pub stale: AtomicU64,
}

/// Publishes. One per [`super::run`].
pub struct Publisher {
    tracks: Vec<Track>,
    settings: Settings,
    grid: Grid,
    target: i64,
    main: String,
    manifest: String,
    tx: Sender<Publish>,
}

struct Track {
    described: Described,
    init: InitFacts,
    listing: Listing,
    guard: Option<Guard>,
    /// Anything at all was decided on it, so nobody needs to wait for it.
    heard: bool,
    /// A segment that is shorter than its GOP: nothing may follow it.
    short: Option<GopId>,
}

impl Publisher {
    /// Publishes the initialisation segments, and the playlists of what is stored already.
    pub fn new(specs: Vec<TrackSpec>, settings: Settings, tx: Sender<Publish>) -> Result<Publisher, MuxError> {
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
        let mut publisher = Publisher { tracks: Vec::new(), settings, grid, target, main: String::new(), manifest: String::new(), tx };
        for spec in specs {
            let bytes = init::init(&spec, &publisher.settings.class)?;
            let init = inspect::init(&bytes).map_err(|source| MuxError::Init { track: spec.name.clone(), source })?;
            init.findings.iter().for_each(|f| tracing::warn!(track = spec.name, code = ?f.code, "initialisation segment: {}", f.text));
            let guard = publisher.settings.form.as_ref().map(|form| form.guard(&spec, &init)).transpose()?;
            let bytes = guard.as_ref().map_or(Ok(bytes.clone()), |guard| guard.init(&bytes))?;
            publisher.send(Publish::Init { path: spec.init_path(), bytes: Bytes::from(bytes) })?;
            let listing = Listing::new(publisher.settings.window, grid.gop_duration());
            let described = Described::new(&spec, &init, publisher.settings.chunk_slots).guarded(guard.as_ref(), publisher.settings.chunk_slots);
            publisher.tracks.push(Track { described, init, listing, guard, heard: false, short: None });
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
        let mut any = false;
        for (name, mut numbers) in stored {
            let Some(index) = self.tracks.iter().position(|t| t.described.spec.name == name) else { continue };
            numbers.sort_unstable();
            numbers.dedup();
            let mut leave = Vec::new();
            for number in numbers {
                let track = &mut self.tracks[index];
                track.described.spec.legal(number)?;
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
        match ready {
            Ready::Segment { gop, packets, stats } => self.segment(index, gop, &packets, &stats)?,
            Ready::Gap { from, to, why } => {
                tracing::warn!(track = self.tracks[index].described.spec.name, from = from.0, to = to.0, ?why, "segments left out");
                self.gap(index, to)?;
            }
            Ready::End(_) => {}
        }
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
        let last = self.tracks.iter().filter_map(|t| t.listing.last()).max();
        let over = |t: &Track| t.listing.entries().iter().rev().find(|e| !e.gap).map(|e| e.start + e.duration);
        // Of the pictures where there are any: sound may end up to a frame later.
        let (video, audio): (Vec<&Track>, Vec<&Track>) = self.tracks.iter().partition(|t| t.described.audio().is_none());
        let end = video.into_iter().filter_map(over).max().or(audio.into_iter().filter_map(over).max());
        self.tracks.iter_mut().for_each(|t| t.heard = true);
        self.shared(end.zip(last))
    }

    fn segment(&mut self, index: usize, gop: GopId, packets: &[Packet], stats: &Stats) -> Result<(), MuxError> {
        let track = &self.tracks[index];
        // Another form of the same lacks it.
        if track.listing.last().is_some_and(|last| gop <= last) {
            return Ok(());
        }
        let spec = &track.described.spec;
        let marks = Marks::new(&self.settings.class, stats);
        let bytes = match fragment::segment(spec, gop, packets, &marks, stats.last, self.settings.chunk_slots) {
            Ok(bytes) => bytes,
            Err(error @ (MuxError::Packets { .. } | MuxError::Number { .. })) => return self.undecodable(index, gop, error.to_string()),
            Err(error) => return Err(error),
        };
        let facts = match inspect::segment(&bytes, Some(&track.init)) {
            Ok(facts) => facts,
            Err(error) => return self.undecodable(index, gop, format!("{}: segment {gop}: {error}", spec.name)),
        };
        let findings = self.judge(track, gop, &facts, packets);
        if let Some(worst) = findings.iter().find(|f| f.undecodable()) {
            return self.undecodable(index, gop, format!("{}: segment {gop}: {}", spec.name, worst.text));
        }
        for finding in &findings {
            tracing::warn!(track = spec.name, segment = gop.0, code = ?finding.code, "{}", finding.text);
        }
        let bytes = match self.tracks[index].guard.as_mut().map_or(Ok(bytes.clone()), |guard| guard.media(gop, None, &bytes)) {
            Ok(bytes) => bytes,
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => return self.undecodable(index, gop, format!("segment {gop}: {error}")),
        };
        let track = &self.tracks[index];
        let spec = &track.described.spec;
        let counts = self.counts();
        counts.findings.fetch_add(findings.len() as u64, Relaxed);
        counts.segments.fetch_add(1, Relaxed);
        counts.bytes.fetch_add(bytes.len() as u64, Relaxed);
        let over_cap = self.over_cap(track, gop, packets);
        let verdict = Arc::new(Verdict::new(marks, &bytes, &findings, over_cap));
        let (track, path) = (spec.name.clone(), spec.segment_path(gop));
        self.send(Publish::Segment { track, number: gop, path, bytes: Bytes::from(bytes), slot_end: self.grid.gop_time(gop.next()), verdict })?;

        let track = &mut self.tracks[index];
        let units = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        track.short = (units < track.described.spec.units(gop)).then_some(gop);
        let (gaps, mut leave) = track.gap_up_to(gop);
        counts.gaps.fetch_add(gaps, Relaxed);
        let entry = entry(&track.described.spec, gop, units);
        leave.extend(track.listing.push(entry));
        self.playlist(index, false, leave)
    }

    /// What the segment breaks: what it shows itself, and its place among the others.
    fn judge(&self, track: &Track, gop: GopId, facts: &SegmentFacts, packets: &[Packet]) -> Vec<Finding> {
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

    fn undecodable(&mut self, index: usize, gop: GopId, why: String) -> Result<(), MuxError> {
        tracing::error!("{why}: not published");
        self.settings.counts.undecodable.fetch_add(1, Relaxed);
        self.gap(index, gop.next())
    }

    /// Lists gaps up to `to`. Before the first segment of a track there is nothing to have a gap in.
    fn gap(&mut self, index: usize, to: GopId) -> Result<(), MuxError> {
        let track = &mut self.tracks[index];
        if track.listing.last().is_none() || track.described.spec.legal(to).is_err() {
            return Ok(());
        }
        let (gaps, leave) = track.gap_up_to(to);
        self.settings.counts.gaps.fetch_add(gaps, Relaxed);
        if gaps == 0 || track.listing.entries().is_empty() { Ok(()) } else { self.playlist(index, false, leave) }
    }

    fn playlist(&self, index: usize, ended: bool, leave: Vec<GopId>) -> Result<(), MuxError> {
        let track = &self.tracks[index];
        let spec = &track.described.spec;
        let text = hls::media(spec, &track.listing, self.target, ended, track.guard.as_ref());
        let edge = track.listing.last().map(|last| Edge { next: last.next(), parts: 0 });
        self.send(Publish::Text { path: spec.playlist_path(), bytes: Bytes::from(text), readers: Readers::All, edge })?;
        leave.into_iter().try_for_each(|gop| self.send(Publish::Remove { path: spec.segment_path(gop) }))
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
        let main = hls::main(&described);
        let manifest = dash::manifest(&described, self.grid, self.settings.publish_delay, Extent { kept, first, last, ended });
        if main != self.main {
            self.send(Publish::Text { path: hls::MAIN.into(), bytes: Bytes::from(main.clone()), readers: Readers::All, edge: None })?;
            self.main = main;
        }
        if manifest != self.manifest {
            self.send(Publish::Text { path: dash::MANIFEST.into(), bytes: Bytes::from(manifest.clone()), readers: Readers::All, edge: None })?;
            self.manifest = manifest;
        }
        Ok(())
    }

    fn send(&self, item: Publish) -> Result<(), MuxError> {
        self.tx.send(item).map_err(|_| MuxError::Gone)
    }
}

impl Track {
    /// Lists gaps from the last entry to before `to`: how many, and what to remove. Nothing on an empty list.
    fn gap_up_to(&mut self, to: GopId) -> (u64, Vec<GopId>) {
        let Some(from) = self.listing.last().map(GopId::next).filter(|from| *from < to) else { return (0, Vec::new()) };
        let spec = &self.described.spec;
        let leave = self.listing.gap(from, to, |gop| entry(spec, gop, spec.units(gop)));
        (from.0.abs_diff(to.0), leave)
    }
}

/// The playlist entry of `units` units from the start of `gop` on.
fn entry(spec: &TrackSpec, gop: GopId, units: u32) -> Entry {
    Entry { number: gop, start: spec.time(spec.first_unit(gop)), duration: spec.span(units), gap: false }
}
