#!/usr/bin/env node
// Two workers push to `mezzo origin`, and everything happens to them; real players must see nothing of it: no stall, no error, no answer of 400 and more.
//
//   node tests/players/drill.mjs [--mezzo BINARY] [--players hls,shaka-hls,shaka-dash,dash] [--shots FOLDER]
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FEED, HERE, Processes, answers, browse, files, freePort, play, sleep, tell } from './kit.mjs';

const { values: args } = parseArgs({
  options: {
    mezzo: { type: 'string', default: join(HERE, '../../target/release/mezzo') },
    players: { type: 'string', default: 'hls,shaka-hls,shaka-dash,dash' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    shots: { type: 'string' },
  },
});
/// Players have this much before them when they begin.
const HEAD_START = 14;

/// Passes datagrams on in their order, as late as it is told.
async function relay(to) {
  const from = await freePort(), held = [], late = { seconds: 0, from };
  const socket = createSocket('udp4').bind(from, '127.0.0.1');
  const flush = () => {
    while (held.length && held[0].due <= performance.now()) socket.send(held.shift().data, to, '127.0.0.1');
  };
  socket.on('message', (data) => (held.push({ due: performance.now() + late.seconds * 1000, data }), flush()));
  const timer = setInterval(flush, 5);
  late.close = () => (clearInterval(timer), socket.close());
  return late;
}

const folder = mkdtempSync(join(tmpdir(), 'drill-'));
const processes = new Processes(args.mezzo);
const origin = processes.start('origin', '--listen', '127.0.0.1:0', '--output', join(folder, 'kept'), '--window', '10m');
const url = await processes.address(origin);
const ports = [await freePort(), await freePort()], late = await relay(ports[1]);
const towards = [ports[0], late.from].flatMap((port) => ['--output', `udp://127.0.0.1:${port}`]);
processes.start('feed', ...towards, '--size', `${FEED.width}x${FEED.height}`, '--rate', String(FEED.rate), '--bitrate', '4M');
const worker = (n) =>
  processes.start('run', '--input', `udp://127.0.0.1:${ports[n]}`, '--clock', 'sei', '--ladder', join(HERE, 'drill.toml'), '--output', `${url}/ingest/${'AB'[n]}`);
const status = async () => (await fetch(`${url}/v1/status`)).json();
const counted = async (pipeline, name) => (await status()).tracks.flatMap((t) => t.pipelines).filter((p) => p.pipeline === pipeline).reduce((n, p) => n + p[name], 0);

/// As `pipeline`, for the number that is next: what is no segment.
async function sabotage(pipeline) {
  for (const { name, last } of (await status()).tracks) {
    const good = new Uint8Array(await (await fetch(`${url}/live/${name}/${last}.m4s`)).arrayBuffer());
    const flipped = good.map((byte, at) => (at >= 80 && at < 400 ? byte ^ 0x5a : byte));
    for (const body of [good, good.slice(0, good.length / 2), flipped, new Uint8Array()]) {
      const answer = await fetch(`${url}/ingest/${pipeline}/${name}/${last + 2}.m4s`, { method: 'PUT', body });
      if (answer.status !== 422) throw new Error(`what is broken was answered with ${answer.status}`);
    }
  }
}

const workers = [worker(0), worker(1)];
const again = async (n, signal, away) => {
  await processes.end(workers[n], signal);
  await sleep(away);
  workers[n] = worker(n);
  const before = await counted('AB'[n], 'received');
  for (let tries = 0; (await counted('AB'[n], 'received')) < before + 4; tries++) {
    if (tries > 200) throw new Error(`worker ${n} is not back within 40 s:\n${processes.said.slice(-20).join('')}`);
    await sleep(0.2);
  }
};

/// What happens, in turn.
const FAULTS = {
  'A is killed, away for 6 s, and started again': () => again(0, 'SIGKILL', 6),
  'B is killed, and started again': () => again(1, 'SIGKILL', 1),
  'A leaves (SIGTERM), and is started again': () => again(0, 'SIGTERM', 4),
  'B is late by 3 s, then not any more': async () => {
    late.seconds = 3;
    await sleep(10);
    late.seconds = 0;
    await sleep(4);
  },
  'A alone is killed while B is late by 3 s': async () => {
    late.seconds = 3;
    await sleep(6);
    await again(0, 'SIGKILL', 5);
    late.seconds = 0;
    await sleep(4);
  },
  'both send what is broken': async () => {
    for (let n = 0; n < 3; n++) {
      await sabotage('A');
      await sabotage('B');
      await sleep(2);
    }
  },
};

const { server, url: pages } = await files();
let wrong = 0;
try {
  await answers(`${url}/readyz`, processes.said);
  await sleep(HEAD_START);
  let over;
  const drilled = new Promise((done) => (over = done));
  const browser = await browse(args.chromium);
  const ready = [], shows = [];
  for (const how of args.players.split(',')) {
    ready.push(
      new Promise((playing) => {
        const meanwhile = async () => (playing(), await drilled);
        const shot = args.shots && join(args.shots, `drill-${how}.png`);
        shows.push(play(browser, pages, url, how, false, meanwhile, shot).then((result) => (playing(), result)));
      }),
    );
  }
  await Promise.all(ready);
  await sleep(5);
  for (const [name, happens] of Object.entries(FAULTS)) {
    const begun = Date.now();
    console.log(name);
    await happens();
    console.log(`  took ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  }
  await sleep(8);
  over();
  for (const result of await Promise.all(shows)) {
    tell(`${result.how}, ${result.seconds.toFixed(0)} s of pictures`, result);
    wrong += result.wrong.length;
  }
  await browser.close();
  for (const { name, gaps, published, pipelines } of (await status()).tracks) {
    const of = pipelines.map((p) => `${p.pipeline} chosen ${p.chosen}, identical ${p.identical}, differing ${p.differing}, broken ${p.broken}`).join('; ');
    console.log(`${name}: ${published} segments, ${gaps} gaps; ${of}`);
    wrong += gaps;
  }
} finally {
  await processes.stop();
  late.close();
  server.close();
  if (wrong) writeFileSync(join(tmpdir(), 'drill.log'), processes.said.join(''));
  rmSync(folder, { recursive: true, force: true });
}
process.exit(wrong ? 1 : 0);
