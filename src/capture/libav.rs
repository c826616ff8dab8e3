//! Inputs that libav reads: files, pipes, and its network protocols.

use super::choose::choose;
use super::facts::{field_rate, grid_rate, sane_sar};
use super::pipe::Pipe;
use super::stamps::{Scale, Stamper};
use super::{CaptureError, Delivery, Input, Kind, Lost, Opened, Origin, Read, Source, StreamInfo, Turn, Unit};
use crate::ffmpeg::{codec_facts, keep_only, open_decoder, wrap_bits};
use crate::job::{Pace, Select};
use crate::plan::SourceFacts;
use crate::stop::Stop;
use crate::time::{MAX_SECONDS, Seconds};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::{self, StreamIo};
use ffmpeg_next::{Dictionary, Error, Packet};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long opening may take: a feed that does not flow is an error, not a wait without end.
const OPEN_LIMIT: Duration = Duration::from_secs(20);
/// Bytes that may be read to find out what the streams are.
const PROBE_BYTES: &str = "10000000";
/// Microseconds of media that may be read for that.
const PROBE_MICROS: &str = "5000000";
/// What may be read to get at the first pictures, where the container does not say whether they are interlaced. Counted in packets and bytes, not in time, so that twins find the same.
const PEEK_PACKETS: usize = 600;
const PEEK_BYTES: usize = 64 << 20;
const PEEK_PICTURES: usize = 4;
/// Failing reads in a row before an input counts as broken.
const PATIENCE: u32 = 256;

/// What becomes of an input whose reads fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// Ends with what could be read.
    File,
    /// Likewise.
    Pipe,
    /// Datagrams: the next one may be good.
    Datagrams,
    /// A connection: when it is lost, it is lost.
    Connection,
    /// A connection to something that may be stored.
    Http,
}

/// An input of libav. Owned by the capture thread.
struct LibavInput {
    url: String,
    context: context::Input,
    video: usize,
    audio: Option<usize>,
    /// Read while the pictures were looked at, and not handed out yet.
    peeked: VecDeque<Packet>,
    stamper: Stamper,
    nature: Nature,
    stop: Stop,
    failures: u32,
    ended: bool,
}

/// Opens a file or a named FIFO.
pub fn open_path(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    let text = url.strip_prefix("file:").unwrap_or(url);
    if text.is_empty() || text.contains('\0') {
        return Err(fail("this is not a path; a media file, `-`, udp://, or another URL is accepted".to_owned()));
    }
    let path = Path::new(text);
    let kind = std::fs::metadata(path).map_err(|e| fail(format!("{}; a media file is needed", words(&e))))?.file_type();
    if kind.is_fifo() {
        let pipe = Pipe::fifo(path, stop).map_err(|e| fail(words(&e)))?;
        return open_pipe(url, pipe, select, stop);
    }
    if !kind.is_file() {
        return Err(fail(format!("this is a {}; a media file is needed", if kind.is_dir() { "directory" } else { "device or socket" })));
    }
    let file = File::open(path).map_err(|e| fail(words(&e)))?;
    drop(file);
    start_libav();
    let watch = Watch::new(stop);
    let context = ffmpeg::format::input_with_interrupt_and_dictionary(&format!("file:{text}"), watch.closure(), options(&[])).map_err(|e| {
        fail(
            watch.explain(e, "this is not a media file that libav knows, or it is broken beyond use; a file of MPEG-TS, MP4, Matroska or the like is accepted"),
        )
    })?;
    describe(url, context, select, &watch, Nature::File)
}

/// Opens standard input.
pub fn open_stdin(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    let pipe = Pipe::stdin(stop).map_err(|e| CaptureError::Open { url: url.to_owned(), why: words(&e) })?;
    open_pipe(url, pipe, select, stop)
}

fn open_pipe(url: &str, pipe: Pipe, select: &Select, stop: &Stop) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    start_libav();
    let watch = Watch::new(stop);
    let io = StreamIo::from_read(pipe).map_err(|e| fail(e.to_string()))?;
    let context = ffmpeg::format::input_from_stream_with_interrupt(io, None, Some(options(&[])), watch.closure())
        .map_err(|e| fail(watch.explain(e, "what the pipe carries is not media that libav can read without seeking (MPEG-TS is best)")))?;
    describe(url, context, select, &watch, Nature::Pipe)
}

/// Opens `udp://` (MPEG-TS) and libav's other protocols.
pub fn open_network(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    if url.contains('\0') {
        return Err(fail("this is not a URL".to_owned()));
    }
    let datagrams = url.starts_with("udp://");
    if datagrams && !names_a_port(url) {
        return Err(fail(format!("there is no port in it; {UDP_ACCEPTED}")));
    }
    // fifo_size counts packets of 188 bytes: 20 MB, 8 s of 20 Mb/s.
    let specific: &[(&str, &str)] =
        if datagrams { &[("fifo_size", "106496"), ("overrun_nonfatal", "1"), ("buffer_size", "4194304")] } else { &[("rw_timeout", "15000000")] };
    start_libav();
    let watch = Watch::new(stop);
    let context = ffmpeg::format::input_with_interrupt_and_dictionary(url, watch.closure(), options(specific)).map_err(|e| {
        if datagrams && matches!(e, Error::Other { .. }) {
            return fail(format!("{e}: it cannot be listened on; {UDP_ACCEPTED}, an address of this machine or of a multicast group, and a port that is free"));
        }
        if matches!(e, Error::ProtocolNotFound) {
            return fail(
                "there is no such protocol; udp://, rtp://, srt://, rtmp://, http:// and https:// are accepted, as far as this machine's libav has them"
                    .to_owned(),
            );
        }
        let what = if datagrams { "no MPEG-TS in what arrives; udp:// accepts MPEG-TS only" } else { "what arrives is not media that libav knows" };
        fail(watch.explain(e, what))
    })?;
    let format = context.format().name().to_owned();
    if datagrams && format != "mpegts" {
        return Err(fail(format!("what arrives is {format}; udp:// accepts MPEG-TS only")));
    }
    let nature = match url {
        _ if datagrams => Nature::Datagrams,
        _ if url.starts_with("http") => Nature::Http,
        _ => Nature::Connection,
    };
    describe(url, context, select, &watch, nature)
}

/// What a URL of datagrams looks like.
const UDP_ACCEPTED: &str = "udp://ADDRESS:PORT is accepted, with a port from 1 to 65535 (udp://239.1.1.1:5000)";

/// Whether `udp://[@][ADDRESS]:PORT[/…][?…]` has its port: libav waits for ever on a random one where there is none.
fn names_a_port(url: &str) -> bool {
    let place = url.trim_start_matches("udp://").split(['?', '/']).next().unwrap_or_default();
    place.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// Before the first use: `ffmpeg-next` has no words for errors without it, and libav's network code wants its own.
fn start_libav() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // Fails never: it fills a table.
        let _ = ffmpeg::init();
        ffmpeg::format::network::init();
    });
}

/// Interrupts libav when the flag is raised, or when opening takes too long.
struct Watch {
    stop: Stop,
    began: Instant,
    open: Arc<AtomicBool>,
}

impl Watch {
    fn new(stop: &Stop) -> Watch {
        Watch { stop: stop.clone(), began: Instant::now(), open: Arc::default() }
    }

    fn closure(&self) -> impl FnMut() -> bool + Send + 'static {
        let (stop, began, open) = (self.stop.clone(), self.began, self.open.clone());
        move || stop.is_raised() || (!open.load(Ordering::Relaxed) && began.elapsed() > OPEN_LIMIT)
    }

    fn opened(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    fn explain(&self, error: Error, invalid: &str) -> String {
        match error {
            Error::Exit if self.stop.is_raised() => "stopped while it was being opened".to_owned(),
            Error::Exit => format!("nothing that can be decoded came within {} s", OPEN_LIMIT.as_secs()),
            Error::InvalidData | Error::Eof => invalid.to_owned(),
            Error::Other { errno: ffmpeg::error::EINVAL } => format!("{invalid}; raw samples without a header are not accepted, for nothing says their size"),
            other => other.to_string(),
        }
    }
}

fn options(specific: &[(&str, &str)]) -> Dictionary<'static> {
    let mut all = Dictionary::new();
    // correct_ts_overflow: stamps are unwrapped here, the same for both streams. fflags +discardcorrupt is not set: what is damaged is the decoder's to judge.
    for (key, value) in [("probesize", PROBE_BYTES), ("analyzeduration", PROBE_MICROS), ("correct_ts_overflow", "0")].iter().chain(specific) {
        all.set(key, value);
    }
    all
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read (permission denied)".to_owned(),
        _ => error.to_string(),
    }
}

/// Chooses the streams of an opened context and states the facts.
fn describe(url: &str, mut context: context::Input, select: &Select, watch: &Watch, nature: Nature) -> Opened {
    let (video, audio) = choose(&context, select).map_err(|why| CaptureError::Open { url: url.to_owned(), why })?;
    keep_only(&mut context, &[video].into_iter().chain(audio).collect::<Vec<_>>());
    let missing = || CaptureError::Open { url: url.to_owned(), why: "a chosen stream is gone".to_owned() };
    let stream = context.stream(video).ok_or_else(missing)?;
    let (average, base) = (stream.avg_frame_rate(), stream.rate());
    let info = info(&stream);
    let audio_info = audio.and_then(|a| context.stream(a)).map(|s| self::info(&s));
    let codec = codec_facts(&info.parameters);

    let (interlaced, peeked) = match codec.interlaced {
        Some(known) => (known, VecDeque::new()),
        None => peek(&mut context, &info),
    };
    watch.opened();
    let picture_rate = grid_rate((average.numerator(), average.denominator()), (base.numerator(), base.denominator()));
    let (mut width, mut height, mut sar) = (codec.width.unsigned_abs(), codec.height.unsigned_abs(), sane_sar(codec.sar));
    if info.turn.swaps() {
        (width, height, sar) = (height, width, (sar.1, sar.0));
    }
    let facts = SourceFacts {
        width,
        height,
        sar,
        rate: if interlaced { field_rate(picture_rate) } else { picture_rate },
        interlaced,
        hdr: codec.hdr,
        sample_rate: audio_info.as_ref().and_then(|a| u32::try_from(codec_facts(&a.parameters).sample_rate).ok()),
    };
    let scale = |info: &StreamInfo| Scale { time_base: info.time_base, bits: wrap_bits(&context, info.index).unwrap_or(64) };
    let video_scale = scale(&info);
    let stamper = Stamper::new(video_scale, audio_info.as_ref().map(scale), picture_rate);
    let origin = if nature == Nature::File { Origin::File } else { Origin::Live { wrap: wrap(video_scale) } };
    let duration =
        (nature == Nature::File).then(|| Seconds::from_ticks(context.duration(), 1, ffmpeg::ffi::AV_TIME_BASE)).flatten().filter(|d| *d > Seconds::ZERO);
    let source = Source { facts, video: info, audio: audio_info, origin, duration };
    let input = LibavInput { url: url.to_owned(), context, video, audio, peeked, stamper, nature, stop: watch.stop.clone(), failures: 0, ended: false };
    Ok((source, Box::new(input)))
}

fn info(stream: &ffmpeg::Stream<'_>) -> StreamInfo {
    let time_base = stream.time_base();
    let matrix = stream.side_data().find(|s| s.kind() == ffmpeg::codec::packet::side_data::Type::DisplayMatrix);
    StreamInfo {
        index: stream.index(),
        parameters: stream.parameters().clone(),
        time_base: (time_base.numerator(), time_base.denominator()),
        language: stream.metadata().get("language").map(str::to_owned),
        turn: matrix.map_or(Turn::None, |m| Turn::from_matrix(m.data())),
    }
}

fn wrap(scale: Scale) -> Option<Seconds> {
    let ticks = (1..63).contains(&scale.bits).then(|| 1i64 << scale.bits)?;
    Seconds::from_ticks(ticks, scale.time_base.0, scale.time_base.1).filter(|&w| w < Seconds::new(MAX_SECONDS, 2))
}

/// Decodes the first pictures to see whether they are interlaced. The packets that were read for it are handed back.
fn peek(context: &mut context::Input, video: &StreamInfo) -> (bool, VecDeque<Packet>) {
    let mut kept = VecDeque::new();
    let Ok(mut decoder) = open_decoder(&video.parameters, video.time_base, 1) else { return (false, kept) };
    let (mut bytes, mut pictures, mut interlaced) = (0, 0, false);
    while kept.len() < PEEK_PACKETS && bytes < PEEK_BYTES && pictures < PEEK_PICTURES && !interlaced {
        let mut packet = Packet::empty();
        if packet.read(context).is_err() {
            context.clear_interrupt();
            break;
        }
        bytes += packet.size();
        if packet.stream() == video.index && decoder.send_packet(&packet).is_ok() {
            let mut picture = ffmpeg::frame::Video::empty();
            while decoder.receive_frame(&mut picture).is_ok() {
                pictures += 1;
                interlaced |= picture.is_interlaced();
            }
        }
        kept.push_back(packet);
    }
    (interlaced, kept)
}

impl LibavInput {
    /// What a failed read means.
    fn failed(&mut self, error: Error) -> Result<Read, CaptureError> {
        if self.stop.is_raised() {
            return Ok(Read::Stopped);
        }
        if error == Error::Eof && self.nature != Nature::Datagrams {
            return Ok(Read::End);
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
        Err(CaptureError::Broken { url: self.url.clone(), why: error.to_string() })
    }
}

impl Input for LibavInput {
    fn read(&mut self) -> Result<Read, CaptureError> {
        loop {
            if self.stop.is_raised() {
                return Ok(Read::Stopped);
            }
            if self.ended {
                return Ok(Read::End);
            }
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
            let kind = match packet.stream() {
                index if index == self.video => Kind::Video,
                index if Some(index) == self.audio => Kind::Audio,
                _ => continue,
            };
            if !self.stamper.stamp(kind, &mut packet) {
                return Ok(Read::Lost(Lost::Stamp));
            }
            return Ok(Read::Unit(Unit { kind, packet, arrival: Seconds::host_now() }));
        }
    }

    fn delivery(&self) -> Delivery {
        match self.nature {
            Nature::File => Delivery::Stored,
            Nature::Pipe | Nature::Http => Delivery::Piped,
            Nature::Datagrams | Nature::Connection => Delivery::Live,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_need_a_port() {
        for url in ["udp://239.1.1.1:5000", "udp://@239.1.1.1:5000?localaddr=10.0.0.1", "udp://:5000", "udp://[ff02::1]:5000/", "udp://host:1"] {
            assert!(names_a_port(url), "{url}");
        }
        for url in [
            "udp://",
            "udp://127.0.0.1",
            "udp://127.0.0.1:",
            "udp://:0",
            "udp://h:65536",
            "udp://[ff02::1]",
            "udp://h:+5",
            "udp://h?port=5000",
            "udp://h/x:5000",
        ] {
            assert!(!names_a_port(url), "{url}");
        }
    }
}
