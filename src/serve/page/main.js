// Looks at the worker once a second, and shows what it sees.

let known = "";

function tile(id, value, note, bad) {
  at(id).textContent = value;
  at(id).className = bad ? "bad" : "";
  if (at(`${id}-note`)) at(`${id}-note`).textContent = note;
}

function tiles(status) {
  const due = status.tracks.map((t) => t.deadline).filter(Boolean);
  const overdue = Math.max(0, ...due.map((d) => d.overdue_ms));
  const stalled = status.state === "running" && (due.length ? overdue > 0 : old(status, status.segment_ms));
  const why = due.length ? `a segment is overdue by ${span(overdue)}` : `nothing published for ${hms(status.age_ms - status.lag_ms)}`;
  if (status.live) {
    tile("lag", span(status.lag_ms), stalled ? why : "from the end of a slot to its publication", stalled);
  } else {
    const speed = growth((s) => s.media_ms);
    at("lag-name").textContent = "Speed";
    tile("lag", speed === null ? "–" : `${(speed / 1000).toFixed(2)} ×`, "of real time");
  }
  const end = status.expected_ms > 0 ? ` of ${hms(status.expected_ms)}` : "";
  const where = status.position === null ? "–" : status.live ? status.position.slice(11, 19) : hms(status.media_ms);
  tile("position", where, status.position === null ? "" : status.live ? `UTC, ${hms(status.media_ms)}${end} published` : `published${end}`);
  const misses = due.reduce((sum, d) => sum + d.misses, 0);
  tile("due", due.length ? misses : "–", overdue ? `overdue by ${span(overdue)}` : misses ? `${due.reduce((sum, d) => sum + d.late, 0)} came late` : due.length ? "every segment in time" : "nothing is due", overdue > 0);
  const late = status.tracks.reduce((sum, t) => sum + t.late, 0);
  const dropped = late + status.tracks.reduce((sum, t) => sum + t.failed, 0);
  tile("dropped", dropped, dropped ? `${late} late, ${dropped - late} failed` : `of ${status.tracks.reduce((sum, t) => sum + t.segments, 0)} made`, dropped > 0);
}

function counts(status) {
  const all = {
    "segments missing": status.published.gaps,
    "segments over the cap": status.published.over_cap,
    "segments that break a rule": status.published.findings,
    "segments withheld": status.published.undecodable,
    "segments made by a fallback": status.tracks.reduce((sum, t) => sum + t.fallbacks, 0),
    "segments without frames for another try": status.tracks.reduce((sum, t) => sum + t.unheld, 0),
    "conflicts with stored segments": status.conflicts,
  };
  const bad = Object.entries(all).filter(([, n]) => n > 0).map(([name, n]) => element("li", `${n} ${name}`, "warn"));
  fill(at("counts"), bad.length ? bad : [element("li", "every segment is whole", "good")]);
  fill(at("warnings"), status.warnings.map((w) => element("li", w)));
}

function show(status) {
  const before = past.at(-1)?.status;
  past.push({ at: performance.now(), status });
  if (past.length > KEPT) past.shift();
  if (before && !told) compare(before, status);
  document.body.classList.remove("stale");
  at("state").dataset.state = status.state === "running" && !status.ready ? "late" : status.state;
  at("state").textContent = status.state;
  at("error").textContent = status.error ?? "";
  at("error").hidden = !status.error;
  at("feed").textContent = `${status.feed.width}×${status.feed.height}, ${rate(status.feed.rate)}/s${status.feed.interlaced ? " interlaced" : ""}`;
  at("since").textContent = `up ${hms(status.uptime_ms)}`;
  at("class").textContent = `class ${status.class}`;
  at("rungs").replaceChildren(...status.tracks.map((t, i) => row(t, i, status.segment_ms)));
  at("inputs").replaceChildren(...inputs(status));
  at("outputs").replaceChildren(...outputs(status));
  tiles(status);
  counts(status);
}

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
    if (!document.body.classList.contains("stale") && past.length) happens(new Date().toISOString(), "error", "the server does not answer");
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

listen();
poll();
