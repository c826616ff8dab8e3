//! Inputs that come over the network, through libav's protocols. A protocol is one line in `PROTOCOLS`. (UDP and RTP are received by `paths`.)

use super::libav::{self, Nature, options, start_libav};
use super::watch::Watch;
use super::{CaptureError, Delivery, Input, Opened, Read, Source, apart};
use crate::job::{Pace, Select};
use crate::secrets::without_secrets;
use crate::stop::Stop;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::Error;
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
        accepted: "srt://HOST:PORT (calls a listener) and srt://ADDRESS:PORT?mode=listener (waits for a caller) are accepted, with MPEG-TS, a port from 1 to 65535, \
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
    if listens {
        tracing::info!("input {shown}: waiting for somebody to connect");
    }
    let call = Call { place, shown: shown.clone(), protocol, listens, select: select.clone() };
    apart::open(&shown, protocol.silence, stop, move |quit| call.open(quit))
}

/// A listener that fails this soon, and has not listened before, has nobody to blame but its port.
const AT_ONCE: Duration = Duration::from_millis(300);
/// One that has listened may fail at once so often in a row, as where all ports are tried again and again.
const SCANS: u32 = 32;
/// How long it waits after each of those.
const BETWEEN_SCANS: Duration = Duration::from_millis(100);

/// What the thread needs to connect.
struct Call {
    place: String,
    shown: String,
    protocol: &'static Protocol,
    listens: bool,
    select: Select,
}

impl Call {
    /// Who listens is not discouraged by a caller that brings no media, such as a port scan or a health check.
    fn open(self, stop: &Stop) -> Opened {
        start_libav();
        let mut at_once = SCANS;
        loop {
            let began = Instant::now();
            match self.once(stop) {
                Err(error) if self.listens && !stop.is_raised() => {
                    at_once = if began.elapsed() > AT_ONCE { 0 } else { at_once + 1 };
                    if at_once > SCANS {
                        return Err(error);
                    }
                    tracing::warn!("{error}; waiting for the next one");
                    if at_once > 0 {
                        stop.wait(BETWEEN_SCANS);
                    }
                }
                Ok((source, input, true)) => return Ok((source, Box::new(Playlist { input, call: self, stop: stop.clone() }))),
                Ok((source, input, false)) => return Ok((source, input)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Connects once; also says whether it is a playlist that goes on.
    fn once(&self, stop: &Stop) -> Result<(Source, Box<dyn Input>, bool), CaptureError> {
        let fail = |why: String| CaptureError::Open { url: self.shown.clone(), why };
        // Who waits for a caller waits as long as it takes; the silence that follows a connection has its own limit.
        let watch = if self.listens { Watch::with_limit(stop, None) } else { Watch::new(stop) };
        let context = self.connect(&watch).map_err(|e| fail(format!("{}; {}", self.explain(e, &watch), self.protocol.accepted)))?;
        let live_playlist = context.format().name() == "hls" && context.duration() <= 0;
        let (source, input) = libav::describe(&self.shown, context, &self.select, &watch, self.protocol.nature)?;
        Ok((source, input, live_playlist))
    }

    fn connect(&self, watch: &Watch) -> Result<ffmpeg::format::context::Input, Error> {
        let p = self.protocol;
        let mut specific = vec![("protocol_whitelist", p.protocols), ("format_whitelist", p.formats)];
        specific.extend(p.options);
        if self.listens && p.nature == Nature::Session {
            specific.push(("listen", "1"));
        }
        ffmpeg::format::input_with_interrupt_and_dictionary(&self.place, watch.closure(), options(&specific))
    }

    /// Why there is no connection, or no media in it.
    fn explain(&self, error: Error, watch: &Watch) -> String {
        let what = "what arrives is not media that is accepted here";
        match error {
            Error::Exit => watch.explain(error, what),
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

/// HLS that had no end mark when it was opened. libav says the same where it has one now and where nobody answers any more, so it is looked up.
struct Playlist {
    input: Box<dyn Input>,
    call: Call,
    stop: Stop,
}

impl Input for Playlist {
    fn read(&mut self) -> Result<Read, CaptureError> {
        let read = self.input.read()?;
        if !matches!(read, Read::End) || self.is_finished() {
            return Ok(read);
        }
        if self.stop.is_raised() {
            return Ok(Read::Stopped);
        }
        let why = "its playlist can no longer be read, and had no end mark (EXT-X-ENDLIST); a run that is started again carries on";
        Err(CaptureError::Broken { url: self.call.shown.clone(), why: why.to_owned() })
    }

    fn delivery(&self) -> Delivery {
        self.input.delivery()
    }
}

impl Playlist {
    /// Whether it has its end mark now. Where it cannot be read, it has none.
    fn is_finished(&self) -> bool {
        let watch = Watch::with_limit(&self.stop, Some(LOOK_AGAIN));
        self.call.connect(&watch).is_ok_and(|context| context.duration() > 0)
    }
}

/// The URL as libav takes it, and whether it waits for somebody to connect.
fn listener(url: &str) -> (String, bool) {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let has = |wanted: &[&str]| query.split('&').any(|option| wanted.contains(&option));
    match url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "srt" => (url.to_owned(), has(&["mode=listener"])),
        "tcp" => (url.to_owned(), has(&["listen", "listen=1"])),
        "rist" => (url.to_owned(), place.contains("://@")),
        "rtmp" if has(&["listen", "listen=1"]) => {
            let rest: Vec<&str> = query.split('&').filter(|option| !["listen", "listen=1"].contains(option)).collect();
            (if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) }, true)
        }
        _ => (url.to_owned(), false),
    }
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
    fn who_waits_for_whom() {
        assert_eq!(listener("rtmp://h/live/x?listen=1"), ("rtmp://h/live/x".to_owned(), true));
        assert_eq!(listener("rtmp://h/live/x?k=v&listen"), ("rtmp://h/live/x?k=v".to_owned(), true));
        assert_eq!(listener("rtmp://h/live/x?k=v"), ("rtmp://h/live/x?k=v".to_owned(), false));
        assert!(listener("srt://:9000?latency=1&mode=listener").1 && !listener("srt://h:9000").1);
    }
}
