//! Connections by script: lost, refused, back.

use super::*;
use crate::capture::media_tests::raised_after;
use crate::capture::{Kind, Origin, Source, StreamInfo, Unit};
use crate::colour::VideoRange;
use crate::job::StreamRef;
use crate::plan::{SoundFacts, SourceFacts};
use crate::time::{Rate, Seconds};
use ffmpeg_next::codec::Parameters;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Brings so many packets, then is away.
struct Brief {
    left: i64,
    stream: Arc<StreamInfo>,
}

impl Input for Brief {
    fn read(&mut self) -> Result<Read, CaptureError> {
        self.left -= 1;
        if self.left < 0 {
            return Err(away());
        }
        let mut packet = ffmpeg_next::Packet::new(4);
        packet.set_dts(Some(1000 - self.left));
        Ok(Read::Unit(Unit { kind: Kind::Video, stream: Arc::clone(&self.stream), packet, arrival: Seconds::ZERO, hurt: false }))
    }

    fn delivery(&self) -> Delivery {
        Delivery::Live
    }
}

fn away() -> CaptureError {
    CaptureError::Away { url: "brief".to_owned(), why: "nobody answers".to_owned() }
}

fn connection(packets: i64) -> Opened {
    let rate = Rate::new(25, 1).expect("a rate");
    let facts = SourceFacts {
        width: 16,
        height: 16,
        sar: (1, 1),
        rate,
        interlaced: false,
        range: VideoRange::Sdr,
        hdr: Default::default(),
        video: None,
        sounds: Vec::new(),
    };
    let stream = Arc::new(StreamInfo::new(0, Parameters::new(), (1, 90_000)));
    let source = Source {
        facts,
        video: Arc::clone(&stream),
        audio: Vec::new(),
        offer: Default::default(),
        origin: Origin::Live { wrap: None },
        duration: None,
        paths: None,
        later: None,
    };
    Ok((source, Box::new(Brief { left: packets, stream })))
}

/// Opens by a script: how many packets each connection brings; none: it is refused. After the last, all are refused.
fn scripted(script: &[Option<i64>], stop: &Stop, timeout: Option<Duration>) -> (Opened, Arc<Mutex<Vec<Instant>>>) {
    let (script, next, calls) = (script.to_vec(), AtomicU32::new(0), Arc::new(Mutex::new(Vec::new())));
    let made = Arc::clone(&calls);
    let dial = move |_: &Select, _: &Stop| {
        made.lock().expect("no panic").push(Instant::now());
        let n = next.fetch_add(1, Ordering::Relaxed) as usize;
        script.get(n).copied().flatten().map_or_else(|| Err(away()), connection)
    };
    (open("brief", &Select::default(), dial, stop, timeout), calls)
}

#[test]
fn a_connection_that_is_lost_is_opened_again_ever_more_slowly() {
    let stop = Stop::new();
    let (opened, calls) = scripted(&[Some(2), None, None, Some(1)], &stop, None);
    let mut input = opened.unwrap_or_else(|e| panic!("{e}")).1;
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(match input.read().expect("it goes on") {
            Read::Unit(_) => "unit",
            Read::Lost(Lost::Connection) => "lost",
            Read::Lost(Lost::Outage) => "back",
            _ => panic!("nothing else happens"),
        });
    }
    assert_eq!(seen, ["unit", "unit", "lost", "back", "unit", "lost"]);
    let calls = calls.lock().expect("no panic").clone();
    let pauses: Vec<u128> = calls.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() / 100).collect();
    assert!(
        pauses.len() == 3 && pauses.iter().zip([2, 4, 8]).all(|(pause, least)| *pause >= least) && calls[3] - calls[0] < Duration::from_secs(5),
        "{pauses:?}"
    );
    // A stop ends the waiting at once.
    let stopper = raised_after(&stop, 100);
    assert!(matches!(input.read().expect("no error"), Read::Stopped));
    let late = stopper.join().expect("no panic").elapsed();
    assert!(late < Duration::from_millis(100), "{late:?}");
}

#[test]
fn a_feed_that_is_away_for_too_long_ends_the_run() {
    let (opened, _) = scripted(&[Some(1)], &Stop::new(), Some(Duration::from_millis(700)));
    let mut input = opened.unwrap_or_else(|e| panic!("{e}")).1;
    let began = Instant::now();
    let error = loop {
        match input.read() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CaptureError::Silent { .. }) && error.to_string().contains("nobody answers"), "{error}");
    assert!((600..2000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[test]
fn what_is_not_there_at_the_start_is_waited_for_only_where_that_was_asked() {
    let refused = scripted(&[None, Some(1)], &Stop::new(), None).0.err().expect("it is not there");
    assert!(matches!(refused, CaptureError::Away { .. }), "{refused}");
    // What is there, and is not what was asked for, is a wrong job.
    let unfit = |_: &Select, _: &Stop| Err(CaptureError::Unfit { url: "brief".to_owned(), why: "no such sound".to_owned() });
    let refused = open("brief", &Select::default(), unfit, &Stop::new(), None).err().expect("another feed");
    assert!(matches!(refused, CaptureError::Open { .. }), "{refused}");
    let (opened, calls) = scripted(&[None, None, Some(1)], &Stop::new(), Some(Duration::from_secs(20)));
    assert!(opened.is_ok() && calls.lock().expect("no panic").len() == 3);
    let silent = scripted(&[], &Stop::new(), Some(Duration::from_millis(500))).0.err().expect("it never comes");
    assert!(matches!(silent, CaptureError::Silent { after, .. } if after == Duration::from_millis(500)), "{silent}");
}

#[test]
fn another_connection_is_asked_for_the_streams_of_the_first() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let dial = move |select: &Select, _: &Stop| {
        seen.lock().expect("no panic").push(select.clone());
        let (mut source, input) = connection(1)?;
        source.facts.video = Some(StreamRef::Pid(256));
        source.facts.sounds = vec![SoundFacts { stream: Some(StreamRef::Pid(258)), ..SoundFacts::default() }];
        Ok((source, input))
    };
    let mut input = open("brief", &Select::default(), dial, &Stop::new(), None).unwrap_or_else(|e| panic!("{e}")).1;
    while !matches!(input.read().expect("it goes on"), Read::Lost(Lost::Outage)) {}
    let asked = asked.lock().expect("no panic");
    assert!(asked[0].audio.is_empty() && asked[0].kept_video.is_none());
    let sounds: Vec<_> = asked[1].audio.iter().map(|pick| (pick.optional, pick.kept)).collect();
    assert_eq!((asked[1].kept_video, sounds), (Some(StreamRef::Pid(256)), vec![(true, Some(StreamRef::Pid(258)))]));
}
