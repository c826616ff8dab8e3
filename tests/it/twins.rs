//! Two live workers on one stamped UDP feed, the second joining later: interchangeable, with nothing between them.

use crate::support::{alone, assert_interchangeable, mezzo, numbers, signal, until, wait};
use std::net::UdpSocket;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Passes every datagram on to both workers, as a network's multicast would.
fn split(to: [u16; 2], over: Arc<AtomicBool>) -> (u16, std::thread::JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = socket.local_addr().expect("an address").port();
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let thread = std::thread::spawn(move || {
        let mut datagram = [0; 2048];
        while !over.load(Ordering::Relaxed) {
            let Ok((size, _)) = socket.recv_from(&mut datagram) else { continue };
            for port in to {
                // Refused until that worker listens.
                let _ = socket.send_to(&datagram[..size], ("127.0.0.1", port));
            }
        }
    });
    (port, thread)
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address").port()
}

#[test]
fn twins_on_a_stamped_feed_publish_the_same_bytes() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let ports = [free_port(), free_port()];
    let over = Arc::new(AtomicBool::new(false));
    let (port, splitter) = split(ports, over.clone());
    let url = format!("udp://127.0.0.1:{port}");
    let feed = ["feed", "--output", &url, "--size", "640x360", "--rate", "30000/1001"];
    let mut feed = mezzo(&feed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts");
    let outputs = [dir.path().join("a"), dir.path().join("b")];
    let start = |i: usize| {
        let (input, output) = (format!("udp://127.0.0.1:{}", ports[i]), outputs[i].to_string_lossy().into_owned());
        mezzo(&["run", "--input", &input, "--ladder", "tiny", "--output", &output]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a worker")
    };
    let mut a = start(0);
    until("the first worker publishes", 40, || numbers(&outputs[0], "avc-180p").len() >= 2);
    let mut b = start(1);
    until("both have four segments of their own", 60, || {
        let (a, b) = (numbers(&outputs[0], "aac-64k"), numbers(&outputs[1], "aac-64k"));
        a.iter().filter(|n| b.contains(n)).count() >= 4
    });
    for child in [&mut a, &mut b, &mut feed] {
        signal(child, "TERM");
        assert!(wait(child, 5).success());
    }
    over.store(true, Ordering::Relaxed);
    splitter.join().expect("the splitter ends");
    let first = numbers(&outputs[0], "avc-180p")[0];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let slot = now * 30000.0 / 1001.0 / 60.0;
    assert!((slot - first as f64) < 60.0 && (first as f64) < slot, "the number {first} is the time of day, {slot} now");
    assert_interchangeable("twins", &outputs[0], &outputs[1], 12);
}
