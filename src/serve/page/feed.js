// What comes in, and where it goes out: a card each.

function card(name, state, kind, facts, charts) {
  const made = element("article", "", kind);
  const head = element("h3", name);
  head.append(element("b", state));
  // What never happened needs no chart.
  made.append(head, ...charts.filter(Boolean));
  const list = document.createElement("ul");
  list.append(...facts.map(([text, bad]) => element("li", text, bad)));
  made.append(list);
  return made;
}

// A chart of what should not happen, where it did.
const trouble = (values, drawing) => (values.some((v) => v > 0) ? spark(values, drawing) : null);

const some = (counts, kind) => Object.entries(counts).filter(([, n]) => n > 0).map(([name, n]) => [`${n} ${name}`, kind]);

// The picture of a feed: what is decoded of it, and what is put in its place.
function picture(name, source, clock, wrong, shown) {
  const of = (s) => (name === "Standby" ? s.standby?.source : s.source);
  const fps = growth((s) => of(s)?.pictures);
  const counts = {
    "pictures repeated": source.repeats,
    "pictures of filler": source.fillers,
    "pictures without a slot": source.dropped,
    "damaged units": source.errors,
    "GOPs shed before decoding": source.shed_gops,
    "ms of silence put in": Math.round(source.silent_samples / 48),
    "clock tied anew": source.anchors,
    "connections lost": source.disconnects,
    "connections opened again": source.reconnects,
    "callers without media": source.callers_refused,
    "changes of video or sound": source.changes,
  };
  const bad = some(counts, "warn");
  if (!bad.length) bad.push(["nothing lost, nothing repeated", "good"]);
  bad.push([`${source.pictures} pictures decoded`, ""]);
  if (clock) bad.push(placed(clock));
  const words = { loss: "away", invalid: "damaged", black: "black", frozen: "frozen", silence: "silent" };
  const filling = (growth((s) => of(s)?.fillers) ?? 0) > 0;
  const state = wrong ? words[wrong] : filling ? (shown === false ? "away" : "filler is shown") : fps === null || fps === 0 ? "no picture" : `${fps.toFixed(1)} /s`;
  const charts = [
    spark(growths((s) => of(s)?.pictures), { label: "pictures decoded a second" }),
    trouble(growths((s) => (of(s) ? of(s).repeats + of(s).fillers : null)), { label: "pictures repeated or filled in a second", top: 5 }),
  ];
  return card(shown === null ? name : `${name}${shown ? ", shown" : ""}`, state, wrong || filling || !fps ? "bad" : "good", bad, charts);
}

// What places the feed on the grid.
function placed(c) {
  const lock = { locked: "locked", own: "not locked to another worker", lost: "the lock is lost" }[c.lock];
  const near = c.margin_us * 10 < c.slot_us;
  return [`placed by ${c.reference}: ${lock}, ${(c.margin_us / 1000).toFixed(1)} ms from another slot`, c.lock === "lost" || near ? "warn" : c.lock === "locked" ? "good" : ""];
}

function path(p, index) {
  const bad = some({ lost: p.lost, "filled by the other path": p.filled, late: p.late, reordered: p.reordered, twice: p.duplicate, garbage: p.garbage,
    "continuity errors": p.continuity, "not taken in time": p.overruns, reconnects: p.reconnects }, "warn");
  const state = p.up ? bits(p.bitrate) : p.silent_ms === null ? "nothing yet" : `silent for ${span(p.silent_ms)}`;
  const charts = [
    spark(history((s) => s.inputs?.paths[index]?.bitrate), { label: "bitrate of the last two minutes" }),
    trouble(growths((s) => s.inputs?.paths[index]?.lost), { label: "packets lost a second", top: 5 }),
  ];
  return card(`Path ${index + 1} ${p.input}`, state, p.up ? (bad.length ? "" : "good") : "bad", [...bad, [`${p.packets} packets`, ""]], charts);
}

function merged(inputs) {
  const merge = inputs.merge;
  const how = { alone: "not merged yet", number: "merged by RTP number", content: "merged by content", mismatch: "their packets do not match" }[merge.mode];
  const together = merge.mode === "number" || merge.mode === "content";
  const facts = together ? [[`${(merge.delay_us / 1000).toFixed(1)} ms apart`, ""]] : [];
  facts.push([`${merge.hurt} units hurt`, merge.hurt ? "bad" : "good"], ...some({ "lost on both": merge.lost, holes: merge.continuity }, "bad"));
  const charts = [trouble(growths((s) => s.inputs?.merge.continuity), { label: "holes a second behind the merge", top: 5 })];
  return card("Two paths", how, merge.mode === "mismatch" || merge.hurt ? "bad" : "good", facts, charts);
}

function inputs(s) {
  const wrong = s.standby ? s.standby.trouble : [null, null];
  const cards = [picture("Picture", s.source, s.clock, wrong[0], s.standby ? s.standby.active === 0 : null)];
  if (s.standby) cards.push(picture("Standby", s.standby.source, s.standby.clock, wrong[1], s.standby.active === 1));
  if (s.inputs) cards.push(...s.inputs.paths.map(path));
  if (s.inputs?.paths.length > 1) cards.push(merged(s.inputs));
  return cards;
}

function output(o, index) {
  const facts = some({ retries: o.retries, dropped: o.dropped, torn: o.torn, "answered late": o.over_budget, "came later": o.filled_in }, "warn");
  const backlog = o.backlog_segments ? [[`${o.backlog_segments} wait, ${(o.backlog_bytes / (1 << 20)).toFixed(1)} MiB`, "warn"]] : [];
  facts.unshift([`${o.write_ms ?? 0} ms to write`, o.write_ms > 1000 ? "warn" : ""], ...backlog, [`${o.segments} segments`, ""]);
  if (o.state !== "well" && o.last_error) facts.push([o.last_error, "bad"]);
  const charts = [
    spark(history((s) => s.outputs?.[index]?.write_ms), { label: "ms from the last byte to the answer", top: 100 }),
    trouble(history((s) => s.outputs?.[index]?.backlog_segments), { label: "segments that wait", top: 5 }),
  ];
  return card(`Output ${index + 1} ${o.url}`, o.state, o.state === "well" ? "good" : "bad", facts, charts);
}

function outputs(s) {
  const store = s.store ? card("Players of this page", `${(s.store.bytes / (1 << 20)).toFixed(1)} MiB`, "good", [[`${s.store.segments} segments in memory`, ""], ...some({ "dropped for want of memory": s.store.evicted, conflicts: s.store.conflicts }, "warn")], []) : [];
  return [...(s.outputs ?? []).map(output), store].flat();
}
