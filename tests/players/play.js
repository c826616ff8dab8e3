// In the browser: plays what the address asks for, reads the burnt-in numbers, and keeps what there is to say in `window.report`.
import { readBurnt } from '/burnt.js';

const ask = new URLSearchParams(location.search);
const [how, origin, low] = [ask.get('how'), ask.get('origin'), ask.get('low') === 'true'];
const feed = { width: Number(ask.get('width')), height: Number(ask.get('height')), rate: Number(ask.get('rate')) };
const video = document.getElementById('video'), canvas = document.getElementById('canvas');
const report = (window.report = { how, errors: [], stalls: [], samples: [], playing: false });
const since = () => performance.now() / 1000;

video.addEventListener('playing', () => (report.playing = true));
// A player that seeks waits for what is there, which is no stall.
const ranges = () => Array.from({ length: video.buffered.length }, (_, n) => `${video.buffered.start(n).toFixed(2)}..${video.buffered.end(n).toFixed(2)}`).join(' ');
const stalled = () => report.stalls.push({ at: since(), time: video.currentTime, height: video.videoHeight, buffered: ranges() });
video.addEventListener('waiting', () => report.playing && !video.seeking && stalled());
video.addEventListener('error', () => report.errors.push(`video: ${video.error?.code} ${video.error?.message}`));

// Ten looks a second: the picture shown, its number, and how long ago that picture was taken.
function look() {
  const slot = video.videoWidth ? readBurnt(video, canvas, feed) : null;
  if (slot !== null) report.samples.push({ at: since(), slot, height: video.videoHeight, latency: Date.now() / 1000 - slot / feed.rate });
}
const pump = () => {
  if (since() - (report.samples.at(-1)?.at ?? 0) > 0.1) look();
  video.requestVideoFrameCallback(pump);
};
video.requestVideoFrameCallback(pump);

const PLAYERS = {
  native: async () => {
    // The canvas may only read what CORS allows.
    video.crossOrigin = 'anonymous';
    video.src = `${origin}/live/main.m3u8`;
    return { heights: () => [], show: () => {} };
  },
  hls: async () => {
    const hls = new Hls({ lowLatencyMode: low, backBufferLength: 10, maxLiveSyncPlaybackRate: low ? 1.1 : 1 });
    hls.on(Hls.Events.ERROR, (_, e) => report.errors.push(`hls.js: ${e.type} ${e.details}${e.fatal ? ' (fatal)' : ''} ${e.error?.message ?? ''}`));
    const ready = new Promise((done) => hls.on(Hls.Events.MANIFEST_PARSED, done));
    hls.loadSource(`${origin}/live/main.m3u8`);
    hls.attachMedia(video);
    await ready;
    return { heights: () => hls.levels.map((l) => l.height), show: (height) => (hls.nextLevel = hls.levels.findIndex((l) => l.height === height)) };
  },
  shaka: async (manifest) => {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    player.addEventListener('error', (e) => report.errors.push(`shaka: ${e.detail.code} ${e.detail.message}`));
    player.configure({ streaming: { lowLatencyMode: low, liveSync: { enabled: low } } });
    await player.load(`${origin}/live/${manifest}`);
    const tracks = () => player.getVariantTracks().filter((t) => t.height);
    const show = (height) => {
      player.configure({ abr: { enabled: false } });
      player.selectVariantTrack(tracks().find((t) => t.height === height), false);
    };
    return { heights: () => tracks().map((t) => t.height), show };
  },
  'shaka-hls': () => PLAYERS.shaka('main.m3u8'),
  'shaka-dash': () => PLAYERS.shaka('manifest.mpd'),
  dash: async () => {
    const player = dashjs.MediaPlayer().create();
    player.on('error', (e) => report.errors.push(`dash.js: ${e.error?.code} ${e.error?.message}`));
    player.initialize(video, `${origin}/live/manifest.mpd`, true);
    await new Promise((done) => player.on('streamInitialized', done));
    const all = () => player.getRepresentationsByType('video');
    const show = (height) => {
      player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
      player.setRepresentationForTypeByIndex('video', all().findIndex((r) => r.height === height));
    };
    return { heights: () => all().map((r) => r.height), show };
  },
};

try {
  const player = await PLAYERS[how]();
  await video.play();
  window.show = (height) => player.show(height);
  window.heights = () => [...new Set(player.heights())].sort((a, b) => a - b);
} catch (error) {
  report.errors.push(`${how}: ${error?.message ?? error} ${error?.code ?? ''}`);
}
