//! What the tests of the whole program share: running it, reading what it published, and making its surroundings unpleasant.

pub mod burnt;
pub mod network;
pub mod receiver;
pub mod show;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// The program under test, with nothing of the caller's environment that it would take for a flag.
pub fn mezzo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mezzo"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MEZZO_")) {
        command.env_remove(name);
    }
    // Tests run beside each other: that this machine is busy is no overload that they are about (`overload.rs` is).
    command.env("MEZZO_OVERLOAD", "hold");
    command
}

/// Runs to the end, which must come within `seconds`. The output is read all along.
pub fn finish(mut command: Command, seconds: u64) -> Output {
    let mut child = command.spawn().expect("the program starts");
    let reader = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.map(|mut p| p.read_to_end(&mut text));
            text
        })
    };
    let stdout = reader(child.stdout.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let stderr = reader(child.stderr.take().map(|p| Box::new(p) as Box<dyn Read + Send>));
    let status = wait(&mut child, seconds);
    Output { status, stdout: stdout.join().expect("read"), stderr: stderr.join().expect("read") }
}

/// A child that ends with the test, however that ends.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Running {
        Running(command.spawn().expect("the program starts"))
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a child; one that outlives its time is ended and fails the test.
pub fn wait(child: &mut Child, seconds: u64) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().expect("a child of ours");
            panic!("still running after {seconds} s");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs, and wants exit code 0.
pub fn succeed(command: Command, seconds: u64) -> Output {
    let shown = format!("{command:?}");
    let output = finish(command, seconds);
    assert!(output.status.success(), "{shown}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output
}

/// Waits until `ready` says so; not saying so within `seconds` fails the test.
pub fn until(what: &str, seconds: u64, ready: impl FnMut() -> bool) {
    assert!(within(seconds, ready), "{what}: not within {seconds} s");
}

/// Whether `ready` says so within `seconds`.
pub fn within(seconds: u64, mut ready: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !ready() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Reads what a child logs until a line has `text`, within `seconds`, and gives that line. What follows is read and forgotten, so that the child is not held up.
pub fn until_said(child: &mut Child, text: &str, seconds: u64) -> String {
    let log = BufReader::new(child.stderr.take().expect("piped, and read for the first time"));
    let (say, said) = channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            // Nobody listens once the line was there.
            let _ = say.send(line);
        }
    });
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let line = said.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or_else(|e| panic!("{text:?} is not said: {e}"));
        if line.contains(text) {
            return line;
        }
    }
}

/// Sends a signal to a child.
pub fn signal(child: &Child, name: &str) {
    // The shell's own: the program `kill` is not on every machine.
    let done = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status().expect("sh runs");
    assert!(done.success());
}

/// A clip of the shared media; `None` (and a word) where they are not here.
pub fn media(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {name} is not here");
    None
}

/// Every segment and init under `root`, by its path there.
pub fn published(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for track in std::fs::read_dir(root).into_iter().flatten().flatten().filter(|e| e.path().is_dir()) {
        for file in std::fs::read_dir(track.path()).expect("a folder").flatten() {
            let name = format!("{}/{}", track.file_name().to_string_lossy(), file.file_name().to_string_lossy());
            if name.ends_with(".m4s") || name.ends_with("init.mp4") {
                found.insert(name, std::fs::read(file.path()).expect("a file"));
            }
        }
    }
    found
}

/// The numbers of one track's segments, in order.
pub fn numbers(root: &Path, track: &str) -> Vec<i64> {
    let dir = std::fs::read_dir(root.join(track)).into_iter().flatten().flatten();
    let mut numbers: Vec<i64> = dir.filter_map(|e| e.file_name().to_str()?.strip_suffix(".m4s")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// Asserts that both trees have the same bytes wherever both have a file, and that at least `least` segments are in both.
pub fn assert_interchangeable(what: &str, one: &Path, other: &Path, least: usize) {
    let (a, b) = (published(one), published(other));
    let common: Vec<&String> = a.keys().filter(|name| b.contains_key(*name)).collect();
    let segments = common.iter().filter(|name| name.ends_with(".m4s")).count();
    assert!(segments >= least, "{what}: only {segments} segments in both\n{:?}\n{:?}", a.keys(), b.keys());
    let differing: Vec<&&String> = common.iter().filter(|name| a[**name] != b[**name]).collect();
    assert!(differing.is_empty(), "{what}: of {segments} segments in both these differ: {differing:?}");
}

/// What a segment says of itself: (repeats, fillers, damaged), as `mux/marks.rs` lays it out.
fn marks(segment: &[u8]) -> [u32; 3] {
    const UUID: [u8; 16] = [0x92, 0x74, 0xad, 0x31, 0xa2, 0x10, 0x42, 0x59, 0x99, 0x91, 0x8d, 0x0a, 0x09, 0x51, 0x00, 0xe1];
    let at = segment.windows(16).position(|w| w == UUID).expect("a box of ours") + 20;
    [0, 4, 8].map(|n| u32::from_be_bytes(segment[at + n..at + n + 4].try_into().expect("four bytes")))
}

/// The marks of a track's segments, by their numbers.
pub fn marked(tree: &BTreeMap<String, Vec<u8>>, track: &str) -> BTreeMap<i64, [u32; 3]> {
    let number = |name: &str| name.strip_prefix(track)?.strip_prefix('/')?.strip_suffix(".m4s")?.parse().ok();
    tree.iter().filter_map(|(name, bytes)| Some((number(name)?, marks(bytes)))).collect()
}

/// Writes the part of a transport stream from `share` (of a hundred) on, cut at a packet boundary.
pub fn cut_ts(source: &Path, share: usize, to: &Path) {
    let bytes = std::fs::read(source).expect("a clip");
    let packets = bytes.len() / 188;
    std::fs::write(to, &bytes[packets * share / 100 * 188..]).expect("written");
}

/// Held by what lives by the host's clock, and by what takes all processors on purpose: one of them at a time, be the tests threads or processes.
#[must_use]
pub fn alone() -> File {
    let file = File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/alone")).expect("a file");
    file.lock().expect("a lock");
    file
}

/// Keeps the processors busy until dropped.
pub struct Hog {
    _alone: File,
    busy: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Hog {
    /// As many busy threads as there are processors, and one more.
    pub fn new() -> Hog {
        let alone = alone();
        let busy = Arc::new(AtomicBool::new(true));
        let count = std::thread::available_parallelism().map_or(2, |n| n.get()) + 1;
        let spin = |busy: Arc<AtomicBool>| {
            std::thread::spawn(move || {
                let mut n = 1u64;
                while busy.load(Ordering::Relaxed) {
                    n = std::hint::black_box(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
            })
        };
        let threads = (0..count).map(|_| spin(busy.clone())).collect();
        Hog { _alone: alone, busy, threads }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.busy.store(false, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a hog ends");
        }
    }
}
