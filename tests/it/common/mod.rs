//! What the tests of the server share: a small real stream made by the FFmpeg CLI, and an HTTP client that shows what is on the wire.

use bytes::Bytes;
use mezzo::ladder::VideoCodec;
use mezzo::plan::{AudioRendition, Plan, Rendition, SourceFacts};
use mezzo::sink::{Publish, Readers};
use mezzo::time::{AudioGrid, GopId, Grid, Rate, Seconds};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The tracks of [`stream`].
pub const TRACKS: [&str; 3] = ["avc-360p", "avc-180p", "aac"];

/// Starts FFmpeg on an HLS stream of fMP4 segments of 1 s under `dir`, laid out as mezzo lays out its own; `live`: in real time, in a window of eight segments.
pub fn stream(dir: &Path, seconds: u32, live: bool) -> std::io::Result<Child> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error"]);
    if live {
        ffmpeg.arg("-re");
    }
    let duration = seconds.to_string();
    ffmpeg.args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", &duration]);
    ffmpeg.args(["-filter_complex", "[0:v]split[a][b];[b]scale=320:180[c]", "-map", "[a]", "-map", "[c]", "-map", "1:a"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-sc_threshold", "0", "-c:a", "aac", "-b:a", "96k"]);
    ffmpeg.args(["-f", "hls", "-hls_segment_type", "fmp4", "-hls_time", "1", "-hls_fmp4_init_filename", "init.mp4", "-master_pl_name", "main.m3u8"]);
    ffmpeg.args(["-hls_flags", "temp_file+independent_segments", "-hls_list_size", if live { "8" } else { "0" }]);
    if !live {
        ffmpeg.args(["-hls_playlist_type", "vod"]);
    }
    let map = format!("v:0,agroup:sound,name:{} v:1,agroup:sound,name:{} a:0,agroup:sound,default:yes,name:{}", TRACKS[0], TRACKS[1], TRACKS[2]);
    ffmpeg.args(["-var_stream_map", &map, "-hls_segment_filename", "%v/%d.m4s", "%v/media.m3u8"]);
    ffmpeg.current_dir(dir).stdin(Stdio::null()).spawn()
}

/// Whether `program` can be run here; says so where not.
pub fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: no {program} here");
    }
    there
}

/// Everything under `dir` that a stream of [`stream`] has by now, in an order that may be published: playlists last.
pub fn published(dir: &Path) -> Vec<Publish> {
    let read = |path: &str| std::fs::read(dir.join(path)).ok().map(Bytes::from);
    let mut items = Vec::new();
    for (index, track) in TRACKS.into_iter().enumerate() {
        let bytes = read(&format!("{track}/init_{index}.mp4"));
        items.extend(bytes.map(|bytes| Publish::Init { path: format!("{track}/init.mp4"), bytes }));
        let found = mezzo::sink::stored::scan(dir, &[track.to_owned()]).expect("scan").remove(0).1;
        for number in found {
            let path = format!("{track}/{number}.m4s");
            let slot_end = Seconds::host_now();
            items.extend(read(&path).map(|bytes| Publish::Segment { track: track.into(), number, path, bytes, slot_end, verdict: Default::default() }));
        }
    }
    for path in TRACKS.map(|t| format!("{t}/media.m3u8")).into_iter().chain(["main.m3u8".to_owned()]) {
        // FFmpeg numbers the init segments; the layout does not.
        let plain = |text: String| (0..TRACKS.len()).fold(text, |t, n| t.replace(&format!("init_{n}.mp4"), "init.mp4"));
        let text = std::fs::read_to_string(dir.join(&path)).ok().map(plain);
        items.extend(text.map(|text| Publish::Text { path, bytes: Bytes::from(text), readers: Readers::All, edge: None }));
    }
    items
}

/// The plan that would have made that stream.
pub fn plan() -> Plan {
    let rate = Rate::new(25, 1).expect("a rate");
    let grid = Grid::new(rate, Seconds::whole(1));
    let video = |name: &str, width, height, max_bitrate| Rendition {
        name: name.into(),
        codec: VideoCodec::Avc,
        width,
        height,
        grid,
        depth: 8,
        range: Default::default(),
        hdr: Default::default(),
        max_bitrate,
        quality: 23.0,
        bitrate: None,
        point: "veryfast".into(),
        backends: vec!["x264".into()],
        lanes: 2,
        half_rate: false,
        chunk: None,
        latency: Default::default(),
        devices: Vec::new(),
    };
    let audio = AudioRendition::main(TRACKS[2], 96_000, 2, AudioGrid { video: grid, sample_rate: 48_000, frame: 1024 }, "und");
    Plan {
        class: "c1a55".into(),
        source: SourceFacts {
            width: 640,
            height: 360,
            sar: (1, 1),
            rate,
            interlaced: false,
            range: Default::default(),
            hdr: Default::default(),
            video: None,
            sounds: vec![Default::default()],
        },
        decode: None,
        grid,
        video: vec![video(TRACKS[0], 640, 360, 1_500_000), video(TRACKS[1], 320, 180, 400_000)],
        audio: vec![audio],
        left_out: vec![],
        warnings: vec![],
    }
}

/// A segment of track `name` that is not media.
pub fn segment(name: &str, number: i64, bytes: &[u8]) -> Publish {
    Publish::Segment {
        track: name.into(),
        number: GopId(number),
        path: format!("{name}/{number}.m4s"),
        bytes: Bytes::copy_from_slice(bytes),
        slot_end: Seconds::host_now(),
        verdict: Default::default(),
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub code: u16,
    /// Headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends `method path` with `headers` (whole lines) on a connection of its own and reads to the end of it.
pub fn ask(to: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(to).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let lines: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n");
    // A server may refuse a request before it has read all of it and close: what counts is whether its answer is here, and whole.
    let sent = stream.write_all(request.as_bytes());
    let mut raw = Vec::new();
    let ended = stream.read_to_end(&mut raw);
    assert!(!raw.is_empty(), "{method} {path}: no answer: {sent:?}, {ended:?}");
    let answer = answer(&raw);
    let length = answer.header("content-length").parse().ok().filter(|_| method != "HEAD" && answer.code != 304);
    assert!(length.is_none_or(|l: usize| l == answer.body.len()), "{method} {path}: cut short: {ended:?}");
    answer
}

/// Takes an answer apart.
pub fn answer(raw: &[u8]) -> Answer {
    let split = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(raw)));
    let head = String::from_utf8_lossy(&raw[..split]).into_owned();
    let mut lines = head.lines();
    let code = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|c| c.parse().ok()).expect("a status line");
    let headers = lines.filter_map(|l| l.split_once(':')).map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned())).collect();
    Answer { code, headers, body: raw[split + 4..].to_vec() }
}

/// A request that the server holds back.
pub struct Waiting(pub TcpStream);

impl Waiting {
    /// Sends it, and sees that it is not answered.
    pub fn ask(to: SocketAddr, method: &str, path: &str) -> Waiting {
        let mut stream = TcpStream::connect(to).expect("connect");
        stream.write_all(format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let waiting = Waiting(stream);
        waiting.assert_waits();
        waiting
    }

    /// The server is one thread, which takes up what came first: once a later request is answered, it has seen this one, and what was published before.
    pub fn assert_waits(&self) {
        let to = self.0.peer_addr().expect("connected");
        assert_eq!(ask(to, "GET", "/healthz", &[]).code, 200);
        self.0.set_nonblocking(true).expect("a socket");
        let peeked = self.0.peek(&mut [0]).map_err(|e| e.kind());
        self.0.set_nonblocking(false).expect("a socket");
        assert_eq!(peeked, Err(std::io::ErrorKind::WouldBlock), "it is answered already");
    }

    /// The answer, which must come now.
    pub fn answer(mut self) -> Answer {
        let mut raw = Vec::new();
        self.0.read_to_end(&mut raw).expect("an answer");
        answer(&raw)
    }
}
