//! A made-up event that is published to outputs as the muxer publishes a real one.

use crate::common::plan;
use bytes::Bytes;
use mezzo::job::{Job, Output, Pace, Wishes};
use mezzo::sink::remote::counts::Snapshot;
use mezzo::sink::{self, Context, Publish, Readers, Sink};
use mezzo::status::Status;
use mezzo::time::{GopId, Seconds};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a segment lasts.
pub const SEGMENT: Duration = Duration::from_millis(400);
/// The number of the first.
pub const FIRST: i64 = 1000;
/// Bytes of a segment with pictures.
const SIZE: usize = 60_000;

/// The outputs of a job file that has these lines.
pub fn outputs(lines: &str) -> Vec<Output> {
    let text = format!("inputs = [\"udp://127.0.0.1:5000\"]\nladder = \"tiny\"\n{lines}\n");
    let wishes: Wishes = toml::from_str(&text).expect("TOML");
    let job: Job = wishes.check("test").expect("legal");
    job.outputs
}

/// An event under way.
pub struct Show {
    sinks: Vec<Box<dyn Sink>>,
    status: Arc<Status>,
    next: i64,
    began: Instant,
    /// What everybody should have in the end.
    pub made: BTreeMap<String, Vec<u8>>,
}

impl Show {
    pub fn begin(outputs: &[Output], pace: Pace) -> Show {
        let status = Arc::new(Status::new(&plan(), true));
        let context = Context {
            video: vec!["v".into()],
            audio: vec!["a".into()],
            segment: Seconds::new(SEGMENT.as_millis() as i128, 1000),
            pace,
            status: status.clone(),
        };
        let sinks = outputs.iter().map(|output| sink::open(output, &context).expect("opens")).collect();
        let mut show = Show { sinks, status, next: FIRST, began: Instant::now(), made: BTreeMap::new() };
        for track in ["v", "a"] {
            show.publish(Publish::Init { path: format!("{track}/init.mp4"), bytes: Bytes::from(format!("....ftyp of {track}")) });
        }
        show
    }

    pub fn publish(&mut self, item: Publish) {
        match &item {
            Publish::Init { path, bytes } | Publish::Segment { path, bytes, .. } | Publish::Text { path, bytes, .. } => {
                drop(self.made.insert(path.clone(), bytes.to_vec()))
            }
            Publish::Remove { path } => drop(self.made.remove(path)),
            _ => {}
        }
        for sink in self.sinks.iter_mut().filter(|sink| sink.wants(&item)) {
            sink.publish(&item).expect("no output ends the event");
        }
    }

    /// The next segment of both tracks, and what lists it, when it is due.
    pub fn segment(&mut self) -> i64 {
        let number = self.next;
        let due = self.began + SEGMENT * (number - FIRST) as u32;
        // The event has a pace: this is the clock of what is shown.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        for (track, size) in [("v", SIZE), ("a", SIZE / 20)] {
            self.publish(segment(track, number, size));
            self.lists(track, number);
        }
        for path in ["main.m3u8", "manifest.mpd"] {
            self.publish(text(path, format!("{path} up to {number}")));
        }
        self.next += 1;
        number
    }

    /// The media playlist of a track up to `number`.
    pub fn lists(&mut self, track: &str, number: i64) {
        let lines: String = (FIRST..=number).map(|n| format!("#EXTINF:0.4,\n{n}.m4s\n")).collect();
        self.publish(text(&format!("{track}/media.m3u8"), format!("#EXTM3U\n{lines}")));
    }

    pub fn segments(&mut self, count: usize) {
        for _ in 0..count {
            self.segment();
        }
    }

    /// What the destination behind a network says of itself, in the order of the job.
    pub fn counts(&self, index: usize) -> Snapshot {
        self.status.snapshot().outputs[index].clone()
    }

    /// Nothing more comes: what is counted in the end.
    pub fn end(&mut self) -> Vec<Snapshot> {
        let deadline = Instant::now() + Duration::from_secs(15);
        self.sinks.iter_mut().for_each(|sink| sink.finish(deadline).expect("no output ends the event"));
        self.status.snapshot().outputs
    }
}

pub fn text(path: &str, text: String) -> Publish {
    Publish::Text { path: path.into(), bytes: Bytes::from(text), readers: Readers::All, edge: None }
}

/// A segment whose bytes follow from its name.
pub fn segment(track: &str, number: i64, size: usize) -> Publish {
    let bytes: Vec<u8> = (0..size).map(|i| (i as i64 * 31 + number * 7) as u8).collect();
    let slot_end = Seconds::new(SEGMENT.as_millis() as i128, 1000).times(i128::from(number) + 1);
    Publish::Segment {
        track: track.into(),
        number: GopId(number),
        path: format!("{track}/{number}.m4s"),
        bytes: Bytes::from(bytes),
        slot_end,
        verdict: Arc::default(),
    }
}

/// Every file below `root`, by relative path.
pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let (Ok(name), Ok(bytes)) = (path.strip_prefix(root), std::fs::read(&path)) {
                found.insert(name.display().to_string(), bytes);
            }
        }
    }
    found
}

/// Names what `there` lacks or has otherwise, in few words.
pub fn same(what: &str, there: &BTreeMap<String, Vec<u8>>, made: &BTreeMap<String, Vec<u8>>) {
    let lacks: Vec<&String> = made.keys().filter(|path| !there.contains_key(*path)).collect();
    let other: Vec<&String> = made.iter().filter(|(path, bytes)| there.get(*path).is_some_and(|found| found != *bytes)).map(|(path, _)| path).collect();
    let more: Vec<&String> = there.keys().filter(|path| !made.contains_key(*path)).collect();
    assert!(lacks.is_empty() && other.is_empty() && more.is_empty(), "{what}: lacks {lacks:?}, has {other:?} otherwise, and {more:?} beside");
}
