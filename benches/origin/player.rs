//! Players: each waits for the next playlist on one connection, and for the next part on another.

use crate::delays::{Delays, Part, Received, processor_time};
use crate::{CHUNK, Load, PARTS};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

/// All players, on this thread, until the time is over.
pub fn run(address: SocketAddr, load: &Load, delays: &Arc<Delays>) -> Received {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        while (0..load.tracks).any(|track| delays.newest(track).is_none()) {
            sleep(CHUNK).await;
        }
        // Connections come one after the other, and are all there before it counts.
        let counted = Instant::now() + CHUNK * 10 + Duration::from_millis(load.clients as u64);
        let until = counted + Duration::from_secs(load.seconds);
        let mut players = JoinSet::new();
        for n in 0..load.clients {
            for list in [false, true] {
                let (track, delays) = (n % load.tracks, delays.clone());
                let stream = TcpStream::connect(address).await.expect("a connection");
                stream.set_nodelay(true).expect("a socket");
                players.spawn(async move { play(Connection { stream, buffer: vec![0; 64 << 10] }, track, list, &delays, counted, until).await });
            }
        }
        assert!(Instant::now() < counted, "players were not all connected in time");
        let mut all = Received::default();
        let times = tokio::spawn(async move {
            sleep_until(counted.into()).await;
            let before = processor_time();
            sleep_until(until.into()).await;
            (before, processor_time())
        });
        while let Some(received) = players.join_next().await {
            all.add(received.expect("a player"));
        }
        all.threads = times.await.expect("two looks");
        all
    })
}

async fn play(mut connection: Connection, track: usize, list: bool, delays: &Delays, counted: Instant, until: Instant) -> Received {
    let mut received = Received::default();
    let mut next = after(delays.newest(track).expect("it has begun"));
    let mut first_due = None;
    while Instant::now() < until {
        let (number, index) = next;
        let path = if list { format!("t{track}/media.m3u8?_HLS_msn={number}&_HLS_part={index}") } else { format!("t{track}/{number}.{index}.m4s") };
        let answer = connection.get(&path, list.then(|| format!("\"{number}.{index}.m4s\"")).as_deref()).await;
        let delay = delays.since(track, next, list);
        match (answer, delay) {
            (Ok(length), Some(delay)) => {
                received.bytes += length as u64;
                // Those that were published after all players had come, and long enough before the end.
                let published = Instant::now() - delay;
                if published >= counted && published < until {
                    if list {
                        received.lists.push(delay)
                    } else {
                        received.parts.push(delay)
                    }
                    first_due.get_or_insert(next);
                }
            }
            (answer, _) => {
                eprintln!("t{track}/{number}.{index}: {answer:?}");
                received.wrong += 1;
                return received;
            }
        }
        next = after(next);
    }
    if !list {
        // All between the first and the last, one by one: none may be missing.
        let (from, to) = (first_due.unwrap_or(next), next);
        received.due = ((to.0 - from.0) * i64::from(PARTS) + i64::from(to.1) - i64::from(from.1)) as usize;
        received.due -= received.due.saturating_sub(received.parts.len()).min(1);
    }
    received
}

fn after((number, index): Part) -> Part {
    if index + 1 == PARTS { (number + 1, 0) } else { (number, index + 1) }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Asks, and reads all of the answer; its length. `expected` must be in it, near its end.
    async fn get(&mut self, path: &str, expected: Option<&str>) -> io::Result<usize> {
        let request = format!("GET /live/{path} HTTP/1.1\r\nhost: origin.example\r\nuser-agent: player\r\naccept: */*\r\norigin: https://example\r\n\r\n");
        let mut sent = 0;
        while sent < request.len() {
            self.stream.writable().await?;
            match self.stream.try_write(&request.as_bytes()[sent..]) {
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        let (mut have, mut head) = (0, None);
        loop {
            self.stream.readable().await?;
            // Of a long body only the newest bytes are kept.
            let at = if have < self.buffer.len() { have } else { 0 };
            match self.stream.try_read(&mut self.buffer[at..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(e) => return Err(e),
            }
            if head.is_none() {
                head = parse(&self.buffer[..have])?;
            }
            if let Some((begin, length)) = head
                && have >= begin + length
            {
                let body = &self.buffer[begin.min(self.buffer.len())..have.min(self.buffer.len())];
                return match expected {
                    Some(expected) if !String::from_utf8_lossy(body).contains(expected) => Err(io::Error::other(format!("{expected} is not in it"))),
                    _ => Ok(length),
                };
            }
        }
    }
}

/// Where the body begins, and how long it is.
fn parse(raw: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(end) = raw.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&raw[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|l| l.parse().ok());
    match length {
        Some(length) if head.starts_with("http/1.1 200 ") => Ok(Some((end + 4, length))),
        _ => Err(io::Error::other(head)),
    }
}
