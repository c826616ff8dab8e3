//! The thread that publishes: takes what the muxer made, in order, to every destination in turn.

use super::{Publish, Sink, SinkError};
use crate::metrics::Queue;
use crate::status::Status;
use crossbeam::channel::Receiver;
use std::time::{Duration, Instant};

/// Publishes everything from `rx` to all of `sinks`, each item in all of them before the next one, in the order of `sinks`; put the quickest first.
/// Ends when `rx` closes. The first error ends it too: it is returned, and dropping `rx` tells the muxer. A segment counts in `status`, if any, once all have it.
pub fn run(mut sinks: Vec<Box<dyn Sink>>, rx: Receiver<Publish>, status: Option<&Status>) -> Result<(), SinkError> {
    for item in &rx {
        status.into_iter().for_each(|status| status.probes.waiting(Queue::Publications, rx.len()));
        for sink in sinks.iter_mut().filter(|sink| sink.wants(&item)) {
            sink.publish(&item)?;
        }
        if let (Publish::Segment { track, number, bytes, slot_end, verdict, .. }, Some(status)) = (&item, status) {
            status.segment_published(track, *number, bytes.len() as u64, *slot_end);
            status.segment_judged(track, *number, verdict);
        }
    }
    // One limit for all: each has a thread of its own that goes on while another is waited for.
    let deadline = Instant::now() + DRAIN;
    let mut ended = Ok(());
    for sink in &mut sinks {
        ended = ended.and(sink.finish(deadline));
    }
    ended
}

/// How long destinations may take for what still waits, once nothing more comes. Less than what an orchestrator gives a worker that it asks to leave.
const DRAIN: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::directory::Directory;
    use crate::sink::store::Store;
    use crate::status::tests::plan;
    use crate::time::{GopId, Seconds};
    use bytes::Bytes;
    use std::sync::Arc;

    fn segment(number: i64) -> Publish {
        Publish::Segment {
            track: "v".into(),
            number: GopId(number),
            path: format!("v/{number}.m4s"),
            bytes: Bytes::from(format!("segment {number}")),
            slot_end: Seconds::whole(2 * number + 2),
            verdict: Arc::default(),
        }
    }

    #[test]
    fn all_destinations_get_everything_and_the_first_error_closes_the_queue() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let store = Store::new(1 << 20, []);
        let status = Arc::new(Status::new(&plan(), true));
        let directory = Directory::open(dir.path(), &["v".into()], status.clone()).expect("open");
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(store.clone()), Box::new(directory)];
        let (tx, rx) = crossbeam::channel::bounded(0);
        let counted = status.clone();
        let thread = std::thread::spawn(move || run(sinks, rx, Some(&counted)));
        tx.send(Publish::Init { path: "v/init.mp4".into(), bytes: Bytes::from_static(b"init") }).expect("open");
        tx.send(segment(1)).expect("open");
        // Without room in the queue this is taken once segment 1 is stored. Then the folder vanishes: the next one cannot be stored, and the muxer must hear of it.
        tx.send(Publish::Remove { path: "v/0.m4s".into() }).expect("open");
        std::fs::remove_dir_all(dir.path().join("v")).expect("removed");
        while tx.send(segment(2)).is_ok() {}
        let error = thread.join().expect("no panic").expect_err("the folder is gone");
        assert_eq!(error.path, dir.path().join("v/2.m4s").display().to_string());
        assert!(store.get("v/1.m4s").is_ok());
        let v = &status.snapshot().tracks[0];
        assert_eq!((v.last_segment, v.segments), (Some(1), 1), "segment 2 is not stored everywhere, so it does not count");
    }

    #[test]
    fn ends_when_the_queue_closes() {
        let (tx, rx) = crossbeam::channel::bounded(1);
        let thread = std::thread::spawn(move || run(vec![], rx, Some(&Status::new(&plan(), true))));
        drop(tx);
        thread.join().expect("no panic").expect("no error");
    }
}
