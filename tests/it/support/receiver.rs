//! A receiver of pushes that does what it is told: takes what comes, or misbehaves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What it does with a request.
#[derive(Clone, PartialEq, Debug)]
pub enum Manner {
    /// Stores it.
    Take,
    /// Reads it, and answers with this status and these headers.
    Answer(u16, &'static str),
    /// Reads so many bytes a second, then stores it.
    Slow(usize),
    /// Closes after half of the body.
    Half,
    /// Reads it, and never answers.
    Hang,
    /// Never reads.
    Deaf,
    /// Stores what has this in `Authorization`, and answers 401 to the rest.
    Login(&'static str),
}

/// A request that came, on which connection.
#[derive(Clone, Debug)]
pub struct Seen {
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub headers: String,
    pub status: u16,
}

#[derive(Default)]
struct State {
    manner: Mutex<Option<Manner>>,
    taken: Mutex<BTreeMap<String, Vec<u8>>>,
    partial: Mutex<BTreeMap<String, usize>>,
    seen: Mutex<Vec<Seen>>,
    streams: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    dead: AtomicBool,
}

/// The receiver; it is gone once this is dropped.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State::default());
        let thread = Some(listen(listener, &state));
        Receiver { address, state, thread }
    }

    pub fn url(&self) -> String {
        format!("http://{}/live/", self.address)
    }

    pub fn behave(&self, manner: Manner) {
        *self.state.manner.lock().expect("locked") = Some(manner);
    }

    /// Ends it as a crash does; what it has taken is kept.
    pub fn kill(&mut self) {
        self.state.dead.store(true, Ordering::SeqCst);
        // Whatever it waits for, it hears of this.
        let _ = TcpStream::connect(self.address);
        self.thread.take().into_iter().for_each(|thread| thread.join().expect("no panic"));
        for stream in self.state.streams.lock().expect("locked").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// At the same address again.
    pub fn revive(&mut self) {
        self.state.dead.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(self.address).expect("the port is free again");
        self.thread = Some(listen(listener, &self.state));
    }

    /// What it has, by path below `live/`.
    pub fn taken(&self) -> BTreeMap<String, Vec<u8>> {
        self.state.taken.lock().expect("locked").clone()
    }

    pub fn has(&self, path: &str) -> bool {
        self.state.taken.lock().expect("locked").contains_key(path)
    }

    /// Bytes of a body that has not ended.
    pub fn partial(&self, path: &str) -> usize {
        self.state.partial.lock().expect("locked").get(path).copied().unwrap_or(0)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("locked").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

fn listen(listener: TcpListener, state: &Arc<State>) -> JoinHandle<()> {
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if state.dead.load(Ordering::SeqCst) {
                return;
            }
            state.streams.lock().expect("locked").push(stream.try_clone().expect("a handle"));
            let (state, number) = (Arc::clone(&state), state.connections.fetch_add(1, Ordering::SeqCst));
            // It ends with its connection.
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while request(&mut reader, number, &state).is_some() {}
                let _ = reader.get_ref().shutdown(Shutdown::Both);
            });
        }
    })
}

/// One request; `None`: the connection is over.
fn request(reader: &mut BufReader<TcpStream>, connection: usize, state: &State) -> Option<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let manner = state.manner.lock().expect("locked").clone().unwrap_or(Manner::Take);
    let (line, headers) = head.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let path = target.split('?').next()?.strip_prefix("/live/").unwrap_or_default().to_owned();
    let lower = headers.to_ascii_lowercase();
    let field = |name: &str| lower.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned));
    if manner == Manner::Deaf {
        // Until the other side gives up.
        while !state.dead.load(Ordering::SeqCst) && reader.get_ref().peek(&mut []).is_ok() && *state.manner.lock().expect("locked") == Some(Manner::Deaf) {
            std::thread::sleep(Duration::from_millis(20));
        }
        return None;
    }
    let body = match field("content-length").and_then(|n| n.parse::<usize>().ok()) {
        Some(length) if manner == Manner::Half => return read(reader, length / 2, &manner).and(None),
        Some(length) => read(reader, length, &manner)?,
        None if field("transfer-encoding").is_some() => {
            let mut body = Vec::new();
            loop {
                let mut size = String::new();
                reader.read_line(&mut size).ok()?;
                let size = usize::from_str_radix(size.trim(), 16).ok()?;
                body.extend(read(reader, size, &manner)?);
                state.partial.lock().expect("locked").insert(path.clone(), body.len());
                reader.read_line(&mut String::new()).ok()?;
                if size == 0 {
                    break body;
                }
            }
        }
        None => Vec::new(),
    };
    let (status, more) = match &manner {
        Manner::Hang => {
            while !state.dead.load(Ordering::SeqCst) && *state.manner.lock().expect("locked") == Some(Manner::Hang) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return None;
        }
        Manner::Answer(status, more) => (*status, *more),
        Manner::Login(wanted) if !headers.contains(&format!("authorization: {wanted}\r\n")) => (401, ""),
        _ => {
            match method.as_str() {
                "DELETE" => drop(state.taken.lock().expect("locked").remove(&path)),
                "GET" => {}
                _ => drop(state.taken.lock().expect("locked").insert(path, body)),
            }
            (201, "")
        }
    };
    let status = if method == "GET" { 404 } else { status };
    state.seen.lock().expect("locked").push(Seen { connection, method, target, headers: lower.clone(), status });
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{more}\r\n");
    reader.get_mut().write_all(answer.as_bytes()).ok()
}

fn read(reader: &mut BufReader<TcpStream>, length: usize, manner: &Manner) -> Option<Vec<u8>> {
    let mut body = vec![0; length];
    match manner {
        Manner::Slow(rate) => {
            for part in body.chunks_mut(rate / 10) {
                reader.read_exact(part).ok()?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        _ => reader.read_exact(&mut body).ok()?,
    }
    Some(body)
}
