//! Datagrams over the loopback: what is a feed, what is not, and what is counted of both.

mod limits;

use super::*;
use crate::capture::apart::Settled;
use crate::capture::media_tests::{clip, raised_after, read_pictures};
use crate::capture::{open, open_all};
use crate::time::Seconds;
use queue::Outlet;
use std::process::{Child, Command, Stdio};

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

fn free_ports() -> [u16; 2] {
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    sockets.map(|s| s.local_addr().expect("an address").port())
}

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x80, 33];
    datagram.extend(sequence.to_be_bytes());
    datagram.extend([0, 0, 0, 0, 9, 9, 9, 9]);
    datagram.extend(payload);
    datagram
}

fn ts(count: usize, first: usize) -> Vec<u8> {
    let packet = |n: usize| {
        let mut packet = [0x55; packets::SIZE];
        packet[..4].copy_from_slice(&[0x47, 1, 0, 0x10 | (n % 16) as u8]);
        packet
    };
    (first..first + count).flat_map(packet).collect()
}

/// A path whose thread runs until dropped.
struct Path {
    to: UdpSocket,
    counts: Arc<PathCounts>,
    blocks: Outlet,
    sent: u64,
    _receivers: Receivers,
}

impl Path {
    fn new(query: &str) -> Path {
        let port = free_port();
        let address = Address::parse(&format!("127.0.0.1:{port}{query}")).expect("legal");
        let socket = socket::open("test", &address).expect("it opens");
        let counts = Arc::new(PathCounts::new("test"));
        let (inlet, blocks) = queue::lossy();
        let (intake, quit) = (Intake::new(&counts, inlet, false), Stop::new());
        let inner = quit.clone();
        let body = move || receive::datagrams(&socket, |from| address.hears(from), intake, &Drained::default(), Instant::now(), &inner);
        let receivers = Receivers { quit, threads: vec![std::thread::spawn(body)] };
        let to = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        to.connect(("127.0.0.1", port)).expect("it connects");
        Path { to, counts, blocks, sent: 0, _receivers: receivers }
    }

    /// The next blocks that are handed on: all that is counted of a block is counted before it is handed on, not before `send` returns.
    fn came(&self, blocks: usize) -> Vec<Vec<u8>> {
        (0..blocks).map(|_| self.blocks.wait().expect("it comes").packets).collect()
    }

    /// Sends, and waits until it was taken.
    fn send(&mut self, datagram: &[u8]) {
        self.to.send(datagram).expect("sent");
        self.sent += 1;
        let began = Instant::now();
        while self.counts.packets.load(Relaxed) + self.counts.garbage.load(Relaxed) < self.sent {
            assert!(began.elapsed() < Duration::from_secs(10), "datagram {} is not taken", self.sent);
            std::thread::yield_now();
        }
    }
}

#[test]
fn garbage_on_a_socket_is_counted_and_harms_nothing() {
    let mut path = Path::new("");
    path.send(&ts(7, 0));
    for garbage in [&b"GET / HTTP/1.0\r\n\r\n"[..], &[0x47; 100], &[0x80; 11], &rtp(1, b"not a transport stream"), &[0; 1316], &[0xff; 9000]] {
        path.send(garbage);
    }
    path.send(&ts(7, 7));
    let came: Vec<u8> = path.came(2).into_iter().flatten().collect();
    assert_eq!(came, ts(14, 0));
    let counts = path.counts.snapshot();
    assert_eq!((counts.packets, counts.garbage, counts.continuity, counts.bytes), (2, 6, 0, 14 * 188));
    assert!(counts.up && counts.silent_ms.is_some());
}

#[test]
fn what_is_missing_is_counted_with_and_without_numbers() {
    let mut path = Path::new("");
    for n in [0usize, 1, 3, 2, 2, 6] {
        path.send(&rtp((n as u16).wrapping_add(65_534), &ts(7, n * 7)));
    }
    path.came(5);
    let counts = path.counts.snapshot();
    assert_eq!((counts.packets, counts.lost, counts.reordered, counts.duplicate), (6, 2, 1, 1));
    assert!(path.blocks.take().is_err(), "what came twice is handed on once");
    let mut path = Path::new("");
    for n in [0usize, 1, 3] {
        path.send(&ts(7, n * 7));
    }
    path.came(3);
    let counts = path.counts.snapshot();
    assert_eq!((counts.packets, counts.lost, counts.continuity), (3, 7, 1));
}

/// Some senders fill datagrams without regard to packets.
#[test]
fn datagrams_may_cut_packets() {
    let path = Path::new("");
    let all = ts(200, 0);
    for piece in all.chunks(1472) {
        path.to.send(piece).expect("sent");
    }
    let mut came = Vec::new();
    while came.len() < all.len() {
        came.extend(path.blocks.wait().expect("it comes").packets);
    }
    assert_eq!(came, all);
    assert_eq!(path.counts.garbage.load(Relaxed), 0);
}

#[test]
fn who_is_not_listened_to_is_not_heard() {
    let mut path = Path::new("?sources=127.0.0.2");
    path.to.send(&ts(7, 0)).expect("sent");
    let from = UdpSocket::bind("127.0.0.2:0").expect("all of 127/8 is this machine's");
    from.connect(path.to.peer_addr().expect("connected")).expect("it connects");
    path.to = from;
    path.to.send(&ts(7, 7)).expect("sent");
    // What was sent first would be there first.
    assert!(path.came(1)[0] == ts(7, 7), "another one's");
}

#[test]
fn a_group_is_joined() {
    let port = free_port();
    for url in [format!("239.255.77.7:{port}?localaddr=127.0.0.1"), format!("127.0.0.1@232.255.77.7:{port}?localaddr=127.0.0.1")] {
        let address = Address::parse(&url).expect("legal");
        let Ok(socket) = socket::open("test", &address) else {
            eprintln!("skipped: {url} cannot be joined here");
            continue;
        };
        socket.set_nonblocking(false).expect("set");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        let sender = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
        sender.set_multicast_if_v4(&std::net::Ipv4Addr::LOCALHOST).expect("set");
        sender.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().expect("an address").into()).expect("bound");
        if sender.send_to(&ts(1, 0), &address.to.into()).is_err() {
            eprintln!("skipped: no multicast on the loopback");
            continue;
        }
        let mut datagram = [0; 2000];
        let (length, from) = socket.recv_from(&mut datagram).expect("it comes");
        assert!(address.hears(from.ip()) && datagram[..length] == ts(1, 0)[..], "{url}");
    }
}

#[test]
fn what_cannot_be_listened_on_is_said() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = taken.local_addr().expect("an address").port();
    for (url, said) in [
        (format!("udp://127.0.0.1:{port}"), "the port is taken"),
        ("udp://127.0.0.1".to_owned(), "no port in it; udp://ADDRESS:PORT"),
        ("rtp://192.0.2.1:5000".to_owned(), "none of this machine's"),
        ("udp://239.1.1.1:5000?interface=nosuch0".to_owned(), "no interface nosuch0"),
        ("udp://127.0.0.1:5000?colour=red".to_owned(), "the option colour is not known"),
    ] {
        let error = open(&url, Pace::Live, &Select::default(), &Stop::new()).err().unwrap_or_else(|| panic!("{url} opened")).to_string();
        assert!(error.contains(said), "{url}: {error}");
    }
}

/// Sends a clip again and again to several ports, as datagrams of seven packets, with numbers where asked; drops what `lost` says.
struct Looped {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Looped {
    fn new(clip: &std::path::Path, to: Vec<(u16, bool)>, lost: impl Fn(usize, usize) -> bool + Send + 'static) -> Looped {
        let (stop, feed) = (Stop::new(), std::fs::read(clip).expect("a clip"));
        let quit = stop.clone();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let thread = std::thread::spawn(move || {
            let mut number = 0usize;
            loop {
                for datagram in feed.chunks_exact(7 * packets::SIZE) {
                    for (path, (port, numbered)) in to.iter().enumerate().filter(|(path, _)| !lost(*path, number)) {
                        let datagram = if *numbered { rtp(number as u16, datagram) } else { datagram.to_vec() };
                        // Refused until somebody listens.
                        let _ = socket.send_to(&datagram, ("127.0.0.1", *port));
                        let _ = path;
                    }
                    number += 1;
                    if number.is_multiple_of(4) && quit.wait(Duration::from_millis(1)) {
                        return;
                    }
                }
            }
        });
        Looped { stop, thread: Some(thread) }
    }
}

impl Drop for Looped {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the sender ends");
        }
    }
}

fn try_two(inputs: &[String], stop: &Stop) -> Opened {
    ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
    open_all(inputs, Seconds::new(80, 1000), Pace::Live, &Select::default(), stop, None)
}

#[test]
fn two_paths_of_any_kind_are_merged_and_stop_at_once() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    for (schemes, numbered, mode) in
        [(["udp", "udp"], [false; 2], "content"), (["rtp", "rtp"], [true; 2], "number"), (["udp", "rtp"], [false, true], "content")]
    {
        let ports = free_ports();
        let inputs = [0, 1].map(|n| format!("{}://127.0.0.1:{}", schemes[n], ports[n]));
        // Every eleventh is lost on the one, every thirteenth on the other; never both until number 143.
        let sender = Looped::new(&path, vec![(ports[0], numbered[0]), (ports[1], numbered[1])], |path, n| match path {
            0 => n % 11 == 0 && n % 13 != 0,
            _ => n % 13 == 0 && n % 11 != 0,
        });
        let stop = Stop::new();
        let (source, mut input) = try_two(&inputs, &stop).unwrap_or_else(|e| panic!("{schemes:?}: {e}"));
        assert_eq!((source.facts.width, source.facts.height), (1024, 576));
        assert!(read_pictures(input.as_mut(), 100) > 10);
        let counts = source.paths.expect("they are counted");
        let merge = counts.merge.snapshot();
        assert_eq!(merge.mode, mode, "{schemes:?}");
        let snapshots = counts.paths.iter().map(|path| path.snapshot()).collect::<Vec<_>>();
        assert!(snapshots.iter().all(|path| path.lost > 20 && path.filled > 20 && path.up), "{schemes:?}: {snapshots:?}");
        drop(sender);
        let stopper = raised_after(&stop, 300);
        while !matches!(input.read().expect("datagrams"), Read::Stopped) {}
        drop(input);
        let late = stopper.join().expect("no panic").elapsed();
        assert!(late < Duration::from_millis(150), "{late:?}");
    }
}

/// ffmpeg, sending one clip on two connections.
struct Tee(Child);

impl Drop for Tee {
    fn drop(&mut self) {
        // Gone already where it ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_srt_connections_are_merged() {
    let _settled = Settled;
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let ports = free_ports();
    let out = ports.map(|port| format!("[f=mpegts]srt://127.0.0.1:{port}?mode=caller&connect_timeout=15000")).join("|");
    let inputs = ports.map(|port| format!("srt://127.0.0.1:{port}?mode=listener"));
    let stop = Stop::new();
    let (quit, listened) = (stop.clone(), inputs.clone());
    let opened = std::thread::spawn(move || try_two(&listened, &quit));
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-re", "-stream_loop", "-1", "-i"]).arg(&path).args(["-map", "0:v:0", "-map", "0:a:0", "-c", "copy", "-f", "tee", &out]);
    let _tee = Tee(command.stdin(Stdio::null()).spawn().expect("ffmpeg runs"));
    let (source, mut input) = opened.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
    read_pictures(input.as_mut(), 100);
    let counts = source.paths.expect("they are counted");
    assert_eq!(counts.merge.snapshot().mode, "content", "{:?}", counts.merge.snapshot());
    stop.raise();
}

/// Two files are the simplest two paths: the feed ends when both do, and nothing is missing of what either has.
#[test]
fn two_files_are_two_paths() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let feed = std::fs::read(&path).expect("a clip");
    let thinned =
        |lost: usize| feed.chunks(7 * packets::SIZE).enumerate().filter(|(n, _)| *n < 200 || n % lost != 0).flat_map(|(_, d)| d.to_vec()).collect::<Vec<u8>>();
    let inputs = [101, 103].map(|lost| {
        let name = dir.path().join(format!("{lost}.ts"));
        std::fs::write(&name, thinned(lost)).expect("written");
        name.to_string_lossy().into_owned()
    });
    let (source, mut input) = try_two(&inputs, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    let (mut pictures, mut hurt) = (0, 0);
    loop {
        match input.read().expect("files") {
            Read::Unit(unit) if unit.kind == crate::capture::Kind::Video => {
                pictures += 1;
                hurt += usize::from(unit.hurt);
            }
            Read::End => break,
            _ => {}
        }
    }
    let counts = source.paths.expect("they are counted");
    assert_eq!(pictures, 300);
    assert_eq!((hurt, counts.merge.snapshot().continuity), (0, 0), "{:?}", counts.merge.snapshot());
    assert!(counts.paths.iter().all(|path| path.filled.load(Relaxed) > 20));
}
