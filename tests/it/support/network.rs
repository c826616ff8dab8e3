//! A network of one sender: what comes to one port is passed on to several, as multicast would, with faults on the way.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// One receiver.
#[derive(Default)]
pub struct Way {
    port: u16,
    /// Every so many datagrams one is lost; 0: none.
    loses: usize,
    /// Nothing gets through.
    cut: AtomicBool,
}

/// Passes datagrams on until dropped.
pub struct Splitter {
    /// Where the sender sends.
    pub port: u16,
    ways: Arc<Vec<Way>>,
    over: Arc<AtomicBool>,
    came: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Splitter {
    /// One way for each entry of `loses`.
    pub fn new(loses: &[usize]) -> Splitter {
        let ways: Arc<Vec<Way>> = Arc::new(loses.iter().map(|&loses| Way { port: free_port(), loses, ..Way::default() }).collect());
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = socket.local_addr().expect("an address").port();
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let over = Arc::new(AtomicBool::new(false));
        let came: Arc<AtomicUsize> = Arc::default();
        let thread = {
            let (ways, over, came) = (ways.clone(), over.clone(), came.clone());
            std::thread::spawn(move || pass_on(&socket, &ways, &over, &came))
        };
        Splitter { port, ways, over, came, thread: Some(thread) }
    }

    /// How many datagrams came so far.
    pub fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }

    /// What the receiver of a way listens to.
    pub fn url(&self, way: usize) -> String {
        format!("udp://127.0.0.1:{}", self.ways[way].port)
    }

    /// Cuts a way, or mends it.
    pub fn cut(&self, way: usize, cut: bool) {
        self.ways[way].cut.store(cut, Ordering::Relaxed);
    }
}

impl Drop for Splitter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the splitter ends");
        }
    }
}

fn pass_on(socket: &UdpSocket, ways: &[Way], over: &AtomicBool, came: &AtomicUsize) {
    let mut datagram = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        let Ok((size, _)) = socket.recv_from(&mut datagram) else { continue };
        let count = came.fetch_add(1, Ordering::Relaxed) + 1;
        for way in ways.iter().filter(|way| !way.cut.load(Ordering::Relaxed) && (way.loses == 0 || !count.is_multiple_of(way.loses))) {
            // Refused until that receiver listens.
            let _ = socket.send_to(&datagram[..size], ("127.0.0.1", way.port));
        }
    }
}

/// A port that nobody has.
pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address").port()
}
