//! The capture thread, fed by real clips and by an input that does what it is told.

use super::*;
use crate::capture::media_tests::{clip, open_path, raised_after, read_all};
use crate::capture::{Delivery, Origin, StreamInfo};
use crate::colour::VideoRange;
use crate::plan::SourceFacts;
use crate::time::{Rate, Seconds};
use crossbeam::channel::{Receiver, bounded, unbounded};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::Packet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// How scripted inputs deliver: by their own clock, unless they run for ever.
fn delivery(forever: bool) -> Delivery {
    if forever { Delivery::Stored } else { Delivery::Live }
}

/// GOPs of ten pictures, of which two lead the key picture; `reads` packets in all, then the end.
struct Scripted {
    reads: i64,
    next: i64,
    forever: Option<Stop>,
}

const GOP: i64 = 10;

fn scripted_pts(n: i64) -> i64 {
    // In decoding order: I at 2, B at 0 and 1, then on.
    let (gop, i) = (n.div_euclid(GOP), n.rem_euclid(GOP));
    gop * GOP + [2, 0, 1, 3, 4, 5, 6, 7, 8, 9][i as usize]
}

impl Input for Scripted {
    fn read(&mut self) -> Result<Read, CaptureError> {
        if self.forever.as_ref().is_some_and(Stop::is_raised) {
            return Ok(Read::Stopped);
        }
        if self.next >= self.reads {
            return Ok(Read::End);
        }
        let n = self.next;
        self.next += 1;
        let mut packet = Packet::new(4);
        packet.set_dts(Some(n));
        packet.set_pts(Some(scripted_pts(n)));
        if n % GOP == 0 {
            packet.set_flags(ffmpeg::packet::Flags::KEY);
        }
        Ok(Read::Unit(Unit { kind: Kind::Video, stream: stream(), packet, arrival: Seconds::ZERO, hurt: false }))
    }

    fn delivery(&self) -> Delivery {
        delivery(self.forever.is_some())
    }
}

fn stream() -> Arc<StreamInfo> {
    Arc::new(StreamInfo::new(0, ffmpeg::codec::Parameters::new(), (1, 25)))
}

fn source(origin: Origin) -> Source {
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
    let video = stream();
    Source { facts, video, audio: Vec::new(), offer: Default::default(), origin, duration: None, paths: None, later: None }
}

/// (DTS, PTS) of each packet.
type Stamps = Vec<(Option<i64>, Option<i64>)>;

fn drain(queue: &Receiver<Flow<Unit>>) -> (Stamps, Option<End>) {
    let mut units = Vec::new();
    for item in queue {
        match item {
            Flow::Item(unit) => units.push((unit.packet.dts(), unit.packet.pts())),
            Flow::End(end) => return (units, Some(end)),
        }
    }
    (units, None)
}

#[test]
fn fast_hands_on_every_packet_of_both_streams_then_the_end() {
    let Some(path) = clip("ts_bear_360p_ptswrap.ts") else { return };
    let expected: Vec<_> =
        read_all(open_path(&path).expect("it opens").1.as_mut(), usize::MAX).iter().map(|u| (u.kind, (u.packet.dts(), u.packet.pts()))).collect();
    let of = |kind| expected.iter().filter(|e| e.0 == kind).map(|e| e.1).collect::<Vec<_>>();
    let (source, input) = open_path(&path).expect("it opens");
    let ((vs, vr), (aus, ar), counters) = (bounded(2), bounded(2), CaptureCounters::default());
    let end = std::thread::scope(|scope| {
        let audio = scope.spawn(move || drain(&ar));
        let video = scope.spawn(move || drain(&vr));
        let end = run(Feed::new(input, &source, Pace::Fast), vs, vec![aus], &Stop::new(), &counters);
        assert_eq!(video.join().expect("no panic"), (of(Kind::Video), Some(End::Ended)));
        assert_eq!(audio.join().expect("no panic"), (of(Kind::Audio(0)), Some(End::Ended)));
        end
    });
    assert!(matches!(end, Ok(End::Ended)));
    assert_eq!(counters.video.load(Ordering::Relaxed) as usize, of(Kind::Video).len());
    assert_eq!(counters.shed_packets.load(Ordering::Relaxed), 0);
}

#[test]
fn video_never_waits_for_audio() {
    let Some(path) = clip("ts_bear_360p_ptswrap.ts") else { return };
    let (source, input) = open_path(&path).expect("it opens");
    let ((vs, vr), (aus, ar)) = (bounded(2), bounded(1));
    let reader = std::thread::spawn(move || {
        // An audio decoder that takes nothing before the video is through.
        let video = drain(&vr);
        (video, drain(&ar))
    });
    let end = run(Feed::new(input, &source, Pace::Fast), vs, vec![aus], &Stop::new(), &CaptureCounters::default());
    assert!(matches!(end, Ok(End::Ended)));
    let (video, audio) = reader.join().expect("no panic");
    assert!(video.0.len() == 82 && audio.0.len() > 100 && audio.1 == Some(End::Ended), "{} {}", video.0.len(), audio.0.len());
}

#[test]
fn a_stop_ends_a_full_queue_and_a_paced_wait() {
    for (pace, origin, room) in [(Pace::Fast, Origin::File, 1), (Pace::Live, Origin::File, 1000)] {
        let (stop, counters) = (Stop::new(), CaptureCounters::default());
        let input = Box::new(Scripted { reads: i64::MAX, next: 0, forever: Some(stop.clone()) });
        let (vs, vr) = bounded(room);
        let feed = Feed::new(input, &source(origin), pace);
        let (flag, raised) = (stop.clone(), unbounded());
        let stopper = std::thread::spawn(move || {
            flag.wait(std::time::Duration::from_millis(150));
            let at = Instant::now();
            flag.raise();
            raised.0.send(at).expect("it is read");
            drain(&vr)
        });
        let end = run(feed, vs, Vec::new(), &stop, &counters);
        let at = raised.1.recv().expect("it was sent");
        assert!(at.elapsed() < std::time::Duration::from_millis(100), "{:?}", at.elapsed());
        assert!(matches!(end, Ok(End::Leaving)));
        assert_eq!(stopper.join().expect("no panic").1, Some(End::Leaving));
    }
}

#[test]
fn an_outrun_decoder_loses_whole_gops_with_the_pictures_that_lead_the_next() {
    let (stop, counters) = (Stop::new(), CaptureCounters::default());
    let (vs, vr) = bounded::<Flow<Unit>>(16);
    let feed = Feed::new(Box::new(Scripted { reads: 3000, next: 0, forever: None }), &source(Origin::Live { wrap: None }), Pace::Live);
    let reader = std::thread::spawn(move || {
        let (mut units, slow) = (Vec::new(), Stop::new());
        loop {
            match vr.recv() {
                Ok(Flow::Item(unit)) => units.push((unit.packet.dts().expect("scripted"), unit.packet.pts().expect("scripted"))),
                Ok(Flow::End(_)) | Err(_) => return units,
            }
            slow.wait(std::time::Duration::from_micros(300));
        }
    });
    let end = run(feed, vs, Vec::new(), &stop, &counters);
    assert!(matches!(end, Ok(End::Ended)));
    let units = reader.join().expect("no panic");
    let (shed, gops) = (counters.shed_packets.load(Ordering::Relaxed), counters.shed_gops.load(Ordering::Relaxed));
    assert!(gops > 10, "{gops} GOPs of 300 were shed");
    assert_eq!(units.len() as u64 + shed, 3000);
    for pair in units.windows(2).filter(|w| w[1].0 != w[0].0 + 1) {
        let ((left, key_pts), (after, after_pts)) = (pair[0], pair[1]);
        match after % GOP {
            // A jump to a key packet comes after a whole GOP.
            0 => assert_eq!(left % GOP, GOP - 1, "{pair:?}"),
            // After that key packet, the two that lead it are missing.
            3 => assert!(left == after - 3 && after_pts > key_pts, "{pair:?}"),
            _ => panic!("a GOP was cut: {pair:?}"),
        }
    }
}

#[test]
fn a_decoder_that_stands_still_does_not_block_a_live_input() {
    let counters = CaptureCounters::default();
    let (vs, vr) = bounded(4);
    let feed = Feed::new(Box::new(Scripted { reads: 1000, next: 0, forever: None }), &source(Origin::Live { wrap: None }), Pace::Live);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| run(feed, vs, Vec::new(), &Stop::new(), &counters));
        while counters.video.load(Ordering::Relaxed) < 1000 {
            assert!(began.elapsed() < std::time::Duration::from_secs(20));
            std::thread::yield_now();
        }
        assert_eq!(drain(&vr).1, Some(End::Ended));
        assert!(matches!(run.join().expect("no panic"), Ok(End::Ended)));
    });
    assert_eq!(counters.shed_packets.load(Ordering::Relaxed), 996);
}

#[test]
fn live_plays_a_file_at_its_own_rate() {
    let Some(path) = clip("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts") else { return };
    let (source, input) = open_path(&path).expect("it opens");
    let (vs, vr) = unbounded();
    let began = Instant::now();
    run(Feed::new(input, &source, Pace::Live), vs, Vec::new(), &Stop::new(), &CaptureCounters::default()).expect("a file");
    let (units, _) = drain(&vr);
    let dts: Vec<i64> = units.iter().filter_map(|u| u.0).collect();
    let span = Seconds::new(i128::from(dts.last().expect("packets") - dts.first().expect("packets")), 90_000).to_duration();
    assert!(began.elapsed() >= span && began.elapsed() < span + std::time::Duration::from_millis(700), "{:?} for {span:?}", began.elapsed());
}

#[test]
fn a_pipe_is_read_and_can_be_stopped_while_it_is_silent() {
    let Some(path) = clip("ts_bear_360p_ptswrap.ts") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let fifo = dir.path().join("feed.ts");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let mut cat =
        Command::new("sh").arg("-c").arg(format!("exec 3>'{}'; cat '{}' >&3; exec sleep 60", fifo.display(), path.display())).spawn().expect("sh runs");
    let stop = Stop::new();
    let (_, mut input) = crate::capture::open(fifo.to_str().expect("UTF-8"), crate::job::Pace::Live, &crate::job::Select::default(), &stop).expect("it opens");
    let flag = stop.clone();
    let (tell, told) = bounded(1);
    let stopper = std::thread::spawn(move || {
        let _: Result<(), _> = told.recv();
        flag.wait(std::time::Duration::from_millis(200));
        flag.raise();
        Instant::now()
    });
    let mut read = 0;
    loop {
        match input.read().expect("a pipe") {
            Read::Unit(_) => read += 1,
            Read::Lost(_) => {}
            Read::End => panic!("the writer is still there"),
            Read::Stopped => break,
        }
        if read == 150 {
            tell.send(()).expect("it is read");
        }
    }
    let late = stopper.join().expect("no panic").elapsed();
    assert!(late < std::time::Duration::from_millis(100), "{late:?}");
    assert!(read > 150);
    cat.kill().expect("it runs");
    cat.wait().expect("it ends");
}

fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

#[test]
fn udp_is_read_and_can_be_stopped_while_it_is_silent() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let url = format!("udp://127.0.0.1:{}", free_port());
    let mut sender = Command::new("ffmpeg")
        .args(["-v", "quiet", "-re", "-stream_loop", "-1", "-i"])
        .arg(&path)
        .args(["-c", "copy", "-f", "mpegts", &format!("{url}?pkt_size=1316")])
        .stdin(Stdio::null())
        .spawn()
        .expect("ffmpeg runs");
    let stop = Stop::new();
    let opened = crate::capture::open(&url, crate::job::Pace::Live, &crate::job::Select::default(), &stop);
    let (source, mut input) = opened.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.facts.height, source.facts.sounds[0].sample_rate), (1024, 576, Some(48_000)));
    assert_eq!(source.origin, Origin::Live { wrap: Some(Seconds::new(1 << 33, 90_000)) });
    let mut kinds = [0, 0];
    while kinds[0] < 50 {
        match input.read().expect("datagrams") {
            Read::Unit(unit) => kinds[(unit.kind != Kind::Video) as usize] += 1,
            Read::Lost(_) => {}
            Read::End | Read::Stopped => panic!("it goes on"),
        }
    }
    assert!(kinds[1] > 10);
    sender.kill().expect("it runs");
    sender.wait().expect("it ends");
    let stopper = raised_after(&stop, 1500);
    while !matches!(input.read().expect("datagrams"), Read::Stopped) {}
    let late = stopper.join().expect("no panic").elapsed();
    assert!(late < std::time::Duration::from_millis(150), "{late:?}");
}

#[test]
fn udp_that_is_no_transport_stream_is_refused_in_words() {
    let port = free_port();
    let stop = Stop::new();
    let flag = stop.clone();
    let sender = std::thread::spawn(move || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        while !flag.wait(std::time::Duration::from_micros(200)) {
            // Refused while nobody listens yet.
            let _ = socket.send_to(&[0x80; 1316], ("127.0.0.1", port));
        }
    });
    let opened = crate::capture::open(&format!("udp://127.0.0.1:{port}"), crate::job::Pace::Live, &crate::job::Select::default(), &Stop::new());
    stop.raise();
    sender.join().expect("no panic");
    let error = opened.err().expect("it is refused").to_string();
    assert!(error.contains("MPEG-TS"), "{error}");
}

#[test]
fn opening_a_silent_feed_can_be_stopped() {
    let stop = Stop::new();
    let stopper = raised_after(&stop, 200);
    let opened = crate::capture::open(&format!("udp://127.0.0.1:{}", free_port()), crate::job::Pace::Live, &crate::job::Select::default(), &stop);
    let late = stopper.join().expect("no panic").elapsed();
    assert!(late < std::time::Duration::from_millis(150), "{late:?}");
    assert!(opened.err().expect("it does not open").to_string().contains("stopped"));
}
