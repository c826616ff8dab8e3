//! Paths that are no sockets of ours: `srt://`, `rist://` and `tcp://` through libav's protocols, pipes and files. A connection that is lost is made again.

use super::counts::one;
use super::receive::{Drained, Handed, Intake};
use crate::capture::libav::{options, start_libav, words};
use crate::capture::pipe::Pipe;
use crate::capture::refused;
use crate::ffmpeg::UrlReader;
use crate::stop::Stop;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What libav may open for a path, by what its URL begins with.
const PROTOCOLS: [&str; 3] = ["srt", "rist", "tcp"];
/// Bytes of one piece.
const PIECE: usize = 1 << 16;
/// Microseconds after which libav itself gives a silent connection up.
const SOCKET_SILENCE: &str = "15000000";
/// How long a path waits before it connects again: at first, and at most.
const AGAIN: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// A path of bytes.
pub enum Stream {
    /// A URL that libav opens.
    Connection {
        /// As given.
        url: String,
        /// What libav may open for it.
        protocol: &'static str,
    },
    /// A pipe, or standard input.
    Pipe(Pipe),
    /// A file, read as fast as it is taken.
    File(File),
}

impl Stream {
    /// What `input` is, where it can be a path.
    ///
    /// # Errors
    /// In words, where it is none, or is not there.
    pub fn of(input: &str, stop: &Stop) -> Result<Stream, String> {
        let none = || format!("two paths are taken of udp, rtp, srt, rist, tcp, -, a pipe or a file, each with MPEG-TS; {} is none of them", kind_of(input));
        if input == "-" {
            return Pipe::stdin(stop).map(Stream::Pipe).map_err(|e| words(&e));
        }
        if let Some((scheme, _)) = input.split_once("://").filter(|(scheme, _)| *scheme != "file") {
            let protocol = PROTOCOLS.iter().find(|known| **known == scheme).ok_or_else(none)?;
            return Ok(Stream::Connection { url: input.to_owned(), protocol });
        }
        if input.starts_with("gst:") || input.starts_with("testsrc:") {
            return Err(none());
        }
        let path = Path::new(input.strip_prefix("file:").unwrap_or(input));
        let kind = std::fs::metadata(path).map_err(|e| words(&e))?.file_type();
        if kind.is_fifo() {
            return Pipe::fifo(path, stop).map(Stream::Pipe).map_err(|e| words(&e));
        }
        File::open(path).map(Stream::File).map_err(|e| words(&e))
    }

    /// Whether it has an end, which is the feed's where all paths have one.
    pub fn ends(&self) -> bool {
        !matches!(self, Stream::Connection { .. })
    }

    /// Whether the other side waits where more comes than is taken. SRT and RIST drop what is late, and tell nobody.
    pub fn waits(&self) -> bool {
        if let Stream::Connection { protocol, .. } = self { *protocol == "tcp" } else { true }
    }
}

fn kind_of(input: &str) -> &str {
    input.split_once(':').map_or("it", |(scheme, _)| scheme)
}

/// Body of the thread of such a path.
pub fn run(stream: Stream, mut intake: Intake, shown: &str, reconnects: &std::sync::atomic::AtomicU64, drained: &Drained, clock: Instant, quit: &Stop) {
    match stream {
        Stream::Pipe(pipe) => copy(pipe, &mut intake, drained, clock, quit),
        Stream::File(file) => copy(file, &mut intake, drained, clock, quit),
        Stream::Connection { url, protocol } => {
            if protocol == "srt" {
                refused::watch();
            }
            let mut pause = AGAIN[0];
            while !quit.is_raised() {
                // While there is nothing to read, there is nothing to wait for.
                drained.for_ever();
                match connect(&url, protocol, quit) {
                    Ok(mut reader) => {
                        let mut buffer = vec![0; PIECE];
                        let error = loop {
                            drained.for_ever();
                            match reader.read(&mut buffer) {
                                Ok(length) => {
                                    pause = AGAIN[0];
                                    let at = clock.elapsed();
                                    drained.until(at);
                                    if intake.piece(&buffer[..length], at) == Handed::Off {
                                        return;
                                    }
                                }
                                Err(error) => break error,
                            }
                        };
                        if !quit.is_raised() {
                            one(reconnects);
                            tracing::warn!("input {shown}: the connection was lost ({error}), and is made again");
                        }
                    }
                    Err(error) if !quit.is_raised() => tracing::debug!("input {shown}: no connection ({error}), tried again"),
                    Err(_) => {}
                }
                quit.wait(pause);
                pause = (pause * 2).min(AGAIN[1]);
            }
        }
    }
    drained.for_ever();
}

fn connect(url: &str, protocol: &str, quit: &Stop) -> Result<UrlReader, ffmpeg_next::Error> {
    start_libav();
    let quit = quit.clone();
    let mut own = options(&[]);
    own.set("protocol_whitelist", protocol);
    own.set("rw_timeout", SOCKET_SILENCE);
    UrlReader::open(url, own, move || quit.is_raised())
}

/// Copies what can be read; where the reader says `Interrupted`, the flag is looked at.
fn copy(mut from: impl Read, intake: &mut Intake, drained: &Drained, clock: Instant, quit: &Stop) {
    let mut buffer = vec![0; PIECE];
    while !quit.is_raised() {
        drained.for_ever();
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let at = clock.elapsed();
                drained.until(at);
                if intake.piece(&buffer[..length], at) == Handed::Off {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return tracing::warn!("a path cannot be read on: {}", io::Error::from(error.kind())),
        }
    }
}
