//! How long low-latency players wait for a chunk that is there: many of them on one embedded origin, in one process.
//!
//!     cargo bench --bench origin -- [--clients N] [--seconds N] [--tracks N] [--kilobits N] [--at-once]
//!
//! Each player holds two connections, as Apple's and hls.js do: on one it waits for the next playlist, on the other for the next part. Delays are from just before
//! the chunk (or playlist) is handed to the store to its last byte read by the player. One thread publishes, one serves, one is all players.

mod delays;
mod feed;
mod player;

use delays::Delays;
use feed::Feed;
use mezzo::serve::{Limits, Publisher, Server, Setup};
use mezzo::sink::store::Store;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Load {
    /// Players.
    pub clients: usize,
    /// For how long.
    pub seconds: u64,
    /// Tracks, which players are spread over.
    pub tracks: usize,
    /// Bits per second of a track, in thousands.
    pub kilobits: usize,
    /// All tracks publish in the same instant; else one after the other within a chunk's time.
    pub at_once: bool,
}

/// How long a chunk lasts.
pub const CHUNK: Duration = Duration::from_millis(200);
/// Chunks in a segment.
pub const PARTS: u32 = 10;

/// Whoever publishes: a feed that never ends.
struct Always;

impl Publisher for Always {
    fn is_running(&self) -> bool {
        true
    }
    fn is_live(&self) -> bool {
        true
    }
    fn segment_duration(&self) -> Duration {
        CHUNK * PARTS
    }
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }
    fn snapshot(&self) -> serde_json::Value {
        serde_json::json!({})
    }
    fn metrics(&self, _: &mut mezzo::metrics::Page) {}
}

fn main() {
    let Some(load) = arguments() else {
        eprintln!("usage: origin [--clients N] [--seconds N] [--tracks N] [--kilobits N] [--at-once]");
        std::process::exit(2);
    };
    raise_descriptors(load.clients);
    let store = Store::new(256 << 20, []);
    let limits = Limits { connections: load.clients * 2 + 64, ..Limits::default() };
    let setup = Setup { limits, ..Setup::default() };
    let server = Server::start_with(SocketAddr::from(([127, 0, 0, 1], 0)), store.clone(), Arc::new(Always), setup).expect("a server");
    let delays = Arc::new(Delays::new(load.tracks));
    let feed = Feed::start(store, load.clone(), delays.clone());
    let (address, players) = (server.address(), (load.clone(), delays.clone()));
    let players = std::thread::Builder::new().name("players".into()).spawn(move || player::run(address, &players.0, &players.1)).expect("a thread");
    let received = players.join().expect("players");
    feed.stop();
    println!("{load:?}; load average {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    received.print();
    for (name, after) in &received.threads.1 {
        let begun = received.threads.0.get(name).copied().unwrap_or_default();
        let (ran, waited) = (after.0 - begun.0, after.1 - begun.1);
        println!("thread {name}: {:.1} % of a processor, kept waiting for one {:.1} %", percent(ran, load.seconds), percent(waited, load.seconds));
    }
    drop(server);
    if !received.is_complete() {
        std::process::exit(1);
    }
}

fn percent(nanoseconds: u64, seconds: u64) -> f64 {
    nanoseconds as f64 / (seconds as f64 * 1e7)
}

fn arguments() -> Option<Load> {
    let mut load = Load { clients: 1000, seconds: 20, tracks: 4, kilobits: 1500, at_once: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse::<usize>().ok().filter(|n| *n > 0);
        match argument.as_str() {
            "--clients" => load.clients = number()?,
            "--seconds" => load.seconds = number()? as u64,
            "--tracks" => load.tracks = number()?,
            "--kilobits" => load.kilobits = number()?,
            "--at-once" => load.at_once = true,
            // What cargo adds.
            "--bench" => {}
            "--test" => (load.clients, load.seconds) = (20, 2),
            _ => return None,
        }
    }
    Some(load)
}

/// Both ends of every connection are in this process.
fn raise_descriptors(clients: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = clients as u64 * 4 + 1024;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |most| most.min(wanted)));
        setrlimit(Resource::Nofile, limit).expect("as many files as the system allows");
    }
}
