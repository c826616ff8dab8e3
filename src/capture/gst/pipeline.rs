//! A running pipeline and the bounded queue behind its appsinks.

use super::caps;
use crate::stop::Stop;
use crossbeam::channel::{Receiver, Sender, TrySendError, after, bounded, select};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Buffers that may wait for us. Full: a live pipeline loses the newest, which is counted; another one waits.
const LIVE: usize = 256;
const STORED: usize = 8;
/// Bytes of buffers that may wait, of a live pipeline.
const LIVE_BYTES: usize = 128 << 20;
/// Errors and ends that may wait; the first counts.
const NEWS: usize = 16;

/// What a pipeline has for us.
pub enum Event {
    /// A buffer that came to this appsink.
    Sample(usize, gst::Sample),
    /// Every appsink is at its end.
    Ended,
    /// It failed: which element, and why.
    Failed(String),
    /// Nothing came in time.
    Nothing,
    /// The flag was raised.
    Stopped,
}

/// What elements say.
enum News {
    Ended,
    Failed(String),
}

/// A pipeline that runs; it ends when this is dropped.
pub struct Pipeline {
    pipeline: gst::Pipeline,
    names: Vec<String>,
    samples: Receiver<(usize, gst::Sample)>,
    news: Receiver<News>,
    over: Option<News>,
    gate: Arc<Gate>,
    live: bool,
}

/// What the threads of the pipeline share.
struct Gate {
    /// Nobody takes anything any more.
    closed: Stop,
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl Pipeline {
    /// Builds a pipeline and lets it run. `as_it_is`: elements are not told what is accepted, and deliver what they like best.
    ///
    /// # Errors
    /// In words, with the element where there is one: the description is wrong, nothing can be taken from it, or it does not start.
    pub fn start(description: &str, as_it_is: bool) -> Result<Pipeline, String> {
        gst::init().map_err(|e| format!("GStreamer does not start: {e}"))?;
        let (pipeline, sinks) = build(description, as_it_is)?;
        let (tell, news) = bounded(NEWS);
        let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
        bus.set_sync_handler(move |_, message| {
            // Of more than NEWS errors, the first are told.
            let _ = match message.view() {
                gst::MessageView::Eos(_) => tell.try_send(News::Ended),
                gst::MessageView::Error(error) => tell.try_send(News::Failed(words(error))),
                _ => Ok(()),
            };
            gst::BusSyncReply::Drop
        });
        let gate = Arc::new(Gate { closed: Stop::new(), waiting: AtomicUsize::new(0), dropped: AtomicU64::new(0) });
        let names = sinks.iter().map(|sink| format!("appsink {}", sink.name())).collect();
        let mut running = Pipeline { pipeline, names, samples: bounded(0).1, news, over: None, gate, live: false };
        running.live = running.set_state(gst::State::Paused)? == gst::StateChangeSuccess::NoPreroll;
        let (tx, samples) = bounded(if running.live { LIVE } else { STORED });
        running.samples = samples;
        for (n, sink) in sinks.iter().enumerate() {
            let (gate, tx, live) = (running.gate.clone(), tx.clone(), running.live);
            let take = move |sink: &AppSink| gate.offer(n, sink.pull_sample().map_err(|_| gst::FlowError::Eos)?, &tx, live);
            sink.set_callbacks(AppSinkCallbacks::builder().new_sample(take).build());
        }
        running.set_state(gst::State::Playing)?;
        Ok(running)
    }

    fn set_state(&self, state: gst::State) -> Result<gst::StateChangeSuccess, String> {
        self.pipeline.set_state(state).map_err(|_| match self.news.try_recv() {
            Ok(News::Failed(why)) => why,
            _ => format!("the pipeline does not become {state:?}, and says nothing of why"),
        })
    }

    /// The appsinks, in words.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it delivers by a clock, and loses what is not taken in time.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Buffers lost so far because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.gate.dropped.load(Ordering::Relaxed)
    }

    /// Waits for what comes next, at most `span`. What was delivered goes before an end or an error.
    pub fn next(&mut self, span: Duration, stop: &Stop) -> Event {
        let limit = after(span);
        loop {
            if let Ok((sink, sample)) = self.samples.try_recv() {
                return self.taken(sink, sample);
            }
            // Whatever came before this was said has been taken above.
            match &self.over {
                Some(News::Ended) => return Event::Ended,
                Some(News::Failed(why)) => return Event::Failed(why.clone()),
                None => {}
            }
            select! {
                recv(self.samples) -> taken => return taken.map_or(Event::Ended, |(sink, sample)| self.taken(sink, sample)),
                recv(self.news) -> news => self.over = Some(news.unwrap_or(News::Ended)),
                recv(stop.bell()) -> _ => return Event::Stopped,
                recv(limit) -> _ => return Event::Nothing,
            }
        }
    }

    fn taken(&self, sink: usize, sample: gst::Sample) -> Event {
        self.gate.waiting.fetch_sub(size(&sample), Ordering::Relaxed);
        Event::Sample(sink, sample)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // First let go of threads that wait for room, which the state change waits for.
        self.gate.closed.raise();
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Gate {
    fn offer(&self, sink: usize, sample: gst::Sample, tx: &Sender<(usize, gst::Sample)>, live: bool) -> Result<gst::FlowSuccess, gst::FlowError> {
        let size = size(&sample);
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed);
        let gone = || {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
        };
        if !live {
            return select! {
                send(tx, (sink, sample)) -> sent => sent.map(|()| gst::FlowSuccess::Ok).map_err(|_| gst::FlowError::Flushing),
                recv(self.closed.bell()) -> _ => Err(gst::FlowError::Flushing),
            };
        }
        let full = waiting > 0 && waiting + size > LIVE_BYTES;
        match if full { Err(TrySendError::Full((sink, sample))) } else { tx.try_send((sink, sample)) } {
            Ok(()) => Ok(gst::FlowSuccess::Ok),
            Err(TrySendError::Full(_)) => {
                gone();
                self.dropped.fetch_add(1, Ordering::Relaxed);
                Ok(gst::FlowSuccess::Ok)
            }
            Err(TrySendError::Disconnected(_)) => Err(gst::FlowError::Flushing),
        }
    }
}

fn size(sample: &gst::Sample) -> usize {
    sample.buffer().map_or(0, gst::BufferRef::size)
}

/// The pipeline of a description, with an appsink behind everything that is left open.
fn build(description: &str, as_it_is: bool) -> Result<(gst::Pipeline, Vec<AppSink>), String> {
    let usage = "accepted: what gst-launch-1.0 takes, without a sink (gst:videotestsrc is-live=true ! x264enc ! h264parse), or with appsinks";
    if description.trim().is_empty() {
        return Err(format!("the description is empty; {usage}"));
    }
    let launch = |text: &str| gst::parse::launch(text).map_err(|e| format!("{}; {usage}", e.message()));
    let has_own = description.contains("appsink");
    let pipeline = pipeline_of(launch(&if has_own { description.to_owned() } else { format!("{description} ! appsink name=mezzo") })?)?;
    while let Some(open) = pipeline.find_unlinked_pad(gst::PadDirection::Src).filter(|_| !has_own) {
        let sink = AppSink::builder().build();
        pipeline.add(&sink).map_err(|e| e.to_string())?;
        let pad = sink.static_pad("sink").ok_or("an appsink without a pad")?;
        open.link(&pad).map_err(|e| format!("{}: nothing can be linked to it ({e})", open.name()))?;
    }
    let sinks = appsinks(&pipeline);
    if sinks.is_empty() {
        return Err(format!("there is no appsink in it; {usage}"));
    }
    let accepted: gst::Caps = caps::ACCEPTED.parse().map_err(|e| format!("our own caps: {e}"))?;
    for sink in &sinks {
        if !as_it_is && sink.caps().is_none() {
            sink.set_caps(Some(&accepted));
        }
        sink.set_sync(false);
        sink.set_enable_last_sample(false);
        sink.set_drop(false);
        sink.set_max_buffers(1);
    }
    Ok((pipeline, sinks))
}

fn pipeline_of(element: gst::Element) -> Result<gst::Pipeline, String> {
    element.downcast().or_else(|single| {
        let pipeline = gst::Pipeline::new();
        pipeline.add(&single).map(|()| pipeline).map_err(|e| e.to_string())
    })
}

/// In the order of the description.
fn appsinks(pipeline: &gst::Pipeline) -> Vec<AppSink> {
    let mut sinks: Vec<AppSink> = pipeline.iterate_recurse().into_iter().flatten().filter_map(|e| e.downcast().ok()).collect();
    // A bin lists its newest child first.
    sinks.reverse();
    sinks
}

/// An error with the element that it came from.
fn words(error: &gst::message::Error) -> String {
    let element = error.src().map_or_else(|| "the pipeline".to_owned(), |source| format!("element {}", source.name()));
    let debug = error.debug();
    let detail = debug.as_deref().and_then(|text| text.lines().skip(1).find(|line| !line.trim().is_empty())).map(|line| format!(" ({})", line.trim()));
    format!("{element}: {}{}", error.error(), detail.unwrap_or_default())
}
