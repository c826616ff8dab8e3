//! The page in a real browser: a live stream must be seen to play. `MEZZO_SHOT=folder` keeps screenshots.

use crate::common::{TRACKS, has, plan, published, stream};
use crate::support::alone;
use mezzo::serve::Server;
use mezzo::sink::Sink;
use mezzo::sink::store::Store;
use mezzo::status::Status;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Chromium, driven through its debugging pipe (messages of JSON, each ended by a zero byte).
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    id: u64,
}

impl Browser {
    pub fn start(profile: &Path) -> Browser {
        let flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync \
                     --autoplay-policy=no-user-gesture-required --window-size=1100,1250 --remote-debugging-pipe";
        // The pipe is descriptors 3 and 4: the shell moves stdin and stdout there.
        let script = format!("exec chromium {flags} --user-data-dir=\"$0\" about:blank 3<&0 4>&1 </dev/null 1>&2");
        let mut child =
            Command::new("sh").args(["-c", &script]).arg(profile).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("sh");
        let (to, from) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        let mut browser = Browser { child, to, from, session: None, id: 0 };
        let targets = browser.call("Target.getTargets", json!({}));
        let page = targets["targetInfos"].as_array().and_then(|t| t.iter().find(|t| t["type"] == "page")).expect("a page")["targetId"].clone();
        browser.session = browser.call("Target.attachToTarget", json!({"targetId": page, "flatten": true}))["sessionId"].as_str().map(str::to_owned);
        browser
    }

    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let mut message = json!({"id": self.id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("chromium listens");
        loop {
            let mut raw = Vec::new();
            self.from.read_until(0, &mut raw).expect("chromium answers");
            let message: Value = serde_json::from_slice(raw.strip_suffix(&[0]).unwrap_or(&raw)).unwrap_or_else(|e| panic!("chromium left: {e}"));
            if message["id"] == self.id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    pub fn eval(&mut self, expression: &str) -> Value {
        self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}))["result"]["value"].clone()
    }

    /// Asks until the expression is true, for at most 30 s.
    pub fn until(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.eval(expression) != true {
            if begun.elapsed() > Duration::from_secs(30) {
                self.shot("failed");
                let text = self.eval("document.body.innerText");
                panic!("not within 30 s: {expression}\n{text}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn shot(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("MEZZO_SHOT") else { return };
        let data = self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}))["data"].as_str().expect("data").to_owned();
        let mut decode = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(Path::new(&folder).join(format!("{name}.png"))).expect("a file"))
            .spawn()
            .expect("base64");
        decode.stdin.take().expect("piped").write_all(data.as_bytes()).expect("decoded");
        decode.wait().expect("decoded");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the page says of a rung whose last segment is old, and of a feed that brings filler.
const ASKED: &str = r"
window.rowSays = (more) => {
  const tr = row({ ...past.at(-1).status.tracks[1], age_ms: 90000, lag_ms: 10, ...more }, 1, 2000);
  return ['rung', 'lag'].map((name) => tr.querySelector(`[data-name=${name}]`).textContent).join();
};
window.feedSays = (shown) => {
  const last = past.at(-1);
  const source = { ...last.status.source, fillers: last.status.source.fillers + 25 };
  past.push({ at: last.at + 1000, status: { ...last.status, source } });
  const text = picture('Picture', source, null, null, shown).querySelector('b').textContent;
  past.pop();
  return text;
};
";

#[test]
fn the_page_plays_a_live_stream() {
    if !has("ffmpeg") || !has("chromium") {
        return;
    }
    let _alone = alone();
    let (dir, profile) = (tempfile::tempdir().expect("temporary folder"), tempfile::tempdir().expect("temporary folder"));
    let store = Store::new(64 << 20, [TRACKS[2].to_owned()]);
    let status = Arc::new(Status::new(&plan(), true));
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), store.clone(), status.clone()).expect("started");
    let address = server.address();
    let mut browser = Browser::start(profile.path());
    browser.call("Page.navigate", json!({"url": server.url()}));
    browser.until("document.getElementById('state')?.textContent === 'starting'");
    browser.until("document.getElementById('cover').textContent === 'Waiting for the first segment.'");
    browser.until("document.querySelectorAll('#rungs tr').length === 3");
    browser.shot("1-waiting");

    let mut ffmpeg = stream(dir.path(), 90, true).expect("ffmpeg");
    let stop = Arc::new(AtomicBool::new(false));
    let pump = {
        let (dir, mut store, status, stop) = (dir.path().to_owned(), store.clone(), status.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for item in published(&dir) {
                    let new = matches!(&item, mezzo::sink::Publish::Segment { path, .. } if store.get(path).is_err());
                    store.publish(&item).expect("memory takes everything");
                    if let (true, mezzo::sink::Publish::Segment { track, number, bytes, slot_end, .. }) = (new, &item) {
                        status.segment_published(track, *number, bytes.len() as u64, *slot_end);
                    }
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        })
    };
    let begun = Instant::now();
    browser.until("video.videoWidth > 0 && !video.paused && video.currentTime > 0 && document.getElementById('cover').hidden");
    let first = begun.elapsed();
    let from = browser.eval("video.currentTime").as_f64().expect("a number");
    browser.until(&format!("video.currentTime > {from} + 5 && video.getVideoPlaybackQuality().totalVideoFrames > 100"));
    // The last segment in the table is one that the store has, and it moves on.
    let shown = "Number(document.querySelector('#rungs td[data-name=segment]').textContent)";
    let last = browser.eval(shown).as_i64().expect("a number");
    assert!(store.get(&format!("{}/{last}.m4s", TRACKS[0])).is_ok());
    browser.until(&format!("{shown} > {last}"));
    assert_eq!(browser.eval("document.getElementById('hls').textContent").as_str(), Some(format!("{}live/main.m3u8", server.url()).as_str()));
    eprintln!("playing {first:?} after the stream began; {}", browser.eval("document.getElementById('playing').textContent"));
    assert_eq!(browser.eval("document.querySelectorAll('#rungs meter').length").as_i64(), Some(2), "a bar against the cap for each rung of pictures");
    browser.until("document.querySelectorAll('#rungs .spark polyline').length >= 3");
    assert_eq!(browser.eval("document.querySelector('#inputs article h3').textContent.startsWith('Picture')"), true);
    assert_eq!(browser.eval("document.querySelector('#outputs article h3').textContent.startsWith('Players of this page')"), true);
    assert_eq!(browser.eval("[...document.querySelectorAll('#events li')].some((li) => li.textContent.endsWith('the worker is running'))"), true);
    // A rung that is off is old and no stall; a segment that is overdue is one, however old the last is.
    browser.eval(ASKED);
    for (track, shown) in [("enabled: false", "off,–"), ("deadline: {overdue_ms: 0}", ",0.01 s"), ("deadline: {overdue_ms: 100}", ",silent for 90.00 s")] {
        assert_eq!(browser.eval(&format!("rowSays({{{track}}})")).as_str(), Some(format!("{}{shown}", TRACKS[1]).as_str()), "{track}");
    }
    // Filler of a feed that is not shown is seen by nobody.
    assert_eq!(["true", "false", "null"].map(|shown| browser.eval(&format!("feedSays({shown})"))), ["filler is shown", "away", "filler is shown"]);
    let overflows = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(browser.eval(overflows), false, "the page is wider than the window");
    browser.shot("2-playing-light");
    browser.call("Emulation.setEmulatedMedia", json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]}));
    browser.shot("3-playing-dark");
    browser.call("Emulation.setDeviceMetricsOverride", json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true}));
    assert_eq!(browser.eval(overflows), false, "the page is wider than a phone");
    browser.shot("4-narrow-dark");
    browser.call("Emulation.setEmulatedMedia", json!({"features": [{"name": "prefers-color-scheme", "value": "light"}]}));
    browser.shot("5-narrow-light");
    browser.call("Emulation.clearDeviceMetricsOverride", json!({}));

    server.stop();
    browser.until("document.getElementById('state').textContent === 'the server does not answer'");
    assert_eq!(browser.eval("document.querySelector('#events li').textContent.endsWith('the server does not answer')"), true);
    browser.shot("6-gone");

    // All that it had is played. Then the server comes back under the same address, and the picture moves on.
    browser.until("video.paused || video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA");
    let stopped = browser.eval("video.currentTime").as_f64().expect("a number");
    let server = Server::start(address, store, status).expect("the port is free again");
    browser.until("document.getElementById('state').textContent === 'running'");
    browser.until(&format!("!video.paused && video.currentTime > {stopped} + 2"));
    browser.shot("7-back");
    // What a browser without HLS of its own is told.
    browser.call("Page.enable", json!({}));
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": "HTMLMediaElement.prototype.canPlayType = () => ''"}));
    browser.call("Page.reload", json!({}));
    browser.until("document.getElementById('cover')?.textContent.startsWith('This browser does not play HLS by itself.')");
    browser.until("document.querySelectorAll('#rungs tr').length === 3");
    browser.shot("8-no-hls");
    server.stop();
    stop.store(true, Ordering::Relaxed);
    pump.join().expect("joined");
    let _ = ffmpeg.kill();
    let _ = ffmpeg.wait();
}
