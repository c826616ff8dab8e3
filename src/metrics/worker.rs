//! The page of a worker.

use super::probes::QUEUES;
use super::table as t;
use super::text::{Page, Value};
use crate::clock::Lock;
use crate::sink::store::Usage;
use crate::status::{ClockSnapshot, Media, MemorySnapshot, Seen, Snapshot, SourceSnapshot, State, Status, TrackSnapshot};
use crate::time::{Rate, Seconds};
use std::sync::atomic::Ordering::Relaxed;

const STATES: [State; 5] = [State::Starting, State::Running, State::Leaving, State::Ended, State::Failed];

/// Writes everything that a worker counts.
pub fn worker(status: &Status, page: &mut Page) {
    let (s, seen) = (status.snapshot(), status.seen());
    page.info(&t::WORKER, &[env!("CARGO_PKG_VERSION"), &s.class]);
    STATES.iter().for_each(|state| page.sample(&t::STATE, &[state.name()], *state == s.state));
    let started = Seconds::host_now() - Seconds::from_nanos(status.uptime().as_nanos() as i128);
    page.sample(&t::STARTED, &[], Value::Millionths(started.nearest_ticks(1_000_000).into()));
    page.sample(&t::LIVE, &[], s.live);
    page.sample(&t::SEGMENT, &[], Value::millis(s.segment_ms));
    seen.deadline.iter().for_each(|watch| page.sample(&t::PUBLISH_DELAY, &[], Value::Millionths(watch.delay().nearest_ticks(1_000_000).into())));
    inputs(&s, page);
    feeds(&s, &seen, page);
    stages(status, page);
    tracks(&s, &seen, page);
    rungs(&s, &seen, page);
    mux(&s, &seen, page);
    outputs(&s, &seen, page);
    for keys in &s.protection {
        page.sample(&t::KEYS_FETCHED, &[keys.scheme], keys.fetched);
    }
    s.protection.iter().for_each(|keys| page.sample(&t::KEYS_FAILED, &[keys.scheme], keys.failed));
    s.protection.iter().for_each(|keys| page.sample(&t::KEYS_MISSING, &[keys.scheme], keys.missing));
    if let Some(traces) = &seen.traces {
        page.sample(&t::TRACES, &[], traces.sent.load(Relaxed));
        page.sample(&t::TRACES_DROPPED, &[], traces.dropped.load(Relaxed));
    }
    if let Some(MemorySnapshot { parts, held }) = &s.memory {
        let parts = [("codecs", parts.codecs), ("origin", parts.origin), ("outputs", parts.outputs), ("pictures", parts.pictures)];
        parts.iter().for_each(|(part, bytes)| page.sample(&t::MEMORY_PART, &[part], *bytes));
        page.sample(&t::MEMORY_PICTURES, &[], *held);
    }
    page.sample(&t::LOG_SUPPRESSED, &[], crate::metrics::log_suppressed());
}

/// Writes what is held in memory for players.
pub fn store(usage: &Usage, page: &mut Page) {
    page.sample(&t::STORE_SEGMENTS, &[], usage.segments);
    page.sample(&t::STORE_BYTES, &[], usage.bytes);
    page.sample(&t::STORE_LIMIT, &[], usage.limit);
    page.sample(&t::STORE_EVICTED, &[], usage.evicted);
    page.sample(&t::STORE_CONFLICTS, &[], usage.conflicts);
    page.sample(&t::STORE_MAKING, &[], usage.making);
    page.sample(&t::STORE_GIVEN_UP, &[], usage.given_up);
}

/// One family of a few that are alike: each item's label, and its value.
macro_rules! each {
    ($page:expr, $items:expr, $($family:ident: $value:expr;)*) => {
        $(for (label, item) in $items { $page.sample(&t::$family, &[label], $value(item)); })*
    };
}

/// Labels of inputs, feeds and outputs: their places.
const PLACES: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"];

fn inputs(s: &Snapshot, page: &mut Page) {
    use crate::capture::paths::counts::PathSnapshot as P;
    let Some(inputs) = &s.inputs else { return };
    let paths: Vec<(&str, &P)> = PLACES.into_iter().zip(&inputs.paths).collect();
    paths.iter().for_each(|(place, path)| page.info(&t::INPUT, &[place, &path.input]));
    each! { page, paths.iter().copied(),
        INPUT_UP: |p: &P| p.up;
        INPUT_BYTES: |p: &P| p.bytes;
        INPUT_PACKETS: |p: &P| p.packets;
        INPUT_LOST: |p: &P| p.lost;
        INPUT_FILLED: |p: &P| p.filled;
        INPUT_DUPLICATE: |p: &P| p.duplicate;
        INPUT_REORDERED: |p: &P| p.reordered;
        INPUT_LATE: |p: &P| p.late;
        INPUT_GARBAGE: |p: &P| p.garbage;
        INPUT_CONTINUITY: |p: &P| p.continuity;
        INPUT_OVERRUNS: |p: &P| p.overruns;
        INPUT_RECONNECTS: |p: &P| p.reconnects;
    }
    for (place, path) in &paths {
        path.silent_ms.into_iter().for_each(|ms| page.sample(&t::INPUT_SILENCE, &[place], Value::Millionths(i128::from(ms) * 1000)));
    }
    page.sample(&t::MERGE_LOST, &[], inputs.merge.lost);
    page.sample(&t::MERGE_CONTINUITY, &[], inputs.merge.continuity);
    page.sample(&t::MERGE_HURT, &[], inputs.merge.hurt);
    page.sample(&t::MERGE_WAIT, &[], Value::Millionths(inputs.merge.wait_us.into()));
    page.sample(&t::MERGE_DELAY, &[], Value::Millionths(inputs.merge.delay_us.into()));
}

fn feeds(s: &Snapshot, seen: &Seen, page: &mut Page) {
    use SourceSnapshot as F;
    let feeds: Vec<(&str, &F)> = PLACES.into_iter().zip([&s.source].into_iter().chain(s.standby.as_ref().map(|second| &second.source))).collect();
    let rate = s.tracks.iter().find_map(|track| if let Media::Video { rate, .. } = track.facts.media { Some(rate) } else { None });
    let slots = |slots: u64| spanned(slots, rate);
    each! { page, feeds.iter().copied(),
        SOURCE_BYTES: |f: &F| f.bytes;
        SOURCE_UNITS: |f: &F| f.units;
        SOURCE_PICTURES: |f: &F| f.pictures;
        SOURCE_ERRORS: |f: &F| f.errors;
        SOURCE_REPEATS: |f: &F| slots(f.repeats);
        SOURCE_FILLER: |f: &F| slots(f.fillers);
        SOURCE_SILENCE: |f: &F| Value::Millionths(i128::from(f.silent_samples) * 1_000_000 / i128::from(crate::plan::SAMPLE_RATE));
        SOURCE_DROPPED: |f: &F| f.dropped;
        SOURCE_SHED: |f: &F| f.shed_gops;
        SOURCE_ANCHORS: |f: &F| f.anchors;
        SOURCE_DISCONNECTS: |f: &F| f.disconnects;
        SOURCE_RECONNECTS: |f: &F| f.reconnects;
        SOURCE_REFUSED: |f: &F| f.callers_refused;
        SOURCE_CHANGES: |f: &F| f.changes;
        SOURCE_LEFT_DEVICE: |f: &F| f.left_device;
    }
    if let Some(standby) = &s.standby {
        [0u8, 1].iter().for_each(|feed| page.sample(&t::FEED_SHOWN, &[PLACES[usize::from(*feed)]], standby.switch.active == *feed));
        page.sample(&t::FEED_SWITCHES, &[], standby.switch.switches);
    }
    let clocks = [s.clock.as_ref(), s.standby.as_ref().and_then(|second| second.clock.as_ref())];
    let clocks: Vec<(&str, (&ClockSnapshot, i64))> =
        PLACES.into_iter().zip(clocks.into_iter().zip(&seen.offsets_us)).filter_map(|(place, (clock, offset))| Some((place, (clock?, *offset)))).collect();
    clocks.iter().for_each(|(place, (clock, _))| page.info(&t::CLOCK, &[place, &clock.reference, clock.lock.name()]));
    each! { page, clocks.iter().copied(),
        CLOCK_LOCKED: |(clock, _): (&ClockSnapshot, i64)| clock.lock == Lock::Locked;
        CLOCK_OFFSET: |(_, offset): (&ClockSnapshot, i64)| Value::Millionths(offset.into());
        CLOCK_MARGIN: |(clock, _): (&ClockSnapshot, i64)| Value::Millionths(clock.margin_us.into());
    }
}

/// How long so many slots last.
fn spanned(slots: u64, rate: Option<Rate>) -> Value {
    Value::Millionths(rate.map_or(0, |rate| i128::from(slots) * 1_000_000 * i128::from(rate.den()) / i128::from(rate.num())))
}

fn stages(status: &Status, page: &mut Page) {
    let p = &status.probes;
    let stages = [("decode", &p.decode), ("downscale", &p.downscale), ("encode", &p.encode), ("mux", &p.mux), ("publish", &p.publish), ("total", &p.total)];
    stages.iter().for_each(|(stage, seen)| page.histogram(&t::STAGE, &[stage], &seen.snapshot()));
    QUEUES.iter().for_each(|(queue, name)| page.sample(&t::QUEUE, &[name], p.queued(*queue)));
}

fn tracks(s: &Snapshot, seen: &Seen, page: &mut Page) {
    use TrackSnapshot as T;
    let all = || s.tracks.iter().map(|track| (track.facts.name.as_str(), track));
    for (name, track) in all() {
        let (media, codec) = match &track.facts.media {
            Media::Video { codec, .. } => ("video", codec.name()),
            Media::Audio { codec, .. } => ("audio", codec.name()),
        };
        page.info(&t::TRACK, &[name, media, codec, track.facts.backend.as_deref().unwrap_or("")]);
    }
    each! { page, all(),
        TRACK_CAP: |t: &T| Value::Millionths(i128::from(t.facts.max_bitrate) * 125_000);
        TRACK_SEGMENTS: |t: &T| t.segments;
        TRACK_BYTES: |t: &T| t.bytes;
    }
    all().for_each(|(name, track)| track.last_segment.into_iter().for_each(|n| page.sample(&t::TRACK_NUMBER, &[name], n)));
    // Of a rung that is disabled its last segment says nothing of now.
    let made = || all().filter(|(_, track)| track.enabled);
    made().for_each(|(name, track)| track.lag_ms.into_iter().for_each(|ms| page.sample(&t::TRACK_LAG, &[name], Value::millis(ms))));
    made().for_each(|(name, track)| track.age_ms.into_iter().for_each(|ms| page.sample(&t::TRACK_AGE, &[name], Value::millis(ms))));
    let due = || all().filter_map(|(name, track)| Some((name, track.deadline?)));
    due().for_each(|(name, deadline)| page.sample(&t::TRACK_MISSES, &[name], deadline.misses));
    due().for_each(|(name, deadline)| page.sample(&t::TRACK_LATE, &[name], deadline.late));
    due().for_each(|(name, deadline)| page.sample(&t::TRACK_OVERDUE, &[name], Value::millis(deadline.overdue_ms)));
    for (place, (name, _)) in all().enumerate() {
        let headroom = seen.deadline.as_ref().and_then(|watch| watch.headroom(place));
        headroom.into_iter().for_each(|seen| page.histogram(&t::TRACK_HEADROOM, &[name], &seen.snapshot()));
    }
    made().for_each(|(name, track)| track.quality.score.into_iter().for_each(|score| page.sample(&t::TRACK_SCORE, &[name], u64::from(score))));
    for (name, track) in all() {
        for defect in &crate::verdict::defects::DEFECTS {
            let segments = track.quality.defects.get(defect.name).map_or(0, |of| of.segments);
            page.sample(&t::TRACK_DEFECTS, &[name, defect.name], segments);
        }
    }
}

fn rungs(s: &Snapshot, seen: &Seen, page: &mut Page) {
    use TrackSnapshot as T;
    let rungs: Vec<(&str, &T)> = s.tracks.iter().map(|track| (track.facts.name.as_str(), track)).filter(|(_, track)| track.encoded.is_some()).collect();
    each! { page, rungs.iter().copied(),
        RUNG_PICTURES: |t: &T| t.encoded.unwrap_or(0);
        RUNG_QUEUE: |t: &T| t.queue.unwrap_or(0);
    }
    for (name, track) in &rungs {
        page.sample(&t::RUNG_DROPPED, &[name, "late"], track.late);
        page.sample(&t::RUNG_DROPPED, &[name, "failed"], track.failed);
        page.sample(&t::RUNG_DROPPED, &[name, "overload"], track.paused);
    }
    each! { page, rungs.iter().copied(),
        RUNG_OVERLOAD: |t: &T| t.overload.unwrap_or_default() as u64;
        RUNG_HURRIED: |t: &T| t.hurried;
        RUNG_RETRIES: |t: &T| t.retries;
        RUNG_FALLBACKS: |t: &T| t.fallbacks;
        RUNG_UNHELD: |t: &T| t.unheld;
        RUNG_OVER_CAP: |t: &T| t.over_cap;
    }
    let counted = || s.tracks.iter().zip(&seen.rungs).filter_map(|(track, rung)| Some((track.facts.name.as_str(), rung.as_ref()?)));
    counted().for_each(|(name, rung)| page.histogram(&t::RUNG_EFFORT, &[name], &rung.measured.effort.snapshot()));
    for (name, rung) in counted() {
        rung.measured.quantizer().into_iter().for_each(|q| page.sample(&t::RUNG_QUANTIZER, &[name], Value::Millionths(i128::from(q) * 1000)));
    }
}

fn mux(s: &Snapshot, seen: &Seen, page: &mut Page) {
    page.sample(&t::MUX_GAPS, &[], s.published.gaps);
    page.sample(&t::MUX_UNDECODABLE, &[], s.published.undecodable);
    if let Some(counts) = &seen.mux {
        page.sample(&t::MUX_CHUNKS, &[], counts.chunks.load(Relaxed));
        page.sample(&t::MUX_ABORTED, &[], counts.aborted.load(Relaxed));
    }
    page.sample(&t::MUX_FINDINGS, &[], s.published.findings);
    if let Some(counts) = &seen.mux {
        page.sample(&t::MUX_STALE, &[], counts.stale.load(Relaxed));
    }
    page.sample(&t::CONFLICTS, &[], s.conflicts);
}

fn outputs(s: &Snapshot, seen: &Seen, page: &mut Page) {
    use crate::sink::remote::counts::Snapshot as O;
    let outputs: Vec<(&str, &O)> = PLACES.into_iter().zip(&s.outputs).collect();
    outputs.iter().for_each(|(place, output)| page.info(&t::OUTPUT, &[place, output.url.split(':').next().unwrap_or("")]));
    each! { page, outputs.iter().copied(),
        OUTPUT_WELL: |o: &O| o.state == "well";
        OUTPUT_REQUESTS: |o: &O| o.requests;
        OUTPUT_BYTES: |o: &O| o.bytes;
        OUTPUT_SEGMENTS: |o: &O| o.segments;
    }
    PLACES.into_iter().zip(&seen.outputs).for_each(|(place, counts)| page.histogram(&t::OUTPUT_LATENCY, &[place], &counts.latency.snapshot()));
    for (place, output) in &outputs {
        let mut failures: Vec<_> = output.failures.iter().collect();
        failures.sort_unstable();
        failures.into_iter().for_each(|(kind, count)| page.sample(&t::OUTPUT_FAILURES, &[place, kind], *count));
    }
    each! { page, outputs.iter().copied(),
        OUTPUT_RETRIES: |o: &O| o.retries;
        OUTPUT_CONNECTIONS: |o: &O| o.connections;
        OUTPUT_SLOW: |o: &O| o.over_budget;
        OUTPUT_FILLED: |o: &O| o.filled_in;
        OUTPUT_DROPPED: |o: &O| o.dropped;
        OUTPUT_TORN: |o: &O| o.torn;
        OUTPUT_TEXTS: |o: &O| o.texts_dropped;
        OUTPUT_BACKLOG: |o: &O| o.backlog_segments;
        OUTPUT_BACKLOG_BYTES: |o: &O| o.backlog_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::Format;
    use super::super::{origin, table};
    use super::*;
    use crate::budget::Parts;
    use crate::capture::paths::counts as paths;
    use crate::deadline::{Maker, Watch};
    use crate::encode::TrackId;
    use crate::origin::counts as of_origin;
    use crate::protect::cipher::Scheme;
    use crate::schedule::Schedule;
    use crate::status::tests::plan;
    use crate::time::GopId;
    use crate::verdict::Verdict;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// A worker that has one of everything.
    fn full() -> Status {
        let (plan, status) = (plan(), Status::new(&plan(), true));
        let slot = plan.grid.rate.period();
        status.clock.choose("pictures".into(), Lock::Locked, slot);
        let path = || Arc::new(paths::PathCounts::new("udp://239.1.1.1:5000"));
        let counts = paths::Counts { paths: vec![path(), path()], merge: Default::default() };
        counts.paths.iter().for_each(|path| path.came(1316));
        status.watch_paths(Arc::new(counts));
        status.watch_mux(Arc::default());
        let parts = Parts { limit: 10, codecs: 4, origin: 3, outputs: 2, pictures: 1 };
        status.watch_memory(parts, Vec::new());
        status.watch_rung(TrackId(0), Arc::default());
        status.watch_output(Arc::new(crate::sink::remote::counts::Counts::new("https://origin.example/live")));
        status.watch_protection(vec![(Scheme::Cbcs, Arc::default())]);
        status.watch_traces(Arc::default());
        status.watch_standby(Arc::default(), Arc::new(Status::new(&plan, true)));
        status.watch_deadline(Watch::new(plan.grid, Seconds::whole(6), status.names(), Box::new(|_, _| Maker::Here), Arc::clone(&status.events)));
        let now = Seconds::host_now();
        status.segment_published("v", GopId(now.floor_ticks(1) / 2 - 1), 250_000, now);
        status.segment_judged("v", GopId(10), &Verdict::default());
        status.seen().rungs[0].as_ref().expect("watched").measured.coded(2350);
        status
    }

    /// What the table says is on the page, and nothing else: whatever is documented can be scraped.
    #[test]
    fn every_metric_of_the_table_is_on_a_page() {
        let mut page = Page::new(Format::OpenMetrics);
        page.sample(&t::READY, &[], true);
        worker(&full(), &mut page);
        let usage = crate::sink::store::Store::new(1 << 20, []).usage();
        store(&usage, &mut page);
        let (text, mut written) = page.finish();
        let counts = of_origin::Counts::default();
        let pipeline = of_origin::PipelineSnapshot { pipeline: "a".into(), other_init: false, alive: true, counts };
        let track_counts = of_origin::TrackCounts { last: Some(5), ..Default::default() };
        let track = of_origin::TrackSnapshot { name: "v".into(), codecs: String::new(), counts: track_counts, waiting: 0, pipelines: vec![pipeline] };
        let snapshot = of_origin::Snapshot {
            state: "running",
            now: String::new(),
            segment_ms: None,
            pipelines: vec!["a".into()],
            tracks: vec![track],
            masks: Vec::new(),
            unwritten: 0,
            write_error: None,
        };
        let mut page = Page::new(Format::Prometheus);
        origin(&snapshot, &mut page);
        written.extend(page.finish().1);
        let written: BTreeSet<&str> = written.into_iter().collect();
        let table: BTreeSet<&str> = table::ALL.iter().map(|family| family.name).collect();
        assert_eq!(table.difference(&written).collect::<Vec<_>>(), Vec::<&&str>::new(), "in the table, and on no page");
        assert_eq!(written.difference(&table).collect::<Vec<_>>(), Vec::<&&str>::new(), "on a page, and not in the table");
        for line in [
            "mezzo_input_bytes_total{input=\"1\"} 1316\n",
            "mezzo_track_segments_total{track=\"v\"} 1\n",
            "mezzo_track_info{track=\"v\",media=\"video\",codec=\"avc\",backend=\"x264\"} 1\n",
            "mezzo_rung_quantizer{track=\"v\"} 23.5\n",
            "mezzo_worker_state{state=\"running\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    /// Else the alarms of its last segment go on for as long as it is disabled.
    #[test]
    fn of_a_rung_that_is_disabled_nothing_is_said_of_now() {
        let status = full();
        let said = || {
            let mut page = Page::new(Format::Prometheus);
            worker(&status, &mut page);
            let text = page.finish().0;
            ["lag_seconds", "age_seconds", "score", "segments_total"].map(|name| text.contains(&format!("mezzo_track_{name}{{track=\"v\"}}")))
        };
        assert_eq!(said(), [true; 4]);
        status.watch_schedule(Schedule::without("v"));
        assert_eq!(said(), [false, false, false, true]);
    }

    #[test]
    fn slots_are_told_in_seconds() {
        assert_eq!(spanned(60, Rate::new(30_000, 1001)), Value::Millionths(2_002_000));
        assert_eq!(spanned(60, None), Value::Millionths(0));
    }
}
