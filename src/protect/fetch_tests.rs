use super::super::cipher::Scheme;
use super::super::ring::{Rotation, Source};
use super::*;
use crate::time::{Grid, Rate, Seconds};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossbeam::channel::unbounded;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;

/// Fills a key into what is asked for, or is not well.
fn serve(stream: TcpStream, well: bool) {
    let mut reader = BufReader::new(stream);
    let (mut long, mut line) = (0, String::new());
    while reader.read_line(&mut line).is_ok() && line.trim() != "" {
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            long = text.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut body = vec![0; long];
    reader.read_exact(&mut body).expect("a body");
    let key = format!("<cpix:Data><pskc:Secret><pskc:PlainValue>{}</pskc:PlainValue></pskc:Secret></cpix:Data>", STANDARD.encode([7; 16]));
    let document = String::from_utf8(body)
        .expect("text")
        .replace("commonEncryptionScheme=\"cbcs\"/>", &format!("commonEncryptionScheme=\"cbcs\">{key}</cpix:ContentKey>"));
    let head = if well { "200 OK" } else { "500 Away" };
    let _ = write!(reader.into_inner(), "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{document}", document.len());
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_fails_until_a_key_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound")).parse().expect("a URL");
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    std::thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.expect("a caller"), is_well.load(Relaxed))));
    let grid = Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO);
    let (tx, wanted) = unbounded();
    let rotation = Rotation::new(Some(Seconds::whole(60)), grid);
    let source = Source::Server(vec![TrackClass::All]);
    let ring = Arc::new(KeyRing::new("c", Scheme::Cbcs, rotation, source, true, Duration::from_millis(1), Some(tx.clone())));
    let fetcher = Fetcher::new(Server { url, headers: vec![], ca: None }, &[], &ring, wanted).expect("a client");
    let fetching = std::thread::spawn(move || fetcher.run());
    tx.send(7).expect("it listens");
    let failing = || ring.counts.failing.load(Relaxed);
    until("the server is not well", failing);
    tx.send(8).expect("it listens");
    until("neither of both comes", || ring.counts.failed.load(Relaxed) >= 2);
    well.store(true, Relaxed);
    until("the first comes", || ring.counts.fetched.load(Relaxed) >= 1);
    until("both come", || ring.has(7) && ring.has(8));
    until("it is well again", || !failing());
    drop((tx, ring));
    fetching.join().expect("it ends with those that want keys");
}
