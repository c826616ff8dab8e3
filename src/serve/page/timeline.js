// What happened, newest first: as the worker tells it, or where it does not, what the page sees between two looks.

const SHOWN = 200;
const happened = [];
let told = false;

function happens(time, level, text) {
  happened.unshift({ time, level, text });
  happened.length = Math.min(happened.length, SHOWN);
  fill(at("events"), happened.map((e) => {
    const li = element("li", "", e.level);
    const stamp = element("time", e.time.slice(11, 19));
    stamp.dateTime = e.time;
    li.append(stamp, element("span", e.text));
    return li;
  }));
}

// Each line where something is other than at the last look.
function compare(before, now) {
  const time = now.now;
  if (before.state !== now.state) happens(time, now.state === "failed" ? "error" : "info", now.error ?? `the worker is ${now.state}`);
  now.tracks.forEach((track, i) => {
    const was = before.tracks[i];
    if (!was) return;
    const more = (of) => (of(track) ?? 0) - (of(was) ?? 0);
    if (more((t) => t.late) > 0) happens(time, "error", `${track.name}: ${more((t) => t.late)} left out, the rung is late`);
    if (more((t) => t.failed) > 0) happens(time, "error", `${track.name}: ${more((t) => t.failed)} failed`);
    if (more((t) => t.fallbacks) > 0) happens(time, "warning", `${track.name}: made by another backend`);
    const overdue = (t) => (t.deadline?.overdue_ms ?? 0) > 0;
    if (overdue(track) && !overdue(was)) happens(time, "error", `${track.name}: not published on time`);
    if (!overdue(track) && overdue(was)) happens(time, "info", `${track.name}: published on time again`);
  });
  now.inputs?.paths.forEach((p, i) => {
    const was = before.inputs?.paths[i];
    if (was && was.up !== p.up) happens(time, p.up ? "info" : "warning", `path ${i + 1} ${p.up ? "brings something again" : "brings nothing"}`);
  });
  if (now.standby && before.standby && now.standby.active !== before.standby.active) happens(time, "warning", `input ${now.standby.active + 1} is shown`);
  // Of two feeds that of the one that is shown: the other's filler nobody sees.
  const filling = (s) => (now.standby?.active === 1 ? (s.standby?.source.fillers ?? 0) : s.source.fillers);
  const [older, old] = [past.at(-3)?.status ?? before, before];
  if (filling(now) > filling(old) && filling(old) === filling(older)) happens(time, "error", "filler is shown: the feed is away");
  now.outputs?.forEach((o, i) => {
    const was = before.outputs?.[i];
    if (was && was.state !== o.state) happens(time, o.state === "well" ? "info" : "error", `output ${i + 1} ${o.state === "well" ? "takes what is published" : `does not: ${o.last_error ?? o.state}`}`);
  });
}

// The worker's own events, where it tells them: those since the last look. A stream that stays open would take one of few places.
let newest = null;

async function ask() {
  const since = newest === null ? "" : `&since=${newest}`;
  const answer = await fetch(`/v1/events?end=true${since}`, { headers: { accept: "text/event-stream" }, signal: AbortSignal.timeout(4000) });
  if (!answer.ok || !answer.headers.get("content-type")?.startsWith("text/event-stream")) return false;
  const events = (await answer.text()).split("\n").filter((line) => line.startsWith("data:")).map((line) => JSON.parse(line.slice(5)));
  if (!told) happened.length = 0;
  told = true;
  for (const event of events.filter((e) => e.text && e.time)) {
    newest = event.id ?? newest;
    happens(event.time, event.level ?? "info", event.text);
  }
  return true;
}

async function listen() {
  // Nobody tells here, or not us: what the page sees by itself is shown.
  const there = await ask().catch(() => false);
  setTimeout(listen, there || told ? 1000 : 60000);
}
