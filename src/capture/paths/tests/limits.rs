//! Order, room and restarts on real sockets and files.

use super::*;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicU64;

const CLIP: &str = "ts_dvb_576p25_h264_aac_12s.ts";

/// Sends a clip again and again as datagrams, which `each` is given with the number of each.
fn sending(port: u16, clip: &std::path::Path, mut each: impl FnMut(usize, &[u8], &dyn Fn(u16, &[u8])) + Send + 'static) -> Looped {
    let (stop, feed) = (Stop::new(), std::fs::read(clip).expect("a clip"));
    let quit = stop.clone();
    let thread = std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        // Refused until somebody listens.
        let send = |sequence: u16, datagram: &[u8]| drop(socket.send_to(&rtp(sequence, datagram), ("127.0.0.1", port)));
        for (n, datagram) in feed.chunks_exact(7 * packets::SIZE).cycle().enumerate() {
            each(n, datagram, &send);
            if n % 4 == 3 && quit.wait(Duration::from_millis(1)) {
                return;
            }
        }
    });
    Looped { stop, thread: Some(thread) }
}

fn open_one(url: String, stop: &Stop) -> (Arc<Counts>, Box<dyn Input>) {
    ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
    let (source, input) = open_paths(&[url], Duration::ZERO, &Select::default(), stop).unwrap_or_else(|e| panic!("{e}"));
    (source.paths.expect("they are counted"), input)
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

/// One path alone: what came behind its successor by some milliseconds is put in its place.
#[test]
fn rtp_alone_is_put_in_order() {
    let Some(path) = clip(CLIP) else { return };
    let (port, mut held) = (free_port(), Vec::new());
    let _sender = sending(port, &path, move |n, datagram, send| match n % 40 {
        38 => held = datagram.to_vec(),
        39 => {
            send(n as u16, datagram);
            std::thread::sleep(Duration::from_millis(6));
            send((n - 1) as u16, &held);
        }
        _ => send(n as u16, datagram),
    });
    let stop = Stop::new();
    let (counts, mut input) = open_one(format!("rtp://127.0.0.1:{port}"), &stop);
    let swapped = |counts: &Counts| count(&counts.paths[0].reordered);
    let (began, before) = (Instant::now(), (swapped(&counts), count(&counts.paths[0].late), count(&counts.merge.lost)));
    while swapped(&counts) < before.0 + 60 {
        input.read().expect("datagrams");
        assert!(began.elapsed() < Duration::from_secs(40), "{:?}", counts.paths[0].snapshot());
    }
    // This machine may be too slow for some, but not for most.
    let (late, lost) = (count(&counts.paths[0].late) - before.1, count(&counts.merge.lost) - before.2);
    assert!(late < 25 && lost < 25, "of 60 that were swapped {late} are late, and {lost} lost");
    stop.raise();
}

#[test]
fn a_sender_that_is_started_again_is_followed_through_loss() {
    let Some(path) = clip(CLIP) else { return };
    let port = free_port();
    let opened = Stop::new();
    let (again, mut since) = (opened.clone(), None);
    let _sender = sending(port, &path, move |n, datagram, send| {
        // From here on its numbers begin elsewhere, behind those of before.
        if since.is_none() && again.is_raised() {
            since = Some(n);
        }
        let number = if since.is_some() { (n as u16).wrapping_sub(20_000) } else { n as u16 };
        if n % 33 != 0 {
            send(number, datagram);
        }
    });
    let stop = Stop::new();
    let (counts, mut input) = open_one(format!("rtp://127.0.0.1:{port}"), &stop);
    let (began, before) = (Instant::now(), count(&counts.paths[0].packets));
    opened.raise();
    while count(&counts.paths[0].packets) < before + 9000 {
        input.read().expect("datagrams");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", counts.paths[0].snapshot());
    }
    let late = count(&counts.paths[0].late);
    assert!(late < 4500, "{late} of 9000 datagrams are taken for old ones");
    stop.raise();
}

/// Nobody takes what comes: it has its bound in bytes, too, and what is beyond it is counted.
#[test]
fn long_datagrams_take_no_more_room_than_short_ones() {
    let mut path = Path::new("");
    let long = ts(348, 0);
    for _ in 0..700 {
        path.send(&long);
    }
    // When this is counted, everything of those before it is.
    path.send(b"no transport stream");
    let lost = count(&path.counts.overruns);
    let came = path.came(700 - lost as usize);
    assert!(path.blocks.take().is_err());
    let bytes: usize = came.iter().map(Vec::len).sum();
    assert!(bytes <= queue::BYTES && bytes > queue::BYTES / 2 && lost > 0, "{bytes} bytes waited, {lost} datagrams are lost");
}

/// Somebody pushes as fast as it goes, and nobody reads: it is the sender who waits, and nothing is lost.
#[test]
fn what_is_pushed_over_tcp_waits_at_the_sender() {
    let Some(path) = clip(CLIP) else { return };
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let written = Arc::new(AtomicU64::new(0));
    let (feed, pushed) = (std::fs::read(path).expect("a clip"), Arc::clone(&written));
    let sender = std::thread::spawn(move || {
        let began = Instant::now();
        let mut to = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(to) => break to,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        for piece in feed.chunks(7 * packets::SIZE).cycle() {
            if to.write_all(piece).is_err() {
                return;
            }
            pushed.fetch_add(piece.len() as u64, Relaxed);
        }
    });
    let stop = Stop::new();
    let inputs = [format!("tcp://127.0.0.1:{port}?listen=1"), format!("udp://127.0.0.1:{}", free_port())];
    let (source, mut input) = open_paths(&inputs, Duration::from_millis(80), &Select::default(), &stop).unwrap_or_else(|e| panic!("{e}"));
    let (counts, began) = (source.paths.expect("they are counted"), Instant::now());
    let mut before = u64::MAX;
    while before != count(&written) {
        before = count(&written);
        assert!(before < 96 << 20 && began.elapsed() < Duration::from_secs(60), "{before} bytes were taken that nobody reads");
        std::thread::sleep(Duration::from_secs(1));
    }
    for _ in 0..2000 {
        input.read().expect("it goes on");
    }
    assert!(count(&written) > before && count(&counts.paths[0].overruns) == 0);
    stop.raise();
    drop(input);
    sender.join().expect("it is hung up on");
}

/// What one file has is all there, however much the other lacks of it, and whatever counters say by chance (behind 75,000 packets, that the video goes on).
#[test]
fn a_long_hole_in_one_of_two_files_is_filled() {
    let Some(path) = clip("d_ts_2160p60_h264_aac_loop8s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let feed = std::fs::read(&path).expect("a clip");
    let name = dir.path().join("holed.ts");
    let (whole, holed) = (path.to_string_lossy().into_owned(), name.to_string_lossy().into_owned());
    let units = |inputs: &[String]| {
        let (source, mut input) = try_two(inputs, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
        let (mut units, mut hurt) = (Vec::new(), 0);
        loop {
            match input.read().expect("files") {
                Read::Unit(unit) => {
                    hurt += usize::from(unit.hurt);
                    units.push((unit.kind, unit.packet.pts(), unit.packet.size()));
                }
                Read::End => return (units, hurt, source.paths.map_or(0, |counts| count(&counts.merge.continuity))),
                _ => {}
            }
        }
    };
    let (wanted, ..) = units(&[whole.clone(), whole.clone()]);
    assert!(wanted.len() > 400);
    for hole in [60_000, 75_000] {
        let (from, to) = (10_000 * packets::SIZE, (10_000 + hole) * packets::SIZE);
        std::fs::write(&name, [&feed[..from], &feed[to..]].concat()).expect("written");
        for inputs in [[whole.clone(), holed.clone()], [holed.clone(), whole.clone()]] {
            let (got, hurt, breaks) = units(&inputs);
            assert_eq!((got.len(), hurt, breaks), (wanted.len(), 0, 0), "{hole}");
            assert!(got == wanted, "{hole}");
        }
    }
}
