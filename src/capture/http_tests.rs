//! HTTP and HLS over the loopback, from a small server.

use super::loopback::{assert_opening_stops, assert_reading_stops, try_open};
use crate::capture::media_tests::{clip, read_pictures};
use crate::capture::{Lost, Read};
use crate::stop::Stop;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the server says to a path.
#[derive(Clone)]
enum Answer {
    /// The whole of it.
    Whole(Vec<u8>),
    /// This, and then nothing, with the connection open.
    Stalled(Vec<u8>),
    /// This, and then the connection is closed. How long it is was not said.
    Closed(Vec<u8>),
    /// The same in one chunk, as HTTP/1.1 has them, and the mark of their end.
    Chunked(Vec<u8>),
    /// This, and then the connection is closed, though twice as much was said.
    Cut(Vec<u8>),
}

/// A small HTTP server.
struct Http {
    address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Stop,
}

impl Http {
    fn new() -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Http { address, answers: Arc::default(), asked: Arc::default(), stop: Stop::new() };
        let (answers, asked, stop) = (server.answers.clone(), server.asked.clone(), server.stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.is_raised() {
                    return;
                }
                let (answers, asked, stop) = (answers.clone(), asked.clone(), stop.clone());
                std::thread::spawn(move || answer(stream, &answers, &asked, &stop));
            }
        });
        server
    }

    fn put(&self, path: &str, answer: Answer) -> String {
        self.answers.lock().expect("unpoisoned").insert(path.to_owned(), answer);
        format!("http://{}{path}", self.address)
    }

    /// Takes no more calls.
    fn close(&self) {
        self.stop.raise();
        // Wakes the thread that accepts, which then lets its socket go.
        let _ = TcpStream::connect(self.address);
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.close();
    }
}

fn answer(mut stream: TcpStream, answers: &Mutex<HashMap<String, Answer>>, asked: &Mutex<Vec<String>>, stop: &Stop) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let found = answers.lock().expect("unpoisoned").get(&path).cloned();
    asked.lock().expect("unpoisoned").push(path);
    // Errors are of clients that have gone.
    let _ = match found {
        None => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Some(Answer::Whole(body)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).and_then(|()| stream.write_all(&body))
        }
        Some(Answer::Stalled(body)) => {
            let done = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").and_then(|()| stream.write_all(&body));
            stop.wait(Duration::from_secs(30));
            done
        }
        Some(Answer::Closed(body)) => write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").and_then(|()| stream.write_all(&body)),
        Some(Answer::Chunked(body)) => write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n", body.len())
            .and_then(|()| stream.write_all(&body))
            .and_then(|()| write!(stream, "\r\n0\r\n\r\n")),
        Some(Answer::Cut(body)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len() * 2).and_then(|()| stream.write_all(&body))
        }
    };
}

#[test]
fn http_brings_a_transport_stream_and_stops_at_once() {
    let server = Http::new();
    let error = try_open(&format!("http://{}/none.ts", server.address), &Stop::new()).err().expect("not there").to_string();
    assert!(error.contains("/none.ts") && error.contains("404") && error.contains("http:// and https:// are accepted"), "{error}");
    let text = server.put("/text", Answer::Whole(b"this is no media\n".repeat(500)));
    let error = try_open(&text, &Stop::new()).err().expect("no media").to_string();
    assert!(error.contains("not media") && error.contains("HLS, MPEG-TS"), "{error}");
    assert_opening_stops(&server.put("/mute.ts", Answer::Stalled(Vec::new())));
    let Some(path) = clip("ts_bear_360p_ptswrap.ts") else { return };
    let bytes = std::fs::read(path).expect("a clip");
    let (_, mut input) = try_open(&server.put("/all.ts", Answer::Whole(bytes.clone())), &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert!(read_pictures(input.as_mut(), 80) > 100);
    while !matches!(input.read().expect("it is complete"), Read::End) {}
    let stop = Stop::new();
    let (_, mut input) = try_open(&server.put("/half.ts", Answer::Stalled(bytes)), &stop).unwrap_or_else(|e| panic!("{e}"));
    assert_reading_stops(input.as_mut(), &stop, 500);
}

#[test]
fn an_answer_that_ends_before_it_is_known_to_be_complete_is_a_loss() {
    let Some(path) = clip("ts_bear_360p_ptswrap.ts") else { return };
    let server = Http::new();
    let bytes = std::fs::read(path).expect("a clip");
    for (name, answer) in [("closed", Answer::Closed(bytes.clone())), ("chunked", Answer::Chunked(bytes.clone())), ("cut", Answer::Cut(bytes.clone()))] {
        let (_, mut input) = try_open(&server.put(&format!("/{name}.ts"), answer), &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
        read_pictures(input.as_mut(), 80);
        let lost = loop {
            match input.read() {
                Ok(Read::End | Read::Stopped) => panic!("{name}: nobody said that it is complete"),
                Ok(Read::Lost(Lost::Connection)) => break String::new(),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
        };
        // What is stored, and says how long it is, is not called again: it would begin at its beginning.
        assert_eq!(lost.contains("other side closed"), name == "cut", "{name}: {lost}");
    }
}

fn playlist(segments: &[&str], end: bool) -> Vec<u8> {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:7\n".to_owned();
    segments.iter().for_each(|segment| text.push_str(&format!("#EXTINF:2.7,\n{segment}\n")));
    if end {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text.into_bytes()
}

#[test]
fn hls_ends_where_its_playlist_says_so_and_breaks_where_it_is_gone() {
    let Some(path) = clip("ts_bear_360p_ac3.ts") else { return };
    let server = Http::new();
    server.put("/a.ts", Answer::Whole(std::fs::read(path).expect("a clip")));
    let url = server.put("/whole.m3u8", Answer::Whole(playlist(&["a.ts"], true)));
    let (_, mut input) = try_open(&url, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert!(read_pictures(input.as_mut(), 80) > 50);
    while !matches!(input.read().expect("it is complete"), Read::End) {}

    let url = server.put("/live.m3u8", Answer::Whole(playlist(&["a.ts"], false)));
    let stop = Stop::new();
    let (_, mut input) = try_open(&url, &stop).unwrap_or_else(|e| panic!("{e}"));
    read_pictures(input.as_mut(), 80);
    assert_reading_stops(input.as_mut(), &stop, 1500);

    let (_, mut input) = try_open(&url, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    read_pictures(input.as_mut(), 80);
    server.close();
    let began = Instant::now();
    loop {
        match input.read().expect("it is called again") {
            Read::End | Read::Stopped => panic!("nobody said that it is at its end"),
            Read::Lost(Lost::Connection) => break,
            _ => assert!(began.elapsed() < Duration::from_secs(40)),
        }
    }
}

#[test]
fn a_hostile_playlist_opens_no_files() {
    let Some(path) = clip("ts_bear_360p_ac3.ts") else { return };
    let server = Http::new();
    let secret = path.canonicalize().expect("it is there");
    for place in
        [format!("file://{}", secret.display()), secret.display().to_string(), format!("concat:{}", secret.display()), format!("subfile:{}", secret.display())]
    {
        let url = server.put("/hostile.m3u8", Answer::Whole(playlist(&[&place], true)));
        let error = try_open(&url, &Stop::new()).err().unwrap_or_else(|| panic!("{place} was opened")).to_string();
        assert!(error.contains("hostile.m3u8"), "{error}");
    }
    // Nor does what comes through a pipe, where nothing but media is accepted.
    let dir = tempfile::tempdir().expect("a folder");
    server.put("/a.ts", Answer::Whole(std::fs::read(&path).expect("a clip")));
    let fifo = dir.path().join("feed");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let (list, into) = (playlist(&[&format!("http://{}/a.ts", server.address), &format!("file://{}", secret.display())], true), fifo.clone());
    let writer = std::thread::spawn(move || std::fs::write(into, list));
    assert!(try_open(fifo.to_str().expect("UTF-8"), &Stop::new()).is_err());
    // It may have been let go before it was written.
    let _ = writer.join().expect("no panic");
    assert!(!server.asked.lock().expect("unpoisoned").iter().any(|path| path == "/a.ts"));
}
