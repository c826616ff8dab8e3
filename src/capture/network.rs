//! Inputs that come over the network, through libav's protocols. A protocol is one line in `PROTOCOLS`. (UDP and RTP are received by `paths`.)

use super::describe::describe;
use super::libav::{Nature, options, start_libav};
use super::listen::{self, BETWEEN_CALLERS, Callers, Door, Heard, listener};
use super::playlist::Playlist;
use super::renumber::Renumbered;
use super::watch::{Connected, OPEN_LIMIT, Watch};
use super::{CaptureError, Input, Opened, Source, apart, refused};
use crate::ffmpeg::ProtocolBytes;
use crate::job::{Pace, Select};
use crate::secrets::without_secrets;
use crate::stop::Stop;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::StreamIo;
use ffmpeg_next::{Dictionary, Error};
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

/// A way to bring a feed.
struct Protocol {
    /// What the URL begins with, up to the colon.
    schemes: &'static [&'static str],
    nature: Nature,
    /// libav's protocols that may be opened for it, whatever what arrives says.
    protocols: &'static str,
    /// libav's containers that may be found in it.
    formats: &'static str,
    /// Further options of libav.
    options: &'static [(&'static str, &'static str)],
    /// The URL must name a port.
    port: bool,
    /// How long nothing may come. None: for as long as it pleases.
    silence: Option<Duration>,
    /// What is accepted, in words.
    accepted: &'static str,
}

const HTTP: &str = "hls,mpegts,mov,mp4,matroska,webm,flv,live_flv,aac,ac3,eac3,mp3,webvtt";
const SILENCE: Option<Duration> = Some(Duration::from_secs(15));
/// Segments may be long, and a server slow to add one.
const SILENCE_HTTP: Option<Duration> = Some(Duration::from_secs(60));
/// Microseconds after which libav itself gives a silent connection up. Beyond the first of the limits above, whose words are better.
const SOCKET_SILENCE: (&str, &str) = ("rw_timeout", "20000000");

/// How long it may take to find out whether a playlist is at its end.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        schemes: &["srt"],
        nature: Nature::Connection,
        protocols: "srt",
        formats: "mpegts",
        options: &[SOCKET_SILENCE],
        port: true,
        silence: SILENCE,
        accepted: "srt://HOST:PORT (calls a listener), srt://ADDRESS:PORT?mode=listener (waits for a caller) and srt://HOST:PORT?mode=rendezvous (both call) are accepted, with MPEG-TS, a port from 1 to 65535, \
                   and libav's options behind the ? (passphrase=10 to 79 characters, streamid=…, latency=MICROSECONDS)",
    },
    Protocol {
        schemes: &["rist"],
        nature: Nature::Connection,
        protocols: "rist",
        formats: "mpegts",
        options: &[],
        port: true,
        silence: SILENCE,
        accepted: "rist://HOST:PORT and rist://@ADDRESS:PORT (waits for a sender) are accepted, with MPEG-TS and an even port from 2 to 65534",
    },
    Protocol {
        schemes: &["tcp"],
        nature: Nature::Connection,
        protocols: "tcp",
        formats: "mpegts",
        options: &[SOCKET_SILENCE],
        port: true,
        silence: SILENCE,
        accepted: "tcp://HOST:PORT and tcp://ADDRESS:PORT?listen=1 are accepted, with MPEG-TS and a port from 1 to 65535",
    },
    Protocol {
        schemes: &["rtmp", "rtmps"],
        nature: Nature::Session,
        protocols: "rtmp,rtmps,tcp,tls",
        formats: "flv,live_flv",
        options: &[SOCKET_SILENCE, ("rtmp_live", "live")],
        port: false,
        silence: SILENCE,
        accepted: "rtmp://HOST[:PORT]/APP/STREAM (plays a stream of a server) and rtmp://ADDRESS[:PORT]/APP/STREAM?listen=1 (waits for a publisher) are accepted; the port is 1935 unless it is there",
    },
    Protocol {
        schemes: &["rtsp", "rtsps"],
        nature: Nature::Session,
        protocols: "rtsp,rtsps,rtp,srtp,udp,tcp,tls",
        formats: "rtsp",
        options: &[],
        port: false,
        silence: SILENCE,
        accepted: "rtsp://[NAME:PASSWORD@]HOST[:PORT]/PATH is accepted, over TCP, or with ?transport=udp behind it over UDP, and rtsp://ADDRESS:PORT/PATH?listen=1 (waits for a publisher)",
    },
    Protocol {
        schemes: &["http", "https"],
        nature: Nature::Http,
        protocols: "http,https,httpproxy,tcp,tls,crypto",
        formats: HTTP,
        options: &[SOCKET_SILENCE, ("max_reload", "1000000"), ("http_persistent", "0")],
        port: false,
        silence: SILENCE_HTTP,
        accepted: "http:// and https:// are accepted, with HLS, MPEG-TS, MP4, Matroska or FLV behind them",
    },
];

/// Opens a URL.
pub fn open(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    open_patiently(url, select, stop, OPEN_LIMIT)
}

/// Opens one; somebody who has connected to us may take `patience` to bring media.
fn open_patiently(url: &str, select: &Select, stop: &Stop, patience: Duration) -> Opened {
    let shown = without_secrets(url);
    let fail = |why: String| CaptureError::Open { url: shown.clone(), why };
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    let Some(protocol) = PROTOCOLS.iter().find(|p| p.schemes.contains(&scheme)) else {
        let known: Vec<String> = PROTOCOLS.iter().flat_map(|p| p.schemes).map(|s| format!("{s}://")).collect();
        return Err(fail(format!("there is no such protocol; a file, -, udp://, rtp://, {}, gst: and testsrc: are accepted", known.join(", "))));
    };
    if url.contains('\0') {
        return Err(fail("this is not a URL".to_owned()));
    }
    if protocol.port && !names_a_port(rest) {
        return Err(fail(format!("there is no port in it; {}", protocol.accepted)));
    }
    let passphrase = url.split(['?', '&']).find_map(|option| option.strip_prefix("passphrase="));
    if let Some(length) = passphrase.map(str::len).filter(|length| scheme == "srt" && !(10..=79).contains(length)) {
        return Err(fail(format!("its passphrase has {length} characters; {}", protocol.accepted)));
    }
    let (place, listens) = listener(url);
    if scheme == "srt" {
        refused::watch();
    }
    if listens {
        tracing::info!("input {shown}: waiting for somebody to connect");
    }
    let (place, datagrams) = if scheme.starts_with("rtsp") { rtsp(&place).map_err(fail)? } else { (place, false) };
    let call = Call { place, shown: shown.clone(), protocol, listens, patience, datagrams, select: select.clone() };
    apart::open(&shown, protocol.silence, stop, move |quit| call.open(quit))
}

/// A listener whose options are refused this soon has nobody else to blame.
const AT_ONCE: Duration = Duration::from_millis(300);

/// What the thread needs to connect.
#[derive(Clone)]
struct Call {
    place: String,
    shown: String,
    protocol: &'static Protocol,
    listens: bool,
    patience: Duration,
    /// RTSP over UDP, not TCP.
    datagrams: bool,
    select: Select,
}

impl Call {
    /// Who listens is not discouraged by a caller that brings no media, such as a port scan or a health check.
    fn open(self, stop: &Stop) -> Opened {
        start_libav();
        if self.listens {
            listen::try_port(&self.place).map_err(|why| CaptureError::Open { url: self.shown.clone(), why: format!("{why}; {}", self.protocol.accepted) })?;
        }
        let mut callers = Callers::default();
        loop {
            match self.once(stop) {
                Err(error @ (CaptureError::Away { .. } | CaptureError::Unfit { .. })) if self.listens && !stop.is_raised() => {
                    callers.turned_away(&error);
                    stop.wait(BETWEEN_CALLERS);
                }
                Ok((source, input, true)) => {
                    let (shown, stop, watched) = (self.shown.clone(), stop.clone(), stop.clone());
                    let is_finished = Box::new(move || {
                        let watch = Watch::with_limit(&watched, Some(LOOK_AGAIN));
                        self.connect(&watch).is_ok_and(|context| context.duration() > 0)
                    });
                    return Ok((source, Box::new(Playlist { input, shown, is_finished, stop })));
                }
                Ok((source, input, false)) => return Ok((source, callers.before(input))),
                Err(error) => return Err(error),
            }
        }
    }

    /// Connects once; also says whether it is a playlist that goes on.
    fn once(&self, stop: &Stop) -> Result<(Source, Box<dyn Input>, bool), CaptureError> {
        let began = Instant::now();
        // Who waits for a caller waits as long as it takes; whoever has connected is not waited for like that.
        let watch = if self.listens { Watch::for_caller(stop, stop.limit(), self.patience) } else { Watch::new(stop) };
        let context = self.connect(&watch).map_err(|error| {
            let (url, why) = (self.shown.clone(), format!("{}; {}", self.explain(error, &watch), self.protocol.accepted));
            // What no further call mends.
            let wrong = matches!(error, Error::ProtocolNotFound | Error::Other { errno: ffmpeg::error::EINVAL });
            if wrong && (!self.listens || began.elapsed() < AT_ONCE) { CaptureError::Open { url, why } } else { CaptureError::Away { url, why } }
        })?;
        let live_playlist = context.format().name() == "hls" && context.duration() <= 0;
        let described = describe(&self.shown, context, &self.select, &watch, self.protocol.nature);
        // It may bring other streams another time.
        let (source, input) = described.map_err(|error| match error {
            CaptureError::Open { url, why } => CaptureError::Unfit { url, why },
            error => error,
        })?;
        Ok((source, input, live_playlist))
    }

    fn connect(&self, watch: &Watch) -> Result<ffmpeg::format::context::Input, Error> {
        let p = self.protocol;
        let connected = watch.connected();
        if p.formats == "mpegts" {
            let mut connecting = Dictionary::new();
            [("protocol_whitelist", p.protocols)].iter().chain(p.options).for_each(|(key, value)| connecting.set(key, value));
            let bytes = ProtocolBytes::open(&self.place, connecting, watch.closure())?;
            // RIST listens in the background: nobody is known to be there until something comes.
            connected.iter().filter(|_| p.protocols != "rist").for_each(Connected::now);
            let io = StreamIo::from_read(Renumbered::new(Heard::new(bytes, connected)))?;
            let demuxing = options(&[("protocol_whitelist", p.protocols), ("format_whitelist", p.formats)]);
            return ffmpeg::format::input_from_stream_with_interrupt(io, None, Some(demuxing), watch.closure());
        }
        let mut specific = vec![("protocol_whitelist", p.protocols), ("format_whitelist", p.formats)];
        specific.extend(p.options);
        match p.schemes {
            ["rtsp", ..] if self.listens => specific.push(("rtsp_flags", "listen")),
            ["rtsp", ..] => specific.push(("rtsp_transport", if self.datagrams { "udp" } else { "tcp" })),
            ["rtmp", ..] if self.listens => specific.push(("listen", "1")),
            _ => {}
        }
        let (mut door, mut interrupted) = (connected.map(|connected| (Door::of(&self.place), connected)), watch.closure());
        let interrupted = move || {
            if door.as_mut().is_some_and(|(door, _)| door.is_shut()) {
                door.take().iter().for_each(|(_, connected)| connected.now());
            }
            interrupted()
        };
        ffmpeg::format::input_with_interrupt_and_dictionary(&self.place, interrupted, options(&specific))
    }

    /// Why there is no connection, or no media in it.
    fn explain(&self, error: Error, watch: &Watch) -> String {
        let what = "what arrives is not media that is accepted here";
        match error {
            Error::Exit => watch.explain(error, what),
            // Of an interrupt, too, RTSP says that its data are invalid.
            _ if self.listens && watch.over().is_some() => watch.explain(Error::Exit, what),
            Error::InvalidData | Error::Eof => what.to_owned(),
            Error::ProtocolNotFound => "this machine's libav was built without this protocol".to_owned(),
            Error::HttpNotFound => "the server knows nothing of that name (404)".to_owned(),
            Error::HttpForbidden => "the server does not let us (403)".to_owned(),
            Error::HttpUnauthorized => "the server wants a name and a password (401): http://NAME:PASSWORD@HOST/…".to_owned(),
            Error::HttpServerError => "the server is in trouble (5xx)".to_owned(),
            Error::Other { errno: ffmpeg::error::EINVAL } => format!("an option in it is not accepted, or {what}"),
            Error::Other { errno: ffmpeg::error::ECONNREFUSED } => "nobody answers at that port (connection refused)".to_owned(),
            Error::Other { errno: ffmpeg::error::ETIMEDOUT } => "no answer came in time".to_owned(),
            Error::Other { errno: ffmpeg::error::EADDRINUSE } => "it cannot be listened on: the port is taken".to_owned(),
            other => match self.resolve() {
                Err(why) => format!("the host's name leads nowhere ({why})"),
                Ok(()) if self.listens || self.protocol.nature == Nature::Datagrams => {
                    format!("it cannot be listened on: the port is taken, the address is none of this machine's, or the other side broke off ({other})")
                }
                Ok(()) => format!("no connection came about: nobody listens there, or the other side refused ({other})"),
            },
        }
    }

    fn resolve(&self) -> Result<(), String> {
        let authority = self.place.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() { Ok(()) } else { (host, 1).to_socket_addrs().map(|_| ()).map_err(|e| e.to_string()) }
    }
}

/// An RTSP URL without our own option, and whether it asks for UDP.
fn rtsp(url: &str) -> Result<(String, bool), String> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (ours, rest): (Vec<&str>, Vec<&str>) = query.split('&').filter(|option| !option.is_empty()).partition(|option| option.starts_with("transport="));
    let datagrams = match ours.last().and_then(|option| option.strip_prefix("transport=")) {
        None | Some("tcp") => false,
        Some("udp") => true,
        Some(other) => return Err(format!("transport={other} is none of RTSP's; tcp and udp are accepted")),
    };
    Ok((if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) }, datagrams))
}

/// Whether `[@][ADDRESS]:PORT[/…][?…]` has its port: libav waits for ever on a random one where there is none.
fn names_a_port(rest: &str) -> bool {
    let place = rest.split(['?', '/']).next().unwrap_or_default();
    place.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0))
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod connections;

#[cfg(test)]
#[path = "http_tests.rs"]
mod http;

#[cfg(test)]
#[path = "rtsp_tests.rs"]
mod rtsp_over_loopback;

#[cfg(test)]
#[path = "loopback_tests.rs"]
mod loopback;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_need_a_port() {
        for url in ["239.1.1.1:5000", "@239.1.1.1:5000?localaddr=10.0.0.1", ":5000", "[ff02::1]:5000/", "host:1", ":9000?mode=listener"] {
            assert!(names_a_port(url), "{url}");
        }
        for url in ["", "127.0.0.1", "127.0.0.1:", ":0", "h:65536", "[ff02::1]", "h:+5", "h?port=5000", "h/x:5000"] {
            assert!(!names_a_port(url), "{url}");
        }
    }

    #[test]
    fn rtsp_takes_its_transport_from_the_url() {
        assert_eq!(rtsp("rtsp://h/1?transport=udp&k=v"), Ok(("rtsp://h/1?k=v".to_owned(), true)));
        assert_eq!(rtsp("rtsp://h/1"), Ok(("rtsp://h/1".to_owned(), false)));
        assert!(rtsp("rtsp://h/1?transport=pigeon").expect_err("none").contains("tcp and udp"));
    }
}
