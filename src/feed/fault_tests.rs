//! What faults make of a whole feed, and outputs that are received.

use super::tests::{START_SECONDS, Seen, WRAP, decode, options, pattern_file};
use super::*;
use crate::pattern::Size;
use crate::pattern::picture::Pattern;
use crate::time::{Rate, Slot};
use ffmpeg_next as ffmpeg;
use std::net::UdpSocket;
use std::time::Duration;

/// The slots that the stamps of pictures say, since the start, at `rate` a second.
fn slots(seen: &[Seen], rate: i64) -> Vec<i64> {
    seen.iter().map(|p| (p.micros.expect("stamped") as i64 - START_SECONDS * 1_000_000) * rate / 1_000_000).collect()
}

#[test]
fn pictures_and_sound_go_wrong_as_scripted() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed.ts");
    pattern_file(&path, &[("fault", "freeze@1+0.4"), ("fault", "black@2+0.4"), ("fault", "silence@1+1")]);
    let seen = decode(&path);
    assert_eq!((slots(&seen.pictures, 25), seen.damaged), ((0..75).collect(), 0), "time stamps go on");
    let pattern = Pattern::new(Size::new(320, 180).expect("legal"), Rate::new(25, 1).expect("legal"));
    for (n, picture) in (0..).zip(&seen.pictures) {
        let shown = match n {
            25..35 => Some(24),
            50..60 => None,
            _ => Some(n),
        };
        assert_eq!(pattern.read_slot(&picture.luma, 320), shown.map(|n| Slot(START_SECONDS * 25 + n)), "picture {n}");
        assert!(shown.is_some() || picture.luma.iter().all(|y| y.abs_diff(16) < 6));
    }
    let start = (START_SECONDS * 90_000).rem_euclid(WRAP);
    let loudest = |from: i64, to: i64| {
        let within = seen.sound.iter().filter(|(pts, _)| (from..to).contains(&(pts.rem_euclid(WRAP) - start)));
        within.flat_map(|(_, samples)| samples).fold(0f32, |most, sample| most.max(sample.abs()))
    };
    assert!(loudest(0, 85_000) > 0.2 && loudest(95_000, 175_000) < 0.001 && loudest(185_000, 260_000) > 0.01);
}

#[test]
fn formats_change_as_scripted() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed.ts");
    for bframes in ["0", "2"] {
        pattern_file(&path, &[("fault", "rate50@1+1"), ("fault", "size=384x216@1+1"), ("bframes", bframes)]);
        let seen = decode(&path);
        assert_eq!((slots(&seen.pictures, 50), seen.damaged), ((0..50).step_by(2).chain(50..100).chain((100..150).step_by(2)).collect(), 0), "{bframes}");
        assert!(seen.pictures.iter().enumerate().all(|(n, p)| p.size == if (25..75).contains(&n) { (384, 216) } else { (320, 180) }));
    }
    pattern_file(&path, &[("fault", "interlaced@1+1")]);
    let seen = decode(&path);
    assert_eq!(slots(&seen.pictures, 25), (0..75).collect::<Vec<_>>());
    assert!(seen.pictures.iter().enumerate().all(|(n, p)| p.interlaced == (25..50).contains(&n)));
    // The rows of one field are of another time than those of the other: next to still rows they comb where something moves.
    let combs = |p: &Seen| {
        p.luma
            .chunks(320)
            .collect::<Vec<_>>()
            .windows(3)
            .map(|r| (0..320).filter(|x| r[1][*x].abs_diff(r[0][*x]) > 40 && r[1][*x].abs_diff(r[2][*x]) > 40).count())
            .sum::<usize>()
    };
    assert!(combs(&seen.pictures[30]) > combs(&seen.pictures[10]) + 50, "{} {}", combs(&seen.pictures[30]), combs(&seen.pictures[10]));

    pattern_file(&path, &[("fault", "codec=hevc@1+1"), ("audio", "off")]);
    let bytes = std::fs::read(&path).expect("it is there");
    // Version and stream type of every programme map that differs from the one before: 0x1b is AVC, 0x24 HEVC.
    let mut maps: Vec<(u8, u8)> = bytes.chunks(188).filter(|p| p[1..3] == [0x50, 0]).map(|p| (p[10] >> 1 & 31, p[17 + usize::from(p[16])])).collect();
    maps.dedup();
    assert_eq!(maps, [(0, 0x1b), (1, 0x24), (2, 0x1b)]);
}

#[test]
fn rtp_goes_to_two_outputs_as_one_stream() {
    let receivers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
    let mut options = options(&[("size", "256x144"), ("bitrate", "1M"), ("duration", "1.5s"), ("fault", "2:drop20%"), ("seed", "3")]);
    for receiver in &receivers {
        receiver.set_read_timeout(Some(Duration::from_millis(200))).expect("legal");
        options.set("output", &format!("rtp://{}", receiver.local_addr().expect("bound"))).expect("legal");
    }
    let over = Stop::new();
    let [one, two] = receivers.map(|receiver| {
        let over = over.clone();
        std::thread::spawn(move || {
            let (mut datagram, mut all) = ([0; 2048], Vec::new());
            loop {
                let last = over.is_raised();
                match receiver.recv(&mut datagram) {
                    Ok(size) => all.push(datagram[..size].to_vec()),
                    Err(_) if last => return all,
                    Err(_) => {}
                }
            }
        })
    });
    let report = run(&options, &Stop::new()).expect("runs");
    over.raise();
    let (one, two) = (one.join().expect("no panic"), two.join().expect("no panic"));
    let number = |d: &[u8]| u16::from_be_bytes([d[2], d[3]]);
    let time = |d: &[u8]| u32::from_be_bytes([d[4], d[5], d[6], d[7]]);
    for pair in one.windows(2) {
        assert_eq!(number(&pair[1]), number(&pair[0]).wrapping_add(1));
        assert!(time(&pair[1]).wrapping_sub(time(&pair[0])) < 90_000 / 5, "a 90 kHz clock");
        assert_eq!(pair[0][8..12], pair[1][8..12], "one source");
    }
    let first = |d: &Vec<u8>| (d[0], d[1], d[12]) == (0x80, 33, 0x47) && (d.len() - 12).is_multiple_of(188);
    assert!(one.iter().all(first) && one.len() > 60, "{}", one.len());
    let all = time(&one[one.len() - 1]).wrapping_sub(time(&one[0]));
    assert!((1.2 * 90_000.0..1.6 * 90_000.0).contains(&f64::from(all)), "{all}");
    let mut missing = 0;
    let mut left = two.iter().peekable();
    for datagram in &one {
        if left.next_if_eq(&datagram).is_none() {
            missing += 1;
        }
    }
    assert!(left.next().is_none(), "the second path has what the first has not");
    let lost: Vec<u64> = report.outputs.iter().map(|o| o.faults.lost).collect();
    assert!(
        lost[0] == 0 && lost[1].div_ceil(7) == missing && (one.len() / 10..one.len() / 3).contains(&(missing as usize)),
        "{lost:?} {missing} {}",
        one.len()
    );
    assert_eq!(report.outputs[0].bytes, one.iter().map(|d| d.len() as u64 - 12).sum::<u64>());
}

#[test]
fn a_connection_is_lost_and_made_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = format!("tcp://{}", listener.local_addr().expect("bound"));
    let options = options(&[("output", &to), ("size", "256x144"), ("bitrate", "1M"), ("duration", "2.4s"), ("fault", "disconnect@0.8+0.4")]);
    let feed = std::thread::spawn(move || run(&options, &Stop::new()));
    let calls: Vec<Vec<u8>> = (0..2)
        .map(|_| {
            let (mut stream, _) = listener.accept().expect("a call");
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut stream, &mut bytes).expect("a good end");
            bytes
        })
        .collect();
    let report = feed.join().expect("no panic").expect("runs");
    assert!(calls.iter().all(|bytes| bytes.len() > 188 * 50 && bytes.chunks(188).all(|p| p[0] == 0x47)));
    assert_eq!(report.bytes, calls.iter().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert!(report.outputs[0].unsent > 10, "{report:?}");
}

#[test]
fn srt_is_received() {
    ffmpeg::init().expect("it starts");
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port();
    let receiver = std::thread::spawn(move || {
        let mut input = ffmpeg::format::input(&format!("srt://127.0.0.1:{port}?mode=listener&listen_timeout=20000000")).expect("a caller");
        input.packets().count()
    });
    let options = options(&[("output", &format!("srt://127.0.0.1:{port}")), ("size", "256x144"), ("bitrate", "1M"), ("duration", "4s"), ("gop", "0.5s")]);
    let report = run(&options, &Stop::new()).expect("runs");
    let packets = receiver.join().expect("no panic");
    assert!(report.bytes > 100_000 && packets > 100, "{packets} {report:?}");
}

#[test]
fn faults_that_cannot_happen_are_refused() {
    for (faults, output, part) in [
        (&["slow10%"][..], "x.ts", "no time"),
        (&["disconnect@1"], "udp://127.0.0.1:9", "gap sends nothing"),
        (&["2:gap@1"], "udp://127.0.0.1:9", "outputs 1 to 1"),
        (&["1:freeze@1"], "udp://127.0.0.1:9", "part ways"),
    ] {
        let mut options = options(&[("output", output), ("duration", "1s")]);
        faults.iter().for_each(|fault| options.set("fault", fault).expect("legal"));
        let error = run(&options, &Stop::new()).expect_err(part);
        assert!(error.is_usage() && error.to_string().contains(part), "{error}");
    }
    let mut file = options(&[("output", "udp://127.0.0.1:9"), ("fault", "freeze@1")]);
    file.input = FeedInput::File("clip.mp4".into());
    assert!(run(&file, &Stop::new()).expect_err("copied").to_string().contains("copied"));
}
