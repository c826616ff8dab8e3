// What the player does. Only `poll` starts it, only events stop it.

const HLS = "application/vnd.apple.mpegurl";
const MASTER = "/live/main.m3u8";
const video = at("video");
let playing = false;
let retryAt = 0;
let failures = 0;
let seen = { time: -1, at: 0 };

function cover(text) {
  at("cover").textContent = text;
  at("cover").hidden = !text;
}

function play(status) {
  if (playing || performance.now() < retryAt) return;
  if (!video.canPlayType(HLS)) {
    cover("This browser does not play HLS by itself.\nOpen this page in Safari, Chrome or Edge,\nor one of the links below in a player such as VLC or mpv.");
    return;
  }
  if (!published(status)) {
    const waiting = { failed: "The worker failed before its first segment.", ended: "The event is over.", leaving: "The worker is leaving." };
    cover(waiting[status.state] ?? "Waiting for the first segment.");
    return;
  }
  playing = true;
  cover("Loading.");
  video.src = MASTER;
  video.play().catch(() => {}); // refused autoplay leaves the controls; errors arrive as events
}

// A track that is late keeps the worker from being ready, and nobody from playing.
const published = (status) => status.ready || status.tracks.every((t) => t.last_segment !== null && t.last_segment !== undefined);

video.addEventListener("playing", () => {
  failures = 0;
  cover("");
});

function again(why) {
  playing = false;
  failures += 1;
  retryAt = performance.now() + Math.min(1000 * 2 ** failures, 15000);
  cover(`${why}\nTrying again.`);
}

video.addEventListener("error", () => again(`The player stopped: ${video.error?.message || "unknown reason"}.`));

video.addEventListener("loadedmetadata", () => {
  if (video.paused) cover("");
});

// A player that starves without an error (the server was away) begins anew.
setInterval(() => {
  const now = performance.now();
  if (!playing || video.paused || video.ended || video.currentTime !== seen.time) {
    seen = { time: video.currentTime, at: now };
  } else if (now - seen.at > 12000) {
    seen.at = now;
    again("The picture has stopped.");
  }
}, 500);

setInterval(() => {
  if (!playing || !video.videoWidth) return;
  at("screen").style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
  const clock = video.getStartDate ? video.getStartDate().getTime() : NaN;
  const shown = clock + video.currentTime * 1000;
  const behind = Number.isFinite(shown) && shown > 1e12 ? `, ${((Date.now() - shown) / 1000).toFixed(1)} s behind live in this player` : "";
  at("playing").textContent = `Playing ${video.videoWidth}×${video.videoHeight}${behind}`;
}, 500);
