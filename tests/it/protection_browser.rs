//! What is protected, in a real browser: Chromium's Clear Key decrypts and decodes it, in every scheme, and across a change of keys.

use crate::common::{has, plan};
use crate::page::Browser;
use crate::protection::{KEY, KID, ONE_CODEC, job, run};
use crate::support::{alone, numbers, succeed};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use mezzo::protect::Key;
use mezzo::protect::cipher::Scheme;
use mezzo::protect::key::{KeyId, Seed, TrackClass};
use mezzo::serve::Server;
use mezzo::sink::store::Store;
use mezzo::sink::{Publish, Sink};
use mezzo::status::Status;
use mezzo::time::{GopId, Seconds};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

/// Plays all segments of a picture and a sound through MSE and EME; `window.state` says how far it came.
const PLAY: &str = r#"
window.state = 'begun'; window.video = document.createElement('video'); video.muted = true; document.documentElement.append(video);
(async () => {
  const capabilities = (mime, codecs) => [{contentType: `${mime}; codecs="${codecs}"`, encryptionScheme: SCHEME}];
  const access = await navigator.requestMediaKeySystemAccess('org.w3.clearkey', [{initDataTypes: ['cenc'], videoCapabilities: capabilities('video/mp4', VIDEO), audioCapabilities: capabilities('audio/mp4', AUDIO)}]);
  const keys = await access.createMediaKeys();
  await video.setMediaKeys(keys);
  window.licences = 0;
  video.onencrypted = async (event) => {
    const session = keys.createSession();
    session.onmessage = (message) => {
      const kids = JSON.parse(new TextDecoder().decode(message.message)).kids;
      window.licences += kids.length;
      session.update(new TextEncoder().encode(JSON.stringify({type: 'temporary', keys: kids.map(kid => ({kty: 'oct', kid, k: KEYS[kid]}))}))).catch(error => window.state = 'licence: ' + error);
    };
    await session.generateRequest(event.initDataType, event.initData).catch(error => window.state = 'request: ' + error);
  };
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise(done => source.onsourceopen = done);
  video.onerror = () => window.state = 'video: ' + video.error.message;
  const feed = async (track, mime, codecs, urls) => {
    const buffer = source.addSourceBuffer(`${mime}; codecs="${codecs}"`);
    for (const url of urls) {
      const answer = await fetch(`${TREE}/${track}/${url}`);
      if (!answer.ok) throw url + ': ' + answer.status;
      const bytes = await answer.arrayBuffer();
      await new Promise((done, failed) => { buffer.onupdateend = done; buffer.onerror = () => failed(url); buffer.appendBuffer(bytes); });
    }
  };
  await Promise.all([feed('avc', 'video/mp4', VIDEO, URLS), feed('aac', 'audio/mp4', AUDIO, URLS)]);
  source.endOfStream();
  window.state = 'fed';
  await video.play();
  window.state = 'playing';
})().catch(error => window.state = 'failed: ' + error);
true
"#;

#[test]
fn chromium_plays_what_is_protected_with_clear_key() {
    if !has("chromium") {
        return;
    }
    let _alone = alone();
    let (dir, profile) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let given = format!("keys = [{{ id = \"{KID}\", key = \"${{TEST_KEY}}\" }}]");
    let form = |scheme: &str, output: &str, rest: &str| {
        format!("[[protection]]\nscheme = \"{scheme}\"\noutputs = [\"@/{output}\"]\nsystems = [\"widevine\", \"clearkey\"]\n{rest}\n")
    };
    let rotating = "content = \"channel-3\"\nrotate = \"10s\"\nseed = \"${TEST_SEED}\"";
    let forms = [form("cbcs", "cbcs", &given), form("cenc", "cenc", &given), form("cbcs", "rotating", rotating)].concat();
    succeed(run(&job(dir.path(), &["cbcs", "cenc", "rotating"], 14, &format!("{ONE_CODEC}\n{forms}"))), 120);

    let mut store = Store::new(64 << 20, ["aac".to_owned()]);
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), store.clone(), Arc::new(Status::new(&plan(), true))).expect("started");
    let text = |key: &[u8; 16]| URL_SAFE_NO_PAD.encode(key);
    let seed = Seed::read("XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I").expect("a seed");
    let mut keys = vec![(KeyId::read(KID).expect("a UUID"), Key::read(KEY).expect("a key"))];
    keys.extend([0, 1].map(|period| KeyId::derived("channel-3", Scheme::Cbcs, TrackClass::All, Some(period))).map(|id| (id, seed.key(id))));
    let keys: serde_json::Map<_, _> = keys.iter().map(|(id, key)| (text(&id.0), json!(text(key.bytes())))).collect();
    let mut browser = Browser::start(profile.path());
    // With another key under the same id nothing is decoded: that it plays shows that it was encrypted, and decrypted.
    let wrong: serde_json::Map<_, _> = keys.keys().map(|id| (id.clone(), json!(text(&[1; 16])))).collect();
    for (tree, scheme, licences) in [("cbcs", "cbcs", 1), ("cenc", "cenc", 1), ("rotating", "cbcs", 2), ("cbcs", "cbcs", 0)] {
        let keys = if licences == 0 { &wrong } else { &keys };
        let read = |path: String| Bytes::from(std::fs::read(dir.path().join(tree).join(path)).expect("published"));
        let numbers = numbers(&dir.path().join(tree), "avc");
        for track in ["avc", "aac"] {
            let init = format!("{track}/init.mp4");
            store.publish(&Publish::Init { path: init.clone(), bytes: read(init) }).expect("stored");
            for number in &numbers {
                let path = format!("{track}/{number}.m4s");
                let bytes = read(path.clone());
                let segment = Publish::Segment { track: track.into(), number: GopId(*number), path, bytes, slot_end: Seconds::ZERO, verdict: Arc::default() };
                store.publish(&segment).expect("stored");
            }
        }
        let main = String::from_utf8(read("main.m3u8".into()).to_vec()).expect("text");
        let codecs = main.split("CODECS=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("codecs");
        let (video, audio) = codecs.split_once(',').expect("two codecs");
        let urls: Vec<String> = std::iter::once("init.mp4".to_owned()).chain(numbers.iter().map(|n| format!("{n}.m4s"))).collect();
        browser.call("Page.navigate", json!({"url": format!("{}healthz", server.url())}));
        browser.until("document.readyState === 'complete' && typeof window.state === 'undefined'");
        let given = [
            ("SCHEME", json!(scheme)),
            ("VIDEO", json!(video)),
            ("AUDIO", json!(audio)),
            ("URLS", json!(urls)),
            ("KEYS", json!(keys)),
            ("TREE", json!("/live")),
        ];
        let given: String = given.iter().map(|(name, value)| format!("window.{name} = {value};")).collect();
        assert_eq!(browser.eval(&format!("{given}{PLAY}")), true, "{tree}");
        if licences == 0 {
            browser.until("window.state?.startsWith('video: ') || window.state?.startsWith('failed: ')");
            continue;
        }
        browser.until("window.state !== 'begun' && window.state !== 'fed'");
        assert_eq!(browser.eval("window.state").as_str(), Some("playing"), "{tree}");
        // Past the change of keys, at 10 s.
        browser.until("video.currentTime > 12 && video.getVideoPlaybackQuality().totalVideoFrames > 250");
        assert!(browser.eval("window.licences").as_i64() >= Some(licences), "{tree}");
        assert_eq!(browser.eval("video.error === null && window.state"), "playing", "{tree}");
    }
    server.stop();
}
