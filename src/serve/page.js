"use strict";

const HLS = "application/vnd.apple.mpegurl";
const MASTER = "/live/main.m3u8";
const KEPT = 120; // polls, one a second
const at = (id) => document.getElementById(id);
const video = at("video");

// What the player does. Only `poll` starts it, only events stop it.
let playing = false;
let retryAt = 0;
let failures = 0;
let known = "";
let seen = { time: -1, at: 0 };
// What was polled lately: { at, pictures, media, tracks: [{ encoded, bitrate }] }.
const past = [];

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

function hms(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function rate(text) {
  const [num, den] = text.split("/").map(Number);
  return (num / (den || 1)).toFixed(2).replace(/\.?0+$/, "");
}

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// A count's growth a second over the last five seconds or so.
function growth(of) {
  const last = past.at(-1);
  const first = past.find((h) => last.at - h.at <= 5500);
  const [from, to] = [of(first), of(last)];
  if (last === first || from == null || to == null) return null;
  return Math.max(0, (to - from) / ((last.at - first.at) / 1000));
}

const NAMES = { rung: "Rung", makes: "Makes", fps: "Pictures/s", bitrate: "Bitrate", history: "History", lag: "Lag", queue: "Queue", dropped: "Dropped", score: "Score", segment: "Segment" };

function cell(name, text, kind) {
  const td = element("td", text, kind);
  td.dataset.name = name;
  td.dataset.title = NAMES[name];
  return td;
}

function makes(track) {
  if (track.kind === "audio") return `${track.codec.toUpperCase()} ${track.channels === 1 ? "mono" : "stereo"}`;
  return `${track.codec.toUpperCase()} ${track.width}×${track.height}`;
}

// The last two minutes of a track's bitrate, under its cap.
function curve(index, cap) {
  const td = cell("history", "");
  const values = past.map((h) => h.tracks[index]?.bitrate ?? null);
  const top = Math.max(cap, ...values.filter((v) => v !== null)) || 1;
  const y = (value) => (29 - (28 * value) / top).toFixed(1);
  const points = values.map((v, i) => (v === null ? null : `${(KEPT - values.length + i).toFixed(0)},${y(v)}`)).filter(Boolean);
  const svg = drawn("svg", { viewBox: `0 0 ${KEPT} 30`, preserveAspectRatio: "none", role: "img" });
  const title = drawn("title", {});
  title.textContent = `bitrate of the last ${hms(values.length * 1000)}, below the cap of ${bits(cap)}`;
  svg.append(title, drawn("line", { x1: 0, x2: KEPT, y1: y(cap), y2: y(cap) }), drawn("polyline", { points: points.join(" ") }));
  td.append(svg);
  return td;
}

function row(track, index, segment) {
  const tr = document.createElement("tr");
  const stalled = track.age_ms !== null && track.lag_ms !== null && track.age_ms - track.lag_ms > 4 * segment;
  const dropped = track.late + track.failed;
  const bitrate = cell("bitrate", bits(track.bitrate));
  if (track.bitrate !== null && track.kind === "video") {
    const meter = document.createElement("meter");
    meter.max = track.max_bitrate;
    meter.value = track.bitrate;
    meter.title = `${Math.round((100 * track.bitrate) / track.max_bitrate)} % of ${bits(track.max_bitrate)}`;
    bitrate.append(meter);
  }
  const fps = growth((h) => h.tracks[index]?.encoded);
  tr.append(
    cell("rung", track.name),
    cell("makes", makes(track)),
    cell("fps", fps === null ? "–" : fps.toFixed(1), fps === null ? "soft" : ""),
    bitrate,
    curve(index, track.max_bitrate),
    cell("lag", stalled ? `silent for ${span(track.age_ms)}` : span(track.lag_ms), stalled ? "bad" : ""),
    cell("queue", track.queue ?? "–", track.queue === null ? "soft" : ""),
    cell("dropped", dropped, dropped ? "bad" : ""),
    score(track.quality),
    cell("segment", track.last_segment ?? "–"),
  );
  return tr;
}

// Of the last segment, 100 where nothing is wrong; what was wrong since the start on request.
function score(quality) {
  const td = cell("score", quality.score ?? "–", quality.score === null ? "soft" : quality.score < 60 ? "bad" : "");
  const defects = Object.entries(quality.defects).map(([name, n]) => `${name}: ${n.count} in ${n.segments} segments`);
  td.title = quality.lowest === null ? "" : [`lowest ${quality.lowest}`, ...defects].join("\n");
  return td;
}

function tile(id, value, note, bad) {
  at(id).textContent = value;
  at(id).className = bad ? "bad" : "";
  if (at(`${id}-note`)) at(`${id}-note`).textContent = note;
}

function tiles(status) {
  const quiet = status.age_ms !== null && status.lag_ms !== null ? status.age_ms - status.lag_ms : 0;
  const stalled = status.state === "running" && quiet > 4 * status.segment_ms;
  if (status.live) {
    tile("lag", span(status.lag_ms), stalled ? `nothing published for ${hms(quiet)}` : "from the end of a slot to its publication", stalled);
  } else {
    const speed = growth((h) => h.media);
    at("lag-name").textContent = "Speed";
    tile("lag", speed === null ? "–" : `${(speed / 1000).toFixed(2)} ×`, "of real time");
  }
  const end = status.expected_ms > 0 ? ` of ${hms(status.expected_ms)}` : "";
  const where = status.position === null ? "–" : status.live ? status.position.slice(11, 19) : hms(status.media_ms);
  tile("position", where, status.position === null ? "" : status.live ? `UTC, ${hms(status.media_ms)}${end} published` : `published${end}`);
  const decoded = growth((h) => h.pictures);
  at("decoded").textContent = decoded === null ? "–" : `${decoded.toFixed(1)} /s`;
  at("feed").textContent = `${status.feed.width}×${status.feed.height}, ${rate(status.feed.rate)}/s${status.feed.interlaced ? " interlaced" : ""}`;
  const dropped = status.tracks.reduce((sum, t) => sum + t.late + t.failed, 0);
  const late = status.tracks.reduce((sum, t) => sum + t.late, 0);
  tile("dropped", dropped, dropped ? `${late} late, ${dropped - late} failed` : `of ${status.tracks.reduce((sum, t) => sum + t.segments, 0)} made`, dropped > 0);
}

function counts(status) {
  const s = status.source;
  const all = {
    "pictures repeated": s.repeats,
    "pictures of filler": s.fillers,
    "pictures without a slot": s.dropped,
    "damaged units": s.errors,
    "GOPs shed before decoding": s.shed_gops,
    "ms of silence put in": Math.round(s.silent_samples / 48),
    "clock tied anew": s.anchors,
    "connections lost": s.disconnects,
    "connections opened again": s.reconnects,
    "callers without media": s.callers_refused,
    "changes of video or sound": s.changes,
    "segments missing": status.published.gaps,
    "segments over the cap": status.published.over_cap,
    "segments made by a fallback": status.tracks.reduce((sum, t) => sum + t.fallbacks, 0),
    "segments without frames for another try": status.tracks.reduce((sum, t) => sum + t.unheld, 0),
    "conflicts with stored segments": status.conflicts,
  };
  const bad = Object.entries(all).filter(([, n]) => n > 0).map(([name, n]) => element("li", `${n} ${name}`, "bad"));
  if (!bad.length) bad.push(element("li", "nothing lost, nothing repeated", "good"));
  bad.push(element("li", `${s.pictures} pictures decoded`), element("li", `${(status.store.bytes / (1 << 20)).toFixed(1)} MiB in memory`));
  if (status.clock) bad.push(clock(status.clock));
  if (status.inputs) bad.push(...paths(status.inputs));
  if (status.standby) bad.push(...standby(status.standby));
  at("source").replaceChildren(...bad);
  at("warnings").replaceChildren(...status.warnings.map((w) => element("li", w)));
}

// What places the feed on the grid.
function clock(c) {
  const lock = { locked: "locked", own: "not locked to another worker", lost: "the lock is lost" }[c.lock];
  const near = c.margin_us * 10 < c.slot_us;
  return element("li", `placed by ${c.reference}: ${lock}, ${(c.margin_us / 1000).toFixed(1)} ms from another slot`, c.lock === "lost" || near ? "bad" : c.lock === "locked" ? "good" : "");
}

// Which of two feeds is shown, and how each is.
function standby(s) {
  const how = s.trouble.map((trouble, n) => `input ${n + 1} ${trouble ? { loss: "is away", invalid: "is damaged", black: "is black", frozen: "is frozen", silence: "is silent" }[trouble] : "is well"}`);
  return [element("li", `input ${s.active + 1} is shown; ${how.join(", ")}; ${s.switches} switches`, s.active === 0 && !s.trouble[1] ? "good" : "bad")];
}

// One line for each path of the input.
function paths(inputs) {
  const merge = inputs.merge;
  const lines = inputs.paths.map((p) => {
    const counts = { lost: p.lost, "filled by the other path": p.filled, late: p.late, reordered: p.reordered, twice: p.duplicate, garbage: p.garbage,
      "continuity errors": p.continuity, "not taken in time": p.overruns, reconnects: p.reconnects };
    const bad = Object.entries(counts).filter(([, n]) => n > 0).map(([name, n]) => `${n} ${name}`);
    const state = p.up ? `${(p.bitrate / 1e6).toFixed(1)} Mb/s` : p.silent_ms === null ? "nothing yet" : `silent for ${span(p.silent_ms)}`;
    return element("li", `${p.input}: ${[state, `${p.packets} packets`, ...bad].join(", ")}`, p.up && !bad.length ? "good" : p.up ? "" : "bad");
  });
  if (inputs.paths.length > 1) {
    const how = { alone: "not merged yet", number: "merged by RTP number", content: "merged by content", mismatch: "their packets do not match" }[merge.mode];
    const late = merge.mode === "number" || merge.mode === "content" ? `, ${(merge.delay_us / 1000).toFixed(1)} ms apart` : "";
    lines.push(element("li", `two paths: ${how}${late}, ${merge.hurt} units hurt`, merge.mode === "mismatch" || merge.hurt ? "bad" : "good"));
  }
  return lines;
}

function show(status) {
  const entry = { at: performance.now(), pictures: status.source.pictures, media: status.media_ms, tracks: status.tracks };
  past.push(entry);
  if (past.length > KEPT) past.shift();
  document.body.classList.remove("stale");
  at("state").dataset.state = status.state;
  at("state").textContent = status.state;
  at("error").textContent = status.error ?? "";
  at("error").hidden = !status.error;
  at("since").textContent = `up ${hms(status.uptime_ms)}`;
  at("class").textContent = `class ${status.class}`;
  at("rungs").replaceChildren(...status.tracks.map((t, i) => row(t, i, status.segment_ms)));
  tiles(status);
  counts(status);
}

function play(status) {
  if (playing || performance.now() < retryAt) return;
  if (!video.canPlayType(HLS)) {
    cover("This browser does not play HLS by itself.\nOpen this page in Safari, Chrome or Edge,\nor one of the links below in a player such as VLC or mpv.");
    return;
  }
  if (!status.ready) {
    const waiting = { failed: "The worker failed before its first segment.", ended: "The event is over.", leaving: "The worker is leaving." };
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
  const behind = Number.isFinite(shown) && shown > 1e12 ? `, ${((Date.now() - shown) / 1000).toFixed(1)} s behind live in this player` : "";
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
    document.body.classList.add("stale");
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
