//! An input that libav demuxes: what all of them have in common.

use super::describe::{info, scale};
use super::follow::{Follow, Newcomer};
use super::stamps::Stamper;
use super::{CaptureError, Delivery, Input, Kind, Lost, Read, StreamInfo, Unit};
use crate::stop::Stop;
use crate::time::Seconds;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context;
use ffmpeg_next::{Dictionary, Error, Packet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that may be read to find out what the streams are.
const PROBE_BYTES: &str = "10000000";
/// Microseconds of media that may be read for that.
const PROBE_MICROS: &str = "5000000";
/// Packets and bytes that may be read ahead to find out when they came.
const AHEAD_PACKETS: usize = 600;
const AHEAD_BYTES: usize = 64 << 20;
/// A read that took longer had to wait for its packet.
const WAITED: Duration = Duration::from_millis(8);
/// Failing reads in a row before an input counts as broken.
const PATIENCE: u32 = 256;

/// What an input is, and so what becomes of it when reads fail or end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// Ends with what could be read.
    File,
    /// Likewise.
    Pipe,
    /// Datagrams: the next one may be good.
    Datagrams,
    /// A connection: whoever closes it may come back.
    Connection,
    /// A connection whose stamps begin anew each time (RTMP).
    Session,
    /// One answer over HTTP, perhaps of something stored. When that is complete, the feed is at its end.
    Http,
}

/// An input of libav. Owned by the capture thread.
pub struct LibavInput {
    url: String,
    context: context::Input,
    streams: Streams,
    /// The video moved: packets until the next key packet refer to what never came.
    until_key: bool,
    /// Read while the pictures were looked at, and not handed out yet.
    peeked: VecDeque<Packet>,
    /// When those came that were read ahead, where that is known.
    came: Option<Came>,
    nature: Nature,
    stop: Stop,
    failures: u32,
    ended: bool,
}

/// The chosen streams.
pub struct Streams {
    /// What the video is.
    pub video: Arc<StreamInfo>,
    /// What the sounds are. One is absent while it is waited for.
    pub sounds: Vec<Option<Arc<StreamInfo>>>,
    /// Who takes the place of one that moves.
    pub follow: Follow,
    /// What makes their stamps go on.
    pub stamper: Stamper,
}

/// Before the first use: `ffmpeg-next` has no words for errors without it, and libav's network code wants its own.
pub fn start_libav() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // Fails never: it fills a table.
        let _ = ffmpeg::init();
        ffmpeg::format::network::init();
    });
}

/// The demuxer's options, and `specific` ones, which go before.
pub fn options(specific: &[(&str, &str)]) -> Dictionary<'static> {
    let mut all = Dictionary::new();
    // correct_ts_overflow: stamps are unwrapped here, the same for both streams. fflags +discardcorrupt is not set: what is damaged is the decoder's to judge.
    for (key, value) in [("probesize", PROBE_BYTES), ("analyzeduration", PROBE_MICROS), ("correct_ts_overflow", "0")].iter().chain(specific) {
        all.set(key, value);
    }
    all
}

/// An error of the system in words.
pub fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read (permission denied)".to_owned(),
        _ => error.to_string(),
    }
}

impl LibavInput {
    /// Of a context whose streams are chosen. `peeked`: read for that, and handed out first.
    pub fn new(url: &str, context: context::Input, streams: Streams, peeked: VecDeque<Packet>, nature: Nature, stop: &Stop) -> LibavInput {
        let (url, stop) = (url.to_owned(), stop.clone());
        LibavInput { url, context, streams, until_key: false, peeked, came: None, nature, stop, failures: 0, ended: false }
    }

    /// What a failed read means.
    fn failed(&mut self, error: Error) -> Result<Read, CaptureError> {
        if self.stop.is_raised() {
            return Ok(Read::Stopped);
        }
        let away = |why: String| CaptureError::Away { url: self.url.clone(), why };
        // Only an answer that said how long it is can be known to be complete.
        let sized = self.nature == Nature::Http && self.context.format().name() != "hls" && self.context.io_size().is_some();
        match (error, self.nature) {
            (Error::Eof, Nature::Datagrams) => {}
            (Error::Eof, Nature::Connection | Nature::Session) => return Err(away(LOST.to_owned())),
            (Error::Eof, Nature::Http) if self.context.format().name() != "hls" && !sized => return Err(away(LOST.to_owned())),
            (Error::Eof, _) => return Ok(Read::End),
            _ => {}
        }
        self.failures += 1;
        let again = error == Error::InvalidData || self.nature == Nature::Datagrams;
        if again && self.failures < PATIENCE {
            if self.nature == Nature::Datagrams {
                self.context.clear_eof();
                if self.stop.wait(Duration::from_millis(10)) {
                    return Ok(Read::Stopped);
                }
            }
            return Ok(Read::Lost(Lost::Read));
        }
        if matches!(self.nature, Nature::File | Nature::Pipe) {
            self.ended = true;
            return Ok(Read::Lost(Lost::Read));
        }
        let why = format!("{LOST} ({error})");
        // What is stored would begin at its beginning.
        Err(if sized { CaptureError::Broken { url: self.url.clone(), why } } else { away(why) })
    }

    /// Reads what came while the input was being opened, until a read has to wait: only then is it known when a packet came.
    fn catch_up(&mut self) -> Came {
        let (mut bytes, mut newest) = (0, None);
        while self.peeked.len() < AHEAD_PACKETS && bytes < AHEAD_BYTES {
            let (mut packet, began) = (Packet::empty(), Instant::now());
            // An error is met again by the next read.
            if packet.read(&mut self.context).is_err() {
                break;
            }
            bytes += packet.size();
            newest = self.context.stream(packet.stream()).and_then(|stream| time_of(&packet, &stream)).or(newest);
            self.peeked.push_back(packet);
            if began.elapsed() > WAITED {
                break;
            }
        }
        Came { now: Seconds::host_now(), newest }
    }

    /// What a packet is of.
    fn whose(&mut self, packet: &Packet) -> Result<Whose, CaptureError> {
        let index = packet.stream();
        let Some(kind) = self.streams.follow.kind(&self.context, index) else { return Ok(self.newcomer(index)) };
        if kind == Kind::Video && self.until_key {
            if !packet.is_key() {
                return Ok(Whose::Lost(Lost::Stray));
            }
            self.until_key = false;
        }
        Ok(Whose::Ours(kind))
    }

    /// What a packet is of whose stream was none of ours.
    fn newcomer(&mut self, index: usize) -> Whose {
        let (kind, lost) = match self.streams.follow.judge(&self.context, index) {
            Newcomer::Other => return Whose::Nobodys,
            Newcomer::Waiting => return Whose::Lost(Lost::Stray),
            Newcomer::Heir(kind) | Newcomer::Awaited(kind) => (kind, Lost::Moved),
            Newcomer::Another(kind) => (kind, Lost::Format),
        };
        let Some(stream) = self.context.stream(index) else { return Whose::Nobodys };
        let info = Arc::new(info(&stream, self.streams.video.session));
        self.streams.stamper.follow(kind, scale(&self.context, &info));
        match kind {
            Kind::Video => (self.streams.video, self.until_key) = (info, true),
            Kind::Audio(n) => self.streams.sounds.iter_mut().skip(n).take(1).for_each(|sound| *sound = Some(Arc::clone(&info))),
        }
        Whose::Heir(lost)
    }
}

/// A packet that had to be waited for, by which earlier ones are dated.
struct Came {
    now: Seconds,
    newest: Option<Seconds>,
}

impl Came {
    /// When a packet of this time came, if it came at its own rate.
    fn when(&self, stamp: Option<Seconds>) -> Option<Seconds> {
        let before = self.newest? - stamp?;
        (before >= Seconds::ZERO && before < Seconds::MINUTE).then(|| self.now - before)
    }
}

/// The time that a container gives a packet.
fn time_of(packet: &Packet, stream: &ffmpeg::Stream<'_>) -> Option<Seconds> {
    let base = stream.time_base();
    Seconds::from_ticks(packet.dts().or(packet.pts())?, base.numerator(), base.denominator())
}

/// Whose a packet is.
enum Whose {
    Ours(Kind),
    Nobodys,
    /// Ours from here on. What is counted for it.
    Heir(Lost),
    Lost(Lost),
}

/// What the loss of a connection comes to.
const LOST: &str = "the other side closed the connection, or it was lost";

impl Input for LibavInput {
    fn read(&mut self) -> Result<Read, CaptureError> {
        loop {
            if self.stop.is_raised() {
                return Ok(Read::Stopped);
            }
            if self.ended {
                return Ok(Read::End);
            }
            if self.nature == Nature::Session && self.came.is_none() {
                self.came = Some(self.catch_up());
            }
            let ahead = self.peeked.len();
            let mut packet = match self.peeked.pop_front() {
                Some(packet) => packet,
                None => {
                    let mut packet = Packet::empty();
                    if let Err(error) = packet.read(&mut self.context) {
                        return self.failed(error);
                    }
                    packet
                }
            };
            self.failures = 0;
            let kind = match self.whose(&packet)? {
                Whose::Ours(kind) => kind,
                Whose::Nobodys => continue,
                Whose::Heir(lost) => {
                    self.peeked.push_front(packet);
                    return Ok(Read::Lost(lost));
                }
                Whose::Lost(lost) => return Ok(Read::Lost(lost)),
            };
            let stamp = self.context.stream(packet.stream()).and_then(|stream| time_of(&packet, &stream));
            if !self.streams.stamper.stamp(kind, &mut packet) {
                return Ok(Read::Lost(Lost::Stamp));
            }
            let arrival = self.came.as_ref().filter(|_| ahead > 0).and_then(|came| came.when(stamp)).unwrap_or_else(Seconds::host_now);
            let sound = if let Kind::Audio(n) = kind { self.streams.sounds.get(n).and_then(Option::as_ref) } else { None };
            let stream = Arc::clone(sound.unwrap_or(&self.streams.video));
            return Ok(Read::Unit(Unit { kind, stream, packet, arrival, hurt: false }));
        }
    }

    fn delivery(&self) -> Delivery {
        match self.nature {
            Nature::File => Delivery::Stored,
            Nature::Pipe | Nature::Http => Delivery::Piped,
            Nature::Datagrams | Nature::Connection | Nature::Session => Delivery::Live,
        }
    }
}
