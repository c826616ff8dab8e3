"use strict";

const HLS = "application/vnd.apple.mpegurl";
const MASTER = "/live/main.m3u8";
const at = (id) => document.getElementById(id);
const video = at("video");

// What the player does. Only `poll` starts it, only events stop it.
let playing = false;
let retryAt = 0;
let failures = 0;
let known = "";
let seen = { time: -1, at: 0 };

function cover(text) {
  at("cover").textContent = text;
  at("cover").hidden = !text;
}

function bits(value) {
  if (value === null) return "–";
  return value < 1e6 ? `${Math.round(value / 1000)} kb/s` : `${(value / 1e6).toFixed(2)} Mb/s`;
}

function span(ms) {
  return ms === null ? "–" : `${(ms / 1000).toFixed(2)} s`;
}

function what(track) {
  if (track.kind === "audio") return `${track.codec.toUpperCase()}, ${track.channels} ch`;
  const [num, den] = track.rate.split("/").map(Number);
  const rate = (num / (den || 1)).toFixed(2).replace(/\.?0+$/, "");
  return `${track.codec.toUpperCase()} ${track.width}×${track.height}, ${rate}/s`;
}

function cell(text, kind) {
  const td = document.createElement("td");
  td.textContent = text;
  if (kind) td.className = kind;
  return td;
}

function row(track, segment) {
  const tr = document.createElement("tr");
  const stalled = track.age_ms !== null && track.age_ms > 4 * segment;
  const dropped = track.late + track.failed;
  tr.append(
    cell(track.name),
    cell(what(track)),
    cell(bits(track.max_bitrate), "soft"),
    cell(track.last_segment ?? "–"),
    cell(bits(track.bitrate)),
    cell(stalled ? `silent for ${span(track.age_ms)}` : span(track.lag_ms), stalled ? "bad" : ""),
    cell(track.queue ?? "–"),
    cell(dropped, dropped ? "bad" : ""),
  );
  return tr;
}

function show(status) {
  at("state").dataset.state = status.state;
  at("state").textContent = status.error ? `failed: ${status.error}` : status.state;
  at("rungs").replaceChildren(...status.tracks.map((t) => row(t, status.segment_ms)));
  const s = status.source;
  const counts = { pictures: s.pictures, repeated: s.repeats, filler: s.fillers, dropped: s.dropped, errors: s.errors, gaps: status.published.gaps, "in memory": `${(status.store.bytes / (1 << 20)).toFixed(1)} MiB` };
  at("source").replaceChildren(...Object.entries(counts).map(([name, value]) => {
    const pair = document.createElement("div");
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = name;
    dd.textContent = value;
    pair.append(dt, dd);
    return pair;
  }));
}

function play(status) {
  if (playing || performance.now() < retryAt) return;
  if (!video.canPlayType(HLS)) {
    cover("This browser does not play HLS by itself.\nUse Safari, Chrome or Edge, or open one of the links below in a player.");
    return;
  }
  if (!status.ready) {
    const waiting = { failed: "The worker failed before its first segment.", ended: "The event is over." };
    cover(waiting[status.state] ?? "Waiting for the first segment.");
    return;
  }
  playing = true;
  cover("Loading.");
  video.src = MASTER;
  video.play().catch(() => {}); // refused autoplay leaves the controls; errors arrive as events
}

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
  const behind = Number.isFinite(shown) ? `, ${((Date.now() - shown) / 1000).toFixed(1)} s behind live` : "";
  at("playing").textContent = `Playing ${video.videoWidth}×${video.videoHeight}${behind}`;
}, 500);

async function poll() {
  try {
    const response = await fetch("/v1/status", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (!response.ok) throw new Error(response.status);
    const status = await response.json();
    // Another job on the same address: its media are others, so the player begins anew.
    if (known && known !== status.class) location.reload();
    known = status.class;
    show(status);
    play(status);
  } catch {
    at("state").dataset.state = "gone";
    at("state").textContent = "the server does not answer";
    if (!playing) cover("The server does not answer.");
  }
  setTimeout(poll, 1000);
}

for (const id of ["hls", "dash"]) {
  at(id).textContent = at(id).href;
}
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = at(button.dataset.copy).href;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // No clipboard without HTTPS: select the text, so that one key copies it.
      getSelection().selectAllChildren(at(button.dataset.copy));
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

poll();
