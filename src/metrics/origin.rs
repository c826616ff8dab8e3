//! The page of `mezzo origin`.

use super::table as t;
use super::text::Page;
use crate::origin::counts::{Counts, Snapshot};

const STATES: [&str; 3] = ["waiting", "running", "ended"];

/// Writes everything that an origin counts.
pub fn origin(s: &Snapshot, page: &mut Page) {
    page.info(&t::WORKER, &[env!("CARGO_PKG_VERSION"), "origin"]);
    STATES.iter().for_each(|state| page.sample(&t::ORIGIN_STATE, &[state], s.state == *state));
    let tracks = [
        (&t::ORIGIN_PUBLISHED, (|t| t.counts.published) as fn(&crate::origin::counts::TrackSnapshot) -> u64),
        (&t::ORIGIN_BYTES, |t| t.counts.bytes),
        (&t::ORIGIN_GAPS, |t| t.counts.gaps),
        (&t::ORIGIN_MARKED, |t| t.counts.marked),
        (&t::ORIGIN_MISSES, |t| t.counts.deadline_misses),
        (&t::ORIGIN_WAITING, |t| t.waiting as u64),
    ];
    for (family, of) in tracks {
        s.tracks.iter().for_each(|track| page.sample(family, &[&track.name], of(track)));
    }
    for track in &s.tracks {
        track.counts.last.into_iter().for_each(|last| page.sample(&t::ORIGIN_NUMBER, &[&track.name], last));
    }
    let pipelines = || s.tracks.iter().flat_map(|track| track.pipelines.iter().map(move |pipeline| (track.name.as_str(), pipeline)));
    pipelines().for_each(|(track, p)| page.sample(&t::ORIGIN_RECEIVED, &[track, &p.pipeline], p.counts.received));
    pipelines().for_each(|(track, p)| page.sample(&t::ORIGIN_RECEIVED_BYTES, &[track, &p.pipeline], p.counts.bytes));
    for (track, p) in pipelines() {
        fates(&p.counts).into_iter().for_each(|(fate, count)| page.sample(&t::ORIGIN_FATES, &[track, &p.pipeline, fate], count));
    }
    pipelines().for_each(|(track, p)| page.sample(&t::ORIGIN_ALIVE, &[track, &p.pipeline], p.alive));
    page.sample(&t::ORIGIN_UNWRITTEN, &[], s.unwritten);
}

fn fates(counts: &Counts) -> [(&'static str, u64); 9] {
    let Counts { chosen, identical, differing, passed_over, broken, broken_off, late, masked, refused, .. } = *counts;
    [
        ("chosen", chosen),
        ("identical", identical),
        ("differing", differing),
        ("passed_over", passed_over),
        ("broken", broken),
        ("broken_off", broken_off),
        ("late", late),
        ("masked", masked),
        ("refused", refused),
    ]
}
