//! The forms that a job publishes its one encode in: clear, and as each `[protection]` has it; with the outputs of each, and what an earlier life left there.

use super::{RunError, wrong};
use crate::job::protection::Group;
use crate::job::{Job, Output, Pace};
use crate::mux::{self, MuxError, TrackSpec};
use crate::plan::Plan;
use crate::protect::{Fetcher, Form};
use crate::sink::store::Store;
use crate::sink::{self, Publish, Readers, Sink, stored};
use crate::status::Status;
use crossbeam::channel::{Receiver, bounded};
use std::path::Path;
use std::sync::Arc;

/// What waits to be published in one form. Full: the muxer waits.
const PUBLISH: usize = 64;

/// The forms of a job, the clear one first, where there is one. At least one, if of no output.
pub struct Forms {
    each: Vec<(Option<Arc<Form>>, Group)>,
    /// What asks key servers, a thread each.
    pub fetchers: Vec<Fetcher>,
}

/// A form that is open: for the muxer, and for the thread that publishes.
pub struct Open {
    /// For the muxer.
    pub mux: mux::Other,
    /// Where it goes.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What is to go there.
    pub published: Receiver<Publish>,
}

impl Forms {
    /// As the job asks for them, each with its first keys.
    pub fn open(job: &Job, plan: &Plan, status: &Status) -> Result<Forms, RunError> {
        let opened = job.protection.iter().map(|asked| Form::open(asked, plan.grid, job.pace == Pace::Live)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let (forms, fetchers): (Vec<Arc<Form>>, Vec<_>) = opened.into_iter().unzip();
        status.watch_protection(forms.iter().map(|form| (form.scheme(), form.counts())).collect());
        let each = job.groups().into_iter().map(|group| (group.form.and_then(|n| forms.get(n)).cloned(), group)).collect();
        Ok(Forms { each, fetchers: fetchers.into_iter().flatten().collect() })
    }

    /// Whether what the outputs hold already can go on with these tracks, in the form of each. Reads only.
    pub fn agree(&self, tracks: &[TrackSpec], class: &str) -> Result<(), RunError> {
        self.each.iter().try_for_each(|(form, group)| {
            let inits = tracks.iter().map(|track| Ok((track.init_path(), mux::init_in(track, class, form.as_ref())?)));
            sink::agree(&group.outputs, &inits.collect::<Result<Vec<_>, MuxError>>().map_err(wrong)?).map_err(wrong)
        })
    }

    /// The directory whose segments the embedded origin may hand out: the first of its own form.
    pub fn folder(&self) -> Option<&Path> {
        self.each.iter().find(|(_, group)| group.listen)?.1.directory()
    }

    /// Opens the destinations of each form, memory first.
    pub fn destinations(&self, plan: &Plan, pace: Pace, store: &Store, status: &Arc<Status>) -> Result<Vec<Vec<Box<dyn Sink>>>, RunError> {
        let context = sink::Context::of(plan, pace, status);
        let open = |group: &Group| {
            let memory = group.listen.then(|| Ok(Box::new(store.clone()) as Box<dyn Sink>));
            memory.into_iter().chain(group.outputs.iter().map(|output: &Output| sink::open(output, &context))).collect::<Result<Vec<_>, _>>().map_err(wrong)
        };
        self.each.iter().map(|(_, group)| open(group)).collect()
    }

    /// What the muxer and the publishing threads need, in the order of the forms; what an earlier life of this job left is taken up, by the embedded origin as well.
    /// The forms live as long as the muxer wants keys of them.
    pub fn start(self, destinations: Vec<Vec<Box<dyn Sink>>>, tracks: &[TrackSpec], sheets: bool, store: &Store) -> Result<Vec<Open>, RunError> {
        let open = |((form, group), sinks): ((Option<Arc<Form>>, Group), _)| {
            let stored = earlier(&group, tracks, sheets, store)?;
            let (tx, published) = bounded(PUBLISH);
            Ok(Open { mux: mux::Other { form, stored, tx }, sinks, published })
        };
        self.each.into_iter().zip(destinations).map(open).collect()
    }
}

fn earlier(group: &Group, tracks: &[TrackSpec], sheets: bool, store: &Store) -> Result<mux::Stored, RunError> {
    let Some(directory) = group.directory() else { return Ok(mux::Stored::default()) };
    let names: Vec<String> = tracks.iter().map(|track| track.name.clone()).collect();
    let segments = stored::scan(directory, &names).map_err(wrong)?;
    let iframes = stored::pictures(directory, &segments, &mux::iframes::tracks(tracks));
    let sheets = if sheets { stored::sheets(directory).map_err(wrong)? } else { Vec::new() };
    if group.listen {
        store.restore(directory, &segments).map_err(wrong)?;
        let mut store = store.clone();
        let kept = sheets.iter().map(|number| mux::thumbnails::path(number.0));
        for path in kept.chain((!sheets.is_empty()).then(mux::thumbnails::playlist_path)) {
            if let Ok(bytes) = std::fs::read(directory.join(&path)) {
                store.publish(&Publish::Text { path, bytes: bytes.into(), readers: Readers::All, edge: None }).map_err(wrong)?;
            }
        }
    }
    Ok(mux::Stored { segments, iframes, sheets })
}
