// One row a rung.

const NAMES = { rung: "Rung", makes: "Makes", fps: "Pictures/s", bitrate: "Bitrate", encode: "Encode time", score: "Score", lag: "Lag", misses: "Missed", queue: "Queue", dropped: "Dropped", segment: "Segment" };

function cell(name, text, kind) {
  const td = element("td", "", kind);
  td.dataset.name = name;
  td.dataset.title = NAMES[name];
  td.append(element("span", text));
  return td;
}

function makes(track) {
  if (track.kind === "audio") return `${track.codec.toUpperCase()} ${track.channels === 1 ? "mono" : track.channels === 6 ? "5.1" : "stereo"}`;
  return `${track.codec.toUpperCase()} ${track.width}×${track.height}`;
}

function meter(track) {
  const made = document.createElement("meter");
  made.max = track.max_bitrate;
  made.value = track.bitrate;
  made.title = `${Math.round((100 * track.bitrate) / track.max_bitrate)} % of ${bits(track.max_bitrate)}`;
  return made;
}

function bitrate(track, index) {
  const td = cell("bitrate", bits(track.bitrate));
  if (track.bitrate !== null && track.kind === "video") td.append(meter(track));
  const values = history((s) => s.tracks[index]?.bitrate);
  td.append(spark(values, { label: `bitrate of the last two minutes, below the cap of ${bits(track.max_bitrate)}`, limit: track.max_bitrate }));
  return td;
}

function pictures(track, index) {
  const fps = growth((s) => s.tracks[index]?.encoded);
  const td = cell("fps", fps === null ? "–" : fps.toFixed(1), fps === null ? "soft" : "");
  if (track.kind === "video") td.append(spark(growths((s) => s.tracks[index]?.encoded), { label: `pictures a second; ${rate(track.rate)} are due`, limit: Number(rate(track.rate)) }));
  return td;
}

// Of the time that a GOP may take; at 100 % the rung is no faster than real time.
function encode(track, index) {
  const part = track.encode_permille ?? null;
  const td = cell("encode", part === null ? "–" : `${Math.round(part / 10)} %`, part === null ? "soft" : part > 1000 ? "bad" : part > 850 ? "warn" : "");
  if (track.kind === "video") td.append(spark(history((s) => s.tracks[index]?.encode_permille), { label: "time to encode, of the time that there is", limit: 1000, over: true }));
  return td;
}

// Of the last segment, 100 where nothing is wrong; what was wrong since the start on request.
function score(quality, index) {
  const td = cell("score", quality.score ?? "–", quality.score === null ? "soft" : quality.score < 60 ? "bad" : quality.score < 90 ? "warn" : "");
  const defects = Object.entries(quality.defects).map(([name, n]) => `${name}: ${n.count} in ${n.segments} segments`);
  td.title = quality.lowest === null ? "" : [`lowest ${quality.lowest}`, ...defects].join("\n");
  td.append(spark(history((s) => s.tracks[index]?.quality.score), { label: "score of the last two minutes", top: 100 }));
  return td;
}

function missed(track) {
  const due = track.deadline;
  if (!due) return cell("misses", "–", "soft");
  if (due.overdue_ms > 0) return cell("misses", `overdue ${span(due.overdue_ms)}`, "bad");
  const td = cell("misses", due.misses, due.misses ? "warn" : "");
  td.title = `${due.late} came late, ${due.missing} never came`;
  return td;
}

// Where nobody watches what is due: nothing came for four segments, beside the usual lag.
const old = (of, segment) => of.age_ms !== null && of.lag_ms !== null && of.age_ms - of.lag_ms > 4 * segment;

function lag(track, segment) {
  if (!track.enabled || track.overload === "paused") return cell("lag", "–", "soft");
  const stalled = track.deadline ? track.deadline.overdue_ms > 0 : old(track, segment);
  return cell("lag", stalled ? `silent for ${span(track.age_ms)}` : span(track.lag_ms), stalled ? "bad" : "");
}

function row(track, index, segment) {
  const tr = document.createElement("tr");
  const name = cell("rung", track.name, track.enabled ? "" : "soft");
  if (!track.enabled) name.append(element("small", "off"));
  else if (track.overload && track.overload !== "full") name.append(element("small", track.overload, track.overload === "paused" ? "bad" : "warn"));
  const dropped = track.late + track.failed + track.paused;
  const made = cell("makes", makes(track));
  if (track.backend) made.append(element("small", track.fallbacks ? `${track.backend}, ${track.fallbacks} by another` : track.backend, track.fallbacks ? "warn" : ""));
  tr.append(
    name,
    made,
    pictures(track, index),
    bitrate(track, index),
    encode(track, index),
    score(track.quality, index),
    lag(track, segment),
    missed(track),
    cell("queue", track.queue ?? "–", track.queue === null ? "soft" : ""),
    cell("dropped", dropped, dropped ? "bad" : ""),
    cell("segment", track.last_segment ?? "–"),
  );
  return tr;
}
