//! `mezzo origin`: takes pushes from any number of workers, publishes the first valid candidate of each segment, writes playlists of what arrived, and serves players.
//!
//! - `ingest`: bodies, within limits (`auth`: of whom); `answer`: what their senders are told
//! - `judge`: a body becomes a candidate, or not; `choose`: which one is published; `mask`, `edge`: which numbers are not
//! - `relay`: a segment in the making
//! - `received`: what a track is by what arrived; `track`: what came for each number; `text`: playlists; `desk`: all of it, without I/O or clocks
//! - `runner`: the threads; `restart`: what is on the disk; `counts`: what is counted

mod answer;
mod auth;
pub mod choose;
pub(crate) mod counts;
mod desk;
#[cfg(test)]
mod desk_tests;
mod edge;
mod ingest;
mod judge;
mod kept;
mod mask;
mod received;
mod relay;
mod restart;
mod runner;
mod text;
mod track;

pub use answer::{Fate, Refusal};
pub use auth::{SecretError, Secrets};
pub use desk::{DEADLINE, Settings};
pub use edge::{AHEAD, Far};
pub use ingest::Limits;
pub use mask::{Mask, legal_pipeline};

use crate::serve::{self, ServeError, Server};
use crate::sink::directory::Directory;
use crate::sink::store::Store;
use crate::sink::{Sink, SinkError};
use crate::status::Status;
use crate::stop::Stop;
use crossbeam::channel::bounded;
use desk::Desk;
use kept::Kept;
use runner::{Runner, View};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What an origin is asked to be.
#[derive(Clone)]
pub struct Options {
    /// Where it listens, for pushes and players alike.
    pub listen: SocketAddr,
    /// What it goes by.
    pub settings: Settings,
    /// What is hidden from the start.
    pub masks: Vec<Mask>,
    /// Who may push.
    pub secrets: Secrets,
    /// Pushes without a secret are taken from whoever reaches it.
    pub open: bool,
    /// Where everything that is published is kept, for a restart.
    pub output: Option<PathBuf>,
    /// Most bytes of segments in memory.
    pub memory: u64,
    /// What somebody who pushes may take.
    pub limits: Limits,
}

/// Why an origin does not start.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Anybody could push.
    #[error("listen {0}: anybody who reaches this address could push; accepted: a token (MEZZO_TOKEN, --token-file), a loopback address, or --open")]
    Open(SocketAddr),
    /// The pipelines make no sense.
    #[error("pipelines = \"{0}\"; accepted: 1 to 16 different names of 1 to 32 letters, digits, underscores and hyphens, the preferred one first")]
    Pipelines(String),
    /// A mask of nothing.
    #[error("mask {mask}: there is no such pipeline; accepted: {pipelines}")]
    Mask {
        /// The mask.
        mask: Mask,
        /// Those that there are.
        pipelines: String,
    },
    /// The directory cannot be used.
    #[error(transparent)]
    Output(#[from] SinkError),
    /// The server does not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A thread does not start.
    #[error("the thread \"{name}\" does not start: {why}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// The system's words.
        why: std::io::Error,
    },
}

impl OriginError {
    /// Whether it is the arguments that are wrong.
    pub fn is_wrong(&self) -> bool {
        !matches!(self, OriginError::Serve(ServeError::Thread { .. }) | OriginError::Thread { .. })
    }
}

/// A running origin.
pub struct Origin {
    server: Option<Server>,
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Origin {
    /// Takes up what is in the output directory, listens, and takes pushes. When this returns, connections are accepted.
    ///
    /// # Errors
    /// As [`OriginError`] has them; nothing is left running.
    pub fn start(options: Options) -> Result<Origin, OriginError> {
        let Options { listen, settings, masks, secrets, open, output, memory, limits } = options;
        let names = &settings.pipelines;
        let distinct = names.iter().enumerate().all(|(place, name)| legal_pipeline(name) && !names[..place].contains(name));
        if !(1..=16).contains(&names.len()) || !distinct {
            return Err(OriginError::Pipelines(names.join(",")));
        }
        if let Some(mask) = masks.iter().find(|m| !names.contains(&m.pipeline)) {
            return Err(OriginError::Mask { mask: mask.clone(), pipelines: names.join(", ") });
        }
        if secrets.is_empty() && !open && !listen.ip().is_loopback() {
            return Err(OriginError::Open(listen));
        }
        let store = Store::with_folder(memory, [], output.clone());
        let mut desk = Desk::new(settings, masks);
        let mut directory = None;
        let mut restored = desk::Out::default();
        if let Some(dir) = &output {
            // Its lock first: what is there must stay as it is while it is read.
            let opened = Directory::open(dir, &restart::folders(dir)?, None::<Arc<Status>>)?;
            restored = restart::restore(dir, &mut desk, &store)?;
            directory = Some(Box::new(opened) as Box<dyn Sink>);
        }
        let kept = output.as_deref().map(Kept::of);
        for mask in kept.iter().map(Kept::load).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            if !desk.masks().contains(&mask)
                && let Err(why) = desk.mask(mask, true)
            {
                tracing::warn!("{}: {why}; it is left out", kept::FILE);
            }
        }
        let (stop, view) = (Stop::new(), Arc::new(View::default()));
        let mut threads = Vec::new();
        let disk = match directory {
            None => None,
            Some(directory) => {
                let (tx, rx) = bounded(runner::DISK_QUEUE);
                let view = Arc::clone(&view);
                threads.push(spawn("disk", move || runner::write(directory, &rx, &view))?);
                Some(tx)
            }
        };
        let mut runner = Runner { desk, store: store.clone(), disk, kept, view: Arc::clone(&view) };
        runner.publish(restored);
        let (tx, rx) = bounded(runner::QUEUE);
        let routes = ingest::routes(tx, store.clone(), secrets, limits);
        let setup = serve::Setup { routes, ..serve::Setup::default() };
        let server = Server::start_with(listen, store, view, setup)?;
        let stopped = stop.clone();
        threads.push(spawn("origin", move || runner.run(&rx, &stopped))?);
        Ok(Origin { server: Some(server), stop, threads })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(Server::address)
    }

    /// Takes nothing more, finishes what has come, and ends. The event goes on: nothing says that it is over.
    pub fn stop(mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        self.stop.raise();
        for thread in self.threads.drain(..).rev() {
            if thread.join().is_err() {
                tracing::error!("a thread of the origin panicked");
            }
        }
    }
}

fn spawn(name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OriginError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|why| OriginError::Thread { name, why })
}
