//! What merging two paths and frame sync add to the time that a picture takes: by the UTC that is burnt into each as it is made, and the host's clock as it leaves.

use crate::support::network::free_port;
use crate::support::{alone, mezzo, signal, wait};
use crossbeam::channel::unbounded;
use mezzo::capture::{self, CaptureCounters, Kind};
use mezzo::clock::{Clock, Reference, Tick};
use mezzo::decode::change::Decoding;
use mezzo::decode::framesync::{Emit, FrameSync, LATENESS, Settings, Timed};
use mezzo::frame::{Flow, Origin, Picture};
use mezzo::job::{Pace, Select};
use mezzo::stop::Stop;
use mezzo::time::{Grid, Rate, Seconds};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it is looked at, and what is left out of its beginning.
const LONG: Duration = Duration::from_secs(20);
const BEGINNING: usize = 150;

/// From the UTC in each picture to when it leaves: the decoder, or frame sync.
fn latencies(inputs: Vec<String>, sync: bool) -> Vec<Seconds> {
    let stop = Stop::new();
    let window = Seconds::new(80, 1000);
    let (source, input) = capture::open_all(&inputs, window, Pace::Live, &Select::default(), &stop, None).expect("opens");
    let (units_tx, units) = unbounded();
    let (sound_tx, _sound): (Vec<_>, Vec<_>) = source.audio.iter().map(|_| unbounded()).unzip();
    let (feed, watch) = (capture::Feed::new(input, &source, Pace::Live), stop.clone());
    let captured = std::thread::spawn(move || capture::run(feed, units_tx, sound_tx, &watch, &Arc::new(CaptureCounters::default())).map(drop));
    let mut decoder = Decoding::open(&source.video, &source.facts, 4).expect("a decoder");
    let grid = Grid::new(Rate::new(25, 1).expect("legal"), Seconds::TWO);
    let settings = Settings {
        hold: Seconds::ONE,
        max_gap: Seconds::MINUTE,
        duration: None,
        expected: None,
        run_up: Seconds::ZERO,
        whole: false,
        sound_step: None,
        lateness: LATENESS,
    };
    let clock = Clock::new(grid, Reference::Stamps, None, Seconds::ZERO, Seconds::MINUTE, false);
    let mut frames = FrameSync::new(grid, clock, settings, Box::new(Picture::clone));
    let (began, mut pictures, mut out, mut took) = (Instant::now(), Vec::new(), Vec::new(), Vec::new());
    for flow in units {
        let Flow::Item(unit) = flow else { break };
        if unit.kind != Kind::Video {
            continue;
        }
        decoder.push(&unit, &mut pictures);
        for picture in pictures.drain(..) {
            if !sync {
                took.extend(picture.stamp.map(|stamp| Seconds::host_now() - stamp));
                continue;
            }
            let tick = Tick { pts: picture.pts, key: picture.key, stamp: picture.stamp, arrival: picture.arrival };
            frames.push_live(Timed { tick, picture: Picture::of(picture.picture), damaged: false }, began.elapsed(), &mut out);
            for emit in out.drain(..) {
                if let Emit::Frame(frame) = emit
                    && frame.origin == Origin::Input
                {
                    took.extend(frame.side.stamp.map(|stamp| Seconds::host_now() - stamp));
                }
            }
        }
        if began.elapsed() > LONG {
            stop.raise();
        }
    }
    captured.join().expect("capture ends").expect("it reads");
    took.split_off(took.len().min(BEGINNING))
}

/// In milliseconds: the middle, and what a twentieth exceeds.
fn middle(mut took: Vec<Seconds>) -> (i64, i64) {
    assert!(took.len() > 100, "only {} pictures", took.len());
    took.sort_unstable();
    (took[took.len() / 2].nearest_ticks(1000), took[took.len() * 19 / 20].nearest_ticks(1000))
}

#[test]
fn merge_and_frame_sync_add_less_than_100_ms() {
    let _alone = alone();
    for (scheme, loss) in [("rtp", None), ("udp", None), ("rtp", Some("drop1%")), ("udp", Some("drop1%"))] {
        let urls: Vec<String> = (0..3).map(|_| format!("{scheme}://127.0.0.1:{}", free_port())).collect();
        let mut args = vec!["feed", "--size", "640x360", "--rate", "25"];
        urls.iter().for_each(|url| args.extend(["--output", url.as_str()]));
        let faults: Vec<String> = loss.iter().flat_map(|loss| [2, 3].map(|path| format!("{path}:{loss}"))).collect();
        faults.iter().for_each(|fault| args.extend(["--fault", fault.as_str()]));
        let mut feed = mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts");
        let (plain, both) = (vec![urls[0].clone()], urls[1..].to_vec());
        let decoded = std::thread::spawn(move || latencies(plain, false));
        let synced = latencies(both, true);
        let (decoded, synced) = (middle(decoded.join().expect("measured")), middle(synced));
        signal(&feed, "TERM");
        wait(&mut feed, 10);
        let added = synced.0 - decoded.0;
        let what = loss.map_or(String::new(), |loss| format!(", each with {loss}"));
        eprintln!(
            "two paths of {scheme}{what}: {added} ms added in the middle, {} ms at 95 % (one path and its decoder: {} and {} ms from the picture's own UTC)",
            synced.1 - decoded.1,
            decoded.0,
            decoded.1
        );
        assert!(added <= 100, "{scheme}{what}: {added} ms");
    }
}
